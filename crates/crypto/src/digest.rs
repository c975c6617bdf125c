//! Digests, keyed digests and key derivation (FIPS 180-4, RFC 2104, RFC 5869).

use aws_lc_rs::{digest, hkdf, hmac};

use crate::{CryptoError, Secret};

/// A SHA-256 digest.
pub type Sha256 = [u8; 32];

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Sha256 {
    to_array(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-384 of `bytes`.
#[must_use]
pub fn sha384(bytes: &[u8]) -> [u8; 48] {
    let digest = digest::digest(&digest::SHA384, bytes);
    let mut out = [0; 48];
    out.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    out
}

/// SHA-256 of the parts as if they stood one after the other.
#[must_use]
pub fn sha256_parts(parts: &[&[u8]]) -> Sha256 {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    to_array(context.finish().as_ref())
}

/// SHA-256 of bytes that come in pieces.
#[derive(Clone)]
pub struct Sha256Stream(digest::Context);

impl Default for Sha256Stream {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256Stream {
    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was taken in.
    #[must_use]
    pub fn finish(self) -> Sha256 {
        to_array(self.0.finish().as_ref())
    }
}

/// HMAC-SHA-256 of `bytes` under `key`.
#[must_use]
pub fn hmac_sha256(key: &Secret, bytes: &[u8]) -> Sha256 {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
    to_array(hmac::sign(&key, bytes).as_ref())
}

/// A 32-byte key out of `input` by HKDF-SHA-256.
///
/// # Errors
/// `Malformed` if the library refuses the lengths, which 32 bytes never cause.
pub fn hkdf_sha256(input: &Secret, salt: &[u8], info: &[&[u8]]) -> Result<Secret, CryptoError> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, salt);
    let prk = salt.extract(input.expose());
    let okm = prk.expand(info, hkdf::HKDF_SHA256).map_err(|_| CryptoError::Malformed)?;
    let mut out = [0_u8; 32];
    okm.fill(&mut out).map_err(|_| CryptoError::Malformed)?;
    Ok(Secret::new(out))
}

fn to_array(bytes: &[u8]) -> Sha256 {
    let mut out = [0_u8; 32];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_abc_is_the_published_value() {
        let expected = [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03,
            0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
        ];
        assert_eq!(sha256(b"abc"), expected);
        assert_eq!(sha256_parts(&[b"a", b"", b"bc"]), expected);
        let mut stream = Sha256Stream::default();
        stream.update(b"ab");
        stream.update(b"c");
        assert_eq!(stream.finish(), expected);
    }

    #[test]
    fn derived_keys_differ_by_salt_and_info() {
        let input = Secret::new([7; 32]);
        let one = hkdf_sha256(&input, b"a", &[b"x"]).unwrap();
        assert!(!one.matches(hkdf_sha256(&input, b"b", &[b"x"]).unwrap().expose()));
        assert!(!one.matches(hkdf_sha256(&input, b"a", &[b"y"]).unwrap().expose()));
        assert!(one.matches(hkdf_sha256(&input, b"a", &[b"x"]).unwrap().expose()));
    }
}
