//! Tokens that a provider signs for us as its client: the id_token of a sign-in (OpenID Connect Core 3.1.3.7) and the logout
//! token of a back-channel logout.

use bascule_fhir::Timestamp;
use serde_json::{Map, Value};

use crate::client_auth::seconds;
use crate::jose::{self, JoseError, SigningAlgorithm};

/// Forgiven between two clocks, in seconds.
const LEEWAY_SECONDS: i64 = 60;
/// An id_token of a sign-in is fresh: made at most so long ago, in seconds.
const AGE_SECONDS_MAX: i64 = 600;
/// Characters of the longest `sub` and `sid` (Core section 2).
const NAME_CHARACTERS_MAX: usize = 255;
/// The event that makes a logout token one.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Whose tokens, for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    /// `iss`, exactly.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// Algorithms that the provider may sign with.
    pub algorithms: Vec<SigningAlgorithm>,
}

/// Why such a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenFault {
    /// Signature, algorithm or form.
    #[error(transparent)]
    Jose(#[from] JoseError),
    /// A claim is missing or not what it must be.
    #[error("its claim `{0}` is missing, or not what it must be")]
    Claim(&'static str),
    /// Its time is over, or has not come.
    #[error("it has expired, or was made too long ago or ahead of our clock")]
    Time,
}

/// Verifies the id_token of a sign-in that began with this `nonce`; `None` is for one that came by a refresh token.
///
/// # Errors
/// [`IdTokenFault`].
pub fn verify(
    token: &str,
    keys: &Value,
    party: &RelyingParty,
    nonce: Option<&str>,
    now: Timestamp,
) -> Result<Map<String, Value>, IdTokenFault> {
    let claims = signed_for_us(token, keys, party, now)?;
    if let Some(nonce) = nonce
        && claims.get("nonce").and_then(Value::as_str) != Some(nonce)
    {
        return Err(IdTokenFault::Claim("nonce"));
    }
    name(&claims, "sub").ok_or(IdTokenFault::Claim("sub"))?;
    Ok(claims)
}

/// Whom a logout token is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logout {
    /// The user, by `sub`.
    pub subject: Option<String>,
    /// The provider's session, by `sid`.
    pub sid: Option<String>,
    /// The identifier that may be used once.
    pub jti: String,
    /// Until when it must be remembered.
    pub remember_until: Timestamp,
}

/// Verifies a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6). The door must still see that its `jti` is
/// new.
///
/// # Errors
/// [`IdTokenFault`].
pub fn verify_logout(token: &str, keys: &Value, party: &RelyingParty, now: Timestamp) -> Result<Logout, IdTokenFault> {
    let claims = signed_for_us(token, keys, party, now)?;
    let event = claims.get("events").and_then(|events| events.get(LOGOUT_EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(IdTokenFault::Claim("events"));
    }
    if claims.contains_key("nonce") {
        return Err(IdTokenFault::Claim("nonce"));
    }
    let (subject, sid) = (name(&claims, "sub"), name(&claims, "sid"));
    if subject.is_none() && sid.is_none() {
        return Err(IdTokenFault::Claim("sub"));
    }
    let jti = name(&claims, "jti").ok_or(IdTokenFault::Claim("jti"))?;
    let expires = seconds(claims.get("exp")).unwrap_or_default();
    let remember_until = Timestamp::from_seconds(expires).plus_seconds(LEEWAY_SECONDS + 1);
    Ok(Logout { subject, sid, jti, remember_until })
}

fn signed_for_us(
    token: &str,
    keys: &Value,
    party: &RelyingParty,
    now: Timestamp,
) -> Result<Map<String, Value>, IdTokenFault> {
    let claims = jose::verify_with_set(token, keys, &party.algorithms)?.claims;
    if claims.get("iss").and_then(Value::as_str) != Some(&party.issuer) {
        return Err(IdTokenFault::Claim("iss"));
    }
    audience(&claims, &party.client_id)?;
    let expires = seconds(claims.get("exp")).ok_or(IdTokenFault::Claim("exp"))?;
    let issued = seconds(claims.get("iat")).ok_or(IdTokenFault::Claim("iat"))?;
    let now = now.seconds();
    if expires <= now - LEEWAY_SECONDS || issued > now + LEEWAY_SECONDS || issued < now - AGE_SECONDS_MAX {
        return Err(IdTokenFault::Time);
    }
    match claims.get("nbf").map(|value| seconds(Some(value))) {
        Some(None) => Err(IdTokenFault::Claim("nbf")),
        Some(Some(from)) if from > now + LEEWAY_SECONDS => Err(IdTokenFault::Time),
        _ => Ok(claims),
    }
}

/// `aud` holds us; where it holds others too, `azp` must be us.
fn audience(claims: &Map<String, Value>, client: &str) -> Result<(), IdTokenFault> {
    let others = match claims.get("aud") {
        Some(Value::String(one)) if one == client => 0,
        Some(Value::Array(list)) if list.iter().any(|one| one.as_str() == Some(client)) => list.len() - 1,
        _ => return Err(IdTokenFault::Claim("aud")),
    };
    match claims.get("azp") {
        None if others == 0 => Ok(()),
        Some(Value::String(party)) if party == client => Ok(()),
        _ => Err(IdTokenFault::Claim("azp")),
    }
}

fn name(claims: &Map<String, Value>, claim: &str) -> Option<String> {
    let text = claims.get(claim)?.as_str()?;
    (!text.is_empty() && text.chars().count() <= NAME_CHARACTERS_MAX).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
    use bascule_crypto::Secret;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;
    use crate::jose::SigningKey;

    const NOW: Timestamp = Timestamp::from_seconds(10_000);

    fn key() -> SigningKey {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let der = STANDARD.encode(pair.to_pkcs8v1().unwrap().as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
        SigningKey::from_pem(SigningAlgorithm::Es384, &Secret::new(pem)).unwrap()
    }

    fn party() -> RelyingParty {
        RelyingParty {
            issuer: "https://login.example".into(),
            client_id: "bascule".into(),
            algorithms: vec![SigningAlgorithm::Es384],
        }
    }

    fn token(key: &SigningKey, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({"iss": "https://login.example", "aud": "bascule", "sub": "s-1", "nonce": "n-1",
            "iat": 9_990, "exp": 10_300});
        change(&mut claims);
        key.sign(&claims, "JWT").unwrap()
    }

    fn check(change: impl FnOnce(&mut Value)) -> Result<(), IdTokenFault> {
        let key = key();
        let keys = json!({"keys": [key.public_jwk()]});
        verify(&token(&key, change), &keys, &party(), Some("n-1"), NOW).map(drop)
    }

    #[test]
    fn a_sound_id_token_is_accepted() {
        assert_eq!(check(|_| ()), Ok(()));
        let both = |c: &mut Value| {
            c["aud"] = json!(["bascule", "other"]);
            c["azp"] = json!("bascule");
        };
        assert_eq!(check(both), Ok(()));
    }

    #[test]
    fn every_claim_counts() {
        let claim = |name| Err(IdTokenFault::Claim(name));
        assert_eq!(check(|c| c["iss"] = json!("https://login.example/")), claim("iss"));
        assert_eq!(check(|c| c["aud"] = json!("other")), claim("aud"));
        assert_eq!(check(|c| c["aud"] = json!(["bascule", "other"])), claim("azp"));
        assert_eq!(check(|c| c["azp"] = json!("other")), claim("azp"));
        assert_eq!(check(|c| c["nonce"] = json!("n-2")), claim("nonce"));
        assert_eq!(check(|c| c["sub"] = json!("")), claim("sub"));
        assert_eq!(check(|c| c["exp"] = json!("10300")), claim("exp"));
        assert_eq!(check(|c| c["exp"] = json!(9_940)), Err(IdTokenFault::Time));
        assert_eq!(check(|c| c["iat"] = json!(9_399)), Err(IdTokenFault::Time));
        assert_eq!(check(|c| c["iat"] = json!(10_061)), Err(IdTokenFault::Time));
    }

    #[test]
    fn another_key_or_algorithm_is_refused() {
        let (key, other) = (key(), self::key());
        let keys = json!({"keys": [other.public_jwk()]});
        let refused = verify(&token(&key, |_| ()), &keys, &party(), Some("n-1"), NOW);
        assert_eq!(refused, Err(IdTokenFault::Jose(JoseError::NoKey)));
        let rsa_only = RelyingParty { algorithms: vec![SigningAlgorithm::Rs256], ..party() };
        let keys = json!({"keys": [key.public_jwk()]});
        assert!(verify(&token(&key, |_| ()), &keys, &rsa_only, Some("n-1"), NOW).is_err());
    }

    #[test]
    fn a_logout_token_is_no_id_token_and_the_other_way_round() {
        let key = key();
        let keys = json!({"keys": [key.public_jwk()]});
        let logout = |change: fn(&mut Value)| {
            let token = token(&key, |c| {
                c.as_object_mut().unwrap().remove("nonce");
                c["jti"] = json!("j1");
                c["sid"] = json!("sid-1");
                c["events"] = json!({LOGOUT_EVENT: {}});
                change(c);
            });
            verify_logout(&token, &keys, &party(), NOW)
        };
        let read = logout(|_| ()).unwrap();
        assert_eq!((read.subject.as_deref(), read.sid.as_deref()), (Some("s-1"), Some("sid-1")));
        assert_eq!(logout(|c| c["nonce"] = json!("n")), Err(IdTokenFault::Claim("nonce")));
        assert_eq!(logout(|c| c["events"] = json!({})), Err(IdTokenFault::Claim("events")));
        assert_eq!(logout(|c| c["events"] = json!([LOGOUT_EVENT])), Err(IdTokenFault::Claim("events")));
        assert_eq!(logout(|c| c["jti"] = json!(1)), Err(IdTokenFault::Claim("jti")));
        let nobody = logout(|c| {
            c["sub"] = json!(null);
            c["sid"] = json!(null);
        });
        assert_eq!(nobody, Err(IdTokenFault::Claim("sub")));
        assert!(verify_logout(&token(&key, |_| ()), &keys, &party(), NOW).is_err(), "an id_token ends nothing");
    }
}
