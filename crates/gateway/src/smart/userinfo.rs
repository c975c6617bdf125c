//! OpenID's userinfo, and how our own endpoints read an access token.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bascule_crypto::digest::sha256;
use bascule_smart::token_response::subject_claims;
use bascule_smart::{OauthError, Possession, Refusal, Scheme, Scope, TokenRecord, dpop};
use bascule_store::StoreError;
use bascule_store::proof::Proof;
use bascule_store::replay::Use;
use http::StatusCode;
use http::request::Parts;
use serde_json::Value;

use super::cors;
use super::respond::{Failure, private_json};
use super::state::{Caller, SmartState, header};
use super::token::subject;

/// `GET /oauth/userinfo`
pub(crate) async fn userinfo(State(state): State<SmartState>, parts: Parts) -> Response {
    let caller = Caller::of(&parts);
    let mut response = match answer(&state, &parts, &caller) {
        Ok(response) => response,
        Err(failure) => state.told(failure, &caller).await.into_response(),
    };
    cors::registered(&state, &parts.headers, &mut response);
    response
}

fn answer(state: &SmartState, parts: &Parts, caller: &Caller) -> Result<Response, Failure> {
    let record = bearer(state, parts, caller)?;
    if !record.scopes.has(&Scope::OpenId) {
        return Err(Refusal::new(OauthError::InsufficientScope, "the scope `openid` is needed").into());
    }
    let user = record.user.as_deref().map(|id| state.store().user(id)).transpose()?.flatten();
    let user = user.ok_or_else(|| Refusal::new(OauthError::InvalidToken, "no user stands behind this token"))?;
    let api = record.apis.first().and_then(|name| state.server().api(name));
    let claims = subject_claims(state.server(), api, &record.scopes, &subject(&user));
    Ok(private_json(StatusCode::OK, &Value::Object(claims)))
}

/// The access token of a request to one of our own endpoints, which may be for any API.
pub(crate) fn bearer(state: &SmartState, parts: &Parts, caller: &Caller) -> Result<TokenRecord, Failure> {
    let invalid = |said: &str| Failure::from(Refusal::new(OauthError::InvalidToken, said));
    let value = header(&parts.headers, "authorization").ok_or_else(|| invalid("an access token is needed"))?;
    let (scheme, token) = value.split_once(' ').ok_or_else(|| invalid("an access token is needed"))?;
    let token = token.trim();
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Scheme::Bearer,
        "dpop" => Scheme::Dpop,
        _ => return Err(invalid("`Authorization: Bearer` or `DPoP` is needed")),
    };
    let dpop_key = dpop_key(state, parts, token)?;
    let possession = Possession { scheme, dpop_key, certificate: caller.certificate };
    let unknown = || invalid("the access token is not known here");
    let held = state.store().credentials(&sha256(token.as_bytes()))?.ok_or_else(unknown)?;
    let record = held.possessed(&possession).map_err(|error| invalid(&error.to_string()))?;
    if !record.active || record.expires <= state.now() {
        return Err(invalid("the access token has expired or was ended"));
    }
    Ok(record)
}

/// How the person behind the token of this request had proved themselves.
pub(crate) fn proof(state: &SmartState, parts: &Parts) -> Result<Option<Proof>, StoreError> {
    let presented = header(&parts.headers, "authorization").and_then(|value| value.split_once(' '));
    let Some((_, token)) = presented else { return Ok(None) };
    state.store().proof_of_token(&sha256(token.trim().as_bytes()))
}

fn dpop_key(state: &SmartState, parts: &Parts, token: &str) -> Result<Option<String>, Failure> {
    let Some(proof) = header(&parts.headers, "dpop") else { return Ok(None) };
    let invalid = |said: String| Failure::from(Refusal::new(OauthError::InvalidDpopProof, said));
    let address = format!("{}{}", state.server().issuer, parts.uri.path());
    let verified = dpop::verify(proof, parts.method.as_str(), &address, Some(token.as_bytes()), state.now())
        .map_err(|error| invalid(error.to_string()))?;
    let issuer = format!("dpop:{}", verified.key);
    match state.store().use_once(&issuer, &verified.jti, verified.remember_until, state.now())? {
        Use::First => Ok(Some(verified.key)),
        Use::Replayed => Err(invalid("DPoP proof: its `jti` was used before".into())),
    }
}
