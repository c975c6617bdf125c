//! One provider: where its endpoints are, what it gives for a code, and what it says of a person.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bascule_crypto::Secret;
use bascule_fhir::{Id, Timestamp};
use bascule_smart::federation::{Mapped, NotMapped};
use bascule_smart::id_token::{self, Logout, RelyingParty};
use bascule_wire::TlsError;
use serde_json::{Map, Value, json};

use super::settings::ProviderSettings;
use crate::identity::OauthClient;
use crate::key_set::{KeySet, KeysAt, is_https_or_here};
use crate::outside::Fetched;

/// Its documents are read again after so long, in seconds.
const DOCUMENTS_SECONDS: i64 = 3_600;
/// A token whose end is not said is kept so long, in seconds.
const UNSAID_SECONDS: i64 = 300;

/// A provider.
pub(crate) struct Provider {
    settings: ProviderSettings,
    client: OauthClient,
    party: RelyingParty,
    keys: KeySet,
    endpoints: ArcSwapOption<(Endpoints, Timestamp)>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

/// Where a provider answers.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    /// The browser goes there.
    pub(crate) authorization: String,
    token: String,
    userinfo: Option<String>,
}

/// What a provider gave for a code or a refresh token.
pub(crate) struct Tokens {
    /// Its access token.
    pub(crate) access: Secret,
    /// When that stops.
    pub(crate) expires: Timestamp,
    /// Its refresh token, if it gave one.
    pub(crate) refresh: Option<Secret>,
    /// The rest of the answer: launch context among it.
    pub(crate) body: Map<String, Value>,
    id_token: Option<String>,
}

impl Tokens {
    fn of(fetched: Fetched, now: Timestamp) -> Result<Self, Refused> {
        // Only this code says that the grant itself is gone; everything else may be a bad day.
        if fetched.status == 400 && fetched.code().as_deref() == Some("invalid_grant") {
            return Err(Refused::Gone);
        }
        let mut body = match fetched.ok().map_err(Refused::Unclear)? {
            Value::Object(body) => body,
            _ => return Err(Refused::Unclear("its answer is no object".to_owned())),
        };
        let mut text = |name: &str| match body.remove(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let access = text("access_token").ok_or_else(|| Refused::Unclear("it gave no access token".to_owned()))?;
        let (refresh, id_token) = (text("refresh_token").map(Secret::new), text("id_token"));
        let seconds = body.get("expires_in").and_then(Value::as_i64).unwrap_or(UNSAID_SECONDS);
        let expires = now.plus_seconds(seconds.clamp(0, 86_400));
        Ok(Self { access: Secret::new(access), expires, refresh, body, id_token })
    }

    /// An id of the launch context.
    pub(crate) fn id(&self, name: &str) -> Option<Id> {
        self.body.get(name).and_then(Value::as_str).and_then(Id::parse)
    }
}

/// Why a provider gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// What it gave before no longer stands.
    #[error("it no longer stands by its grant")]
    Gone,
    /// Anything else.
    #[error("{0}")]
    Unclear(String),
}

/// Why somebody who came back from a provider is not let in. The sentence is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotKnown {
    /// The provider, or what it signed, cannot be believed.
    #[error("{0}")]
    Provider(String),
    /// Its claims let nobody in.
    #[error(transparent)]
    Claims(#[from] NotMapped),
}

/// A person whom a provider vouches for.
pub(crate) struct Vouched {
    /// `sub` of its id_token: what its logout tokens name.
    pub(crate) subject: String,
    /// `sid`, if it names its session.
    pub(crate) sid: Option<String>,
    /// Whether it says that more than one factor was used.
    pub(crate) second_factor: bool,
    /// Who that is here.
    pub(crate) mapped: Mapped,
}

impl Provider {
    pub(super) fn new(settings: &ProviderSettings) -> Result<Self, TlsError> {
        let client = OauthClient::new(&settings.client)?;
        let party = RelyingParty {
            issuer: settings.issuer.clone(),
            client_id: settings.client.client_id.clone(),
            algorithms: settings.algorithms.clone(),
        };
        let keys = KeySet::new(client.outbound().clone(), KeysAt::of_issuer(&settings.issuer));
        Ok(Self { settings: settings.clone(), client, party, keys, endpoints: ArcSwapOption::empty() })
    }

    pub(crate) const fn settings(&self) -> &ProviderSettings {
        &self.settings
    }

    pub(crate) fn client_id(&self) -> &str {
        self.client.client_id()
    }

    /// Where it answers, by its documents.
    pub(crate) async fn endpoints(&self, now: Timestamp) -> Result<Endpoints, String> {
        if let Some(kept) = self.endpoints.load().as_ref().filter(|kept| kept.1.plus_seconds(DOCUMENTS_SECONDS) > now) {
            return Ok(kept.0.clone());
        }
        let found = self.discover().await?;
        self.endpoints.store(Some(Arc::new((found.clone(), now))));
        Ok(found)
    }

    async fn discover(&self) -> Result<Endpoints, String> {
        let issuer = self.settings.issuer.trim_end_matches('/');
        let url = match &self.settings.ehr {
            Some(ehr) => format!("{}/.well-known/smart-configuration", ehr.base),
            None => format!("{issuer}/.well-known/openid-configuration"),
        };
        let document = self.client.outbound().get(&url, None).await?.ok()?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        if self.settings.ehr.is_none() && text("issuer") != Some(&self.settings.issuer) {
            return Err("its discovery document names another issuer".to_owned());
        }
        let endpoint = |name: &str| {
            let url = text(name).filter(|url| is_https_or_here(url));
            url.map(str::to_owned).ok_or_else(|| format!("its discovery document names no sound `{name}`"))
        };
        Ok(Endpoints {
            authorization: endpoint("authorization_endpoint")?,
            token: endpoint("token_endpoint")?,
            userinfo: endpoint("userinfo_endpoint").ok(),
        })
    }

    /// Tokens for a code.
    pub(crate) async fn redeem(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
        now: Timestamp,
    ) -> Result<Tokens, Refused> {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        self.tokens(&pairs, now).await
    }

    /// Tokens for a refresh token.
    pub(crate) async fn refresh(&self, token: &Secret, now: Timestamp) -> Result<Tokens, Refused> {
        let token = String::from_utf8_lossy(token.expose()).into_owned();
        self.tokens(&[("grant_type", "refresh_token"), ("refresh_token", &token)], now).await
    }

    async fn tokens(&self, pairs: &[(&str, &str)], now: Timestamp) -> Result<Tokens, Refused> {
        let url = self.endpoints(now).await.map_err(Refused::Unclear)?.token;
        let fetched = self.client.form(&url, pairs, now).await.map_err(Refused::Unclear)?;
        Tokens::of(fetched, now)
    }

    /// Who it is that came back with these tokens.
    pub(crate) async fn vouched(&self, tokens: &Tokens, nonce: &str, now: Timestamp) -> Result<Vouched, NotKnown> {
        let provider = |said: &str| NotKnown::Provider(said.to_owned());
        let token = tokens.id_token.as_deref().ok_or_else(|| provider("it gave no id_token"))?;
        let keys = self.keys.keys_for(token, now).await.map_err(NotKnown::Provider)?;
        let verified = id_token::verify(token, &keys, &self.party, Some(nonce), now);
        let mut claims = verified.map_err(|fault| NotKnown::Provider(fault.to_string()))?;
        if self.settings.userinfo {
            self.ask_userinfo(tokens, &mut claims, now).await?;
        }
        let mapped = match self.settings.claims.map(&claims) {
            Err(NotMapped::Overage { claim }) => self.map_with_groups(tokens, claims.clone(), claim).await?,
            other => other?,
        };
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let factors = claims.get("amr").and_then(Value::as_array).into_iter().flatten();
        Ok(Vouched {
            subject: text("sub").ok_or_else(|| provider("its id_token names nobody"))?,
            sid: text("sid"),
            second_factor: factors.into_iter().any(|factor| factor == "mfa"),
            mapped,
        })
    }

    /// Adds claims that only the userinfo endpoint tells; what the id_token says counts first.
    async fn ask_userinfo(
        &self,
        tokens: &Tokens,
        claims: &mut Map<String, Value>,
        now: Timestamp,
    ) -> Result<(), NotKnown> {
        let endpoints = self.endpoints(now).await.map_err(NotKnown::Provider)?;
        let url = endpoints.userinfo.ok_or_else(|| NotKnown::Provider("it has no userinfo endpoint".to_owned()))?;
        let answer = self.client.outbound().get(&url, Some(&tokens.access)).await.and_then(Fetched::ok);
        let Value::Object(said) = answer.map_err(NotKnown::Provider)? else {
            return Err(NotKnown::Provider("its userinfo is no object".to_owned()));
        };
        if said.get("sub") != claims.get("sub") {
            return Err(NotKnown::Provider("its userinfo is about somebody else".to_owned()));
        }
        for (name, value) in said {
            claims.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// Entra ID leaves groups out of a token when there are too many. They are asked for where the configuration says; the
    /// address that the token itself names is never followed.
    async fn map_with_groups(
        &self,
        tokens: &Tokens,
        mut claims: Map<String, Value>,
        claim: String,
    ) -> Result<Mapped, NotKnown> {
        let Some(url) = &self.settings.overage_url else { return Err(NotMapped::Overage { claim }.into()) };
        let asked = json!({"securityEnabledOnly": false});
        let answer = self.client.outbound().json(url.as_str(), &tokens.access, &asked).await.and_then(Fetched::ok);
        let answer = answer.map_err(NotKnown::Provider)?;
        let groups = answer.get("value").filter(|groups| groups.is_array()).cloned();
        let groups = groups.ok_or_else(|| NotKnown::Provider("its groups are no list".to_owned()))?;
        claims.insert(claim, groups);
        Ok(self.settings.claims.map(&claims)?)
    }

    /// Whom a logout token is about.
    pub(crate) async fn logout(&self, token: &str, now: Timestamp) -> Result<Logout, String> {
        let keys = self.keys.keys_for(token, now).await?;
        id_token::verify_logout(token, &keys, &self.party, now).map_err(|fault| fault.to_string())
    }
}
