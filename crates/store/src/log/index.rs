//! The index of the log: what a search looks in first. It is made from the log, can be made again, and proves nothing:
//! each hit is proved against the log before it is shown.
//!
//! **Trust**: who can rewrite the index can hide entries from a search until the index is made again or compared
//! ([`Index::compare`]); patients and users stand in it under blind names only.

use std::path::Path;

use bascule_audit::{Opened, Outcome};
use bascule_fhir::Timestamp;
use bascule_ledger::RecordProof;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::LogError;
use super::read::{Cursor, LogReader};
use super::verify::kind_name;

/// Entries that one transaction indexes.
const BATCH_ENTRIES: u64 = 5_000;

/// The index.
pub struct Index(Connection);

/// What is searched for. Everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// An API and a patient's reference there.
    pub patient: Option<(String, String)>,
    /// A user.
    pub user: Option<String>,
    /// A client.
    pub client: Option<String>,
    /// First instant.
    pub from: Option<Timestamp>,
    /// First instant after.
    pub until: Option<Timestamp>,
    /// Outcome.
    pub outcome: Option<Outcome>,
    /// `access`, `refusal`, …
    pub kind: Option<String>,
    /// Only disclosures that must be accounted for.
    pub disclosures: bool,
    /// Only what the request of that id left.
    pub request: Option<String>,
    /// Only the entry with that random name, in hex.
    pub id: Option<String>,
    /// Only what comes after this one in the order of hits.
    pub after: Option<Place>,
    /// Hits at most; 0 is [`HITS_MAX`].
    pub limit: u64,
}

/// Where a hit stands in the order of hits: the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Microseconds since 1970.
    pub at: i64,
    /// Which log.
    pub origin: String,
    /// Its index there.
    pub index: u64,
}

impl Place {
    /// Of a hit.
    #[must_use]
    pub fn of(entry: &Opened) -> Self {
        Self { at: entry.about().at, origin: entry.position.origin.clone(), index: entry.position.index }
    }
}

/// Of what form an index file is; one of another form is made again.
const FORM: i64 = 2;

/// Hits that a search gives at most.
pub const HITS_MAX: u64 = 10_000;

impl Index {
    /// Opens the index file, or begins one.
    ///
    /// # Errors
    /// `Lock` (the database's error).
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let database = Connection::open(path)?;
        database.busy_timeout(std::time::Duration::from_secs(30))?;
        let form: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if form != FORM {
            database.execute_batch(&format!(
                "DROP TABLE IF EXISTS patient; DROP TABLE IF EXISTS entry; DROP TABLE IF EXISTS shard;
                 PRAGMA user_version = {FORM};"
            ))?;
        }
        database.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS shard (id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, size INTEGER NOT NULL);
             CREATE TABLE IF NOT EXISTS entry (shard INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,
                 kind TEXT NOT NULL, client TEXT, outcome INTEGER NOT NULL, disclosure INTEGER NOT NULL, user BLOB,
                 id BLOB NOT NULL, request TEXT,
                 PRIMARY KEY (shard, number)) WITHOUT ROWID;
             CREATE INDEX IF NOT EXISTS entry_at ON entry (at);
             CREATE INDEX IF NOT EXISTS entry_client ON entry (client, at);
             CREATE INDEX IF NOT EXISTS entry_user ON entry (user, at);
             CREATE INDEX IF NOT EXISTS entry_id ON entry (id);
             CREATE INDEX IF NOT EXISTS entry_request ON entry (request);
             CREATE TABLE IF NOT EXISTS patient (blind BLOB NOT NULL, shard INTEGER NOT NULL, number INTEGER NOT NULL,
                 PRIMARY KEY (blind, shard, number)) WITHOUT ROWID;",
        )?;
        Ok(Self(database))
    }

    /// Indexes what the log has gained. How many entries.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn catch_up(&mut self, reader: &LogReader) -> Result<u64, LogError> {
        let mut gained = 0;
        for shard in reader.shards() {
            let origin = &shard.checkpoint().origin;
            loop {
                let taken = self.catch_up_batch(reader, origin)?;
                gained += taken;
                if taken < BATCH_ENTRIES {
                    break;
                }
            }
        }
        Ok(gained)
    }

    /// Throws the index away and makes it again.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn rebuild(&mut self, reader: &LogReader) -> Result<u64, LogError> {
        self.0.execute_batch("DELETE FROM patient; DELETE FROM entry; DELETE FROM shard;")?;
        self.catch_up(reader)
    }

    /// Compares the index with the log: for each shard, whether it has every entry, and whether each is indexed as the log
    /// has it. What differs, in words; empty if nothing does.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn compare(&self, reader: &LogReader) -> Result<Vec<String>, LogError> {
        let mut other = Self::open(Path::new(":memory:"))?;
        other.catch_up(reader)?;
        let count = |index: &Self, origin: &str, sql: &str| -> Result<i64, LogError> {
            Ok(index.0.query_row(sql, [origin], |row| row.get(0))?)
        };
        let mut differences = Vec::new();
        for shard in reader.shards() {
            let origin = &shard.checkpoint().origin;
            for (what, sql) in [
                ("entries", "SELECT count(*) FROM entry JOIN shard ON shard.id = shard WHERE origin = ?1"),
                ("patients", "SELECT count(*) FROM patient JOIN shard ON shard.id = shard WHERE origin = ?1"),
            ] {
                let (here, there) = (count(self, origin, sql)?, count(&other, origin, sql)?);
                if here != there {
                    differences.push(format!("{origin}: the index has {here} {what}, the log {there}"));
                }
            }
        }
        Ok(differences)
    }

    /// Searches, and proves each hit against the log. The newest first.
    ///
    /// # Errors
    /// `Ledger` if a hit cannot be proved, else [`LogError`].
    pub fn search(&self, search: &Search, reader: &LogReader) -> Result<Vec<(Opened, RecordProof)>, LogError> {
        let places = self.places(search, reader)?;
        places.into_iter().map(|(origin, number)| reader.entry(&origin, number)).collect()
    }

    fn places(&self, search: &Search, reader: &LogReader) -> Result<Vec<(String, u64)>, LogError> {
        let mut sql = String::from("SELECT origin, entry.number FROM entry JOIN shard ON shard.id = entry.shard");
        let mut values: Vec<Value> = Vec::new();
        if let Some((api, reference)) = &search.patient {
            values.push(Value::Blob(reader.keys().blind(api, reference).to_vec()));
            sql.push_str(
                " JOIN patient ON patient.shard = entry.shard AND patient.number = entry.number AND blind = ?",
            );
        }
        sql.push_str(" WHERE 1 = 1");
        let mut also = |condition: &str, value: Option<Value>| {
            if let Some(value) = value {
                sql.push_str(condition);
                values.push(value);
            }
        };
        let user = search.user.as_ref().map(|user| reader.keys().blind_agent(user).to_vec());
        also(" AND user = ?", user.map(Value::Blob));
        also(" AND client = ?", search.client.clone().map(Value::Text));
        also(" AND at >= ?", search.from.map(|from| Value::Integer(from.micros())));
        also(" AND at < ?", search.until.map(|until| Value::Integer(until.micros())));
        also(" AND outcome = ?", search.outcome.map(|outcome| Value::Integer(i64::from(outcome.code()))));
        also(" AND kind = ?", search.kind.clone().map(Value::Text));
        also(" AND request = ?", search.request.clone().map(Value::Text));
        also(" AND entry.id = ?", search.id.as_deref().map(|id| Value::Blob(hex::decode(id).unwrap_or_default())));
        if let Some(after) = &search.after {
            also(" AND (at, origin, entry.number) < (?", Some(Value::Integer(after.at)));
            also(", ?", Some(Value::Text(after.origin.clone())));
            also(", ?)", i64::try_from(after.index).ok().map(Value::Integer));
        }
        also(" AND disclosure = ?", search.disclosures.then_some(Value::Integer(1)));
        let limit = if search.limit == 0 { HITS_MAX } else { search.limit.min(HITS_MAX) };
        also(
            " ORDER BY at DESC, origin DESC, entry.number DESC LIMIT ?",
            i64::try_from(limit).ok().map(Value::Integer),
        );
        let mut statement = self.0.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn catch_up_batch(&mut self, reader: &LogReader, origin: &str) -> Result<u64, LogError> {
        let transaction = self.0.transaction()?;
        transaction.execute("INSERT INTO shard (origin, size) VALUES (?1, 0) ON CONFLICT DO NOTHING", [origin])?;
        let (shard, size): (i64, i64) = transaction
            .query_row("SELECT id, size FROM shard WHERE origin = ?1", [origin], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?
            .unwrap_or_default();
        let from = Cursor { origin: origin.to_owned(), index: size.unsigned_abs() };
        let mut taken = 0;
        {
            let mut add_entry = transaction.prepare_cached(
                "INSERT OR REPLACE INTO entry (shard, number, at, kind, client, outcome, disclosure, user, id, request)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            let mut add_patient = transaction
                .prepare_cached("INSERT OR IGNORE INTO patient (blind, shard, number) VALUES (?1, ?2, ?3)")?;
            reader.each(&from, |entry| {
                if taken == BATCH_ENTRIES || entry.position.origin != origin {
                    return Ok(false);
                }
                taken += 1;
                let about = entry.about();
                let number = i64::try_from(entry.position.index).unwrap_or(i64::MAX);
                let subject = entry.agent.as_ref().and_then(|agent| agent.subject.as_deref());
                add_entry.execute(params![
                    shard,
                    number,
                    about.at,
                    kind_name(entry.clear.kind),
                    about.client,
                    entry.clear.outcome.code(),
                    about.disclosure,
                    subject.map(|subject| reader.keys().blind_agent(subject).to_vec()),
                    hex::decode(&entry.clear.id).unwrap_or_default(),
                    about.request,
                ])?;
                let api = about.api.as_deref().unwrap_or_default();
                for patient in entry.patients.iter().flatten() {
                    add_patient.execute(params![reader.keys().blind(api, &patient.reference), shard, number])?;
                }
                Ok(true)
            })?;
        }
        let size = i64::try_from(from.index + taken).unwrap_or(i64::MAX);
        transaction.execute("UPDATE shard SET size = ?2 WHERE id = ?1", params![shard, size])?;
        transaction.commit()?;
        Ok(taken)
    }
}
