//! A turn on the writer: the connection, the clock of this turn, and what is remembered between turns.

use std::collections::HashMap;

use bascule_fhir::{ResourceType, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::Codes;
use crate::Refusal;
use crate::index::Definitions;

/// One writer's turn.
pub(crate) struct Session<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) codes: &'a Codes,
    pub(crate) definitions: &'a Definitions,
    pub(crate) full_text: bool,
    pub(super) caches: &'a mut Caches,
    /// When this turn began; not before any earlier turn.
    pub(crate) now: Timestamp,
}

/// Numbers that were looked up, so that they need not be again.
pub(crate) struct Caches {
    words: HashMap<String, i64>,
    keys: HashMap<(ResourceType, String), i64>,
    pub(super) latest: Timestamp,
}

/// Entries of a cache before it starts anew.
const CACHED_MAX: usize = 200_000;

impl Default for Caches {
    fn default() -> Self {
        Self { words: HashMap::new(), keys: HashMap::new(), latest: Timestamp::from_micros(0) }
    }
}

impl Caches {
    /// Forgets all: numbers given in a transaction that was rolled back are no numbers.
    pub(super) fn clear(&mut self) {
        self.words.clear();
        self.keys.clear();
    }

    pub(super) fn bound(&mut self) {
        if self.words.len() > CACHED_MAX || self.keys.len() > CACHED_MAX {
            self.clear();
        }
    }
}

impl Session<'_> {
    /// Remembers the key of a resource that was just made.
    pub(super) fn remember(&mut self, resource: ResourceType, id: String, key: i64) {
        self.caches.keys.insert((resource, id), key);
    }

    /// What a search may look at, within this turn.
    pub(crate) fn scope(&self) -> crate::search::Scope<'_> {
        crate::search::Scope {
            connection: self.connection,
            codes: self.codes,
            definitions: self.definitions,
            now: self.now,
        }
    }

    /// Runs `work` so that its failure leaves nothing behind.
    pub(crate) fn alone<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        self.connection.execute_batch("SAVEPOINT alone")?;
        let done = work(self);
        if done.is_err() {
            self.connection.execute_batch("ROLLBACK TO alone")?;
            self.caches.clear();
        }
        self.connection.execute_batch("RELEASE alone")?;
        done
    }

    /// The number of a string that repeats; 0 is the empty one.
    pub(super) fn word(&mut self, text: &str) -> Result<i64, Refusal> {
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(code) = self.caches.words.get(text) {
            return Ok(*code);
        }
        let found = self.connection.prepare_cached("SELECT code FROM word WHERE text = ?1")?;
        let found = { found }.query_row([text], |row| row.get(0)).optional()?;
        let code = match found {
            Some(code) => code,
            None => self
                .connection
                .prepare_cached("INSERT INTO word (text) VALUES (?1) RETURNING code")?
                .query_row([text], |row| row.get(0))?,
        };
        self.caches.words.insert(text.to_owned(), code);
        Ok(code)
    }

    /// The key of a resource, stored or only referred to.
    pub(super) fn key(&mut self, resource: ResourceType, id: &str) -> Result<i64, Refusal> {
        self.key_of(resource, id.to_owned())
    }

    /// The same for a name that is at hand as a value.
    pub(super) fn key_of(&mut self, resource: ResourceType, id: String) -> Result<i64, Refusal> {
        let name = (resource, id);
        if let Some(key) = self.caches.keys.get(&name) {
            return Ok(*key);
        }
        let of = self.codes.of(resource);
        let found = self
            .connection
            .prepare_cached("SELECT pk FROM resource WHERE type = ?1 AND id = ?2")?
            .query_row((of, &name.1), |row| row.get(0))
            .optional()?;
        let key = match found {
            Some(key) => key,
            None => self
                .connection
                .prepare_cached(
                    "INSERT INTO resource (type, id, version, updated, seq, live) VALUES (?1, ?2, 0, 0, 0, 0) RETURNING pk",
                )?
                .query_row((of, &name.1), |row| row.get(0))?,
        };
        self.caches.keys.insert(name, key);
        Ok(key)
    }
}
