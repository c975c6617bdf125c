//! Pushed authorization requests (RFC 9126).

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bascule_crypto::digest::sha256;
use bascule_smart::authorize::{self, AuthorizeRefusal};
use bascule_smart::{Parameters, Refusal};
use bascule_store::pending::{Pending, PendingKind};
use bascule_store::random;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};

use super::respond::{Failure, private_json};
use super::state::{Caller, SmartState};
use super::token::form;
use super::{client, cors};

/// What stands before the random part of a `request_uri`.
pub(crate) const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";

/// `POST /oauth/par`
pub(crate) async fn push(State(state): State<SmartState>, parts: Parts, body: Bytes) -> Response {
    let caller = Caller::of(&parts);
    let mut response = match answer(&state, &parts, &body, &caller).await {
        Ok(response) => response,
        Err(failure) => state.told(failure, &caller).await.into_response(),
    };
    cors::registered(&state, &parts.headers, &mut response);
    response
}

async fn answer(state: &SmartState, parts: &Parts, body: &[u8], caller: &Caller) -> Result<Response, Failure> {
    let parameters = form(parts, body)?;
    if parameters.value("request_uri").is_some() {
        return Err(Refusal::request("`request_uri` may not be pushed").into());
    }
    let asking = client::authenticate(state, &parts.headers, &parameters, caller, None).await?;
    let parameters = ["client_secret", "client_assertion", "client_assertion_type"]
        .into_iter()
        .fold(parameters.with("client_id", &asking.id), Parameters::without);
    let checked = authorize::check(&parameters, Some((&asking.id, &asking.metadata)), state.server(), true);
    if let Err(AuthorizeRefusal::Page(refusal) | AuthorizeRefusal::Redirect { refusal, .. }) = checked {
        return Err(state.refuse(Some(asking.id), refusal, caller).await);
    }
    let name = random::token()?;
    let seconds = state.server().lifetimes.pushed_seconds;
    let pending = Pending {
        client: asking.id,
        body: to_text(&parameters),
        browser: None,
        expires: state.now().plus_seconds(seconds),
    };
    state.store().put_pending(&sha256(name.expose()), PendingKind::Pushed, &pending)?;
    let request_uri = format!("{REQUEST_URI}{}", random::text(&name));
    Ok(private_json(StatusCode::CREATED, &json!({"request_uri": request_uri, "expires_in": seconds})))
}

/// Parameters as they are kept.
pub(crate) fn to_text(parameters: &Parameters) -> String {
    Value::Object(parameters.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()).to_string()
}

/// Parameters as they were kept.
pub(crate) fn of_text(text: &str) -> Parameters {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let pairs = value.as_object().into_iter().flatten();
    Parameters::of(pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))))
}
