//! What the authorization server says to the log: each event durable before the answer that it is about.

use bascule_audit::{AccessFacts, AgentPart, Entry};
use bascule_fhir::Timestamp;
use bascule_gateway::smart::{Caller, Record};
use bascule_smart::SmartEvent;
use bascule_store::log::Log;
use bascule_store::random;
use std::sync::Arc;

use crate::clock;

/// The API that these entries name.
const API: &str = "oauth";

/// The log as the authorization server sees it.
pub(crate) fn record(log: Log) -> Record {
    Arc::new(move |event, caller| {
        let log = log.clone();
        Box::pin(async move {
            let entry = entry(&event, caller, clock::now())?;
            // Without a token there is no care: what lets somebody in may be recorded in the emergency reserve, refusals not.
            let lets_in = matches!(
                event,
                SmartEvent::SignedIn { .. } | SmartEvent::CodeIssued { .. } | SmartEvent::TokenIssued { .. }
            );
            let kept = if lets_in { log.append_for_care(entry, None).await } else { log.append(entry, None).await };
            kept.map(drop).map_err(|error| error.to_string())
        })
    })
}

fn entry(event: &SmartEvent, caller: Caller, now: Timestamp) -> Result<Entry, String> {
    let Said { client, user, cause, detail, token_id } = said(event);
    let facts = AccessFacts {
        request_id: random::id().map_err(|error| error.to_string())?,
        api: API.to_owned(),
        interaction: event.name().to_owned(),
        status: if cause.is_some() { 400 } else { 200 },
        client,
        cause: cause.clone(),
        agent: AgentPart {
            address: Some(caller.address),
            user_agent: Some(caller.user_agent).filter(|agent| !agent.is_empty()),
            subject: user,
            token_id,
            detail,
            ..AgentPart::default()
        },
        ..AccessFacts::default()
    };
    Ok(if cause.is_some() { Entry::refusal(facts, now) } else { Entry::disclosure(facts, now) })
}

#[derive(Default)]
struct Said {
    client: Option<String>,
    user: Option<String>,
    /// Why not, as a code; only refusals have one.
    cause: Option<String>,
    detail: Option<String>,
    token_id: Option<String>,
}

fn said(event: &SmartEvent) -> Said {
    use SmartEvent as E;
    let some = |text: &str| Some(text.to_owned());
    match event.clone() {
        E::SignedIn { user, session, method } => {
            Said { user: Some(user), detail: Some(format!("{method}, session {session}")), ..Said::default() }
        }
        E::SignInRefused { user, because } => Said { user, cause: some(because), ..Said::default() },
        E::SealBroken { user, drill } => {
            let detail = Some(if drill { "announced drill" } else { "emergency" }.to_owned());
            Said { user: Some(user), detail, ..Said::default() }
        }
        E::Linked { user, api, patient, kind } => {
            let detail = Some(format!("to {api} Patient/{patient} as {kind}"));
            Said { user: Some(user), detail, ..Said::default() }
        }
        E::LinkRefused { user, because } => Said { user: Some(user), cause: some(because), ..Said::default() },
        E::SignedOut { user, session } => {
            Said { user: Some(user), detail: Some(format!("session {session}")), ..Said::default() }
        }
        E::CodeIssued { user, client, grant, scope, patient } => {
            let patient = patient.unwrap_or_default();
            let detail = Some(format!("grant {grant}, patient {patient}, scope {scope}"));
            Said { client: Some(client), user: Some(user), detail, ..Said::default() }
        }
        E::AuthorizationRefused { user, client, error, said } => {
            Said { client, user, cause: some(error), detail: Some(said), ..Said::default() }
        }
        E::TokenIssued { client, user, grant, token_id, grant_type, scope, bound } => {
            let detail = Some(format!("grant {grant} by {grant_type}, bound {bound}, scope {scope}"));
            Said { client: Some(client), user, detail, token_id: Some(token_id), cause: None }
        }
        E::TokenRefused { client, error, said } => {
            Said { client, cause: some(error), detail: Some(said), ..Said::default() }
        }
        E::Replayed { client, user, grant, what } => {
            let detail = Some(format!("grant {grant} ended"));
            Said { client: Some(client), user, cause: Some(format!("{what}-replayed")), detail, token_id: None }
        }
        E::Revoked { by, client, user, grant } => {
            let detail = Some(format!("grant {grant}, by {by}"));
            Said { client: Some(client), user, detail, ..Said::default() }
        }
        E::Introspected { by, token_id } => Said { client: Some(by), token_id, ..Said::default() },
        E::LaunchMade { by, client, patient } => {
            let detail = Some(format!("by {by}, patient {}", patient.unwrap_or_default()));
            Said { client: Some(client), detail, ..Said::default() }
        }
        E::ProviderEnded { provider, because, sessions, grants } => {
            let detail = Some(format!("{because} {provider}: {sessions} sessions, {grants} grants"));
            Said { detail, ..Said::default() }
        }
        E::KeyMade { key, algorithm } => Said { detail: Some(format!("{algorithm} key {key}")), ..Said::default() },
        E::AccessOpened { user, client, api, patient, reason, stepped_up, until, .. } => {
            let patient = patient.map_or_else(|| "a patient not identified".to_owned(), |id| format!("patient {id}"));
            let proof = if stepped_up { "with" } else { "without" };
            let detail = Some(format!("{patient} at {api} until {until}, {proof} a second proof: {reason}"));
            Said { client, user: Some(user), detail, ..Said::default() }
        }
        E::RecordChanged { by, what, id } => {
            Said { user: Some(by), detail: Some(format!("{what} {id}")), ..Said::default() }
        }
    }
}
