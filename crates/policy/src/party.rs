//! Who is on the other side, and what was agreed with them.

use bascule_fhir::{Id, ResourceType, Timestamp};

use crate::label::Label;
use crate::record::Period;

/// What a recipient is, before any question of an agreement. Each class says whether an agreement is needed and
/// whether minimum necessary acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecipientClass {
    /// Our own organization: its workforce and systems. Governed by its roles (164.514(d)(2)).
    Workforce,
    /// An app that a patient chose, or a personal representative's. No agreement is ever demanded.
    PatientApp,
    /// A provider who treats. Exempt when verified.
    TreatingProvider,
    /// A payer, or another covered entity for payment or operations.
    Payer,
    /// Works on our behalf with health information: a business associate agreement is needed.
    BusinessAssociate,
    /// Public health, oversight, courts: a legal citation is needed.
    PublicAuthority,
    /// A researcher: authorization, waiver or a data use agreement.
    Researcher,
}

impl RecipientClass {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::Workforce,
        Self::PatientApp,
        Self::TreatingProvider,
        Self::Payer,
        Self::BusinessAssociate,
        Self::PublicAuthority,
        Self::Researcher,
    ];

    /// The word in records and policy files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Workforce => "workforce",
            Self::PatientApp => "patient-app",
            Self::TreatingProvider => "treating-provider",
            Self::Payer => "payer",
            Self::BusinessAssociate => "business-associate",
            Self::PublicAuthority => "public-authority",
            Self::Researcher => "researcher",
        }
    }

    /// The class of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == word)
    }

    /// The kind of agreement that must be in force, if one must.
    #[must_use]
    pub const fn agreement_kind(self) -> Option<&'static str> {
        match self {
            Self::BusinessAssociate => Some("baa"),
            Self::Researcher => Some("data-use"),
            Self::PublicAuthority => Some("required-by-law"),
            Self::Workforce | Self::PatientApp | Self::TreatingProvider | Self::Payer => None,
        }
    }
}

/// An organization that owns clients or upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Bascule's id.
    pub id: String,
    /// Its name, as in the record and the accounting of disclosures.
    pub name: String,
    /// Its postal address, if known (164.528(b)(2)(ii)).
    pub address: Option<String>,
    /// The recipient's class, a word of [`RecipientClass`]; unclassified is refused.
    pub class: Option<String>,
    /// When somebody verified that it is what its class says; `None` is not verified.
    pub verified: Option<Timestamp>,
}

/// A contract: BAA, data use agreement, or a record that none is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Bascule's id.
    pub id: String,
    /// With whom.
    pub organization: String,
    /// `baa`, `data-use`, `expert-determination`, `required-by-law`, `none-needed`.
    pub kind: String,
    /// First instant in force.
    pub from: Timestamp,
    /// First instant no longer in force; `None` is until terminated.
    pub until: Option<Timestamp>,
    /// Purposes of use that it permits.
    pub purposes: Vec<String>,
    /// For `required-by-law`: the law.
    pub citation: Option<String>,
}

impl Agreement {
    /// Whether it is in force.
    #[must_use]
    pub fn in_force_at(&self, now: Timestamp) -> bool {
        Period { from: self.from, until: self.until }.holds_at(now)
    }
}

/// A patient's consent or refusal, reduced to what decides. Every list that is empty means "any".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Whose.
    pub patient: Id,
    /// `true` permits, `false` denies.
    pub permit: bool,
    /// About whom (client, user or organization id, or a reference such as `Practitioner/17`); empty is everybody.
    pub actors: Vec<String>,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Option<Timestamp>,
    /// About which types (`provision.class`).
    pub types: Vec<ResourceType>,
    /// About which resources alone (`provision.data`).
    pub items: Vec<(ResourceType, Id)>,
    /// For which purposes (`provision.purpose`).
    pub purposes: Vec<String>,
    /// About resources with one of these labels (`provision.securityLabel`).
    pub labels: Vec<Label>,
    /// Nested provisions of the same patient: within what this one says, they say otherwise.
    pub exceptions: Vec<Consent>,
}

impl Consent {
    /// Whether it acts.
    #[must_use]
    pub fn acts_at(&self, now: Timestamp) -> bool {
        Period { from: self.from, until: self.until }.holds_at(now)
    }

    /// This provision as it is within an outer one, standing on its own: no longer, and about no more where it says
    /// nothing itself; `None` if no time is common to both.
    #[must_use]
    pub fn within(self, outer: &Self) -> Option<Self> {
        let period = Period { from: self.from, until: self.until };
        let period = period.common(Period { from: outer.from, until: outer.until })?;
        Some(Self {
            from: period.from,
            until: period.until,
            actors: own_or(self.actors, &outer.actors),
            types: own_or(self.types, &outer.types),
            items: own_or(self.items, &outer.items),
            purposes: own_or(self.purposes, &outer.purposes),
            labels: own_or(self.labels, &outer.labels),
            ..self
        })
    }
}

fn own_or<T: Clone>(own: Vec<T>, outer: &[T]) -> Vec<T> {
    if own.is_empty() { outer.to_vec() } else { own }
}

/// Person × practitioner with kind, time and source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The patient's id in the API.
    pub patient: Id,
    /// The practitioner's id in the API.
    pub practitioner: Id,
    /// `care-team`, `encounter`, `appointment`, `order`.
    pub kind: String,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Option<Timestamp>,
}

impl Relation {
    /// Whether it holds.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        Period { from: self.from, until: self.until }.holds_at(now)
    }
}
