//! Which clause leads: the one with the fewest keys, counted up to a bound; the others are then asked row by row.

use bascule_fhir::ResourceType;

use super::clause::{Clause, RowTest};
use super::compile::Compiler;
use crate::Refusal;

/// Keys that a leading clause may have to be gathered at once; above it, rows are walked in their order instead.
const GATHERED_MAX: i64 = 5_000;

/// `FROM … WHERE …` of a search, over `r`.
pub(crate) struct Plan {
    /// What follows `SELECT …`.
    pub(crate) from: String,
    /// The column that has the order of keys.
    pub(crate) key: &'static str,
    /// Whether a key may come more than once (then they must be grouped).
    pub(crate) repeats: bool,
}

enum Lead<'c> {
    Gathered(usize),
    Walked(usize, &'c RowTest),
    None,
}

impl Compiler<'_> {
    /// The keys of a type that satisfy all clauses, as a set.
    pub(super) fn keys(&mut self, resource: ResourceType, clauses: &[Clause]) -> Result<String, Refusal> {
        let plan = self.plan(resource, clauses)?;
        Ok(format!("SELECT {} {}", plan.key, plan.from))
    }

    /// How to find the resources of a type that satisfy all clauses.
    pub(super) fn plan(&mut self, resource: ResourceType, clauses: &[Clause]) -> Result<Plan, Refusal> {
        let lead = self.lead(clauses)?;
        let of = self.bind(self.codes.of(resource));
        let mut conditions = vec![format!("r.type = {of} AND r.live = 1")];
        let mut from = "FROM resource r".to_owned();
        let (mut key, mut repeats, mut led) = ("r.pk", false, None);
        match lead {
            Lead::None => {}
            Lead::Gathered(at) => {
                if let Some(set) = clauses.get(at).map(|clause| self.set(clause)).transpose()?.flatten() {
                    conditions.push(format!("r.pk IN ({set})"));
                    led = Some(at);
                }
            }
            Lead::Walked(at, test) => {
                from = format!("FROM {} lead CROSS JOIN resource r", test.condition.table().name());
                conditions.push(format!("r.pk = lead.pk AND {}", self.test("lead", test)));
                (key, repeats, led) = ("lead.pk", true, Some(at));
            }
        }
        for (_, clause) in clauses.iter().enumerate().filter(|(at, _)| Some(*at) != led) {
            conditions.push(self.condition(clause)?);
        }
        Ok(Plan { from: format!("{from} WHERE {}", conditions.join(" AND ")), key, repeats })
    }

    fn lead<'c>(&mut self, clauses: &'c [Clause]) -> Result<Lead<'c>, Refusal> {
        let mut best: Option<(i64, usize)> = None;
        for (at, clause) in clauses.iter().enumerate() {
            if let Some(count) = self.count_up_to(clause, best.map_or(GATHERED_MAX, |(least, _)| least))? {
                best = Some((count, at));
                if count == 0 {
                    break;
                }
            }
        }
        if let Some((_, at)) = best {
            return Ok(Lead::Gathered(at));
        }
        Ok(clauses
            .iter()
            .enumerate()
            .find_map(|(at, clause)| Some(Lead::Walked(at, in_order(clause)?)))
            .unwrap_or(Lead::None))
    }

    /// How many keys a clause has, if fewer than `bound`.
    fn count_up_to(&mut self, clause: &Clause, bound: i64) -> Result<Option<i64>, Refusal> {
        // The values of a count are its own, so that the search itself does not carry them.
        let mut counting = Compiler::new(self.connection, self.codes, self.now);
        let Some(set) = counting.set(clause)? else { return Ok(None) };
        let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM ({set}) LIMIT {bound})");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let count: i64 = statement.query_row(rusqlite::params_from_iter(&counting.values), |row| row.get(0))?;
        Ok((count < bound).then_some(count))
    }
}

/// The one test of a clause whose rows come in the order of keys.
fn in_order(clause: &Clause) -> Option<&RowTest> {
    match clause {
        Clause::Rows { any, negated: false } => match any.as_slice() {
            [only] if only.condition.is_in_order() => Some(only),
            _ => None,
        },
        _ => None,
    }
}
