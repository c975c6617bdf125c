//! Which certificates of clients a listener takes: those of its authorities, or any whose key the client holds. Whether the
//! latter is one of ours is decided where its request is.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::TlsError;

/// The listener's view of its clients' certificates.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    verifier: Arc<dyn ClientCertVerifier>,
    /// Whether every certificate that passed the handshake is of an authority.
    by_authority: bool,
    authorities: Option<Arc<dyn ClientCertVerifier>>,
}

impl Clients {
    /// Certificates of these authorities, and any other too if `self_signed`. A client without one still connects.
    pub(super) fn new(
        authorities: Option<RootCertStore>,
        self_signed: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Self>, TlsError> {
        let authorities: Option<Arc<dyn ClientCertVerifier>> = match authorities {
            None => None,
            Some(roots) => {
                let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
                let built = builder.allow_unauthenticated().build();
                Some(built.map_err(|error| TlsError::Refused(error.to_string()))?)
            }
        };
        Ok(match (authorities, self_signed) {
            (None, false) => None,
            (Some(verifier), false) => Some(Self { verifier, by_authority: true, authorities: None }),
            (authorities, true) => {
                let verifier = Arc::new(AnyCertificate(Arc::clone(provider)));
                Some(Self { verifier, by_authority: false, authorities })
            }
        })
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }

    /// Whether a chain that a client showed leads to an authority of the listener.
    pub(crate) fn is_of_an_authority(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some((leaf, others)) = chain.split_first() else { return false };
        self.by_authority
            || self
                .authorities
                .as_ref()
                .is_some_and(|known| known.verify_client_cert(leaf, others, UnixTime::now()).is_ok())
    }
}

/// Takes any certificate of which the client proves to hold the key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
