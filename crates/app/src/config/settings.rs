//! The settings of a house, typed: what `bascule.toml` says once every fault is mended.

use std::net::SocketAddr;
use std::path::PathBuf;

use bascule_crypto::Secret;
use bascule_policy::Api;

/// Everything that `bascule.toml` says.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) listen: Listen,
    /// Folder of the store; also holds `admin.sock` and the lock of the house.
    pub(crate) store: PathBuf,
    pub(crate) audit: Audit,
    /// Folder of the policy files.
    pub(crate) policy: PathBuf,
    pub(crate) apis: Vec<ApiEntry>,
    pub(crate) limits: Limits,
}

/// `[listen]`
#[derive(Debug, Clone)]
pub(crate) struct Listen {
    pub(crate) https: SocketAddr,
    /// Without a slash at the end.
    pub(crate) public_url: String,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: Option<PathBuf>,
}

/// `[audit]`
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    pub(crate) folder: PathBuf,
    pub(crate) node: String,
    pub(crate) origin: String,
    pub(crate) lock: PathBuf,
}

/// `[[api]]`
#[derive(Debug, Clone)]
pub(crate) struct ApiEntry {
    pub(crate) api: Api,
    /// Below the public URL, with the slash in front.
    pub(crate) path: String,
    pub(crate) owner: Option<String>,
    pub(crate) upstream: Upstream,
}

/// `upstream = { … }`
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    /// Without a slash at the end.
    pub(crate) url: String,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) credential: Credential,
}

/// What the bridge shows to the upstream.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// `Authorization: Bearer …`
    Bearer(Secret),
    /// `Authorization: Basic …`, as `user:password`
    Basic(Secret),
    /// Nothing: said by the word `"none"`, never by leaving it out.
    Open,
}

/// `[limits]`, each with its unit in its name.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) head_bytes_max: u64,
    pub(crate) request_bytes_max: u64,
    pub(crate) hold_bytes_max: u64,
    pub(crate) resource_bytes_max: u64,
    pub(crate) stream_bytes_max: u64,
    pub(crate) requests_in_flight_max: u64,
    pub(crate) connections_max: u64,
    pub(crate) head_timeout_ms: u64,
    pub(crate) upstream_timeout_ms: u64,
}
