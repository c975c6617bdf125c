//! A batch is many requests: each entry is decided, sent and recorded by itself. A transaction goes upstream whole, and
//! only if every entry is permitted.

use bascule_audit::{Decision, Entry, Inner};
use bascule_fhir::{BatchEntry, BatchKind, Interaction, Timestamp, json};
use bascule_policy::Permit;
use bascule_smart::Principal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, IF_MATCH};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::answer::{Part, Response};
use crate::apis::Served;
use crate::ask::Read;
use crate::gateway::Gateway;
use crate::head::Head;
use crate::record::Visit;
use crate::refuse::Refusal;
use crate::{keep, parameters, transaction, walk, write};

/// Entries of one batch that are under way at once.
const AT_ONCE: usize = 4;

/// An entry as it walks.
pub(crate) struct Step {
    /// Its place.
    pub(crate) index: usize,
    /// Its own record.
    pub(crate) visit: Visit,
    /// What it asks.
    pub(crate) interaction: Interaction,
    /// Its resource; empty if it has none.
    pub(crate) body: Bytes,
    /// Its `fullUrl`, by which others may refer to it.
    pub(crate) full_url: Option<String>,
}

impl Step {
    /// The decision on it, after an operation's body is read.
    ///
    /// # Errors
    /// [`Refusal::NotJson`], or the denial.
    pub(crate) fn decided(
        &mut self,
        gateway: &Gateway,
        served: &Served,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Permit, Refusal> {
        let read = Read { interaction: self.interaction.clone(), body: self.body.clone() };
        self.visit.asked = Some(walk::asked(served, self.interaction.clone()));
        Read { interaction: self.interaction, body: self.body } = parameters::folded(read)?;
        let asked = walk::asked(served, self.interaction.clone());
        walk::decide(gateway, served, &mut self.visit, principal.clone(), asked, now)
    }
}

/// Walks a batch or transaction.
#[expect(clippy::too_many_arguments, reason = "the proofs of the walk, each by itself")]
pub(crate) async fn serve(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    principal: &Principal,
    kind: BatchKind,
    entries: Vec<BatchEntry>,
    body: &Bytes,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let entries_max = gateway.limits().batch_entries_max;
    if entries.len() > entries_max {
        return Err(Refusal::TooManyEntries { entries_max });
    }
    let whole = walk::asked(served, Interaction::Batch { kind, entries: entries.clone() });
    walk::decide(gateway, served, visit, principal.clone(), whole, now)?;
    let steps = steps(visit, principal, entries, body)?;
    match kind {
        BatchKind::Transaction => transaction::serve(gateway, served, visit, principal, steps, now).await,
        BatchKind::Batch => {
            let walks = steps.into_iter().map(|step| alone(gateway, served, principal, step, now));
            let done: Vec<(Inner, Part)> = futures_util::stream::iter(walks).buffered(AT_ONCE).collect().await;
            let (inner, parts) = done.into_iter().unzip();
            close(gateway, visit, "batch", inner, parts, now).await
        }
    }
}

/// Records the envelope and puts the parts together.
pub(crate) async fn close(
    gateway: &Gateway,
    visit: &mut Visit,
    kind: &str,
    inner: Vec<Inner>,
    parts: Vec<Part>,
    now: Timestamp,
) -> Result<Response, Refusal> {
    visit.inner = inner;
    let entry = Entry::disclosure(visit.facts(200), now);
    let receipt = keep::append(gateway, visit, entry, now).await?;
    Ok(Response::batch(kind, parts, &receipt))
}

/// One entry of a batch, from decision to record.
async fn alone(
    gateway: &Gateway,
    served: &Served,
    principal: &Principal,
    mut step: Step,
    now: Timestamp,
) -> (Inner, Part) {
    let walked = async {
        let permit = step.decided(gateway, served, principal, now)?;
        let sent = write::prepare(gateway, served, &mut step.visit, &permit, &step.body).await?;
        walk::one(gateway, served, &mut step.visit, &permit, sent, now).await
    }
    .await;
    match walked {
        Ok(response) => {
            let part = response.into_part();
            (inner(&step, None, part.status().as_u16()), part)
        }
        Err(refusal) => {
            let refusal = walk::refused(gateway, &mut step.visit, refusal, now).await;
            walk::settled(gateway, &step.visit, &refusal).await;
            let part = Part::refused(refusal.status(), refusal.outcome(&step.visit.head.request_id));
            (inner(&step, Some(&refusal), part.status().as_u16()), part)
        }
    }
}

/// What the envelope's record says of an entry.
pub(crate) fn inner(step: &Step, refusal: Option<&Refusal>, status: u16) -> Inner {
    let rule = match (refusal, &step.visit.permit) {
        (Some(Refusal::Denied(denial)), _) => denial.rule.clone(),
        (_, Some(permit)) => permit.rule().to_owned(),
        _ => String::new(),
    };
    Inner {
        cause: refusal.map(|refusal| refusal.cause().to_owned()),
        decision: if step.visit.permit.is_some() { Decision::Permit } else { Decision::Refuse },
        index: step.index as u64,
        interaction: step.interaction.kind().name().to_owned(),
        resource: step.interaction.resource().map(|resource| resource.name().to_owned()),
        rule,
        status,
    }
}

/// The entries, each with a head and a record of its own.
fn steps(visit: &Visit, principal: &Principal, entries: Vec<BatchEntry>, body: &Bytes) -> Result<Vec<Step>, Refusal> {
    let bundle = json::parse(body).map_err(|_| Refusal::NotJson { what: "the Bundle cannot be read" })?;
    let of = |index: usize| bundle.get("entry").and_then(|all| all.get(index)).unwrap_or(&Value::Null);
    let step = |BatchEntry { index, interaction }: BatchEntry| {
        let entry = of(index);
        let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (body, kind) = carried(entry, &interaction);
        let head = Head {
            request_id: format!("{}.{index}", visit.head.request_id),
            headers: headers(text("/request/ifMatch"), kind),
            ..visit.head.clone()
        };
        let said = format!("{} {}", text("/request/method"), text("/request/url"));
        let mut own = Visit::new(head, visit.api.clone(), said);
        own.principal = Some(principal.clone());
        own.held_only = true;
        let full_url = entry.get("fullUrl").and_then(Value::as_str).map(ToOwned::to_owned);
        Step { index, visit: own, interaction, body, full_url }
    };
    Ok(entries.into_iter().map(step).collect())
}

/// The body of an entry and what it is. A patch travels in a `Binary`, or as Parameters if it is one of FHIRPath.
fn carried(entry: &Value, interaction: &Interaction) -> (Bytes, Option<HeaderValue>) {
    let Some(resource) = entry.get("resource") else { return (Bytes::new(), None) };
    let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
    if matches!(interaction, Interaction::Patch { .. }) && text("resourceType") == "Binary" {
        let data = STANDARD.decode(text("data")).unwrap_or_default();
        return (Bytes::from(data), HeaderValue::from_str(text("contentType")).ok());
    }
    (Bytes::from(resource.to_string()), Some(HeaderValue::from_static("application/fhir+json")))
}

/// The headers that an entry's `request` and resource stand for.
fn headers(if_match: &str, kind: Option<HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(value) = HeaderValue::from_str(if_match).ok().filter(|_| !if_match.is_empty()) {
        headers.insert(IF_MATCH, value);
    }
    if let Some(kind) = kind {
        headers.insert(CONTENT_TYPE, kind);
    }
    headers
}
