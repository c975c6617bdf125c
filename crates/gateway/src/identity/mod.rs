//! Upstream identity: as whom the bridge comes to the system behind an API. The client's own token goes there only if
//! that system's issuer made it for that system; everything else is the bridge's own.

mod acting;
mod exchange;
mod oauth;
mod service;

use std::sync::Arc;

use bascule_fhir::Timestamp;
use bascule_smart::Principal;
use bascule_store::Store;
use bascule_wire::TlsError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::head::{Head, Presented};
use crate::settings::UpstreamCredential;

pub(crate) use acting::{Acting, Signer};
pub(crate) use oauth::OauthClient;

use exchange::Exchange;
use service::Service;

/// On whose behalf a request goes upstream.
#[derive(Clone, Copy)]
pub(crate) enum Behalf<'a> {
    /// Who asks, and how.
    Caller(&'a Principal, &'a Head),
    /// Nobody: the bridge reads for itself.
    Bridge {
        /// The name of this reading.
        request_id: &'a str,
        /// When.
        now: Timestamp,
    },
}

impl<'a> Behalf<'a> {
    /// When.
    pub(crate) const fn now(&self) -> Timestamp {
        match self {
            Self::Caller(_, head) => head.received,
            Self::Bridge { now, .. } => *now,
        }
    }

    /// The name of the request.
    pub(crate) fn request_id(&self) -> &str {
        match self {
            Self::Caller(_, head) => &head.request_id,
            Self::Bridge { request_id, .. } => request_id,
        }
    }

    /// Who asks, unless it is the bridge itself.
    const fn principal(&self) -> Option<&'a Principal> {
        match self {
            Self::Caller(principal, _) => Some(*principal),
            Self::Bridge { .. } => None,
        }
    }

    /// The token as it came, if an external issuer made it.
    fn foreign_token(&self) -> Option<(&str, &str)> {
        let Self::Caller(principal, head) = self else { return None };
        let issuer = principal.issuer()?;
        match head.presented() {
            Presented::Bearer(token) => Some((issuer, token)),
            _ => None,
        }
    }
}

/// Why there is nothing to show upstream: a sentence for the log, without any token or secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdentityFault {
    /// The caller's token is not one that may be shown to this upstream.
    #[error("the caller's token was not made by `{issuer}` for this system, and no other is shown there")]
    NotRelayable {
        /// Whose tokens are relayed.
        issuer: String,
    },
    /// There is no user, or none that the exchange is about.
    #[error("a user's token is asked for, and no user stands behind this request")]
    NoUser,
    /// The EHR gave no token for this access, or the one that it gave has ended.
    #[error("the EHR gave no token for this access, or it has ended: the app must be launched again")]
    NotLaunched,
    /// The authorization server of the upstream gave no token.
    #[error("no token from {url}: {why}")]
    NoToken {
        /// Its token endpoint.
        url: String,
        /// Why not.
        why: String,
    },
    /// A header or signature cannot be made.
    #[error("{0}")]
    Unusable(String),
}

/// How the bridge proves itself at an upstream.
pub(crate) enum UpstreamIdentity {
    /// By nothing in the request: a client certificate, or a trusted network.
    Silent,
    /// By the same header each time.
    Fixed(HeaderValue),
    /// By a token of its own.
    Service(Service),
    /// By a token for each user.
    Exchange(Exchange),
    /// By the caller's own token.
    Relay {
        /// Whose tokens.
        issuer: String,
    },
    /// By the token that the EHR gave at its launch.
    Launched {
        /// Where it is kept.
        store: Arc<Store>,
        /// The EHR, by the name of its provider.
        provider: String,
    },
}

impl UpstreamIdentity {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`TlsError`] if trust or a certificate of an authorization server cannot be read, or a secret does not fit a header.
    pub(crate) fn new(credential: &UpstreamCredential, signer: &Signer) -> Result<Self, TlsError> {
        Ok(match credential {
            UpstreamCredential::None | UpstreamCredential::MutualTls { .. } => Self::Silent,
            UpstreamCredential::Bearer(token) => {
                Self::Fixed(crate::outside::authorization(token).map_err(TlsError::Refused)?)
            }
            UpstreamCredential::Basic { user, password } => {
                let pair = [user.as_bytes(), b":", password.expose()].concat();
                Self::Fixed(plain(&format!("Basic {}", STANDARD.encode(pair)))?)
            }
            UpstreamCredential::Service { token_url, client } => Self::Service(Service::new(token_url, client)?),
            UpstreamCredential::Exchange(settings) => Self::Exchange(Exchange::new(settings, signer.clone())?),
            UpstreamCredential::Relay { issuer } => Self::Relay { issuer: issuer.clone() },
            UpstreamCredential::Launch { provider } => {
                Self::Launched { store: signer.store(), provider: provider.clone() }
            }
        })
    }

    /// The `Authorization` of a request.
    ///
    /// # Errors
    /// [`IdentityFault`]: nothing may be sent.
    pub(crate) async fn authorization(&self, behalf: &Behalf<'_>) -> Result<Option<HeaderValue>, IdentityFault> {
        match self {
            Self::Silent => Ok(None),
            Self::Fixed(value) => Ok(Some(value.clone())),
            Self::Service(service) => service.token(behalf.now()).await.map(Some),
            Self::Exchange(exchange) => exchange.token(behalf).await.map(Some),
            Self::Relay { issuer } => relayed(issuer, behalf).map(Some),
            Self::Launched { store, provider } => launched(store, provider, behalf).map(Some),
        }
    }

    /// Forgets what is kept, after the upstream refused it.
    pub(crate) async fn forget(&self, behalf: &Behalf<'_>) {
        match self {
            Self::Service(service) => service.forget().await,
            Self::Exchange(exchange) => exchange.forget(behalf),
            _ => {}
        }
    }
}

fn relayed(issuer: &str, behalf: &Behalf<'_>) -> Result<HeaderValue, IdentityFault> {
    match behalf.foreign_token() {
        Some((made_by, token)) if made_by == issuer => {
            let token = bascule_crypto::Secret::new(token);
            crate::outside::authorization(&token).map_err(IdentityFault::Unusable)
        }
        _ => Err(IdentityFault::NotRelayable { issuer: issuer.to_owned() }),
    }
}

fn launched(store: &Store, provider: &str, behalf: &Behalf<'_>) -> Result<HeaderValue, IdentityFault> {
    let principal = behalf.principal().ok_or(IdentityFault::NotLaunched)?;
    let found = store.launched_token(principal.token_id(), provider, behalf.now());
    let token = found.map_err(|error| IdentityFault::Unusable(error.to_string()))?.ok_or(IdentityFault::NotLaunched)?;
    crate::outside::authorization(&token).map_err(IdentityFault::Unusable)
}

fn plain(line: &str) -> Result<HeaderValue, TlsError> {
    let refused = |_| TlsError::Refused("the upstream's credential holds what a header cannot".to_owned());
    let mut value = HeaderValue::from_str(line).map_err(refused)?;
    value.set_sensitive(true);
    Ok(value)
}
