//! Proof Key for Code Exchange (RFC 7636), S256 only.

use bascule_crypto::Secret;
use bascule_crypto::digest::sha256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Why a challenge or verifier is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PkceError {
    /// None was sent.
    #[error("`code_challenge` is missing: PKCE is required (RFC 7636)")]
    ChallengeMissing,
    /// `plain`, or none named, which means `plain`.
    #[error("`code_challenge_method` must be `S256`")]
    Method,
    /// Not 43 base64url characters.
    #[error("`code_challenge` is not the base64url SHA-256 of a verifier: 43 characters")]
    Challenge,
    /// None was sent.
    #[error("`code_verifier` is missing")]
    VerifierMissing,
    /// Not of the right form, or not the one of the challenge.
    #[error("`code_verifier` does not belong to this code")]
    Verifier,
}

/// The challenge of an authorization request.
///
/// # Errors
/// [`PkceError`].
pub fn challenge(challenge: Option<&str>, method: Option<&str>) -> Result<String, PkceError> {
    let challenge = challenge.ok_or(PkceError::ChallengeMissing)?;
    if method != Some("S256") {
        return Err(PkceError::Method);
    }
    let sound = URL_SAFE_NO_PAD.decode(challenge).is_ok_and(|bytes| bytes.len() == 32);
    if sound { Ok(challenge.to_owned()) } else { Err(PkceError::Challenge) }
}

/// Checks the verifier of a token request against the challenge.
///
/// # Errors
/// [`PkceError`].
pub fn verify(verifier: Option<&str>, challenge: &str) -> Result<(), PkceError> {
    let verifier = verifier.ok_or(PkceError::VerifierMissing)?;
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return Err(PkceError::Verifier);
    }
    let made = Secret::new(URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes())));
    if made.matches(challenge.as_bytes()) { Ok(()) } else { Err(PkceError::Verifier) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_published_pair_fits() {
        assert_eq!(challenge(Some(CHALLENGE), Some("S256")).as_deref(), Ok(CHALLENGE));
        assert_eq!(verify(Some(VERIFIER), CHALLENGE), Ok(()));
    }

    #[test]
    fn pk_1_to_pk_4_missing_wrong_and_plain_verifiers_are_refused() {
        assert_eq!(verify(None, CHALLENGE), Err(PkceError::VerifierMissing));
        assert_eq!(verify(Some(""), CHALLENGE), Err(PkceError::Verifier));
        assert_eq!(verify(Some(CHALLENGE), CHALLENGE), Err(PkceError::Verifier));
        assert_eq!(verify(Some(&"a".repeat(43)), CHALLENGE), Err(PkceError::Verifier));
        assert_eq!(verify(Some(&"a".repeat(129)), CHALLENGE), Err(PkceError::Verifier));
    }

    #[test]
    fn gp_9_plain_and_missing_challenges_are_refused() {
        assert_eq!(challenge(None, Some("S256")), Err(PkceError::ChallengeMissing));
        assert_eq!(challenge(Some(VERIFIER), Some("plain")), Err(PkceError::Method));
        assert_eq!(challenge(Some(CHALLENGE), None), Err(PkceError::Method));
        assert_eq!(challenge(Some("short"), Some("S256")), Err(PkceError::Challenge));
    }
}
