//! Loading: resources that most likely are not there yet, written out before their turn on the writer.

use bascule_fhir::{Id, ResourceType};
use rusqlite::OptionalExtension;
use serde_json::Value;

use super::bulk::Bulk;
use super::read::Method;
use super::session::Session;
use super::write::{Outcome, Prepared, parse, same_content, set_id, stamp};
use crate::Refusal;
use crate::index::{Definitions, Row, Words, extract};

/// A resource that was checked, as the text of its first version.
pub(crate) struct Fresh {
    resource: ResourceType,
    id: Id,
    body: String,
    /// Where `meta.lastUpdated` is to stand in it, if that can be told.
    updated_at: Option<usize>,
    rows: Vec<Row>,
    words: Option<Words>,
}

/// As long as an instant is, and none.
const NO_INSTANT: &str = "0000-00-00T00:00:00.000Z";

impl Fresh {
    /// Writes it out; works out its index rows, unless the index is built afterwards.
    pub(crate) fn new(
        definitions: &Definitions,
        resource: ResourceType,
        id: Id,
        mut value: Value,
        is_indexed: bool,
    ) -> Self {
        if let Some(fields) = value.as_object_mut() {
            set_id(fields, id.as_str());
        }
        let rows = if is_indexed { extract(definitions, resource, &value) } else { Vec::new() };
        let words = is_indexed.then(|| Words::of(resource, &value));
        stamp(&mut value, 1, NO_INSTANT);
        let body = value.to_string();
        let mut places = body.match_indices(NO_INSTANT).map(|(at, _)| at);
        let updated_at = places.next().filter(|_| places.next().is_none());
        Self { resource, id, body, updated_at, rows, words }
    }
}

impl Session<'_> {
    /// Stores a resource unless it is there with this content, now or as an older version.
    pub(crate) fn load(&mut self, fresh: Fresh, bulk: &mut Bulk) -> Result<Outcome, Refusal> {
        let of = self.codes.of(fresh.resource);
        let found: Option<(i64, i64)> = self
            .connection
            .prepare_cached("SELECT pk, seq FROM resource WHERE type = ?1 AND id = ?2")?
            .query_row((of, fresh.id.as_str()), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let key = found.filter(|(_, sequence)| *sequence == 0).map(|(key, _)| key);
        match (found, fresh.updated_at) {
            (None, Some(at)) => self.load_fresh(fresh, at, None, bulk),
            (Some(_), Some(at)) if key.is_some() => self.load_fresh(fresh, at, key, bulk),
            _ => {
                // What is there may still wait to be indexed.
                self.flush(bulk)?;
                self.load_over(fresh)
            }
        }
    }

    /// Nothing of it is there but, perhaps, references to it.
    fn load_fresh(
        &mut self,
        mut fresh: Fresh,
        updated_at: usize,
        key: Option<i64>,
        bulk: &mut Bulk,
    ) -> Result<Outcome, Refusal> {
        let (of, updated) = (self.codes.of(fresh.resource), self.now.micros());
        fresh.body.replace_range(updated_at..updated_at + NO_INSTANT.len(), &self.now.to_instant());
        let (key, sequence): (i64, i64) = match key {
            None => self
                .connection
                .prepare_cached(
                    "INSERT INTO resource (type, id, version, updated, seq, live) \
                     VALUES (?1, ?2, 1, ?3, (SELECT COALESCE(MAX(seq), 0) + 1 FROM version), 1) RETURNING pk, seq",
                )?
                .query_row((of, fresh.id.as_str(), updated), |row| Ok((row.get(0)?, row.get(1)?)))?,
            Some(key) => self
                .connection
                .prepare_cached(
                    "UPDATE resource SET version = 1, updated = ?2, live = 1, \
                     seq = (SELECT COALESCE(MAX(seq), 0) + 1 FROM version) WHERE pk = ?1 RETURNING pk, seq",
                )?
                .query_row((key, updated), |row| Ok((row.get(0)?, row.get(1)?)))?,
        };
        self.connection
            .prepare_cached(
                "INSERT INTO version (seq, pk, type, version, updated, method, body) VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6)",
            )?
            .execute((sequence, key, of, updated, Method::Create.code(), &fresh.body))?;
        self.gather(bulk, key, fresh.rows, fresh.words)?;
        self.remember(fresh.resource, fresh.id.as_str().to_owned(), key);
        Ok(Outcome::Created)
    }

    fn load_over(&mut self, fresh: Fresh) -> Result<Outcome, Refusal> {
        let before = self.current(fresh.resource, fresh.id.as_str())?;
        let value = parse(&fresh.body)?;
        if let Some(there) = before.as_ref().filter(|there| there.version > 1)
            && self.was_there(there.key, &value)?
        {
            return Ok(Outcome::Unchanged);
        }
        let prepared = Prepared::new(self.definitions, fresh.resource, fresh.id, value);
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
}
