//! What is asked, in FHIR's terms (R4, RESTful API, section 3.1.0). A path is parsed once; router, policy,
//! filter and audit read the same value.

mod bundle;
mod error;
mod parse;
mod path;
#[cfg(test)]
mod tests;

pub use error::{
    BATCH_ENTRIES_MAX, BundleFault, EntryFault, PAGE_TOKEN_BYTES_MAX, PATH_BYTES_MAX, ParseError, SegmentFault,
};
pub use parse::Request;

use crate::{Id, Query, ResourceType};

/// A FHIR interaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interaction {
    /// `GET /metadata`
    Capabilities,
    /// `GET /Type/id`
    Read {
        /// The type in the path.
        resource: ResourceType,
        /// The id in the path.
        id: Id,
        /// `_elements`, `_summary`, `_format`, … as asked.
        query: Query,
    },
    /// `GET /Type/id/_history/version`
    Vread {
        /// The type in the path.
        resource: ResourceType,
        /// The id in the path.
        id: Id,
        /// The version in the path.
        version: Id,
    },
    /// `GET …/_history`
    History {
        /// System, type or instance.
        on: Level,
        /// `_count`, `_since`, `_at`, …
        query: Query,
    },
    /// `GET /Type?…`, `POST /Type/_search`, `GET /Patient/id/Type?…`, `GET /?…`
    Search {
        /// System, type or compartment.
        within: Within,
        /// The search parameters, from query and form together.
        query: Query,
    },
    /// `POST /Type`; `If-None-Exist` makes it conditional.
    Create {
        /// The type in the path.
        resource: ResourceType,
        /// The query of `If-None-Exist`.
        unless: Option<Query>,
    },
    /// `PUT /Type/id`, `PUT /Type?…`
    Update {
        /// The type in the path.
        resource: ResourceType,
        /// Which one.
        target: Target,
    },
    /// `PATCH /Type/id`, `PATCH /Type?…`
    Patch {
        /// The type in the path.
        resource: ResourceType,
        /// Which one.
        target: Target,
    },
    /// `DELETE /Type/id`, `DELETE /Type?…`
    Delete {
        /// The type in the path.
        resource: ResourceType,
        /// Which one.
        target: Target,
    },
    /// `GET|POST …/$name`
    Operation {
        /// System, type or instance.
        on: Level,
        /// The name without `$`.
        name: String,
        /// Parameters of the URL.
        query: Query,
    },
    /// `POST /` with a Bundle of type `batch` or `transaction`.
    Batch {
        /// Which of the two.
        kind: BatchKind,
        /// Each entry, parsed by itself.
        entries: Vec<BatchEntry>,
    },
    /// A page of an earlier answer, by the opaque token that the bridge gave out.
    Page {
        /// The token.
        token: String,
    },
    /// `GET|DELETE /_bulk/token`: the state or a file of a bulk export (Bulk Data 2.0), by the opaque token that the
    /// bridge gave out.
    Bulk {
        /// The token.
        token: String,
        /// Whether the export shall end.
        cancel: bool,
    },
}

/// On what an operation or history acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    /// The whole server.
    System,
    /// A type.
    Type(ResourceType),
    /// One resource.
    Instance(ResourceType, Id),
}

/// Where a search looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Within {
    /// Every type (`_type` may narrow it).
    System,
    /// One type.
    Type(ResourceType),
    /// A compartment, e.g. `Patient/123`, and one type in it or all (`*`).
    Compartment {
        /// `Patient`, `Encounter`, `Practitioner`, `RelatedPerson` or `Device`.
        of: ResourceType,
        /// Whose.
        id: Id,
        /// The type asked for; `None` is `*`.
        resource: Option<ResourceType>,
    },
}

/// Which resource a write is aimed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By id.
    Instance(Id),
    /// By search (conditional).
    Matching(Query),
}

/// The kind of a Bundle that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    /// Entries stand alone.
    Batch,
    /// All or nothing.
    Transaction,
}

/// One request inside a Bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchEntry {
    /// Its place in the Bundle, from 0.
    pub index: usize,
    /// What it asks. Never a batch itself.
    pub interaction: Interaction,
}

/// The kind of an interaction, as a grant names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InteractionKind {
    /// Read the CapabilityStatement.
    Capabilities,
    /// Read by id.
    Read,
    /// Read a version.
    Vread,
    /// History at any level.
    History,
    /// Search at any level.
    Search,
    /// Create.
    Create,
    /// Update.
    Update,
    /// Patch.
    Patch,
    /// Delete.
    Delete,
    /// A named operation.
    Operation,
    /// Batch.
    Batch,
    /// Transaction.
    Transaction,
}

impl InteractionKind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 12] = [
        Self::Capabilities,
        Self::Read,
        Self::Vread,
        Self::History,
        Self::Search,
        Self::Create,
        Self::Update,
        Self::Patch,
        Self::Delete,
        Self::Operation,
        Self::Batch,
        Self::Transaction,
    ];

    /// The word in policy files and audit entries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capabilities => "capabilities",
            Self::Read => "read",
            Self::Vread => "vread",
            Self::History => "history",
            Self::Search => "search",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Operation => "operation",
            Self::Batch => "batch",
            Self::Transaction => "transaction",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }
}

impl Interaction {
    /// Its kind. A page is the search that it continues.
    #[must_use]
    pub const fn kind(&self) -> InteractionKind {
        match self {
            Self::Capabilities => InteractionKind::Capabilities,
            Self::Read { .. } => InteractionKind::Read,
            Self::Vread { .. } => InteractionKind::Vread,
            Self::History { .. } => InteractionKind::History,
            Self::Search { .. } | Self::Page { .. } => InteractionKind::Search,
            Self::Create { .. } => InteractionKind::Create,
            Self::Update { .. } => InteractionKind::Update,
            Self::Patch { .. } => InteractionKind::Patch,
            Self::Delete { .. } => InteractionKind::Delete,
            Self::Operation { .. } | Self::Bulk { .. } => InteractionKind::Operation,
            Self::Batch { kind: BatchKind::Batch, .. } => InteractionKind::Batch,
            Self::Batch { kind: BatchKind::Transaction, .. } => InteractionKind::Transaction,
        }
    }

    /// The one type that it names, if it names one.
    #[must_use]
    pub const fn resource(&self) -> Option<ResourceType> {
        match self {
            Self::Read { resource, .. }
            | Self::Vread { resource, .. }
            | Self::Create { resource, .. }
            | Self::Update { resource, .. }
            | Self::Patch { resource, .. }
            | Self::Delete { resource, .. } => Some(*resource),
            Self::History { on, .. } | Self::Operation { on, .. } => on.resource(),
            Self::Search { within, .. } => match within {
                Within::System => None,
                Within::Type(resource) => Some(*resource),
                Within::Compartment { resource, .. } => *resource,
            },
            Self::Capabilities | Self::Batch { .. } | Self::Page { .. } | Self::Bulk { .. } => None,
        }
    }
}
