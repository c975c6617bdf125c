//! What of a resource goes into the index: the values of each search parameter, in the form in which they are compared.

pub(crate) mod decimal;
mod definitions;
mod extract;
pub(crate) mod fold;
pub(crate) mod moment;
pub(crate) mod reference;
mod row;
mod shape;
mod values;
mod words;

pub(crate) use definitions::{Definitions, Indexed, Part};
pub(crate) use extract::extract;
pub(crate) use row::{Row, RowValue};
pub(crate) use words::{Words, marked};
