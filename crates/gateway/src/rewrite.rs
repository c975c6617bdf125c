//! Moves URLs from one base to the other as bytes pass: `Bundle.link`, `fullUrl`, references, `Location`.
//!
//! It looks at a byte only where the base stands at the beginning of a JSON string, and moves it only if what follows
//! is an address on that base: `/Type/id…`, `?query` or `/Type?query`. An identifier system or a canonical URL that
//! merely begins like the base stays as it is.

use bascule_fhir::{Id, ResourceType};

/// A string longer than this is not an address.
const ADDRESS_BYTES_MAX: usize = 16_384;
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

/// Where an address leads, seen from its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    /// `/Type/id…`: a resource.
    Resource(&'a str),
    /// `?…` or `/Type?…`: a search or a page of one.
    Query(&'a str),
}

/// Rewrites strings of one base into strings of another.
pub(crate) struct Rewriter<F> {
    from: Vec<Vec<u8>>,
    to: F,
    pending: Vec<u8>,
}

impl<F: FnMut(Address<'_>) -> Option<String>> Rewriter<F> {
    /// `to` says what takes the place of an address under `from`; `None` leaves it.
    pub(crate) fn new(from: &str, to: F) -> Self {
        let plain = format!("\"{from}");
        let escaped = format!("\"{}", from.replace('/', "\\/"));
        Self { from: vec![plain.into_bytes(), escaped.into_bytes()], to, pending: Vec::new() }
    }

    /// Takes the next bytes and gives out what is settled.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        self.settle(false)
    }

    /// Gives out the rest.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.settle(true)
    }

    fn settle(&mut self, last: bool) -> Vec<u8> {
        let pending = std::mem::take(&mut self.pending);
        let mut out = Vec::with_capacity(pending.len());
        let mut at = 0;
        while let Some((start, base)) = self.next_base(&pending, at) {
            let open = start + base;
            let rest = pending.get(open..).unwrap_or_default();
            let Some(length) = rest.iter().take(ADDRESS_BYTES_MAX).position(|byte| *byte == b'"') else {
                if !last && rest.len() < ADDRESS_BYTES_MAX {
                    out.extend_from_slice(pending.get(at..start).unwrap_or_default());
                    self.pending = pending.get(start..).unwrap_or_default().to_vec();
                    return out;
                }
                out.extend_from_slice(pending.get(at..open).unwrap_or_default());
                at = open;
                continue;
            };
            let address = rest.get(..length).unwrap_or_default();
            let before = pending.get(..start).unwrap_or_default();
            out.extend_from_slice(pending.get(at..start).unwrap_or_default());
            match self.moved(before, address) {
                Some(moved) => {
                    out.push(b'"');
                    out.extend_from_slice(moved.as_bytes());
                }
                None => out.extend_from_slice(pending.get(start..open + length).unwrap_or_default()),
            }
            at = open + length;
        }
        let keep = if last { 0 } else { self.from.iter().map(Vec::len).max().unwrap_or(0).min(pending.len() - at) };
        let cut = pending.len() - keep;
        out.extend_from_slice(pending.get(at..cut).unwrap_or_default());
        self.pending = pending.get(cut..).unwrap_or_default().to_vec();
        out
    }

    /// Where the next base begins, and how long it is with its quote.
    fn next_base(&self, bytes: &[u8], at: usize) -> Option<(usize, usize)> {
        let rest = bytes.get(at..)?;
        let found =
            self.from.iter().filter_map(|base| memchr::memmem::find(rest, base).map(|found| (found, base.len())));
        found.min().map(|(found, length)| (at + found, length))
    }

    fn moved(&mut self, before: &[u8], address: &[u8]) -> Option<String> {
        let address = std::str::from_utf8(address).ok()?.replace("\\/", "/");
        let seen = see(&address)?;
        let canonical = matches!(seen, Address::Resource(path) if CANONICAL.contains(&type_of(path)));
        if canonical && !is_address_key(before) {
            return None;
        }
        (self.to)(seen)
    }
}

/// What `rest` is, as it stands behind a base.
pub(crate) fn see(rest: &str) -> Option<Address<'_>> {
    if rest.starts_with('?') || rest.starts_with("/?") {
        return Some(Address::Query(rest));
    }
    let path = rest.strip_prefix('/')?;
    let name = path.split(['/', '?', '#']).next().unwrap_or_default();
    ResourceType::parse(name)?;
    match path.get(name.len()..).unwrap_or_default() {
        tail if tail.starts_with('?') || tail.starts_with("/_search?") || tail.starts_with("/_history?") => {
            Some(Address::Query(rest))
        }
        tail => {
            let tail = tail.strip_prefix('/')?;
            let id = tail.split(['/', '?', '#', '|']).next().unwrap_or_default();
            Id::parse(id)?;
            Some(if tail.contains('?') { Address::Query(rest) } else { Address::Resource(rest) })
        }
    }
}

fn type_of(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// Whether the string that follows is the value of a key that only ever holds an address.
fn is_address_key(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    let Some(before) = before.strip_suffix(b":") else { return false };
    let before = before.trim_ascii_end();
    [b"\"fullUrl\"".as_slice(), b"\"reference\"", b"\"location\""].iter().any(|key| before.ends_with(key))
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

    const FROM: &str = "http://ehr.internal:8080/fhir";
    const TO: &str = "https://bridge.example/fhir";

    fn rewritten(text: &str, chunk: usize) -> String {
        let mut rewriter = Rewriter::new(FROM, |address| {
            Some(match address {
                Address::Resource(rest) => format!("{TO}{rest}"),
                Address::Query(_) => format!("{TO}?page=token"),
            })
        });
        let mut out = Vec::new();
        for piece in text.as_bytes().chunks(chunk) {
            out.extend(rewriter.push(piece));
        }
        out.extend(rewriter.finish());
        String::from_utf8(out).unwrap()
    }

    fn check(text: &str, expect: &str) {
        for chunk in [1, 2, 7, 10_000] {
            assert_eq!(rewritten(text, chunk), expect, "in pieces of {chunk}");
        }
    }

    #[test]
    fn a_full_url_and_a_reference_move() {
        check(
            r#"{"fullUrl":"http://ehr.internal:8080/fhir/Patient/1","reference":"http://ehr.internal:8080/fhir/Patient/1/_history/2"}"#,
            r#"{"fullUrl":"https://bridge.example/fhir/Patient/1","reference":"https://bridge.example/fhir/Patient/1/_history/2"}"#,
        );
    }

    #[test]
    fn a_page_link_becomes_a_token() {
        for query in ["?_getpages=1", "/Patient?name=x&page=2", "/Patient/_search?x=1", "/Patient/1/_history?page=2"] {
            check(
                &format!(r#"{{"relation":"next","url":"{FROM}{query}"}}"#),
                r#"{"relation":"next","url":"https://bridge.example/fhir?page=token"}"#,
            );
        }
    }

    #[test]
    fn a_base_written_with_escaped_slashes_moves_too() {
        check(
            r#"{"reference":"http:\/\/ehr.internal:8080\/fhir\/Patient\/1"}"#,
            r#"{"reference":"https://bridge.example/fhir/Patient/1"}"#,
        );
    }

    #[test]
    fn what_only_begins_like_the_base_stays() {
        for text in [
            r#"{"system":"http://ehr.internal:8080/fhir/sid/mrn"}"#,
            r#"{"system":"http://ehr.internal:8080/fhirstone/Patient/1"}"#,
            r#"{"url":"http://ehr.internal:8080/fhir/StructureDefinition/race"}"#,
            r#"{"text":"see http://ehr.internal:8080/fhir/Patient/1"}"#,
        ] {
            check(text, text);
        }
    }

    #[test]
    fn the_full_url_of_a_canonical_resource_moves() {
        check(
            r#"{"fullUrl" : "http://ehr.internal:8080/fhir/ValueSet/v"}"#,
            r#"{"fullUrl" : "https://bridge.example/fhir/ValueSet/v"}"#,
        );
    }

    #[test]
    fn a_string_that_never_ends_is_not_held_for_ever() {
        let text = format!(r#"{{"url":"{FROM}/Patient/{}"#, "a".repeat(20_000));
        check(&text, &text);
    }

    #[test]
    fn one_url_moves_at_a_boundary_only() {
        assert_eq!(moved_url(&format!("{FROM}/Patient/1"), FROM, TO), Some(format!("{TO}/Patient/1")));
        assert_eq!(moved_url(&format!("{FROM}stone"), FROM, TO), None);
        assert_eq!(moved_url("Patient/1", FROM, TO), None);
    }
}
