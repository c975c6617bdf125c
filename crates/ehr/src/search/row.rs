//! What a row of an index table must be, as SQL.

use bascule_fhir::Timestamp;

use super::clause::Condition;
use super::compile::Compiler;
use super::values::Prefix;
use crate::index::decimal::Decimal;
use crate::index::fold::after;
use crate::index::moment::Span;

impl Compiler<'_> {
    pub(super) fn row_condition(&mut self, x: &str, condition: &Condition) -> String {
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
            Condition::TargetId(types, id) => {
                let types: Vec<_> = types.iter().map(|resource| self.codes.of(*resource).to_string()).collect();
                let (types, id) = (types.join(", "), self.bind(id.clone()));
                format!("{x}.target IN (SELECT pk FROM resource WHERE type IN ({types}) AND id = {id})")
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
            Condition::All(all) => {
                let all: Vec<_> = all.iter().map(|one| self.row_condition(x, one)).collect();
                format!("({})", all.join(" AND "))
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
    pub(super) fn span(&mut self, low: &str, high: &str, prefix: Prefix, span: Span, now: Timestamp) -> String {
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

/// A date moved apart by a tenth of its distance from now.
pub(crate) fn widened(span: Span, now: Timestamp) -> Span {
    let middle = span.low / 2 + span.high / 2;
    let gap = now.micros().saturating_sub(middle).saturating_abs() / 10;
    Span { low: span.low.saturating_sub(gap), high: span.high.saturating_add(gap) }
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
