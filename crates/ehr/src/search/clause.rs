//! What a resource must satisfy, in terms of index rows. A search is clauses that must all hold.

use bascule_fhir::ResourceType;

use super::values::Prefix;
use crate::index::decimal::Decimal;
use crate::index::moment::Span;

/// One parameter of a query.
#[derive(Debug, Clone)]
pub(crate) enum Clause {
    /// Some row passes one of the tests; or, negated, none does.
    Rows { any: Vec<RowTest>, negated: bool },
    /// Whether it has a value of its own at all.
    Missing { parameter: i64, tables: Vec<Table>, missing: bool },
    /// A composite: for one of the values, all parts pass in the same slot.
    Composite { any: Vec<Vec<RowTest>> },
    /// A reference leads to a resource that satisfies these.
    Chain { reference: i64, ends: Vec<(ResourceType, Vec<Clause>)> },
    /// Some resource that refers here satisfies these.
    Has { owner: ResourceType, reference: i64, clauses: Vec<Clause> },
    /// Its id is one of these.
    Ids(Vec<String>),
    /// Its last change fits one of these.
    Updated(Vec<(Prefix, Span)>),
    /// Its words match.
    Words { column: &'static str, query: String },
    /// One of these parameters points at that resource; or it is that resource itself.
    Compartment { references: Vec<i64>, of: ResourceType, id: String, itself: bool },
    /// A List, Group or similar names it: one of that resource's references under that parameter is this one.
    Listed { list: String, reference: i64 },
    /// Within some metres of a place.
    Near { latitude: i64, longitude: i64, place: Vec<Place> },
}

impl Clause {
    /// Whether only the resource's own row can say it.
    pub(crate) const fn needs_row(&self) -> bool {
        matches!(self, Self::Ids(_) | Self::Updated(_) | Self::Compartment { itself: true, .. })
    }

    /// Whether whatever satisfies it is a living resource of the type that it was read for: it asks for a row under one of
    /// that type's parameters, and only living resources have rows.
    pub(crate) const fn tells_type(&self) -> bool {
        matches!(
            self,
            Self::Rows { negated: false, .. }
                | Self::Missing { missing: false, .. }
                | Self::Composite { .. }
                | Self::Chain { .. }
                | Self::Near { .. }
        )
    }
}

/// A place and how far around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    /// Degrees north.
    pub(crate) latitude: f64,
    /// Degrees east.
    pub(crate) longitude: f64,
    /// Metres.
    pub(crate) metres: f64,
}

/// A test on the rows of one parameter.
#[derive(Debug, Clone)]
pub(crate) struct RowTest {
    /// The parameter's number.
    pub(crate) parameter: i64,
    /// What the row must be.
    pub(crate) condition: Condition,
}

/// The index tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Token,
    String,
    Reference,
    Uri,
    Date,
    Number,
    Quantity,
}

impl Table {
    /// Its name in SQL.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::String => "string",
            Self::Reference => "reference",
            Self::Uri => "uri",
            Self::Date => "date",
            Self::Number => "number",
            Self::Quantity => "quantity",
        }
    }
}

/// What a row must be.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// That code in whatever system.
    Code(String),
    /// That code in that system; an empty system is none.
    SystemCode(String, String),
    /// Any code of that system.
    System(String),
    /// Shown by words that begin so (folded).
    Display(String),
    /// Begins so (folded).
    StartsWith(String),
    /// Holds this (folded).
    Contains(String),
    /// Is exactly this.
    Exact(String),
    /// Points at that resource.
    Target(ResourceType, String),
    /// Points at a resource of that id, of one of these types.
    TargetId(Vec<ResourceType>, String),
    /// Is that URI.
    Uri(String),
    /// Is that canonical in some version.
    UriVersions(String),
    /// Is that URI or beneath it.
    UriBelow(String),
    /// Is that URI or above it.
    UriAbove(String),
    /// Compares so.
    Date(Prefix, Span),
    /// Compares so.
    Number(Prefix, Decimal),
    /// Compares so; with the system (`None`: whichever) and code or unit, if asked.
    Quantity(Prefix, Decimal, Option<(Option<String>, String)>),
    /// All of these at once; of one table.
    All(Vec<Self>),
}

impl Condition {
    /// Where its rows are.
    pub(crate) fn table(&self) -> Table {
        match self {
            Self::All(all) => all.first().map_or(Table::Date, Self::table),
            Self::Code(_) | Self::SystemCode(..) | Self::System(_) | Self::Display(_) => Table::Token,
            Self::StartsWith(_) | Self::Contains(_) | Self::Exact(_) => Table::String,
            Self::Target(..) | Self::TargetId(..) => Table::Reference,
            Self::Uri(_) | Self::UriVersions(_) | Self::UriBelow(_) | Self::UriAbove(_) => Table::Uri,
            Self::Date(..) => Table::Date,
            Self::Number(..) => Table::Number,
            Self::Quantity(..) => Table::Quantity,
        }
    }

    /// Whether the table's own order, under this condition, is the order of resources.
    pub(crate) const fn is_in_order(&self) -> bool {
        matches!(self, Self::Code(_) | Self::SystemCode(..) | Self::Target(..) | Self::Uri(_))
    }
}
