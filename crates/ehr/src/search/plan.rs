//! Which clause leads: the one with the fewest keys, counted up to a bound; the others are then asked row by row.

use bascule_fhir::ResourceType;

use super::clause::{Clause, RowTest};
use super::compile::{Compiler, Subject};
use crate::Refusal;

/// Keys that a leading clause may have to be gathered at once; above it, rows are walked in their order instead.
const GATHERED_MAX: i64 = 3_000;

/// `FROM … WHERE …` of a search, over `r`.
pub(crate) struct Plan {
    /// What follows `SELECT …`.
    pub(crate) from: String,
    /// The column that has the order of keys.
    pub(crate) key: &'static str,
    /// Whether a key may come more than once (then they must be grouped).
    pub(crate) repeats: bool,
    /// Whether the leading clause leaves few enough keys to look at each.
    pub(crate) is_narrow: bool,
    /// Whether some rows that are walked may be turned away by another clause, so that there is no saying how many
    /// must be looked at.
    pub(crate) is_sieved: bool,
}

/// Which clause leads, by its place among them. Found once for a search: it takes counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    /// Keys gathered into a set.
    Gathered(usize),
    /// Rows of an index table, which are in the order of keys.
    Walked(usize),
    /// Matches of the full-text index, which are too.
    Read(usize),
    /// The resources of the type.
    None,
}

impl Lead {
    /// Whether the leading clause leaves few enough keys to look at each.
    pub(super) const fn is_narrow(self) -> bool {
        matches!(self, Self::Gathered(_))
    }
}

impl Compiler<'_> {
    /// The keys of a type that satisfy all clauses, as a set; a key may come more than once.
    pub(super) fn keys(&mut self, resource: ResourceType, clauses: &[Clause]) -> Result<String, Refusal> {
        if let [only] = clauses
            && only.tells_type()
            && let Some(set) = self.set(only)?
        {
            return Ok(set);
        }
        let lead = self.lead(clauses)?;
        let plan = self.plan(resource, clauses, lead)?;
        Ok(format!("SELECT {} AS pk {}", plan.key, plan.from))
    }

    /// How to find the resources of a type that satisfy all clauses.
    pub(super) fn plan(&mut self, resource: ResourceType, clauses: &[Clause], lead: Lead) -> Result<Plan, Refusal> {
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
            Lead::Walked(at) => {
                if let Some(test) = clauses.get(at).and_then(in_order) {
                    from = format!("FROM {} lead CROSS JOIN resource r", test.condition.table().name());
                    conditions.push(format!("r.pk = lead.pk AND {}", self.test("lead", test)));
                    let says_all = matches!(clauses.get(at), Some(Clause::Rows { .. }));
                    (key, repeats, led) = ("lead.pk", true, says_all.then_some(at));
                }
            }
            Lead::Read(at) => {
                if let Some(Clause::Words { column, query }) = clauses.get(at) {
                    let query = self.bind(format!("{column} : ({query})"));
                    from = "FROM words lead CROSS JOIN resource r".to_owned();
                    conditions.push(format!("lead.words MATCH {query} AND r.pk = lead.rowid"));
                    (key, led) = ("lead.rowid", Some(at));
                }
            }
        }
        let subject = Subject::row("r");
        for (_, clause) in clauses.iter().enumerate().filter(|(at, _)| Some(*at) != led) {
            conditions.push(self.condition(clause, &subject)?);
        }
        let is_sieved = clauses.len() > usize::from(led.is_some());
        let from = format!("{from} WHERE {}", conditions.join(" AND "));
        Ok(Plan { from, key, repeats, is_narrow: lead.is_narrow(), is_sieved })
    }

    /// The clause that leaves the fewest keys; if none leaves few, one whose rows come in order.
    pub(super) fn lead(&mut self, clauses: &[Clause]) -> Result<Lead, Refusal> {
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
        let walked = clauses.iter().position(|clause| in_order(clause).is_some()).map(Lead::Walked);
        let read = || clauses.iter().position(|clause| matches!(clause, Clause::Words { .. })).map(Lead::Read);
        Ok(walked.or_else(read).unwrap_or(Lead::None))
    }

    /// Of each alternative of a composite, the part with the fewest keys: to count what all parts agree on could mean
    /// to look at all of the others.
    fn count_composite(&mut self, any: &[Vec<RowTest>], bound: i64) -> Result<Option<i64>, Refusal> {
        let mut sum = 0;
        for parts in any {
            let mut least = None;
            for part in parts {
                let clause = Clause::Rows { any: vec![part.clone()], negated: false };
                let count = self.count_up_to(&clause, least.unwrap_or(bound))?;
                least = count.or(least);
            }
            let Some(least) = least else { return Ok(None) };
            sum += least;
        }
        Ok((sum < bound).then_some(sum))
    }

    /// How many keys a clause has, if fewer than `bound`.
    fn count_up_to(&mut self, clause: &Clause, bound: i64) -> Result<Option<i64>, Refusal> {
        match clause {
            Clause::Composite { any } => return self.count_composite(any, bound),
            // Each of them refers to something here: following all of their references only to count costs too much.
            Clause::Has { clauses, .. } => {
                return match clauses.as_slice() {
                    [only] => self.count_up_to(only, bound),
                    _ => Ok(None),
                };
            }
            _ => {}
        }
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
        // Its parts are asked all the same, of each resource that this one leads to.
        Clause::Composite { any } => match any.as_slice() {
            [only] => only.iter().find(|part| part.condition.is_in_order()),
            _ => None,
        },
        Clause::Rows { any, negated: false } => match any.as_slice() {
            [only] if only.condition.is_in_order() => Some(only),
            _ => None,
        },
        _ => None,
    }
}
