//! Writes what leaves of published resources under random grants to the file that `BASCULE_FILTERED` names, for a
//! validator that nobody here wrote (`tests/foreign/validate`). Without it nothing is written, and the test says so.

use std::io::Write as _;

use bascule_fhir::ResourceType;
use bascule_policy::{Elements, Profile};
use serde_json::{Value, json};

use super::data::lines;
use super::oracle;
use super::support::{Dice, PUBLIC, UPSTREAM, is_long, page, shared};
use crate::limits::Limits;
use crate::masking::Masking;
use crate::masks::Masks;
use crate::pseudonym::Pseudonyms;
use crate::release::release_narrowed;
use crate::reply::{Reply, Shape};
use crate::rewrite::Rewrite;

/// A resource larger than this makes the file large and tells nothing new.
const BYTES_MAX: usize = 100_000;

/// Of what defines things the policy lets out all or nothing.
fn is_definition(name: &str) -> bool {
    ResourceType::parse(name).is_some_and(bascule_policy::is_definition)
}

#[test]
fn what_leaves_is_written_for_another_validator() {
    let Some(path) = std::env::var_os("BASCULE_FILTERED") else {
        println!("skipped: BASCULE_FILTERED is not set");
        return;
    };
    let Some(shared) = shared() else { return };
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let mut dice = Dice::new(7);
    let rounds = if is_long() { 40 } else { 6 };
    let pseudonyms = Pseudonyms::random([5; 32], 1 << 20);
    for line in lines(shared.join("data/fhir/r4-examples.ndjson.gz")).filter(|line| line.len() <= BYTES_MAX) {
        let resource: Value = serde_json::from_str(&line).unwrap();
        let Some(name) = resource["resourceType"].as_str() else { continue };
        if matches!(name, "Bundle" | "Parameters" | "OperationOutcome") || is_definition(name) {
            continue;
        }
        let paths = oracle::paths_of(name, &resource);
        for profile in Profile::ALL {
            let types = [(name, Elements::Profiled { profile, named: None })];
            let after = left(&types, &line, &pseudonyms);
            writeln!(file, "{}", json!({ "before": resource.clone(), "after": after, "under": named_of(&types) }))
                .unwrap();
        }
        for round in 0..rounds {
            // First nothing, then more and more: what is required is withheld in every depth.
            let share = [usize::MAX, 2, 3, 6, 15, 40][round % 6];
            let named = paths.iter().filter(|_| share != usize::MAX && dice.below(share) == 0).cloned().collect();
            let mut types = vec![(name, Elements::Only(named))];
            for contained in resource["contained"].as_array().into_iter().flatten() {
                let inner = contained["resourceType"].as_str().unwrap();
                if !types.iter().any(|(other, _)| *other == inner) && !is_definition(inner) {
                    let paths = oracle::paths_of(inner, contained).into_iter();
                    types.push((inner, Elements::Only(paths.filter(|_| dice.below(3) == 0).collect())));
                }
            }
            let after = left(&types, &line, &pseudonyms);
            writeln!(file, "{}", json!({ "after": after, "under": named_of(&types) })).unwrap();
        }
    }
}

fn left(types: &[(&str, Elements)], line: &str, pseudonyms: &Pseudonyms) -> Value {
    let narrowing = oracle::of_types(types);
    let rewrite = Rewrite::new(UPSTREAM, PUBLIC, &page).with_masking(Masking { year: 2026, pseudonyms });
    let reply = Reply { body: line.as_bytes(), shape: Shape::Resource };
    let left = release_narrowed(&Masks::default(), &narrowing, reply, &rewrite, &Limits::default()).unwrap();
    serde_json::from_slice(left.body()).unwrap()
}

fn named_of(types: &[(&str, Elements)]) -> Value {
    types
        .iter()
        .map(|(name, elements)| json!([name, elements.profile().map(Profile::name), elements.named()]))
        .collect()
}
