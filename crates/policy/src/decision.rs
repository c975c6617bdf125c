//! The decision as a value: a permit with its narrowing, or a denial with its reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use bascule_fhir::{Id, Interaction, ResourceType};
use bascule_smart::Principal;

use crate::Elements;

/// What is asked, of which API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The API's name.
    pub api: String,
    /// The interaction.
    pub interaction: Interaction,
}

/// A condition on each resource that leaves. All conditions of a narrowing must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The resource lies in the compartment of one of these (FHIR R4 CompartmentDefinition).
    InCompartment {
        /// `Patient`, `Practitioner`, …
        of: ResourceType,
        /// Whose.
        ids: Vec<Id>,
    },
    /// The resource matches this search (a granular scope, `category=…`); any one of the alternatives suffices.
    Matches {
        /// Each alternative: all pairs must hold.
        any_of: Vec<Vec<(String, String)>>,
    },
    /// The resource is one of these (the own `fhirUser`).
    IsOneOf(Vec<Id>),
}

/// What of one resource type may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeNarrowing {
    /// Elements that may leave.
    pub elements: Arc<Elements>,
    /// Conditions that each resource must meet.
    pub conditions: Vec<Condition>,
    /// Search parameters that may be used on this type, as whole names (`date`, `_id`, `_sort:date`); `None` is all whose
    /// elements are granted.
    pub search: Option<Vec<String>>,
}

/// Whether `Bundle.total` may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalRule {
    /// The narrowed query is provably what is shown.
    Exact,
    /// It would tell of what is withheld.
    Absent,
    /// Only the total is granted (`_summary=count`): no resource leaves.
    Only,
}

/// The narrowing of a permit: what the query is restricted to and what of the answer may leave. A type that is not
/// in the map does not leave, whatever brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrowing {
    /// By type.
    pub types: BTreeMap<ResourceType, TypeNarrowing>,
    /// Rule for `Bundle.total`.
    pub total: TotalRule,
}

/// The proof that policy said yes. Only `Policy::decide` makes one.
#[derive(Debug, Clone)]
pub struct Permit {
    pub(crate) principal: Principal,
    pub(crate) asked: Asked,
    pub(crate) narrowing: Narrowing,
    pub(crate) rule: String,
    pub(crate) role: String,
    pub(crate) purpose: String,
    pub(crate) policy_hash: String,
    pub(crate) agreement: String,
    pub(crate) would_refuse: Option<DenialReason>,
}

impl Permit {
    /// Who asks.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What is asked.
    #[must_use]
    pub const fn asked(&self) -> &Asked {
        &self.asked
    }

    /// What may pass.
    #[must_use]
    pub const fn narrowing(&self) -> &Narrowing {
        &self.narrowing
    }

    /// The rule that permits: `scheduler.grant[0]`.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The role whose rule it is.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The purpose of use of this access (HL7 v3 PurposeOfUse code).
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

    /// In observe mode, what enforcing would have said.
    #[must_use]
    pub const fn would_refuse(&self) -> Option<&DenialReason> {
        self.would_refuse.as_ref()
    }
}

/// Why not. Exhaustive on purpose: a new reason should break the build where it is worded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DenialReason {
    /// No scope of the token covers it.
    ScopeMissing {
        /// The scope that would, e.g. `system/Observation.rs`.
        wanted: String,
    },
    /// No role of the principal grants the interaction on the type.
    NotGranted {
        /// `search`
        interaction: String,
        /// `Observation`
        resource: String,
    },
    /// A search parameter, sort key, include, chain or modifier that is not granted or not known.
    ParameterNotGranted {
        /// As asked.
        parameter: String,
    },
    /// An element that may not be written.
    ElementNotGranted {
        /// Dotted path.
        element: String,
    },
    /// The patient asked about is not one that the principal may see, or there is no patient in context.
    OutsideCompartment,
    /// The recipient has no class, or no agreement in force.
    Agreement {
        /// What is missing.
        missing: String,
    },
    /// Consent, restriction or label forbids.
    Consent,
    /// The purpose is not one that grant and agreement allow.
    Purpose {
        /// As asserted.
        asserted: String,
    },
    /// A fact could not be had.
    FactUnknown {
        /// Which.
        fact: String,
    },
    /// An interaction that the bridge does not let through for anybody (yet), with the reason.
    NotSupported {
        /// Why, and what to do instead.
        mend: String,
    },
}

/// No, with the reason, and everything that the log needs.
#[derive(Debug, Clone)]
pub struct Denial {
    /// Who asked.
    pub principal: Principal,
    /// What was asked.
    pub asked: Asked,
    /// Why not.
    pub reason: DenialReason,
    /// The rule that said so, or `default`.
    pub rule: String,
    /// Hex SHA-256 of the policy bundle that decided.
    pub policy_hash: String,
}
