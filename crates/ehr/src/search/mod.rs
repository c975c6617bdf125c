//! Search: a query becomes clauses, clauses become SQL, rows become a page.

mod chain;
mod clause;
mod compile;
mod cursor;
mod fan;
mod include;
mod page;
mod parse;
mod plan;
mod range;
mod row;
mod sort;
mod terms;
mod test;
mod values;
mod walk;

pub(crate) use clause::Clause;
pub(crate) use page::{Found, Mode, find_all, run};
pub use parse::Handling;
pub(crate) use parse::{Scope, Search, Summary, parse};
