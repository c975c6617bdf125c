//! What a reference points at, in each of the forms that FHIR allows, and when two of them mean the same.

use std::fmt;

use serde_json::Value;

use crate::{Id, Query, ResourceType};

/// A reference at most this long.
pub const REFERENCE_BYTES_MAX: usize = 4_096;

/// Where a reference points.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `Patient/1`, `Patient/1/_history/2`, `https://ehr.example/fhir/Patient/1`.
    Literal {
        /// For an absolute URL, all before the type, without the last slash.
        base: Option<String>,
        /// The type.
        resource: ResourceType,
        /// The id.
        id: Id,
        /// The version, if it names one.
        version: Option<Id>,
    },
    /// `#x`: contained in the resource; `#` is the resource itself.
    Contained(String),
    /// `urn:uuid:…`, `urn:oid:…`: an entry of the same Bundle.
    Urn(String),
    /// `Patient?identifier=…`: whatever a search finds, in a transaction. Its query is decoded.
    Matching {
        /// The type.
        resource: ResourceType,
        /// The criteria, at least one.
        query: Query,
    },
    /// An absolute URL that is not shaped as a resource's: a canonical, an endpoint, another protocol.
    Url(String),
    /// No literal: an identifier, perhaps with the type it must have.
    Identifier {
        /// The type, if the reference names it.
        resource: Option<ResourceType>,
        /// The namespace.
        system: Option<String>,
        /// The value in it.
        value: String,
    },
}

/// A text that is no reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAReference {
    why: &'static str,
}

impl fmt::Display for NotAReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a reference: {}; write `Type/id`, `https://server/base/Type/id`, `#id` or `urn:uuid:…`",
            self.why
        )
    }
}

impl std::error::Error for NotAReference {}

impl Reference {
    /// Reads the text of `Reference.reference` (or a search value).
    ///
    /// # Errors
    ///
    /// A text that has none of the forms: no type of R4, no id, `..`, empty segments.
    pub fn parse(text: &str) -> Result<Self, NotAReference> {
        if text.is_empty() || text.len() > REFERENCE_BYTES_MAX {
            return Err(NotAReference { why: "it is empty or too long" });
        }
        if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err(NotAReference { why: "it contains white space" });
        }
        if let Some(id) = text.strip_prefix('#') {
            return Ok(Self::Contained(id.to_owned()));
        }
        if text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:")) {
            return Ok(Self::Urn(text.to_owned()));
        }
        match text.split_once("://") {
            Some((scheme, rest)) => absolute(text, scheme, rest),
            None => match text.split_once('?') {
                Some((kind, query)) => matching(kind, query),
                None => relative(text, None),
            },
        }
    }

    /// Reads a `Reference` element: its literal, else its identifier. Nothing if it has neither.
    #[must_use]
    pub fn of(element: &Value) -> Option<Self> {
        let text = |name: &str| element.get(name).and_then(Value::as_str);
        let stated = text("type").and_then(ResourceType::parse);
        if let Some(literal) = text("reference") {
            return Self::parse(literal).ok();
        }
        let identifier = element.get("identifier");
        let part = |name: &str| identifier.and_then(|one| one.get(name)).and_then(Value::as_str);
        part("value").map(|value| Self::Identifier {
            resource: stated,
            system: part("system").map(str::to_owned),
            value: value.to_owned(),
        })
    }

    /// The type that it points at, where the reference itself tells.
    #[must_use]
    pub const fn resource(&self) -> Option<ResourceType> {
        match self {
            Self::Literal { resource, .. } | Self::Matching { resource, .. } => Some(*resource),
            Self::Identifier { resource, .. } => *resource,
            Self::Contained(_) | Self::Urn(_) | Self::Url(_) => None,
        }
    }

    /// The id that it points at, for a literal.
    #[must_use]
    pub const fn id(&self) -> Option<&Id> {
        match self {
            Self::Literal { id, .. } => Some(id),
            _ => None,
        }
    }

    /// The type and id of a resource on the server whose base this is: a relative reference, or an absolute one under
    /// that base. The version is not looked at.
    #[must_use]
    pub fn local(&self, server_base: &str) -> Option<(ResourceType, &Id)> {
        match self {
            Self::Literal { base: None, resource, id, .. } => Some((*resource, id)),
            Self::Literal { base: Some(base), resource, id, .. } if same_base(base, server_base) => {
                Some((*resource, id))
            }
            _ => None,
        }
    }

    /// Whether both point at one resource, as seen on the server whose base this is: relative, absolute under the base
    /// and versioned forms of one target are the same.
    #[must_use]
    pub fn same_target(&self, other: &Self, server_base: &str) -> bool {
        match (self.local(server_base), other.local(server_base)) {
            (Some(one), Some(two)) => one == two,
            (None, None) => self.same_elsewhere(other),
            _ => false,
        }
    }

    fn same_elsewhere(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Literal { base: Some(one), resource: left, id: a, .. },
                Self::Literal { base: Some(two), resource: right, id: b, .. },
            ) => left == right && a == b && same_base(one, two),
            (Self::Urn(one), Self::Urn(two)) => one.eq_ignore_ascii_case(two),
            (
                Self::Identifier { resource: left, system: one, value: a },
                Self::Identifier { resource: right, system: two, value: b },
            ) => one.is_some() && one == two && a == b && (left == right || left.is_none() || right.is_none()),
            _ => self == other,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal { base, resource, id, version } => {
                if let Some(base) = base {
                    write!(f, "{base}/")?;
                }
                write!(f, "{resource}/{id}")?;
                version.as_ref().map_or(Ok(()), |version| write!(f, "/_history/{version}"))
            }
            Self::Contained(id) => write!(f, "#{id}"),
            Self::Matching { resource, query } => write!(f, "{resource}?{}", query.encode()),
            Self::Urn(text) | Self::Url(text) => f.write_str(text),
            Self::Identifier { system, value, .. } => write!(f, "{}|{value}", system.as_deref().unwrap_or_default()),
        }
    }
}

/// `Type?criteria`.
fn matching(kind: &str, query: &str) -> Result<Reference, NotAReference> {
    let resource = ResourceType::parse(kind).ok_or(NotAReference { why: "it names no type of R4" })?;
    match Query::parse(query) {
        Ok(query) if !query.is_empty() => Ok(Reference::Matching { resource, query }),
        _ => Err(NotAReference { why: "its criteria cannot be read" }),
    }
}

/// A URL of a resource, or any other URL.
fn absolute(text: &str, scheme: &str, rest: &str) -> Result<Reference, NotAReference> {
    let sound = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.'));
    if !sound || rest.is_empty() {
        return Err(NotAReference { why: "it is no URL" });
    }
    Ok(split_base(text).unwrap_or_else(|| Reference::Url(text.to_owned())))
}

/// `https://a/b/Patient/1/_history/2` as its base and a relative reference.
fn split_base(text: &str) -> Option<Reference> {
    if text.contains(['?', '#']) {
        return None;
    }
    let segments: Vec<&str> = text.split('/').collect();
    let versioned = segments.len() > 4 && segments.get(segments.len().checked_sub(2)?) == Some(&"_history");
    let tail = if versioned { 4 } else { 2 };
    let start = segments.len().checked_sub(tail).filter(|start| *start >= 3)?;
    let base = segments.get(..start)?;
    if base.iter().skip(2).any(|segment| matches!(*segment, "" | "." | "..")) {
        return None;
    }
    relative(&segments.get(start..)?.join("/"), Some(base.join("/"))).ok()
}

/// `Type/id` or `Type/id/_history/version`.
fn relative(text: &str, base: Option<String>) -> Result<Reference, NotAReference> {
    let segments: Vec<&str> = text.split('/').collect();
    let (kind, id, version) = match segments.as_slice() {
        [kind, id] => (*kind, *id, None),
        [kind, id, "_history", version] => (*kind, *id, Some(*version)),
        _ => return Err(NotAReference { why: "it is not `Type/id`" }),
    };
    let resource = ResourceType::parse(kind).ok_or(NotAReference { why: "it names no type of R4" })?;
    let id = Id::parse(id).ok_or(NotAReference { why: "its id is no id" })?;
    let version = match version {
        Some(version) => Some(Id::parse(version).ok_or(NotAReference { why: "its version is no version" })?),
        None => None,
    };
    Ok(Reference::Literal { base, resource, id, version })
}

/// Scheme and host without case, the path as it is; a last slash means nothing.
fn same_base(one: &str, two: &str) -> bool {
    let (one, two) = (one.trim_end_matches('/'), two.trim_end_matches('/'));
    match (authority_end(one), authority_end(two)) {
        (Some(left), Some(right)) if left == right => {
            let (host, path) = one.split_at_checked(left).unwrap_or((one, ""));
            let (other_host, other_path) = two.split_at_checked(right).unwrap_or((two, ""));
            host.eq_ignore_ascii_case(other_host) && path == other_path
        }
        _ => false,
    }
}

/// Where the path begins.
fn authority_end(base: &str) -> Option<usize> {
    let start = base.find("://")? + 3;
    let rest = base.get(start..)?;
    Some(start + rest.find('/').unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BASE: &str = "https://ehr.example/fhir";

    fn same(left: &str, right: &str) -> bool {
        let (left, right) = (Reference::parse(left).unwrap(), Reference::parse(right).unwrap());
        assert_eq!(left.same_target(&right, BASE), right.same_target(&left, BASE));
        left.same_target(&right, BASE)
    }

    #[test]
    fn every_form_of_one_target_is_the_same() {
        for other in [
            "Patient/1",
            "Patient/1/_history/2",
            "https://ehr.example/fhir/Patient/1",
            "HTTPS://EHR.example/fhir/Patient/1/_history/9",
        ] {
            assert!(same("Patient/1", other), "{other}");
        }
        assert!(same("http://other/r4/Patient/1", "http://other/r4/Patient/1/_history/3"));
        assert!(same("urn:uuid:0c3A", "urn:uuid:0C3a"));
    }

    #[test]
    fn another_target_is_not_the_same() {
        for other in [
            "Patient/2",
            "Patient/1a",
            "Practitioner/1",
            "https://ehr.example/FHIR/Patient/1",
            "https://ehr.example.evil/fhir/Patient/1",
            "http://ehr.example/fhir/Patient/1",
            "#1",
            "urn:uuid:1",
        ] {
            assert!(!same("Patient/1", other), "{other}");
        }
    }

    #[test]
    fn what_has_no_form_is_refused() {
        for text in [
            "",
            "1",
            "Patient",
            "Patient/",
            "patient/1",
            "Patient/1/2",
            "/Patient/1",
            "Patient/..",
            "Patient/a b",
            "../Patient/1",
            "Patient/1/_history/",
            "Patient//1",
            "Person/1?x=y",
            "Patient?",
            "Foo?x=y",
            "Patient?x=",
            "://x",
            "Patient/1#x",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in [
            "Patient/1",
            "Patient/1/_history/2",
            "http://a/Patient/1",
            "http://a/b/c/Patient/1/_history/2",
            "#x",
            "#",
            "urn:oid:1.2.3",
            "Patient?identifier=urn:mrn%7C7",
            "http://loinc.org/vs/x",
            "http://a/Patient/1?x=y",
            "http://a/../Patient/1",
        ] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), text);
        }
        assert!(matches!(Reference::parse("http://a/../Patient/1"), Ok(Reference::Url(_))));
        assert!(matches!(Reference::parse("http://Patient/1"), Ok(Reference::Url(_))));
    }

    #[test]
    fn an_element_without_a_literal_is_its_identifier() {
        let element = json!({"type": "Patient", "identifier": {"system": "urn:mrn", "value": "7"}});
        let read = Reference::of(&element).unwrap();
        assert_eq!(read.resource(), Some(ResourceType::PATIENT));
        let untyped = Reference::of(&json!({"identifier": {"system": "urn:mrn", "value": "7"}})).unwrap();
        assert!(read.same_target(&untyped, BASE));
        let bare = Reference::of(&json!({"identifier": {"value": "7"}})).unwrap();
        assert!(!bare.same_target(&bare.clone(), BASE), "a value without a system names nobody");
        assert!(Reference::of(&json!({"display": "somebody"})).is_none());
    }
}
