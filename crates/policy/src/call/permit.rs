//! The answer to a call: a permit with its lanes, or a denial.

use std::collections::BTreeSet;
use std::sync::Arc;

use bascule_fhir::Id;
use bascule_smart::Principal;

use super::{Call, Names};
use crate::decision::{Condition, DenialReason, Duty, Exemption};
use crate::label::Label;

/// The proof that policy said yes to a call. Only `Policy::decide_call` makes one.
///
/// ```compile_fail
/// let forged = bascule_policy::call::CallPermit { ..todo!() };
/// ```
#[derive(Debug, Clone)]
pub struct CallPermit {
    pub(crate) principal: Principal,
    pub(crate) call: Call,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) rule: Arc<str>,
    pub(crate) role: Arc<str>,
    pub(crate) purpose: Arc<str>,
    pub(crate) policy_hash: Arc<str>,
    pub(crate) agreement: Arc<str>,
    pub(crate) exemption: Option<Exemption>,
    pub(crate) duties: Vec<Duty>,
    pub(crate) would_refuse: Option<DenialReason>,
    pub(crate) would_narrow: Option<Vec<Lane>>,
}

/// What may leave of an item that meets the conditions. An item gets what each lane gives that it meets, and one that
/// meets none stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// What may leave.
    pub shows: Names,
    /// Media types of bodies that may pass without being looked into.
    pub opaque: BTreeSet<String>,
    /// All of these hold of the item.
    pub conditions: Vec<Condition>,
}

/// One thing in an answer (an appointment, a study, a message), as far as the road can tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// Whose it is, by the API's ids of patients; `None` if that cannot be told, so that it is nobody's that may be seen.
    pub patients: Option<Vec<Id>>,
    /// Its security labels. An API without labels has none.
    pub labels: Vec<Label>,
}

/// No, with the reason, and everything that the log needs.
#[derive(Debug, Clone)]
pub struct CallDenial {
    /// Who asked.
    pub principal: Principal,
    /// What was asked.
    pub call: Call,
    /// Why not.
    pub reason: DenialReason,
    /// The rule that said so, or `default`.
    pub rule: String,
    /// Hex SHA-256 of the policy bundle that decided.
    pub policy_hash: String,
}

impl CallPermit {
    /// Who asks.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What is asked.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// What may pass, under which conditions.
    #[must_use]
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// The rule that permits: `telehealth.rest[0]`.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The role whose rule it is.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The purpose of use of this access.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// Hex SHA-256 of the policy bundle that decided.
    #[must_use]
    pub fn policy_hash(&self) -> &str {
        &self.policy_hash
    }

    /// The agreement that covers the recipient, or `not-required`.
    #[must_use]
    pub fn agreement(&self) -> &str {
        &self.agreement
    }

    /// Why minimum necessary does not act, if it does not.
    #[must_use]
    pub const fn exemption(&self) -> Option<&Exemption> {
        self.exemption.as_ref()
    }

    /// What must happen beside.
    #[must_use]
    pub fn duties(&self) -> &[Duty] {
        &self.duties
    }

    /// In observe mode, what enforcing would have said.
    #[must_use]
    pub const fn would_refuse(&self) -> Option<&DenialReason> {
        self.would_refuse.as_ref()
    }

    /// In observe mode, the lanes that enforcing would have left.
    #[must_use]
    pub fn would_narrow(&self) -> Option<&[Lane]> {
        self.would_narrow.as_deref()
    }

    /// The ids of patients to which the answer is bound on every lane, for the question to the upstream to be narrowed by;
    /// `None` if a lane is bound to none.
    #[must_use]
    pub fn bound_to(&self) -> Option<BTreeSet<Id>> {
        let of = |lane: &Lane| {
            lane.conditions.iter().find_map(|condition| match condition {
                Condition::InCompartment { ids, .. } => Some(ids.clone()),
                _ => None,
            })
        };
        let all: Option<Vec<Arc<[Id]>>> = self.lanes.iter().map(of).collect();
        all.map(|all| all.iter().flat_map(|ids| ids.iter().cloned()).collect())
    }

    /// What may leave of an item; `None` if it stays.
    #[must_use]
    pub fn shows(&self, item: &Item) -> Option<Names> {
        self.met(item)
            .map(|lane| &lane.shows)
            .fold(None, |all, shows| Some(all.map_or_else(|| shows.clone(), |all: Names| all.union(shows))))
    }

    /// Whether a body of that media type, about that item, may pass without being looked into.
    #[must_use]
    pub fn passes(&self, item: &Item, media_type: &str) -> bool {
        self.met(item).any(|lane| lane.opaque.contains(media_type))
    }

    fn met<'a>(&'a self, item: &'a Item) -> impl Iterator<Item = &'a Lane> {
        self.lanes.iter().filter(|lane| lane.conditions.iter().all(|condition| item.meets(condition) == Some(true)))
    }
}

impl Item {
    /// Whether the condition holds; `None` if that cannot be told, which counts against the item wherever it stands.
    fn meets(&self, condition: &Condition) -> Option<bool> {
        match condition {
            Condition::InCompartment { ids, .. } => {
                self.patients.as_ref().map(|patients| patients.iter().any(|id| ids.contains(id)))
            }
            Condition::HasLabel(labels) => Some(self.labels.iter().any(|label| labels.contains(label))),
            // Named by the type and id of a FHIR resource: an item of another API is none of them.
            Condition::IsOneOf(_) => Some(false),
            Condition::Matches { .. } => None,
            Condition::Not(all) => {
                let held: Vec<Option<bool>> = all.iter().map(|one| self.meets(one)).collect();
                if held.contains(&Some(false)) {
                    Some(true)
                } else if held.contains(&None) {
                    None
                } else {
                    Some(false)
                }
            }
            Condition::AnyOf(some) => {
                let holds = |all: &Vec<Condition>| all.iter().all(|one| self.meets(one) == Some(true));
                Some(some.iter().any(holds))
            }
        }
    }
}
