//! What the endpoints share: the shelf, what the server says of itself, the clock, the log, the limits.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bascule_crypto::digest::Sha256;
use bascule_crypto::digest::sha256;
use bascule_fhir::Timestamp;
use bascule_smart::{Refusal, Server, SmartEvent};
use bascule_store::Store;
use bascule_wire::{Peer, TlsError};
use http::HeaderMap;
use http::request::Parts;
use moka::sync::Cache;
use serde_json::Value;
use url::Url;

use super::federation::{ProviderSettings, Providers};
use super::passkeys::Passkeys;
use super::respond::Failure;
use super::throttle::Throttles;
use super::udap::UdapSettings;

/// Bytes of a `User-Agent` that are kept.
const USER_AGENT_BYTES_MAX: usize = 256;

/// Who is at the other end, for the sealed part of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// The network address, without the port.
    pub address: String,
    /// The `User-Agent`, cut.
    pub user_agent: String,
    /// SHA-256 of the client certificate of the connection.
    pub certificate: Option<Sha256>,
    /// The certificate itself, in DER.
    pub certificate_der: Option<Vec<u8>>,
    /// Whether its chain leads to an authority of the listener.
    pub certificate_verified: bool,
}

impl Caller {
    /// Of a request's head. Without a [`Peer`] in its extensions the address is unknown, and all such callers share
    /// one bucket of every rate limit.
    #[must_use]
    pub fn of(parts: &Parts) -> Self {
        let peer = parts.extensions.get::<Peer>();
        let user_agent = header(&parts.headers, "user-agent").unwrap_or_default();
        let end = user_agent.floor_char_boundary(USER_AGENT_BYTES_MAX);
        Self {
            address: peer.map_or_else(|| "unknown".to_owned(), |peer| peer.address.ip().to_string()),
            user_agent: user_agent.split_at(end).0.to_owned(),
            certificate: peer.and_then(|peer| peer.certificate.as_ref()).map(|certificate| sha256(certificate)),
            certificate_der: peer.and_then(|peer| peer.certificate.as_ref()).map(|one| one.as_ref().to_vec()),
            certificate_verified: peer.is_some_and(|peer| peer.verified),
        }
    }
}

/// A header's value, if it is there once and is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// A future that can be sent between threads.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Keeps an event, durably. An error stops the answer.
pub type Record = Arc<dyn Fn(SmartEvent, Caller) -> Boxed<Result<(), String>> + Send + Sync>;

/// A key set that was fetched, and for how long it may be kept.
#[derive(Debug, Clone)]
pub struct FetchedKeys {
    /// The JWK set.
    pub keys: Value,
    /// From `Cache-Control: max-age`; `None` if nothing was said.
    pub max_age_seconds: Option<u64>,
}

/// Fetches a client's registered `jwks_uri`.
pub type FetchKeys = Arc<dyn Fn(String) -> Boxed<Result<FetchedKeys, String>> + Send + Sync>;

/// How often things may be tried, each per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmartLimits {
    /// Sign-ins with one login from one address.
    pub sign_ins_per_minute: u32,
    /// Sign-ins from one address.
    pub address_sign_ins_per_minute: u32,
    /// Token, introspection, revocation and push requests of one client from one address.
    pub client_requests_per_minute: u32,
    /// Refused client authentications from one address.
    pub client_failures_per_minute: u32,
    /// Authorization requests from one address.
    pub authorizations_per_minute: u32,
    /// Token requests for one person.
    pub user_tokens_per_minute: u32,
}

impl Default for SmartLimits {
    fn default() -> Self {
        Self {
            sign_ins_per_minute: 8,
            address_sign_ins_per_minute: 120,
            client_requests_per_minute: 1_200,
            client_failures_per_minute: 30,
            authorizations_per_minute: 300,
            user_tokens_per_minute: 120,
        }
    }
}

/// What the endpoints share. Cheap to clone.
#[derive(Clone)]
pub struct SmartState(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    store: Arc<Store>,
    server: Server,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    record: Record,
    fetch_keys: FetchKeys,
    throttles: Arc<Throttles>,
    providers: OnceLock<Providers>,
    udap: OnceLock<UdapSettings>,
    passkeys: Option<Passkeys>,
    keys: Cache<String, Arc<super::keys::CachedKeys>>,
    majority_years: OnceLock<MajorityYears>,
}

/// The birthday on which a minor comes of age, in years, as the policy in force sets it.
pub type MajorityYears = Arc<dyn Fn() -> u8 + Send + Sync>;

/// Where nobody said.
const MAJORITY_YEARS: u8 = 18;

/// Client key sets that are kept.
const KEY_SETS_MAX: u64 = 1_000;

impl SmartState {
    /// `now` is the gateway's clock, `record` its log, `fetch_keys` its way out to registered `jwks_uri`s.
    pub fn new(
        store: Arc<Store>,
        server: Server,
        now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
        record: Record,
        fetch_keys: FetchKeys,
        limits: SmartLimits,
    ) -> Self {
        let keys = Cache::new(KEY_SETS_MAX);
        let throttles = Arc::new(Throttles::new(limits));
        let name = server.apis.first().map_or(server.issuer.as_str(), |api| api.title.as_str());
        let passkeys = Passkeys::of(&server.issuer, name);
        let (providers, udap, majority_years) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self(Arc::new(Inner {
            store,
            server,
            now,
            record,
            fetch_keys,
            throttles,
            providers,
            udap,
            passkeys,
            keys,
            majority_years,
        }))
    }

    /// The same with these throttles, which outlive a reading of the configuration.
    #[must_use]
    pub fn with_throttles(self, throttles: Arc<Throttles>) -> Self {
        Self(Arc::new(Inner { throttles, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The same with other providers as the login. They are set once.
    ///
    /// # Errors
    /// [`TlsError`] if the trust of one cannot be read.
    pub fn with_providers(self, settings: &[ProviderSettings]) -> Result<Self, TlsError> {
        let _set_before = self.0.providers.set(Providers::new(settings)?);
        Ok(self)
    }

    /// The same as a member of a UDAP community. It is set once.
    #[must_use]
    pub fn with_udap(self, settings: Option<UdapSettings>) -> Self {
        if let Some(settings) = settings {
            let _set_before = self.0.udap.set(settings);
        }
        self
    }

    pub(crate) fn udap(&self) -> Option<&UdapSettings> {
        self.0.udap.get()
    }

    pub(crate) fn providers(&self) -> &Providers {
        self.0.providers.get_or_init(Providers::default)
    }

    /// What makes and checks passkeys; `None` if this build or this address has none.
    pub(crate) fn passkeys(&self) -> Option<&Passkeys> {
        self.0.passkeys.as_ref()
    }

    /// Takes the age at which a minor comes of age from the policy in force; the first word counts.
    #[must_use]
    pub fn of_age_at(self, years: MajorityYears) -> Self {
        let _first = self.0.majority_years.set(years);
        self
    }

    pub(crate) fn majority_years(&self) -> u8 {
        self.0.majority_years.get().map_or(MAJORITY_YEARS, |years| years())
    }

    /// The shelf.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The shelf, for work on another thread.
    pub(crate) fn shared_store(&self) -> Arc<Store> {
        Arc::clone(&self.0.store)
    }

    /// What the server says of itself.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.0.server
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0.now)()
    }

    pub(crate) fn throttles(&self) -> &Throttles {
        &self.0.throttles
    }

    pub(crate) fn key_cache(&self) -> &Cache<String, Arc<super::keys::CachedKeys>> {
        &self.0.keys
    }

    pub(crate) fn fetch_keys(&self, uri: &str) -> Boxed<Result<FetchedKeys, String>> {
        (self.0.fetch_keys)(uri.to_owned())
    }

    /// Tells the log, and waits until it is kept.
    ///
    /// # Errors
    /// [`Failure::Unavailable`]: nothing may be answered then.
    pub(crate) async fn record(&self, event: SmartEvent, caller: &Caller) -> Result<(), Failure> {
        let name = event.name();
        (self.0.record)(event, caller.clone()).await.map_err(|error| {
            tracing::error!(event = name, %error, "the log could not be written");
            Failure::Unavailable
        })
    }

    /// Sees to it that a failure is in the log before it is answered: what was asked too often or was malformed too.
    pub(crate) async fn told(&self, failure: Failure, caller: &Caller) -> Failure {
        match failure {
            Failure::Refused(refusal) => self.refuse(None, refusal, caller).await,
            Failure::Throttled(after) => {
                let Refusal { error, said } = Failure::Throttled(after).refusal();
                let event = SmartEvent::TokenRefused { client: None, error: error.code(), said };
                match self.record(event, caller).await {
                    Ok(()) => Failure::Throttled(after),
                    Err(failure) => failure,
                }
            }
            told => told,
        }
    }

    /// Records a refusal and hands it back as a failure.
    pub(crate) async fn refuse(&self, client: Option<String>, refusal: Refusal, caller: &Caller) -> Failure {
        let event = SmartEvent::TokenRefused { client, error: refusal.error.code(), said: refusal.said.clone() };
        match self.record(event, caller).await {
            Ok(()) => Failure::Recorded(refusal),
            Err(failure) => failure,
        }
    }

    /// The paths of the FHIR APIs below the issuer: `/fhir`.
    pub(crate) fn api_paths(&self) -> Vec<String> {
        let issuer_path = |url: &str| Url::parse(url).map(|url| url.path().trim_end_matches('/').to_owned());
        let mut paths: Vec<String> =
            self.server().apis.iter().filter(|api| api.fhir).filter_map(|api| issuer_path(&api.base).ok()).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Whether pages of this origin may read our answers: some client that may act registered it.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        let active = |client: &bascule_store::client::Client| client.status == bascule_store::user::Status::Active;
        let clients = self.store().clients().unwrap_or_default();
        clients.iter().any(|client| active(client) && client.metadata.has_origin(origin))
    }
}
