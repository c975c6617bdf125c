//! The settings of a house, typed: what `bascule.toml` says once every fault is mended.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

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
    pub(crate) head_bytes_max: u64,
    pub(crate) head_timeout_ms: u64,
    pub(crate) connections_max: u64,
}

impl Settings {
    /// The names by which rules may name the APIs of this house.
    pub(crate) fn api_names(&self) -> BTreeSet<String> {
        self.gateway.apis.iter().map(|entry| entry.api.name.clone()).collect()
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
}
