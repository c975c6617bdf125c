//! A transaction: every entry is decided first; one that is refused refuses them all. What goes upstream is put together
//! anew from what was permitted, and each entry of the answer is released under the permit of its own.

use bascule_audit::{Entry, Inner};
use bascule_crypto::hex;
use bascule_fhir::{Timestamp, json};
use bascule_minimum::{Reply as Answer, release};
use bascule_policy::Permit;
use bascule_smart::Principal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ETAG, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::answer::{Part, Response};
use crate::apis::Served;
use crate::batch::{Step, close, inner};
use crate::gateway::Gateway;
use crate::identity::Behalf;
use crate::narrow;
use crate::record::{Visit, digest};
use crate::refuse::Refusal;
use crate::upstream::{Call, Content};
use crate::{feeds, keep, links, walk, write};

/// Walks a transaction.
pub(crate) async fn serve(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    principal: &Principal,
    mut steps: Vec<Step>,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let mut permits = Vec::with_capacity(steps.len());
    let mut entries = Vec::with_capacity(steps.len());
    for step in &mut steps {
        match permitted(gateway, served, principal, step, now).await {
            Ok((permit, entry)) => {
                permits.push(permit);
                entries.push(entry);
            }
            Err(refusal) => {
                visit.inner = vec![inner(step, Some(&refusal), refusal.status().as_u16())];
                return Err(refusal);
            }
        }
    }
    let body = Bytes::from(json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }).to_string());
    visit.digests.sent = Some(digest(&body));
    visit.intent = Some(keep::intend(gateway, visit, now).await?);
    let content_type = Some(HeaderValue::from_static("application/fhir+json"));
    let call =
        Call { method: Method::POST, address: String::new(), content_type, body, if_none_exist: None, if_match: None };
    let behalf = Behalf::Caller(principal, &visit.head);
    let reply = served.upstream.send(call, &HeaderMap::new(), &behalf).await;
    for permit in &permits {
        feeds::written(gateway, served, permit, None, now).await;
    }
    let reply = reply.map_err(Refusal::Upstream)?;
    if !reply.status.is_success() {
        return Err(Refusal::Rejected { status: reply.status });
    }
    let Content::Held(answer) = reply.content else {
        return Err(Refusal::unfilterable("the answer to a transaction is missing or too large to hold"));
    };
    let answer = json::parse(&answer).map_err(|fault| Refusal::unfilterable(&fault.to_string()))?;
    let answered = answer.get("entry").and_then(Value::as_array).filter(|all| all.len() == steps.len());
    let answered = answered.ok_or_else(|| Refusal::unfilterable("the answer has another number of entries"))?;
    let mut done: Vec<(Inner, Part)> = Vec::with_capacity(steps.len());
    for ((mut step, permit), entry) in steps.into_iter().zip(permits).zip(answered) {
        let part = disclosed(gateway, served, &mut step, &permit, entry, now).await?;
        done.push((inner(&step, None, part.status().as_u16()), part));
    }
    let (inner, parts) = done.into_iter().unzip();
    close(gateway, visit, "transaction", inner, parts, now).await
}

/// The permit of an entry, and the entry as it goes upstream.
async fn permitted(
    gateway: &Gateway,
    served: &Served,
    principal: &Principal,
    step: &mut Step,
    now: Timestamp,
) -> Result<(Permit, Value), Refusal> {
    let permit = step.decided(gateway, served, principal, now)?;
    let sent = write::prepare(gateway, served, &mut step.visit, &permit, &step.body).await?;
    let frame = narrow::Frame { post_search: false, ..gateway.frame(served) };
    let call = narrow::call(&permit, sent, &frame).map_err(Refusal::Narrow)?;
    let mut request = Map::new();
    request.insert("method".to_owned(), call.method.as_str().into());
    request.insert("url".to_owned(), call.address.trim_start_matches('/').into());
    let asked_match = step.visit.head.headers.get(http::header::IF_MATCH).cloned();
    for (name, value) in
        [("ifMatch", call.if_match.clone().or(asked_match)), ("ifNoneExist", call.if_none_exist.clone())]
    {
        if let Some(text) = value.as_ref().and_then(|value| value.to_str().ok()) {
            request.insert(name.to_owned(), text.into());
        }
    }
    let mut entry = Map::new();
    if let Some(full_url) = &step.full_url {
        entry.insert("fullUrl".to_owned(), full_url.clone().into());
    }
    if !call.body.is_empty() {
        entry.insert("resource".to_owned(), carried(&call)?);
    }
    entry.insert("request".to_owned(), Value::Object(request));
    Ok((permit, Value::Object(entry)))
}

/// What a call sends, as the resource of an entry: a JSON Patch travels in a `Binary`.
fn carried(call: &Call) -> Result<Value, Refusal> {
    if call.content_type.as_ref() == Some(&write::JSON_PATCH) {
        let data = STANDARD.encode(&call.body);
        return Ok(json!({ "resourceType": "Binary", "contentType": "application/json-patch+json", "data": data }));
    }
    json::parse(&call.body).map_err(|_| Refusal::Fault { at: "an entry's resource" })
}

/// What may leave of one entry of the answer, recorded by itself.
async fn disclosed(
    gateway: &Gateway,
    served: &Served,
    step: &mut Step,
    permit: &Permit,
    entry: &Value,
    now: Timestamp,
) -> Result<Part, Refusal> {
    let said = |name: &str| entry.pointer(&format!("/response/{name}")).and_then(Value::as_str);
    let code = said("status").and_then(|text| text.get(..3)).and_then(|code| code.parse::<u16>().ok());
    let status = code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK);
    let mut headers = HeaderMap::new();
    for (name, value) in [(LOCATION, said("location")), (ETAG, said("etag"))] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    let head = walk::passed(served, permit, &headers);
    let link = links::linker(gateway, served, permit, (0, 0), now);
    let codes = gateway.coder().codes(permit, None, now);
    let rewrite = codes.given(links::rewrite(served, &link));
    let body = entry.get("resource").map(Value::to_string);
    let answer = body.as_ref().map(|body| Answer { body: body.as_bytes(), shape: links::shape(permit) });
    let released =
        answer.and_then(|answer| release(gateway.masks(), permit, answer, &rewrite, gateway.filter_limits()).ok());
    let entry = match &released {
        Some(released) => {
            step.visit.digests.received = Some(hex::encode(released.received_digest()));
            step.visit.digests.released = Some(hex::encode(released.released_digest()));
            Entry::disclosure(step.visit.facts_with(status.as_u16(), released), now)
        }
        None => Entry::disclosure(step.visit.facts(status.as_u16()), now),
    };
    let receipt = keep::append(gateway, &mut step.visit, entry, now).await?;
    let response = match released {
        Some(released) => Response::held(released, &receipt),
        None => Response::bare(&receipt),
    };
    Ok(response.with(status, head).into_part())
}
