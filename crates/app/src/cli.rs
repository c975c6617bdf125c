//! The verbs of the command line, as clap reads them.

pub(crate) mod exchange;
pub(crate) mod filed;
mod people;
mod policy;
mod review;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::people::{ClientMore, EmergencyVerb, ExplainArgs, KillArgs, OrganizationMore, UserMore};
pub(crate) use self::policy::{ChangeArgs, PolicyVerb, SignArgs};
pub(crate) use self::review::ReviewVerb;

/// The secure bridge for healthcare data exchange.
#[derive(Debug, Parser)]
#[command(name = "bascule", version, about, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// A synthetic hospital, its EHR, portal and vendors, and the bridge: all in one process
    Demo(DemoArgs),
    /// The bridge in front of your systems
    Serve(ConfigArgs),
    /// Every fault of the configuration at once, each with its line and its mend
    Check(CheckArgs),
    /// Who can see a field; why something is refused; what a change opens
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Verify, search and export the audit log
    #[command(subcommand)]
    Audit(AuditVerb),
    /// A witness of other houses' audit logs: cosigns what only grew, refuses a second history
    Witness(WitnessArgs),
    /// The embedded FHIR R4 server alone
    Ehr(EhrArgs),
    /// People who sign in
    #[command(subcommand)]
    User(UserVerb),
    /// OAuth clients: apps and systems
    #[command(subcommand)]
    Client(ClientVerb),
    /// Who is on the other side
    #[command(subcommand)]
    Organization(OrganizationVerb),
    /// What was agreed with them
    #[command(subcommand)]
    Agreement(AgreementVerb),
    /// What patients permitted or refused
    #[command(subcommand)]
    Consent(filed::ConsentVerb),
    /// What a patient was granted to keep back
    #[command(subcommand)]
    Restriction(filed::RestrictionVerb),
    /// What patients signed
    #[command(subcommand)]
    Authorization(filed::AuthorizationVerb),
    /// Who stands for a patient
    #[command(subcommand)]
    Representation(filed::RepresentationVerb),
    /// What a professional withholds from a patient for a while
    #[command(subcommand)]
    Hold(filed::HoldVerb),
    /// Which ids of which APIs are the same person
    #[command(subcommand)]
    Link(filed::LinkVerb),
    /// Who cares for whom
    #[command(subcommand)]
    Relation(RelationVerb),
    /// Messages of partners (HL7 v2) on their way into the chart
    #[command(subcommand)]
    Exchange(exchange::ExchangeVerb),
    /// Sealed accounts that work while everything else is down
    #[command(subcommand)]
    Emergency(EmergencyVerb),
    /// End every token and session of a client, user or organization at once, and keep the evidence
    Kill(KillArgs),
    /// What was kept as evidence
    Preserved(RecordsArgs),
    /// What needs a person's eye
    #[command(subcommand)]
    Alert(AlertVerb),
    /// Access that somebody must look at afterwards: emergency access, patients without a relation
    #[command(subcommand)]
    Review(ReviewVerb),
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DemoArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<DemoVerb>,
    #[command(flatten)]
    pub(crate) run: DemoRun,
}

#[derive(Debug, Args)]
pub(crate) struct DemoRun {
    /// Where the demo keeps everything
    #[arg(long, value_name = "DIR", default_value = "bascule-demo")]
    pub(crate) data: PathBuf,
    /// Start over: removes an earlier demo in the data folder
    #[arg(long)]
    pub(crate) fresh: bool,
    /// How many synthetic patients to make (0 to 100000)
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) patients: u32,
    /// The seed of the synthetic hospital: the same seed gives the same bytes
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// FHIR JSON, NDJSON or Bundles to load, also gzipped; a file or a folder; may be repeated
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) load: Vec<PathBuf>,
    /// Port of the bridge on 127.0.0.1
    #[arg(long, default_value_t = 8443)]
    pub(crate) port: u16,
    /// Port of the portal on 127.0.0.1
    #[arg(long, default_value_t = 8444)]
    pub(crate) portal_port: u16,
    /// Port on 127.0.0.1 to which the laboratory sends HL7 v2 over MLLP; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) mllp_port: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoVerb {
    /// Print an access token of one of the demo's backend clients
    Token {
        /// `scheduler-app`, `auditor-counts`, …
        client: String,
        /// Where the demo keeps everything
        #[arg(long, value_name = "DIR", default_value = "bascule-demo")]
        data: PathBuf,
        /// Scopes to ask for; without it, all that the client is registered for
        #[arg(long)]
        scope: Option<String>,
        /// Whose record to open, of those that the person may choose
        #[arg(long)]
        patient: Option<String>,
    },
    /// Write the synthetic hospital as NDJSON, one file a type
    Data {
        /// How many patients
        #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        patients: u32,
        /// The seed
        #[arg(long, value_name = "S", default_value_t = 1)]
        seed: u64,
        /// Where to write
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "bascule.toml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct WitnessArgs {
    /// The witness's configuration; SIGHUP reads its list of logs again
    #[arg(long, value_name = "FILE", default_value = "witness.toml")]
    pub(crate) config: PathBuf,
    /// Show the requests that it refused because they contradict what it cosigned, and end
    #[arg(long)]
    pub(crate) evidence: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Print the faults as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EhrArgs {
    /// The SQLite file
    #[arg(long, value_name = "FILE", default_value = "ehr.db")]
    pub(crate) file: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: std::net::SocketAddr,
    /// Serve without authentication; loopback only
    #[arg(long, conflicts_with = "bearer_file")]
    pub(crate) open: bool,
    /// A file holding the bearer token that callers must present
    #[arg(long, value_name = "FILE", required_unless_present = "open")]
    pub(crate) bearer_file: Option<PathBuf>,
    /// Take data as it is in the world: store what is not valid R4 as well
    #[arg(long)]
    pub(crate) lenient: bool,
    /// What to load first
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) load: Vec<PathBuf>,
    /// Build the search index when all is loaded, not as it is: faster for much at once
    #[arg(long, requires = "load")]
    pub(crate) index_afterwards: bool,
}

/// Where the records are: a running server's `admin.sock`, or the data folder itself if none runs.
#[derive(Debug, Args)]
pub(crate) struct RecordsArgs {
    /// The configuration of the house; without it, `bascule.toml` here, or the demo's in `bascule-demo/`
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// A server elsewhere, by its address; then the token of an administrator is needed, out of `BASCULE_TOKEN` or a file
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) server: Option<String>,
    /// The file with that token
    #[arg(long, value_name = "FILE", global = true, requires = "server")]
    pub(crate) token_file: Option<PathBuf>,
    /// The authority of that server's certificate, if the system does not know it
    #[arg(long, value_name = "FILE", global = true, requires = "server")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// A log folder (`…/audit/<node>/<year>q<n>`); without it, every log of the configured house
    #[arg(value_name = "LOGDIR")]
    pub(crate) log: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

/// How an entry ended (DICOM and FHIR outcome codes 0, 4, 8, 12).
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum OutcomeArg {
    Success,
    Minor,
    Serious,
    Major,
}

/// What a person has reviewed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum ReviewKind {
    /// Who may do what, 164.308(a)(4)(ii)(C)
    Access,
    /// What was done, 164.308(a)(1)(ii)(D)
    Activity,
    /// What was done in emergencies
    BreakGlass,
}

impl ReviewKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Activity => "activity",
            Self::BreakGlass => "break-glass",
        }
    }
}

/// Whose sealed parts.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SubjectArgs {
    /// A month, `YYYY-MM` (UTC)
    #[arg(long)]
    pub(crate) month: Option<String>,
    /// A patient's id; in the first API, or as `API/ID`
    #[arg(long)]
    pub(crate) patient: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Check tree, signatures and every entry; needs no server and no key
    Verify {
        #[command(flatten)]
        log: LogArgs,
        /// A checkpoint kept from earlier: proves that nothing was rewritten since
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
        /// The log's public key, from outside the log folder
        #[arg(long, value_name = "FILE|VKEY")]
        vkey: Option<String>,
        /// A witness's public key, may be repeated
        #[arg(long = "witness", value_name = "FILE|VKEY")]
        witnesses: Vec<String>,
        /// How many of the witnesses must have cosigned
        #[arg(long, value_name = "N", default_value_t = 0, requires = "witnesses")]
        quorum: u8,
    },
    /// Entries, by request id, client, outcome; each hit proved against the log
    Search {
        #[command(flatten)]
        records: RecordsArgs,
        /// The correlation id of a request
        #[arg(long)]
        request: Option<String>,
        /// A patient's id, opened with the house's keys
        #[arg(long)]
        patient: Option<String>,
        /// A client's id
        #[arg(long)]
        client: Option<String>,
        /// A user's id
        #[arg(long)]
        user: Option<String>,
        /// First day, `YYYY-MM-DD` (UTC)
        #[arg(long, value_name = "DAY", conflicts_with = "request")]
        from: Option<String>,
        /// Last day, `YYYY-MM-DD` (UTC)
        #[arg(long, value_name = "DAY", conflicts_with = "request")]
        until: Option<String>,
        /// How it ended: done, the caller's fault, the bridge's or upstream's fault, could not go on
        #[arg(long, conflicts_with = "request")]
        outcome: Option<OutcomeArg>,
        /// At most this many (1 to 10000)
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// FHIR AuditEvent NDJSON into a file, or syslog over TLS; goes on from a cursor
    Export {
        #[command(flatten)]
        records: RecordsArgs,
        /// Go on from this cursor, as an earlier export printed it: `ORIGIN INDEX`
        #[arg(long, value_name = "CURSOR")]
        from: Option<String>,
        /// Where to write; the cursor to go on from is printed
        #[arg(long, value_name = "FILE", required_unless_present = "syslog")]
        out: Option<PathBuf>,
        /// Send to the receiver of `[audit] syslog` instead: DICOM audit messages as syslog over TLS (RFC 5424, RFC 5425)
        #[arg(long, conflicts_with = "out")]
        syslog: bool,
    },
    /// Accounting of disclosures of a patient (45 CFR 164.528)
    Disclosures {
        /// The patient's id
        patient: String,
        /// CSV instead of a table
        #[arg(long)]
        csv: bool,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// What an auditor asks for, of a span of days, as a folder that is readable without Bascule
    Evidence {
        /// First day, `YYYY-MM-DD` (UTC)
        #[arg(long, value_name = "DAY")]
        from: String,
        /// Last day, `YYYY-MM-DD` (UTC)
        #[arg(long, value_name = "DAY")]
        to: String,
        /// A new or empty folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Suspend what accountings of disclosures tell of an agency (45 CFR 164.528(a)(2))
    Suspend {
        /// The agency, as organizations are named
        #[arg(long)]
        recipient: String,
        /// The last day, `YYYY-MM-DD`; a day that is past ends a suspension
        #[arg(long, value_name = "DAY")]
        until: String,
        /// The agency's statement, by its reference; 30 days at most without one in writing
        #[arg(long)]
        statement: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Try the emergency reserve out: write, sync, read back; the log tells of it, and the evidence pack
    Drill {
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Sign off a review of accesses, activity or broken glass; the log tells of it, and the evidence pack
    Review {
        /// What was reviewed
        kind: ReviewKind,
        /// First day that was reviewed, `YYYY-MM-DD`
        #[arg(long, value_name = "DAY")]
        from: String,
        /// Last day, `YYYY-MM-DD`
        #[arg(long, value_name = "DAY")]
        to: String,
        /// What was found; stands in the log in clear, so name no person
        #[arg(long)]
        note: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Destroy the keys of a month or a patient: what they sealed can never be opened again, the log still verifies
    Shred {
        #[command(flatten)]
        subject: SubjectArgs,
        /// Why; stands in the log in clear, so name no person
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Legal hold: nothing about a month or a patient may be destroyed
    Hold {
        #[command(flatten)]
        subject: SubjectArgs,
        /// The matter; stands in the log in clear, so name no person
        #[arg(long)]
        matter: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// End a legal hold
    Lift {
        #[command(flatten)]
        subject: SubjectArgs,
        /// The matter, as the hold named it
        #[arg(long)]
        matter: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Proves what an `Audit-Receipt` header says
    Receipt {
        /// `ORIGIN INDEX LEAF-HASH`
        receipt: String,
        #[command(flatten)]
        log: LogArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserVerb {
    /// Add a person; the password is made and shown once
    Add {
        /// The name to sign in with
        name: String,
        /// The role, may be repeated
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// The person's own resource, e.g. `Patient/p1` or `Practitioner/d1`
        #[arg(long)]
        fhir_user: Option<String>,
        /// The patient record that this person is
        #[arg(long)]
        patient: Option<String>,
        /// How the person is called on pages
        #[arg(long)]
        display: Option<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// What a provider's claims mean here: a dry run over a file of claims, which changes nothing
    Explain(ExplainArgs),
    /// Make a new password and show it once
    Reset {
        /// The name
        name: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// End every session and token, and let nobody in under this name
    Disable {
        /// The name
        name: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Everybody
    List {
        #[command(flatten)]
        records: RecordsArgs,
    },
    #[command(flatten)]
    More(UserMore),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientVerb {
    /// Add a client from RFC 7591 metadata as JSON; a secret, if it has one, is shown once
    Add {
        /// The metadata (`-` is standard input)
        file: PathBuf,
        /// The client id; without it, one is made
        #[arg(long)]
        id: Option<String>,
        /// The organization that owns it
        #[arg(long)]
        organization: Option<String>,
        /// The role of a backend client, may be repeated
        #[arg(long = "role")]
        roles: Vec<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Make a new secret and show it once
    Rotate {
        /// The client id
        id: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// End every token and let it in no more
    Disable {
        /// The client id
        id: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Every client
    List {
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// The public half of a key of the bridge's own, as a JWK set: to register the bridge as a client elsewhere
    Key {
        /// The private key, as a configuration names it after `file:`
        file: PathBuf,
    },
    #[command(flatten)]
    More(ClientMore),
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrganizationVerb {
    /// Add an organization
    Add {
        /// Bascule's id for it
        id: String,
        /// Its name
        #[arg(long)]
        name: String,
        /// Its class: `workforce`, `treating-provider`, `business-associate`, `patient-app`, …
        #[arg(long)]
        class: Option<String>,
        /// Its postal address
        #[arg(long)]
        address: Option<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Somebody verified, on a day, that it is what its class says
    Verify {
        /// The organization
        id: String,
        /// The day, `YYYY-MM-DD`
        #[arg(long, value_name = "DAY")]
        on: String,
        /// Who looked, and at what: `NPI registry, by J. Roe`
        #[arg(long)]
        by: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Give it a class; whatever was verified of another class counts no more
    Classify {
        /// The organization
        id: String,
        /// `workforce`, `patient-app`, `treating-provider`, `payer`, `business-associate`, `public-authority`, `researcher`
        #[arg(long)]
        class: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Say how the chart names it, so that a Consent which names it so is understood
    Reference {
        /// The organization
        id: String,
        /// `Organization/77`, or an identifier as `system|value`
        #[arg(long)]
        reference: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Every organization
    List {
        #[command(flatten)]
        records: RecordsArgs,
    },
    #[command(flatten)]
    More(OrganizationMore),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgreementVerb {
    /// Add an agreement
    Add {
        /// Bascule's id for it
        id: String,
        /// With whom
        #[arg(long)]
        organization: String,
        /// `baa`, `data-use`, `required-by-law`, `expert-determination` (45 CFR 164.514(b)(1)) or `none-needed`
        #[arg(long)]
        kind: String,
        /// First day in force, `YYYY-MM-DD`
        #[arg(long)]
        from: String,
        /// Last day in force; without it, until terminated
        #[arg(long)]
        until: Option<String>,
        /// Permitted purpose of use, may be repeated
        #[arg(long = "purpose")]
        purposes: Vec<String>,
        /// The law, for `required-by-law`
        #[arg(long)]
        citation: Option<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// End an agreement now, for cause: every token under it stops on the next request
    End {
        /// The agreement
        id: String,
        /// Why (164.504(e)(1)(ii))
        #[arg(long)]
        because: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Every agreement
    List {
        #[command(flatten)]
        records: RecordsArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RelationVerb {
    /// Add a relation
    Add {
        /// The patient: `API/ID`, or `ID` in the first API
        #[arg(long)]
        patient: String,
        /// The practitioner's id
        #[arg(long)]
        practitioner: String,
        /// `care-team`, `encounter`, `appointment`, `order`
        #[arg(long)]
        kind: String,
        /// Last day, `YYYY-MM-DD`
        #[arg(long)]
        until: Option<String>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// End a relation now
    End {
        /// The patient: `API/ID`, or `ID` in the first API
        #[arg(long)]
        patient: String,
        /// The practitioner's id
        #[arg(long)]
        practitioner: String,
        /// `care-team`, `encounter`, `appointment`, `order`
        #[arg(long)]
        kind: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Every relation
    List {
        #[command(flatten)]
        records: RecordsArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AlertVerb {
    /// The queue
    List {
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Say that a person has looked at it
    Close {
        /// The alert
        id: i64,
        /// What was found
        #[arg(long)]
        note: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
}
