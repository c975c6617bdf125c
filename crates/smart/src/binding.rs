//! Tokens that only their owner can use: bound to a DPoP key (RFC 9449) or a client certificate (RFC 8705).
//!
//! A [`HeldToken`] gives its record out only against what the caller proved to possess, so that the check cannot be
//! forgotten: there is no other way to the record.

use bascule_crypto::digest::Sha256;

use crate::TokenRecord;

/// To what a token is bound (`cnf`, RFC 7800).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// `jkt`: the RFC 7638 thumbprint of the DPoP key, base64url.
    DpopKey(String),
    /// `x5t#S256`: SHA-256 of the client's certificate in DER.
    Certificate(Sha256),
}

/// How the token came with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Bearer`
    Bearer,
    /// `Authorization: DPoP`
    Dpop,
}

/// What the caller proved to possess on this very request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possession {
    /// The scheme of the `Authorization` header.
    pub scheme: Scheme,
    /// Thumbprint of the key of a verified DPoP proof over this request and token.
    pub dpop_key: Option<String>,
    /// SHA-256 of the certificate that the TLS handshake verified the caller to hold.
    pub certificate: Option<Sha256>,
}

impl Possession {
    /// A bearer token over a connection without a client certificate: nothing else was proved.
    #[must_use]
    pub const fn bearer() -> Self {
        Self { scheme: Scheme::Bearer, dpop_key: None, certificate: None }
    }
}

/// Why a known token is not usable by this caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPossessed {
    /// Bound to a key, and the proof is missing or of another key.
    #[error("the access token is bound to a DPoP key: send `Authorization: DPoP` and a proof made with that key")]
    DpopKey,
    /// Bound to a certificate, and the connection has none or another.
    #[error("the access token is bound to a client certificate that this connection does not present")]
    Certificate,
    /// The DPoP scheme with a token that is not bound.
    #[error("the access token is not bound to a DPoP key: send it as `Authorization: Bearer`")]
    Scheme,
}

/// A token that the shelf knows, before the caller's possession is checked.
#[derive(Debug, Clone)]
pub struct HeldToken {
    record: TokenRecord,
    binding: Option<Binding>,
}

impl HeldToken {
    /// What the shelf read.
    #[must_use]
    pub fn new(mut record: TokenRecord, binding: Option<Binding>) -> Self {
        record.origin.bound = binding.is_some();
        Self { record, binding }
    }

    /// To what it is bound.
    #[must_use]
    pub const fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// The record, if the caller possesses what the token is bound to.
    ///
    /// # Errors
    /// [`NotPossessed`]: the token must be treated as unknown.
    pub fn possessed(self, by: &Possession) -> Result<TokenRecord, NotPossessed> {
        match (&self.binding, by.scheme) {
            (Some(Binding::DpopKey(key)), Scheme::Dpop) if by.dpop_key.as_ref() == Some(key) => Ok(self.record),
            (Some(Binding::DpopKey(_)), _) => Err(NotPossessed::DpopKey),
            (_, Scheme::Dpop) => Err(NotPossessed::Scheme),
            (Some(Binding::Certificate(known)), Scheme::Bearer) if by.certificate.as_ref() == Some(known) => {
                Ok(self.record)
            }
            (Some(Binding::Certificate(_)), Scheme::Bearer) => Err(NotPossessed::Certificate),
            (None, Scheme::Bearer) => Ok(self.record),
        }
    }

    /// The record for those who only describe it (introspection, lists); never to authenticate a request.
    #[must_use]
    pub const fn described(&self) -> &TokenRecord {
        &self.record
    }
}

#[cfg(test)]
mod tests {
    use bascule_fhir::Timestamp;

    use super::*;

    fn held(binding: Option<Binding>) -> HeldToken {
        let record = TokenRecord {
            token_id: "t1".into(),
            client: "app".into(),
            organization: None,
            apis: vec!["ehr".into()],
            scopes: crate::Scopes::default(),
            roles: vec![],
            user: None,
            fhir_user: None,
            patient: None,
            encounter: None,
            purpose: None,
            expires: Timestamp::from_seconds(1),
            active: true,
            origin: crate::Origin::default(),
        };
        HeldToken::new(record, binding)
    }

    #[test]
    fn a_copied_bound_token_is_worthless() {
        let bound = || held(Some(Binding::DpopKey("k1".into())));
        let by = |scheme, key: Option<&str>| Possession { scheme, dpop_key: key.map(str::to_owned), certificate: None };
        assert!(bound().possessed(&by(Scheme::Dpop, Some("k1"))).is_ok());
        assert_eq!(bound().possessed(&by(Scheme::Dpop, Some("k2"))).unwrap_err(), NotPossessed::DpopKey);
        assert_eq!(bound().possessed(&by(Scheme::Dpop, None)).unwrap_err(), NotPossessed::DpopKey);
        assert_eq!(bound().possessed(&by(Scheme::Bearer, Some("k1"))).unwrap_err(), NotPossessed::DpopKey);
        assert_eq!(held(None).possessed(&by(Scheme::Dpop, Some("k1"))).unwrap_err(), NotPossessed::Scheme);
        assert!(held(None).possessed(&Possession::bearer()).is_ok());
    }

    #[test]
    fn a_certificate_bound_token_needs_that_certificate() {
        let bound = || held(Some(Binding::Certificate([7; 32])));
        let with = |certificate| Possession { certificate, ..Possession::bearer() };
        assert!(bound().possessed(&with(Some([7; 32]))).is_ok());
        assert_eq!(bound().possessed(&with(Some([8; 32]))).unwrap_err(), NotPossessed::Certificate);
        assert_eq!(bound().possessed(&with(None)).unwrap_err(), NotPossessed::Certificate);
    }
}
