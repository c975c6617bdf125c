//! Token introspection (RFC 7662): a client about its own tokens, a registered resource server about all.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bascule_crypto::digest::sha256;
use bascule_smart::token_response::{inactive, introspection};
use bascule_smart::{Refusal, SmartEvent};
use bascule_store::client::Client;
use bascule_store::token::KnownToken;
use http::StatusCode;
use http::request::Parts;
use serde_json::Value;

use super::respond::{Failure, private_json};
use super::state::{Caller, SmartState, header};
use super::token::{form, subject};
use super::{client, cors, userinfo};

/// `POST /oauth/introspect`
pub(crate) async fn introspect(State(state): State<SmartState>, parts: Parts, body: Bytes) -> Response {
    let caller = Caller::of(&parts);
    let mut response = match answer(&state, &parts, &body, &caller).await {
        Ok(response) => response,
        Err(failure) => state.told(failure, &caller).await.into_response(),
    };
    cors::registered(&state, &parts.headers, &mut response);
    response
}

/// Who asks: a client with its own proof, or one that shows an access token of its own.
async fn who(
    state: &SmartState,
    parts: &Parts,
    parameters: &bascule_smart::Parameters,
    caller: &Caller,
) -> Result<Client, Failure> {
    let bearer = header(&parts.headers, "authorization").and_then(|value| value.split_once(' '));
    if let Some((scheme, _)) = bearer
        && (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("dpop"))
    {
        let record = userinfo::bearer(state, parts, caller)?;
        let unknown = || Refusal::client("the client of this token may not act");
        return Ok(client::active(state, &record.client)?.ok_or_else(unknown)?);
    }
    client::authenticate(state, &parts.headers, parameters, caller, None).await
}

async fn answer(state: &SmartState, parts: &Parts, body: &[u8], caller: &Caller) -> Result<Response, Failure> {
    let parameters = form(parts, body)?;
    if let Some(fault) = parameters.fault() {
        return Err(Refusal::request(fault).into());
    }
    let asking = who(state, parts, &parameters, caller).await?;
    let token = parameters.value("token").ok_or_else(|| Refusal::request("`token` is missing"))?;
    let (said, token_id) = told(state, &asking, token)?;
    state.record(SmartEvent::Introspected { by: asking.id, token_id }, caller).await?;
    Ok(private_json(StatusCode::OK, &said))
}

/// What is told: nothing of a token that is not active, or that is not the asking client's to know of.
fn told(state: &SmartState, asking: &Client, token: &str) -> Result<(Value, Option<String>), Failure> {
    let digest = sha256(token.as_bytes());
    let nothing = || Ok((inactive(), None));
    let Some(held) = state.store().credentials(&digest)? else { return nothing() };
    let record = held.described();
    let may_know = asking.metadata.introspects || record.client == asking.id;
    if !may_know || !record.active || record.expires <= state.now() {
        return nothing();
    }
    let Some(KnownToken::Access(grant)) = state.store().known_token(&digest)? else { return nothing() };
    let user = record.user.as_deref().map(|id| state.store().user(id)).transpose()?.flatten();
    let subject = user.as_ref().map(subject);
    let said = introspection(state.server(), record, held.binding(), subject.as_ref(), &grant.grant.context);
    Ok((said, Some(record.token_id.clone())))
}
