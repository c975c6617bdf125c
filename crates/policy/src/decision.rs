//! The decision as a value: a permit with its narrowing, or a denial with its reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use bascule_fhir::{Id, Interaction, ResourceType, Timestamp};
use bascule_smart::Principal;

use crate::label::Label;
use crate::write::WriteNarrowing;
use crate::{Elements, Exposure, Profile};

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
        ids: Arc<[Id]>,
    },
    /// The resource matches this search (a granular scope, `category=…`); any one of the alternatives suffices.
    Matches {
        /// Each alternative: all pairs must hold.
        any_of: Vec<Vec<(String, String)>>,
    },
    /// The resource is one of these (the own `fhirUser`).
    IsOneOf(Vec<Id>),
    /// Its `meta.security`, or that of anything inside it, has one of these labels.
    HasLabel(Arc<[Label]>),
    /// Not all of these hold together. A condition that cannot be judged on a resource counts as held, so that the
    /// resource stays.
    Not(Arc<[Condition]>),
    /// At least one of the alternatives holds, whole.
    AnyOf(Vec<Vec<Condition>>),
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
    /// What more may leave of a resource that meets further conditions; empty unless several grants with different
    /// conditions meet. A filter that ignores them lets out less, never more.
    pub lanes: Vec<Lane>,
}

impl TypeNarrowing {
    /// Elements under conditions, every parameter whose elements are granted, no further lanes.
    #[must_use]
    pub const fn new(elements: Arc<Elements>, conditions: Vec<Condition>) -> Self {
        Self { elements, conditions, search: None, lanes: Vec::new() }
    }
}

/// Elements that may leave of a resource that meets these conditions beside those of its [`TypeNarrowing`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Elements that may leave, beside those of the narrowing.
    pub elements: Arc<Elements>,
    /// Conditions that the resource must meet for them.
    pub conditions: Vec<Condition>,
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
    pub(crate) rule: Arc<str>,
    pub(crate) role: Arc<str>,
    pub(crate) purpose: Arc<str>,
    pub(crate) policy_hash: Arc<str>,
    pub(crate) agreement: Arc<str>,
    pub(crate) would_refuse: Option<DenialReason>,
    pub(crate) would_narrow: Option<Narrowing>,
    pub(crate) exemption: Option<Exemption>,
    pub(crate) duties: Vec<Duty>,
    pub(crate) writes: Vec<WriteNarrowing>,
    pub(crate) exposure: Exposure,
}

/// Why the minimum-necessary filter does not act (45 CFR 164.502(b)(2)). A property of a verified recipient, never
/// of an asserted purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exemption {
    /// (i) disclosure to, or request by, an outside provider for treatment, verified on a date.
    TreatingProvider {
        /// The organization.
        organization: String,
        /// When it was verified.
        verified: Timestamp,
    },
    /// (ii) the individual, or who stands for the individual.
    Individual,
    /// (iii) an authorization under 164.508 on file.
    Authorization {
        /// The record's id.
        id: String,
    },
    /// (v) required by law.
    RequiredByLaw {
        /// The citation.
        citation: String,
    },
}

/// What must happen beside letting through. The doors do it; the entry says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duty {
    /// The access goes to review, with why.
    Review {
        /// Why, in one phrase.
        why: String,
    },
    /// A hard panel does not act, since the feed of relations is stale: an alert, and the access goes to review.
    PanelSuspended,
    /// Emergency access: to the privacy officer's digest.
    Emergency {
        /// The record's id.
        id: String,
        /// Whether the person proved themselves a second time; `false` is flagged.
        stepped_up: bool,
    },
    /// After the answer is read: an access to a patient who is not one of these goes to review.
    ReviewUnlessRelated {
        /// Patients with a relation now.
        related: Vec<Id>,
    },
    /// The notice of 42 CFR 2.32 travels with the answer if anything in it bears one of these labels.
    Part2Notice {
        /// The labels.
        labels: Arc<[Label]>,
    },
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

    /// In observe mode, how enforcing would have narrowed what now passes.
    #[must_use]
    pub const fn would_narrow(&self) -> Option<&Narrowing> {
        self.would_narrow.as_ref()
    }

    /// The profile under which everything leaves that may leave; `None` if anything may leave outside of one. Of several
    /// the one that lets out most.
    #[must_use]
    pub fn profile(&self) -> Option<Profile> {
        let types = self.narrowing.types.values().filter(|narrowing| !narrowing.elements.is_empty());
        let of_all: Option<Vec<Profile>> = types.map(|narrowing| narrowing.elements.profile()).collect();
        of_all.and_then(|all| all.into_iter().max())
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

    /// For a write: what the body may say. It must be admitted by one of these, whole.
    #[must_use]
    pub fn writes(&self) -> &[WriteNarrowing] {
        &self.writes
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
    /// The token is one that a copy of would be worth as much, and the policy asks for another here.
    NotSenderConstrained {
        /// The exposure of the API.
        exposure: String,
    },
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
    /// No relation between the user and the patient is known: the user may say why, in one tap, and go on.
    ReasonAsked {
        /// The patient.
        patient: Id,
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
