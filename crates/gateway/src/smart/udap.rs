//! UDAP over HTTP: the signed metadata of an API, and registration by a software statement.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{OriginalUri, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use bascule_crypto::digest::sha256;
use bascule_crypto::hex;
use bascule_smart::jose::SigningKey;
use bascule_smart::udap::{self, Community};
use bascule_smart::{OauthError, Refusal, SmartEvent};
use bascule_store::client::Client;
use bascule_store::random;
use bascule_store::replay::Use;
use bascule_store::user::Status;
use http::StatusCode;
use http::request::Parts;
use serde_json::Value;

use super::cors;
use super::respond::{Failure, private_json, public_json};
use super::state::{Caller, SmartState, header};

const MINUTES: &str = "public, max-age=300";

/// What the bridge is in a community.
#[derive(Debug, Clone)]
pub struct UdapSettings {
    /// The community.
    pub community: Community,
    /// The key of our certificate.
    pub key: Arc<SigningKey>,
    /// Our certificate, leaf first, in DER. Its leaf bears the base of each of the APIs as a URI.
    pub chain: Vec<Vec<u8>>,
    /// The APIs that are offered to the community, by name.
    pub apis: Vec<String>,
}

/// `{base}/.well-known/udap`
pub(crate) async fn metadata(
    State(state): State<SmartState>,
    OriginalUri(uri): OriginalUri,
    RawQuery(query): RawQuery,
) -> Response {
    match found(&state, uri.path(), query.as_deref().unwrap_or_default()) {
        Ok(mut response) => {
            cors::any(&mut response);
            response
        }
        Err(failure) => failure.into_response(),
    }
}

fn found(state: &SmartState, path: &str, query: &str) -> Result<Response, Failure> {
    let base = format!("{}{}", state.server().issuer, path.trim_end_matches("/.well-known/udap"));
    let api = state.server().api_of(&base);
    let offered = state.udap().zip(api).filter(|(udap, api)| udap.apis.contains(&api.name));
    let Some((udap, api)) = offered else { return Ok(StatusCode::NOT_FOUND.into_response()) };
    let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "community");
    if asked.is_some_and(|(_, asked)| udap.community.uri.as_deref() != Some(&*asked)) {
        // Not a member of that community.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let id = random::id()?;
    let signing = (udap.key.as_ref(), udap.chain.as_slice());
    let said = udap::metadata_of(api, state.server(), &udap.community, signing, &id, state.now());
    let said = said.map_err(|error| Refusal::new(OauthError::ServerError, error))?;
    Ok(public_json(&said, MINUTES))
}

/// `POST /oauth/udap/register`
pub(crate) async fn register(State(state): State<SmartState>, parts: Parts, body: Bytes) -> Response {
    let caller = Caller::of(&parts);
    match answer(&state, &parts, &body, &caller).await {
        Ok(response) => response,
        Err(Failure::Refused(refusal)) => state.refuse(None, refusal, &caller).await.into_response(),
        Err(failure) => failure.into_response(),
    }
}

async fn answer(state: &SmartState, parts: &Parts, body: &[u8], caller: &Caller) -> Result<Response, Failure> {
    let Some(udap) = state.udap() else { return Ok(StatusCode::NOT_FOUND.into_response()) };
    state.throttles().authorization(&caller.address)?;
    let kind = header(&parts.headers, "content-type").unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Refusal::request("the body must be `application/json`").into());
    }
    let asked: Value = serde_json::from_slice(body).map_err(|_| Refusal::request("the body must be a JSON object"))?;
    let now = state.now();
    let statement = udap::statement(&asked, &udap.community, &state.server().endpoint("udap/register"), now)?;
    let replay = format!("udap:{}", statement.uri);
    if state.store().use_once(&replay, &statement.jti, statement.remember_until, now)? == Use::Replayed {
        let said = "software statement: its `jti` was used before";
        return Err(Refusal::new(OauthError::InvalidSoftwareStatement, said).into());
    }
    // The same URI of the same community is the same client.
    let digest = hex::encode(&sha256(statement.uri.as_bytes()));
    let id = format!("udap-{}", digest.get(..24).unwrap_or_default());
    let known = state.store().client(&id)?;
    if known.as_ref().is_some_and(|known| known.status == Status::Disabled) {
        let said = "software statement: this client was ended here";
        return Err(Refusal::new(OauthError::UnapprovedSoftwareStatement, said).into());
    }
    let fresh = if udap.community.approve { Status::Waiting } else { Status::Active };
    let status = match (&known, &statement.metadata) {
        (None, None) => return Err(Refusal::new(OauthError::InvalidSoftwareStatement, "nothing to cancel").into()),
        (Some(_), None) => {
            // Cancelled: it waits, and may register again.
            state.store().set_client_status(&id, Status::Waiting, now)?;
            state.store().end_grants_of_client(&id, "registration cancelled", now)?;
            StatusCode::OK
        }
        (Some(known), Some(metadata)) => {
            state.store().update_client(&id, metadata)?;
            if known.status == Status::Waiting && fresh == Status::Active {
                state.store().set_client_status(&id, fresh, now)?;
            }
            StatusCode::OK
        }
        (None, Some(metadata)) => {
            let organization = udap.community.organization.clone();
            let client =
                Client { id: id.clone(), organization, metadata: metadata.clone(), status: fresh, created: now };
            state.store().add_client(&client)?;
            StatusCode::CREATED
        }
    };
    let event = SmartEvent::RecordChanged { by: statement.uri.clone(), what: "UDAP registration", id: id.clone() };
    state.record(event, caller).await?;
    let token = asked.get("software_statement").and_then(Value::as_str).unwrap_or_default();
    Ok(private_json(status, &udap::registered(&id, statement.metadata.as_ref(), token)))
}
