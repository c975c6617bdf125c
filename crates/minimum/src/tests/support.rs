//! What the tests share: narrowings from short texts, and one call that filters.

use std::sync::{Arc, LazyLock};

use bascule_fhir::{Id, ResourceType};
use bascule_policy::{Condition, Elements, Narrowing, TotalRule, TypeNarrowing};
use serde_json::Value;

use crate::limits::Limits;
use crate::masks::Masks;
use crate::release::release_narrowed;
use crate::released::Released;
use crate::reply::{Reply, Shape};
use crate::rewrite::Rewrite;
use crate::withheld::Withheld;

pub(crate) const UPSTREAM: &str = "http://ehr.internal/fhir";
pub(crate) const PUBLIC: &str = "https://bridge.example/ehr";

/// A resource type by name.
pub(crate) fn kind(name: &str) -> ResourceType {
    ResourceType::parse(name).unwrap_or_else(|| panic!("no resource type {name}"))
}

/// `*` is the whole, else paths with spaces between.
pub(crate) fn elements(paths: &str) -> Elements {
    match paths {
        "*" => Elements::Whole,
        _ => Elements::Only(paths.split_whitespace().map(str::to_owned).collect()),
    }
}

/// Grants by type, without conditions.
pub(crate) fn grants(types: &[(&str, &str)]) -> Narrowing {
    let types =
        types.iter().map(|(name, paths)| (kind(name), TypeNarrowing::new(Arc::new(elements(paths)), Vec::new())));
    Narrowing { types: types.collect(), total: TotalRule::Exact }
}

/// The same grants, of resources in the compartment of these only.
pub(crate) fn in_compartment(mut narrowing: Narrowing, of: &str, ids: &[&str]) -> Narrowing {
    let ids: Arc<[Id]> = ids.iter().filter_map(|id| Id::parse(id)).collect();
    for narrowing in narrowing.types.values_mut() {
        narrowing.conditions.push(Condition::InCompartment { of: kind(of), ids: ids.clone() });
    }
    narrowing
}

/// Links stay if they are below the upstream's base, as opaque pages.
pub(crate) fn page(relation: &str, url: &str) -> Option<String> {
    (relation != "previous").then(|| format!("{PUBLIC}/page/{}", url.len()))
}

static MASKS: LazyLock<Masks> = LazyLock::new(Masks::default);

/// Filters `body` under `narrowing`.
pub(crate) fn filter(narrowing: &Narrowing, shape: Shape, body: &[u8]) -> Result<Released, Withheld> {
    let rewrite = Rewrite::new(UPSTREAM, PUBLIC, &page);
    release_narrowed(&MASKS, narrowing, Reply { body, shape }, &rewrite, &Limits::default())
}

/// What leaves of `body`, as text; of an error, its debug form.
pub(crate) fn left(narrowing: &Narrowing, shape: Shape, body: &str) -> String {
    match filter(narrowing, shape, body.as_bytes()) {
        Ok(released) => {
            let left = String::from_utf8(released.into_body()).unwrap();
            serde_json::from_str::<Value>(&left).unwrap_or_else(|error| panic!("{error}: {left}"));
            left
        }
        Err(withheld) => format!("{withheld:?}"),
    }
}

/// What leaves of one resource under these paths, without the tag and the `resourceType` that it always has.
pub(crate) fn left_of(paths: &str, body: &str) -> String {
    let name =
        serde_json::from_str::<Value>(body).ok().and_then(|value| value["resourceType"].as_str().map(str::to_owned));
    let name = name.unwrap_or_else(|| "Patient".to_owned());
    left(&grants(&[(&name, paths)]), Shape::Resource, body)
        .replace(r#""meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#, "TAG")
        .replace(r#""extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]"#, "MASKED")
}

/// Where data that others made lies; without it a test says that it did not run.
pub(crate) fn shared() -> Option<std::path::PathBuf> {
    let found = std::env::var_os("BASCULE_SHARED").map(Into::into);
    if found.is_none() {
        println!("skipped: BASCULE_SHARED is not set");
    }
    found
}

/// Whether the counts of the long run are wanted.
pub(crate) fn is_long() -> bool {
    std::env::var_os("BASCULE_LONG").is_some()
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}
