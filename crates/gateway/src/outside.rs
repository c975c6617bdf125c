//! The way out to other people's authorization servers: JSON over HTTPS, bounded, never redirected, never retried.

use bascule_crypto::Secret;
use bascule_wire::{Client, ClientError, ClientSettings, Identity, TlsError, collect, empty, full};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request};
use serde_json::Value;

/// An answer of an authorization server, in bytes.
const ANSWER_BYTES_MAX: usize = 262_144;
/// From a request to the head of its answer, in milliseconds.
const ANSWER_TIMEOUT_MS: u64 = 10_000;
/// Characters of an error code of theirs that are repeated in our log.
const CODE_CHARACTERS_MAX: usize = 64;

/// A client for one authorization server, with its own trust and identity. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Outbound(Client);

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    /// The status.
    pub(crate) status: u16,
    /// The body; `Null` if it is not JSON.
    pub(crate) body: Value,
    /// `Cache-Control: max-age`, in seconds.
    pub(crate) max_age_seconds: Option<u64>,
}

impl Fetched {
    /// The body of a success; otherwise a sentence for the log, which repeats no more than an error code.
    pub(crate) fn ok(self) -> Result<Value, String> {
        if (200..300).contains(&self.status) && self.body.is_object() {
            return Ok(self.body);
        }
        Err(match self.code() {
            Some(code) => format!("it answered {} `{code}`", self.status),
            None => format!("it answered {} and no JSON object", self.status),
        })
    }

    /// Its OAuth error code, if it gave one.
    pub(crate) fn code(&self) -> Option<String> {
        let code = self.body.get("error").and_then(Value::as_str)?;
        Some(code.chars().filter(|one| one.is_ascii_graphic()).take(CODE_CHARACTERS_MAX).collect())
    }
}

impl Outbound {
    /// With the authorities of `ca_pem` only, or the operating system's.
    ///
    /// # Errors
    /// [`TlsError`] if they, or the identity, cannot be read.
    pub(crate) fn new(ca_pem: Option<String>, identity: Option<Identity>) -> Result<Self, TlsError> {
        Client::new(&ClientSettings {
            ca_pem,
            identity,
            answer_timeout_ms: ANSWER_TIMEOUT_MS,
            idle_timeout_ms: ANSWER_TIMEOUT_MS,
            ..ClientSettings::default()
        })
        .map(Self)
    }

    /// `GET`, perhaps with a bearer token.
    ///
    /// # Errors
    /// A sentence for the log: there was no answer.
    pub(crate) async fn get(&self, url: &str, bearer: Option<&Secret>) -> Result<Fetched, String> {
        self.ask(Method::GET, url, bearer.map(authorization).transpose()?, None).await
    }

    /// `POST` of a form.
    ///
    /// # Errors
    /// As [`Outbound::get`].
    pub(crate) async fn form(
        &self,
        url: &str,
        authorization: Option<HeaderValue>,
        pairs: &[(&str, &str)],
    ) -> Result<Fetched, String> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.ask(Method::POST, url, authorization, Some(("application/x-www-form-urlencoded", form))).await
    }

    /// `POST` of JSON with a bearer token.
    ///
    /// # Errors
    /// As [`Outbound::get`].
    pub(crate) async fn json(&self, url: &str, bearer: &Secret, body: &Value) -> Result<Fetched, String> {
        self.ask(Method::POST, url, Some(authorization(bearer)?), Some(("application/json", body.to_string()))).await
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        authorization: Option<HeaderValue>,
        body: Option<(&'static str, String)>,
    ) -> Result<Fetched, String> {
        let mut request = Request::builder().method(method).uri(url).header(ACCEPT, "application/json");
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let request = match body {
            None => request.body(empty()),
            Some((kind, text)) => request.header(CONTENT_TYPE, kind).body(full(text)),
        };
        let request = request.map_err(|error| error.to_string())?;
        let answer = self.0.send(request).await.map_err(|error: ClientError| error.to_string())?;
        let (head, body) = answer.into_parts();
        let bytes = collect(body, ANSWER_BYTES_MAX).await.map_err(|error| error.to_string())?;
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Fetched { status: head.status.as_u16(), body, max_age_seconds: max_age(&head.headers) })
    }
}

fn max_age(headers: &HeaderMap) -> Option<u64> {
    let line = headers.get(CACHE_CONTROL)?.to_str().ok()?;
    let directives = || line.split(',').map(str::trim);
    if directives().any(|one| one.eq_ignore_ascii_case("no-store") || one.eq_ignore_ascii_case("no-cache")) {
        return Some(0);
    }
    directives().find_map(|one| one.strip_prefix("max-age=")?.parse().ok())
}

/// `Bearer …`, marked so that nothing prints it.
pub(crate) fn authorization(token: &Secret) -> Result<HeaderValue, String> {
    sensitive(&[b"Bearer ", token.expose()].concat())
}

/// `Basic …`; both halves form-encoded, as RFC 6749 section 2.3.1 asks.
pub(crate) fn basic(id: &str, secret: &Secret) -> Result<HeaderValue, String> {
    let encoded = |bytes: &[u8]| form_urlencoded::byte_serialize(bytes).collect::<String>();
    let pair = format!("{}:{}", encoded(id.as_bytes()), encoded(secret.expose()));
    sensitive(format!("Basic {}", STANDARD.encode(pair)).as_bytes())
}

fn sensitive(line: &[u8]) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_bytes(line).map_err(|_| "a credential holds what a header cannot".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_kept_is_not_kept() {
        let of = |line: &'static str| {
            max_age(&[(CACHE_CONTROL, HeaderValue::from_static(line))].into_iter().collect::<HeaderMap>())
        };
        assert_eq!(of("public, max-age=60"), Some(60));
        assert_eq!(of("no-store, max-age=60"), Some(0));
        assert_eq!(of("private"), None);
    }

    #[test]
    fn a_refusal_of_theirs_is_repeated_as_a_code_only() {
        let body = serde_json::json!({"error": "invalid_grant", "error_description": "token abc123 of maria"});
        let said = Fetched { status: 400, body, max_age_seconds: None }.ok().unwrap_err();
        assert_eq!(said, "it answered 400 `invalid_grant`");
    }

    #[test]
    fn a_credential_is_not_printed() {
        let value = basic("bascule", &Secret::new("hunter2")).unwrap();
        assert!(format!("{value:?}").contains("Sensitive"));
    }
}
