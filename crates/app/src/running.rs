//! A running house: the client's door open, `admin.sock` answering, settings that can be read again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bascule_gateway::smart::{FetchKeys, FetchedKeys, SmartLimits, SmartState, ensure_signing_keys, router};
use bascule_gateway::{Gateway, Rooms};
use bascule_smart::server::{ApiBase, Server};
use bascule_store::random;
use bascule_wire::{Client, ClientSettings, ListenLimits, ReloadableTls, collect, empty, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::records::Records;
use crate::admin::socket;
use crate::clock;
use crate::config::{self, Settings};
use crate::house::House;
use crate::verbs::check::tls_files;
use crate::{policy_folder, smart_log};

/// Bytes of a client's key set.
const KEY_SET_BYTES_MAX: usize = 262_144;
/// The name under which the shelf keeps the key of page links.
const PAGE_KEY: &str = "page-key";

/// How long walks without a client may take to end at a stop.
const IDLE_WAIT: std::time::Duration = std::time::Duration::from_secs(30);

/// A house whose doors are open.
pub(crate) struct Running {
    house: House,
    config: PathBuf,
    tls: ReloadableTls,
    gateway: Gateway,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    admin: JoinHandle<()>,
}

impl Running {
    /// Opens the doors.
    pub(crate) async fn open(house: House, config: &Path) -> Result<Self, String> {
        let now = clock::now();
        let server = server(&house.settings);
        ensure_signing_keys(&house.store, &server.lifetimes, now).map_err(|error| error.to_string())?;
        let tls = ReloadableTls::load(tls_files(&house.settings)).map_err(|error| error.to_string())?;
        let address = house.settings.listen.https;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            format!("cannot listen on {address}: {error}; end what listens there, or choose another port")
        })?;
        let gateway = gateway(&house, server)?;
        let (stop, stopped) = watch::channel(false);
        let limits = listen_limits(&house.settings);
        let serving = {
            let (tls, stopped, service) = (tls.clone(), stopped.clone(), gateway.service());
            tokio::spawn(async move {
                if let Err(error) = serve(listener, Some(tls), service, limits, until(stopped)).await {
                    tracing::error!(%error, "the listener ended");
                }
            })
        };
        let records = Arc::new(Records::of(&house));
        let admin = socket::listen(&house.settings.store, records).map_err(|error| format!("admin.sock: {error}"))?;
        Ok(Self { house, config: config.to_owned(), tls, gateway, stop, serving, admin })
    }

    /// The house behind the doors.
    pub(crate) const fn house(&self) -> &House {
        &self.house
    }

    /// Reads policy and certificates again. What is faulty is refused and said; what was in force stays.
    pub(crate) fn reload(&self) {
        let settings = match config::load(&self.config) {
            Ok(settings) => settings,
            Err(faults) => return said_faults("configuration", &faults),
        };
        match policy_folder::load(&settings.policy) {
            Ok(policy) => {
                let (old, new) = (self.house.policy.load().hash().to_owned(), policy.hash().to_owned());
                self.house.policy.store(Arc::new(policy));
                tracing::info!(from = old, to = new, "policy in force");
                self.record_change("policy", old, new);
            }
            Err(faults) => said_faults("policy", &faults),
        }
        match self.tls.reload() {
            Ok(()) => tracing::info!("certificate read again"),
            Err(error) => tracing::error!(%error, "the certificate is refused; the last one stays in force"),
        }
    }

    fn record_change(&self, what: &'static str, from: String, to: String) {
        if from == to {
            return;
        }
        let log = self.house.log.clone();
        tokio::spawn(async move {
            let event = bascule_audit::SystemEvent::Changed { what: what.to_owned(), from, to };
            if let Err(error) = log.append(bascule_audit::Entry::system(&event, clock::now()), None).await {
                tracing::error!(%error, "a change could not be logged");
            }
        });
    }

    /// Lets requests under way finish, then closes the house.
    pub(crate) async fn close(self) {
        let _nobody_listens = self.stop.send(true);
        self.admin.abort();
        let _ended = self.serving.await;
        // Walks whose client has hung up still run to their end, and into the log.
        let _idle = tokio::time::timeout(IDLE_WAIT, self.gateway.idle()).await;
        let _removed = std::fs::remove_file(socket::path(&self.house.settings.store));
        self.house.close().await;
    }
}

fn said_faults(what: &str, faults: &[bascule_policy::fault::Fault]) {
    tracing::error!(faults = faults.len(), "the new {what} is refused; the last accepted one stays in force");
    for fault in faults {
        let place = format!("{}:{}:{}", fault.file, fault.line, fault.column);
        tracing::error!(place, message = fault.message, mend = fault.mend, "fault");
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _closed = stopped.wait_for(|stop| *stop).await;
}

fn listen_limits(settings: &Settings) -> ListenLimits {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    ListenLimits {
        head_bytes_max: size(settings.head_bytes_max),
        head_timeout_ms: settings.head_timeout_ms,
        connections_max: size(settings.connections_max),
        ..ListenLimits::default()
    }
}

/// The authorization server of these settings.
fn server(settings: &Settings) -> Server {
    let issuer = settings.gateway.public_url.as_str().trim_end_matches('/');
    let apis = settings.gateway.apis.iter().map(|entry| ApiBase {
        name: entry.api.name.clone(),
        base: format!("{issuer}{}", entry.path),
        fhir: entry.api.kind == bascule_policy::ApiKind::Fhir,
        title: entry.api.name.clone(),
    });
    Server::new(issuer, apis.collect())
}

fn gateway(house: &House, server: Server) -> Result<Gateway, String> {
    let smart = SmartState::new(
        Arc::clone(&house.store),
        server,
        Arc::new(clock::now),
        smart_log::record(house.log.clone()),
        fetch_keys(),
        SmartLimits::default(),
    );
    let rooms = Rooms {
        policy: Arc::clone(&house.policy),
        store: Arc::clone(&house.store),
        log: house.log.clone(),
        smart: router(smart),
        page_key: page_key(house)?,
    };
    Gateway::new(&house.settings.gateway, rooms).map_err(|error| error.to_string())
}

/// The key that seals page links: made once, kept on the shelf, so that a link outlives a restart.
fn page_key(house: &House) -> Result<bascule_crypto::Secret, String> {
    let said = |error: bascule_store::StoreError| error.to_string();
    let kept = house.store.setting(PAGE_KEY).map_err(said)?;
    let text = match kept {
        Some(text) => text,
        None => {
            let text = hex::encode(random::bytes::<32>().map_err(said)?);
            house.store.set_setting(PAGE_KEY, &text, clock::now()).map_err(said)?;
            text
        }
    };
    hex::decode(text).map(bascule_crypto::Secret::new).map_err(|error| error.to_string())
}

/// The way out to registered `jwks_uri`s: https, the operating system's authorities. A machine without authorities serves
/// every client but those.
fn fetch_keys() -> FetchKeys {
    let client = Client::new(&ClientSettings::default()).map_err(|error| error.to_string());
    Arc::new(move |uri| {
        let client = client.clone();
        Box::pin(async move {
            let client = client?;
            let request =
                http::Request::builder().uri(&uri).header(http::header::ACCEPT, "application/json").body(empty());
            let answer =
                client.send(request.map_err(|error| error.to_string())?).await.map_err(|error| error.to_string())?;
            if answer.status() != http::StatusCode::OK {
                return Err(format!("{uri} answered {}", answer.status()));
            }
            let cache = answer.headers().get(http::header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
            let max_age_seconds = cache.and_then(max_age);
            let body = collect(answer.into_body(), KEY_SET_BYTES_MAX).await.map_err(|error| error.to_string())?;
            let keys = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
            Ok(FetchedKeys { keys, max_age_seconds })
        })
    })
}

fn max_age(cache_control: &str) -> Option<u64> {
    cache_control.split(',').find_map(|directive| directive.trim().strip_prefix("max-age=")?.parse().ok())
}
