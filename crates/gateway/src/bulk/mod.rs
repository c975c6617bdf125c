//! Bulk export (Bulk Data 2.0): the kick-off, the state, the files. The bridge keeps nothing of an export: what it must
//! remember is sealed into the addresses that it gives out, for one client under one policy for a while. Each step is
//! decided as the export itself, so that what is granted no more is not fetched any more.

mod kick_off;
mod manifest;
mod ticket;

use bascule_audit::Entry;
use bascule_fhir::Timestamp;
use bascule_minimum::Shape;
use bascule_policy::Permit;
use bascule_smart::Principal;
use bascule_wire::{Body, collect};
use http::header::{CONTENT_LOCATION, EXPIRES, HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::answer::Response;
use crate::apis::Served;
use crate::ask;
use crate::gateway::Gateway;
use crate::pages::Bearer;
use crate::record::Visit;
use crate::refuse::Refusal;
use crate::stream::{self, Kind};
use crate::upstream::{Fetch, UpstreamFault};
use crate::walk;

use manifest::Manifest;
use ticket::Ticket;

pub(crate) use kick_off::is_kick_off;

/// A manifest at most, in bytes.
const MANIFEST_BYTES_MAX: usize = 16 << 20;
const PROGRESS: HeaderName = HeaderName::from_static("x-progress");

/// Begins an export: an intent is durable before the upstream begins it.
///
/// # Errors
/// [`Refusal`], by what is amiss with the request or the answer.
pub(crate) async fn begin(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let asked = kick_off::check(visit, permit, now)?;
    let call = kick_off::call(permit)?;
    intend(gateway, visit, now).await?;
    let (head, _) = served.upstream.fetch(call, &visit.behalf()?).await.map_err(Refusal::Upstream)?;
    match head.status {
        StatusCode::ACCEPTED => {}
        status if status.is_client_error() => return Err(Refusal::Rejected { status }),
        status => return Err(failed(status, &head.headers)),
    }
    let state = head.headers.get(CONTENT_LOCATION).and_then(|value| value.to_str().ok());
    let state = state.and_then(|url| served.upstream.on_same_host(url));
    let state = state.ok_or_else(|| Refusal::unfilterable("an export without a place to ask for its state"))?;
    let ticket = Ticket::state(state, asked, now.plus_seconds(gateway.limits().export_seconds));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LOCATION, address(gateway, served, permit, &ticket)?);
    bare(gateway, visit, StatusCode::ACCEPTED, headers, now).await
}

/// Answers for an export that was begun: its state, its end, or one of its files.
///
/// # Errors
/// [`Refusal`]; what has ended, expired or is not this client's is not there.
pub(crate) async fn go_on(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    principal: Principal,
    (token, cancel): (&str, bool),
    now: Timestamp,
) -> Result<Response, Refusal> {
    let policy = gateway.policy();
    let bearer = Bearer { principal: &principal, api: &served.api.name, policy_hash: policy.hash() };
    let ticket = Ticket::open(&gateway.pages(), token, &bearer, now).map_err(Refusal::Page)?;
    visit.said = format!("{} {} of {}", visit.head.method, ticket.of.as_deref().unwrap_or("state"), ticket.asked);
    let asked = walk::asked(served, ask::reread(&ticket.asked).map_err(Refusal::Unreadable)?);
    let permit = walk::decide(gateway, served, visit, principal, asked, now)?;
    match (&ticket.of, cancel) {
        (None, true) => end(gateway, served, visit, &ticket, now).await,
        (None, false) => state(gateway, served, visit, &permit, &ticket, now).await,
        (Some(_), true) => Err(Refusal::Rejected { status: StatusCode::METHOD_NOT_ALLOWED }),
        (Some(of), false) if manifest::leaves(&permit, of) => file(gateway, served, visit, &permit, &ticket, now).await,
        (Some(_), false) => Err(Refusal::NotFound),
    }
}

async fn state(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    ticket: &Ticket,
    now: Timestamp,
) -> Result<Response, Refusal> {
    intend(gateway, visit, now).await?;
    let call = Fetch::get(ticket.address.clone());
    let (head, body) = served.upstream.fetch(call, &visit.behalf()?).await.map_err(Refusal::Upstream)?;
    match head.status {
        StatusCode::OK => manifest(gateway, served, visit, permit, ticket, body, now).await,
        StatusCode::ACCEPTED => {
            let mut headers = HeaderMap::new();
            // What an upstream says of its progress may count what is withheld.
            headers.insert(PROGRESS, HeaderValue::from_static("in progress"));
            if let Some(seconds) = head.headers.get(RETRY_AFTER) {
                headers.insert(RETRY_AFTER, seconds.clone());
            }
            bare(gateway, visit, StatusCode::ACCEPTED, headers, now).await
        }
        status => Err(unserved(status, &head.headers)),
    }
}

/// The manifest, made anew: files of types that leave, at addresses of the bridge.
async fn manifest(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    ticket: &Ticket,
    body: Body,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let unreadable = || Refusal::unfilterable("the manifest of an export");
    let bytes = collect(body, MANIFEST_BYTES_MAX).await.map_err(|_| unreadable())?;
    let manifest = Manifest::read(&bytes).ok_or_else(unreadable)?;
    let seal = |of: &str, url: &str| -> Option<String> {
        let file = ticket.file(served.upstream.file(url)?, of, manifest.requires_access_token);
        address(gateway, served, permit, &file).ok()?.to_str().ok().map(ToOwned::to_owned)
    };
    let request = format!("{}{}", served.public_base, ticket.asked);
    let said = manifest.said(permit, &request, seal);
    let mut headers = HeaderMap::new();
    if let Ok(date) = HeaderValue::from_str(&manifest::http_date(ticket.expires)) {
        headers.insert(EXPIRES, date);
    }
    let entry = Entry::disclosure(visit.facts(StatusCode::OK.as_u16()), now);
    let receipt = gateway.log().append(entry, visit.intent.take()).await.map_err(Refusal::audit)?;
    Ok(Response::manifest(&said, &receipt).with(StatusCode::OK, headers))
}

async fn end(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    ticket: &Ticket,
    now: Timestamp,
) -> Result<Response, Refusal> {
    intend(gateway, visit, now).await?;
    let call = Fetch { method: Method::DELETE, ..Fetch::get(ticket.address.clone()) };
    let (head, _) = served.upstream.fetch(call, &visit.behalf()?).await.map_err(Refusal::Upstream)?;
    match head.status {
        status if status.is_success() => bare(gateway, visit, StatusCode::ACCEPTED, HeaderMap::new(), now).await,
        status => Err(unserved(status, &head.headers)),
    }
}

/// A file: each line filtered as it passes, whatever its size.
async fn file(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    ticket: &Ticket,
    now: Timestamp,
) -> Result<Response, Refusal> {
    intend(gateway, visit, now).await?;
    let call = Fetch {
        accept: "application/fhir+ndjson",
        identified: ticket.identified,
        ..Fetch::get(ticket.address.clone())
    };
    let (head, body) = served.upstream.fetch(call, &visit.behalf()?).await.map_err(Refusal::Upstream)?;
    match head.status {
        StatusCode::OK => {
            let came = stream::Came {
                first: bytes::Bytes::new(),
                rest: body,
                shape: Shape::Ndjson,
                kind: Kind::Ndjson,
                export: Some(ticket.export()),
            };
            stream::open(gateway, served, visit, permit, came, HeaderMap::new(), now)
        }
        status => Err(unserved(status, &head.headers)),
    }
}

/// Where a ticket is shown.
fn address(gateway: &Gateway, served: &Served, permit: &Permit, ticket: &Ticket) -> Result<HeaderValue, Refusal> {
    let bearer = Bearer { principal: permit.principal(), api: &permit.asked().api, policy_hash: permit.policy_hash() };
    let token = ticket.seal(&gateway.pages(), &bearer).ok_or(Refusal::Fault { at: "sealing an export's address" })?;
    HeaderValue::from_str(&format!("{}/_bulk/{token}", served.public_base))
        .map_err(|_| Refusal::Fault { at: "an export's address" })
}

async fn intend(gateway: &Gateway, visit: &mut Visit, now: Timestamp) -> Result<(), Refusal> {
    visit.intent = Some(gateway.log().intend(Entry::intent(visit.facts(0), now)).await.map_err(Refusal::audit)?);
    Ok(())
}

async fn bare(
    gateway: &Gateway,
    visit: &mut Visit,
    status: StatusCode,
    headers: HeaderMap,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let entry = Entry::disclosure(visit.facts(status.as_u16()), now);
    let receipt = gateway.log().append(entry, visit.intent.take()).await.map_err(Refusal::audit)?;
    Ok(Response::bare(&receipt).with(status, headers))
}

/// Why the upstream gave nothing.
fn unserved(status: StatusCode, headers: &HeaderMap) -> Refusal {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Refusal::NotFound,
        status if status.is_client_error() => Refusal::Rejected { status },
        status => failed(status, headers),
    }
}

fn failed(status: StatusCode, headers: &HeaderMap) -> Refusal {
    let retry = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Refusal::Upstream(UpstreamFault::Failed {
        status: status.as_u16(),
        retry_after_seconds: retry.and_then(|text| text.parse().ok()),
    })
}
