//! Ed25519 signatures (RFC 8032), the ones that checkpoints carry.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::{CryptoError, Secret};

/// An Ed25519 signing key. Whoever holds it can sign as its owner.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key of a 32-byte seed (RFC 8032 section 5.1.5).
    ///
    /// # Errors
    /// `Malformed` if the seed is not 32 bytes.
    pub fn from_seed(seed: &Secret) -> Result<Self, CryptoError> {
        Ed25519KeyPair::from_seed_unchecked(seed.expose()).map(Self).map_err(|_| CryptoError::Malformed)
    }

    /// The 32-byte public key.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    /// The 64-byte signature of `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// Checks an Ed25519 signature.
///
/// # Errors
/// `Mismatch` if `public` did not sign `message`, or either is malformed.
pub fn verify_ed25519(public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).map_err(|_| CryptoError::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_message_only() {
        let key = SigningKey::from_seed(&Secret::new([5; 32])).unwrap();
        let signature = key.sign(b"message");
        assert_eq!(verify_ed25519(&key.public(), b"message", &signature), Ok(()));
        assert_eq!(verify_ed25519(&key.public(), b"massage", &signature), Err(CryptoError::Mismatch));
    }
}
