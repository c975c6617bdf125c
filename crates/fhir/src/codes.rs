//! The codes of the value sets that R4 binds as required, as far as its definitions list them.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A value set: which codes an element bound to it may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeList {
    /// Its canonical URL, without version.
    pub url: String,
    /// Whether codes belong that cannot be listed (MIME types, currencies, units): then any code may be right.
    pub open: bool,
    systems: Vec<(&'static str, Vec<&'static str>)>,
}

/// The value set of that canonical URL (a `|version` is not looked at), if some element is bound to it.
#[must_use]
pub fn list(url: &str) -> Option<&'static CodeList> {
    TABLE.get(url.split('|').next().unwrap_or(url))
}

/// Every value set of the table.
pub fn all() -> impl Iterator<Item = &'static CodeList> {
    TABLE.values()
}

impl CodeList {
    /// Whether an element of type `code` may have this code.
    #[must_use]
    pub fn has(&self, code: &str) -> bool {
        self.open || self.systems.iter().any(|(_, codes)| codes.binary_search(&code).is_ok())
    }

    /// Whether a `Coding` may have this system and code.
    #[must_use]
    pub fn has_coding(&self, system: &str, code: &str) -> bool {
        let listed = self.systems.iter().find(|(name, _)| *name == system);
        listed.map_or(self.open, |(_, codes)| codes.binary_search(&code).is_ok())
    }

    /// The codes that are listed, by system.
    pub fn systems(&self) -> impl Iterator<Item = (&'static str, &[&'static str])> {
        self.systems.iter().map(|(system, codes)| (*system, codes.as_slice()))
    }
}

static TABLE: LazyLock<HashMap<String, CodeList>> = LazyLock::new(|| {
    let mut lists: Vec<CodeList> = Vec::with_capacity(256);
    for line in include_str!("tables/codes.txt").lines().filter(|line| !line.starts_with('#')) {
        read(line, &mut lists);
    }
    lists.into_iter().map(|list| (list.url.clone(), list)).collect()
});

fn read(line: &'static str, lists: &mut Vec<CodeList>) {
    if let Some(name) = line.strip_prefix('@') {
        let url = if name.contains("://") { name.to_owned() } else { format!("http://hl7.org/fhir/ValueSet/{name}") };
        lists.push(CodeList { url, open: false, systems: Vec::new() });
    } else if let Some(list) = lists.last_mut() {
        let mut fields = line.split('\t');
        match fields.next() {
            Some("*") | None => list.open = true,
            Some(system) => {
                let mut codes: Vec<&str> = fields.collect();
                codes.sort_unstable();
                list.systems.push((system, codes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Type;

    fn of(name: &str) -> &'static CodeList {
        list(&format!("http://hl7.org/fhir/ValueSet/{name}|4.0.1")).unwrap()
    }

    #[test]
    fn every_required_binding_has_a_list_that_is_open_or_has_codes() {
        for found in Type::all() {
            for url in found.elements().iter().filter_map(crate::Element::required_value_set) {
                let list = list(&url).unwrap_or_else(|| panic!("{} is bound to {url}", found.name));
                assert!(list.open || list.systems().any(|(_, codes)| !codes.is_empty()), "{url}");
            }
        }
    }

    #[test]
    fn a_code_is_of_the_list_or_not() {
        assert!(of("observation-status").has("entered-in-error"));
        assert!(!of("observation-status").has("Final"));
        assert!(
            of("condition-clinical").has_coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "active")
        );
        assert!(!of("condition-clinical").has_coding("http://other", "active"));
        assert!(of("administrative-gender").has("female"));
    }

    #[test]
    fn what_cannot_be_listed_is_open() {
        assert!(of("mimetypes").open && of("mimetypes").has("application/dicom"));
        assert!(of("ucum-units").has_coding("http://unitsofmeasure.org", "mg"));
        assert_eq!(all().filter(|list| list.open).count(), 4);
    }
}
