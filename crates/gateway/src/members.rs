//! A Bundle of an upstream as slices of its bytes, so that pages can be put together before they are filtered. Nothing is
//! decided here: whatever comes out is filtered like a body that came in one piece.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Members of a Bundle, at most.
const MEMBERS_MAX: usize = 64;

/// A Bundle, member by member.
pub(crate) struct Members<'b> {
    others: Vec<(String, &'b RawValue)>,
    links: Vec<Link>,
    entries: Vec<&'b RawValue>,
}

/// `Bundle.link`
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Link {
    /// `self`, `next`, …
    pub(crate) relation: String,
    /// As the upstream wrote it.
    pub(crate) url: String,
}

/// As much of an entry as tells what it is there for.
#[derive(Deserialize)]
struct Purpose {
    search: Option<Mode>,
}

#[derive(Deserialize)]
struct Mode {
    mode: Option<String>,
}

impl<'b> Members<'b> {
    /// Reads a Bundle. `None` if it is not one that can be taken apart; the filter says what is wrong with it.
    pub(crate) fn read(body: &'b [u8]) -> Option<Self> {
        let All(all) = serde_json::from_slice(body).ok()?;
        let mut members = Self { others: Vec::new(), links: Vec::new(), entries: Vec::new() };
        for (name, value) in all {
            match name.as_str() {
                "entry" => members.entries = serde_json::from_str(value.get()).ok()?,
                "link" => members.links = serde_json::from_str(value.get()).ok()?,
                _ => members.others.push((name, value)),
            }
        }
        Some(members)
    }

    /// Its entries, in their order.
    pub(crate) fn entries(&self) -> &[&'b RawValue] {
        &self.entries
    }

    /// The address of a link.
    pub(crate) fn link(&self, relation: &str) -> Option<&str> {
        self.links.iter().find(|link| link.relation == relation).map(|link| link.url.as_str())
    }

    /// This Bundle with other entries and another `next`.
    pub(crate) fn with(&self, entries: &[&RawValue], next: Option<&str>) -> Vec<u8> {
        let mut out = b"{".to_vec();
        for (name, value) in &self.others {
            separate(&mut out);
            out.extend_from_slice(quoted(name).as_bytes());
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
        separate(&mut out);
        out.extend_from_slice(b"\"link\":[");
        let kept = self.links.iter().filter(|link| link.relation != "next");
        let kept = kept.map(|link| (link.relation.as_str(), link.url.as_str())).chain(next.map(|url| ("next", url)));
        for (relation, url) in kept {
            separate(&mut out);
            let link = format!("{{\"relation\":{},\"url\":{}}}", quoted(relation), quoted(url));
            out.extend_from_slice(link.as_bytes());
        }
        out.extend_from_slice(b"],\"entry\":[");
        for entry in entries {
            separate(&mut out);
            out.extend_from_slice(entry.get().as_bytes());
        }
        out.extend_from_slice(b"]}");
        out
    }
}

/// Whether an entry is a match, and not something that an include or the server itself brought.
pub(crate) fn is_match(entry: &RawValue) -> bool {
    let purpose: Option<Purpose> = serde_json::from_str(entry.get()).ok();
    let mode = purpose.and_then(|purpose| purpose.search).and_then(|search| search.mode);
    mode.is_none_or(|mode| mode == "match")
}

/// A comma, unless something was just opened.
fn separate(out: &mut Vec<u8>) {
    if !matches!(out.last(), Some(b'{' | b'[')) {
        out.push(b',');
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The members of an object as they stand there, a name twice included.
struct All<'b>(Vec<(String, &'b RawValue)>);

impl<'de> Deserialize<'de> for All<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = All<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Bundle")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<All<'de>, M::Error> {
        let mut all: Vec<(String, &'de RawValue)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            if all.len() >= MEMBERS_MAX || all.iter().any(|(known, _)| *known == name) {
                return Err(serde::de::Error::custom("not a Bundle"));
            }
            all.push((name, value));
        }
        Ok(All(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_put_together_from_its_own_bytes() {
        let body = br#"{"entry":[{"n":1.00},{"n":2}],"resourceType":"Bundle","link":[{"relation":"self","url":"s"},{"relation":"next","url":"n"}],"total":2}"#;
        let members = Members::read(body).unwrap();
        assert_eq!(members.link("next"), Some("n"));
        let first = members.entries().first().copied().unwrap();
        let made = String::from_utf8(members.with(&[first], None)).unwrap();
        let expect =
            r#"{"resourceType":"Bundle","total":2,"link":[{"relation":"self","url":"s"}],"entry":[{"n":1.00}]}"#;
        assert_eq!(made, expect);
    }

    #[test]
    fn what_has_a_name_twice_is_left_to_the_filter() {
        assert!(Members::read(br#"{"entry":[],"entry":[]}"#).is_none());
        assert!(Members::read(b"[]").is_none());
    }

    #[test]
    fn an_entry_is_a_match_unless_it_says_otherwise() {
        for (entry, expect) in [
            (r#"{"resource":{}}"#, true),
            (r#"{"search":{"mode":"match"}}"#, true),
            (r#"{"search":{"mode":"include"}}"#, false),
            (r#"{"search":{"mode":"outcome"}}"#, false),
        ] {
            let entry: Box<RawValue> = serde_json::from_str(entry).unwrap();
            assert_eq!(is_match(&entry), expect, "{entry}");
        }
    }
}
