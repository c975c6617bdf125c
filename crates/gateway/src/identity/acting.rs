//! The acting user in a signed header, and the key that signs it: the authorization server's own, published at
//! `/oauth/jwks`, so that an upstream verifies it like an id_token and key rotation needs no hand.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bascule_fhir::Timestamp;
use bascule_smart::as_client::acting_user;
use bascule_smart::jose::{SigningAlgorithm, SigningKey};
use bascule_store::Store;
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::{Behalf, IdentityFault};
use crate::settings::ActingUserSettings;

/// A key is looked for again after so long, in seconds.
const KEY_SECONDS: i64 = 60;
/// Elliptic signatures are short, and fast to make.
const ALGORITHM: SigningAlgorithm = SigningAlgorithm::Es384;

/// Signs as the authorization server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Signer(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    issuer: String,
    key: ArcSwapOption<(SigningKey, Timestamp)>,
}

impl Signer {
    pub(crate) fn new(store: Arc<Store>, issuer: &str) -> Self {
        Self(Arc::new(Inner { store, issuer: issuer.to_owned(), key: ArcSwapOption::empty() }))
    }

    /// As whom.
    pub(crate) fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The shelf.
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.0.store)
    }

    /// Signs claims.
    ///
    /// # Errors
    /// A sentence for the log.
    pub(crate) fn sign(&self, claims: &Value, kind: &str, now: Timestamp) -> Result<String, String> {
        let kept = self.0.key.load_full().filter(|kept| kept.1.plus_seconds(KEY_SECONDS) > now);
        let kept = match kept {
            Some(kept) => kept,
            None => {
                let key = self.0.store.signing_key(ALGORITHM, now).map_err(|error| error.to_string())?;
                let kept = Arc::new((key, now));
                self.0.key.store(Some(Arc::clone(&kept)));
                kept
            }
        };
        kept.0.sign(claims, kind).map_err(|error| error.to_string())
    }
}

/// The header of an upstream that wants to know who acts.
pub(crate) struct Acting {
    name: HeaderName,
    audience: String,
    signer: Signer,
}

impl Acting {
    pub(crate) fn new(settings: &ActingUserSettings, signer: Signer) -> Self {
        Self { name: settings.header.clone(), audience: settings.audience.clone(), signer }
    }

    /// The header and its value; none where nobody acts but the bridge.
    ///
    /// # Errors
    /// [`IdentityFault::Unusable`].
    pub(crate) fn header(&self, behalf: &Behalf<'_>) -> Result<Option<(HeaderName, HeaderValue)>, IdentityFault> {
        let Some(principal) = behalf.principal() else { return Ok(None) };
        let id = behalf.request_id();
        let claims = acting_user(principal, self.signer.issuer(), &self.audience, id, behalf.now());
        let signed = self.signer.sign(&claims, "JWT", behalf.now()).map_err(IdentityFault::Unusable)?;
        let value = HeaderValue::from_str(&signed).map_err(|error| IdentityFault::Unusable(error.to_string()))?;
        Ok(Some((self.name.clone(), value)))
    }
}
