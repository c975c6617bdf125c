//! The HTTP around the server: one handler for every path, because FHIR's paths are data.

mod date;
mod negotiate;

use std::future::Future;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

pub(crate) use date::{read_date, write_date};
pub(crate) use negotiate::format;

use crate::ask::{Answer, Ask, Conditions, Content, Prefer, query, verb};
use crate::server::{Access, Server};
use crate::{EhrError, Issue, Refusal};

/// The routes.
pub(crate) fn router(server: Server) -> Router {
    Router::new().fallback(handle).with_state(server)
}

/// Serves until `shutdown` resolves, and lets requests that are under way end.
pub(crate) async fn serve(
    server: Server,
    listener: tokio::net::TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), EhrError> {
    let fault = |cause| EhrError::Io { path: "listening socket".to_owned(), cause };
    let address = listener.local_addr().map_err(fault)?;
    if server.settings.access == Access::Open && !address.ip().is_loopback() {
        let text = format!("{address} is not a loopback address: an open EHR listens on loopback only; set a bearer");
        return Err(EhrError::Settings(text));
    }
    axum::serve(listener, router(server)).with_graceful_shutdown(shutdown).await.map_err(fault)
}

async fn handle(State(server): State<Server>, request: Request) -> Response {
    let is_head = request.method() == Method::HEAD;
    let wants = negotiate::Wants::read(request.headers(), request.uri().query());
    let answer = match answer(&server, request).await {
        Ok(answer) => answer,
        Err(refusal) => Answer::from(refusal),
    };
    let file = answer.file.clone();
    let mut response = respond(&server, answer, wants.pretty, is_head);
    if let Some(path) = file.filter(|_| !is_head) {
        send(&mut response, &path).await;
    }
    response
}

/// A file goes out as it is read.
async fn send(response: &mut Response, path: &std::path::Path) {
    match tokio::fs::File::open(path).await {
        Ok(file) => *response.body_mut() = Body::from_stream(tokio_util::io::ReaderStream::new(file)),
        Err(_gone) => *response.status_mut() = StatusCode::NOT_FOUND,
    }
}

async fn answer(server: &Server, request: Request) -> Result<Answer, Refusal> {
    authorize(&server.settings.access, request.headers())?;
    negotiate::accept(request.headers(), request.uri().query())?;
    let ask = read(server, request).await?;
    server.answer(ask).await
}

/// The word is compared in a time that does not depend on where it differs.
fn authorize(access: &Access, headers: &HeaderMap) -> Result<(), Refusal> {
    let Access::Bearer(word) = access else { return Ok(()) };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, word)| word);
    if given.is_some_and(|given| same(given.trim().as_bytes(), word.as_bytes())) {
        return Ok(());
    }
    let text = "this server asks for its bearer: Authorization: Bearer …";
    Err(Refusal::new(StatusCode::UNAUTHORIZED, Issue::error("login", text)))
}

fn same(given: &[u8], word: &[u8]) -> bool {
    let differences = word.iter().enumerate().fold(given.len() ^ word.len(), |sum, (at, byte)| {
        sum | usize::from(given.get(at).copied().unwrap_or(0) ^ byte)
    });
    std::hint::black_box(differences) == 0
}

async fn read(server: &Server, request: Request) -> Result<Ask, Refusal> {
    let (parts, body) = request.into_parts();
    let root = server
        .base()
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)))
        .unwrap_or("");
    let path = parts.uri.path().strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let path = path.ok_or_else(|| Refusal::not_found(format!("this server's base is {root}")))?;
    let verb = verb(&parts.method, path)?;
    let limit = server.settings.body_bytes_max;
    let body = to_bytes(body, limit).await.map_err(|_cause| {
        let text = format!("the body is longer than {limit} bytes, or was broken off");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Issue::error("too-long", text))
    })?;
    let mut asked = query(parts.uri.query().unwrap_or_default());
    let kind = negotiate::content(&parts.headers, &verb, !body.is_empty())?;
    let (content, body) = match kind {
        negotiate::Kind::Form => {
            let form = std::str::from_utf8(&body).map_err(|_| Refusal::invalid("the form is not UTF-8"))?;
            asked.parameters.extend(query(form).parameters);
            format(&asked)?;
            (Content::Json, Bytes::new())
        }
        negotiate::Kind::Of(content) => (content, body),
        negotiate::Kind::Binary(binary) => (Content::Json, negotiate::binary(&binary, &verb, &body)),
    };
    Ok(Ask { verb, query: asked, conditions: conditions(&parts.headers), content, body, value: None })
}

fn conditions(headers: &HeaderMap) -> Conditions {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let prefer = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    Conditions {
        if_match: text(header::IF_MATCH),
        if_none_match: text(header::IF_NONE_MATCH),
        if_modified_since: text(header::IF_MODIFIED_SINCE),
        if_none_exist: text(HeaderName::from_static("if-none-exist")),
        prefer: Prefer::read(prefer),
    }
}

fn respond(server: &Server, answer: Answer, pretty: bool, is_head: bool) -> Response {
    let content_type = answer.content_type.unwrap_or("application/fhir+json; charset=utf-8");
    let body = match answer.body {
        Some(body) if pretty && answer.content_type.is_none() => Some(pretty_print(body)),
        body => body,
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if body.is_some() || answer.file.is_some() {
        put(header::CONTENT_TYPE, content_type);
    }
    if let Some(body) = &body {
        put(header::CONTENT_LENGTH, &body.len().to_string());
    }
    if let Some(etag) = &answer.etag {
        put(header::ETAG, etag);
    }
    if let Some(modified) = answer.modified {
        put(header::LAST_MODIFIED, &write_date(modified));
    }
    if let Some(location) = &answer.location {
        put(header::LOCATION, &format!("{}/{location}", server.base()));
    }
    if answer.status == StatusCode::UNAUTHORIZED {
        put(header::WWW_AUTHENTICATE, "Bearer realm=\"fhir\"");
    }
    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
        put(header::RETRY_AFTER, RETRY_SECONDS);
    }
    if answer.status == StatusCode::METHOD_NOT_ALLOWED {
        put(header::ALLOW, "GET, HEAD, POST, PUT, PATCH, DELETE");
    }
    // What a chart says is nobody's to keep on the way.
    put(header::CACHE_CONTROL, "no-store");
    for (name, value) in &answer.headers {
        put(HeaderName::from_static(name), value);
    }
    if let Some(body) = body.filter(|_| !is_head) {
        *response.body_mut() = Body::from(body);
    }
    response
}

/// When to ask again while the index is built.
const RETRY_SECONDS: &str = "10";

fn pretty_print(body: String) -> String {
    let value = serde_json::from_str::<serde_json::Value>(&body);
    value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_the_whole_word() {
        let access = Access::Bearer("secret".to_owned());
        let check = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            }
            authorize(&access, &headers).is_ok()
        };
        assert!(check(Some("Bearer secret")) && check(Some("bearer secret")));
        for wrong in [
            None,
            Some("Bearer secre"),
            Some("Bearer secrets"),
            Some("Bearer Secret"),
            Some("Basic secret"),
            Some("secret"),
            Some("Bearer "),
        ] {
            assert!(!check(wrong), "{wrong:?}");
        }
        assert!(authorize(&Access::Open, &HeaderMap::new()).is_ok());
    }
}
