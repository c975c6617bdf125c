//! `POST /oauth/backchannel-logout`: a provider says that somebody has logged out there (OpenID Connect Back-Channel Logout).

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bascule_smart::{Refusal, SmartEvent, jose};
use bascule_store::replay::Use;
use http::request::Parts;

use super::super::respond::{Failure, done};
use super::super::state::{Caller, SmartState};
use super::super::token::form;

pub(crate) async fn logout(State(state): State<SmartState>, parts: Parts, body: Bytes) -> Response {
    let caller = Caller::of(&parts);
    match answer(&state, &parts, &body, &caller).await {
        Ok(()) => done(),
        Err(Failure::Refused(refusal)) => state.refuse(None, refusal, &caller).await.into_response(),
        Err(failure) => failure.into_response(),
    }
}

async fn answer(state: &SmartState, parts: &Parts, body: &[u8], caller: &Caller) -> Result<(), Failure> {
    state.throttles().authorization(&caller.address)?;
    let parameters = form(parts, body)?;
    let token = parameters.value("logout_token").filter(|_| parameters.fault().is_none());
    let token = token.ok_or_else(|| Refusal::request("`logout_token` is missing, or was sent twice"))?;
    let invalid = |said: &str| Failure::from(Refusal::request(format!("`logout_token`: {said}")));
    let issuer = jose::unverified(token).ok().and_then(|said| Some(said.claims.get("iss")?.as_str()?.to_owned()));
    let provider =
        issuer.and_then(|issuer| state.providers().iter().find(|one| one.settings().issuer == issuer).cloned());
    let provider = provider.ok_or_else(|| invalid("its `iss` is not a provider that is known here"))?;
    let logout = provider.logout(token, state.now()).await.map_err(|why| invalid(&why))?;
    let settings = provider.settings();
    let replay = format!("logout:{}", settings.issuer);
    if state.store().use_once(&replay, &logout.jti, logout.remember_until, state.now())? == Use::Replayed {
        return Err(invalid("its `jti` was used before"));
    }
    let (subject, sid) = (logout.subject.as_deref(), logout.sid.as_deref());
    let sessions = state.store().sessions_at_provider(&settings.issuer, subject, sid)?;
    let because = "logout at provider";
    let ended = state.store().end_provider_sessions(&sessions, because, settings.offline_stands, state.now())?;
    let event = SmartEvent::ProviderEnded {
        provider: settings.name.clone(),
        because,
        sessions: ended.sessions,
        grants: ended.grants,
    };
    state.record(event, caller).await
}
