//! Sorting a large answer without gathering it: the index of the sort key is walked in its order until the page is full,
//! and the cursor says where to go on. What has no value under the key follows, in the order of keys.

use bascule_fhir::element::resolve;
use bascule_fhir::{ResourceType, SearchKind};
use rusqlite::types::Value as Cell;

use super::clause::{Clause, RowTest};
use super::compile::{Compiler, Subject};
use super::cursor::Cursor;
use super::parse::Scope;
use super::range::{SHORT_MAX, bound, bounds};
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
        // What is bounded by the key has a value under it.
        if rows.len() < self.limit && self.own(&ordered).is_empty() {
            rows.extend(self.without_value(&ordered, &direction, is_behind, self.limit - rows.len())?);
        }
        Ok(Some(rows))
    }

    fn ordered(&self) -> Option<Ordered> {
        let indexed = self.scope.definitions.named(self.resource, &self.key.name)?;
        let descending = self.key.descending;
        let (table, column, rest) = match indexed.parameter.kind {
            SearchKind::Date if descending => ("date", "high", "low"),
            SearchKind::Date => ("date", "low", "high"),
            SearchKind::Number => ("number", "low", "high"),
            SearchKind::Quantity => ("quantity", "low", "high, system, code, unit"),
            SearchKind::String => ("string", "folded", "exact"),
            SearchKind::Token if is_bare(self.resource, indexed) => ("token", "code", "code"),
            SearchKind::Uri if is_bare(self.resource, indexed) => ("uri", "value", "value"),
            _ => return None,
        };
        // A name is one value and several rows.
        let repeats = !indexed.is_single || table == "string";
        Some(Ordered { table, column, rest, parameter: indexed.code, repeats })
    }

    /// The tests on the very row that is walked: what bounds a value that stands once.
    fn own(&self, ordered: &Ordered) -> Vec<&RowTest> {
        let bounds = self.clauses.iter().filter_map(bound);
        bounds.filter(|test| !ordered.repeats && test.parameter == ordered.parameter).collect()
    }

    /// The others, which are asked of the resource.
    fn others(&self, ordered: &Ordered) -> impl Iterator<Item = &Clause> {
        let is_own = |clause: &&Clause| {
            !ordered.repeats && bound(clause).is_some_and(|test| test.parameter == ordered.parameter)
        };
        self.clauses.iter().filter(move |clause| !is_own(clause))
    }

    /// What holds of the walked row itself, and from where to where it is walked because of that.
    fn own_conditions(&self, compiler: &mut Compiler<'_>, ordered: &Ordered) -> Result<Vec<String>, Refusal> {
        let mut all = Vec::new();
        for test in self.own(ordered) {
            all.push(compiler.unsought("s", &test.condition));
            let Some(bounds) = bounds(&test.condition, self.scope.now).filter(|_| ordered.table == "date") else {
                continue;
            };
            let descending = self.key.descending;
            let (near, column) = if descending { (bounds.after, "s.high >") } else { (bounds.before, "s.low <") };
            let near = compiler.bind(near);
            all.push(format!("{column} {near}"));
            // The other side is near only if no long span reaches over it.
            if !self.has_long(test)? {
                let (far, column) = if descending {
                    (bounds.before.saturating_add(SHORT_MAX), "s.high <=")
                } else {
                    (bounds.after.saturating_sub(SHORT_MAX), "s.low >=")
                };
                let far = compiler.bind(far);
                all.push(format!("{column} {far}"));
            }
        }
        Ok(all)
    }

    /// Whether any span of more than a day satisfies the test.
    fn has_long(&self, test: &RowTest) -> Result<bool, Refusal> {
        let mut compiler = Compiler::new(self.scope.connection, self.scope.codes, self.scope.now);
        let parameter = compiler.bind(test.parameter);
        let condition = compiler.row_condition("x", &test.condition);
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM date x WHERE x.parameter = {parameter} AND x.high - x.low > {SHORT_MAX} AND {condition})"
        );
        let mut statement = self.scope.connection.prepare_cached(&sql)?;
        Ok(statement.query_row(rusqlite::params_from_iter(&compiler.values), |row| row.get(0))?)
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
        conditions.push(compiler.holds(self.resource, self.others(ordered), &Subject::row("r"))?);
        conditions.extend(self.own_conditions(&mut compiler, ordered)?);
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
        let mut conditions =
            vec![format!("r.pk <= {newest}"), compiler.holds(self.resource, self.clauses, &Subject::row("r"))?];
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

/// Whether a resource has at most one row under the parameter: its path is one element that stands once and is bare, or
/// a Coding.
fn is_bare(resource: ResourceType, indexed: &Indexed) -> bool {
    let Some(Ok(path)) = indexed.paths().first().map(|path| resolve(resource.name(), path)) else { return false };
    indexed.is_single && path.last().iter().all(|element| element.is_primitive() || element.type_name == "Coding")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Definitions;
    use crate::store::{Codes, schema};

    #[test]
    fn only_what_stands_once_is_bare() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let codes = Codes::load(&mut connection, Definitions::parameter_names()).unwrap();
        let definitions = Definitions::new(&codes, "http://ehr").unwrap();
        let check = |resource: &str, name: &str, expect: bool| {
            let resource = ResourceType::parse(resource).unwrap();
            let indexed = definitions.named(resource, name).unwrap();
            assert_eq!(is_bare(resource, indexed), expect, "{resource} {name}");
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
