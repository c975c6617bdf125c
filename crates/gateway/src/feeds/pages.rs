//! All resources of a search at an upstream, page by page, within bounds.

use bascule_fhir::{Timestamp, json};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

use super::FeedFault;
use crate::apis::Served;
use crate::identity::Behalf;
use crate::upstream::{Call, Content};

/// Resources of one feed at most.
const RESOURCES_MAX: usize = 200_000;
/// Bytes of one page at most.
const PAGE_BYTES_MAX: usize = 32 << 20;

/// Every resource of a search.
///
/// # Errors
/// [`FeedFault`]: a feed of which a part is missing is not used at all.
pub(super) async fn read_all(served: &Served, search: &str, now: Timestamp) -> Result<Vec<Value>, FeedFault> {
    let mut resources = Vec::new();
    let mut address = Some(search.to_owned());
    while let Some(next) = address {
        let bundle = get(served, next.clone(), now).await?.ok_or(FeedFault::Unreadable("is not found"))?;
        if bundle.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
            return Err(FeedFault::Unreadable("is no Bundle"));
        }
        let entries = bundle.get("entry").and_then(Value::as_array).into_iter().flatten();
        let before = resources.len();
        resources.extend(entries.filter_map(|entry| entry.get("resource").cloned()));
        if resources.len() > RESOURCES_MAX {
            return Err(FeedFault::Unreadable("has more resources than a feed may have"));
        }
        address = next_page(served, &bundle)?;
        if address.is_some() && (resources.len() == before || address.as_deref() == Some(&next)) {
            return Err(FeedFault::Unreadable("has pages that come to no end"));
        }
    }
    Ok(resources)
}

/// One resource; `None` if it is not there.
pub(super) async fn get(served: &Served, address: String, now: Timestamp) -> Result<Option<Value>, FeedFault> {
    let call = Call {
        method: Method::GET,
        address,
        content_type: None,
        if_none_exist: None,
        if_match: None,
        body: Bytes::new(),
    };
    let request_id = uuid::Uuid::new_v4().to_string();
    let behalf = Behalf::Bridge { request_id: &request_id, now };
    let reply = served.upstream.send(call, &HeaderMap::new(), &behalf).await?;
    match reply.status.as_u16() {
        200 => {}
        404 | 410 => return Ok(None),
        status => return Err(FeedFault::Refused(status)),
    }
    let body = match reply.content {
        Content::Empty => return Err(FeedFault::Unreadable("is empty")),
        Content::Held(body) => body,
        Content::Streaming(first, rest) => {
            let rest = bascule_wire::collect(rest, PAGE_BYTES_MAX).await;
            let rest = rest.map_err(|_| FeedFault::Unreadable("is broken off or too large"))?;
            [first, rest].concat().into()
        }
    };
    json::parse(&body).map(Some).map_err(|_| FeedFault::Unreadable("is not JSON"))
}

/// The next page, if there is one; it must lie at the upstream itself.
fn next_page(served: &Served, bundle: &Value) -> Result<Option<String>, FeedFault> {
    let links = bundle.get("link").and_then(Value::as_array).into_iter().flatten();
    let text = |link: &Value, name: &str| link.get(name).and_then(Value::as_str).map(str::to_owned);
    let next =
        links.filter(|link| text(link, "relation").as_deref() == Some("next")).find_map(|link| text(link, "url"));
    let Some(url) = next else { return Ok(None) };
    let base = served.upstream.base();
    let rest = url.strip_prefix(base).filter(|rest| rest.starts_with(['/', '?']));
    rest.map(|rest| Some(rest.to_owned())).ok_or(FeedFault::Unreadable("has its next page elsewhere"))
}
