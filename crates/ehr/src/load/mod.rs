//! Loading without HTTP: FHIR JSON, NDJSON and Bundles, from a file or a folder, plain or gzipped.
//!
//! What is loaded has a stable name: the id of a PUT, else the resource's own id, else the UUID of its `fullUrl`, else a
//! digest of both. Loading it again finds it there and changes nothing.

mod bundle;
mod files;
mod pipeline;

pub use files::items;
pub(crate) use pipeline::load;

/// A JSON text to load: a resource or a Bundle.
#[derive(Debug, Clone)]
pub struct LoadItem {
    /// Where it comes from, for messages: a file and a line.
    pub place: String,
    /// The JSON.
    pub text: Vec<u8>,
}

/// What is done with a Bundle of type transaction, batch or collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bundles {
    /// Its entries are stored, each under its name.
    Open,
    /// It is stored as it is.
    Keep,
}

/// When what is loaded is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Indexing {
    /// As it is stored: it is found at once.
    AtOnce,
    /// When all is stored, in bulk.
    Afterwards,
}

/// How far loading is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadProgress {
    /// Items (files or lines) that are durable.
    pub items: u64,
    /// Resources in them.
    pub resources: u64,
    /// Bytes of JSON in them.
    pub bytes: u64,
}

/// What loading did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadSummary {
    /// Resources that were not there.
    pub created: u64,
    /// Resources that were there with other content.
    pub updated: u64,
    /// Resources that were there, now or as an older version, with this content.
    pub unchanged: u64,
    /// Resources that were refused.
    pub refused: u64,
    /// The first of the refused: where, and why.
    pub refusals: Vec<(String, String)>,
}

/// Refusals that a summary names.
const REFUSALS_NAMED_MAX: usize = 1_000;
