//! An entry as a reader with keys sees it. A part whose key was destroyed, or was never given, is simply not there.

use bascule_fhir::Timestamp;

use crate::clear::{Clear, Kind, Outcome};
use crate::parts::{AgentPart, PatientPart};

/// Where an entry stands, so that what is said about it can be proved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position {
    /// Which log.
    pub origin: String,
    /// Its place there.
    pub index: u64,
    /// Hash of its bytes, in base64.
    pub leaf_hash: String,
}

/// An entry, opened as far as keys allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Where it stands.
    pub position: Position,
    /// What it says of itself. An entry of unknown outcome keeps what was asked in `asked`.
    pub clear: Clear,
    /// The clear part of the intent that an entry of unknown outcome encloses.
    pub asked: Option<Clear>,
    /// Who asked.
    pub agent: Option<AgentPart>,
    /// The patients; `None` where the key is gone.
    pub patients: Vec<Option<PatientPart>>,
}

impl Opened {
    /// What was asked: the intent's clear part if the outcome is unknown, else the entry's own.
    #[must_use]
    pub fn about(&self) -> &Clear {
        self.asked.as_ref().unwrap_or(&self.clear)
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.about().at)
    }

    /// Whether something of a patient left, or may have left.
    #[must_use]
    pub fn may_have_shown(&self) -> bool {
        match self.clear.kind {
            Kind::Access | Kind::Continuation => self.clear.outcome == Outcome::Success,
            Kind::BrokenOff | Kind::Unknown => true,
            Kind::Intent | Kind::Refusal | Kind::System => false,
        }
    }

    /// Whether it is about a patient, by reference.
    #[must_use]
    pub fn is_about(&self, reference: &str) -> bool {
        self.patients.iter().flatten().any(|patient| patient.reference == reference)
    }
}
