//! The verbs about people, apps that wait, emergencies and misuse.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RecordsArgs;
use crate::admin::people::{PeopleAct, Target};

/// What is explained of a person whom a provider knows.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The claims as JSON: an id_token's payload, with the userinfo's members if those are asked for
    pub(crate) claims: PathBuf,
    /// The provider, by name; may be left out if there is one only
    #[arg(long)]
    pub(crate) provider: Option<String>,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserMore {
    /// Let a disabled person in again
    Enable {
        /// The name
        name: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Remove passkeys and one-time passwords after a loss, and end every session
    ForgetSecondFactor {
        /// The name
        name: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Make a code on paper that links an account to a patient's record: hand it over in person
    LinkCode {
        /// The patient's id
        patient: String,
        /// The API in which the id counts; without it, the first
        #[arg(long)]
        api: Option<String>,
        /// What the person is to the patient: `self`, or the basis on which they stand for the patient: `parent`,
        /// `guardian-of-minor`, `guardian`,
        /// `health-care-proxy`, `power-of-attorney`, `executor`, `court-order`, `other`
        #[arg(long, default_value = "self")]
        kind: String,
        /// The patient's name, as a representative will read it
        #[arg(long)]
        label: Option<String>,
        /// The paper that shows that they stand for the patient
        #[arg(long)]
        document: Option<String>,
        /// The patient's day of birth: the representation of a minor ends by itself at the age that the policy sets
        #[arg(long, value_name = "DAY")]
        born: Option<String>,
        /// For how many hours the code counts
        #[arg(long, default_value_t = 72)]
        hours: u32,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Add, change and disable people out of a CSV feed; who is disabled loses every session and token at once
    Import {
        /// The file, with the columns userName, displayName, email, externalId, roles, fhirUser, active
        #[arg(long, value_name = "FILE")]
        csv: PathBuf,
        /// The feed is complete: who came by an earlier one and is not in it is disabled
        #[arg(long)]
        complete: bool,
        #[command(flatten)]
        records: RecordsArgs,
    },
}

impl UserMore {
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn into_act(self) -> std::io::Result<(PeopleAct, RecordsArgs)> {
        Ok(match self {
            Self::Enable { name, records } => (PeopleAct::UserEnable { name }, records),
            Self::ForgetSecondFactor { name, records } => (PeopleAct::UserForgetSecondFactor { name }, records),
            Self::LinkCode { patient, api, kind, label, document, born, hours, records } => {
                (PeopleAct::UserLinkCode { patient, api, kind, label, document, born, hours }, records)
            }
            Self::Import { csv, complete, records } => {
                (PeopleAct::UserImport { csv: std::fs::read_to_string(csv)?, complete }, records)
            }
        })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientMore {
    /// Clients that registered themselves and wait for an approval
    Pending {
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Let one of them in
    Approve {
        /// The client id
        id: String,
        /// The organization that owns it
        #[arg(long)]
        organization: String,
        /// The role of a backend client, may be repeated
        #[arg(long = "role")]
        roles: Vec<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Do not
    Refuse {
        /// The client id
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Let a disabled client act again
    Enable {
        /// The client id
        id: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
}

impl ClientMore {
    pub(crate) fn into_act(self) -> (PeopleAct, RecordsArgs) {
        match self {
            Self::Pending { records } => (PeopleAct::ClientPending, records),
            Self::Approve { id, organization, roles, records } => {
                (PeopleAct::ClientApprove { id, organization, roles }, records)
            }
            Self::Refuse { id, reason, records } => (PeopleAct::ClientRefuse { id, reason }, records),
            Self::Enable { id, records } => (PeopleAct::ClientEnable { id }, records),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrganizationMore {
    /// Stop an organization: its clients' tokens are worth nothing any more
    Disable {
        /// Its id
        id: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Let it act again
    Enable {
        /// Its id
        id: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
}

impl OrganizationMore {
    pub(crate) fn into_act(self) -> (PeopleAct, RecordsArgs) {
        match self {
            Self::Disable { id, records } => (PeopleAct::OrganizationDisable { id }, records),
            Self::Enable { id, records } => (PeopleAct::OrganizationEnable { id }, records),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum EmergencyVerb {
    /// Make a sealed account; its secret is shown once, for the safe
    Seal {
        /// The name to sign in with
        name: String,
        /// The role, may be repeated
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// How it is called on pages
        #[arg(long)]
        display: Option<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Give it a new secret after a use
    Reseal {
        /// The name
        name: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Announce a drill: a use within the next hour is one
    Drill {
        /// The name
        name: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Say that a person has looked into a use
    Review {
        /// The use
        number: i64,
        /// What was found
        #[arg(long)]
        note: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// The sealed accounts and their uses
    List {
        #[command(flatten)]
        records: RecordsArgs,
    },
}

impl EmergencyVerb {
    pub(crate) fn into_act(self) -> (PeopleAct, RecordsArgs) {
        match self {
            Self::Seal { name, roles, display, records } => {
                (PeopleAct::EmergencySeal { name, roles, display }, records)
            }
            Self::Reseal { name, records } => (PeopleAct::EmergencyReseal { name }, records),
            Self::Drill { name, records } => (PeopleAct::EmergencyDrill { name }, records),
            Self::Review { number, note, records } => (PeopleAct::EmergencyReview { number, note }, records),
            Self::List { records } => (PeopleAct::EmergencyList, records),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    /// Whose access
    pub(crate) target: Target,
    /// The client's or organization's id, or the person's name
    pub(crate) id: String,
    /// Why; kept with the evidence
    #[arg(long)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

impl KillArgs {
    pub(crate) fn into_act(self) -> (PeopleAct, RecordsArgs) {
        let Self { target, id, reason, records } = self;
        (PeopleAct::Kill { target, id, reason }, records)
    }
}
