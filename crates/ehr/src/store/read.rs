//! Reading resources and their versions.

use bascule_fhir::{ResourceType, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use super::Codes;
use crate::Refusal;

/// What made a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The first one, or the first after a deletion.
    Create,
    /// A later one.
    Update,
    /// The end of it; the body is empty.
    Delete,
}

impl Method {
    /// How it stands in the table.
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Create => 1,
            Self::Update => 2,
            Self::Delete => 3,
        }
    }

    const fn parse(code: i64) -> Self {
        match code {
            1 => Self::Create,
            3 => Self::Delete,
            _ => Self::Update,
        }
    }
}

/// A version of a resource.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    /// The resource's key.
    pub(crate) key: i64,
    /// Its place in the history of the whole file.
    pub(crate) sequence: i64,
    pub(crate) resource: ResourceType,
    pub(crate) id: String,
    pub(crate) version: i64,
    pub(crate) updated: Timestamp,
    pub(crate) method: Method,
    /// The JSON as it goes out.
    pub(crate) body: String,
}

const COLUMNS: &str = "r.pk, v.seq, r.type, r.id, v.version, v.updated, v.method, v.body";

fn row(row: &Row<'_>, codes: &Codes) -> rusqlite::Result<Version> {
    let code: i64 = row.get(2)?;
    let resource = codes.resource(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(2, code))?;
    Ok(Version {
        key: row.get(0)?,
        sequence: row.get(1)?,
        resource,
        id: row.get(3)?,
        version: row.get(4)?,
        updated: Timestamp::from_micros(row.get(5)?),
        method: Method::parse(row.get(6)?),
        body: row.get(7)?,
    })
}

/// The newest version, also if it is a deletion; `None` if there never was one.
pub(crate) fn current(
    connection: &Connection,
    codes: &Codes,
    resource: ResourceType,
    id: &str,
) -> Result<Option<Version>, Refusal> {
    let sql =
        format!("SELECT {COLUMNS} FROM resource r JOIN version v ON v.seq = r.seq WHERE r.type = ?1 AND r.id = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row((codes.of(resource), id), |found| row(found, codes)).optional()?)
}

/// The newest version of the resource of that key, if it lives.
pub(crate) fn current_by_key(connection: &Connection, codes: &Codes, key: i64) -> Result<Option<Version>, Refusal> {
    let sql =
        format!("SELECT {COLUMNS} FROM resource r JOIN version v ON v.seq = r.seq WHERE r.pk = ?1 AND r.live = 1");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row([key], |found| row(found, codes)).optional()?)
}

/// That version of it.
pub(crate) fn version(
    connection: &Connection,
    codes: &Codes,
    resource: ResourceType,
    id: &str,
    number: i64,
) -> Result<Option<Version>, Refusal> {
    let sql = format!(
        "SELECT {COLUMNS} FROM resource r JOIN version v ON v.pk = r.pk WHERE r.type = ?1 AND r.id = ?2 AND v.version = ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row((codes.of(resource), id, number), |found| row(found, codes)).optional()?)
}

/// Versions by a condition over `v` (version) and `r` (resource), newest first.
pub(crate) fn versions_by_sequence(
    connection: &Connection,
    codes: &Codes,
    condition: &str,
    values: &[i64],
    limit: usize,
) -> Result<Vec<Version>, Refusal> {
    let sql = format!(
        "SELECT {COLUMNS} FROM version v JOIN resource r ON r.pk = v.pk WHERE {condition} ORDER BY v.seq DESC LIMIT {limit}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), |found| row(found, codes))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
