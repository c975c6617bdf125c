//! Keys, signatures, digests and `Secret`, which cannot be printed.
//!
//! A thin skin over `aws-lc-rs`: no algorithm is written here. This room never asks the system for
//! randomness; random bytes come in as an argument from a door.

pub mod aead;
pub mod certificate;
pub mod digest;
pub mod hex;
pub mod secret;
pub mod sign;

pub use secret::Secret;

/// Why a cryptographic step failed. It says no more on purpose: details help only an attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// A key, nonce or signature has the wrong length or form.
    #[error("malformed key, nonce or signature")]
    Malformed,
    /// A signature or authentication tag does not match.
    #[error("signature or authentication tag does not match")]
    Mismatch,
}
