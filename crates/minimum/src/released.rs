//! The proof that a body was filtered: what left, what stayed, and the digests of both.

use bascule_crypto::digest::Sha256;

use crate::log::{Log, ReleasedResource};

/// A body that may leave, and what the record says of it. Only [`release`](crate::release()) makes one.
///
/// ```compile_fail
/// let forged = bascule_minimum::Released { body: Vec::new() };
/// ```
///
/// ```compile_fail
/// let forged = bascule_minimum::Released::default();
/// ```
///
/// ```compile_fail
/// fn forge(released: &mut bascule_minimum::Released) {
///     released.body.clear();
/// }
/// ```
pub struct Released {
    body: Vec<u8>,
    log: Log,
    received_digest: Sha256,
    released_digest: Sha256,
}

impl Released {
    pub(crate) const fn new(body: Vec<u8>, log: Log, received_digest: Sha256, released_digest: Sha256) -> Self {
        Self { body, log, received_digest, released_digest }
    }

    /// The bytes that leave.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The bytes that leave, for the response that sends them.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The resources that leave, in their order. Outcomes, and what contains resources, are not listed.
    #[must_use]
    pub fn resources(&self) -> &[ReleasedResource] {
        &self.log.resources
    }

    /// The patients of whom something leaves, each once, by id.
    #[must_use]
    pub fn patients(&self) -> Vec<&str> {
        patients_of(&self.log.resources)
    }

    /// Paths of elements that were there and stay, each once, as `Patient.birthDate`, at most `withheld_paths_max`.
    /// Where an element that R4 does not know stays, its name is `?`.
    #[must_use]
    pub fn withheld_elements(&self) -> &[String] {
        &self.log.withheld_elements
    }

    /// How many resources stay, whole.
    #[must_use]
    pub const fn withheld_resources(&self) -> u64 {
        self.log.withheld_resources
    }

    /// How many of these are lines of bulk data that could not be read.
    #[must_use]
    pub const fn unreadable_lines(&self) -> u64 {
        self.log.unreadable_lines
    }

    /// SHA-256 of the body as the upstream sent it.
    #[must_use]
    pub const fn received_digest(&self) -> &Sha256 {
        &self.received_digest
    }

    /// SHA-256 of the body as it leaves.
    #[must_use]
    pub const fn released_digest(&self) -> &Sha256 {
        &self.released_digest
    }
}

/// Each patient once.
pub(crate) fn patients_of(resources: &[ReleasedResource]) -> Vec<&str> {
    let mut patients: Vec<&str> = resources.iter().flat_map(|one| one.patients.iter().map(String::as_str)).collect();
    patients.sort_unstable();
    patients.dedup();
    patients
}

impl std::fmt::Debug for Released {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Released")
            .field("bytes", &self.body.len())
            .field("resources", &self.log.resources.len())
            .field("withheld_resources", &self.log.withheld_resources)
            .finish_non_exhaustive()
    }
}
