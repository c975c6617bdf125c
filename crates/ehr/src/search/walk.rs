//! Sorting a large answer without gathering it: the index of the sort key is walked in its order until the page is full,
//! and the cursor says where to go on. What has no value under the key follows, in the order of keys.

use bascule_fhir::fhirpath::Expression;
use bascule_fhir::{ResourceType, SearchKind, Type};
use rusqlite::types::Value as Cell;

use super::clause::Clause;
use super::compile::Compiler;
use super::cursor::Cursor;
use super::parse::Scope;
use super::sort::SortKey;
use crate::Refusal;
use crate::index::Indexed;

/// An index table that has the order of a sort key.
struct Ordered {
    table: &'static str,
    /// What is sorted by.
    column: &'static str,
    /// The rest of the table's key after parameter and resource, so that of equal rows one is first.
    rest: &'static str,
    parameter: i64,
    /// Whether a resource may have several rows.
    repeats: bool,
}

/// How the rows come.
struct Direction {
    word: &'static str,
    beyond: &'static str,
    /// What stands for a missing value; no row has it.
    missing: Cell,
}

/// A page of a type that is sorted by one key.
pub(super) struct Walk<'a> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) resource: ResourceType,
    pub(super) clauses: &'a [Clause],
    pub(super) key: &'a SortKey,
    pub(super) cursor: Option<&'a Cursor>,
    pub(super) newest: i64,
    pub(super) limit: usize,
}

type Rows = Vec<(i64, Vec<Cell>)>;

impl Walk<'_> {
    /// The rows of the page; `None` if no index has the order.
    pub(super) fn rows(&self) -> Result<Option<Rows>, Refusal> {
        let Some(ordered) = self.ordered() else { return Ok(None) };
        let direction = self.direction(&ordered);
        let is_behind = self.cursor.and_then(|cursor| cursor.keys.first()) == Some(&direction.missing);
        let mut rows = if is_behind { Vec::new() } else { self.with_value(&ordered, &direction)? };
        if rows.len() < self.limit {
            rows.extend(self.without_value(&ordered, &direction, is_behind, self.limit - rows.len())?);
        }
        Ok(Some(rows))
    }

    fn ordered(&self) -> Option<Ordered> {
        let indexed = self.scope.definitions.named(self.resource, &self.key.name)?;
        let descending = self.key.descending;
        let (table, column, rest, repeats) = match indexed.parameter.kind {
            SearchKind::Date if descending => ("date", "high", "low", true),
            SearchKind::Date => ("date", "low", "high", true),
            SearchKind::Number => ("number", "low", "high", true),
            SearchKind::Quantity => ("quantity", "low", "high, system, code, unit", true),
            SearchKind::String => ("string", "folded", "exact", true),
            SearchKind::Token if is_single(self.resource, indexed) => ("token", "code", "code", false),
            SearchKind::Uri if is_single(self.resource, indexed) => ("uri", "value", "value", false),
            _ => return None,
        };
        Some(Ordered { table, column, rest, parameter: indexed.code, repeats })
    }

    fn direction(&self, ordered: &Ordered) -> Direction {
        let descending = self.key.descending;
        let missing = match ordered.table {
            "date" => Cell::Integer(if descending { i64::MIN } else { i64::MAX }),
            "number" | "quantity" => Cell::Real(if descending { -f64::MAX } else { f64::MAX }),
            _ => Cell::Text(if descending { String::new() } else { "\u{10FFFF}".to_owned() }),
        };
        if descending {
            Direction { word: "DESC", beyond: "<", missing }
        } else {
            Direction { word: "ASC", beyond: ">", missing }
        }
    }

    fn with_value(&self, ordered: &Ordered, direction: &Direction) -> Result<Rows, Refusal> {
        let Ordered { table, column, rest, parameter, repeats } = ordered;
        let Direction { word, beyond, .. } = direction;
        let mut compiler = Compiler::new(self.scope.connection, self.scope.codes, self.scope.now);
        let (parameter, newest) = (compiler.bind(*parameter), compiler.bind(self.newest));
        // The plus: a bound on keys must not lead to the table's own order, which would then be sorted.
        let mut conditions = vec![format!("s.parameter = {parameter} AND r.pk = s.pk AND +s.pk <= {newest}")];
        conditions.push(compiler.holds(self.resource, self.clauses, "r")?);
        if *repeats {
            // Of several rows of a resource, the one that comes first in this order.
            // The plus keeps the search among the rows of this resource: no range of all resources is nearer.
            let of = |x: &str| rest.split(", ").map(|name| format!("+{x}.{name}")).collect::<Vec<_>>().join(", ");
            let sooner = if self.key.descending { ">" } else { "<" };
            conditions.push(format!(
                "NOT EXISTS (SELECT 1 FROM {table} e WHERE e.parameter = {parameter} AND e.pk = s.pk \
                 AND (+e.{column}, {}) {sooner} (+s.{column}, {}))",
                of("e"),
                of("s")
            ));
        }
        if let Some(cursor) = self.cursor {
            let key = compiler.bind(cursor.keys.first().cloned().unwrap_or(Cell::Null));
            let after = compiler.bind(cursor.after);
            conditions.push(format!("(s.{column}, s.pk) {beyond} ({key}, {after})"));
        }
        let sql = format!(
            "SELECT s.pk, s.{column} FROM {table} s CROSS JOIN resource r WHERE {} ORDER BY s.{column} {word}, s.pk {word} LIMIT {}",
            conditions.join(" AND "),
            self.limit
        );
        let mut statement = self.scope.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(&compiler.values), |row| {
            Ok((row.get(0)?, vec![row.get::<_, Cell>(1)?]))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn without_value(
        &self,
        ordered: &Ordered,
        direction: &Direction,
        is_behind: bool,
        limit: usize,
    ) -> Result<Rows, Refusal> {
        let mut compiler = Compiler::new(self.scope.connection, self.scope.codes, self.scope.now);
        let (parameter, newest) = (compiler.bind(ordered.parameter), compiler.bind(self.newest));
        let mut conditions = vec![format!("r.pk <= {newest}"), compiler.holds(self.resource, self.clauses, "r")?];
        let table = ordered.table;
        conditions.push(if ordered.repeats {
            format!("NOT EXISTS (SELECT 1 FROM {table} e WHERE e.parameter = {parameter} AND e.pk = r.pk)")
        } else {
            format!("r.pk NOT IN (SELECT pk FROM {table} WHERE parameter = {parameter})")
        });
        if let Some(cursor) = self.cursor.filter(|_| is_behind) {
            let after = compiler.bind(cursor.after);
            conditions.push(format!("r.pk {} {after}", direction.beyond));
        }
        let sql = format!(
            "SELECT r.pk FROM resource r WHERE {} ORDER BY r.pk {} LIMIT {limit}",
            conditions.join(" AND "),
            direction.word
        );
        let mut statement = self.scope.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(&compiler.values), |row| {
            Ok((row.get(0)?, vec![direction.missing.clone()]))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn parse(indexed: &Indexed) -> Option<Expression> {
    Expression::parse(indexed.parameter.expression).ok()
}

/// Whether a resource has at most one row under the parameter: its path is one element that stands once and is bare, or
/// a Coding.
fn is_single(resource: ResourceType, indexed: &Indexed) -> bool {
    let Some(path) = parse(indexed).map(|expression| expression.paths()) else {
        return false;
    };
    let [path] = path.as_slice() else { return false };
    let name = path.strip_prefix(resource.name()).and_then(|rest| rest.strip_prefix('.')).unwrap_or(path);
    let element = Type::of(resource).and_then(|kind| kind.child(name));
    element.is_some_and(|element| !element.is_array() && (element.is_primitive() || element.type_name == "Coding"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Definitions;
    use crate::store::{Codes, schema};

    #[test]
    fn only_what_stands_once_is_single() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let codes = Codes::load(&mut connection, Definitions::parameter_names()).unwrap();
        let definitions = Definitions::new(&codes, "http://ehr").unwrap();
        let check = |resource: &str, name: &str, expect: bool| {
            let resource = ResourceType::parse(resource).unwrap();
            let indexed = definitions.named(resource, name).unwrap();
            assert_eq!(is_single(resource, indexed), expect, "{resource} {name}");
        };
        check("Observation", "status", true);
        check("Patient", "gender", true);
        check("Encounter", "class", true);
        check("ValueSet", "url", true);
        check("Observation", "code", false);
        check("Patient", "identifier", false);
        check("Observation", "category", false);
    }
}
