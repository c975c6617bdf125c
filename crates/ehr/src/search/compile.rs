//! Clauses as SQL: each as a set of keys (`SELECT pk …`) and as a condition on one resource.

use bascule_fhir::{ResourceType, Timestamp};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::clause::{Clause, Condition, Place, RowTest, Table};
use super::range;
use crate::Refusal;
use crate::store::Codes;

/// Gathers the values that the text names by number.
pub(crate) struct Compiler<'a> {
    pub(super) connection: &'a Connection,
    pub(super) codes: &'a Codes,
    pub(super) now: Timestamp,
    pub(super) values: Vec<Value>,
    aliases: usize,
}

/// The resource that a condition is about, as the statement names it.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    /// Its key.
    key: String,
    /// Its row of `resource`; empty where the statement needs none.
    row: String,
}

impl Subject {
    /// One that has a row.
    pub(super) fn row(alias: &str) -> Self {
        Self { key: format!("{alias}.pk"), row: alias.to_owned() }
    }

    /// One that is known by its key only.
    const fn key(key: String) -> Self {
        Self { key, row: String::new() }
    }
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

    /// The clause as a condition on a resource.
    pub(super) fn condition(&mut self, clause: &Clause, subject: &Subject) -> Result<String, Refusal> {
        let Subject { key, row } = subject;
        Ok(match clause {
            Clause::Rows { any, negated } => {
                let probe = self.probe(any, key);
                if *negated { format!("NOT ({probe})") } else { probe }
            }
            Clause::Composite { any } => self.composite(any, Some(key)),
            Clause::Missing { parameter, tables, missing } => {
                let not = if *missing { "NOT " } else { "" };
                format!("{key} {not}IN ({})", self.present(*parameter, tables))
            }
            Clause::Chain { reference, ends } => self.chained(*reference, ends, key)?,
            Clause::Has { owner, reference, clauses } => self.referred(*owner, *reference, clauses, key)?,
            Clause::Ids(ids) => {
                let ids: Vec<_> = ids.iter().map(|id| self.bind(id.clone())).collect();
                format!("{row}.id IN ({})", ids.join(", "))
            }
            Clause::Updated(tests) => {
                let now = self.now;
                let tests: Vec<_> = tests
                    .iter()
                    .map(|(prefix, span)| {
                        self.span(&format!("{row}.updated"), &format!("{row}.updated + 1"), *prefix, *span, now)
                    })
                    .collect();
                format!("({})", tests.join(" OR "))
            }
            Clause::Compartment { references, of, id, itself: true } => {
                let rows = self.compartment(references, *of, id);
                let id = self.bind(id.clone());
                format!("({row}.id = {id} OR {key} IN ({rows}))")
            }
            other => match self.set(other)? {
                Some(set) => format!("{key} IN ({set})"),
                None => "1 = 0".to_owned(),
            },
        })
    }

    fn probe(&mut self, any: &[RowTest], key: &str) -> String {
        if any.is_empty() {
            return "1 = 0".to_owned();
        }
        let tests: Vec<_> = any
            .iter()
            .map(|test| {
                let by_key = probes_by_key(&test.condition);
                let rows = self.rows(test, by_key.then_some(key));
                if by_key { format!("EXISTS ({rows})") } else { format!("{key} IN ({rows})") }
            })
            .collect();
        format!("({})", tests.join(" OR "))
    }

    fn union(&mut self, any: &[RowTest], key: Option<&str>) -> String {
        let parts: Vec<_> = any.iter().map(|test| self.rows(test, key)).collect();
        if parts.is_empty() { "SELECT pk FROM resource WHERE 1 = 0".to_owned() } else { parts.join(" UNION ALL ") }
    }

    fn rows(&mut self, test: &RowTest, key: Option<&str>) -> String {
        if let (None, Some(bounds)) = (key, range::bounds(&test.condition, self.now)) {
            return self.spans(test, bounds);
        }
        let alias = self.alias();
        let table = test.condition.table().name();
        let condition = match key {
            Some(_) => self.probed(&alias, test),
            None => self.test(&alias, test),
        };
        let key = key.map(|key| format!(" AND {alias}.pk = {key}")).unwrap_or_default();
        format!("SELECT {alias}.pk FROM {table} {alias} WHERE {condition}{key}")
    }

    /// The parameter and the condition on a row of its table.
    pub(super) fn test(&mut self, alias: &str, test: &RowTest) -> String {
        let parameter = self.bind(test.parameter);
        let condition = self.row_condition(alias, &test.condition);
        format!("{alias}.parameter = {parameter} AND {condition}")
    }

    /// The same where the resource is known: the way there is its key, and no range over an index of all resources.
    fn probed(&mut self, alias: &str, test: &RowTest) -> String {
        let parameter = self.bind(test.parameter);
        let by_key = matches!(test.condition.table(), Table::String | Table::Date | Table::Number | Table::Quantity);
        let hidden = if by_key { format!("+{alias}") } else { alias.to_owned() };
        let condition = self.row_condition(&hidden, &test.condition);
        format!("{alias}.parameter = {parameter} AND {condition}")
    }

    fn composite(&mut self, any: &[Vec<RowTest>], key: Option<&str>) -> String {
        let all: Vec<_> = any.iter().map(|parts| self.composite_of(parts, key)).collect();
        match key {
            Some(_) => {
                format!("({})", all.iter().map(|one| format!("EXISTS ({one})")).collect::<Vec<_>>().join(" OR "))
            }
            None => all.join(" UNION ALL "),
        }
    }

    fn composite_of(&mut self, parts: &[RowTest], key: Option<&str>) -> String {
        let mut first: Option<String> = None;
        let mut tables = Vec::new();
        let mut conditions = Vec::new();
        for part in parts {
            let alias = self.alias();
            tables.push(format!("{} {alias}", part.condition.table().name()));
            let is_known = first.is_some() || key.is_some();
            conditions.push(if is_known { self.probed(&alias, part) } else { self.test(&alias, part) });
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
        if parts.is_empty() { "SELECT pk FROM resource WHERE 1 = 0".to_owned() } else { parts.join(" UNION ALL ") }
    }

    /// From the ends to those that refer to them, row by row, so that a reader who has enough can stop.
    fn chain(&mut self, reference: i64, ends: &[(ResourceType, Vec<Clause>)]) -> Result<String, Refusal> {
        let mut parts = Vec::new();
        for (resource, clauses) in ends {
            let (x, end) = (self.alias(), self.alias());
            let parameter = self.bind(reference);
            let keys = self.keys(*resource, clauses)?;
            parts.push(format!(
                "SELECT {x}.pk FROM ({keys}) {end} CROSS JOIN reference {x} WHERE {x}.parameter = {parameter} AND {x}.target = {end}.pk"
            ));
        }
        Ok(if parts.is_empty() { "SELECT pk FROM resource WHERE 1 = 0".to_owned() } else { parts.join(" UNION ALL ") })
    }

    /// The same asked of one resource: does one of its references lead to such an end?
    fn chained(&mut self, reference: i64, ends: &[(ResourceType, Vec<Clause>)], key: &str) -> Result<String, Refusal> {
        let mut parts = Vec::new();
        for (resource, clauses) in ends {
            let x = self.alias();
            let parameter = self.bind(reference);
            // Rows of an index are of living resources of its type: then the end's own row says no more.
            let (end, from) = if clauses.iter().any(Clause::tells_type) && !clauses.iter().any(Clause::needs_row) {
                (Subject::key(format!("{x}.target")), String::new())
            } else {
                let end = self.alias();
                let join = format!(" CROSS JOIN resource {end}");
                (Subject::row(&end), join)
            };
            let holds = self.holds(*resource, clauses, &end)?;
            let found = if from.is_empty() { String::new() } else { format!(" AND {} = {x}.target", end.key) };
            parts.push(format!(
                "EXISTS (SELECT 1 FROM reference {x}{from} WHERE {x}.parameter = {parameter} \
                 AND {x}.pk = {key}{found} AND {holds})"
            ));
        }
        Ok(if parts.is_empty() { "1 = 0".to_owned() } else { format!("({})", parts.join(" OR ")) })
    }

    fn has(&mut self, owner: ResourceType, reference: i64, clauses: &[Clause]) -> Result<String, Refusal> {
        let (x, from) = (self.alias(), self.alias());
        let parameter = self.bind(reference);
        let keys = self.keys(owner, clauses)?;
        Ok(format!(
            "SELECT {x}.target FROM ({keys}) {from} CROSS JOIN reference {x} WHERE {x}.parameter = {parameter} AND {x}.pk = {from}.pk"
        ))
    }

    /// The same asked of one resource: does such a resource refer to it?
    fn referred(
        &mut self,
        owner: ResourceType,
        reference: i64,
        clauses: &[Clause],
        key: &str,
    ) -> Result<String, Refusal> {
        let x = self.alias();
        let parameter = self.bind(reference);
        // Whose reference it is lives, and is of the type that the parameter belongs to.
        let (from, join) = if clauses.iter().any(Clause::needs_row) {
            let from = self.alias();
            let join = format!(" CROSS JOIN resource {from}");
            (Subject::row(&from), join)
        } else {
            (Subject::key(format!("{x}.pk")), String::new())
        };
        let holds = self.holds(owner, clauses, &from)?;
        let found = if join.is_empty() { String::new() } else { format!(" AND {} = {x}.pk", from.key) };
        Ok(format!(
            "EXISTS (SELECT 1 FROM reference {x}{join} WHERE {x}.parameter = {parameter} \
             AND {x}.target = {key}{found} AND {holds})"
        ))
    }

    /// That the subject is a living resource of the type (where it has a row to say so) that satisfies all clauses.
    pub(super) fn holds<'c>(
        &mut self,
        resource: ResourceType,
        clauses: impl IntoIterator<Item = &'c Clause>,
        subject: &Subject,
    ) -> Result<String, Refusal> {
        let mut all = Vec::new();
        if !subject.row.is_empty() {
            let (of, row) = (self.bind(self.codes.of(resource)), &subject.row);
            all.push(format!("{row}.type = {of} AND {row}.live = 1"));
        }
        for clause in clauses {
            all.push(self.condition(clause, subject)?);
        }
        Ok(if all.is_empty() { "1 = 1".to_owned() } else { all.join(" AND ") })
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
        parts.join(" UNION ALL ")
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

    pub(super) fn key_of(&mut self, resource: ResourceType, id: &str) -> String {
        let (of, id) = (self.bind(self.codes.of(resource)), self.bind(id.to_owned()));
        format!("(SELECT pk FROM resource WHERE type = {of} AND id = {id})")
    }

    pub(super) fn system(&mut self, system: &str) -> String {
        if system.is_empty() {
            return "0".to_owned();
        }
        let system = self.bind(system.to_owned());
        format!("(SELECT code FROM word WHERE text = {system})")
    }
}

/// Whether the table's key leads from parameter, condition and resource straight to the row.
const fn probes_by_key(condition: &Condition) -> bool {
    !matches!(
        condition,
        Condition::System(_)
            | Condition::Display(_)
            | Condition::UriBelow(_)
            | Condition::UriVersions(_)
            | Condition::TargetId(..)
    )
}

const METRES_PER_DEGREE: f64 = 111_194.926_6;
