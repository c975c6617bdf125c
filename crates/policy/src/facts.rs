//! What policy must be told before it decides. A fact that could not be had is `Unknown`, and unknown denies,
//! unless the policy itself names what its absence means.

use std::sync::Arc;

use bascule_fhir::{Id, Timestamp};

use crate::party::{Agreement, Consent, Organization, Relation};
use crate::record::{AccessReason, Authorization, Emergency, Hold, Links, Representation, Restriction};

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
    /// Consents, restrictions and authorizations of these patients (ids of the API asked).
    pub consents_of: Vec<Id>,
    /// The request spans patients: consents and restrictions of *every* patient of the API who filed one.
    pub consents_of_all: bool,
    /// Relations between the user's practitioner and patients, and how fresh their feed is.
    pub relations_of: Option<Id>,
    /// The care team of this patient, as references (`Practitioner/17`).
    pub care_team_of: Option<Id>,
    /// Representations in which this user stands for this patient.
    pub representations_of: Option<(String, Id)>,
    /// Items withheld from this patient's own lane.
    pub holds_of: Option<Id>,
    /// Identity links of this patient of this API to other APIs.
    pub links_of: Option<(String, Id)>,
    /// Emergency access that this user opened.
    pub emergencies_of: Option<String>,
    /// Reasons that this user gave for access without a relation.
    pub reasons_of: Option<String>,
}

/// The facts, gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The client's organization.
    pub organization: Fact<Option<Organization>>,
    /// Its agreements.
    pub agreements: Fact<Vec<Agreement>>,
    /// Consents on file for the patients asked about.
    pub consents: Fact<Arc<Vec<Consent>>>,
    /// Relations of the user.
    pub relations: Fact<Vec<Relation>>,
    /// When the feed of relations was last known to be complete.
    pub relations_as_of: Fact<Timestamp>,
    /// The patient's care team, as references.
    pub care_team: Fact<Vec<String>>,
    /// Restrictions granted to the patients asked about (164.522(a)).
    pub restrictions: Fact<Arc<Vec<Restriction>>>,
    /// Authorizations on file (164.508).
    pub authorizations: Fact<Arc<Vec<Authorization>>>,
    /// Representations of the user.
    pub representations: Fact<Vec<Representation>>,
    /// Holds on the patient's items.
    pub holds: Fact<Vec<Hold>>,
    /// Identity links of the patient in context.
    pub links: Fact<Links>,
    /// Emergency access of the user.
    pub emergencies: Fact<Vec<Emergency>>,
    /// Reasons given by the user.
    pub reasons: Fact<Vec<AccessReason>>,
}

impl Facts {
    /// Nothing could be had: whatever needs a fact is denied. The start for a door, which fills in what it has.
    #[must_use]
    pub const fn unknown() -> Self {
        Self {
            organization: Fact::Unknown,
            agreements: Fact::Unknown,
            consents: Fact::Unknown,
            relations: Fact::Unknown,
            relations_as_of: Fact::Unknown,
            care_team: Fact::Unknown,
            restrictions: Fact::Unknown,
            authorizations: Fact::Unknown,
            representations: Fact::Unknown,
            holds: Fact::Unknown,
            links: Fact::Unknown,
            emergencies: Fact::Unknown,
            reasons: Fact::Unknown,
        }
    }

    /// Every shelf was read and nothing is on file.
    #[must_use]
    pub fn nothing_on_file() -> Self {
        Self {
            organization: Fact::Known(None),
            agreements: Fact::Known(Vec::new()),
            consents: Vec::new().into(),
            relations: Fact::Known(Vec::new()),
            relations_as_of: Fact::Unknown,
            care_team: Fact::Known(Vec::new()),
            restrictions: Vec::new().into(),
            authorizations: Vec::new().into(),
            representations: Fact::Known(Vec::new()),
            holds: Fact::Known(Vec::new()),
            links: Fact::Known(Links::default()),
            emergencies: Fact::Known(Vec::new()),
            reasons: Fact::Known(Vec::new()),
        }
    }
}

/// What was filed, known: shared, since it may be about very many patients.
impl<T> From<Vec<T>> for Fact<Arc<Vec<T>>> {
    fn from(filed: Vec<T>) -> Self {
        Self::Known(Arc::new(filed))
    }
}

impl<T> Fact<T> {
    /// The value, if it is known.
    #[must_use]
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown => None,
        }
    }
}
