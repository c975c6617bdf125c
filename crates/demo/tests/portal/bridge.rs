//! A bridge that lets the portal in: discovery, authorization code with PKCE, revocation, and a patient's FHIR.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, RawForm, RawQuery, State};
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bascule_demo::hospital::{Hospital, Seed};
use bascule_wire::tls::development::DevelopmentTls;
use bascule_wire::{ListenLimits, ReloadableTls, serve};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use time::macros::date;
use tokio::net::TcpListener;

/// Entries of one page.
const PAGE: usize = 25;

/// What the bridge does otherwise than it should.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Answers in another's name.
    WrongIssuer,
    /// Says that the person did not agree.
    Denied,
    /// Grants reading alone, whatever was asked for.
    ReadOnly,
    /// Refuses one type.
    Refuses(&'static str),
    /// Sends the next page to elsewhere.
    StrayLink,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) authorize: HashMap<String, String>,
    pub(crate) revoked: Vec<String>,
    pub(crate) searches: Vec<String>,
    /// Bodies of writes, with method and path.
    pub(crate) writes: Vec<(String, Value)>,
    challenge: String,
    tokens: u32,
}

pub(crate) struct Bridge {
    pub(crate) url: String,
    pub(crate) seen: Mutex<Seen>,
    pub(crate) fault: Mutex<Fault>,
    chart: Vec<Value>,
}

impl Bridge {
    pub(crate) async fn start(tls: &DevelopmentTls) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let chart = Hospital::new(Seed::new(1), 12, date!(2026 - 11 - 24)).chart(0);
        let bridge = Arc::new(Self { url, seen: Mutex::default(), fault: Mutex::default(), chart });
        let app = Router::new()
            .route("/fhir/.well-known/smart-configuration", get(discovery))
            .route("/oauth/authorize", get(authorize))
            .route("/oauth/token", post(token))
            .route("/oauth/revoke", post(revoke))
            .route("/fhir/{kind}", get(search).post(write))
            .route("/fhir/{kind}/{id}", get(read).patch(write))
            .with_state(Arc::clone(&bridge));
        let tls = ReloadableTls::load(tls.files()).unwrap();
        tokio::spawn(serve(listener, Some(tls), app, ListenLimits::default(), std::future::pending()));
        bridge
    }

    pub(crate) fn fault(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn is(&self, fault: Fault) -> bool {
        *self.fault.lock().unwrap() == fault
    }

    /// Forgets every token, as a revocation would.
    pub(crate) fn end_all_tokens(&self) {
        self.seen.lock().unwrap().tokens += 1;
    }

    fn token(&self) -> String {
        format!("token-{}", self.seen.lock().unwrap().tokens)
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        headers
            .get(AUTHORIZATION)
            .is_some_and(|value| value.as_bytes() == format!("Bearer {}", self.token()).as_bytes())
    }
}

type Shared = State<Arc<Bridge>>;

async fn discovery(State(bridge): Shared) -> Json<Value> {
    let at = |path: &str| format!("{}/oauth/{path}", bridge.url);
    Json(json!({
        "issuer": bridge.url, "authorization_endpoint": at("authorize"), "token_endpoint": at("token"),
        "revocation_endpoint": at("revoke"), "authorization_response_iss_parameter_supported": true,
        "code_challenge_methods_supported": ["S256"],
    }))
}

fn pairs(text: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}

async fn authorize(State(bridge): Shared, RawQuery(query): RawQuery) -> Response {
    let asked = pairs(query.unwrap_or_default().as_bytes());
    let issuer = if bridge.is(Fault::WrongIssuer) { "https://other.example" } else { bridge.url.as_str() };
    let outcome = if bridge.is(Fault::Denied) { ("error", "access_denied") } else { ("code", "the-code") };
    let back = form_urlencoded::Serializer::new(String::new())
        .append_pair(outcome.0, outcome.1)
        .append_pair("state", &asked["state"])
        .append_pair("iss", issuer)
        .finish();
    let to = format!("{}?{back}", asked["redirect_uri"]);
    let mut seen = bridge.seen.lock().unwrap();
    seen.challenge = asked["code_challenge"].clone();
    seen.authorize = asked;
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

async fn token(State(bridge): Shared, RawForm(form): RawForm) -> Response {
    let asked = pairs(&form);
    let challenge = URL_SAFE_NO_PAD.encode(sha256(asked["code_verifier"].as_bytes()));
    let fits = asked["grant_type"] == "authorization_code"
        && asked["code"] == "the-code"
        && asked["client_id"] == "portal"
        && challenge == bridge.seen.lock().unwrap().challenge;
    if !fits {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    let asked_scope = bridge.seen.lock().unwrap().authorize["scope"].clone();
    let scope = if bridge.is(Fault::ReadOnly) { String::from("patient/*.rs") } else { asked_scope };
    let body = json!({"access_token": bridge.token(), "token_type": "Bearer", "expires_in": 3600, "scope": scope, "patient": "p0001"});
    Json(body).into_response()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    // The digest is taken from the OAuth library: what is under test is that the portal sends the verifier that
    // belongs to its own challenge.
    let verifier = oauth2::PkceCodeVerifier::new(String::from_utf8(bytes.to_vec()).unwrap());
    let challenge = oauth2::PkceCodeChallenge::from_code_verifier_sha256(&verifier);
    URL_SAFE_NO_PAD.decode(challenge.as_str()).unwrap()
}

async fn revoke(State(bridge): Shared, RawForm(form): RawForm) -> StatusCode {
    let asked = pairs(&form);
    let mut seen = bridge.seen.lock().unwrap();
    seen.revoked.push(asked["token"].clone());
    seen.tokens += 1;
    StatusCode::OK
}

fn refuse(status: StatusCode, words: &str) -> Response {
    let body = json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden", "details": {"text": words}}]});
    (status, [("x-request-id", "request-7")], Json(body)).into_response()
}

async fn read(State(bridge): Shared, Path((kind, id)): Path<(String, String)>, headers: HeaderMap) -> Response {
    if !bridge.admits(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, "no valid token");
    }
    match bridge.chart.iter().find(|body| body["resourceType"] == kind && body["id"] == id) {
        Some(body) => Json(body.clone()).into_response(),
        None => refuse(StatusCode::NOT_FOUND, "not there"),
    }
}

async fn write(State(bridge): Shared, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if !bridge.admits(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, "no valid token");
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    bridge.seen.lock().unwrap().writes.push((format!("{method} {}", uri.path()), body));
    StatusCode::CREATED.into_response()
}

async fn search(State(bridge): Shared, Path(kind): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    if !bridge.admits(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, "no valid token");
    }
    if matches!(*bridge.fault.lock().unwrap(), Fault::Refuses(refused) if refused == kind) {
        return refuse(StatusCode::FORBIDDEN, "the role `patient` grants no search here");
    }
    let asked = pairs(uri.query().unwrap_or_default().as_bytes());
    bridge.seen.lock().unwrap().searches.push(uri.to_string());
    let found: Vec<&Value> =
        bridge.chart.iter().filter(|body| body["resourceType"] == *kind && fits(body, &asked)).collect();
    let page: usize = asked.get("page").and_then(|page| page.parse().ok()).unwrap_or(0);
    let entries: Vec<Value> = found
        .iter()
        .skip(page * PAGE)
        .take(PAGE)
        .map(|body| json!({"resource": body, "search": {"mode": "match"}}))
        .collect();
    let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": found.len(), "entry": entries});
    if found.len() > (page + 1) * PAGE {
        let base = if bridge.is(Fault::StrayLink) { "https://elsewhere.example" } else { bridge.url.as_str() };
        let query = asked
            .iter()
            .filter(|(key, _)| *key != "page")
            .map(|(key, value)| format!("{key}={value}&"))
            .collect::<String>();
        bundle["link"] = json!([{"relation": "next", "url": format!("{base}/fhir/{kind}?{query}page={}", page + 1)}]);
    }
    Json(bundle).into_response()
}

fn fits(body: &Value, asked: &HashMap<String, String>) -> bool {
    let category = asked.get("category").is_none_or(|code| body["category"][0]["coding"][0]["code"] == *code);
    let status = asked.get("status").is_none_or(|status| body["status"] == *status);
    category && status && asked.get("patient").is_some_and(|patient| patient == "p0001")
}
