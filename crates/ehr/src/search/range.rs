//! Bounds on one date, number or quantity that come as several parameters are one range of one row, if a resource has no more
//! than one row there; and a range of dates is sought from both its sides.
//!
//! An index has the order of the beginnings or of the ends: alone, neither bounds a range of spans, for a span may begin
//! long before the range and reach into it. Most spans are short. They are sought by their beginnings, which lie no
//! further before the range than they are long; the few long ones have an index of their own.

use bascule_fhir::{ResourceType, Timestamp};

use super::clause::{Clause, Condition, RowTest, Table};
use super::compile::Compiler;
use super::row::widened;
use super::values::Prefix;
use crate::index::{Definitions, moment::Span};

/// How long a short span is at most, in microseconds: a day. The index of long ones is made for this length.
pub(super) const SHORT_MAX: i64 = 86_400_000_000;

/// Joins what bounds the same single row.
pub(super) fn joined(definitions: &Definitions, resource: ResourceType, clauses: Vec<Clause>) -> Vec<Clause> {
    let mut all: Vec<Clause> = Vec::with_capacity(clauses.len());
    for clause in clauses {
        let own = bound(&clause).filter(|test| definitions.is_single(resource, test.parameter)).cloned();
        let Some(own) = own else {
            all.push(clause);
            continue;
        };
        let other = all.iter_mut().find_map(|other| match other {
            Clause::Rows { any, negated: false } => match any.as_mut_slice() {
                [only] if only.parameter == own.parameter => Some(&mut only.condition),
                _ => None,
            },
            _ => None,
        });
        match other {
            Some(Condition::All(both)) => both.push(own.condition),
            Some(first) => *first = Condition::All(vec![first.clone(), own.condition]),
            None => all.push(clause),
        }
    }
    all
}

/// The one test of a clause that bounds an ordered value.
pub(super) fn bound(clause: &Clause) -> Option<&RowTest> {
    match clause {
        Clause::Rows { any, negated: false } => match any.as_slice() {
            [only] if matches!(only.condition.table(), Table::Date | Table::Number | Table::Quantity) => Some(only),
            _ => None,
        },
        _ => None,
    }
}

/// What every row of a range of dates reaches beyond, and what it begins before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Its end lies after this.
    pub(super) after: i64,
    /// It begins before this.
    pub(super) before: i64,
}

/// The bounds of a condition on dates, if it has both.
pub(super) fn bounds(condition: &Condition, now: Timestamp) -> Option<Bounds> {
    let (after, before) = sides(condition, now);
    Some(Bounds { after: after?, before: before? })
}

/// What bounds it from below, and from above.
fn sides(condition: &Condition, now: Timestamp) -> (Option<i64>, Option<i64>) {
    match condition {
        Condition::All(all) => all
            .iter()
            .map(|one| sides(one, now))
            .fold((None, None), |(after, before), one| (after.max(one.0), [before, one.1].into_iter().flatten().min())),
        Condition::Date(prefix, span) => sides_of(*prefix, *span, now),
        _ => (None, None),
    }
}

fn sides_of(prefix: Prefix, span: Span, now: Timestamp) -> (Option<i64>, Option<i64>) {
    match prefix {
        Prefix::Unequal => (None, None),
        Prefix::Greater | Prefix::StartsAfter => (Some(span.high), None),
        Prefix::GreaterEqual => (Some(span.low), None),
        Prefix::Less => (None, Some(span.low)),
        Prefix::LessEqual => (None, Some(span.high)),
        // What ends before it also begins before it.
        Prefix::EndsBefore => (None, Some(span.low)),
        Prefix::Equal => (Some(span.low), Some(span.high)),
        Prefix::Approximately => {
            let span = widened(span, now);
            (Some(span.low), Some(span.high))
        }
    }
}

impl Compiler<'_> {
    /// The keys of a range of dates.
    pub(super) fn spans(&mut self, test: &RowTest, bounds: Bounds) -> String {
        let (short, long) = (self.alias(), self.alias());
        let parameter = self.bind(test.parameter);
        let (from, until) = (self.bind(bounds.after.saturating_sub(SHORT_MAX)), self.bind(bounds.before));
        let (of_short, of_long) = (self.unsought(&short, &test.condition), self.unsought(&long, &test.condition));
        format!(
            "SELECT {short}.pk FROM date {short} WHERE {short}.parameter = {parameter} AND {short}.low >= {from} \
             AND {short}.low < {until} AND {short}.high - {short}.low <= {SHORT_MAX} AND {of_short} \
             UNION ALL SELECT {long}.pk FROM date {long} WHERE {long}.parameter = {parameter} \
             AND {long}.high - {long}.low > {SHORT_MAX} AND {long}.low < {until} AND {of_long}"
        )
    }

    /// A condition on dates that no index is chosen by (hence the plus): another was chosen already.
    pub(super) fn unsought(&mut self, x: &str, condition: &Condition) -> String {
        match condition {
            Condition::All(all) => {
                let all: Vec<_> = all.iter().map(|one| self.unsought(x, one)).collect();
                all.join(" AND ")
            }
            Condition::Date(prefix, span) => {
                let now = self.now;
                self.span(&format!("+{x}.low"), &format!("+{x}.high"), *prefix, *span, now)
            }
            other => self.row_condition(x, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { low: 100, high: 200 };

    fn of(prefixes: &[Prefix]) -> (Option<i64>, Option<i64>) {
        let all = prefixes.iter().map(|prefix| Condition::Date(*prefix, SPAN)).collect();
        sides(&Condition::All(all), Timestamp::from_micros(0))
    }

    #[test]
    fn each_prefix_bounds_from_its_side() {
        assert_eq!(of(&[Prefix::Equal]), (Some(100), Some(200)));
        assert_eq!(of(&[Prefix::GreaterEqual]), (Some(100), None));
        assert_eq!(of(&[Prefix::Greater]), (Some(200), None));
        assert_eq!(of(&[Prefix::StartsAfter]), (Some(200), None));
        assert_eq!(of(&[Prefix::Less]), (None, Some(100)));
        assert_eq!(of(&[Prefix::LessEqual]), (None, Some(200)));
        assert_eq!(of(&[Prefix::EndsBefore]), (None, Some(100)));
        assert_eq!(of(&[Prefix::Unequal]), (None, None));
    }

    #[test]
    fn several_bound_as_the_narrowest_of_each_side() {
        assert_eq!(
            of(&[Prefix::GreaterEqual, Prefix::Greater, Prefix::LessEqual, Prefix::Less]),
            (Some(200), Some(100))
        );
        assert_eq!(of(&[]), (None, None));
    }
}
