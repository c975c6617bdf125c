//! What policy must be told before it decides. A fact that could not be had is `Unknown`, and unknown denies,
//! unless the policy itself names what its absence means.

use bascule_fhir::Id;

use crate::party::{Agreement, Consent, Organization, Relation};

/// A fact, or that it could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    /// Known, perhaps known to be empty.
    Known(T),
    /// Could not be had.
    Unknown,
}

/// Which facts a decision needs; the door gathers exactly these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The organization (and its agreements) by id.
    pub organization: Option<String>,
    /// Consents of these patients.
    pub consents_of: Vec<Id>,
    /// Relations between the user's practitioner and patients.
    pub relations_of: Option<Id>,
}

/// The facts, gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The client's organization.
    pub organization: Fact<Option<Organization>>,
    /// Its agreements.
    pub agreements: Fact<Vec<Agreement>>,
    /// Consents on file for the patients asked about.
    pub consents: Fact<Vec<Consent>>,
    /// Relations of the user.
    pub relations: Fact<Vec<Relation>>,
}
