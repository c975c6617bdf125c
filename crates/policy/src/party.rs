//! Who is on the other side, and what was agreed with them.

use bascule_fhir::{Id, Timestamp};

/// An organization that owns clients or upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Bascule's id.
    pub id: String,
    /// Its name, as in the record and the accounting of disclosures.
    pub name: String,
    /// Its postal address, if known (164.528(b)(2)(ii)).
    pub address: Option<String>,
    /// The recipient's class (`facts`: patient's app, treating provider, business associate, …); unclassified is refused.
    pub class: Option<String>,
}

/// A contract: BAA, data use agreement, or a record that none is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Bascule's id.
    pub id: String,
    /// With whom.
    pub organization: String,
    /// `baa`, `data-use`, `none-needed`.
    pub kind: String,
    /// First instant in force.
    pub from: Timestamp,
    /// First instant no longer in force; `None` is until terminated.
    pub until: Option<Timestamp>,
    /// Purposes of use that it permits.
    pub purposes: Vec<String>,
}

/// A patient's consent or refusal, reduced to what decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Whose.
    pub patient: Id,
    /// `true` permits, `false` denies.
    pub permit: bool,
    /// About whom (client or organization id); empty is everybody.
    pub actors: Vec<String>,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Option<Timestamp>,
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
