//! The transaction under construction.

use std::collections::BTreeMap;

use bascule_crypto::digest::{Sha256, sha256, sha256_parts};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::identifier::Identifier;
use super::partner::Partner;

/// A message as a transaction, with the tally by which source and chart are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    /// A Bundle of type `transaction`.
    pub bundle: Value,
    /// The entries that are written under an identity, by their places.
    pub identities: Vec<Identity>,
    /// Segments of the message that are in the Bundle, by name.
    pub taken: BTreeMap<String, usize>,
    /// Segments that are not, by name: nothing is left out in silence.
    pub left: BTreeMap<String, usize>,
    /// SHA-256 of the message's bytes.
    pub digest: Sha256,
}

/// The identity of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The entry's place in the Bundle.
    pub place: usize,
    /// The resource's type.
    pub kind: String,
    /// What it is found by.
    pub identifier: Identifier,
}

pub(crate) struct Draft<'p> {
    pub(crate) partner: &'p Partner,
    digest: Sha256,
    entries: Vec<Value>,
    identities: BTreeMap<Identifier, usize>,
    written: BTreeMap<(String, Identifier), Value>,
    places: Vec<Identity>,
    taken: BTreeMap<String, usize>,
}

impl<'p> Draft<'p> {
    pub(crate) fn new(partner: &'p Partner, message: &[u8]) -> Self {
        let digest = sha256(message);
        Self {
            partner,
            digest,
            entries: Vec::new(),
            identities: BTreeMap::new(),
            written: BTreeMap::new(),
            places: Vec::new(),
            taken: BTreeMap::new(),
        }
    }

    pub(crate) const fn digest(&self) -> Sha256 {
        self.digest
    }

    /// Says that a segment of that name went into the transaction.
    pub(crate) fn took(&mut self, segment: &str) {
        let count = self.taken.entry(segment.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// The identity, or the next free one if the message holds it already: two segments of one number stay two resources.
    pub(crate) fn free(&mut self, kind: &str, identifier: Identifier) -> Identifier {
        let key = Identifier { system: format!("{kind} {}", identifier.system), value: identifier.value.clone() };
        let count = self.identities.entry(key).or_default();
        *count = count.saturating_add(1);
        if *count == 1 {
            identifier
        } else {
            Identifier { value: format!("{}#{count}", identifier.value), ..identifier }
        }
    }

    /// Writes a resource under its identity, once however often it is sent; gives its reference within the transaction. What the
    /// message names twice under one identity is written the first time.
    pub(crate) fn put(&mut self, resource: Value, identity: &Identifier) -> Value {
        let kind = kind(&resource);
        let key = (kind.clone(), identity.clone());
        if let Some(reference) = self.written.get(&key) {
            return reference.clone();
        }
        let url = format!("{kind}?{}", identity.criterion());
        self.places.push(Identity { place: self.entries.len(), kind, identifier: identity.clone() });
        let reference = self.entry(resource, &json!({ "method": "PUT", "url": url }));
        self.written.insert(key, reference.clone());
        reference
    }

    /// Replaces a resource that the chart has, if it is still the version that was read.
    pub(crate) fn replace(&mut self, resource: Value) -> Value {
        let kind = kind(&resource);
        let id = resource.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut request = json!({ "method": "PUT", "url": format!("{kind}/{id}") });
        let version = resource.get("meta").and_then(|meta| meta.get("versionId")).and_then(Value::as_str);
        if let (Some(version), Some(request)) = (version, request.as_object_mut()) {
            request.insert("ifMatch".to_owned(), Value::from(format!("W/\"{version}\"")));
        }
        self.entry(resource, &request);
        json!({ "reference": format!("{kind}/{id}") })
    }

    /// Writes a resource that has no identifier of its own, unless there is one that names this source already.
    pub(crate) fn post(&mut self, resource: Value, source: &Identifier) {
        let condition = format!("entity:identifier={}", utf8_percent_encode(&source.token(), NON_ALPHANUMERIC));
        let kind = kind(&resource);
        self.entry(resource, &json!({ "method": "POST", "url": kind, "ifNoneExist": condition }));
    }

    fn entry(&mut self, resource: Value, request: &Value) -> Value {
        let url = self.url();
        self.entries.push(json!({ "fullUrl": url, "resource": resource, "request": request }));
        json!({ "reference": url })
    }

    /// The same message gives the same URLs (RFC 9562, version 8).
    fn url(&self) -> String {
        let place = self.entries.len().to_be_bytes();
        let hash = sha256_parts(&[&self.digest, &place]);
        let hex = hex::encode(hash);
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!("urn:uuid:{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
    }

    /// References to all that is written so far.
    pub(crate) fn targets(&self) -> Vec<Value> {
        self.entries.iter().filter_map(|entry| entry.get("fullUrl")).map(|url| json!({ "reference": url })).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn finish(mut self, names: impl Iterator<Item = String>) -> Mapped {
        let mut left: BTreeMap<String, usize> = BTreeMap::new();
        for name in names {
            let count = left.entry(name).or_default();
            *count = count.saturating_add(1);
        }
        for (name, taken) in &self.taken {
            if let Some(count) = left.get_mut(name) {
                *count = count.saturating_sub(*taken);
            }
        }
        left.retain(|_, count| *count > 0);
        let entries = std::mem::take(&mut self.entries);
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
        Mapped { bundle, identities: self.places, taken: self.taken, left, digest: self.digest }
    }
}

fn kind(resource: &Value) -> String {
    resource.get("resourceType").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Lays what a message says over what the chart has: what the message does not speak of stays; identifiers are joined.
pub(crate) fn overlay(current: &Value, said: Value) -> Value {
    let (Some(current), Value::Object(said)) = (current.as_object(), said) else { return current.clone() };
    let mut joined: Map<String, Value> = current.clone();
    for (name, value) in said {
        let value = if name == "identifier" { join_identifiers(joined.get("identifier"), value) } else { value };
        let choice =
            name.strip_prefix("deceased").or(name.strip_prefix("multipleBirth")).map(|kind| name.len() - kind.len());
        if let Some(prefix) = choice.and_then(|length| name.get(..length)) {
            joined.retain(|other, _| !other.starts_with(prefix));
        }
        joined.insert(name, value);
    }
    Value::Object(joined)
}

fn join_identifiers(current: Option<&Value>, said: Value) -> Value {
    let Value::Array(said) = said else { return said };
    let same =
        |one: &Value, other: &Value| one.get("system") == other.get("system") && one.get("value") == other.get("value");
    let kept = current.and_then(Value::as_array).into_iter().flatten();
    let kept: Vec<Value> = kept.filter(|old| !said.iter().any(|new| same(old, new))).cloned().collect();
    Value::from(said.into_iter().chain(kept).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_message_does_not_speak_of_stays() {
        let current = json!({ "resourceType": "Patient", "id": "p", "identifier": [{ "system": "a", "value": "1" }, { "system": "b", "value": "2" }],
            "gender": "male", "photo": [{ "title": "x" }], "deceasedBoolean": false });
        let said = json!({ "resourceType": "Patient", "identifier": [{ "system": "a", "value": "1", "use": "usual" }], "gender": "female", "deceasedDateTime": "2026" });
        let joined = overlay(&current, said);
        assert_eq!(joined["identifier"].as_array().unwrap().len(), 2);
        assert_eq!((&joined["gender"], &joined["photo"][0]["title"]), (&json!("female"), &json!("x")));
        assert!(joined.get("deceasedBoolean").is_none());
        assert_eq!(joined["id"], "p");
    }
}
