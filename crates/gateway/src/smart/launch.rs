//! `POST /oauth/launch`: an EHR puts a launch context ready and learns where to send the browser.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bascule_crypto::digest::sha256;
use bascule_fhir::Id;
use bascule_smart::authorize::redirect;
use bascule_smart::{LaunchContext, OauthError, Refusal, Scope, SmartEvent, TokenRecord};
use bascule_store::launch::Launch;
use bascule_store::random;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};

use super::respond::{Failure, private_json};
use super::state::{Caller, SmartState};
use super::{client, cors, userinfo};

/// Entries of `fhirContext`.
const CONTEXT_ENTRIES_MAX: usize = 32;

pub(crate) async fn make(State(state): State<SmartState>, parts: Parts, body: Bytes) -> Response {
    let caller = Caller::of(&parts);
    let mut response = match answer(&state, &parts, &body, &caller).await {
        Ok(response) => response,
        Err(failure) => state.told(failure, &caller).await.into_response(),
    };
    cors::registered(&state, &parts.headers, &mut response);
    response
}

async fn answer(state: &SmartState, parts: &Parts, body: &[u8], caller: &Caller) -> Result<Response, Failure> {
    let record = userinfo::bearer(state, parts, caller)?;
    if !record.scopes.has(&Scope::OrchestrateLaunch) {
        let said = format!("the scope `{}` is needed", Scope::OrchestrateLaunch);
        return Err(Refusal::new(OauthError::InsufficientScope, said).into());
    }
    let asked: Value = serde_json::from_slice(body).map_err(|_| Refusal::request("the body must be a JSON object"))?;
    let launch = read(state, &record, &asked)?;
    let app = client::active(state, &launch.client)?
        .ok_or_else(|| Refusal::request("`client_id` names no app that is registered here"))?;
    let base = state.server().api(&launch.api).map(|api| api.base.clone()).unwrap_or_default();
    let name = random::token()?;
    state.store().put_launch(&sha256(name.expose()), &launch)?;
    let event = SmartEvent::LaunchMade {
        by: record.user.unwrap_or(record.client),
        client: launch.client,
        patient: launch.context.patient.map(|id| id.to_string()),
    };
    state.record(event, caller).await?;
    let value = random::text(&name);
    let address = app.metadata.launch_uri.and_then(|uri| redirect(&uri, &[("iss", &base), ("launch", &value)]));
    let said = json!({"launch": value, "iss": base, "launch_uri": address,
        "expires_in": state.server().lifetimes.launch_seconds});
    Ok(private_json(StatusCode::CREATED, &said))
}

fn read(state: &SmartState, record: &TokenRecord, asked: &Value) -> Result<Launch, Refusal> {
    let text = |name: &str| match asked.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= 256 => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::request(format!("`{name}` is a text of at most 256 bytes"))),
    };
    let id = |name: &str| match text(name)? {
        None => Ok(None),
        Some(text) => Id::parse(&text).map(Some).ok_or_else(|| Refusal::request(format!("`{name}` is not a FHIR id"))),
    };
    let api = match text("api")? {
        Some(name) => name,
        None => record.apis.first().cloned().unwrap_or_default(),
    };
    let known = state.server().api(&api).is_some_and(|known| known.fhir) && record.apis.contains(&api);
    if !known {
        return Err(Refusal::request("`api` names no FHIR API that this token is for"));
    }
    // A user who launches, launches for himself; only a system may name another.
    let user = match (&record.user, text("user")?) {
        (Some(own), None) => Some(own.clone()),
        (Some(own), Some(other)) if *own == other => Some(other),
        (Some(_), Some(_)) => return Err(Refusal::request("`user` is not the user of this token")),
        (None, other) => other,
    };
    let need_patient_banner = match asked.get("need_patient_banner") {
        None => Some(false),
        Some(Value::Bool(flag)) => Some(*flag),
        Some(_) => return Err(Refusal::request("`need_patient_banner` is true or false")),
    };
    Ok(Launch {
        client: text("client_id")?.ok_or_else(|| Refusal::request("`client_id` is missing"))?,
        user,
        api,
        context: LaunchContext {
            patient: id("patient")?,
            encounter: id("encounter")?,
            fhir_context: fhir_context(asked)?,
            need_patient_banner,
            intent: text("intent")?,
            tenant: text("tenant")?,
        },
        expires: state.now().plus_seconds(state.server().lifetimes.launch_seconds),
    })
}

/// Objects with `reference` (relative), `canonical` (absolute) or `identifier`; patient and encounter go elsewhere.
fn fhir_context(asked: &Value) -> Result<Vec<Value>, Refusal> {
    let wrong = || Refusal::request("`fhirContext` is a list of objects with `reference`, `canonical` or `identifier`");
    let list = match asked.get("fhirContext") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() <= CONTEXT_ENTRIES_MAX => list,
        Some(_) => return Err(wrong()),
    };
    let relative =
        |value: &Value| value.as_str().is_some_and(|text| bascule_store::user::parse_reference(text).is_some());
    let absolute = |value: &Value| value.as_str().is_some_and(|text| url::Url::parse(text).is_ok());
    for entry in list {
        let sound = match (entry.get("reference"), entry.get("canonical"), entry.get("identifier")) {
            (Some(reference), None, None) => relative(reference),
            (None, Some(canonical), None) => absolute(canonical),
            (None, None, Some(identifier)) => identifier.is_object(),
            _ => false,
        };
        if !sound {
            return Err(wrong());
        }
    }
    Ok(list.clone())
}
