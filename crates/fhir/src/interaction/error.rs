//! Why a request is no FHIR interaction: what is wrong, where, and the mend. No value of a query or body is repeated.

use std::fmt;

use crate::json::JsonFault;
use crate::query::{NameError, QueryError};

/// A path at most.
pub const PATH_BYTES_MAX: usize = 2_048;
/// A page token at most.
pub const PAGE_TOKEN_BYTES_MAX: usize = 16_384;
/// Entries of a batch or transaction at most.
pub const BATCH_ENTRIES_MAX: usize = 10_000;

/// Why a request cannot be read as an interaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseError {
    /// A method that FHIR does not use.
    Method,
    /// Longer than [`PATH_BYTES_MAX`].
    PathTooLong,
    /// An empty, `.` or `..` segment, an encoded slash, bad percent-encoding, a control character.
    Segment(SegmentFault),
    /// The first segment is no type of R4.
    UnknownType {
        /// A name that is near.
        did_you_mean: Option<&'static str>,
    },
    /// A segment stands where an id should, and is none.
    Id,
    /// An operation's name with other letters.
    OperationName,
    /// A path of none of FHIR's shapes.
    Shape,
    /// A shape that this method does not go with.
    MethodForShape {
        /// What would do.
        mend: &'static str,
    },
    /// A compartment of a type that has none.
    NoCompartment,
    /// A query that cannot be read.
    Query(QueryError),
    /// `If-None-Exist`, as a query.
    IfNoneExist(QueryError),
    /// `If-None-Exist` without a criterion, or where nothing is created.
    IfNoneExistMisplaced,
    /// A parameter's name has none of FHIR's forms.
    Name {
        /// Which parameter, from 1.
        at: usize,
        /// Why.
        fault: NameError,
    },
    /// An `_include` or `_revinclude` of another shape.
    Include(NameError),
    /// A parameter that means nothing here.
    UnexpectedParameter {
        /// Which, from 1.
        at: usize,
    },
    /// A conditional write without criteria: it would mean every resource of the type.
    NoCriteria,
    /// A search of the whole system without a parameter.
    NoParameters,
    /// A form where none belongs.
    UnexpectedForm,
    /// A page token that cannot be one of ours.
    PageToken,
    /// The Bundle that is posted to the base.
    Bundle(BundleFault),
}

/// What is wrong with a segment of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentFault {
    /// `//`, or a slash at the end.
    Empty,
    /// `.` or `..`, also encoded.
    Dots,
    /// `%2F` or a backslash.
    EncodedSlash,
    /// `%` without two digits, or not UTF-8.
    Encoding,
    /// A control character.
    Control,
}

/// What is wrong with a batch or transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleFault {
    /// There is no body.
    Missing,
    /// The body is no strict JSON.
    Json(JsonFault),
    /// Another resource.
    NotABundle,
    /// A Bundle that asks nothing.
    Type,
    /// More than [`BATCH_ENTRIES_MAX`].
    TooManyEntries,
    /// One entry.
    Entry {
        /// Its place, from 0.
        index: usize,
        /// What is wrong with it.
        fault: Box<EntryFault>,
    },
}

/// What is wrong with one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryFault {
    /// No `request` with `method` and `url`.
    NoRequest,
    /// A batch, a form or a page link inside a batch.
    Nested,
    /// An absolute URL.
    AbsoluteUrl,
    /// The resource's type or id is not what the URL says, or the resource is missing.
    ResourceMismatch,
    /// The request itself.
    Request(ParseError),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("FHIR uses GET, HEAD, POST, PUT, PATCH and DELETE; use one of them"),
            Self::PathTooLong => write!(f, "the path is longer than {PATH_BYTES_MAX} bytes"),
            Self::Segment(fault) => write!(f, "the path {fault}"),
            Self::UnknownType { did_you_mean: Some(near) } => {
                write!(f, "the path names an unknown resource type; did you mean `{near}`?")
            }
            Self::UnknownType { did_you_mean: None } => {
                f.write_str("the path names a resource type that FHIR R4 does not have")
            }
            Self::Id => f.write_str("the path has no id where one belongs: 1 to 64 letters, digits, `-` and `.`"),
            Self::OperationName => f.write_str("an operation's name is a letter, then letters, digits, `-`, `_`"),
            Self::Shape => f.write_str(
                "the path is none of FHIR's: `Type`, `Type/id`, `Type/id/_history/version`, `Type/_search`, \
                 `Type/id/Type`, `…/$operation`, `…/_history`, `metadata`",
            ),
            Self::MethodForShape { mend } => write!(f, "the method does not go with this path; {mend}"),
            Self::NoCompartment => f.write_str(
                "only Patient, Encounter, Practitioner, RelatedPerson and Device have a compartment; search by type",
            ),
            Self::Query(fault) => write!(f, "{fault}"),
            Self::IfNoneExist(fault) => write!(f, "If-None-Exist: {fault}"),
            Self::IfNoneExistMisplaced => {
                f.write_str("If-None-Exist holds the criteria of a conditional create, `POST Type`; leave it out")
            }
            Self::Name { at, fault } => write!(f, "the name of parameter {at} {fault}"),
            Self::Include(fault) => write!(f, "the value of an inclusion {fault}"),
            Self::UnexpectedParameter { at } => {
                write!(f, "parameter {at} means nothing for this interaction; leave it out")
            }
            Self::NoCriteria => f.write_str("name the resource by id, or give the search criteria that it must match"),
            Self::NoParameters => f.write_str("a search of the whole system needs a parameter; give `_type` at least"),
            Self::UnexpectedForm => f.write_str("a form belongs to `POST …/_search` only; send JSON"),
            Self::PageToken => f.write_str("the page link is not one that was given out; follow the links as they are"),
            Self::Bundle(fault) => write!(f, "{fault}"),
        }
    }
}

impl fmt::Display for SegmentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "has an empty segment; leave out the slash too many",
            Self::Dots => "has a segment of dots; name the resource itself",
            Self::EncodedSlash => "has an encoded slash or a backslash; write `/`",
            Self::Encoding => "has a `%` that is no encoding of UTF-8; write `%25` for a percent sign",
            Self::Control => "contains a control character; leave it out",
        })
    }
}

impl fmt::Display for BundleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("POST to the base needs a Bundle of type batch or transaction"),
            Self::Json(fault) => write!(f, "the Bundle cannot be read: {fault}"),
            Self::NotABundle => f.write_str("POST to the base takes a Bundle; POST another resource to its type"),
            Self::Type => f.write_str("Bundle.type must be `batch` or `transaction`"),
            Self::TooManyEntries => write!(f, "the Bundle has more than {BATCH_ENTRIES_MAX} entries; send several"),
            Self::Entry { index, fault } => write!(f, "Bundle.entry[{index}]: {fault}"),
        }
    }
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRequest => f.write_str("`request` needs `method` and `url`"),
            Self::Nested => f.write_str("a batch or page stands inside a batch; send it by itself"),
            Self::AbsoluteUrl => f.write_str("`request.url` is absolute; write it relative to the base: `Type/id`"),
            Self::ResourceMismatch => {
                f.write_str("`resource` is missing, or its type or id is not that of `request.url`; make them agree")
            }
            Self::Request(fault) => write!(f, "{fault}"),
        }
    }
}

impl std::error::Error for ParseError {}

impl From<QueryError> for ParseError {
    fn from(fault: QueryError) -> Self {
        Self::Query(fault)
    }
}

impl From<SegmentFault> for ParseError {
    fn from(fault: SegmentFault) -> Self {
        Self::Segment(fault)
    }
}
