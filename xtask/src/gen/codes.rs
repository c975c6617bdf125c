//! The table of code lists: every value set that an element is bound to as required, with its codes.
//!
//! `@name` opens a value set (`http://hl7.org/fhir/ValueSet/name`, or a whole URL); a line is
//! `system TAB code TAB code …`; a line `*` says that codes of other systems belong too, which cannot be listed
//! (MIME types, currencies, units).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use serde_json::Value;

use super::definitions::{Definitions, list, text, texts};

/// The codes of a value set by system; `None` as system is what cannot be listed.
type Codes = BTreeMap<Option<String>, Vec<String>>;

/// The body of `codes.txt`, for the value sets that the table of elements names.
pub(crate) fn table(definitions: &Definitions, elements: &str) -> String {
    let terminology = Terminology::new(&definitions.terminology);
    let mut body = String::new();
    for name in named(elements) {
        let url = if name.contains("://") { name.to_owned() } else { format!("http://hl7.org/fhir/ValueSet/{name}") };
        let _ = writeln!(body, "@{name}");
        for (system, codes) in terminology.value_set(&url, 0) {
            let _ = match system {
                Some(system) => writeln!(body, "{system}\t{}", codes.join("\t")),
                None => writeln!(body, "*"),
            };
        }
    }
    body
}

/// The value sets in the last column of the table of elements.
fn named(elements: &str) -> BTreeSet<&str> {
    elements.lines().filter_map(|line| line.split('\t').nth(4)).filter(|name| !name.is_empty()).collect()
}

struct Terminology<'a> {
    by_url: HashMap<&'a str, &'a Value>,
}

impl<'a> Terminology<'a> {
    fn new(resources: &'a [Value]) -> Self {
        Self { by_url: resources.iter().map(|resource| (text(resource, "url"), resource)).collect() }
    }

    fn value_set(&self, url: &str, depth: u8) -> Codes {
        let url = url.split('|').next().unwrap_or(url);
        let compose = self.by_url.get(url).and_then(|found| found.get("compose"));
        let (Some(compose), 0..8) = (compose, depth) else { return unlisted() };
        let mut all = Codes::new();
        for include in list(compose, "include") {
            for (system, codes) in self.include(include, depth) {
                all.entry(system).or_default().extend(codes);
            }
        }
        if compose.get("exclude").is_some() {
            return unlisted();
        }
        for codes in all.values_mut() {
            codes.sort_unstable();
            codes.dedup();
        }
        all
    }

    fn include(&self, include: &Value, depth: u8) -> Codes {
        let nested = texts(include, "valueSet");
        if !nested.is_empty() {
            return nested.iter().flat_map(|url| self.value_set(url, depth + 1)).collect();
        }
        let system = text(include, "system");
        let listed: Vec<String> = list(include, "concept").iter().map(|one| text(one, "code").to_owned()).collect();
        if !listed.is_empty() {
            return Codes::from([(Some(system.to_owned()), listed)]);
        }
        let Some(code_system) = self.by_url.get(system).filter(|found| text(found, "content") == "complete") else {
            return unlisted();
        };
        if !list(include, "filter").is_empty() {
            return unlisted();
        }
        let mut codes = Vec::new();
        concepts(code_system, &mut codes);
        Codes::from([(Some(system.to_owned()), codes)])
    }
}

fn unlisted() -> Codes {
    Codes::from([(None, Vec::new())])
}

/// The codes of a code system, children too.
fn concepts(of: &Value, codes: &mut Vec<String>) {
    for concept in list(of, "concept") {
        codes.push(text(concept, "code").to_owned());
        concepts(concept, codes);
    }
}
