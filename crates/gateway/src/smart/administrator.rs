//! The door for administrators over HTTP: whose token it is, what policy says, and how a fresh proof is asked for.

use axum::response::{IntoResponse as _, Response};
use bascule_policy::administer::{Administered, MayAdminister, NotAdministered, Terms, administer};
use bascule_smart::authorize::ACR_TWO_FACTORS;
use bascule_smart::{OauthError, Refusal};
use http::request::Parts;
use http::{HeaderValue, header};

use super::respond::Failure;
use super::state::{Caller, SmartState};
use super::userinfo;

/// The permit of whoever sent this, or the answer that refuses. Refusals are in the log before they are answered.
///
/// # Errors
/// The answer.
pub async fn permitted(state: &SmartState, parts: &Parts, what: Administered) -> Result<MayAdminister, Response> {
    let caller = Caller::of(parts);
    if let Err(after) = state.throttles().client("administration", &caller.address) {
        return Err(state.told(after.into(), &caller).await.into_response());
    }
    let failure = match decide(state, parts, what, &caller) {
        Ok(Ok(permit)) => return Ok(permit),
        Ok(Err((client, refusal))) => state.refuse(Some(client), refusal, &caller).await,
        Err(failure) => state.told(failure, &caller).await,
    };
    Err(answer(state, failure))
}

type Denied = (String, Refusal);

fn decide(
    state: &SmartState,
    parts: &Parts,
    what: Administered,
    caller: &Caller,
) -> Result<Result<MayAdminister, Denied>, Failure> {
    let token = userinfo::bearer(state, parts, caller)?;
    let proved = userinfo::proof(state, parts)?.filter(|proof| proof.second_factor).map(|proof| proof.at);
    let server = state.server();
    let terms = Terms { roles: &server.second_factor_roles, proof_seconds: server.lifetimes.step_up_seconds };
    Ok(administer(&token, proved, what, terms, state.now()).map_err(|denial| {
        let error = match denial {
            NotAdministered::Stale(_) => OauthError::InsufficientAuthentication,
            _ => OauthError::InsufficientScope,
        };
        (token.client, Refusal::new(error, denial.to_string()))
    }))
}

/// RFC 9470 section 3: what the app should ask for next.
fn answer(state: &SmartState, failure: Failure) -> Response {
    let stale = failure.refusal().error == OauthError::InsufficientAuthentication;
    let mut response = failure.into_response();
    let seconds = state.server().lifetimes.step_up_seconds;
    let text = format!(
        "Bearer error=\"insufficient_user_authentication\", error_description=\"a fresh proof with two factors is needed\", \
         acr_values=\"{ACR_TWO_FACTORS}\", max_age=\"{seconds}\""
    );
    if let (true, Ok(value)) = (stale, HeaderValue::from_str(&text)) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}
