//! What the authorization server tells the audit log, and how it fetches the keys of its clients: the glue between the
//! SMART endpoints and the rooms around them.

use std::sync::Arc;

use bascule_audit::{AccessFacts, AgentPart, Entry, PatientPart};
use bascule_fhir::Timestamp;
use bascule_smart::SmartEvent;
use bascule_store::log::Log;
use bascule_wire::{Client, collect, empty};
use http::Request;
use http::header::CACHE_CONTROL;

use crate::smart::{Caller, FetchKeys, FetchedKeys, Record};

/// The API's name in entries about sign-ins, grants and tokens.
const OAUTH: &str = "oauth";
/// A client's key set, in bytes.
const KEY_SET_BYTES_MAX: usize = 65_536;

/// Keeps every event of the authorization server in the audit log, durably, before it answers.
#[must_use]
pub fn recorder(log: Log, now: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Record {
    Arc::new(move |event, caller| {
        let (log, now) = (log.clone(), now());
        Box::pin(async move {
            let entry = entry(event, caller, now);
            log.append(entry, None).await.map(drop).map_err(|error| error.to_string())
        })
    })
}

/// Fetches the key sets that clients registered by address, over `https` only.
#[must_use]
pub fn key_fetcher(client: Client) -> FetchKeys {
    Arc::new(move |address| {
        let client = client.clone();
        Box::pin(async move { fetch(&client, &address).await })
    })
}

async fn fetch(client: &Client, address: &str) -> Result<FetchedKeys, String> {
    if !address.starts_with("https://") {
        return Err("a key set is fetched over https only".to_owned());
    }
    let request = Request::get(address).header("accept", "application/json").body(empty());
    let request = request.map_err(|error| error.to_string())?;
    let answer = client.send(request).await.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("the key set's server answered {}", answer.status().as_u16()));
    }
    let max_age_seconds = answer.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).and_then(max_age);
    let bytes = collect(answer.into_body(), KEY_SET_BYTES_MAX).await.map_err(|error| error.to_string())?;
    let keys = serde_json::from_slice(&bytes).map_err(|_| "the key set is not JSON".to_owned())?;
    Ok(FetchedKeys { keys, max_age_seconds })
}

fn max_age(line: &str) -> Option<u64> {
    line.split(',').find_map(|directive| directive.trim().strip_prefix("max-age=")?.parse().ok())
}

/// What is said of an event: its name in the clear, who it was about sealed.
fn entry(event: SmartEvent, caller: Caller, now: Timestamp) -> Entry {
    let some = |text: String| (!text.is_empty()).then_some(text);
    let agent =
        AgentPart { address: some(caller.address), user_agent: some(caller.user_agent), ..AgentPart::default() };
    let facts = AccessFacts {
        request_id: uuid::Uuid::new_v4().to_string(),
        api: OAUTH.to_owned(),
        interaction: event.name().to_owned(),
        status: 200,
        agent,
        ..AccessFacts::default()
    };
    match event {
        SmartEvent::SignedIn { user, session, method } => {
            Entry::disclosure(about(facts, None, Some(user), format!("session {session} by {method}")), now)
        }
        SmartEvent::SignInRefused { user, because } => refused(about(facts, None, user, String::new()), because, now),
        SmartEvent::SignedOut { user, session } => {
            Entry::disclosure(about(facts, None, Some(user), format!("session {session}")), now)
        }
        SmartEvent::CodeIssued { user, client, grant, scope, patient } => {
            let facts = of_patient(about(facts, Some(client), Some(user), format!("grant {grant}: {scope}")), patient);
            Entry::disclosure(facts, now)
        }
        SmartEvent::AuthorizationRefused { user, client, error, said } => {
            refused(about(facts, client, user, said), error, now)
        }
        SmartEvent::TokenIssued { client, user, grant, token_id, grant_type, scope, bound } => {
            let detail = format!("grant {grant} by {grant_type}{}: {scope}", if bound { ", bound" } else { "" });
            let mut facts = about(facts, Some(client), user, detail);
            facts.agent.token_id = Some(token_id);
            Entry::disclosure(facts, now)
        }
        SmartEvent::TokenRefused { client, error, said } => refused(about(facts, client, None, said), error, now),
        SmartEvent::Replayed { client, user, grant, what } => {
            refused(about(facts, Some(client), user, format!("{what} of grant {grant}")), "replayed", now)
        }
        SmartEvent::Revoked { by, client, user, grant } => {
            Entry::disclosure(about(facts, Some(client), user, format!("grant {grant} by {by}")), now)
        }
        SmartEvent::Introspected { by, token_id } => {
            let mut facts = about(facts, Some(by), None, String::new());
            facts.agent.token_id = token_id;
            Entry::disclosure(facts, now)
        }
        SmartEvent::LaunchMade { by, client, patient } => {
            let facts = of_patient(about(facts, Some(by), None, format!("for {client}")), patient);
            Entry::disclosure(facts, now)
        }
        SmartEvent::KeyMade { key, algorithm } => {
            Entry::disclosure(about(facts, None, None, format!("{algorithm} key {key}")), now)
        }
        SmartEvent::RecordChanged { by, what, id } => {
            Entry::disclosure(about(facts, None, Some(by), format!("{what} {id}")), now)
        }
    }
}

fn about(facts: AccessFacts, client: Option<String>, user: Option<String>, detail: String) -> AccessFacts {
    let detail = (!detail.is_empty()).then_some(detail);
    let agent = AgentPart { subject: user, detail, ..facts.agent };
    AccessFacts { client, agent, ..facts }
}

fn of_patient(facts: AccessFacts, patient: Option<String>) -> AccessFacts {
    let part = |id: String| PatientPart { reference: format!("Patient/{id}"), ..PatientPart::default() };
    AccessFacts { patients: patient.map(part).into_iter().collect(), ..facts }
}

fn refused(facts: AccessFacts, cause: &str, now: Timestamp) -> Entry {
    Entry::refusal(AccessFacts { cause: Some(cause.to_owned()), status: 401, ..facts }, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn clear(event: SmartEvent) -> String {
        let caller = Caller { address: "10.0.0.9".into(), user_agent: "agent".into(), certificate: None };
        format!("{:?}", entry(event, caller, NOW).clear())
    }

    #[test]
    fn who_it_was_stays_out_of_the_clear_part() {
        let said = clear(SmartEvent::SignedIn { user: "maria".into(), session: "s1".into(), method: "password" });
        assert!(said.contains("signed-in"), "{said}");
        assert!(!said.contains("maria") && !said.contains("10.0.0.9"), "{said}");
    }

    #[test]
    fn a_refused_sign_in_is_a_refusal_with_its_cause() {
        let said = clear(SmartEvent::SignInRefused { user: None, because: "password" });
        assert!(said.contains("Refusal") && said.contains("password"), "{said}");
    }

    #[test]
    fn a_key_set_may_say_how_long_it_holds() {
        assert_eq!(max_age("public, max-age=300"), Some(300));
        assert_eq!(max_age("no-store"), None);
    }
}
