//! An answer too large to hold: it streams through the same filter. The durable intent goes first; a final or broken-off
//! record closes it before the last chunk; a fault midway resets the connection.

use std::sync::Arc;

use bascule_audit::{AccessFacts, Digests, Entry};
use bascule_crypto::hex;
use bascule_fhir::Timestamp;
use bascule_minimum::{Filter, Finished, Shape};
use bascule_policy::Permit;
use bascule_store::log::Intent;
use bascule_wire::{Body, BodyError};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use http_body_util::channel::Sender;

use tokio::sync::OwnedSemaphorePermit;

use crate::answer::Response;
use crate::apis::Served;
use crate::gateway::Gateway;
use crate::record::{Patients, Visit, ids_of};
use crate::refuse::Refusal;
use crate::{duties, keep, links};

/// A body that streams.
pub(crate) struct Came {
    /// What was read of it.
    pub(crate) first: Bytes,
    /// What follows.
    pub(crate) rest: Body,
    /// What it is made of.
    pub(crate) shape: Shape,
    /// How it is called.
    pub(crate) kind: Kind,
    /// Of a file of an export, which export: its files share their codes.
    pub(crate) export: Option<String>,
}

/// The media type of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One JSON text.
    Json,
    /// One resource a line.
    Ndjson,
}

/// Begins the answer and leaves the rest to a task that runs to its end, whatever the client does.
///
/// # Errors
/// None of its own; a stream without a durable intent is a fault.
pub(crate) fn open(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    came: Came,
    mut head: HeaderMap,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let intent = visit.intent.take().ok_or(Refusal::Fault { at: "a stream without an intent" })?;
    let (response, sender) = Response::stream(&intent);
    let kind = came.kind;
    let flow = Flow {
        gateway: gateway.clone(),
        served: gateway.served(&served.api.name).ok_or(Refusal::Fault { at: "a stream of no API" })?,
        permit: permit.clone(),
        facts: visit.facts(StatusCode::OK.as_u16()),
        came,
        now,
        place: visit.place.take(),
    };
    tokio::spawn(flow.run(sender, intent));
    duties::notice(&mut head, permit, None);
    if kind == Kind::Ndjson {
        head.insert(CONTENT_TYPE, HeaderValue::from_static("application/fhir+ndjson"));
    }
    Ok(response.with(StatusCode::OK, head))
}

/// A stream on its way.
struct Flow {
    gateway: Gateway,
    served: Arc<Served>,
    permit: Permit,
    facts: AccessFacts,
    came: Came,
    now: Timestamp,
    /// Its place among the requests at once.
    place: Option<OwnedSemaphorePermit>,
}

/// Why a stream broke off.
#[derive(Debug)]
struct Broken {
    cause: &'static str,
    facts: Box<AccessFacts>,
}

impl Flow {
    async fn run(mut self, mut sender: Sender<Bytes, BodyError>, intent: Intent) {
        let place = self.place.take();
        let (gateway, permit) = (self.gateway.clone(), self.permit.clone());
        let (log, now, request) = (self.gateway.log().clone(), self.now, self.facts.request_id.clone());
        match self.flow(&mut sender).await {
            Ok((facts, last)) => {
                duties::review(&gateway, &permit, &ids_of(&facts.patients), &request, now);
                if let Err(error) =
                    keep::append_of(&log, Some(&permit), Entry::disclosure(*facts, now), Some(intent)).await
                {
                    tracing::error!(request, %error, "a stream's record cannot be kept");
                    sender.abort(BodyError::BrokenOff("the record cannot be kept".to_owned()));
                    return;
                }
                let _ = sender.send_data(Bytes::from(last)).await;
                drop(place);
            }
            Err(Broken { cause, mut facts }) => {
                tracing::warn!(request, cause, "a stream broke off");
                facts.cause = Some(cause.to_owned());
                if let Err(error) =
                    keep::append_of(&log, Some(&permit), Entry::broken_off(*facts, now), Some(intent)).await
                {
                    tracing::error!(request, %error, "a stream's record cannot be kept");
                }
                sender.abort(BodyError::BrokenOff(cause.to_owned()));
            }
        }
    }

    /// Everything but the last chunk, which waits for the record.
    async fn flow(self, sender: &mut Sender<Bytes, BodyError>) -> Result<(Box<AccessFacts>, Vec<u8>), Broken> {
        let Self { gateway, served, permit, facts, came, now, place: _ } = self;
        let Came { first, mut rest, shape, kind: _, export } = came;
        let link = links::linker(&gateway, &served, &permit, (0, 0), now);
        let codes = gateway.coder().codes(&permit, export.as_deref(), now);
        let rewrite = codes.given(links::rewrite(&served, &link));
        let mut filter = Filter::new(gateway.masks(), &permit, shape, &rewrite, gateway.filter_limits());
        let mut left = gateway.limits().stream_bytes_max;
        let mut listed = Patients::default();
        let mut pending = Vec::new();
        let mut next = Some(Ok(first));
        while let Some(chunk) = next {
            let step = chunk.map_err(|_| "upstream-broke-off").and_then(|chunk: Bytes| {
                left = left.checked_sub(chunk.len()).ok_or("stream-bytes-max")?;
                filter.push(&chunk, &mut pending).map_err(|_| "unfilterable")
            });
            listed.add(&filter.take_resources());
            if let Err(cause) = step {
                return Err(Broken { cause, facts: Box::new(AccessFacts { patients: listed.into_parts(), ..facts }) });
            }
            if !pending.is_empty() && sender.send_data(Bytes::from(std::mem::take(&mut pending))).await.is_err() {
                let facts = Box::new(AccessFacts { patients: listed.into_parts(), ..facts });
                return Err(Broken { cause: "client-gone", facts });
            }
            next = data(&mut rest).await;
        }
        match filter.finish(&mut pending) {
            Ok(finished) => Ok((Box::new(said(facts, listed, &finished)), pending)),
            Err(_) => {
                let facts = Box::new(AccessFacts { patients: listed.into_parts(), ..facts });
                Err(Broken { cause: "unfilterable", facts })
            }
        }
    }
}

/// The next bytes of a body.
async fn data(body: &mut Body) -> Option<Result<Bytes, BodyError>> {
    loop {
        match body.frame().await? {
            Err(error) => return Some(Err(error)),
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
        }
    }
}

fn said(facts: AccessFacts, mut listed: Patients, finished: &Finished) -> AccessFacts {
    listed.add(finished.resources());
    let mut facts = AccessFacts {
        patients: listed.into_parts(),
        withheld: finished.withheld_elements().to_vec(),
        withheld_resources: finished.withheld_resources(),
        ..facts
    };
    facts.agent.digests = Some(Digests {
        received: Some(hex::encode(finished.received_digest())),
        released: Some(hex::encode(finished.released_digest())),
        sent: None,
    });
    facts
}
