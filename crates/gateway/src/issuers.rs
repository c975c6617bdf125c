//! The external issuers of an API: their keys are fetched here, or they are asked; what a token then stands for is decided
//! by `smart`, and who that is here by what the shelf says now.

use bascule_crypto::digest::sha256;
use bascule_crypto::hex;
use bascule_fhir::Timestamp;
use bascule_smart::external::{ExternalFault, ExternalRules, ExternalToken, introspected, verify};
use bascule_smart::{HeldToken, Origin, TokenRecord, jose};
use bascule_store::user::Status;
use bascule_store::{Store, StoreError};
use bascule_wire::TlsError;
use serde_json::Value;

use crate::identity::OauthClient;
use crate::key_set::{KeySet, KeysAt};
use crate::outside::Outbound;
use crate::settings::{IssuerSettings, Verification};

/// Bytes of the longest foreign token that is looked at.
const TOKEN_BYTES_MAX: usize = jose::JWS_BYTES_MAX;

/// The issuers of one API.
pub(crate) struct Issuers(Vec<Issuer>);

struct Issuer {
    rules: ExternalRules,
    users: bool,
    how: How,
}

enum How {
    Keys(KeySet),
    Asking { client: OauthClient, url: String },
}

impl std::fmt::Debug for Issuers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|one| &one.rules.issuer)).finish()
    }
}

impl Issuers {
    /// # Errors
    /// [`TlsError`] if the trust of one cannot be read.
    pub(crate) fn new(settings: &[IssuerSettings]) -> Result<Self, TlsError> {
        settings.iter().map(Issuer::new).collect::<Result<_, _>>().map(Self)
    }

    /// What a token that is not our own stands for; `None` if nobody here is meant by it.
    ///
    /// # Errors
    /// [`StoreError`]: the shelf cannot say, and nothing passes.
    pub(crate) async fn read(
        &self,
        store: &Store,
        api: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<HeldToken>, StoreError> {
        let Some(issuer) = self.of(token) else { return Ok(None) };
        match issuer.understand(token, now).await {
            Ok(read) => here(store, issuer, api, token, read),
            Err(why) => {
                tracing::info!(issuer = issuer.rules.issuer, why, "a token of an external issuer is refused");
                Ok(None)
            }
        }
    }

    /// Whose token it may be: the one that it names, or, if it names none, the only one that can be asked.
    fn of(&self, token: &str) -> Option<&Issuer> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        if let Ok(said) = jose::unverified(token) {
            let named = said.claims.get("iss").and_then(Value::as_str)?;
            return self.0.iter().find(|issuer| issuer.rules.issuer == named);
        }
        let mut asked = self.0.iter().filter(|issuer| matches!(issuer.how, How::Asking { .. }));
        asked.next().filter(|_| asked.next().is_none())
    }
}

impl Issuer {
    fn new(settings: &IssuerSettings) -> Result<Self, TlsError> {
        let (how, algorithms) = match &settings.verification {
            Verification::Keys { jwks_url, algorithms } => {
                let at = match jwks_url {
                    Some(url) => KeysAt::Url(url.to_string()),
                    None => KeysAt::of_issuer(&settings.issuer),
                };
                let keys = KeySet::new(Outbound::new(settings.ca_pem.clone(), None)?, at);
                (How::Keys(keys), algorithms.clone())
            }
            Verification::Introspection { url, client } => {
                (How::Asking { client: OauthClient::new(client)?, url: url.to_string() }, Vec::new())
            }
        };
        let rules = ExternalRules {
            issuer: settings.issuer.clone(),
            audiences: settings.audiences.clone(),
            algorithms,
            client_claim: settings.client_claim.clone(),
            clients: settings.clients.clone(),
            scopes: settings.scopes.clone(),
            patient_claim: settings.patient_claim.clone(),
        };
        Ok(Self { rules, users: settings.users, how })
    }

    /// What the token says; the sentence of a refusal is for the log.
    async fn understand(&self, token: &str, now: Timestamp) -> Result<ExternalToken, String> {
        let worded = |fault: ExternalFault| fault.to_string();
        match &self.how {
            How::Keys(keys) => {
                let keys = keys.keys_for(token, now).await?;
                verify(token, &keys, &self.rules, now).map_err(worded)
            }
            How::Asking { client, url } => {
                let pairs = [("token", token), ("token_type_hint", "access_token")];
                let answer = client.form(url, &pairs, now).await?.ok()?;
                introspected(&answer, &self.rules, now).map_err(worded)
            }
        }
    }
}

/// Who is meant here, as the shelf says now. Without a client that may act, or a known user where users are meant, nobody.
fn here(
    store: &Store,
    issuer: &Issuer,
    api: &str,
    token: &str,
    read: ExternalToken,
) -> Result<Option<HeldToken>, StoreError> {
    let Some(client) = store.client(&read.client)? else { return Ok(None) };
    let owner = match &client.organization {
        None => Status::Active,
        Some(owner) => store.organization(owner)?.map_or(Status::Disabled, |(_, status)| status),
    };
    let may_reach = client.metadata.apis.is_empty() || client.metadata.apis.iter().any(|name| name == api);
    let user = match (&read.subject, issuer.users) {
        (_, false) => None,
        (None, true) => return Ok(None),
        (Some(subject), true) => match store.user_by_external(&issuer.rules.issuer, subject)? {
            None => return Ok(None),
            found => found,
        },
    };
    let standing = [client.status, owner, user.as_ref().map_or(Status::Active, |user| user.status)];
    let name = hex::encode(&sha256(token.as_bytes()));
    let record = TokenRecord {
        token_id: format!("external-{}", name.get(..24).unwrap_or_default()),
        client: client.id,
        organization: client.organization,
        apis: if may_reach { vec![api.to_owned()] } else { Vec::new() },
        // What the client is registered for bounds what any issuer may give it.
        scopes: read.scopes.intersect(&client.metadata.scope),
        roles: user.as_ref().map_or(client.metadata.roles, |user| user.roles.clone()),
        fhir_user: user.as_ref().and_then(|user| user.fhir_user.clone()),
        user: user.map(|user| user.id),
        patient: read.patient,
        encounter: None,
        purpose: client.metadata.purpose,
        expires: read.expires,
        active: standing.iter().all(|status| *status == Status::Active),
        origin: Origin { issuer: Some(issuer.rules.issuer.clone()), bound: false },
    };
    Ok(Some(HeldToken::new(record, read.binding)))
}
