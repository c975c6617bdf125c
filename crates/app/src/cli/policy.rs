//! The verbs of `bascule policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RecordsArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Every role and condition that reaches an element, e.g. `Observation.valueQuantity`
    WhoMay {
        /// `Type.path`; of an API that does not speak FHIR `API:NAME`, e.g. `visits:patient.name`, `pacs:PatientBirthDate`, `adt:PID-5`
        element: String,
        /// A security label that the resource bears, `system|code` or a known code, e.g. `SUD`
        #[arg(long)]
        label: Option<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Exactly what opens and closes between two policies
    Diff {
        /// A policy folder, the hash of a policy that was in force (or its beginning), or a day: what was in force then
        old: String,
        /// The same; without it, the policy in force
        new: Option<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// What a role may do with a request, without an upstream and with nothing on file
    Simulate {
        /// As it is asked: `GET Observation?code=x`; of other kinds of API `GET /visits/{id}?from=x`, `query?StudyDate=x`, `receives ADT^A08`
        request: String,
        /// A role; several are joined
        #[arg(long, required = true)]
        role: Vec<String>,
        /// The scopes of the token
        #[arg(long, default_value = "user/*.cruds")]
        scope: String,
        /// The API
        #[arg(long, default_value = "ehr")]
        api: String,
        /// What the API speaks: `fhir`, `rest`, `dicomweb`, `hl7v2`
        #[arg(long, default_value = "fhir")]
        kind: String,
        /// The patient in context
        #[arg(long)]
        patient: Option<String>,
        /// The purpose of use that is asserted
        #[arg(long)]
        purpose: Option<String>,
        /// The recipient's class
        #[arg(long, default_value = "workforce")]
        class: String,
        /// Somebody verified that the recipient is of its class
        #[arg(long)]
        verified: bool,
        /// The agreement that the class needs is missing
        #[arg(long)]
        no_agreement: bool,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Why a request of the log was decided so, or what would be decided of one that is only imagined
    Explain {
        /// A request's id (`X-Request-Id`), or a request: `GET Observation?code=x`
        request: String,
        /// A role for an imagined request; several are joined
        #[arg(long)]
        role: Vec<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// What enforcing would have done to the requests of observed APIs; exit code 1 if it would have changed any
    ObserveReport {
        /// Only of this API
        #[arg(long)]
        api: Option<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// The least grants that would have served the requests of observed APIs, as a policy file to be reviewed
    Draft {
        /// Only of this API
        #[arg(long)]
        api: Option<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Take a canary back (`observe`), end observing (`enforce`), or let the configuration speak again (`configured`), from
    /// the next request on; without a word, what was said
    Mode {
        /// The API
        api: String,
        /// `enforce`, `observe` or `configured`
        say: Option<String>,
        /// Why
        #[arg(long)]
        because: Option<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// The policy in force: its hash, since when, by whom, what waits
    Status {
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// What a role may do, with the reason of each grant; without a role, all of them
    Show {
        /// The role
        role: Option<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Propose a policy folder; another person approves it. In an emergency it acts at once
    Apply {
        /// The policy folder
        folder: PathBuf,
        /// It cannot wait for another person; one must review it within 24 hours
        #[arg(long)]
        emergency: bool,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Propose a policy folder for later
    Schedule {
        /// The policy folder
        folder: PathBuf,
        /// The day, `YYYY-MM-DD` (its beginning in UTC), or the instant, `2027-01-31T06:00:00Z`
        #[arg(long, value_name = "DAY|INSTANT")]
        from: String,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Propose to go back to the policy before. In an emergency it acts at once
    Rollback {
        /// It cannot wait for another person; one must review it within 24 hours
        #[arg(long)]
        emergency: bool,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Approve what another person proposed: it acts now, or when it was scheduled for
    Approve {
        /// Number of the change
        number: i64,
        #[command(flatten)]
        sign: SignArgs,
    },
    /// Take back a change that waits
    Withdraw {
        /// Number of the change
        number: i64,
        #[command(flatten)]
        sign: SignArgs,
    },
    /// Say that another person has looked at a change that acted without approval
    Review {
        /// Number of the change
        number: i64,
        /// What was found
        #[arg(long)]
        note: String,
        #[command(flatten)]
        sign: SignArgs,
    },
    /// Every change of the policy: who, why, when, approved and reviewed by whom
    Changes {
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// The whole table: every role and what it reaches
    Table {
        #[command(flatten)]
        records: RecordsArgs,
    },
}

/// Who changes the policy and why.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// Why; stands in the log in clear, so name no patient
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) sign: SignArgs,
}

/// Who acts. The password is asked for at a terminal.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// The name that you sign in with
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) login: String,
    /// A file that holds the password; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// The one-time password, if you use one
    #[arg(long, value_name = "DIGITS")]
    pub(crate) code: Option<String>,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}
