//! Why nothing of a body leaves.

/// Why a body stays, whole. Tells nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// The upstream's answer is not JSON, or not the JSON that FHIR prescribes.
    #[error("the answer of the upstream cannot be read: {what}")]
    Malformed {
        /// What is wrong with it, in words that hold nothing of it.
        what: &'static str,
    },
    /// The upstream's answer is not UTF-8.
    #[error("the answer of the upstream is not UTF-8")]
    NotUtf8,
    /// Two readers could read such an answer differently.
    #[error("an object in the answer of the upstream has the same key twice")]
    DuplicateKey,
    /// Deeper than `depth_max`.
    #[error("the answer of the upstream is nested deeper than depth_max allows")]
    TooDeep,
    /// The resource is larger than `resource_bytes_max`.
    #[error("a resource of the upstream is larger than resource_bytes_max allows")]
    TooLarge,
    /// More resources than `listed_resources_max` since the list was last taken.
    #[error("more resources have left than listed_resources_max allows between two records")]
    TooMany,
    /// The permit does not name the type of the resource.
    #[error("the permit does not let a resource of this type out")]
    NotGranted,
    /// The permit's conditions do not hold for the resource.
    #[error("the resource does not meet the conditions of the permit")]
    OutsideConditions,
    /// The upstream's answer is no resource of FHIR R4.
    #[error("the answer of the upstream is no resource of FHIR R4")]
    UnknownType,
}
