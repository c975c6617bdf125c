//! A line of an index table, before its strings become numbers.

use std::cmp::Ordering;

use bascule_fhir::ResourceType;

/// One value of one parameter of one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    /// The parameter's number.
    pub(crate) parameter: i64,
    /// In a composite: which element the parts belong to, from 1. Else 0.
    pub(crate) slot: i64,
    /// The value.
    pub(crate) value: RowValue,
}

/// The value, by the table that it goes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowValue {
    /// `system|code`, and how it is shown.
    Token { system: String, code: String, display: String },
    /// A string as written.
    Text(String),
    /// A resource on this server.
    Reference(ResourceType, String),
    /// A URI, a canonical, or a reference to somewhere else.
    Uri(String),
    /// Microseconds, low included, high excluded.
    Date(i64, i64),
    /// Both included.
    Number(Real, Real),
    /// Both included, with the unit in code and in words.
    Quantity { low: Real, high: Real, system: String, code: String, unit: String },
}

/// A number that has an order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Real(pub(crate) f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}
