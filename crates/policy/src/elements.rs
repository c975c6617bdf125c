//! Which elements of a resource a grant names.

use std::collections::BTreeSet;

/// A dotted path below the resource, as policy files write it: `participant.actor.reference`. Choice elements are
/// written by their JSON name (`valueQuantity`) or as `value[x]`.
pub type ElementPath = String;

/// What of a resource may leave.
///
/// A named element brings its whole subtree *except* display copies: `Reference.display`, `Coding.display`,
/// `CodeableConcept.text`, narrative, extensions and contained resources leave only if named themselves.
/// `resourceType` and `id` always leave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Elements {
    /// The resource as it is.
    Whole,
    /// Only these.
    Only(BTreeSet<ElementPath>),
}

impl Elements {
    /// What either of two grants lets out.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(left), Self::Only(right)) => Self::Only(left.union(right).cloned().collect()),
            _ => Self::Whole,
        }
    }
}
