//! `service`: one access token for all requests to an upstream, by client credentials, kept until it ends. Of many
//! requests that find none, one fetches it and the others wait for it.

use bascule_fhir::Timestamp;
use bascule_wire::TlsError;
use http::HeaderValue;
use tokio::sync::Mutex;
use url::Url;

use super::IdentityFault;
use super::oauth::{Given, OauthClient};
use crate::outside::authorization;
use crate::settings::OauthSettings;

/// After a refusal nobody asks again for so long, in seconds: a crowd of requests must not become a crowd at the token
/// endpoint.
const REST_SECONDS: i64 = 2;

/// The token, kept.
pub(crate) struct Service {
    client: OauthClient,
    url: String,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    given: Option<(HeaderValue, Given)>,
    failed: Option<(Timestamp, String)>,
}

impl Service {
    /// # Errors
    /// [`TlsError`] if trust or identity cannot be read.
    pub(crate) fn new(token_url: &Url, settings: &OauthSettings) -> Result<Self, TlsError> {
        let client = OauthClient::new(settings)?;
        Ok(Self { client, url: token_url.to_string(), kept: Mutex::default() })
    }

    /// The header with the token.
    ///
    /// # Errors
    /// [`IdentityFault::NoToken`].
    pub(crate) async fn token(&self, now: Timestamp) -> Result<HeaderValue, IdentityFault> {
        let mut kept = self.kept.lock().await;
        if let Some((header, _)) = kept.given.as_ref().filter(|(_, given)| given.stands(now)) {
            return Ok(header.clone());
        }
        if let Some((at, why)) = kept.failed.as_ref().filter(|(at, _)| at.plus_seconds(REST_SECONDS) > now) {
            let _ = at;
            return Err(self.fault(why.clone()));
        }
        match self.fetch(now).await {
            Ok((header, given)) => {
                *kept = Kept { given: Some((header.clone(), given)), failed: None };
                Ok(header)
            }
            Err(why) => {
                *kept = Kept { given: None, failed: Some((now, why.clone())) };
                Err(self.fault(why))
            }
        }
    }

    /// Forgets the token: the upstream refused it.
    pub(crate) async fn forget(&self) {
        self.kept.lock().await.given = None;
    }

    async fn fetch(&self, now: Timestamp) -> Result<(HeaderValue, Given), String> {
        let mut pairs = vec![("grant_type", "client_credentials")];
        pairs.extend(self.client.scope().map(|scope| ("scope", scope)));
        let given = Given::of(self.client.form(&self.url, &pairs, now).await?, now)?;
        Ok((authorization(&given.token)?, given))
    }

    fn fault(&self, why: String) -> IdentityFault {
        IdentityFault::NoToken { url: self.url.clone(), why }
    }
}
