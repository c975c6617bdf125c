//! The authorization endpoint, by GET and by POST: the request is checked, kept, and the browser sent to the pages.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bascule_crypto::digest::sha256;
use bascule_smart::authorize::{self, AuthorizeRefusal};
use bascule_smart::{Parameters, Refusal, SmartEvent};
use bascule_store::pending::{Pending, PendingKind};
use bascule_store::random;
use http::request::Parts;

use super::client;
use super::flow::Body;
use super::pages::{PageFailure, see_other};
use super::pushed::{REQUEST_URI, of_text};
use super::respond::Failure;
use super::state::{Caller, SmartState};
use super::token::form;

/// `GET /oauth/authorize`
pub(crate) async fn by_get(
    State(state): State<SmartState>,
    RawQuery(query): RawQuery,
    parts: Parts,
) -> Result<Response, PageFailure> {
    let query = query.unwrap_or_default();
    let parameters = Parameters::of(form_urlencoded::parse(query.as_bytes()).into_owned());
    told(&state, begin(&state, parameters, &Caller::of(&parts)).await, &Caller::of(&parts)).await
}

/// `POST /oauth/authorize`
pub(crate) async fn by_post(
    State(state): State<SmartState>,
    parts: Parts,
    body: Bytes,
) -> Result<Response, PageFailure> {
    let caller = Caller::of(&parts);
    let begun = match form(&parts, &body) {
        Ok(parameters) => begin(&state, parameters, &caller).await,
        Err(refusal) => Err(refusal.into()),
    };
    told(&state, begun, &caller).await
}

/// A refusal of the endpoint itself is in the log too.
async fn told(
    state: &SmartState,
    begun: Result<Response, PageFailure>,
    caller: &Caller,
) -> Result<Response, PageFailure> {
    match begun {
        Err(PageFailure::Other(failure)) => Err(state.told(failure, caller).await.into()),
        other => other,
    }
}

async fn begin(state: &SmartState, parameters: Parameters, caller: &Caller) -> Result<Response, PageFailure> {
    state.throttles().authorization(&caller.address)?;
    let now = state.now();
    let (parameters, pushed) = pushed(state, parameters)?;
    let id = parameters.value("client_id").unwrap_or_default();
    let client = client::active(state, id)?;
    let known = client.as_ref().map(|client| (client.id.as_str(), &client.metadata));
    match authorize::check(&parameters, known, state.server(), pushed) {
        Err(refusal) => refused(state, refusal, client.map(|client| client.id), None, caller).await,
        Ok(request) => {
            let name = random::token()?;
            let body = Body { parameters, pushed, patient: None, begun: now };
            let expires = now.plus_seconds(state.server().lifetimes.pending_seconds);
            let pending = Pending { client: request.client, body: body.to_text(), browser: None, expires };
            state.store().put_pending(&sha256(name.expose()), PendingKind::Page, &pending)?;
            Ok(see_other(&format!("/oauth/continue?request={}", random::text(&name))))
        }
    }
}

/// The parameters that were pushed, if the request only points to them.
fn pushed(state: &SmartState, parameters: Parameters) -> Result<(Parameters, bool), PageFailure> {
    let Some(uri) = parameters.value("request_uri") else { return Ok((parameters, false)) };
    let invalid = || Refusal::request("`request_uri` is not one that was pushed here, was used, or has expired");
    let name = uri.strip_prefix(REQUEST_URI).ok_or_else(invalid)?;
    let taken = state.store().take_pending(&sha256(name.as_bytes()), PendingKind::Pushed, state.now())?;
    let pending = taken.ok_or_else(invalid)?;
    if parameters.value("client_id") != Some(pending.client.as_str()) {
        return Err(Refusal::request("`client_id` is not the one that pushed this request").into());
    }
    Ok((of_text(&pending.body), true))
}

/// Tells the app, or the person, that it will not be; and the log.
pub(crate) async fn refused(
    state: &SmartState,
    refusal: AuthorizeRefusal,
    client: Option<String>,
    user: Option<String>,
    caller: &Caller,
) -> Result<Response, PageFailure> {
    let (AuthorizeRefusal::Page(said) | AuthorizeRefusal::Redirect { refusal: said, .. }) = &refusal;
    let event = SmartEvent::AuthorizationRefused { user, client, error: said.error.code(), said: said.said.clone() };
    state.record(event, caller).await?;
    match refusal.location(&state.server().issuer) {
        Some(location) => Ok(see_other(&location)),
        None => Err(Failure::Recorded(said.clone()).into()),
    }
}
