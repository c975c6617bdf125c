//! `exchange`: a token for each user (RFC 8693). The subject is the caller's own token where an external issuer made it,
//! else a statement about the user that we sign; the upstream's authorization server verifies it with our `/oauth/jwks`.

use std::sync::Arc;

use bascule_smart::as_client::acting_user;
use bascule_wire::TlsError;
use http::HeaderValue;
use moka::sync::Cache;
use tokio::sync::Mutex;

use super::oauth::{Given, OauthClient};
use super::{Behalf, IdentityFault, Signer};
use crate::outside::authorization;
use crate::settings::ExchangeSettings;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// Users whose tokens are kept.
const USERS_MAX: u64 = 10_000;

type Slot = Arc<Mutex<Option<(HeaderValue, Given)>>>;

/// Tokens by user.
pub(crate) struct Exchange {
    client: OauthClient,
    settings: ExchangeSettings,
    signer: Signer,
    kept: Cache<String, Slot>,
}

impl Exchange {
    /// # Errors
    /// [`TlsError`] if trust or identity cannot be read.
    pub(crate) fn new(settings: &ExchangeSettings, signer: Signer) -> Result<Self, TlsError> {
        let client = OauthClient::new(&settings.client)?;
        Ok(Self { client, settings: settings.clone(), signer, kept: Cache::new(USERS_MAX) })
    }

    /// The header with this user's token.
    ///
    /// # Errors
    /// [`IdentityFault`].
    pub(crate) async fn token(&self, behalf: &Behalf<'_>) -> Result<HeaderValue, IdentityFault> {
        let slot = self.kept.get_with(whose(behalf)?, Slot::default);
        let mut kept = slot.lock().await;
        if let Some((header, _)) = kept.as_ref().filter(|(_, given)| given.stands(behalf.now())) {
            return Ok(header.clone());
        }
        let url = self.settings.token_url.to_string();
        let (header, given) =
            self.fetch(&url, behalf).await.map_err(|why| IdentityFault::NoToken { url: url.clone(), why })?;
        *kept = Some((header.clone(), given));
        Ok(header)
    }

    /// Forgets this user's token.
    pub(crate) fn forget(&self, behalf: &Behalf<'_>) {
        if let Ok(key) = whose(behalf) {
            self.kept.invalidate(&key);
        }
    }

    async fn fetch(&self, url: &str, behalf: &Behalf<'_>) -> Result<(HeaderValue, Given), String> {
        let (subject, kind) = match behalf.foreign_token() {
            Some((_, token)) => (token.to_owned(), ACCESS_TOKEN),
            None => (self.statement(url, behalf)?, JWT),
        };
        let mut pairs = vec![
            ("grant_type", GRANT),
            ("subject_token", subject.as_str()),
            ("subject_token_type", kind),
            ("requested_token_type", ACCESS_TOKEN),
        ];
        let optional = [("audience", &self.settings.audience), ("resource", &self.settings.resource)];
        pairs.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
        pairs.extend(self.client.scope().map(|scope| ("scope", scope)));
        let given = Given::of(self.client.form(url, &pairs, behalf.now()).await?, behalf.now())?;
        Ok((authorization(&given.token)?, given))
    }

    /// What we say of the user, to that token endpoint only.
    fn statement(&self, url: &str, behalf: &Behalf<'_>) -> Result<String, String> {
        let id = bascule_store::random::id().map_err(|error| error.to_string())?;
        let principal = behalf.principal().ok_or_else(|| IdentityFault::NoUser.to_string())?;
        let claims = acting_user(principal, self.signer.issuer(), url, &id, behalf.now());
        self.signer.sign(&claims, "JWT", behalf.now())
    }
}

/// Whose token it is: the user as this client's user, for what differs in roles or purpose differs in what the token may.
fn whose(behalf: &Behalf<'_>) -> Result<String, IdentityFault> {
    let principal = behalf.principal().ok_or(IdentityFault::NoUser)?;
    let user = principal.user().ok_or(IdentityFault::NoUser)?;
    let issuer = principal.issuer().unwrap_or_default();
    // A foreign token is exchanged for itself: another token of the same user may be worth less.
    let token = if issuer.is_empty() { "" } else { principal.token_id() };
    let parts = [user, principal.client(), &principal.roles().join(" "), issuer, token];
    Ok(parts.join("\n"))
}
