//! The machines' door in this house: the delivery queue, and for each partner its listener and its courier.

use std::net::SocketAddr;
use std::sync::Arc;

use bascule_audit::{AccessFacts, AgentPart, Entry};
use bascule_exchange::listener::{Door, listen};
use bascule_exchange::{Chart, ChartSettings, Courier, Desk, Event, Record};
use bascule_hl7::Limits;
use bascule_store::delivery::Queue;
use bascule_store::log::Log;
use bascule_store::{Store, StoreError, random};
use bascule_wire::{Client, ClientSettings, ReloadableTls, StreamLimits, TlsFiles};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::clock;
use crate::config::{PartnerSettings, Settings};
use crate::house::House;

/// Segments of a message.
const SEGMENTS_MAX: usize = 50_000;
/// Messages that are not delivered, of all partners; beyond them senders keep theirs.
const WAITING_MAX: u64 = 1_000_000;
/// Milliseconds that a partner may be silent within a frame, and between frames.
const FRAME_TIMEOUT_MS: u64 = 60_000;
const IDLE_TIMEOUT_MS: u64 = 3_600_000;
/// Seconds for which the bytes of a delivered message are kept, and for which it is known again.
const BYTES_KEPT_S: i64 = 7 * 86_400;
const KNOWN_S: i64 = 90 * 86_400;
/// How often what is past its time is taken away.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(3_600);

/// The open door.
pub(crate) struct Exchange {
    /// Where each partner's listener is, by the partner's name.
    pub(crate) addresses: Vec<(String, SocketAddr)>,
    tasks: JoinSet<()>,
}

/// The queue of a house.
pub(crate) fn queue(settings: &Settings, store: &Store) -> Result<Queue, StoreError> {
    Queue::open(&settings.store.join("deliveries.db"), store.derived_key("deliveries")?, WAITING_MAX)
}

impl Exchange {
    /// Opens the door; with no partner configured it stays shut.
    pub(crate) async fn open(house: &House, stop: &watch::Receiver<bool>) -> Result<Self, String> {
        let mut exchange = Self { addresses: Vec::new(), tasks: JoinSet::new() };
        if house.settings.partners.is_empty() {
            return Ok(exchange);
        }
        let queue = Arc::clone(&house.deliveries);
        for settings in &house.settings.partners {
            exchange.open_partner(house, settings, &queue, stop).await?;
        }
        exchange.tasks.spawn(keep(queue, stop.clone()));
        Ok(exchange)
    }

    async fn open_partner(
        &mut self,
        house: &House,
        settings: &PartnerSettings,
        queue: &Arc<Queue>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), String> {
        let name = &settings.partner.name;
        let listener = TcpListener::bind(settings.listen)
            .await
            .map_err(|error| format!("partner {name}: cannot listen on {}: {error}", settings.listen))?;
        self.addresses.push((name.clone(), listener.local_addr().map_err(|error| error.to_string())?));
        let (bell, record) = (Arc::new(Notify::new()), record(house.log.clone()));
        let limits = Limits { message_bytes_max: settings.message_bytes_max, segments_max: SEGMENTS_MAX };
        let desk = Desk {
            partner: settings.partner.clone(),
            rules: settings.rules.clone(),
            limits,
            queue: Arc::clone(queue),
            blind: house.store.derived_key("deliveries-of-one-patient").map_err(|error| error.to_string())?,
            record: Arc::clone(&record),
            clock: Arc::new(clock::now),
            bell: Arc::clone(&bell),
        };
        let courier = Courier {
            partner: settings.partner.clone(),
            orders: settings.rules.orders.clone(),
            limits,
            queue: Arc::clone(queue),
            chart: chart(&house.settings, settings)?,
            record,
            clock: Arc::new(clock::now),
            bell,
        };
        self.tasks.spawn(listen(listener, door(&house.settings, settings)?, Arc::new(desk), stop.clone()));
        self.tasks.spawn(Arc::new(courier).run(stop.clone()));
        Ok(())
    }

    /// Waits until every listener and courier has ended what it was about; they were told to stop.
    pub(crate) async fn close(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn keep(queue: Arc<Queue>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let now = clock::now();
        let (queue, before, forget) = (Arc::clone(&queue), now.plus_seconds(-BYTES_KEPT_S), now.plus_seconds(-KNOWN_S));
        match tokio::task::spawn_blocking(move || queue.sweep(before, forget)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the delivery queue could not be swept"),
            Err(error) => tracing::error!(%error, "the delivery queue could not be swept"),
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => {}
            _ = stop.changed() => {}
        }
    }
}

fn door(house: &Settings, settings: &PartnerSettings) -> Result<Door, String> {
    let tls = match &settings.tls {
        None => None,
        Some(tls) => {
            let files = TlsFiles {
                certificate: house.listen.certificate.clone(),
                key: house.listen.key.clone(),
                client_ca: Some(tls.client_ca.clone()),
                self_signed_clients: false,
            };
            Some(ReloadableTls::load(files).map_err(|error| format!("partner {}: {error}", settings.partner.name))?)
        }
    };
    Ok(Door {
        certificate_required: tls.is_some(),
        certificates: settings.tls.as_ref().map(|tls| tls.certificates.clone()).unwrap_or_default(),
        tls,
        frame_timeout_ms: FRAME_TIMEOUT_MS,
        idle_timeout_ms: IDLE_TIMEOUT_MS,
        limits: StreamLimits::default(),
    })
}

fn chart(house: &Settings, settings: &PartnerSettings) -> Result<Chart, String> {
    let said = |error: &dyn std::fmt::Display| format!("partner {}: {error}", settings.partner.name);
    let read =
        |path: &std::path::Path| std::fs::read(path).map_err(|error| said(&format!("{}: {error}", path.display())));
    let ca_pem =
        settings.ca.as_deref().map(read).transpose()?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let client = Client::new(&ClientSettings { ca_pem, ..ClientSettings::default() }).map_err(|error| said(&error))?;
    let issuer = house.gateway.public_url.as_str().trim_end_matches('/');
    let api = house.gateway.apis.iter().find(|entry| entry.api.name == settings.api);
    let path = api.map(|entry| entry.path.clone()).ok_or_else(|| said(&format!("there is no API {}", settings.api)))?;
    let settings = ChartSettings {
        base: format!("{issuer}{path}"),
        token_url: format!("{issuer}/oauth/token"),
        client_id: settings.client.clone(),
        key_id: Some(settings.client.clone()),
        key_pem: read(&settings.key)?,
        scope: settings.scope.clone(),
        clock: Arc::new(clock::now),
    };
    Ok(Chart::new(client, settings))
}

/// The log, as the door sees it.
pub(crate) fn record(log: Log) -> Record {
    Arc::new(move |event| {
        let log = log.clone();
        Box::pin(async move {
            let entry = entry(event)?;
            log.append(entry, None).await.map(drop).map_err(|error| error.to_string())
        })
    })
}

fn entry(event: Event) -> Result<Entry, String> {
    let is_fault = !event.said.is_empty();
    let facts = AccessFacts {
        request_id: random::id().map_err(|error| error.to_string())?,
        api: "hl7v2".to_owned(),
        interaction: format!("message-{}", event.act),
        status: if is_fault { 422 } else { 200 },
        client: Some(event.partner),
        cause: is_fault.then(|| event.act.to_owned()),
        agent: AgentPart {
            detail: Some(format!("{} sha256:{} {}", event.kind, event.digest, event.said).trim_end().to_owned()),
            ..AgentPart::default()
        },
        ..AccessFacts::default()
    };
    let now = clock::now();
    Ok(if is_fault { Entry::refusal(facts, now) } else { Entry::disclosure(facts, now) })
}
