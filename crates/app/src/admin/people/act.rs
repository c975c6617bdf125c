//! What an administrator may do about people, apps that wait, emergencies and misuse, as values that cross `admin.sock`.

use serde::{Deserialize, Serialize};

/// Whose access is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    Client,
    User,
    Organization,
}

impl Target {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::User => "user",
            Self::Organization => "organization",
        }
    }
}

/// One act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "people", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum PeopleAct {
    /// Lets a disabled user in again.
    UserEnable { name: String },
    /// Removes passkeys and one-time passwords, after a loss.
    UserForgetSecondFactor { name: String },
    /// Makes a code on paper that links an account to a record.
    UserLinkCode {
        patient: String,
        api: Option<String>,
        kind: String,
        label: Option<String>,
        /// The paper that shows that somebody stands for the patient.
        document: Option<String>,
        /// The patient's day of birth.
        born: Option<String>,
        hours: u32,
    },
    /// People out of a CSV text; `complete` disables those of an earlier feed who are not in it.
    UserImport { csv: String, complete: bool },
    /// Clients that registered themselves and wait.
    ClientPending,
    /// Lets one of them in, as a client of an organization.
    ClientApprove { id: String, organization: String, roles: Vec<String> },
    /// Does not.
    ClientRefuse { id: String, reason: String },
    /// Lets a disabled client act again.
    ClientEnable { id: String },
    /// Stops an organization: none of its clients' tokens is worth anything any more.
    OrganizationDisable { id: String },
    /// Lets it act again.
    OrganizationEnable { id: String },
    /// Makes a sealed emergency account.
    EmergencySeal { name: String, roles: Vec<String>, display: Option<String> },
    /// Gives it a new secret after a use.
    EmergencyReseal { name: String },
    /// Announces a drill.
    EmergencyDrill { name: String },
    /// Somebody looked into a use.
    EmergencyReview { number: i64, note: String },
    /// The sealed accounts and their uses.
    EmergencyList,
    /// Ends every token and session at once and keeps the evidence.
    Kill { target: Target, id: String, reason: String },
    /// What is kept as evidence.
    Preserved,
}

impl PeopleAct {
    /// Its name in the audit entry.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::UserEnable { .. } => "user-enable",
            Self::UserForgetSecondFactor { .. } => "user-forget-second-factor",
            Self::UserLinkCode { .. } => "user-link-code",
            Self::UserImport { .. } => "user-import",
            Self::ClientPending => "client-pending",
            Self::ClientApprove { .. } => "client-approve",
            Self::ClientRefuse { .. } => "client-refuse",
            Self::ClientEnable { .. } => "client-enable",
            Self::OrganizationDisable { .. } => "organization-disable",
            Self::OrganizationEnable { .. } => "organization-enable",
            Self::EmergencySeal { .. } => "emergency-seal",
            Self::EmergencyReseal { .. } => "emergency-reseal",
            Self::EmergencyDrill { .. } => "emergency-drill",
            Self::EmergencyReview { .. } => "emergency-review",
            Self::EmergencyList => "emergency-list",
            Self::Kill { .. } => "kill",
            Self::Preserved => "preserved",
        }
    }
}
