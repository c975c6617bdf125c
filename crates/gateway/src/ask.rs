//! Reads what is asked, once: from here on nobody looks at path, query or form again.

use std::time::Duration;

use bascule_fhir::interaction::{ParseError, Request};
use bascule_fhir::{Interaction, Level, Query, Within};
use bascule_wire::{Body, BodyError, collect};
use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;

use crate::head::Head;
use crate::headers;
use crate::narrow::encoded;
use crate::refuse::Refusal;
use crate::settings::Limits;

/// A request as it was read.
pub(crate) struct Read {
    /// What is asked.
    pub(crate) interaction: Interaction,
    /// The JSON that came with it; empty if it was a form, or nothing.
    pub(crate) body: Bytes,
}

/// Reads the body, up to its bound, and then all of it as one interaction. `rest` is the path behind the API's base.
///
/// # Errors
/// [`Refusal`]: a shape that is not known is refused, never guessed.
pub(crate) async fn read(head: &Head, rest: &str, body: Body, limits: &Limits) -> Result<Read, Refusal> {
    let is_file = rest.starts_with("/_bulk/");
    if !is_file && (!headers::takes_json(&head.headers) || !format_is_json(&head.query)) {
        return Err(Refusal::NotAcceptable);
    }
    let has_body = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
    let body = if has_body { arrive(body, limits).await.map_err(Refusal::Body)? } else { Bytes::new() };
    let kind = kind_of(head, &body)?;
    let request = Request {
        form: (kind == Kind::Form).then_some(&body),
        body: (kind == Kind::Json).then_some(&body),
        ..request(head, rest)
    };
    let interaction = Interaction::parse(&request).map_err(Refusal::Unreadable)?;
    Ok(Read { interaction, body: if kind == Kind::Json { body.clone() } else { Bytes::new() } })
}

/// The body, within its bounds of size and time.
async fn arrive(body: Body, limits: &Limits) -> Result<Bytes, BodyError> {
    let idle_ms = limits.request_timeout_ms;
    let collecting = collect(body, limits.request_bytes_max);
    let arrived = tokio::time::timeout(Duration::from_millis(idle_ms), collecting).await;
    arrived.unwrap_or(Err(BodyError::Idle { idle_ms }))
}

/// What is asked, as far as the head alone tells; for the record of a request whose body nobody read.
pub(crate) fn glance(head: &Head, rest: &str) -> Option<Interaction> {
    Interaction::parse(&request(head, rest)).ok()
}

/// Reads a path and query that the bridge itself put into a page link.
///
/// # Errors
/// [`ParseError`], if it was made by an older bridge.
pub(crate) fn reread(asked: &str) -> Result<Interaction, ParseError> {
    let (path, query) = asked.split_once('?').map_or((asked, None), |(path, query)| (path, Some(query)));
    Interaction::parse(&Request { method: "GET", path, query, ..Request::default() })
}

/// The path and query, by GET, that ask the same; `None` for what has no pages.
pub(crate) fn said(interaction: &Interaction) -> Option<String> {
    let (path, query) = match interaction {
        Interaction::Search { within: Within::System, query } => (String::new(), query),
        Interaction::Search { within: Within::Type(resource), query } => (format!("/{resource}"), query),
        Interaction::Search { within: Within::Compartment { of, id, resource }, query } => {
            let member = resource.map_or("*", |resource| resource.name());
            (format!("/{of}/{id}/{member}"), query)
        }
        Interaction::History { on, query } => (format!("{}/_history", level(on)), query),
        Interaction::Operation { on, name, query } => (format!("{}/${name}", level(on)), query),
        _ => return None,
    };
    Some(if query.parameters.is_empty() { path } else { format!("{path}?{}", encoded(query)) })
}

fn request<'a>(head: &'a Head, rest: &'a str) -> Request<'a> {
    Request {
        method: head.method.as_str(),
        path: rest,
        query: (!head.query.is_empty()).then_some(head.query.as_str()),
        form: None,
        body: None,
        if_none_exist: head.header("if-none-exist"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    Json,
    Form,
}

fn kind_of(head: &Head, body: &Bytes) -> Result<Kind, Refusal> {
    if body.is_empty() {
        return Ok(Kind::Nothing);
    }
    let media = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bare = media.split(';').next().unwrap_or_default().trim();
    if bare.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(Kind::Form)
    } else if headers::is_json(media) {
        Ok(Kind::Json)
    } else {
        Err(Refusal::MediaType)
    }
}

/// `_format` may ask for JSON only. A query that cannot be read is refused for that, and not here.
fn format_is_json(query: &str) -> bool {
    Query::parse(query).map_or(true, |query| {
        query.named("_format").all(|format| format.value == "json" || headers::is_json(&format.value))
    })
}

fn level(on: &Level) -> String {
    match on {
        Level::System => String::new(),
        Level::Type(resource) => format!("/{resource}"),
        Level::Instance(resource, id) => format!("/{resource}/{id}"),
    }
}
