//! Dynamic client registration (RFC 7591): open only by setting, and what is registered waits until somebody approves it.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bascule_smart::{ClientMetadata, MetadataError, Scope, SmartEvent};
use bascule_store::client::Client;
use bascule_store::random;
use bascule_store::user::Status;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};

use super::respond::{Failure, private_json};
use super::state::{Caller, SmartState};

/// `POST /oauth/register`
pub(crate) async fn register(State(state): State<SmartState>, parts: Parts, body: Bytes) -> Response {
    let caller = Caller::of(&parts);
    match answer(&state, &body, &caller).await {
        Ok(response) => response,
        Err(failure) => state.told(failure, &caller).await.into_response(),
    }
}

async fn answer(state: &SmartState, body: &[u8], caller: &Caller) -> Result<Response, Failure> {
    state.throttles().client_failure(&caller.address)?;
    let metadata = match read(body) {
        Ok(metadata) => metadata,
        Err(error) => {
            let event =
                SmartEvent::TokenRefused { client: None, error: error.code(), said: "client registration".to_owned() };
            state.record(event, caller).await?;
            let said = json!({"error": error.code(), "error_description": error.to_string()});
            return Ok(private_json(StatusCode::BAD_REQUEST, &said));
        }
    };
    let (id, now) = (random::id()?, state.now());
    let mut said = metadata.to_json();
    let secret = metadata.auth_method.uses_secret();
    let client = Client { id: id.clone(), organization: None, metadata, status: Status::Waiting, created: now };
    state.store().add_client(&client)?;
    said.insert("client_id".into(), json!(id));
    said.insert("client_id_issued_at".into(), json!(now.seconds()));
    if secret {
        let secret = state.store().rotate_client_secret(&id, now, now)?;
        said.insert("client_secret".into(), json!(random::text(&secret)));
        said.insert("client_secret_expires_at".into(), json!(0));
    }
    state
        .record(SmartEvent::RecordChanged { by: caller.address.clone(), what: "client registration", id }, caller)
        .await?;
    Ok(private_json(StatusCode::CREATED, &Value::Object(said)))
}

/// A stranger's metadata without our own members: nobody gives himself roles, APIs or a way around consent.
fn read(body: &[u8]) -> Result<ClientMetadata, MetadataError> {
    let value: Value = serde_json::from_slice(body).map_err(|_| MetadataError::NotAnObject)?;
    let members = value.as_object().ok_or(MetadataError::NotAnObject)?;
    let own = members.iter().filter(|(name, _)| !name.starts_with("bascule_"));
    let mut read =
        ClientMetadata::parse(&Value::Object(own.map(|(name, value)| (name.clone(), value.clone())).collect()))?;
    read.scope =
        read.scope.only(|scope| !matches!(scope, Scope::Administer | Scope::Provision | Scope::OrchestrateLaunch));
    Ok(read)
}
