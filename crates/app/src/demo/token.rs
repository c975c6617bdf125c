//! `bascule demo token NAME`: an access token of a backend client, or of a person who signs in, over the wire like
//! anybody else.

use std::path::Path;

use bascule_wire::{Client, ClientSettings, collect, full};
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use super::sign_in::sign_in;
use super::state::{DemoClient, State};
use crate::clock;
use crate::exit::Exit;
use crate::terminal;

/// Bytes of an answer of the token endpoint or of a page.
pub(super) const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Prints the token alone, so that a shell can take it.
pub(crate) async fn run(name: &str, data: &Path, scope: Option<&str>, patient: Option<&str>) -> Exit {
    match token(name, data, scope, patient).await {
        Ok(token) => {
            terminal::line(&token);
            Exit::Done
        }
        Err(sentence) => {
            terminal::error(&sentence);
            Exit::Usage
        }
    }
}

async fn token(name: &str, data: &Path, scope: Option<&str>, patient: Option<&str>) -> Result<String, String> {
    let state = State::read(&data.join("demo.json"))?.ok_or_else(|| {
        format!("there is no demo in {}; start `bascule demo` first, or name its folder with --data", data.display())
    })?;
    let ca_pem = std::fs::read_to_string(&state.ca).map_err(|error| format!("{}: {error}", state.ca))?;
    let settings = ClientSettings { ca_pem: Some(ca_pem), ..ClientSettings::default() };
    let client = Client::new(&settings).map_err(|error| error.to_string())?;
    match (state.clients.get(name), state.users.get(name)) {
        (Some(app), _) if app.key.is_some() => backend_token(&client, &state, name, app, scope).await,
        (_, Some(user)) => sign_in(&client, &state, name, user, scope, patient).await,
        _ => {
            let backends = state.clients.iter().filter(|(_, app)| app.key.is_some()).map(|(name, _)| name.as_str());
            let known = backends.chain(state.users.keys().map(String::as_str)).collect::<Vec<_>>().join(", ");
            Err(format!("there is no `{name}` in the demo; choose one of {known}"))
        }
    }
}

/// SMART Backend Services: client credentials with a signed assertion (RFC 7523).
async fn backend_token(
    client: &Client,
    state: &State,
    name: &str,
    app: &DemoClient,
    scope: Option<&str>,
) -> Result<String, String> {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("scope", scope.unwrap_or(&app.scope))
        .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .append_pair("client_assertion", &assertion(state, name, app)?)
        .finish();
    access_token(client, state, form).await
}

fn assertion(state: &State, name: &str, app: &DemoClient) -> Result<String, String> {
    let file = app.key.as_deref().unwrap_or_default();
    let pem = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    let key = jsonwebtoken::EncodingKey::from_ec_pem(&pem).map_err(|error| format!("{file}: {error}"))?;
    let now = clock::now().seconds();
    let jti = bascule_store::random::id().map_err(|error| error.to_string())?;
    let claims = json!({
        "iss": name, "sub": name, "aud": format!("{}/oauth/token", state.issuer),
        "jti": jti, "iat": now, "exp": now.saturating_add(240),
    });
    let mut head = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES384);
    head.kid = Some(name.to_owned());
    jsonwebtoken::encode(&head, &claims, &key).map_err(|error| error.to_string())
}

/// Asks the token endpoint with a form.
pub(super) async fn access_token(client: &Client, state: &State, form: String) -> Result<String, String> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/oauth/token", state.issuer))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(full(form))
        .map_err(|error| error.to_string())?;
    let answer =
        client.send(request).await.map_err(|error| format!("{}: {error}; does the demo run?", state.issuer))?;
    let status = answer.status();
    let body = collect(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(|error| error.to_string())?;
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    match value.get("access_token").and_then(Value::as_str) {
        Some(token) if status == StatusCode::OK => Ok(token.to_owned()),
        _ => {
            let said = |name| value.get(name).and_then(Value::as_str).unwrap_or_default();
            Err(format!("the token endpoint answered {status}: {} {}", said("error"), said("error_description")))
        }
    }
}
