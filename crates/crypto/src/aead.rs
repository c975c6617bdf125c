//! Authenticated encryption: AES-256-GCM (NIST SP 800-38D).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::{CryptoError, Secret};

/// Bytes of a nonce. Each is used once under a key; the caller brings fresh random ones.
pub const NONCE_BYTES: usize = 12;

/// Encrypts `plain` under the 32-byte `key`, bound to `aad`. The tag is appended.
///
/// # Errors
/// `Malformed` if `key` is not 32 bytes.
pub fn seal(key: &Secret, nonce: [u8; NONCE_BYTES], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let key = less_safe(key)?;
    let mut sealed = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut sealed)
        .map_err(|_| CryptoError::Malformed)?;
    Ok(sealed)
}

/// As [`seal`], where it stands: `bytes` from `from` on are encrypted, and the tag is appended.
///
/// # Errors
/// `Malformed` if `key` is not 32 bytes or `from` lies beyond the end.
pub fn seal_in_place(
    key: &[u8],
    nonce: [u8; NONCE_BYTES],
    aad: &[u8],
    bytes: &mut Vec<u8>,
    from: usize,
) -> Result<(), CryptoError> {
    let key = UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| CryptoError::Malformed)?;
    let plain = bytes.get_mut(from..).ok_or(CryptoError::Malformed)?;
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), plain)
        .map_err(|_| CryptoError::Malformed)?;
    bytes.extend_from_slice(tag.as_ref());
    Ok(())
}

/// Decrypts what [`seal`] made.
///
/// # Errors
/// `Malformed` if `key` is not 32 bytes, `Mismatch` if key, nonce, `aad` or bytes are not those of the sealing.
pub fn open(key: &Secret, nonce: [u8; NONCE_BYTES], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let key = less_safe(key)?;
    let mut plain = sealed.to_vec();
    let length = key
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut plain)
        .map_err(|_| CryptoError::Mismatch)?
        .len();
    plain.truncate(length);
    Ok(plain)
}

fn less_safe(key: &Secret) -> Result<LessSafeKey, CryptoError> {
    UnboundKey::new(&AES_256_GCM, key.expose()).map(LessSafeKey::new).map_err(|_| CryptoError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_with_the_same_key_nonce_and_aad() {
        let key = Secret::new([1; 32]);
        let sealed = seal(&key, [2; 12], b"aad", b"plain").unwrap();
        assert_eq!(open(&key, [2; 12], b"aad", &sealed).unwrap(), b"plain");
        assert_eq!(open(&Secret::new([9; 32]), [2; 12], b"aad", &sealed), Err(CryptoError::Mismatch));
        assert_eq!(open(&key, [3; 12], b"aad", &sealed), Err(CryptoError::Mismatch));
        assert_eq!(open(&key, [2; 12], b"oad", &sealed), Err(CryptoError::Mismatch));
    }

    #[test]
    fn sealed_in_place_it_is_the_same() {
        let sealed = seal(&Secret::new([1; 32]), [2; 12], b"aad", b"plain").unwrap();
        let mut bytes = b"before plain".to_vec();
        seal_in_place(&[1; 32], [2; 12], b"aad", &mut bytes, 7).unwrap();
        assert_eq!(bytes, [b"before ".as_slice(), &sealed].concat());
        assert_eq!(seal_in_place(&[1; 32], [2; 12], b"", &mut bytes, 1000), Err(CryptoError::Malformed));
    }

    #[test]
    fn refuses_a_short_key() {
        assert_eq!(seal_in_place(&[1; 31], [0; 12], b"", &mut Vec::new(), 0), Err(CryptoError::Malformed));
        assert_eq!(seal(&Secret::new([1; 31]), [0; 12], b"", b""), Err(CryptoError::Malformed));
    }
}
