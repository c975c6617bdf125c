//! Token revocation (RFC 7009). An access token ends alone; a refresh token ends its whole grant.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bascule_crypto::digest::sha256;
use bascule_smart::{Refusal, SmartEvent};
use bascule_store::token::KnownToken;
use http::request::Parts;

use super::respond::{Failure, done};
use super::state::{Caller, SmartState};
use super::token::form;
use super::{client, cors};

/// `POST /oauth/revoke`
pub(crate) async fn revoke(State(state): State<SmartState>, parts: Parts, body: Bytes) -> Response {
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
    if let Some(fault) = parameters.fault() {
        return Err(Refusal::request(fault).into());
    }
    let asking = client::authenticate(state, &parts.headers, &parameters, caller, None).await?;
    let token = parameters.value("token").ok_or_else(|| Refusal::request("`token` is missing"))?;
    let digest = sha256(token.as_bytes());
    // A token that is unknown, or another client's, is answered alike: there is nothing to end.
    let Some(known) = state.store().known_token(&digest)?.filter(|known| known.grant().grant.client == asking.id)
    else {
        return Ok(done());
    };
    let grant = known.grant().clone();
    match known {
        KnownToken::Access(_) => state.store().end_access_token(&digest, state.now())?,
        KnownToken::Refresh(_) => state.store().end_grant(&grant.id, "revoked by the client", state.now())?,
    };
    let event =
        SmartEvent::Revoked { by: asking.id, client: grant.grant.client, user: grant.grant.user, grant: grant.id };
    state.record(event, caller).await?;
    Ok(done())
}
