//! Which elements of a resource a grant names.

use std::collections::BTreeSet;

use bascule_fhir::ResourceType;

use crate::mask::{self, Mask};
use crate::profile::Profile;
use crate::schema;

/// A dotted path below the resource, as policy files write it: `participant.actor.reference`. Choice elements are
/// written by their JSON name (`valueQuantity`) or as `value[x]`. An element that leaves masked stands with its mask:
/// `birthDate|year`.
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
    /// Of these what a profile of de-identification lets out; `None` is all of it.
    Profiled {
        /// The profile.
        profile: Profile,
        /// What the grant names.
        named: Option<BTreeSet<ElementPath>>,
    },
}

/// How an element leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shown {
    /// As it is.
    Plain,
    /// Of what it holds a part, or parts of it masked.
    Part,
    /// Masked.
    Masked(Mask),
}

impl Elements {
    /// What either of two grants lets out. Where one of them is under a profile and the other is not, it is what the
    /// other lets out: the same resource in both ways could be put together again.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(left), Self::Only(right)) => Self::Only(left.union(right).cloned().collect()),
            (Self::Whole, _) | (_, Self::Whole) => Self::Whole,
            (only @ Self::Only(_), Self::Profiled { .. }) | (Self::Profiled { .. }, only @ Self::Only(_)) => {
                only.clone()
            }
            (Self::Profiled { profile, named }, Self::Profiled { profile: other_profile, named: other_named }) => {
                match profile.cmp(other_profile) {
                    std::cmp::Ordering::Less => self.clone(),
                    std::cmp::Ordering::Greater => other.clone(),
                    std::cmp::Ordering::Equal => {
                        let both = named.as_ref().zip(other_named.as_ref());
                        let named = both.map(|(left, right)| left.union(right).cloned().collect());
                        Self::Profiled { profile: *profile, named }
                    }
                }
            }
        }
    }

    /// What both of two grants let out.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let named = match (self.named(), other.named()) {
            (None, named) | (named, None) => named.cloned(),
            (Some(left), Some(right)) => Some(common(left, right)),
        };
        match (self.profile().into_iter().chain(other.profile()).min(), named) {
            (Some(profile), named) => Self::Profiled { profile, named },
            (None, Some(named)) => Self::Only(named),
            (None, None) => Self::Whole,
        }
    }

    /// The profile that narrows what is named.
    #[must_use]
    pub const fn profile(&self) -> Option<Profile> {
        match self {
            Self::Whole | Self::Only(_) => None,
            Self::Profiled { profile, .. } => Some(*profile),
        }
    }

    /// The paths that are named; `None` is everything.
    #[must_use]
    pub const fn named(&self) -> Option<&BTreeSet<ElementPath>> {
        match self {
            Self::Whole => None,
            Self::Only(named) => Some(named),
            Self::Profiled { named, .. } => named.as_ref(),
        }
    }

    /// Whether the element at `path` (JSON names) leaves as it is, with everything below it but display copies. A
    /// display copy leaves only if it is named itself.
    #[must_use]
    pub fn reaches(&self, resource: ResourceType, path: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Only(named) if path == "id" => masked(named, path).is_none(),
            Self::Only(named) => names(named, resource, path),
            Self::Profiled { .. } => self.shown(resource, path) == Some(Shown::Plain),
        }
    }

    /// How the element at `path` leaves; `None` if it does not.
    #[must_use]
    pub fn shown(&self, resource: ResourceType, path: &str) -> Option<Shown> {
        let own = match self.named() {
            None => Some(Shown::Plain),
            Some(named) if path == "id" => masked(named, path).or(Some(Shown::Plain)),
            Some(named) if names(named, resource, path) => Some(Shown::Plain),
            Some(named) => masked(named, path),
        }?;
        let Some(profile) = self.profile() else { return Some(own) };
        match schema::treatment(profile, resource, path)? {
            Shown::Plain => Some(own),
            Shown::Part if own == Shown::Plain => Some(Shown::Part),
            Shown::Part => Some(own),
            by_profile @ Shown::Masked(_) => Some(by_profile),
        }
    }

    /// Whether everything that `other` lets out leaves here too.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole, _) => true,
            (Self::Only(left), Self::Only(right)) => holds(left, right),
            (Self::Only(_), Self::Whole | Self::Profiled { .. })
            | (Self::Profiled { .. }, Self::Whole | Self::Only(_)) => false,
            (Self::Profiled { profile, named }, Self::Profiled { profile: other, named: others }) => {
                profile == other
                    && match (named, others) {
                        (None, _) => true,
                        (Some(_), None) => false,
                        (Some(left), Some(right)) => holds(left, right),
                    }
            }
        }
    }

    /// Whether nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named().is_some_and(BTreeSet::is_empty)
    }
}

/// What both sets of paths name: of two the finer, of a plain and a masked path the masked one.
fn common(left: &BTreeSet<ElementPath>, right: &BTreeSet<ElementPath>) -> BTreeSet<ElementPath> {
    let in_both = |one: &BTreeSet<ElementPath>, other: &BTreeSet<ElementPath>| -> Vec<ElementPath> {
        one.iter().filter(|path| other.contains(*path) || covers(other, mask::split(path).0)).cloned().collect()
    };
    in_both(left, right).into_iter().chain(in_both(right, left)).collect()
}

fn holds(left: &BTreeSet<ElementPath>, right: &BTreeSet<ElementPath>) -> bool {
    left == right || right.iter().all(|path| left.contains(path) || left.contains(mask::split(path).0))
}

fn names(named: &BTreeSet<ElementPath>, resource: ResourceType, path: &str) -> bool {
    named.contains(path) || (covers(named, path) && !schema::is_shielded(resource, named, path))
}

/// How an element that is not named leaves by the masks.
fn masked(named: &BTreeSet<ElementPath>, path: &str) -> Option<Shown> {
    named.iter().map(|one| mask::split(one)).find_map(|(other, mask)| {
        let mask = mask?;
        if other == path {
            return Some(Shown::Masked(mask));
        }
        other.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')).then_some(Shown::Part)
    })
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
    fn a_masked_element_is_not_reached_and_yet_shown() {
        let elements = only(&["birthDate|year", "address.state", "address.postalCode|zip3"]);
        assert!(!elements.reaches(ResourceType::PATIENT, "birthDate"));
        assert_eq!(elements.shown(ResourceType::PATIENT, "birthDate"), Some(Shown::Masked(Mask::Year)));
        assert_eq!(elements.shown(ResourceType::PATIENT, "address"), Some(Shown::Part));
        assert_eq!(elements.shown(ResourceType::PATIENT, "address.state"), Some(Shown::Plain));
        assert_eq!(elements.shown(ResourceType::PATIENT, "name"), None);
    }

    #[test]
    fn of_plain_and_masked_a_union_is_plain_and_an_intersection_masked() {
        let (plain, masked) = (only(&["birthDate"]), only(&["birthDate|year"]));
        assert!(plain.union(&masked).reaches(ResourceType::PATIENT, "birthDate"));
        assert_eq!(plain.intersection(&masked), masked);
        assert_eq!(masked.intersection(&Elements::Whole), masked);
        assert_eq!(masked.intersection(&only(&["birthDate|pooled-year"])), only(&[]));
        assert!(plain.includes(&masked) && !masked.includes(&plain));
    }

    #[test]
    fn a_profile_is_never_lost_where_two_grants_meet() {
        let under = |profile, paths: &[&str]| Elements::Profiled {
            profile,
            named: Some(paths.iter().map(|path| (*path).to_owned()).collect()),
        };
        let strict = under(Profile::SafeHarbor, &["gender", "name"]);
        assert_eq!(strict.intersection(&Elements::Whole), strict);
        assert_eq!(only(&["gender"]).intersection(&strict), under(Profile::SafeHarbor, &["gender"]));
        let limited = under(Profile::LimitedDataSet, &["gender", "birthDate"]);
        assert_eq!(limited.intersection(&strict), under(Profile::SafeHarbor, &["gender"]));
        assert_eq!(limited.union(&strict), strict);
        assert_eq!(limited.union(&only(&["name"])), only(&["name"]), "the two views do not mix");
    }

    #[test]
    fn a_profile_decides_on_what_is_named() {
        let all = |profile| Elements::Profiled { profile, named: None };
        let shown = |profile, path| all(profile).shown(ResourceType::PATIENT, path);
        assert_eq!(shown(Profile::SafeHarbor, "name"), None);
        assert_eq!(shown(Profile::LimitedDataSet, "name"), None);
        assert_eq!(shown(Profile::SafeHarbor, "birthDate"), Some(Shown::Masked(Mask::PooledYear)));
        assert_eq!(shown(Profile::LimitedDataSet, "birthDate"), Some(Shown::Plain));
        assert_eq!(shown(Profile::SafeHarbor, "gender"), Some(Shown::Plain));
        assert_eq!(shown(Profile::SafeHarbor, "id"), Some(Shown::Masked(Mask::Code)));
        assert_eq!(shown(Profile::SafeHarbor, "address"), Some(Shown::Part));
        assert_eq!(shown(Profile::SafeHarbor, "address.city"), None);
        assert_eq!(shown(Profile::LimitedDataSet, "address.city"), Some(Shown::Plain));
        assert_eq!(shown(Profile::Expert, "identifier.value"), Some(Shown::Masked(Mask::Code)));
        assert_eq!(shown(Profile::LimitedDataSet, "identifier.value"), None);
        assert!(!all(Profile::SafeHarbor).reaches(ResourceType::PATIENT, "birthDate"), "so it cannot be searched by");
        assert!(all(Profile::SafeHarbor).reaches(ResourceType::parse("Observation").unwrap(), "code.coding.code"));
    }

    #[test]
    fn whole_includes_everything_and_nothing_includes_whole() {
        assert!(Elements::Whole.includes(&only(&["name"])));
        assert!(!only(&["name"]).includes(&Elements::Whole));
        assert!(only(&["name", "gender"]).includes(&only(&["name"])));
    }
}
