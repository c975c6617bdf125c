//! What an administrator may do to the records, as a value that crosses `admin.sock`.

use serde::{Deserialize, Serialize};

use super::exchange::ExchangeAct;
use super::filed::{FiledAct, LinkAct};
use super::people::PeopleAct;
use super::policy::{PolicyAct, Signed};

/// One act. The same handler serves the socket and the command that found no server running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Act {
    UserAdd {
        name: String,
        display: Option<String>,
        roles: Vec<String>,
        fhir_user: Option<String>,
        patient: Option<String>,
    },
    UserReset {
        name: String,
    },
    UserDisable {
        name: String,
    },
    UserList,
    ClientAdd {
        /// RFC 7591 metadata as JSON text.
        metadata: String,
        id: Option<String>,
        organization: Option<String>,
        roles: Vec<String>,
    },
    ClientRotate {
        id: String,
    },
    ClientDisable {
        id: String,
    },
    ClientList,
    OrganizationAdd {
        id: String,
        name: String,
        class: Option<String>,
        address: Option<String>,
    },
    OrganizationList,
    OrganizationVerify {
        id: String,
        /// The day on which it was verified.
        on: String,
        by: String,
    },
    OrganizationClassify {
        id: String,
        class: String,
    },
    OrganizationReference {
        id: String,
        reference: String,
    },
    AgreementAdd {
        id: String,
        organization: String,
        kind: String,
        from: String,
        until: Option<String>,
        purposes: Vec<String>,
        citation: Option<String>,
    },
    AgreementEnd {
        id: String,
        because: String,
    },
    AgreementList,
    /// Records about patients.
    Filed {
        act_on: FiledAct,
    },
    /// Identity links.
    Link {
        act_on: LinkAct,
    },
    RelationEnd {
        patient: String,
        practitioner: String,
        kind: String,
    },
    RelationAdd {
        patient: String,
        practitioner: String,
        kind: String,
        until: Option<String>,
    },
    RelationList,
    AlertList,
    AlertClose {
        number: i64,
        note: String,
    },
    /// The queue of access to be looked at.
    ReviewList {
        all: bool,
    },
    /// Signs one off.
    ReviewClose {
        number: i64,
        note: String,
        signed: Option<Signed>,
    },
    /// What the privacy officer should see of the last days.
    ReviewDigest {
        days: u32,
    },
    /// What observing saw: as a report, or as a draft of the least grants.
    Observed {
        draft: bool,
        api: Option<String>,
    },
    /// Says that the rules of an API hold for all, or for nobody yet, or what the configuration says; or asks.
    Mode {
        api: String,
        say: Option<String>,
        because: Option<String>,
    },
    /// The delivery queue.
    Exchange {
        act_on: ExchangeAct,
    },
    /// Change control of the policy.
    Policy {
        act_on: PolicyAct,
        signed: Option<Signed>,
    },
    /// About people, apps that wait, emergencies and misuse.
    People {
        what: PeopleAct,
    },
    /// Publishes a checkpoint over everything that is in the log now.
    LogFlush,
    /// Destroys keys of the log.
    LogShred {
        subject: LogSubject,
        reason: String,
    },
    /// Holds keys of the log against destruction.
    LogHold {
        subject: LogSubject,
        matter: String,
    },
    /// Ends a hold.
    LogLift {
        subject: LogSubject,
        matter: String,
    },
    /// Suspends what accountings tell of a recipient (164.528(a)(2)).
    LogSuspend {
        recipient: String,
        /// The last day; a day that is past ends it.
        until: String,
        /// The agency's statement, by its reference.
        statement: String,
    },
    /// Tries the emergency reserve out.
    LogDrill,
    /// Says in the log that a person has reviewed something, and what came of it.
    LogReview {
        /// `access`, `activity`, `break-glass`
        kind: String,
        /// First day that was reviewed.
        from: String,
        /// Last day.
        to: String,
        /// What was found; names no person.
        note: String,
    },
    /// Says in the log that somebody read it.
    LogRead {
        /// `search`, `export`, `accounting`
        what: String,
        /// Entries shown.
        shown: u64,
    },
}

impl Act {
    /// Why it is done on the machine of the house only, if it is. Over HTTP goes what is named here, and nothing else.
    pub(crate) const fn local_only(&self) -> Option<&'static str> {
        match self {
            Self::UserAdd { .. }
            | Self::UserReset { .. }
            | Self::UserDisable { .. }
            | Self::UserList
            | Self::ClientAdd { .. }
            | Self::ClientRotate { .. }
            | Self::ClientDisable { .. }
            | Self::ClientList
            | Self::OrganizationAdd { .. }
            | Self::OrganizationList
            | Self::AgreementAdd { .. }
            | Self::AgreementList
            | Self::RelationAdd { .. }
            | Self::RelationList
            | Self::AlertList
            | Self::AlertClose { .. }
            | Self::People { .. } => None,
            _ => Some("this act is done on the machine of the house only: use the command there"),
        }
    }

    /// Its name in the audit entry.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::UserAdd { .. } => "user-add",
            Self::UserReset { .. } => "user-reset",
            Self::UserDisable { .. } => "user-disable",
            Self::UserList => "user-list",
            Self::ClientAdd { .. } => "client-add",
            Self::ClientRotate { .. } => "client-rotate",
            Self::ClientDisable { .. } => "client-disable",
            Self::ClientList => "client-list",
            Self::OrganizationAdd { .. } => "organization-add",
            Self::OrganizationList => "organization-list",
            Self::AgreementAdd { .. } => "agreement-add",
            Self::AgreementEnd { .. } => "agreement-end",
            Self::AgreementList => "agreement-list",
            Self::OrganizationVerify { .. } => "organization-verify",
            Self::OrganizationClassify { .. } => "organization-classify",
            Self::OrganizationReference { .. } => "organization-reference",
            Self::Filed { act_on } => act_on.name(),
            Self::Link { act_on } => act_on.name(),
            Self::RelationEnd { .. } => "relation-end",
            Self::RelationAdd { .. } => "relation-add",
            Self::RelationList => "relation-list",
            Self::AlertList => "alert-list",
            Self::AlertClose { .. } => "alert-close",
            Self::ReviewList { .. } => "review-list",
            Self::ReviewClose { .. } => "review-close",
            Self::ReviewDigest { .. } => "review-digest",
            Self::Observed { .. } => "observed",
            Self::Mode { say: Some(_), .. } => "policy-mode",
            Self::Mode { say: None, .. } => "policy-modes",
            Self::Exchange { act_on } => act_on.name(),
            Self::Policy { .. } => "policy",
            Self::People { what } => what.name(),
            Self::LogFlush => "log-flush",
            Self::LogRead { .. } => "log-read",
            Self::LogDrill => "log-drill",
            Self::LogSuspend { .. } => "log-suspend",
            Self::LogReview { .. } => "log-review",
            Self::LogShred { .. } => "log-shred",
            Self::LogHold { .. } => "log-hold",
            Self::LogLift { .. } => "log-lift",
        }
    }
}

/// Whose sealed parts of the log an act is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogSubject {
    /// `2026-11`
    Month(String),
    /// An id, or `API/ID`.
    Patient(String),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Rows of a list, or one record.
    Done(serde_json::Value),
    /// Why not, with the mend.
    Refused(String),
}
