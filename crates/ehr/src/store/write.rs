//! Writing a version: the body, the current pointer, and what changes in the indexes.

use bascule_fhir::{Id, ResourceType};
use serde_json::{Map, Value};

use super::current;
use super::read::{Method, Version};
use super::session::Session;
use crate::Refusal;
use crate::index::{Definitions, Row, Words, extract};

/// A resource that was checked and whose index rows are known, ready to be written.
pub(crate) struct Prepared {
    pub(crate) resource: ResourceType,
    pub(crate) id: Id,
    /// The resource, its `id` set.
    pub(crate) value: Value,
    rows: Vec<Row>,
    words: Option<Words>,
}

impl Prepared {
    /// Works out the index rows; needs no turn on the writer.
    pub(crate) fn new(definitions: &Definitions, resource: ResourceType, id: Id, mut value: Value) -> Self {
        if let Some(fields) = value.as_object_mut() {
            set_id(fields, id.as_str());
        }
        let rows = extract(definitions, resource, &value);
        let words = Some(Words::of(resource, &value));
        Self { resource, id, value, rows, words }
    }
}

/// What a write did.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) outcome: Outcome,
    /// The version that is now current.
    pub(crate) version: Version,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was not there.
    Created,
    /// It was, and differs now.
    Updated,
    /// It was there, the same but for what the server assigns: no new version.
    Unchanged,
}

impl Session<'_> {
    /// The newest version, also if it is a deletion.
    pub(crate) fn current(&self, resource: ResourceType, id: &str) -> Result<Option<Version>, Refusal> {
        current(self.connection, self.codes, resource, id)
    }

    /// Stores a resource under an id that nobody can have.
    pub(crate) fn put_new(&mut self, prepared: Prepared) -> Result<Written, Refusal> {
        self.put_after(prepared, None)
    }

    /// Stores a resource as its next version, knowing what is there.
    pub(crate) fn put_after(&mut self, mut prepared: Prepared, before: Option<Version>) -> Result<Written, Refusal> {
        let living = before.as_ref().filter(|version| version.method != Method::Delete);
        let old = match living {
            Some(version) => Some(parse(&version.body)?),
            None => None,
        };
        if let (Some(old), Some(version)) = (&old, living)
            && same_content(old, &prepared.value)
        {
            return Ok(Written { outcome: Outcome::Unchanged, version: version.clone() });
        }
        let (number, method) = match &before {
            None => (1, Method::Create),
            Some(version) if version.method == Method::Delete => (version.version + 1, Method::Create),
            Some(version) => (version.version + 1, Method::Update),
        };
        stamp(&mut prepared.value, number, &self.now.to_instant());
        let body = serde_json::to_string(&prepared.value).map_err(|cause| Refusal::fault(&cause))?;
        let key = self.key(prepared.resource, prepared.id.as_str())?;
        let sequence = self.append(key, prepared.resource, number, method, &body)?;
        let old_rows = old.as_ref().map(|old| extract(self.definitions, prepared.resource, old)).unwrap_or_default();
        self.reindex(key, &old_rows, prepared.rows)?;
        self.reword(key, prepared.words, old.is_some())?;
        let version = Version {
            key,
            sequence,
            resource: prepared.resource,
            id: prepared.id.as_str().to_owned(),
            version: number,
            updated: self.now,
            method,
            body,
        };
        let outcome = if method == Method::Create { Outcome::Created } else { Outcome::Updated };
        Ok(Written { outcome, version })
    }

    /// Ends a resource. `None`: it was not there, or ended before.
    pub(crate) fn end(&mut self, resource: ResourceType, id: &str) -> Result<Option<Version>, Refusal> {
        let Some(before) = self.current(resource, id)?.filter(|version| version.method != Method::Delete) else {
            return Ok(None);
        };
        let old_rows = extract(self.definitions, resource, &parse(&before.body)?);
        self.reindex(before.key, &old_rows, Vec::new())?;
        self.reword(before.key, None, true)?;
        let number = before.version + 1;
        let sequence = self.append(before.key, resource, number, Method::Delete, "")?;
        let ended = Version {
            sequence,
            version: number,
            updated: self.now,
            method: Method::Delete,
            body: String::new(),
            ..before
        };
        Ok(Some(ended))
    }

    fn append(
        &mut self,
        key: i64,
        resource: ResourceType,
        number: i64,
        method: Method,
        body: &str,
    ) -> Result<i64, Refusal> {
        let sequence: i64 = self
            .connection
            .prepare_cached(
                "INSERT INTO version (pk, type, version, updated, method, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING seq",
            )?
            .query_row((key, self.codes.of(resource), number, self.now.micros(), method.code(), body), |row| row.get(0))?;
        self.connection
            .prepare_cached("UPDATE resource SET version = ?2, updated = ?3, seq = ?4, live = ?5 WHERE pk = ?1")?
            .execute((key, number, self.now.micros(), sequence, i64::from(method != Method::Delete)))?;
        Ok(sequence)
    }
}

/// A stored body as a value.
pub(crate) fn parse(body: &str) -> Result<Value, Refusal> {
    serde_json::from_str(body).map_err(|cause| Refusal::fault(&cause))
}

/// `id` stands right after `resourceType`, wherever it stood or if it was missing.
pub(super) fn set_id(fields: &mut Map<String, Value>, id: &str) {
    match fields.get_mut("id") {
        Some(there) => *there = Value::String(id.to_owned()),
        None => {
            let at = usize::from(fields.contains_key("resourceType"));
            fields.shift_insert(at.min(fields.len()), "id".to_owned(), Value::String(id.to_owned()));
        }
    }
}

/// Writes `meta.versionId` and `meta.lastUpdated`; the rest of `meta` is the client's.
pub(super) fn stamp(value: &mut Value, version: i64, updated: &str) {
    let Some(fields) = value.as_object_mut() else { return };
    if !fields.get("meta").is_some_and(Value::is_object) {
        let at = fields.keys().position(|name| name == "id").map_or(0, |at| at + 1);
        fields.shift_insert(at, "meta".to_owned(), Value::Object(Map::new()));
    }
    if let Some(meta) = fields.get_mut("meta").and_then(Value::as_object_mut) {
        meta.insert("versionId".to_owned(), Value::String(version.to_string()));
        meta.insert("lastUpdated".to_owned(), Value::String(updated.to_owned()));
    }
}

/// Whether two resources differ only in what the server assigns.
pub(crate) fn same_content(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return one == other };
    let rest = |fields: &Map<String, Value>| fields.keys().filter(|name| *name != "meta").count();
    rest(one) == rest(other)
        && one.iter().filter(|(name, _)| *name != "meta").all(|(name, value)| other.get(name) == Some(value))
        && client_meta(one.get("meta")) == client_meta(other.get("meta"))
}

fn client_meta(meta: Option<&Value>) -> Map<String, Value> {
    let mut fields = meta.and_then(Value::as_object).cloned().unwrap_or_default();
    fields.shift_remove("versionId");
    fields.shift_remove("lastUpdated");
    fields
}
