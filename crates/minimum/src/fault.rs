//! What can be wrong with a body, before anybody is told.

use crate::Withheld;

/// Why a walk over a body stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes end here; more may come.
    Incomplete,
    /// Not JSON, or not the JSON that was promised.
    Malformed(Flaw),
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

/// What is wrong with a body that is not the JSON that it should be. A word of one byte, because every step of the walk
/// hands it up if it has to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    NoValue,
    NoItemEnd,
    NoMemberEnd,
    NoKey,
    NoColon,
    NoNode,
    Brackets,
    Afterwards,
    AfterResource,
    Control,
    BundleGoesOn,
    BundleMembers,
    Total,
    Entry,
    Entries,
    NoObject,
    NoObjectLine,
    Word,
    Escape,
    Surrogate,
}

impl Flaw {
    const fn text(self) -> &'static str {
        match self {
            Self::NoValue => "no value where one is due",
            Self::NoItemEnd => "neither a comma nor the end after an item",
            Self::NoMemberEnd => "neither a comma nor the end after a member",
            Self::NoKey => "no key where one is due",
            Self::NoColon => "a key without a colon",
            Self::NoNode => "no such node",
            Self::Brackets => "brackets that do not belong together",
            Self::Afterwards => "something follows after the end",
            Self::AfterResource => "something follows the resource of a line",
            Self::Control => "a control character where none may stand",
            Self::BundleGoesOn => "a Bundle that goes on where it should end",
            Self::BundleMembers => "a Bundle with more members than a Bundle has",
            Self::Total => "a total that is no number",
            Self::Entry => "an entry that is no object",
            Self::Entries => "entries that are no array",
            Self::NoObject => "not an object",
            Self::NoObjectLine => "a line that is no object",
            Self::Word => "neither a string, a number, true, false nor null",
            Self::Escape => "an escape that JSON does not know",
            Self::Surrogate => "half a surrogate pair",
        }
    }
}

impl From<Fault> for Withheld {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Incomplete => Self::Malformed { what: "the body ends before its value does" },
            Fault::Malformed(flaw) => Self::Malformed { what: flaw.text() },
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
