//! Any bytes as the body of an upstream: nothing panics, what is no JSON stays, what leaves is JSON, and a stream that is
//! cut anywhere leaves what a held body leaves.
//!
//! The first byte chooses shape and grant, the second where the stream is cut.
#![no_main]

use std::sync::{Arc, LazyLock};

use bascule_fhir::{Id, ResourceType};
use bascule_minimum::open::{filtered, stream};
use bascule_minimum::{Limits, Masking, Masks, Pseudonyms, Rewrite, Shape};
use bascule_policy::{Condition, Elements, Narrowing, Profile, TotalRule, TypeNarrowing};
use libfuzzer_sys::fuzz_target;

static MASKS: LazyLock<Masks> = LazyLock::new(Masks::default);

/// Small, so that an input soon is too large.
const LIMITS: Limits = Limits { resource_bytes_max: 512, depth_max: 24, listed_resources_max: 64, withheld_paths_max: 16 };

/// Grants that reach every kind of node: whole, named, parts, siblings, contained, meta, conditions, masks, a profile.
const GRANTS: [&str; 6] = [
    "*",
    "",
    "name status code subject meta contained value[x] extension text",
    "name.given.extension meta.tag.code subject.reference identifier.value contained parameter.part link.other birthDate.id component",
    "id|code subject.reference|code birthDate|year valueQuantity|pooled-age address.postalCode|zip3 identifier.value|last-four",
    "safe-harbor",
];

fn narrowing(choice: u8) -> Narrowing {
    let elements = |number: u8| match GRANTS[usize::from(number) % GRANTS.len()] {
        "*" => Elements::Whole,
        "safe-harbor" => Elements::Profiled { profile: Profile::SafeHarbor, named: None },
        paths => Elements::Only(paths.split_whitespace().map(str::to_owned).collect()),
    };
    let types = ["Patient", "Observation", "Basic", "Bundle", "Parameters"].iter().enumerate().filter_map(|(place, name)| {
        let place = u8::try_from(place).unwrap_or(0);
        let conditions = match choice >> 5 & 3 {
            1 => vec![Condition::InCompartment { of: ResourceType::PATIENT, ids: Id::parse("1").into_iter().collect() }],
            2 => vec![Condition::Not(vec![Condition::Matches { any_of: vec![vec![("code".to_owned(), "a".to_owned())]] }])],
            _ => Vec::new(),
        };
        let granted = place < 3 || choice & 0x80 != 0;
        let narrowing = TypeNarrowing::new(Arc::new(elements(choice.wrapping_add(place))), conditions);
        granted.then(|| Some((ResourceType::parse(name)?, narrowing)))?
    });
    Narrowing { types: types.collect(), total: if choice & 0x10 == 0 { TotalRule::Exact } else { TotalRule::Absent } }
}

fuzz_target!(|input: &[u8]| {
    let [choice, cut, body @ ..] = input else { return };
    let narrowing = narrowing(*choice);
    let shape = [Shape::Resource, Shape::Bundle, Shape::BatchResponse, Shape::Ndjson][usize::from(choice >> 2 & 3)];
    let page = |relation: &str, url: &str| (relation != "previous").then(|| format!("https://b/{}", url.len()));
    // Two tables with one seed: the same values come in the same order.
    let (codes, other_codes) = (Pseudonyms::random([1; 32], 64), Pseudonyms::random([1; 32], 64));
    let rewrite = Rewrite::new("http://u/f", "https://b/e", &page).with_masking(Masking { year: 2026, pseudonyms: &codes });
    let other = rewrite.with_masking(Masking { year: 2026, pseudonyms: &other_codes });
    let held = filtered(&MASKS, &narrowing, shape, body, &rewrite, &LIMITS);

    let (first, second) = body.split_at(usize::from(*cut).min(body.len()));
    let mut streamed = Vec::new();
    let mut pieces = std::iter::once(first).chain(second.chunks(usize::from(*cut) + 1));
    let result = stream(&MASKS, &narrowing, shape, &mut pieces, &other, &LIMITS, &mut streamed);
    assert_eq!(result.is_ok(), held.is_ok(), "{result:?} {:?}", held.as_ref().err());

    let Ok(left) = held else { return };
    assert!(left == streamed);
    // A broken line of bulk data stays, and the others leave.
    let came = if shape == Shape::Ndjson { &left } else { body };
    for text in [came, &left] {
        let values = serde_json::Deserializer::from_slice(text).into_iter::<serde::de::IgnoredAny>();
        // What was too large to read is left out unread; everything else is read by both.
        assert!(text.len() > LIMITS.resource_bytes_max || values.into_iter().all(|value| value.is_ok()));
    }
});
