//! What the upstream answered, and what kind of answer was asked for.

/// What kind of body the interaction has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One resource: read, vread, create, update, an operation that answers with one.
    Resource,
    /// A Bundle of resources: search, history, `$everything`.
    Bundle,
    /// The answers to the entries of a batch or transaction, in their order.
    BatchResponse,
    /// One resource a line: bulk data. A line that cannot be read, or is larger than `resource_bytes_max`, stays and is
    /// counted; the others go on.
    Ndjson,
}

/// An answer of the upstream, decompressed, held whole.
#[derive(Clone, Copy)]
pub struct Reply<'b> {
    /// The bytes.
    pub body: &'b [u8],
    /// What was asked for.
    pub shape: Shape,
}

impl std::fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("shape", &self.shape).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}
