//! Which elements of a resource a grant names.

use std::collections::BTreeSet;

use bascule_fhir::ResourceType;

use crate::schema;

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

    /// What both of two grants let out.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Whole, narrower) | (narrower, Self::Whole) => narrower.clone(),
            (Self::Only(left), Self::Only(right)) => {
                let both = left.iter().filter(|path| covers(right, path)).cloned();
                Self::Only(both.chain(right.iter().filter(|path| covers(left, path)).cloned()).collect())
            }
        }
    }

    /// Whether the element at `path` (JSON names) leaves, with everything below it but display copies. A display copy
    /// leaves only if it is named itself.
    #[must_use]
    pub fn reaches(&self, resource: ResourceType, path: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Only(_) if path == "id" => true,
            Self::Only(named) => {
                named.contains(path) || (covers(named, path) && !schema::is_shielded(resource, named, path))
            }
        }
    }

    /// Whether everything that `other` lets out leaves here too.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole, _) => true,
            (Self::Only(_), Self::Whole) => false,
            (Self::Only(left), Self::Only(right)) => left == right || right.iter().all(|path| left.contains(path)),
        }
    }

    /// Whether nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Only(named) if named.is_empty())
    }
}

/// Whether the path or one above it is named.
fn covers(named: &BTreeSet<ElementPath>, path: &str) -> bool {
    named.contains(path)
        || path.match_indices('.').any(|(at, _)| path.get(..at).is_some_and(|above| named.contains(above)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(paths: &[&str]) -> Elements {
        Elements::Only(paths.iter().map(|path| (*path).to_owned()).collect())
    }

    #[test]
    fn a_named_element_brings_what_is_below_it_but_no_display_copy() {
        let appointment = ResourceType::APPOINTMENT;
        let elements = only(&["participant.actor", "status"]);
        assert!(elements.reaches(appointment, "status"));
        assert!(elements.reaches(appointment, "participant.actor.reference"));
        assert!(!elements.reaches(appointment, "participant.actor.display"));
        assert!(!elements.reaches(appointment, "participant"));
        assert!(!elements.reaches(appointment, "description"));
        assert!(only(&["participant.actor.display"]).reaches(appointment, "participant.actor.display"));
        assert!(elements.reaches(appointment, "id"));
    }

    #[test]
    fn a_prefix_of_a_name_is_not_an_ancestor() {
        assert!(!only(&["part"]).reaches(ResourceType::APPOINTMENT, "participant.status"));
    }

    #[test]
    fn an_intersection_keeps_the_finer_path() {
        let both = only(&["name", "birthDate"]).intersection(&only(&["name.given", "gender"]));
        assert_eq!(both, only(&["name.given"]));
        assert_eq!(Elements::Whole.intersection(&only(&["name"])), only(&["name"]));
    }

    #[test]
    fn whole_includes_everything_and_nothing_includes_whole() {
        assert!(Elements::Whole.includes(&only(&["name"])));
        assert!(!only(&["name"]).includes(&Elements::Whole));
        assert!(only(&["name", "gender"]).includes(&only(&["name"])));
    }
}
