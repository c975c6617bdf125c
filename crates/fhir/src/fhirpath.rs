//! The part of FHIRPath that R4's search parameters, compartments and patches are written in.
//!
//! Paths, indexers, `|`, `and`, `or`, `=`, `!=`, `is`, `as`, and the functions `where`, `exists`, `empty`, `not`,
//! `first`, `last`, `single`, `hasValue`, `extension`, `resolve`, `ofType`, `as`, `is`; `$this`, `%resource` and
//! literals. An expression is parsed once and evaluated often; types come from the element table, so each value found
//! is known by its FHIR type. One thing is simpler than in FHIRPath: `|` leaves out a value that both sides find at the
//! same place, not one that equals another elsewhere.

mod evaluate;
mod parse;
mod token;

pub use evaluate::{Found, TooMuchWork, select, select_from, select_within};
pub use parse::{EXPRESSION_BYTES_MAX, ExpressionError};

use serde_json::Value;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression(Node);

impl Expression {
    /// Parses an expression of the subset.
    ///
    /// # Errors
    ///
    /// What could not be read and where.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        parse::parse(text).map(Self)
    }

    /// The element names of the expression, if it is a bare path once `where(…)`, `ofType(…)`, indexers and the like
    /// are left out: `participant.actor.where(resolve() is Patient)` gives `participant.actor`; a union gives several.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.0.paths()
    }
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// `$this`, or the focus of a relative path.
    This,
    /// `%resource`.
    Resource,
    /// A literal.
    Literal(Value),
    /// `{}`
    Nothing,
    /// `focus.name`
    Child(Box<Node>, String),
    /// `focus[n]`
    Index(Box<Node>, usize),
    /// `focus.function(…)`
    Call(Box<Node>, Function),
    /// `left operator right`
    Binary(Box<Node>, Operator, Box<Node>),
}

/// A function with its argument.
#[derive(Debug, Clone, PartialEq)]
enum Function {
    Where(Box<Node>),
    Exists(Option<Box<Node>>),
    Empty,
    Not,
    First,
    Last,
    HasValue,
    Resolve,
    Extension(String),
    OfType(String),
    Is(String),
}

/// Between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Union,
    Equal,
    Unequal,
    And,
    Or,
}

impl Node {
    fn paths(&self) -> Vec<String> {
        match self {
            Self::This => vec![String::new()],
            Self::Resource | Self::Literal(_) | Self::Nothing => Vec::new(),
            Self::Child(focus, name) => focus.paths().into_iter().map(|path| joined(&path, name)).collect(),
            Self::Index(focus, _) => focus.paths(),
            Self::Call(focus, Function::Extension(_)) => {
                focus.paths().into_iter().map(|path| joined(&path, "extension")).collect()
            }
            Self::Call(focus, _) => focus.paths(),
            Self::Binary(left, _, right) => {
                let mut all = left.paths();
                all.extend(right.paths());
                all.sort_unstable();
                all.dedup();
                all
            }
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
