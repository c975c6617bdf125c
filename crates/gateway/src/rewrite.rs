//! Moves addresses of a caller's body and query from the bridge's base to the upstream's. Answers are moved by the filter.
//!
//! A string moves only if it stands on the base whole and what follows is a resource's address: an identifier system or a
//! canonical URL that merely begins like the base stays as it is.

use bascule_fhir::{Id, ResourceType};

/// Types whose addresses serve as canonical names; elsewhere than in `fullUrl` and `reference` they are left alone.
const CANONICAL: [&str; 12] = [
    "CapabilityStatement",
    "CodeSystem",
    "ConceptMap",
    "ImplementationGuide",
    "Library",
    "Measure",
    "NamingSystem",
    "OperationDefinition",
    "Questionnaire",
    "SearchParameter",
    "StructureDefinition",
    "ValueSet",
];

/// The JSON with its addresses on `from` moved to `to`. Bytes that hold no such string come back as they are.
pub(crate) fn moved_body(json: &[u8], from: &str, to: &str) -> Vec<u8> {
    let plain = format!("\"{from}").into_bytes();
    let escaped = format!("\"{}", from.replace('/', "\\/")).into_bytes();
    let next = |at: usize| -> Option<(usize, usize)> {
        let rest = json.get(at..)?;
        let found = [&plain, &escaped].into_iter();
        found.filter_map(|base| memchr::memmem::find(rest, base).map(|found| (at + found, base.len()))).min()
    };
    let mut out = Vec::with_capacity(json.len());
    let mut at = 0;
    while let Some((start, base)) = next(at) {
        let open = start + base;
        let rest = json.get(open..).unwrap_or_default();
        let length = memchr::memchr(b'"', rest).unwrap_or(rest.len());
        let address = rest.get(..length).unwrap_or_default();
        let before = json.get(..start).unwrap_or_default();
        out.extend_from_slice(json.get(at..start).unwrap_or_default());
        match resource_address(address).filter(|path| !is_canonical(path) || is_address_key(before)) {
            Some(path) => out.extend_from_slice(format!("\"{to}{path}").as_bytes()),
            None => out.extend_from_slice(json.get(start..open + length).unwrap_or_default()),
        }
        at = open + length;
    }
    out.extend_from_slice(json.get(at..).unwrap_or_default());
    out
}

/// What stands behind a base, if it is `/Type/id…` without a query.
fn resource_address(rest: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(rest).ok()?.replace("\\/", "/");
    let mut steps = path.strip_prefix('/')?.split('/');
    ResourceType::parse(steps.next()?)?;
    let id = steps.next()?.split(['#', '|']).next()?;
    Id::parse(id)?;
    (!path.contains('?')).then_some(path)
}

fn is_canonical(path: &str) -> bool {
    CANONICAL.contains(&path.trim_start_matches('/').split('/').next().unwrap_or_default())
}

/// Whether the string that follows is the value of a key that only ever holds an address.
fn is_address_key(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    let Some(before) = before.strip_suffix(b":") else { return false };
    let before = before.trim_ascii_end();
    [b"\"fullUrl\"".as_slice(), b"\"reference\""].iter().any(|key| before.ends_with(key))
}

/// Moves one URL (a `Location`, a query's value) from a base to another, if it stands on the first.
pub(crate) fn moved_url(url: &str, from: &str, to: &str) -> Option<String> {
    let rest = url.strip_prefix(from)?;
    let at_boundary = rest.is_empty() || rest.starts_with(['/', '?', '#']);
    at_boundary.then(|| format!("{to}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "https://bridge.example/fhir";
    const TO: &str = "http://ehr.internal:8080/fhir";

    fn check(text: &str, expect: &str) {
        assert_eq!(String::from_utf8(moved_body(text.as_bytes(), FROM, TO)).unwrap(), expect);
    }

    #[test]
    fn references_move_in_all_their_forms() {
        check(
            r#"{"reference":"https://bridge.example/fhir/Patient/1"}"#,
            r#"{"reference":"http://ehr.internal:8080/fhir/Patient/1"}"#,
        );
        check(
            r#"[{"reference":"https:\/\/bridge.example\/fhir\/Patient\/1\/_history\/2"},{"reference":"Patient/2"}]"#,
            r#"[{"reference":"http://ehr.internal:8080/fhir/Patient/1/_history/2"},{"reference":"Patient/2"}]"#,
        );
    }

    #[test]
    fn what_only_begins_like_the_base_stays() {
        for text in [
            r#"{"system":"https://bridge.example/fhir/sid/mrn"}"#,
            r#"{"system":"https://bridge.example/fhirstone/Patient/1"}"#,
            r#"{"url":"https://bridge.example/fhir/StructureDefinition/race"}"#,
            r#"{"text":"see https://bridge.example/fhir/Patient/1"}"#,
            r#"{"url":"https://bridge.example/fhir/Patient?name=x"}"#,
            r#"{"url":"https://bridge.example/fhir"#,
        ] {
            check(text, text);
        }
    }

    #[test]
    fn the_full_url_of_a_canonical_resource_moves() {
        check(
            r#"{"fullUrl" : "https://bridge.example/fhir/ValueSet/v"}"#,
            r#"{"fullUrl" : "http://ehr.internal:8080/fhir/ValueSet/v"}"#,
        );
    }

    #[test]
    fn one_url_moves_at_a_boundary_only() {
        assert_eq!(moved_url(&format!("{FROM}/Patient/1"), FROM, TO), Some(format!("{TO}/Patient/1")));
        assert_eq!(moved_url(&format!("{FROM}stone"), FROM, TO), None);
        assert_eq!(moved_url("Patient/1", FROM, TO), None);
    }
}
