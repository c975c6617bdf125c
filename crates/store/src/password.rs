//! Passwords: argon2id, with the memory and passes of OWASP's recommendation. Slow on purpose (tens of milliseconds):
//! call it on a blocking thread.

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use bascule_crypto::Secret;

use crate::{StoreError, random};

/// Characters of the shortest password.
pub const PASSWORD_CHARACTERS_MIN: usize = 8;
/// Bytes of the longest; more would only let a stranger make us work.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// KiB of memory for one hash.
const MEMORY_KIB: u32 = 19_456;
/// Passes over it.
const PASSES: u32 = 2;

/// Refused whatever else they are.
const COMMON: [&str; 16] = [
    "password",
    "password1",
    "passw0rd",
    "12345678",
    "123456789",
    "1234567890",
    "qwertyui",
    "qwerty123",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "trustno1",
    "superman",
    "letmein1",
];

/// The hash to keep of a new password.
///
/// # Errors
/// [`StoreError::Invalid`] if the password is too short, too long, common, or the login itself.
pub fn hash(password: &Secret, login: &str) -> Result<String, StoreError> {
    sound(password, login)?;
    let salt = SaltString::encode_b64(&random::bytes::<16>()?).map_err(|error| StoreError::Key(error.to_string()))?;
    let hash = hasher()?.hash_password(password.expose(), &salt).map_err(|error| StoreError::Key(error.to_string()))?;
    Ok(hash.to_string())
}

/// Whether `password` is the one that was hashed; `None` (no such user, no password) takes as long as a wrong one.
pub(crate) fn matches(password: &Secret, hash: Option<&str>) -> bool {
    // The hash of nothing anybody knows, with our own parameters.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$wyGBKOLq0Gq1f9T9mYWiDZYRl3K6kGyi0o1A3lQKV7Y";
    if password.expose().len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let (Ok(hasher), Ok(parsed)) = (hasher(), PasswordHash::new(hash.unwrap_or(NOBODY))) else { return false };
    hasher.verify_password(password.expose(), &parsed).is_ok() && hash.is_some()
}

fn hasher() -> Result<Argon2<'static>, StoreError> {
    let parameters = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| StoreError::Key(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters))
}

fn sound(password: &Secret, login: &str) -> Result<(), StoreError> {
    let no = |reason: String| Err(StoreError::Invalid(reason));
    let Ok(text) = std::str::from_utf8(password.expose()) else { return no("a password is text in UTF-8".into()) };
    if text.chars().count() < PASSWORD_CHARACTERS_MIN {
        return no(format!("a password has at least {PASSWORD_CHARACTERS_MIN} characters"));
    }
    if text.len() > PASSWORD_BYTES_MAX {
        return no(format!("a password has at most {PASSWORD_BYTES_MAX} bytes"));
    }
    let lower = text.to_lowercase();
    if COMMON.contains(&lower.as_str()) || lower == login.to_lowercase() {
        return no("this password is among the first that anybody would guess; take a longer one".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_password_matches() {
        let kept = hash(&Secret::new("correct horse"), "amal").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(matches(&Secret::new("correct horse"), Some(&kept)));
        assert!(!matches(&Secret::new("Correct horse"), Some(&kept)));
        assert!(!matches(&Secret::new(""), Some(&kept)));
        assert!(!matches(&Secret::new("correct horse"), None));
        assert!(!matches(&Secret::new("correct horse"), Some("not a hash")));
    }

    #[test]
    fn the_hash_for_nobody_is_well_formed_so_that_it_costs_the_same() {
        let started = std::time::Instant::now();
        assert!(!matches(&Secret::new("correct horse"), None));
        assert!(started.elapsed().as_millis() >= 2, "no hash was computed");
    }

    #[test]
    fn weak_passwords_are_refused() {
        for weak in ["short", "Password1", "amal.haddad", "12345678"] {
            assert!(matches!(hash(&Secret::new(weak), "Amal.Haddad"), Err(StoreError::Invalid(_))), "{weak}");
        }
        assert!(hash(&Secret::new("x".repeat(PASSWORD_BYTES_MAX + 1)), "amal").is_err());
        assert!(hash(&Secret::new(vec![0xff; 12]), "amal").is_err());
    }
}
