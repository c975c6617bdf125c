//! One-time passwords by time (RFC 6238): SHA-1, six digits, thirty seconds, as authenticator apps know them.

use bascule_crypto::Secret;
use bascule_fhir::Timestamp;
use totp_rs::{Builder, Totp};

/// Bytes of a secret.
pub const SECRET_BYTES: usize = 20;

/// The time step to which these digits belong, now or one step before or after. The caller sees to it that a step
/// counts once.
#[must_use]
pub fn step(secret: &Secret, digits: &str, now: Timestamp) -> Option<i64> {
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let step = generator(secret)?.check(digits, u64::try_from(now.seconds()).ok()?)?;
    i64::try_from(step).ok()
}

/// The address that an authenticator app reads from a QR code or link.
#[must_use]
pub fn address(secret: &Secret, issuer: &str, login: &str) -> String {
    let mut url = String::from("otpauth://totp/");
    let label = format!("{}:{}", issuer.replace(':', " "), login.replace(':', " "));
    url.extend(url::form_urlencoded::byte_serialize(label.as_bytes()).map(|part| part.replace('+', "%20")));
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("secret", &base32(secret.expose()))
        .append_pair("issuer", issuer)
        .finish();
    format!("{url}?{}", query.replace('+', "%20"))
}

fn generator(secret: &Secret) -> Option<Totp> {
    let bytes: [u8; SECRET_BYTES] = secret.expose().try_into().ok()?;
    Builder::new().with_secret(bytes).build().ok()
}

/// RFC 4648 base 32 without padding.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::new();
    for group in bytes.chunks(5) {
        let mut padded = [0_u8; 8];
        padded.iter_mut().skip(3).zip(group).for_each(|(to, from)| *to = *from);
        let number = u64::from_be_bytes(padded);
        let letters = (group.len() * 8).div_ceil(5);
        for at in 0..letters {
            let index = usize::try_from((number >> (35 - 5 * at)) & 31).unwrap_or_default();
            out.extend(LETTERS.get(index).map(|letter| char::from(*letter)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B (SHA-1), cut to six digits.
    #[test]
    fn the_published_values_are_accepted() {
        let secret = Secret::new("12345678901234567890");
        for (seconds, digits) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(step(&secret, digits, Timestamp::from_seconds(seconds)), Some(seconds / 30));
        }
    }

    #[test]
    fn a_step_before_or_after_counts_and_no_further() {
        let secret = Secret::new("12345678901234567890");
        let at = |seconds| step(&secret, "081804", Timestamp::from_seconds(seconds));
        assert!(at(1_111_111_109 + 30).is_some());
        assert!(at(1_111_111_109 - 30).is_some());
        assert_eq!(at(1_111_111_109 + 61), None);
        assert_eq!(at(1_111_111_109 - 61), None);
        for wrong in ["", "81804", "0818040", "08180a", "０８１８０４"] {
            assert_eq!(step(&secret, wrong, Timestamp::from_seconds(1_111_111_109)), None, "{wrong}");
        }
    }

    #[test]
    fn an_authenticator_app_can_read_the_address() {
        let url = address(&Secret::new("12345678901234567890"), "Mercy Hospital", "amal");
        assert_eq!(
            url,
            "otpauth://totp/Mercy%20Hospital%3Aamal?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Mercy%20Hospital"
        );
        for (plain, coded) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB")]
        {
            assert_eq!(base32(plain.as_bytes()), coded);
        }
    }
}
