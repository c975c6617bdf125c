//! A running house: the client's door open, `admin.sock` answering, settings that can be read again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bascule_gateway::smart::{
    CareState, FetchKeys, FetchedKeys, SmartState, Throttles, care_router, ensure_signing_keys, federation, router,
};
use bascule_gateway::{AUDIT_API, AUDIT_PATH, Gateway, ReadingSettings, Rooms};
use bascule_policy::Policy;
use bascule_smart::server::{ApiBase, MutualTls, Server};
use bascule_store::log::retire::RetireRule;
use bascule_wire::{Client, ClientSettings, ListenLimits, ReloadableTls, collect, empty, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::records::Records;
use crate::admin::socket;
use crate::clock;
use crate::config::{self, Settings};
use crate::door::Door;
use crate::exchange::Exchange;
use crate::house::House;
use crate::housekeeping::{Housekeeper, house_itself};
use crate::syslog_feed::{self, Feed};
use crate::verbs::check::{mutual_tls_files, tls_files};
use crate::witnessing::Witnessing;
use crate::{admin, policy_folder, scim, smart_log};

/// Bytes of a client's key set.
const KEY_SET_BYTES_MAX: usize = 262_144;
/// What the key of page links is derived for; the same at every start, so that a link outlives a restart.
const PAGE_KEY: &str = "page-key";

/// How often providers are looked at; each session as often as its provider's setting says.
const RECHECK_EVERY: std::time::Duration = std::time::Duration::from_secs(10);
/// As [`PAGE_KEY`], of the codes that an expert has determined.
const CODE_KEY: &str = "code-key";

/// How long walks without a client may take to end at a stop.
const IDLE_WAIT: std::time::Duration = std::time::Duration::from_secs(30);

/// A house whose doors are open.
pub(crate) struct Running {
    house: House,
    config: PathBuf,
    tls: ReloadableTls,
    /// That of the second listener.
    mutual_tls: Option<ReloadableTls>,
    serving_second: Option<JoinHandle<()>>,
    door: Door,
    /// The authorization server in force.
    smart: Arc<ArcSwap<SmartState>>,
    rechecking: JoinHandle<()>,
    records: Arc<Records>,
    /// They outlive a reading of the configuration: it forgives nobody.
    throttles: ArcSwap<Throttles>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    admin: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
    witnessing: Option<JoinHandle<()>>,
    feeding: Option<JoinHandle<()>>,
    schedule: JoinHandle<()>,
    polling: JoinHandle<()>,
    exchange: Exchange,
}

/// How long the doors stay closed at a start for the first reading of what the chart tells.
const FIRST_READING_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

impl Running {
    /// Opens the doors.
    pub(crate) async fn open(house: House, config: &Path) -> Result<Self, String> {
        let now = clock::now();
        let server = server(&house.settings);
        let record = smart_log::record(house.log.clone());
        let made = ensure_signing_keys(&house.store, &server.lifetimes, now).map_err(|error| error.to_string())?;
        for event in made {
            record(event, house_itself()).await?;
        }
        let lifetimes = server.lifetimes;
        let witnesses = house.settings.audit.witnesses.iter().map(|witness| witness.key.clone()).collect();
        let witnessing = Witnessing::new(&house.settings, house.log.clone(), Arc::clone(&house.store))?;
        if let Some(witnessing) = &witnessing {
            house.log.flush().await.map_err(|error| error.to_string())?;
            if let Err(sentence) = witnessing.at_start().await {
                house.close().await;
                return Err(sentence);
            }
        }
        house.policy.say_beginning(now).await?;
        let tls = ReloadableTls::load(tls_files(&house.settings)).map_err(|error| error.to_string())?;
        let listener = bind(house.settings.listen.https).await?;
        let second = match (&house.settings.listen.mtls, mutual_tls_files(&house.settings)) {
            (Some(second), Some(files)) => {
                let tls = ReloadableTls::load(files).map_err(|error| error.to_string())?;
                Some((bind(second.https).await?, tls))
            }
            _ => None,
        };
        let records = Arc::new(Records::of(&house));
        let throttles = Arc::new(Throttles::new(house.settings.sign_in.limits));
        let (gateway, smart) = gateway(&house, &house.settings, server, &records, &throttles)?;
        let (door, smart) = (Door::new(gateway), Arc::new(ArcSwap::from_pointee(smart)));
        let _read_or_unknown = tokio::time::timeout(FIRST_READING_WAIT, door.gateway().poll(now)).await;
        let (stop, stopped) = watch::channel(false);
        let polling = tokio::spawn(poll(door.clone(), stopped.clone()));
        let limits = listen_limits(&house.settings);
        let serving = {
            let (tls, stopped, service) = (tls.clone(), stopped.clone(), door.clone());
            tokio::spawn(async move {
                if let Err(error) = serve(listener, Some(tls), service, limits, until(stopped)).await {
                    tracing::error!(%error, "the listener ended");
                }
            })
        };
        let limits = listen_limits(&house.settings);
        let mutual_tls = second.as_ref().map(|(_, tls)| tls.clone());
        let serving_second = second.map(|(listener, tls)| {
            let (stopped, service) = (stopped.clone(), door.clone());
            tokio::spawn(async move {
                if let Err(error) = serve(listener, Some(tls), service, limits, until(stopped)).await {
                    tracing::error!(%error, "the listener for certificates ended");
                }
            })
        });
        let keeper = Housekeeper {
            store: Arc::clone(&house.store),
            log: house.log.clone(),
            record,
            lifetimes,
            retire: RetireRule { witnesses, grace_days: house.settings.audit.grace_days },
        };
        let feeding = Feed::new(&house.settings)?.map(|feed| {
            let file = house.settings.store.join("syslog.cursor");
            let (log, store) = (house.log.clone(), Arc::clone(&house.store));
            tokio::spawn(syslog_feed::run(feed, file, log, store, stopped.clone()))
        });
        let witnessing = witnessing.map(|witnessing| tokio::spawn(witnessing.run(stopped.clone())));
        let admin = socket::listen(&house.settings.store, Arc::clone(&records))
            .map_err(|error| format!("admin.sock: {error}"))?;
        let rechecking = tokio::spawn(recheck(Arc::clone(&smart), stopped.clone()));
        let schedule = tokio::spawn(Arc::clone(&house.policy).keep_schedule());
        let exchange = Exchange::open(&house, &stopped).await?;
        let housekeeping = tokio::spawn(keeper.run(stopped));
        let config = config.to_owned();
        let throttles = ArcSwap::new(throttles);
        Ok(Self {
            smart,
            rechecking,
            mutual_tls,
            serving_second,
            house,
            config,
            tls,
            door,
            records,
            throttles,
            stop,
            serving,
            admin,
            housekeeping,
            witnessing,
            feeding,
            schedule,
            polling,
            exchange,
        })
    }

    /// Where each partner's listener is.
    pub(crate) fn partners(&self) -> &[(String, std::net::SocketAddr)] {
        &self.exchange.addresses
    }

    /// The house behind the doors.
    pub(crate) const fn house(&self) -> &House {
        &self.house
    }

    /// Reads configuration, policy and certificate again: all of it is accepted, or none. What is faulty is said, and what was
    /// in force stays. No request is dropped.
    pub(crate) async fn reload(&self) {
        let settings = match config::load(&self.config) {
            Ok(settings) => settings,
            Err(faults) => return said_faults("configuration", &faults),
        };
        let read = policy_folder::files(&settings.policy).map_err(|fault| vec![*fault]);
        let loaded = read.and_then(|files| Ok((Policy::load_for(&files, &settings.api_names())?, files)));
        let (policy, files) = match loaded {
            Ok((policy, files)) => (policy, policy_folder::named(files)),
            Err(faults) => return said_faults("policy", &faults),
        };
        let throttles = Arc::new(self.throttles.load().renewed(settings.sign_in.limits));
        let (gateway, smart) = match gateway(&self.house, &settings, server(&settings), &self.records, &throttles) {
            Ok(gateway) => gateway,
            Err(error) => {
                return tracing::error!(
                    error,
                    "the new configuration is refused; the last accepted one stays in force"
                );
            }
        };
        let files_of_tls = [Some(tls_files(&settings)), mutual_tls_files(&settings)];
        if let Some(Err(error)) = files_of_tls.into_iter().flatten().map(ReloadableTls::load).find(Result::is_err) {
            return tracing::error!(%error, "the new certificate is refused; the last accepted one stays in force");
        }
        let hash = match self.house.policy.read_again(policy, &files, clock::now()).await {
            Ok(hash) => hash,
            Err(error) => {
                return tracing::error!(error, "the new policy is refused; the last accepted one stays in force");
            }
        };
        for tls in [Some(&self.tls), self.mutual_tls.as_ref()].into_iter().flatten() {
            if let Err(error) = tls.reload() {
                tracing::error!(%error, "the new certificate is refused; the last accepted one stays in force");
            }
        }
        self.door.exchange(gateway);
        self.smart.store(Arc::new(smart));
        self.throttles.store(throttles);
        for what in self.needs_restart(&settings) {
            tracing::warn!(what, "this setting is read at the start only");
        }
        tracing::info!(hash, "configuration, policy and certificate are in force");
    }

    /// Settings that differ from those of the start and act only at the next one.
    fn needs_restart(&self, settings: &Settings) -> Vec<&'static str> {
        let now = &self.house.settings;
        let changed = [
            (now.listen != settings.listen, "[listen]"),
            (now.store != settings.store, "[store]"),
            (now.audit != settings.audit, "[audit]"),
        ];
        changed.into_iter().filter_map(|(changed, what)| changed.then_some(what)).collect()
    }

    /// Lets requests under way finish, then closes the house.
    pub(crate) async fn close(self) {
        let _nobody_listens = self.stop.send(true);
        self.admin.abort();
        self.schedule.abort();
        self.exchange.close().await;
        let _ended = self.serving.await;
        if let Some(second) = self.serving_second {
            let _ended = second.await;
        }
        let _kept = self.housekeeping.await;
        let _asked = self.rechecking.await;
        let _read = self.polling.await;
        if let Some(witnessing) = self.witnessing {
            let _asked = witnessing.await;
        }
        if let Some(feeding) = self.feeding {
            let _sent = feeding.await;
        }
        // Walks whose client has hung up still run to their end, and into the log.
        let _idle = tokio::time::timeout(IDLE_WAIT, self.door.idle()).await;
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

/// Reads what is due of the chart, until the house closes.
async fn poll(door: Door, stopped: watch::Receiver<bool>) {
    let mut stopped = std::pin::pin!(until(stopped));
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => door.gateway().poll(clock::now()).await,
        }
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
    let apis = settings.gateway.apis.iter().zip(&settings.named).map(|(entry, named)| ApiBase {
        name: entry.api.name.clone(),
        base: format!("{issuer}{}", entry.path),
        fhir: entry.api.kind == bascule_policy::ApiKind::Fhir,
        title: named.title.clone().unwrap_or_else(|| entry.api.name.clone()),
    });
    // The log is an API of the bridge itself, the last of its APIs.
    let log = ApiBase {
        name: AUDIT_API.to_owned(),
        base: format!("{issuer}{AUDIT_PATH}"),
        fhir: false,
        title: "The audit log".to_owned(),
    };
    let mut server = Server::new(issuer, apis.chain([log]).collect());
    let listen = &settings.listen;
    let second = listen.mtls.as_ref();
    server.mutual_tls = MutualTls {
        by_authority: listen.client_ca.is_some() || second.is_some_and(|second| second.client_ca.is_some()),
        self_signed: listen.self_signed_clients || second.is_some_and(|second| second.self_signed),
        url: second.map(|second| second.public_url.as_str().trim_end_matches('/').to_owned()),
    };
    let sign_in = &settings.sign_in;
    server.lifetimes.session_idle_seconds = sign_in.session_idle_seconds;
    server.lifetimes.session_seconds = sign_in.session_seconds;
    server.lifetimes.step_up_seconds = sign_in.step_up_seconds;
    server.registration = sign_in.registration;
    server.second_factor_roles.clone_from(&sign_in.second_factor_roles);
    server
}

async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; end what listens there, or choose another port"))
}

fn gateway(
    house: &House,
    settings: &Settings,
    server: Server,
    records: &Arc<Records>,
    throttles: &Arc<Throttles>,
) -> Result<(Gateway, SmartState), String> {
    let smart = SmartState::new(
        Arc::clone(&house.store),
        server,
        Arc::new(clock::now),
        smart_log::record(house.log.clone()),
        fetch_keys(),
        settings.sign_in.limits,
    )
    .with_throttles(Arc::clone(throttles))
    .with_providers(&settings.providers)
    .map_err(|error| error.to_string())?
    .with_udap(settings.udap.clone())
    .of_age_at(of_age(house));
    let administration = admin::http::router(smart.clone(), Arc::clone(records));
    let directory = scim::router(smart.clone(), Arc::clone(records), settings.sign_in.groups.clone());
    let page_key = || house.store.derived_key(PAGE_KEY).map_err(|error| error.to_string());
    let care = CareState::new(smart.clone(), Arc::clone(house.policy.live()), page_key()?);
    let rooms = Rooms {
        policy: Arc::clone(house.policy.live()),
        store: Arc::clone(&house.store),
        log: house.log.clone(),
        smart: router(smart.clone()).merge(administration).merge(directory).merge(care_router(care)),
        page_key: page_key()?,
        code_key: house.store.derived_key(CODE_KEY).map_err(|error| error.to_string())?,
    };
    let reading = ReadingSettings { publish: settings.audit.publish, staff_by_name: settings.audit.staff_by_name };
    let gateway = Gateway::new(&settings.gateway, rooms).map_err(|error| error.to_string())?;
    Ok((gateway.reading_as(reading), smart))
}

/// Asks providers, round by round, whether their users are still there, until the house closes.
async fn recheck(smart: Arc<ArcSwap<SmartState>>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(RECHECK_EVERY) => {}
        }
        if let Err(error) = federation::recheck(&smart.load_full()).await {
            tracing::error!(error, "providers could not be asked");
        }
    }
}

/// The age of majority of the policy in force.
fn of_age(house: &House) -> Arc<dyn Fn() -> u8 + Send + Sync> {
    let policy = Arc::clone(house.policy.live());
    Arc::new(move || policy.load().settings().majority_years)
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
