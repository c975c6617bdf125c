//! The filter against its naive twin over published resources and random grants, and a stream against a held body.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use bascule_fhir::element;
use bascule_policy::{Elements, Mask, Profile};
use flate2::read::GzDecoder;
use serde_json::Value;

use super::oracle;
use super::support::{Dice, PUBLIC, UPSTREAM, is_long, page, shared};
use crate::limits::Limits;
use crate::masking::Masking;
use crate::masks::Masks;
use crate::pseudonym::Pseudonyms;
use crate::release::release_narrowed;
use crate::reply::{Reply, Shape};
use crate::rewrite::Rewrite;

/// Resources larger than this wait for the long run.
const SHORT_BYTES_MAX: usize = 100_000;

pub(crate) fn lines(path: PathBuf) -> impl Iterator<Item = String> {
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    BufReader::new(GzDecoder::new(file)).lines().map(Result::unwrap)
}

/// A random choice of what is in the resource, now and then by whole names, now and then nothing or all.
fn random_elements(dice: &mut Dice, name: &str, resource: &Value) -> Elements {
    if dice.below(12) == 0 {
        return Elements::Whole;
    }
    let profile = Profile::ALL.get(dice.below(12)).copied();
    if let Some(profile) = profile.filter(|_| dice.below(2) == 0) {
        return Elements::Profiled { profile, named: None };
    }
    let share = [2, 4, 10, 50][dice.below(4)];
    let paths: Vec<String> = oracle::paths_of(name, resource).into_iter().filter(|_| dice.below(share) == 0).collect();
    let named = paths.into_iter().map(|path| if dice.below(3) == 0 { perhaps_masked(dice, name, path) } else { path });
    let named = named.collect();
    match profile {
        Some(profile) => Elements::Profiled { profile, named: Some(named) },
        None => Elements::Only(named),
    }
}

/// As [`random_elements`], without masks and profiles.
fn random_plain_elements(dice: &mut Dice, name: &str, resource: &Value) -> Elements {
    loop {
        match random_elements(dice, name, resource) {
            Elements::Only(named) if named.iter().any(|path| path.contains('|')) => {}
            Elements::Profiled { .. } => {}
            elements => return elements,
        }
    }
}

/// The path with a mask that fits the element, if one does.
fn perhaps_masked(dice: &mut Dice, name: &str, path: String) -> String {
    let Ok(resolved) = element::resolve(name, &path) else { return path };
    let above = resolved.steps.iter().rev().nth(1);
    let parent = above.map_or(resolved.root, |step| step.elements[0].type_name);
    let Some(last) = resolved.last().first().copied() else { return path };
    let fitting: Vec<Mask> = Mask::ALL.into_iter().filter(|mask| mask.fits(parent, last)).collect();
    if fitting.is_empty() { path } else { format!("{path}|{}", fitting[dice.below(fitting.len())].name()) }
}

#[test]
fn what_leaves_of_published_resources_is_what_the_twin_lets_out() {
    let Some(shared) = shared() else { return };
    let mut dice = Dice::new(1);
    let mut count = 0;
    for file in ["data/fhir/r4-examples.ndjson.gz", "data/fhir/us-core-examples.ndjson.gz"] {
        for line in lines(shared.join(file)) {
            if line.len() > SHORT_BYTES_MAX && !is_long() {
                continue;
            }
            for _ in 0..if is_long() { 20 } else { 1 } {
                check_line(&mut dice, &line);
                count += 1;
            }
        }
    }
    assert!(count > 2_000, "{count}");
}

fn check_line(dice: &mut Dice, line: &str) {
    let resource: Value = serde_json::from_str(line).unwrap();
    // One line of the examples is no resource; what has no type is withheld, which other tests show.
    let Some(name) = resource["resourceType"].as_str() else { return };
    let mut types = vec![(name, random_elements(dice, name, &resource))];
    for contained in resource["contained"].as_array().into_iter().flatten() {
        let name = contained["resourceType"].as_str().unwrap();
        if !types.iter().any(|(other, _)| *other == name) && dice.below(2) == 0 {
            types.push((name, random_elements(dice, name, contained)));
        }
    }
    let narrowing = oracle::of_types(&types);
    let pseudonyms = Pseudonyms::random([9; 32], 1 << 20);
    let rewrite = Rewrite::new(UPSTREAM, PUBLIC, &page).with_masking(Masking { year: 2026, pseudonyms: &pseudonyms });
    let limits = Limits { resource_bytes_max: 8 << 20, ..Limits::default() };
    let shape = if name == "Bundle" { Shape::Bundle } else { Shape::Resource };
    let reply = Reply { body: line.as_bytes(), shape };
    let expected = match name {
        "Bundle" | "Parameters" | "OperationOutcome" => return,
        // A table of codes that the filter fills gives the twin the same codes, if the values are the same.
        _ => || oracle::resource_with(&narrowing, &resource, &rewrite).unwrap(),
    };
    let left = release_narrowed(&Masks::default(), &narrowing, reply, &rewrite, &limits);
    let left = left.unwrap_or_else(|withheld| panic!("{withheld} of {name}/{}", resource["id"]));
    let found: Value = serde_json::from_slice(left.body()).unwrap();
    let expected = expected();
    assert!(found == expected, "{name}/{} under {types:?}: {:?}", resource["id"], difference(&found, &expected));
}

#[test]
fn what_leaves_of_synthetic_bundles_is_what_the_twin_lets_out() {
    let Some(shared) = shared() else { return };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(shared.join("data/fhir/synthea")).unwrap().map(|one| one.unwrap().path()).collect();
    files.sort();
    let mut dice = Dice::new(2);
    let step = if is_long() { 1 } else { 12 };
    for path in files.iter().step_by(step) {
        let file = std::fs::File::open(path).unwrap();
        let bundle: Value = if path.extension().is_some_and(|end| end == "gz") {
            serde_json::from_reader(GzDecoder::new(file)).unwrap()
        } else {
            serde_json::from_reader(file).unwrap()
        };
        if bundle["resourceType"] == "Bundle" {
            check_bundle(&mut dice, bundle);
        }
    }
}

fn check_bundle(dice: &mut Dice, bundle: Value) {
    let mut types: Vec<(&str, Elements)> = Vec::new();
    for entry in bundle["entry"].as_array().unwrap() {
        let resource = &entry["resource"];
        let name = resource["resourceType"].as_str().unwrap();
        if !types.iter().any(|(other, _)| *other == name) && dice.below(4) != 0 {
            types.push((name, random_plain_elements(dice, name, resource)));
        }
    }
    let narrowing = oracle::of_types(&types);
    let expected = oracle::bundle(&narrowing, &bundle);
    let body = if dice.below(2) == 0 { bundle.to_string() } else { format!("{bundle:#}") };
    let masks = Masks::default();
    let rewrite = Rewrite::new(UPSTREAM, PUBLIC, &page);
    let limits = Limits::default();
    let reply = Reply { body: body.as_bytes(), shape: Shape::Bundle };
    let held = release_narrowed(&masks, &narrowing, reply, &rewrite, &limits).unwrap();
    let found: Value = serde_json::from_slice(held.body()).unwrap();
    assert!(found == expected, "{:?}", difference(&found, &expected));

    let mut filter = crate::Filter::narrowed(&masks, &narrowing, Shape::Bundle, &rewrite, &limits);
    let (mut streamed, mut rest) = (Vec::new(), body.as_bytes());
    while !rest.is_empty() {
        let (part, more) = rest.split_at(rest.len().min(1 + dice.below(50_000)));
        filter.push(part, &mut streamed).unwrap();
        rest = more;
    }
    let finished = filter.finish(&mut streamed).unwrap();
    assert!(streamed == held.body(), "a stream differs from a held body");
    assert_eq!(finished.resources(), held.resources());
    assert_eq!(finished.withheld_resources(), held.withheld_resources());
    assert_eq!(finished.withheld_elements(), held.withheld_elements());
    assert_eq!(finished.received_digest(), held.received_digest());
    assert_eq!(finished.released_digest(), held.released_digest());
}

/// The first place at which two trees differ.
fn difference(found: &Value, expected: &Value) -> Option<String> {
    if found == expected {
        return None;
    }
    let below = match (found, expected) {
        (Value::Object(left), Value::Object(right)) => {
            let keys = left.keys().chain(right.keys());
            let mut parts = keys.filter_map(|key| {
                Some(format!(
                    "{key}.{}",
                    difference(left.get(key).unwrap_or(&Value::Null), right.get(key).unwrap_or(&Value::Null))?
                ))
            });
            parts.next()
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            left.iter().zip(right).find_map(|(left, right)| difference(left, right))
        }
        _ => None,
    };
    below.or_else(|| Some(format!(" found {found} expected {expected}")))
}
