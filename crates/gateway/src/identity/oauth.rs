//! The bridge as an OAuth client of another authorization server: how it proves itself, and what it asks for.

use std::sync::Arc;

use bascule_crypto::Secret;
use bascule_fhir::Timestamp;
use bascule_smart::as_client::client_assertion;
use bascule_smart::client_auth::ASSERTION_TYPE;
use bascule_wire::{Identity, TlsError};

use crate::outside::{Fetched, Outbound, basic};
use crate::settings::{ClientProof, OauthSettings};

/// A token that an authorization server gave.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// The access token.
    pub(crate) token: Secret,
    /// When it stops. A server that does not say is believed for a minute.
    pub(crate) expires: Timestamp,
}

/// A token whose server says nothing of its end is kept so long, in seconds.
const UNSAID_SECONDS: i64 = 60;
/// A token is kept at most so long, in seconds.
const KEPT_SECONDS_MAX: i64 = 86_400;
/// A token is taken for ended so long before it is, in seconds: the time of a request and a difference of clocks.
const EARLY_SECONDS: i64 = 15;

impl Given {
    /// Of a token endpoint's answer.
    pub(crate) fn of(fetched: Fetched, now: Timestamp) -> Result<Self, String> {
        let body = fetched.ok()?;
        let token = body.get("access_token").and_then(serde_json::Value::as_str).filter(|token| !token.is_empty());
        let token = token.ok_or("its answer has no `access_token`")?;
        let kind = body.get("token_type").and_then(serde_json::Value::as_str).unwrap_or("bearer");
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err("its token is of a type that the bridge does not show".to_owned());
        }
        let seconds = body.get("expires_in").and_then(serde_json::Value::as_i64).unwrap_or(UNSAID_SECONDS);
        let expires = now.plus_seconds(seconds.clamp(0, KEPT_SECONDS_MAX));
        Ok(Self { token: Secret::new(token), expires })
    }

    /// Whether it still holds long enough for a request.
    pub(crate) fn stands(&self, now: Timestamp) -> bool {
        self.expires > now.plus_seconds(EARLY_SECONDS)
    }
}

/// The bridge at one authorization server.
#[derive(Debug, Clone)]
pub(crate) struct OauthClient {
    outbound: Outbound,
    settings: Arc<OauthSettings>,
}

impl OauthClient {
    /// # Errors
    /// [`TlsError`] if trust or identity cannot be read.
    pub(crate) fn new(settings: &OauthSettings) -> Result<Self, TlsError> {
        let outbound = Outbound::new(settings.ca_pem.clone(), identity(&settings.proof))?;
        Ok(Self { outbound, settings: Arc::new(settings.clone()) })
    }

    /// The way out.
    pub(crate) const fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// Our id there.
    pub(crate) fn client_id(&self) -> &str {
        &self.settings.client_id
    }

    /// What is asked for by default.
    pub(crate) fn scope(&self) -> Option<&str> {
        self.settings.scope.as_deref()
    }

    /// Sends a form to an endpoint that asks for the client's proof.
    ///
    /// # Errors
    /// A sentence for the log: no answer.
    pub(crate) async fn form(&self, url: &str, pairs: &[(&str, &str)], now: Timestamp) -> Result<Fetched, String> {
        let client = self.settings.client_id.as_str();
        let mut all = pairs.to_vec();
        match &self.settings.proof {
            ClientProof::None | ClientProof::MutualTls { .. } => {
                all.push(("client_id", client));
                self.outbound.form(url, None, &all).await
            }
            ClientProof::Secret(secret) => self.outbound.form(url, Some(basic(client, secret)?), &all).await,
            ClientProof::Key(key) => {
                let id = bascule_store::random::id().map_err(|error| error.to_string())?;
                let audience = self.settings.assertion_audience.as_deref().unwrap_or(url);
                let assertion = client_assertion(key, client, audience, &id, now).map_err(|error| error.to_string())?;
                all.extend([
                    ("client_id", client),
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", &assertion),
                ]);
                self.outbound.form(url, None, &all).await
            }
        }
    }
}

fn identity(proof: &ClientProof) -> Option<Identity> {
    let ClientProof::MutualTls { certificate_pem, key_pem } = proof else { return None };
    let key_pem = String::from_utf8_lossy(key_pem.expose()).into_owned();
    Some(Identity { certificate_pem: certificate_pem.clone(), key_pem })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn given(body: serde_json::Value) -> Result<Given, String> {
        Given::of(Fetched { status: 200, body, max_age_seconds: None }, NOW)
    }

    #[test]
    fn a_token_stands_until_shortly_before_its_end() {
        let token = given(json!({"access_token": "a", "token_type": "Bearer", "expires_in": 300})).unwrap();
        assert!(token.stands(NOW.plus_seconds(284)));
        assert!(!token.stands(NOW.plus_seconds(285)));
        assert!(!given(json!({"access_token": "a", "expires_in": 0})).unwrap().stands(NOW));
    }

    #[test]
    fn what_is_no_bearer_token_is_not_shown() {
        assert!(given(json!({"token_type": "bearer"})).is_err());
        assert!(given(json!({"access_token": ""})).is_err());
        assert!(given(json!({"access_token": "a", "token_type": "mac"})).is_err());
    }
}
