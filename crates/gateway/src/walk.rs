//! The request's walk: parse, authenticate, decide, send, release, append, disclose.
//!
//! Each step needs the proof that the step before made, so that none can be left out. Every `?` ends in one
//! [`Refusal`], and however a walk ends, it leaves exactly one terminal entry.

use bascule_audit::Entry;
use bascule_crypto::digest::sha256;
use bascule_fhir::{Interaction, Timestamp};
use bascule_minimum::{Released, Reply as Answer, Withheld, release};
use bascule_policy::{Asked, Permit};
use bascule_smart::{Principal, authenticate};
use bascule_wire::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::answer::Response;
use crate::apis::Served;
use crate::ask;
use crate::facts::{Question, gather};
use crate::gateway::Gateway;
use crate::headers;
use crate::identity::Behalf;
use crate::narrow::{self, Sent};
use crate::observe;
use crate::offer::Offer;
use crate::record::Visit;
use crate::refuse::Refusal;
use crate::upstream::{Call, Content, Reply};
use crate::{batch, bulk, duties, feeds, keep, links, mode, outbound, parameters, refill, safety, stream, write};

/// Walks one request to its end, and says what became of it.
pub(crate) async fn walk(
    gateway: &Gateway,
    served: &Served,
    rest: &str,
    mut visit: Visit,
    body: Body,
    now: Timestamp,
) -> http::Response<Body> {
    let request_id = visit.head.request_id.clone();
    match serve(gateway, served, rest, &mut visit, body, now).await {
        Ok(response) => response.into_http(&request_id),
        Err(refusal) => {
            let refusal = refused(gateway, &mut visit, refusal, now).await;
            settled(gateway, &visit, &refusal).await;
            let offer = Offer::of(gateway, &visit, &refusal, now);
            refusal.answer_with(&request_id, gateway.public_url(), offer.as_ref())
        }
    }
}

async fn serve(
    gateway: &Gateway,
    served: &Served,
    rest: &str,
    visit: &mut Visit,
    body: Body,
    now: Timestamp,
) -> Result<Response, Refusal> {
    visit.asked = ask::glance(&visit.head, rest).map(|interaction| asked(served, interaction));
    let credentials = gateway.credentials(Some(served), &visit.head, now).await?;
    let principal = authenticate(credentials, &served.api.name, now).map_err(Refusal::Unauthenticated)?;
    visit.principal = Some(principal.clone());
    let read = parameters::folded(ask::read(&visit.head, rest, body, gateway.limits()).await?)?;
    if let Some(said) = ask::said(&read.interaction).filter(|_| visit.head.method == Method::POST) {
        visit.said = format!("POST {said}");
    }
    visit.asked = Some(asked(served, read.interaction.clone()));
    match read.interaction {
        Interaction::Batch { kind, entries } => {
            batch::serve(gateway, served, visit, &principal, kind, entries, &read.body, now).await
        }
        Interaction::Page { token } => {
            let page = gateway.page(&token, served, &principal, now)?;
            let asked = asked(served, ask::reread(&page.asked).map_err(Refusal::Unreadable)?);
            let permit = decide(gateway, served, visit, principal, asked, now)?;
            visit.used = page.used;
            visit.part.0 = page.part;
            if page.address.is_empty() {
                return one(gateway, served, visit, &permit, Sent::default(), now).await;
            }
            visit.part.1 = gateway.frame(served).parts(&permit).map_err(Refusal::Narrow)?;
            exchange(gateway, served, visit, &permit, narrow::page(&page.address), now).await
        }
        Interaction::Bulk { token, cancel } => {
            bulk::go_on(gateway, served, visit, principal, (&token, cancel), now).await
        }
        interaction => {
            let permit = decide(gateway, served, visit, principal, asked(served, interaction), now)?;
            let sent = write::prepare(gateway, served, visit, &permit, &read.body).await?;
            one(gateway, served, visit, &permit, sent, now).await
        }
    }
}

/// A permitted request that is one call: narrowed, sent, released, recorded.
pub(crate) async fn one(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    sent: Sent,
    now: Timestamp,
) -> Result<Response, Refusal> {
    if bulk::is_kick_off(permit) {
        return bulk::begin(gateway, served, visit, permit, now).await;
    }
    let frame = narrow::Frame { part: Some(visit.part.0), ..gateway.frame(served) };
    visit.part.1 = frame.parts(permit).map_err(Refusal::Narrow)?;
    let call = narrow::call(permit, sent, &frame).map_err(Refusal::Narrow)?;
    exchange(gateway, served, visit, permit, call, now).await
}

/// Asks policy, with exactly the facts that it needs.
pub(crate) fn decide(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    principal: Principal,
    asked: Asked,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    visit.asked = Some(asked.clone());
    let policy = gateway.policy();
    let question = Question::new(&served.api.name, &principal, policy.settings(), now);
    let facts = gather(&gateway.shelf(), &policy.needs(&principal, &asked), &question);
    visit.recipient = crate::facts::recipient(&facts);
    let api = mode::in_force(gateway.store(), &served.api);
    let permit = policy.decide(principal, asked, &facts, &api, now).map_err(Refusal::Denied)?;
    outbound::decide(gateway, served, visit, &permit, now)?;
    visit.permit = Some(permit.clone());
    Ok(permit)
}

/// Out and back. The intent is on its way to the disk while the upstream answers a read; a write waits for it.
async fn exchange(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    call: Call,
    now: Timestamp,
) -> Result<Response, Refusal> {
    if !call.body.is_empty() && call.changes() {
        visit.digests.sent = Some(sha256(&call.body));
    }
    visit.address.clone_from(&call.address);
    let head = visit.head.clone();
    let behalf = Behalf::Caller(permit.principal(), &head);
    let reply = if call.changes() {
        visit.intent = Some(keep::intend(gateway, visit, now).await?);
        let reply = served.upstream.send(call, &head.headers, &behalf).await;
        // Whatever was answered, it may have been written.
        feeds::written(gateway, served, permit, reply.as_ref().ok().map(|reply| &reply.headers), now).await;
        reply
    } else {
        let intend = keep::intend(gateway, visit, now);
        let (intent, reply) = tokio::join!(intend, served.upstream.send(call, &head.headers, &behalf));
        visit.intent = Some(intent?);
        reply
    };
    disclose(gateway, served, visit, permit, reply.map_err(Refusal::Upstream)?, now).await
}

/// What may leave of a reply, recorded before it leaves.
async fn disclose(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    reply: Reply,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let Reply { status, headers, content } = reply;
    if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
        return Err(Refusal::NotFound);
    }
    if !status.is_success() {
        return Err(Refusal::Rejected { status });
    }
    let head = passed(served, permit, &headers);
    let body = match content {
        Content::Empty if expects_body(permit) => return Err(Refusal::unfilterable("the answer has no body")),
        Content::Empty => return bare(gateway, visit, permit, status, head, now).await,
        Content::Streaming(..) if visit.held_only => return Err(Refusal::TooLargeForEntry),
        Content::Streaming(first, rest) => {
            let came =
                stream::Came { first, rest, shape: links::shape(permit), kind: stream::Kind::Json, export: None };
            observe::tell(gateway, served, permit, None, now);
            return stream::open(gateway, served, visit, permit, came, head, now);
        }
        Content::Held(body) => body,
    };
    let released = match full(gateway, served, visit, permit, body, now).await {
        Ok(released) => released,
        // Of a write that was done, nothing needs to be seen.
        Err(_) if !expects_body(permit) => return bare(gateway, visit, permit, status, head, now).await,
        Err(withheld) => return Err(Refusal::withheld(withheld)),
    };
    if !is_what_was_asked(permit, &released) {
        return Err(Refusal::unfilterable("the answer is another resource than the one that was asked for"));
    }
    visit.digests.released = Some(*released.released_digest());
    let entry = Entry::disclosure(visit.facts_with(status.as_u16(), &released), now);
    let receipt = keep::append(gateway, visit, entry, now).await?;
    duties::review(gateway, permit, &released.patients(), &visit.head.request_id, now);
    observe::tell(gateway, served, permit, Some(released.body()), now);
    let mut head = head;
    duties::notice(&mut head, permit, Some(released.body()));
    Ok(Response::held(released, &receipt).with(status, head))
}

/// What may leave of a held body; a page of which something stays is filled up from those that follow.
async fn full(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    body: Bytes,
    now: Timestamp,
) -> Result<Released, Withheld> {
    let codes = gateway.coder().codes(permit, None, now);
    let part = visit.part.0;
    let filtered = |body: &[u8], used: usize| {
        let link = links::linker(gateway, served, permit, (used, part), now);
        let rewrite = codes.given(links::rewrite(served, &link));
        let answer = Answer { body, shape: links::shape(permit) };
        release(gateway.masks(), permit, answer, &rewrite, gateway.filter_limits())
    };
    let came = body.clone();
    let mut body = refill::rest_of(&body, visit.used).map_or(body, Bytes::from);
    if part + 1 < visit.part.1 {
        body = refill::goes_on(&body, part + 1).map_or(body, Bytes::from);
    }
    // Of what cannot be filtered, too, it can be shown later what came.
    visit.digests.received = Some(sha256(&came));
    let mut released = filtered(&body, 0)?;
    let mut used = 0;
    let is_short = released.withheld_resources() > 0 || visit.used > 0;
    if !is_short || !refill::fills(permit) {
        return Ok(released);
    }
    if let Some(page) = refill::refilled(gateway, served, permit, (&came, &body), visit).await {
        visit.digests.received = Some(page.received);
        (body, used) = (Bytes::from(page.body), page.used);
        released = filtered(&body, used)?;
    }
    if safety::treats(&gateway.policy(), permit)
        && let Some(noted) = safety::noted(gateway, served, permit, &body)
    {
        released = filtered(&noted, used)?;
    }
    Ok(released)
}

/// Whether what is read is what was asked for: an upstream is believed no other.
fn is_what_was_asked(permit: &Permit, released: &Released) -> bool {
    match &permit.asked().interaction {
        Interaction::Read { resource, id, .. } | Interaction::Vread { resource, id, .. } => {
            released.resources().iter().all(|one| one.resource == *resource && one.id.as_deref() == Some(id.as_str()))
        }
        _ => true,
    }
}

/// An answer without a body, recorded like any other.
async fn bare(
    gateway: &Gateway,
    visit: &mut Visit,
    permit: &Permit,
    status: StatusCode,
    head: HeaderMap,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let entry = Entry::disclosure(visit.facts(status.as_u16()), now);
    let receipt = keep::append(gateway, visit, entry, now).await?;
    duties::review(gateway, permit, &visit.written_ids(), &visit.head.request_id, now);
    Ok(Response::bare(&receipt).with(status, head))
}

/// What is not there is answered no sooner than what may not be seen: both wait for the same moment.
pub(crate) async fn settled(gateway: &Gateway, visit: &Visit, refusal: &Refusal) {
    if matches!(refusal, Refusal::NotFound) {
        let floor = std::time::Duration::from_millis(gateway.limits().absent_floor_ms);
        tokio::time::sleep_until((visit.started() + floor).into()).await;
    }
}

/// Records a walk that ended early. If even that cannot be kept, the answer says so instead.
pub(crate) async fn refused(gateway: &Gateway, visit: &mut Visit, refusal: Refusal, now: Timestamp) -> Refusal {
    tracing::info!(request = visit.head.request_id, status = refusal.status().as_u16(), %refusal, "ended early");
    let facts = visit.facts_of(&refusal);
    if visit.principal.is_none() {
        // Of strangers, a flood is told as a count.
        if gateway.floods().counts(gateway.log(), &visit.head.address, &facts, now) {
            return refusal;
        }
    }
    let entry = if visit.permit.is_some() { Entry::disclosure(facts, now) } else { Entry::refusal(facts, now) };
    match keep::append(gateway, visit, entry, now).await {
        Ok(_) => refusal,
        Err(unkept) => unkept,
    }
}

pub(crate) fn asked(served: &Served, interaction: Interaction) -> Asked {
    Asked { api: served.api.name.clone(), interaction }
}

/// Whether the answer to such a request is a body; a write may be answered by none.
fn expects_body(permit: &Permit) -> bool {
    !matches!(
        permit.asked().interaction,
        Interaction::Create { .. }
            | Interaction::Update { .. }
            | Interaction::Patch { .. }
            | Interaction::Delete { .. }
            | Interaction::Operation { .. }
    )
}

/// The headers of the upstream that leave. A validator tells of every change to the resource, so that it leaves only
/// where all of it does, or its version.
pub(crate) fn passed(served: &Served, permit: &Permit, answered: &HeaderMap) -> HeaderMap {
    let validators = permit.asked().interaction.resource().is_some_and(|resource| {
        permit.narrowing().types.get(&resource).is_some_and(|narrowing| links::shows_version(&narrowing.elements))
    });
    headers::to_client(answered, |url| links::public_url(served, url), validators)
}
