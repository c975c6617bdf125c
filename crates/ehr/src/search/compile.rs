//! Clauses as SQL: each as a set of keys (`SELECT pk …`) and as a condition on a row `r` of `resource`.

use bascule_fhir::{ResourceType, Timestamp};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::clause::{Clause, Condition, Place, RowTest, Table};
use super::values::Prefix;
use crate::Refusal;
use crate::index::decimal::Decimal;
use crate::index::fold::after;
use crate::index::moment::Span;
use crate::store::Codes;

/// Gathers the values that the text names by number.
pub(crate) struct Compiler<'a> {
    pub(super) connection: &'a Connection,
    pub(super) codes: &'a Codes,
    pub(super) now: Timestamp,
    pub(super) values: Vec<Value>,
    aliases: usize,
}

impl<'a> Compiler<'a> {
    /// Nothing yet.
    pub(crate) fn new(connection: &'a Connection, codes: &'a Codes, now: Timestamp) -> Self {
        Self { connection, codes, now, values: Vec::new(), aliases: 0 }
    }

    /// A value's place in the statement.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    pub(super) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("x{}", self.aliases)
    }

    /// The keys that satisfy a clause; `None` for one that only a condition can say.
    pub(super) fn set(&mut self, clause: &Clause) -> Result<Option<String>, Refusal> {
        Ok(match clause {
            Clause::Rows { negated: true, .. } | Clause::Missing { missing: true, .. } => None,
            Clause::Rows { any, .. } => Some(self.union(any, None)),
            Clause::Missing { parameter, tables, .. } => Some(self.present(*parameter, tables)),
            Clause::Composite { any } => Some(self.composite(any, None)),
            Clause::Chain { reference, ends } => Some(self.chain(*reference, ends)?),
            Clause::Has { owner, reference, clauses } => Some(self.has(*owner, *reference, clauses)?),
            Clause::Compartment { references, of, id, itself: false } => Some(self.compartment(references, *of, id)),
            Clause::Listed { list, reference } => Some(self.listed(list, *reference)),
            Clause::Near { latitude, longitude, place } => Some(self.near(*latitude, *longitude, place)),
            Clause::Words { column, query } => Some(self.words(column, query)),
            Clause::Ids(_) | Clause::Updated(_) | Clause::Compartment { .. } => None,
        })
    }

    /// The clause as a condition on `r`.
    pub(super) fn condition(&mut self, clause: &Clause) -> Result<String, Refusal> {
        Ok(match clause {
            Clause::Rows { any, negated } => {
                let probe = self.probe(any);
                if *negated { format!("NOT ({probe})") } else { probe }
            }
            Clause::Composite { any } => self.composite(any, Some("r.pk")),
            Clause::Missing { parameter, tables, missing } => {
                let not = if *missing { "NOT " } else { "" };
                format!("r.pk {not}IN ({})", self.present(*parameter, tables))
            }
            Clause::Ids(ids) => {
                let ids: Vec<_> = ids.iter().map(|id| self.bind(id.clone())).collect();
                format!("r.id IN ({})", ids.join(", "))
            }
            Clause::Updated(tests) => {
                let now = self.now;
                let tests: Vec<_> = tests
                    .iter()
                    .map(|(prefix, span)| self.span("r.updated", "r.updated + 1", *prefix, *span, now))
                    .collect();
                format!("({})", tests.join(" OR "))
            }
            Clause::Compartment { references, of, id, itself: true } => {
                let rows = self.compartment(references, *of, id);
                let id = self.bind(id.clone());
                format!("(r.id = {id} OR r.pk IN ({rows}))")
            }
            other => match self.set(other)? {
                Some(set) => format!("r.pk IN ({set})"),
                None => "1 = 0".to_owned(),
            },
        })
    }

    fn probe(&mut self, any: &[RowTest]) -> String {
        if any.is_empty() {
            return "1 = 0".to_owned();
        }
        let tests: Vec<_> = any
            .iter()
            .map(|test| {
                let by_key = probes_by_key(&test.condition);
                let rows = self.rows(test, by_key.then_some("r.pk"));
                if by_key { format!("EXISTS ({rows})") } else { format!("r.pk IN ({rows})") }
            })
            .collect();
        format!("({})", tests.join(" OR "))
    }

    fn union(&mut self, any: &[RowTest], key: Option<&str>) -> String {
        let parts: Vec<_> = any.iter().map(|test| self.rows(test, key)).collect();
        if parts.is_empty() { "SELECT pk FROM resource WHERE 1 = 0".to_owned() } else { parts.join(" UNION ") }
    }

    fn rows(&mut self, test: &RowTest, key: Option<&str>) -> String {
        let alias = self.alias();
        let table = test.condition.table().name();
        let condition = self.test(&alias, test);
        let key = key.map(|key| format!(" AND {alias}.pk = {key}")).unwrap_or_default();
        format!("SELECT {alias}.pk FROM {table} {alias} WHERE {condition}{key}")
    }

    /// The parameter and the condition on a row of its table.
    pub(super) fn test(&mut self, alias: &str, test: &RowTest) -> String {
        let parameter = self.bind(test.parameter);
        let condition = self.row_condition(alias, &test.condition);
        format!("{alias}.parameter = {parameter} AND {condition}")
    }

    fn composite(&mut self, any: &[Vec<RowTest>], key: Option<&str>) -> String {
        let all: Vec<_> = any.iter().map(|parts| self.composite_of(parts, key)).collect();
        match key {
            Some(_) => {
                format!("({})", all.iter().map(|one| format!("EXISTS ({one})")).collect::<Vec<_>>().join(" OR "))
            }
            None => all.join(" UNION "),
        }
    }

    fn composite_of(&mut self, parts: &[RowTest], key: Option<&str>) -> String {
        let mut first: Option<String> = None;
        let mut tables = Vec::new();
        let mut conditions = Vec::new();
        for part in parts {
            let alias = self.alias();
            tables.push(format!("{} {alias}", part.condition.table().name()));
            conditions.push(self.test(&alias, part));
            match (&first, key) {
                (Some(first), _) => conditions.push(format!("{alias}.pk = {first}.pk AND {alias}.slot = {first}.slot")),
                (None, Some(key)) => conditions.push(format!("{alias}.pk = {key}")),
                (None, None) => {}
            }
            first.get_or_insert(alias);
        }
        let first = first.unwrap_or_default();
        format!("SELECT {first}.pk FROM {} WHERE {}", tables.join(", "), conditions.join(" AND "))
    }

    fn present(&mut self, parameter: i64, tables: &[Table]) -> String {
        let parameter = self.bind(parameter);
        let parts: Vec<_> = tables
            .iter()
            .map(|table| format!("SELECT pk FROM {} WHERE parameter = {parameter}", table.name()))
            .collect();
        if parts.is_empty() { "SELECT pk FROM resource WHERE 1 = 0".to_owned() } else { parts.join(" UNION ") }
    }

    fn chain(&mut self, reference: i64, ends: &[(ResourceType, Vec<Clause>)]) -> Result<String, Refusal> {
        let mut parts = Vec::new();
        for (resource, clauses) in ends {
            let alias = self.alias();
            let parameter = self.bind(reference);
            let keys = self.keys(*resource, clauses)?;
            parts.push(format!(
                "SELECT {alias}.pk FROM reference {alias} WHERE {alias}.parameter = {parameter} AND {alias}.target IN ({keys})"
            ));
        }
        Ok(if parts.is_empty() { "SELECT pk FROM resource WHERE 1 = 0".to_owned() } else { parts.join(" UNION ") })
    }

    fn has(&mut self, owner: ResourceType, reference: i64, clauses: &[Clause]) -> Result<String, Refusal> {
        let alias = self.alias();
        let parameter = self.bind(reference);
        let keys = self.keys(owner, clauses)?;
        Ok(format!(
            "SELECT {alias}.target FROM reference {alias} WHERE {alias}.parameter = {parameter} AND {alias}.pk IN ({keys})"
        ))
    }

    fn compartment(&mut self, references: &[i64], of: ResourceType, id: &str) -> String {
        let references: Vec<_> = references.iter().map(i64::to_string).collect();
        let target = self.key_of(of, id);
        format!("SELECT pk FROM reference WHERE parameter IN ({}) AND target = {target}", references.join(", "))
    }

    fn listed(&mut self, list: &str, reference: i64) -> String {
        let list = match ResourceType::parse("List") {
            Some(resource) => self.key_of(resource, list),
            None => "0".to_owned(),
        };
        let parameter = self.bind(reference);
        format!("SELECT target FROM reference WHERE parameter = {parameter} AND pk = {list}")
    }

    fn words(&mut self, column: &str, query: &str) -> String {
        let query = self.bind(format!("{column} : ({query})"));
        format!("SELECT rowid FROM words WHERE words MATCH {query}")
    }

    fn near(&mut self, latitude: i64, longitude: i64, places: &[Place]) -> String {
        let parts: Vec<_> = places.iter().map(|place| self.near_one(latitude, longitude, *place)).collect();
        parts.join(" UNION ")
    }

    /// A band by the index, then the distance on a plane that touches the earth at the place: sound to a few hundred
    /// kilometres, and plain arithmetic that every database has.
    fn near_one(&mut self, latitude: i64, longitude: i64, place: Place) -> String {
        let degrees = place.metres / METRES_PER_DEGREE;
        let (north, east) = (self.alias(), self.alias());
        let (p, q) = (self.bind(latitude), self.bind(longitude));
        let (low, high) = (self.bind(place.latitude - degrees), self.bind(place.latitude + degrees));
        let (lat, lon, metres) = (self.bind(place.latitude), self.bind(place.longitude), self.bind(place.metres));
        let metres_east = self.bind(METRES_PER_DEGREE * place.latitude.to_radians().cos());
        let apart = format!("abs({east}.low - {lon})");
        let across = format!("(CASE WHEN {apart} > 180 THEN 360 - {apart} ELSE {apart} END * {metres_east})");
        let along = format!("(({north}.low - {lat}) * {METRES_PER_DEGREE})");
        format!(
            "SELECT {north}.pk FROM number {north}, number {east} WHERE {north}.parameter = {p} AND {east}.parameter = {q} \
             AND {north}.low >= {low} AND {north}.low <= {high} AND {east}.pk = {north}.pk \
             AND {along} * {along} + {across} * {across} <= {metres} * {metres}"
        )
    }

    fn key_of(&mut self, resource: ResourceType, id: &str) -> String {
        let (of, id) = (self.bind(self.codes.of(resource)), self.bind(id.to_owned()));
        format!("(SELECT pk FROM resource WHERE type = {of} AND id = {id})")
    }

    fn system(&mut self, system: &str) -> String {
        if system.is_empty() {
            return "0".to_owned();
        }
        let system = self.bind(system.to_owned());
        format!("(SELECT code FROM word WHERE text = {system})")
    }

    fn row_condition(&mut self, x: &str, condition: &Condition) -> String {
        match condition {
            Condition::Code(code) => format!("{x}.code = {}", self.bind(code.clone())),
            Condition::SystemCode(system, code) => {
                let code = self.bind(code.clone());
                format!("{x}.code = {code} AND {x}.system = {}", self.system(system))
            }
            Condition::System(system) => format!("{x}.system = {}", self.system(system)),
            Condition::Display(text) => {
                let (from, until) = (self.bind(text.clone()), self.bind(after(text)));
                format!("{x}.display IN (SELECT code FROM word WHERE text >= {from} AND text < {until})")
            }
            Condition::StartsWith(text) => {
                let (from, until) = (self.bind(text.clone()), self.bind(after(text)));
                format!("{x}.folded >= {from} AND {x}.folded < {until}")
            }
            Condition::Contains(text) => {
                format!("{x}.folded LIKE {} ESCAPE '\\'", self.bind(format!("%{}%", like(text))))
            }
            Condition::Exact(text) => {
                let folded = self.bind(crate::index::fold::fold(text));
                format!("{x}.folded = {folded} AND {x}.exact = {}", self.bind(text.clone()))
            }
            Condition::Target(resource, id) => format!("{x}.target = {}", self.key_of(*resource, id)),
            Condition::TargetId(id) => {
                format!("{x}.target IN (SELECT pk FROM resource WHERE id = {})", self.bind(id.clone()))
            }
            Condition::Uri(uri) => format!("{x}.value = {}", self.bind(uri.clone())),
            Condition::UriVersions(uri) => self.range(x, &format!("{uri}|")),
            Condition::UriBelow(uri) => {
                let exact = self.bind(uri.trim_end_matches('/').to_owned());
                let beneath = self.range(x, &format!("{}/", uri.trim_end_matches('/')));
                format!("({x}.value = {exact} OR ({beneath}))")
            }
            Condition::UriAbove(uri) => {
                let above: Vec<_> = above(uri).into_iter().map(|uri| self.bind(uri)).collect();
                format!("{x}.value IN ({})", above.join(", "))
            }
            Condition::Date(prefix, span) => {
                let now = self.now;
                self.span(&format!("{x}.low"), &format!("{x}.high"), *prefix, *span, now)
            }
            Condition::Number(prefix, number) => self.number(x, *prefix, *number),
            Condition::Quantity(prefix, number, unit) => {
                let number = self.number(x, *prefix, *number);
                match unit {
                    None => number,
                    Some((None, code)) => {
                        let code = self.bind(code.clone());
                        format!("{number} AND ({x}.code = {code} OR {x}.unit = {code})")
                    }
                    Some((Some(system), code)) => {
                        let code = self.bind(code.clone());
                        format!("{number} AND {x}.code = {code} AND {x}.system = {}", self.system(system))
                    }
                }
            }
        }
    }

    fn range(&mut self, x: &str, prefix: &str) -> String {
        let (from, until) = (self.bind(prefix.to_owned()), self.bind(after(prefix)));
        format!("{x}.value >= {from} AND {x}.value < {until}")
    }

    /// Two ranges compared; each form begins with what an index can seek.
    fn span(&mut self, low: &str, high: &str, prefix: Prefix, span: Span, now: Timestamp) -> String {
        let span = if prefix == Prefix::Approximately { widened(span, now) } else { span };
        // A value that no text names would be one too many for the statement.
        let mut a = || self.bind(span.low);
        match prefix {
            Prefix::Less => return format!("{low} < {}", a()),
            Prefix::EndsBefore => return format!("{high} <= {}", a()),
            _ => {}
        }
        if matches!(prefix, Prefix::Greater | Prefix::StartsAfter) {
            let b = self.bind(span.high);
            return if prefix == Prefix::Greater { format!("{high} > {b}") } else { format!("{low} >= {b}") };
        }
        let (a, b) = (a(), self.bind(span.high));
        match prefix {
            Prefix::Unequal => format!("NOT ({low} >= {a} AND {high} <= {b})"),
            Prefix::GreaterEqual => format!("({high} > {a} AND ({high} > {b} OR {low} >= {a}))"),
            Prefix::LessEqual => format!("({low} < {b} AND ({low} < {a} OR {high} <= {b}))"),
            Prefix::Approximately => format!("({low} < {b} AND {high} > {a})"),
            _ => format!("({low} >= {a} AND {low} < {b} AND {high} <= {b})"),
        }
    }

    fn number(&mut self, x: &str, prefix: Prefix, number: Decimal) -> String {
        let against = |column: &str, sign: &str, value: String| format!("{x}.{column} {sign} {value}");
        match prefix {
            Prefix::Greater => against("high", ">", self.bind(number.value)),
            Prefix::Less => against("low", "<", self.bind(number.value)),
            Prefix::GreaterEqual => against("high", ">=", self.bind(number.value)),
            Prefix::LessEqual => against("low", "<=", self.bind(number.value)),
            Prefix::StartsAfter => against("low", ">", self.bind(number.value)),
            Prefix::EndsBefore => against("high", "<", self.bind(number.value)),
            Prefix::Approximately => {
                let tenth = number.value.abs() * APPROXIMATELY;
                let (a, b) = (self.bind(number.value - tenth), self.bind(number.value + tenth));
                format!("({x}.low <= {b} AND {x}.high >= {a})")
            }
            Prefix::Equal | Prefix::Unequal => {
                let (a, b) = (self.bind(number.low), self.bind(number.high));
                let inside = format!("({x}.low >= {a} AND {x}.low < {b} AND {x}.high < {b})");
                if prefix == Prefix::Equal { inside } else { format!("NOT {inside}") }
            }
        }
    }
}

/// `ap` is a tenth to either side: of the number, or of the time between the date and now.
const APPROXIMATELY: f64 = 0.1;
const METRES_PER_DEGREE: f64 = 111_194.926_6;

/// A date moved apart by a tenth of its distance from now.
pub(crate) fn widened(span: Span, now: Timestamp) -> Span {
    let middle = span.low / 2 + span.high / 2;
    let gap = now.micros().saturating_sub(middle).saturating_abs() / 10;
    Span { low: span.low.saturating_sub(gap), high: span.high.saturating_add(gap) }
}

/// Whether the table's key leads from parameter, condition and resource straight to the row.
const fn probes_by_key(condition: &Condition) -> bool {
    !matches!(
        condition,
        Condition::System(_)
            | Condition::Display(_)
            | Condition::UriBelow(_)
            | Condition::UriVersions(_)
            | Condition::TargetId(_)
    )
}

fn like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// The URI and every shorter one that ends at a segment.
pub(crate) fn above(uri: &str) -> Vec<String> {
    let ends = uri.char_indices().filter(|(_, character)| *character == '/').map(|(at, _)| at);
    let cut = |end: usize| uri.get(..end).map(str::to_owned);
    let mut all = vec![uri.to_owned()];
    all.extend(ends.flat_map(|end| [cut(end), cut(end + 1)]).flatten());
    all
}
