//! Writing a version: the body, the current pointer, and what changes in the indexes.

use bascule_fhir::{Id, ResourceType, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Map, Value};

use super::read::{Method, Version};
use super::session::{Caches, Session};
use super::{Codes, current};
use crate::index::{Definitions, Row, RowValue, Words, extract};
use crate::{EhrError, Refusal};

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
        let words = Some(Words::of(&value));
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
        stamp(&mut prepared.value, number, self.now);
        let body = serde_json::to_string(&prepared.value).map_err(|cause| Refusal::fault(&cause))?;
        let key = self.key(prepared.resource, prepared.id.as_str())?;
        let sequence = self.append(key, prepared.resource, number, method, &body)?;
        let old_rows = old.as_ref().map(|old| extract(self.definitions, prepared.resource, old)).unwrap_or_default();
        self.reindex(key, &old_rows, &prepared.rows)?;
        self.index_words(key, prepared.words.as_ref(), old.is_some())?;
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

    /// Stores a resource unless it is there with this content, now or as an older version.
    pub(crate) fn load(&mut self, prepared: Prepared) -> Result<Outcome, Refusal> {
        let before = self.current(prepared.resource, prepared.id.as_str())?;
        if let Some(there) = before.as_ref().filter(|there| there.version > 1)
            && self.was_there(there.key, &prepared.value)?
        {
            return Ok(Outcome::Unchanged);
        }
        Ok(self.put_after(prepared, before)?.outcome)
    }

    fn was_there(&self, key: i64, value: &Value) -> Result<bool, Refusal> {
        let mut statement = self.connection.prepare_cached("SELECT body FROM version WHERE pk = ?1 AND body <> ''")?;
        let mut rows = statement.query([key])?;
        while let Some(row) = rows.next()? {
            if same_content(&parse(&row.get::<_, String>(0)?)?, value) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends a resource. `None`: it was not there, or ended before.
    pub(crate) fn end(&mut self, resource: ResourceType, id: &str) -> Result<Option<Version>, Refusal> {
        let Some(before) = self.current(resource, id)?.filter(|version| version.method != Method::Delete) else {
            return Ok(None);
        };
        let old_rows = extract(self.definitions, resource, &parse(&before.body)?);
        self.reindex(before.key, &old_rows, &[])?;
        self.index_words(before.key, None, true)?;
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

    /// Both lists are sorted and without repetition.
    fn reindex(&mut self, key: i64, old: &[Row], new: &[Row]) -> Result<(), Refusal> {
        for row in old.iter().filter(|row| new.binary_search(row).is_err()) {
            self.remove_row(key, row)?;
        }
        for row in new.iter().filter(|row| old.binary_search(row).is_err()) {
            self.insert_row(key, row)?;
        }
        Ok(())
    }

    fn insert_row(&mut self, key: i64, row: &Row) -> Result<(), Refusal> {
        let (parameter, slot) = (row.parameter, row.slot);
        match &row.value {
            RowValue::Token { system, code, display } => {
                let (system, display) = (self.word(system)?, self.word(display)?);
                self.connection
                    .prepare_cached("INSERT INTO token (parameter, code, pk, system, slot, display) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING")?
                    .execute((parameter, code, key, system, slot, display))?;
            }
            RowValue::Text(exact) => {
                self.connection
                    .prepare_cached("INSERT INTO string (parameter, pk, slot, folded, exact) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")?
                    .execute((parameter, key, slot, crate::index::fold::fold(exact), exact))?;
            }
            RowValue::Reference(resource, id) => {
                let target = self.key(*resource, id)?;
                self.connection
                    .prepare_cached("INSERT INTO reference (parameter, target, pk, slot) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
                    .execute((parameter, target, key, slot))?;
            }
            RowValue::Uri(value) => {
                self.connection
                    .prepare_cached(
                        "INSERT INTO uri (parameter, value, pk, slot) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                    )?
                    .execute((parameter, value, key, slot))?;
            }
            RowValue::Date(low, high) => {
                self.connection
                    .prepare_cached("INSERT INTO date (parameter, pk, slot, low, high) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")?
                    .execute((parameter, key, slot, low, high))?;
            }
            RowValue::Number(low, high) => {
                self.connection
                    .prepare_cached("INSERT INTO number (parameter, pk, slot, low, high) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")?
                    .execute((parameter, key, slot, low.0, high.0))?;
            }
            RowValue::Quantity { low, high, system, code, unit } => {
                let system = self.word(system)?;
                self.connection
                    .prepare_cached("INSERT INTO quantity (parameter, pk, slot, low, high, system, code, unit) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING")?
                    .execute((parameter, key, slot, low.0, high.0, system, code, unit))?;
            }
        }
        Ok(())
    }

    fn remove_row(&mut self, key: i64, row: &Row) -> Result<(), Refusal> {
        let (parameter, slot) = (row.parameter, row.slot);
        match &row.value {
            RowValue::Token { system, code, display } => {
                let (system, display) = (self.word(system)?, self.word(display)?);
                self.connection
                    .prepare_cached("DELETE FROM token WHERE parameter = ?1 AND code = ?2 AND pk = ?3 AND system = ?4 AND slot = ?5 AND display = ?6")?
                    .execute((parameter, code, key, system, slot, display))?;
            }
            RowValue::Reference(resource, id) => {
                let target = self.key(*resource, id)?;
                self.connection
                    .prepare_cached(
                        "DELETE FROM reference WHERE parameter = ?1 AND target = ?2 AND pk = ?3 AND slot = ?4",
                    )?
                    .execute((parameter, target, key, slot))?;
            }
            RowValue::Uri(value) => {
                self.connection
                    .prepare_cached("DELETE FROM uri WHERE parameter = ?1 AND value = ?2 AND pk = ?3 AND slot = ?4")?
                    .execute((parameter, value, key, slot))?;
            }
            RowValue::Text(exact) => {
                self.connection
                    .prepare_cached("DELETE FROM string WHERE parameter = ?1 AND pk = ?2 AND slot = ?3 AND exact = ?4")?
                    .execute((parameter, key, slot, exact))?;
            }
            RowValue::Date(low, high) => {
                self.connection
                    .prepare_cached(
                        "DELETE FROM date WHERE parameter = ?1 AND pk = ?2 AND slot = ?3 AND low = ?4 AND high = ?5",
                    )?
                    .execute((parameter, key, slot, low, high))?;
            }
            RowValue::Number(low, high) => {
                self.connection
                    .prepare_cached(
                        "DELETE FROM number WHERE parameter = ?1 AND pk = ?2 AND slot = ?3 AND low = ?4 AND high = ?5",
                    )?
                    .execute((parameter, key, slot, low.0, high.0))?;
            }
            RowValue::Quantity { low, high, system, code, unit } => {
                let system = self.word(system)?;
                self.connection
                    .prepare_cached("DELETE FROM quantity WHERE parameter = ?1 AND pk = ?2 AND slot = ?3 AND low = ?4 AND high = ?5 AND system = ?6 AND code = ?7 AND unit = ?8")?
                    .execute((parameter, key, slot, low.0, high.0, system, code, unit))?;
            }
        }
        Ok(())
    }

    fn index_words(&mut self, key: i64, words: Option<&Words>, was_indexed: bool) -> Result<(), Refusal> {
        if !self.full_text {
            return Ok(());
        }
        if was_indexed {
            self.connection.prepare_cached("DELETE FROM words WHERE rowid = ?1")?.execute([key])?;
        }
        if let Some(words) = words {
            self.connection
                .prepare_cached("INSERT INTO words (rowid, narrative, content) VALUES (?1, ?2, ?3)")?
                .execute((key, &words.narrative, &words.content))?;
        }
        Ok(())
    }
}

/// A stored body as a value.
pub(crate) fn parse(body: &str) -> Result<Value, Refusal> {
    serde_json::from_str(body).map_err(|cause| Refusal::fault(&cause))
}

/// `id` stands right after `resourceType`, wherever it stood or if it was missing.
fn set_id(fields: &mut Map<String, Value>, id: &str) {
    match fields.get_mut("id") {
        Some(there) => *there = Value::String(id.to_owned()),
        None => {
            let at = usize::from(fields.contains_key("resourceType"));
            fields.shift_insert(at.min(fields.len()), "id".to_owned(), Value::String(id.to_owned()));
        }
    }
}

/// Writes `meta.versionId` and `meta.lastUpdated`; the rest of `meta` is the client's.
fn stamp(value: &mut Value, version: i64, updated: Timestamp) {
    let Some(fields) = value.as_object_mut() else { return };
    if !fields.get("meta").is_some_and(Value::is_object) {
        let at = fields.keys().position(|name| name == "id").map_or(0, |at| at + 1);
        fields.shift_insert(at, "meta".to_owned(), Value::Object(Map::new()));
    }
    if let Some(meta) = fields.get_mut("meta").and_then(Value::as_object_mut) {
        meta.insert("versionId".to_owned(), Value::String(version.to_string()));
        meta.insert("lastUpdated".to_owned(), Value::String(updated.to_instant()));
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

/// Raised when the rows that a resource is indexed under change; every file is then indexed anew when it is opened.
const INDEX_EDITION: &str = "1";

/// Indexes all living resources anew if this program indexes differently from the one that wrote the file.
pub(super) fn reindex_if_changed(
    connection: &mut Connection,
    codes: &Codes,
    definitions: &Definitions,
    full_text: bool,
) -> Result<(), EhrError> {
    let edition = format!("{INDEX_EDITION} {}", definitions.fingerprint());
    let found: Option<String> =
        connection.query_row("SELECT value FROM setting WHERE name = 'index'", [], |row| row.get(0)).optional()?;
    if found.as_deref() == Some(edition.as_str()) {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for table in ["token", "string", "reference", "uri", "date", "number", "quantity"] {
        transaction.execute(&format!("DELETE FROM {table}"), [])?;
    }
    transaction.execute("INSERT INTO words (words) VALUES ('delete-all')", [])?;
    index_all(&transaction, codes, definitions, full_text).map_err(|refusal| EhrError::Settings(refusal.text()))?;
    transaction.execute(
        "INSERT INTO setting (name, value) VALUES ('index', ?1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [&edition],
    )?;
    transaction.commit()?;
    Ok(())
}

fn index_all(
    connection: &Connection,
    codes: &Codes,
    definitions: &Definitions,
    full_text: bool,
) -> Result<(), Refusal> {
    let mut caches = Caches::default();
    let now = Timestamp::from_micros(0);
    let mut session = Session { connection, codes, definitions, full_text, caches: &mut caches, now };
    let mut statement = connection
        .prepare("SELECT r.pk, r.type, v.body FROM resource r JOIN version v ON v.seq = r.seq WHERE r.live = 1")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (key, code, body): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let Some(resource) = codes.resource(code) else { continue };
        let value = parse(&body)?;
        session.reindex(key, &[], &extract(definitions, resource, &value))?;
        session.index_words(key, Some(&Words::of(&value)), false)?;
    }
    Ok(())
}
