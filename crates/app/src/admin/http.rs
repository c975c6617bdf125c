//! Administration over HTTP: the same acts, the same handler and the same log as `admin.sock`. Whoever asks shows a token with
//! the scope `bascule/administer`, a role that administers, and a second factor from within the last minutes.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bascule_gateway::smart::{SmartState, permitted};
use bascule_policy::administer::Administered;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::records::Records;
use super::{Act, Outcome};

/// Where acts are sent.
pub(crate) const PATH: &str = "/admin/act";
/// Bytes of an act.
const BODY_BYTES_MAX: usize = 1 << 20;

#[derive(Clone)]
struct Administration {
    smart: SmartState,
    records: Arc<Records>,
}

/// The endpoint.
pub(crate) fn router(smart: SmartState, records: Arc<Records>) -> Router {
    let state = Administration { smart, records };
    Router::new().route(PATH, post(act)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(state)
}

/// `POST /admin/act`: an act as JSON.
async fn act(State(state): State<Administration>, parts: Parts, body: Bytes) -> Response {
    let permit = match permitted(&state.smart, &parts, Administered::Records).await {
        Ok(permit) => permit,
        Err(refused) => return refused,
    };
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!({"refused": "an act is sent as application/json"}));
    }
    let act = match serde_json::from_slice::<Act>(&body) {
        Ok(act) => act,
        Err(error) => {
            return answer(StatusCode::BAD_REQUEST, &json!({"refused": format!("not an act: {error}")}));
        }
    };
    if let Some(why) = act.local_only() {
        return answer(StatusCode::FORBIDDEN, &json!({"refused": why}));
    }
    match state.records.act(act, permit.by()).await {
        Outcome::Done(value) => answer(StatusCode::OK, &json!({"done": value})),
        Outcome::Refused(sentence) => answer(StatusCode::CONFLICT, &json!({"refused": sentence})),
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
