//! What can be wrong with a body, before anybody is told.

use crate::Withheld;

/// Why a walk over a body stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes end here; more may come.
    Incomplete,
    /// Not JSON, or not the JSON that was promised.
    Malformed(&'static str),
    /// Not UTF-8.
    NotUtf8,
    /// An object has the same key twice.
    DuplicateKey,
    /// Objects and arrays lie deeper in one another than is allowed.
    TooDeep,
    /// Larger than what may be held.
    TooLarge,
    /// More resources than may be listed between two looks at the list.
    TooMany,
    /// The one resource asked for may not leave.
    NotGranted,
    /// The one resource asked for lies outside the permit's conditions.
    OutsideConditions,
    /// The body is no resource of R4.
    UnknownType,
}

impl From<Fault> for Withheld {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Incomplete => Self::Malformed { what: "the body ends before its value does" },
            Fault::Malformed(what) => Self::Malformed { what },
            Fault::NotUtf8 => Self::NotUtf8,
            Fault::DuplicateKey => Self::DuplicateKey,
            Fault::TooDeep => Self::TooDeep,
            Fault::TooLarge => Self::TooLarge,
            Fault::TooMany => Self::TooMany,
            Fault::NotGranted => Self::NotGranted,
            Fault::OutsideConditions => Self::OutsideConditions,
            Fault::UnknownType => Self::UnknownType,
        }
    }
}
