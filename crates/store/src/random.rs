//! Randomness from the system, for the doors.

use bascule_crypto::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::StoreError;

/// `N` random bytes.
///
/// # Errors
/// [`StoreError::Key`] if the system has none to give; nothing may go on then.
pub fn bytes<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut out = [0_u8; N];
    aws_lc_rs::rand::fill(&mut out).map_err(|_| StoreError::Key("the system gave no random bytes".into()))?;
    Ok(out)
}

/// A 256-bit value nobody can guess, as 43 base64url characters: a token, a code, a secret, a session.
///
/// # Errors
/// As [`bytes`].
pub fn token() -> Result<Secret, StoreError> {
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes::<32>()?)))
}

/// A 128-bit name for a record, as 32 hex digits.
///
/// # Errors
/// As [`bytes`].
pub fn id() -> Result<String, StoreError> {
    Ok(hex::encode(bytes::<16>()?))
}

/// The text of a secret made by [`token`]; it is ASCII.
#[must_use]
pub fn text(secret: &Secret) -> String {
    String::from_utf8_lossy(secret.expose()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_plain_and_differ() {
        let (one, two) = (text(&token().unwrap()), text(&token().unwrap()));
        assert_ne!(one, two);
        assert_eq!(one.len(), 43);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        assert_eq!(id().unwrap().len(), 32);
    }
}
