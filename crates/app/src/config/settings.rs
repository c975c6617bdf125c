//! The settings of a house, typed: what `bascule.toml` says once every fault is mended.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use bascule_crypto::Secret;
use bascule_ledger::VerifierKey;
use bascule_policy::ApiKind;
use bascule_store::log::Durability;

/// Everything that `bascule.toml` says.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) listen: Listen,
    /// Folder of the store; also holds `admin.sock` and the lock of the house.
    pub(crate) store: PathBuf,
    pub(crate) audit: Audit,
    /// Folder of the policy files.
    pub(crate) policy: PathBuf,
    /// What the client's door is told.
    pub(crate) gateway: bascule_gateway::Settings,
    /// What people call each API and who answers for it, in the order of `gateway.apis`.
    pub(crate) named: Vec<Named>,
    /// Other providers as the login.
    pub(crate) providers: Vec<bascule_gateway::smart::federation::ProviderSettings>,
    /// The UDAP community that the house is a member of.
    pub(crate) udap: Option<bascule_gateway::smart::UdapSettings>,
    /// Who sends HL7 v2 messages.
    pub(crate) partners: Vec<super::PartnerSettings>,
    /// How people prove themselves, and how often anything may be tried.
    pub(crate) sign_in: super::SignIn,
    /// Settings under `[dangerous]` that are on, each in words; repeated at every start.
    pub(crate) dangerous: Vec<&'static str>,
    pub(crate) head_bytes_max: u64,
    pub(crate) head_timeout_ms: u64,
    pub(crate) connections_max: u64,
}

impl Settings {
    /// The names by which rules may name the APIs of this house, and what each speaks.
    pub(crate) fn api_names(&self) -> BTreeMap<String, ApiKind> {
        let own = std::iter::once((bascule_gateway::AUDIT_API.to_owned(), ApiKind::Fhir));
        self.gateway.apis.iter().map(|entry| (entry.api.name.clone(), entry.api.kind)).chain(own).collect()
    }
}

/// An API among people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named {
    /// Who answers for it.
    pub(crate) owner: Option<String>,
    /// What a person who lets an app in should call it.
    pub(crate) title: Option<String>,
}

/// `[listen]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listen {
    pub(crate) https: SocketAddr,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: Option<PathBuf>,
    /// Whether clients may show certificates of no authority.
    pub(crate) self_signed_clients: bool,
    /// A second listener that asks for certificates, so that browsers at the first are never asked.
    pub(crate) mtls: Option<MutualTlsListen>,
}

/// `[listen.mtls]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MutualTlsListen {
    pub(crate) https: SocketAddr,
    pub(crate) public_url: url::Url,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) self_signed: bool,
}

/// `[audit]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Audit {
    pub(crate) folder: PathBuf,
    pub(crate) node: String,
    pub(crate) origin: String,
    pub(crate) lock: PathBuf,
    /// Days after a quarter's end after which its log's signing key goes even without a witness.
    pub(crate) grace_days: u32,
    /// Years for which the keys of sealed parts are kept after the entry.
    pub(crate) retention_years: u32,
    /// What an answer waits for.
    pub(crate) durability: Durability,
    /// Who cosigns the log's checkpoints.
    pub(crate) witnesses: Vec<Witness>,
    /// How often they are asked, in seconds; also how much of the log's growth a witness can see.
    pub(crate) witness_interval_seconds: u32,
    /// What happens to clinical care while the log cannot be written (45 CFR 164.312(a)(2)(ii)). `None`: nobody has decided,
    /// which is accepted only where no API is clinical.
    pub(crate) emergency: Option<Emergency>,
    /// Whether checkpoints and tiles are shown to everybody below `/audit/log/`.
    pub(crate) publish: bool,
    /// Whether patients see who of the staff has looked by name; else by role.
    pub(crate) staff_by_name: bool,
    /// Where the log is sent as syslog, as it grows.
    pub(crate) syslog: Option<Syslog>,
}

/// A receiver of syslog over TLS.
#[derive(Debug, Clone)]
pub(crate) struct Syslog {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// PEM of the only authorities to trust; `None` trusts the operating system's.
    pub(crate) ca_pem: Option<String>,
    /// PEM certificate and key that the bridge shows (RFC 5425 asks for mutual authentication).
    pub(crate) identity: Option<(String, Secret)>,
}

impl PartialEq for Syslog {
    fn eq(&self, other: &Self) -> bool {
        let shown = |one: &Self| one.identity.as_ref().map(|(certificate, _)| certificate.clone());
        (&self.host, self.port, &self.ca_pem, shown(self)) == (&other.host, other.port, &other.ca_pem, shown(other))
    }
}

impl Eq for Syslog {}

/// A witness of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Witness {
    /// Its submission prefix; `/add-checkpoint` follows.
    pub(crate) url: url::Url,
    /// Its public key, from the witness itself.
    pub(crate) key: VerifierKey,
    /// PEM of the only authorities to trust; `None` trusts the operating system's.
    pub(crate) ca_pem: Option<String>,
}

/// What happens to clinical care while the log cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Emergency {
    /// 503, like everything else.
    Deny,
    /// It goes on, recorded in a reserve of bounded size.
    Reserve {
        /// The reserve: beside, never in, the data folder; best on another disk.
        file: PathBuf,
        /// How long it should last.
        hours: u32,
        /// How many accesses an hour it is sized for.
        accesses_per_hour: u32,
    },
}
