//! Acts on records about patients, as values that cross `admin.sock`.

use serde::{Deserialize, Serialize};

use super::Names;

/// One act on a record about a patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum FiledAct {
    Add {
        kind: Names,
        add: Box<Add>,
    },
    End {
        kind: Names,
        id: String,
        because: String,
    },
    Suspend {
        id: String,
        suspended: bool,
        because: String,
    },
    List {
        kind: Names,
        patient: Option<String>,
    },
    Import {
        kind: Names,
        text: String,
        source: String,
        /// The API of FHIR Consents.
        api: Option<String>,
    },
}

/// What is said of a new record; also a line of an import. Each kind asks for some of it and refuses the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Add {
    pub(crate) id: Option<String>,
    /// `API/ID`, or `ID` in the first API.
    pub(crate) patient: String,
    pub(crate) from: Option<String>,
    pub(crate) until: Option<String>,
    pub(crate) source: Option<String>,
    /// Consent: `permit` or `deny`.
    pub(crate) decision: Option<String>,
    /// Consent, restriction: about whom.
    pub(crate) towards: Vec<String>,
    pub(crate) purposes: Vec<String>,
    pub(crate) types: Vec<String>,
    pub(crate) labels: Vec<String>,
    /// Restriction: every payer, since the patient paid in full.
    pub(crate) health_plans: bool,
    /// Authorization: to whom.
    pub(crate) recipient: Option<String>,
    pub(crate) psychotherapy_notes: bool,
    /// Representation.
    pub(crate) user: Option<String>,
    pub(crate) basis: Option<String>,
    pub(crate) document: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) born: Option<String>,
    pub(crate) verified_by: Option<String>,
    /// Hold: `Observation/o1`.
    pub(crate) item: Option<String>,
    pub(crate) ground: Option<String>,
    /// Hold: the professional.
    pub(crate) by: Option<String>,
    pub(crate) review: Option<String>,
}

/// One act on identity links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum LinkAct {
    Add {
        one: String,
        other: String,
        /// `system|value`
        identifier: Option<String>,
        source: String,
    },
    End {
        patient: String,
        wrong: bool,
        because: String,
    },
    Import {
        text: String,
        source: String,
    },
    List {
        patient: Option<String>,
    },
}

impl FiledAct {
    /// Its name in the audit entry.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Add { kind, .. } | Self::End { kind, .. } | Self::List { kind, .. } | Self::Import { kind, .. } => {
                kind.act(self)
            }
            Self::Suspend { .. } => Names::Representation.act(self),
        }
    }
}

impl LinkAct {
    /// Its name in the audit entry.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "link-add",
            Self::End { .. } => "link-end",
            Self::Import { .. } => "link-import",
            Self::List { .. } => "link-list",
        }
    }
}
