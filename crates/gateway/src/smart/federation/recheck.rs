//! Asks providers, from time to time, whether a user is still there, by refreshing what they gave. A refusal ends sessions and
//! tokens; a provider that does not answer ends nothing: a bad day there must not stop care here.

use std::sync::Arc;

use bascule_fhir::Timestamp;
use bascule_smart::SmartEvent;
use bascule_store::launched::Launched;
use bascule_store::provider_session::ProviderSession;

use super::super::respond::Failure;
use super::super::state::{Caller, SmartState};
use super::provider::{Provider, Refused};

/// Sessions of one provider in one round.
const SESSIONS_MAX: usize = 200;
/// An EHR's token is renewed when it ends within so long, in seconds.
const RENEW_SECONDS: i64 = 120;
/// Failures in a row after which the rest of a round is left: it is the provider.
const FAILURES_MAX: u32 = 3;

/// One round over all providers. Called every few seconds by whoever keeps the house.
///
/// # Errors
/// A sentence for the log: the shelf or the log failed.
pub async fn recheck(state: &SmartState) -> Result<(), String> {
    let now = state.now();
    for provider in state.providers().iter() {
        round(state, provider, now).await.map_err(|failure| failure.refusal().said)?;
    }
    renew(state, now).await.map_err(|failure| failure.refusal().said)
}

async fn round(state: &SmartState, provider: &Arc<Provider>, now: Timestamp) -> Result<(), Failure> {
    let Some(seconds) = provider.settings().recheck_seconds else { return Ok(()) };
    let due =
        state.store().provider_sessions_due(&provider.settings().issuer, now.plus_seconds(-seconds), SESSIONS_MAX)?;
    let mut failures = 0;
    for session in due {
        let Some(token) = &session.refresh else { continue };
        match provider.refresh(token, now).await {
            Ok(tokens) => {
                failures = 0;
                let refresh = tokens.refresh.or_else(|| session.refresh.clone());
                state.store().put_provider_session(&ProviderSession { refresh, checked: now, ..session })?;
            }
            Err(Refused::Gone) => end(state, provider, &session.session, "no longer at provider", now).await?,
            Err(Refused::Unclear(why)) => {
                failures += 1;
                tracing::warn!(provider = provider.settings().name, why, "a provider could not be asked");
                if failures >= FAILURES_MAX {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Renews the tokens of EHRs that are about to end.
async fn renew(state: &SmartState, now: Timestamp) -> Result<(), Failure> {
    for launched in state.store().launched_ending(now.plus_seconds(RENEW_SECONDS), SESSIONS_MAX)? {
        let Some(provider) = state.providers().named(&launched.provider) else { continue };
        let Some(token) = &launched.refresh else { continue };
        match provider.refresh(token, now).await {
            Ok(tokens) => {
                let refresh = tokens.refresh.or_else(|| launched.refresh.clone());
                let renewed = Launched { access: tokens.access, expires: tokens.expires, refresh, ..launched };
                state.store().put_launched(&renewed, now)?;
            }
            Err(Refused::Gone) => {
                state.store().end_launched(&launched)?;
                end(state, &provider, &launched.session, "no longer at EHR", now).await?;
            }
            Err(Refused::Unclear(why)) => {
                tracing::warn!(provider = launched.provider, why, "an EHR's token could not be renewed");
            }
        }
    }
    Ok(())
}

async fn end(
    state: &SmartState,
    provider: &Provider,
    session: &str,
    because: &'static str,
    now: Timestamp,
) -> Result<(), Failure> {
    let ended = state.store().end_provider_sessions(&[session.to_owned()], because, false, now)?;
    let event = SmartEvent::ProviderEnded {
        provider: provider.settings().name.clone(),
        because,
        sessions: ended.sessions,
        grants: ended.grants,
    };
    state.record(event, &Caller { address: "housekeeping".to_owned(), ..Caller::default() }).await
}
