//! The door's own access token: SMART Backend Services with a signed assertion (RFC 7523), kept until shortly before its end.

use bascule_fhir::Timestamp;
use bascule_wire::{Client, collect, full};
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::chart::{ChartSettings, Trouble};

/// Bytes of an answer of the token endpoint.
const ANSWER_BYTES_MAX: usize = 1 << 16;
/// Seconds before its end at which a token is asked for anew.
const EARLY_S: i64 = 30;

/// One flight at a time: whoever comes while a token is asked for waits for it.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<Option<(String, Timestamp)>>);

impl Tokens {
    pub(crate) async fn token(&self, client: &Client, settings: &ChartSettings) -> Result<String, Trouble> {
        let mut kept = self.0.lock().await;
        let now = (settings.clock)();
        if let Some((token, until)) = kept.as_ref().filter(|(_, until)| now < *until) {
            let _ = until;
            return Ok(token.clone());
        }
        let (token, seconds) = ask(client, settings, now).await?;
        *kept = Some((token.clone(), now.plus_seconds(seconds.saturating_sub(EARLY_S))));
        Ok(token)
    }

    /// The chart refused it: the next one is asked for.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

async fn ask(client: &Client, settings: &ChartSettings, now: Timestamp) -> Result<(String, i64), Trouble> {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("scope", &settings.scope)
        .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .append_pair("client_assertion", &assertion(settings, now)?)
        .finish();
    let request = Request::builder()
        .method(Method::POST)
        .uri(&settings.token_url)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(full(form))
        .map_err(|error| Trouble::Refused(error.to_string()))?;
    let answer = client.send(request).await.map_err(|error| Trouble::Later(error.to_string()))?;
    let status = answer.status();
    let body =
        collect(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(|error| Trouble::Later(error.to_string()))?;
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    let token = value.get("access_token").and_then(Value::as_str).filter(|_| status == StatusCode::OK);
    let seconds = value.get("expires_in").and_then(Value::as_i64).unwrap_or(60);
    match token {
        Some(token) => Ok((token.to_owned(), seconds)),
        None => {
            let error = value.get("error").and_then(Value::as_str).unwrap_or("no reason");
            Err(Trouble::Later(format!("no token for client {}: {} {error}", settings.client_id, status.as_u16())))
        }
    }
}

fn assertion(settings: &ChartSettings, now: Timestamp) -> Result<String, Trouble> {
    let wrong =
        |error: &dyn std::fmt::Display| Trouble::Later(format!("the key of client {}: {error}", settings.client_id));
    let key = jsonwebtoken::EncodingKey::from_ec_pem(&settings.key_pem).map_err(|error| wrong(&error))?;
    let jti = bascule_store::random::id().map_err(|error| wrong(&error))?;
    let claims = json!({
        "iss": settings.client_id, "sub": settings.client_id, "aud": settings.token_url,
        "jti": jti, "iat": now.seconds(), "exp": now.seconds().saturating_add(240),
    });
    let mut head = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES384);
    head.kid.clone_from(&settings.key_id);
    jsonwebtoken::encode(&head, &claims, &key).map_err(|error| wrong(&error))
}
