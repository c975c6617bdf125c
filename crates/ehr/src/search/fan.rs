//! A page of a chain that many resources satisfy and few end: `subject:Patient.family=…` among the Observations of everybody.
//!
//! To walk all resources would mean to pass by those of everybody else, which lie together. The references to each end come
//! in the order of keys: the page is the least of them all, and no end is read further than the page reaches.

use std::collections::BTreeSet;

use bascule_fhir::ResourceType;
use rusqlite::types::Value;

use super::clause::Clause;
use super::compile::{Compiler, Subject};
use super::parse::Scope;
use crate::Refusal;

/// Ends that are gone through one by one; a chain with more of them is met often enough by walking.
const ENDS_MAX: usize = 1_000;

/// Which keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// Greater than this.
    pub(super) after: i64,
    /// Not greater than this.
    pub(super) newest: i64,
    /// At most so many.
    pub(super) limit: usize,
}

/// The least keys of the piece that satisfy all clauses, in order; `None` if no clause is a chain with few ends.
pub(super) fn page(
    scope: &Scope<'_>,
    resource: ResourceType,
    clauses: &[Clause],
    piece: Piece,
) -> Result<Option<Vec<i64>>, Refusal> {
    for (at, clause) in clauses.iter().enumerate() {
        let Clause::Chain { reference, ends } = clause else { continue };
        let Some(ends) = ends_of(scope, ends)? else { continue };
        let others: Vec<&Clause> =
            clauses.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, clause)| clause).collect();
        return gather(scope, resource, *reference, &ends, &others, piece).map(Some);
    }
    Ok(None)
}

/// The resources that a chain ends at, if they are few.
fn ends_of(scope: &Scope<'_>, ends: &[(ResourceType, Vec<Clause>)]) -> Result<Option<BTreeSet<i64>>, Refusal> {
    let mut all = BTreeSet::new();
    for (resource, clauses) in ends {
        let mut compiler = Compiler::new(scope.connection, scope.codes, scope.now);
        let keys = compiler.keys(*resource, clauses)?;
        let sql = format!("SELECT pk FROM ({keys}) LIMIT {}", ENDS_MAX + 1);
        let mut statement = scope.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(&compiler.values), |row| row.get(0))?;
        let before = all.len();
        let mut seen = 0;
        for key in rows {
            seen += 1;
            all.insert(key?);
        }
        if before + seen > ENDS_MAX {
            return Ok(None);
        }
    }
    Ok(Some(all))
}

fn gather(
    scope: &Scope<'_>,
    resource: ResourceType,
    reference: i64,
    ends: &BTreeSet<i64>,
    others: &[&Clause],
    piece: Piece,
) -> Result<Vec<i64>, Refusal> {
    let mut compiler = Compiler::new(scope.connection, scope.codes, scope.now);
    let (parameter, after) = (compiler.bind(reference), compiler.bind(piece.after));
    let (end_at, end) = (compiler.values.len(), compiler.bind(0));
    let (until_at, until) = (compiler.values.len(), compiler.bind(piece.newest));
    let holds = compiler.holds(resource, others.iter().copied(), &Subject::row("r"))?;
    let sql = format!(
        "SELECT DISTINCT lead.pk FROM reference lead CROSS JOIN resource r WHERE lead.parameter = {parameter} \
         AND lead.target = {end} AND lead.pk > {after} AND lead.pk <= {until} AND r.pk = lead.pk AND {holds} \
         ORDER BY lead.pk LIMIT {}",
        piece.limit
    );
    let mut statement = scope.connection.prepare_cached(&sql)?;
    let mut found: BTreeSet<i64> = BTreeSet::new();
    for key in ends {
        set(&mut compiler.values, end_at, *key);
        // Behind a full page nothing is sought.
        let last = if found.len() == piece.limit { found.last().copied() } else { None };
        set(&mut compiler.values, until_at, last.unwrap_or(piece.newest));
        let rows = statement.query_map(rusqlite::params_from_iter(&compiler.values), |row| row.get(0))?;
        for row in rows {
            found.insert(row?);
        }
        while found.len() > piece.limit {
            found.pop_last();
        }
    }
    Ok(found.into_iter().collect())
}

fn set(values: &mut [Value], at: usize, value: i64) {
    if let Some(place) = values.get_mut(at) {
        *place = Value::Integer(value);
    }
}
