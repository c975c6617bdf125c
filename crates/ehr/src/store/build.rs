//! The search index built in bulk, from all that is stored: when a load put it off, and when this program indexes
//! differently from the one that wrote the file. How far it is stands in the file, so that whoever opens it after a crash
//! goes on from there; until it is whole, the API answers what needs no search.

use std::collections::VecDeque;

use bascule_fhir::ResourceType;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot::Receiver;

use super::bulk::Bulk;
use super::session::Session;
use super::write::parse;
use super::{Codes, Store};
use crate::index::{Definitions, Row, Words, extract};
use crate::{EhrError, Refusal};

/// Raised when the rows that a resource is indexed under change; every file is then indexed anew when it is opened.
const INDEX_EDITION: &str = "3";
/// Resources that share a turn on the writer.
const CHUNK: i64 = 6_000;
/// Chunks on their way to the disk.
const FLYING_MAX: usize = 2;

/// Indexes beside the tables' own keys: they are made in one go when all rows are there.
const BESIDE: [(&str, &str); 9] = [
    ("string_folded", "string (parameter, folded, pk)"),
    ("reference_from", "reference (parameter, pk, target)"),
    ("date_low", "date (parameter, low, pk)"),
    ("date_high", "date (parameter, high, pk)"),
    ("date_long", "date (parameter, low, high, pk) WHERE high - low > 86400000000"),
    ("number_low", "number (parameter, low, pk)"),
    ("number_high", "number (parameter, high, pk)"),
    ("quantity_low", "quantity (parameter, low, pk)"),
    ("quantity_high", "quantity (parameter, high, pk)"),
];

/// How the index of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// As this program makes it.
    Whole,
    /// Being made by this program's rules, up to that key.
    Building(i64),
    /// Not begun, or made by other rules.
    Stale,
}

/// What the finished index of this program is called in the file.
pub(super) fn edition(definitions: &Definitions, full_text: bool) -> String {
    let words = if full_text { "words" } else { "no-words" };
    format!("{INDEX_EDITION} {words} {}", definitions.fingerprint())
}

/// Reads it from the file. A file without resources needs no building.
pub(super) fn state(connection: &Connection, edition: &str) -> Result<State, EhrError> {
    let found: Option<String> =
        connection.query_row("SELECT value FROM setting WHERE name = 'index'", [], |row| row.get(0)).optional()?;
    let Some(found) = found else {
        let is_empty: bool =
            connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM resource)", [], |row| row.get(0))?;
        if is_empty {
            set(connection, edition)?;
            return Ok(State::Whole);
        }
        return Ok(State::Stale);
    };
    if found == edition {
        return Ok(State::Whole);
    }
    let at = found.strip_prefix(BUILDING).and_then(|rest| rest.strip_prefix(edition));
    Ok(at.and_then(|at| at.trim().parse().ok()).map_or(State::Stale, State::Building))
}

/// Before the edition and the last key in the setting of an index that is not whole.
const BUILDING: &str = "building ";

fn set(connection: &Connection, value: &str) -> Result<(), rusqlite::Error> {
    connection.execute(
        "INSERT INTO setting (name, value) VALUES ('index', ?1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [value],
    )?;
    Ok(())
}

impl Session<'_> {
    /// From here on, what is stored is not indexed until [`build`] is through.
    pub(crate) fn put_index_off(&mut self) -> Result<(), Refusal> {
        Ok(set(self.connection, "put off")?)
    }

    fn begin_index(&mut self, edition: &str) -> Result<i64, Refusal> {
        if let State::Building(at) = state(self.connection, edition).map_err(Refusal::from)? {
            return Ok(at);
        }
        for (name, _) in BESIDE {
            self.connection.execute_batch(&format!("DROP INDEX IF EXISTS {name}"))?;
        }
        for table in ["token", "string", "reference", "uri", "date", "number", "quantity"] {
            self.connection.execute(&format!("DELETE FROM {table}"), [])?;
        }
        self.connection.execute("INSERT INTO words (words) VALUES ('delete-all')", [])?;
        set(self.connection, &format!("{BUILDING}{edition} 0"))?;
        Ok(0)
    }

    fn end_index(&mut self, edition: &str) -> Result<(), Refusal> {
        for (name, columns) in BESIDE {
            self.connection.execute_batch(&format!("CREATE INDEX IF NOT EXISTS {name} ON {columns}"))?;
        }
        Ok(set(self.connection, edition)?)
    }
}

/// A stored resource with its rows.
struct Found {
    key: i64,
    rows: Vec<Row>,
    words: Option<Words>,
}

/// Builds what is missing. Blocks. `report` is told how many resources are indexed, durably.
pub(super) fn build(store: &Store, full_text: bool, mut report: impl FnMut(u64)) -> Result<(), EhrError> {
    let edition = edition(&store.definitions, full_text);
    let own = edition.clone();
    let mut after = waited(store.submit_whole(move |session| session.begin_index(&own)))?;
    let connection = store.reader().map_err(failed)?;
    let mut flying: VecDeque<(Receiver<Result<(), Refusal>>, u64)> = VecDeque::new();
    let mut indexed = 0;
    loop {
        let bodies = bodies(&connection, &store.codes, after)?;
        let Some((last, ..)) = bodies.last() else { break };
        after = *last;
        let found = extract_all(&store.definitions, &bodies, full_text)?;
        indexed += u64::try_from(found.len()).unwrap_or(0);
        while flying.len() >= FLYING_MAX {
            land(&mut flying, &mut report)?;
        }
        let mark = format!("{BUILDING}{edition} {after}");
        let answer = store.submit_whole(move |session| {
            let mut bulk = Bulk::default();
            for one in found {
                session.gather(&mut bulk, one.key, one.rows, one.words)?;
            }
            session.flush(&mut bulk)?;
            Ok(set(session.connection, &mark)?)
        });
        flying.push_back((answer.map_err(failed)?, indexed));
    }
    while !flying.is_empty() {
        land(&mut flying, &mut report)?;
    }
    waited(store.submit_whole(move |session| session.end_index(&edition)))
}

fn land(
    flying: &mut VecDeque<(Receiver<Result<(), Refusal>>, u64)>,
    report: &mut impl FnMut(u64),
) -> Result<(), EhrError> {
    let Some((answer, indexed)) = flying.pop_front() else { return Ok(()) };
    waited(Ok(answer))?;
    report(indexed);
    Ok(())
}

fn waited<T>(answer: Result<Receiver<Result<T, Refusal>>, Refusal>) -> Result<T, EhrError> {
    answer.map_err(failed)?.blocking_recv().map_err(|_| EhrError::Closed)?.map_err(failed)
}

fn failed(refusal: Refusal) -> EhrError {
    EhrError::Load { place: "building the index".to_owned(), reason: refusal.text() }
}

type Body = (i64, ResourceType, String);

/// The next living resources in the order of their keys.
fn bodies(connection: &Connection, codes: &Codes, after: i64) -> Result<Vec<Body>, EhrError> {
    let sql = "SELECT r.pk, r.type, v.body FROM resource r CROSS JOIN version v ON v.seq = r.seq \
               WHERE r.pk > ?1 AND r.live = 1 ORDER BY r.pk LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement
        .query_map([after, CHUNK], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?)))?;
    let mut bodies = Vec::new();
    for row in rows {
        let (key, code, body) = row?;
        bodies.extend(codes.resource(code).map(|resource| (key, resource, body)));
    }
    Ok(bodies)
}

/// On all cores.
fn extract_all(definitions: &Definitions, bodies: &[Body], full_text: bool) -> Result<Vec<Found>, EhrError> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8);
    let share = bodies.len().div_ceil(threads).max(1);
    let one = |(key, resource, body): &Body| {
        let value = parse(body).map_err(failed)?;
        let words = full_text.then(|| Words::of(*resource, &value));
        Ok(Found { key: *key, rows: extract(definitions, *resource, &value), words })
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = bodies
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(one).collect::<Result<Vec<_>, EhrError>>()))
            .collect();
        let mut all = Vec::with_capacity(bodies.len());
        for part in parts {
            all.extend(part.join().map_err(|_| EhrError::Closed)??);
        }
        Ok(all)
    })
}
