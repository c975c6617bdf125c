//! Tokens that another issuer made, for an API that takes them: what must stand in one, and what it is worth here.

use std::collections::BTreeMap;

use bascule_crypto::digest::Sha256;
use bascule_fhir::{Id, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::client_auth::seconds;
use crate::jose::{self, JoseError, SigningAlgorithm};
use crate::{Binding, Scopes};

/// Forgiven between two clocks, in seconds.
const LEEWAY_SECONDS: i64 = 30;
/// Scopes of one token that are looked at.
const SCOPES_MAX: usize = 256;
/// The header's `typ` of an access token; some issuers say only that it is a JWT, some nothing.
const TYPES: [&str; 3] = ["at+jwt", "application/at+jwt", "jwt"];

/// What an issuer's tokens must be, and what they are worth.
#[derive(Debug, Clone)]
pub struct ExternalRules {
    /// `iss`, exactly.
    pub issuer: String,
    /// `aud`: one of these.
    pub audiences: Vec<String>,
    /// Algorithms that its keys may be used with.
    pub algorithms: Vec<SigningAlgorithm>,
    /// The claim that names the client.
    pub client_claim: String,
    /// Clients there, and who they are here.
    pub clients: BTreeMap<String, String>,
    /// Scopes there, and what they are worth here.
    pub scopes: BTreeMap<String, Scopes>,
    /// The claim that names the patient in context, if it may.
    pub patient_claim: Option<String>,
}

/// What a verified token says, in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalToken {
    /// The client, as it is registered here.
    pub client: String,
    /// `sub`
    pub subject: Option<String>,
    /// What its scopes are worth here.
    pub scopes: Scopes,
    /// The patient in context.
    pub patient: Option<Id>,
    /// When it stops.
    pub expires: Timestamp,
    /// To what it is bound.
    pub binding: Option<Binding>,
}

/// Why a token of another issuer is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExternalFault {
    /// Signature, algorithm or form.
    #[error(transparent)]
    Jose(#[from] JoseError),
    /// It is another kind of token.
    #[error("its `typ` is not that of an access token")]
    Kind,
    /// A claim is missing or not what it must be.
    #[error("its claim `{0}` is missing, or not what it must be here")]
    Claim(String),
    /// Its time is over, or has not come.
    #[error("it has expired, or is not valid yet")]
    Time,
    /// Its client is nobody here.
    #[error("its client is not one that is known here")]
    Client,
    /// Nothing that it may is worth anything here.
    #[error("none of its scopes is worth anything here")]
    Scopes,
    /// The issuer says that it does not stand.
    #[error("its issuer says that it is not active")]
    Inactive,
}

/// Verifies a JWT access token with its issuer's keys.
///
/// # Errors
/// [`ExternalFault`], by the first thing that is amiss.
pub fn verify(
    token: &str,
    keys: &Value,
    rules: &ExternalRules,
    now: Timestamp,
) -> Result<ExternalToken, ExternalFault> {
    let verified = jose::verify_with_set(token, keys, &rules.algorithms)?;
    let kind = verified.header.get("typ").map(|kind| kind.as_str().unwrap_or("?").to_ascii_lowercase());
    if kind.is_some_and(|kind| !TYPES.contains(&kind.as_str())) {
        return Err(ExternalFault::Kind);
    }
    if verified.claims.get("iss").and_then(Value::as_str) != Some(&rules.issuer) {
        return Err(ExternalFault::Claim("iss".into()));
    }
    read(&verified.claims, rules, now)
}

/// Reads an introspection answer (RFC 7662). `iss` may be left out there: it is the issuer who answers.
///
/// # Errors
/// [`ExternalFault`].
pub fn introspected(answer: &Value, rules: &ExternalRules, now: Timestamp) -> Result<ExternalToken, ExternalFault> {
    if answer.get("active") != Some(&Value::Bool(true)) {
        return Err(ExternalFault::Inactive);
    }
    let claims = answer.as_object().ok_or(ExternalFault::Inactive)?;
    match claims.get("iss") {
        None => {}
        Some(Value::String(issuer)) if *issuer == rules.issuer => {}
        Some(_) => return Err(ExternalFault::Claim("iss".into())),
    }
    read(claims, rules, now)
}

fn read(claims: &Map<String, Value>, rules: &ExternalRules, now: Timestamp) -> Result<ExternalToken, ExternalFault> {
    let claim = |name: &str| ExternalFault::Claim(name.to_owned());
    let expires = seconds(claims.get("exp")).ok_or_else(|| claim("exp"))?;
    if expires <= now.seconds() - LEEWAY_SECONDS {
        return Err(ExternalFault::Time);
    }
    for name in ["nbf", "iat"] {
        let Some(value) = claims.get(name) else { continue };
        if seconds(Some(value)).ok_or_else(|| claim(name))? > now.seconds() + LEEWAY_SECONDS {
            return Err(ExternalFault::Time);
        }
    }
    if !texts(claims.get("aud")).any(|one| rules.audiences.iter().any(|known| known == one)) {
        return Err(claim("aud"));
    }
    let named = claims.get(&rules.client_claim).and_then(Value::as_str).ok_or_else(|| claim(&rules.client_claim))?;
    let client = rules.clients.get(named).ok_or(ExternalFault::Client)?.clone();
    let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty()).map(str::to_owned);
    let patient = match &rules.patient_claim {
        None => None,
        Some(name) => match claims.get(name) {
            None | Some(Value::Null) => None,
            Some(value) => Some(value.as_str().and_then(Id::parse).ok_or_else(|| claim(name))?),
        },
    };
    let scopes = worth(claims, rules)?;
    let expires = Timestamp::from_seconds(expires);
    Ok(ExternalToken { client, subject, scopes, patient, expires, binding: binding(claims)? })
}

/// A text, or a list of texts.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let one = value.and_then(Value::as_str);
    let many = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    one.into_iter().chain(many)
}

/// Both names under which scopes come: `scope` (RFC 9068) and `scp`.
fn worth(claims: &Map<String, Value>, rules: &ExternalRules) -> Result<Scopes, ExternalFault> {
    let said = texts(claims.get("scope")).chain(texts(claims.get("scp"))).flat_map(|text| text.split(' '));
    let known = said.take(SCOPES_MAX).filter_map(|name| rules.scopes.get(name));
    let mut scopes = Scopes::default();
    known.flat_map(|worth| worth.0.iter().cloned()).for_each(|scope| scopes.add(scope));
    if scopes.is_empty() { Err(ExternalFault::Scopes) } else { Ok(scopes) }
}

/// `cnf` (RFC 7800): a confirmation that we do not understand is not passed over.
fn binding(claims: &Map<String, Value>) -> Result<Option<Binding>, ExternalFault> {
    let wrong = || ExternalFault::Claim("cnf".to_owned());
    let Some(confirmation) = claims.get("cnf") else { return Ok(None) };
    let members = confirmation.as_object().filter(|members| members.len() == 1).ok_or_else(wrong)?;
    let (name, value) = members.iter().next().ok_or_else(wrong)?;
    let text = value.as_str().ok_or_else(wrong)?;
    match name.as_str() {
        "jkt" => Ok(Some(Binding::DpopKey(text.to_owned()))),
        "x5t#S256" => {
            let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
            let digest: Sha256 = bytes.try_into().map_err(|_| wrong())?;
            Ok(Some(Binding::Certificate(digest)))
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn rules() -> ExternalRules {
        ExternalRules {
            issuer: "https://login.example".into(),
            audiences: vec!["https://ehr.example/fhir".into()],
            algorithms: vec![SigningAlgorithm::Rs256],
            client_claim: "azp".into(),
            clients: [("their-portal".to_owned(), "portal".to_owned())].into(),
            scopes: [
                ("read:labs".to_owned(), "user/Observation.rs".parse().unwrap()),
                ("patient/*.rs".to_owned(), "patient/*.rs".parse().unwrap()),
            ]
            .into(),
            patient_claim: Some("patient".into()),
        }
    }

    fn claims(change: impl FnOnce(&mut Value)) -> Value {
        let mut claims = json!({
            "active": true, "aud": ["x", "https://ehr.example/fhir"], "azp": "their-portal", "sub": "u1", "exp": 2_000,
            "scope": "openid read:labs admin", "patient": "p1",
        });
        change(&mut claims);
        claims
    }

    fn check(change: impl FnOnce(&mut Value)) -> Result<ExternalToken, ExternalFault> {
        introspected(&claims(change), &rules(), NOW)
    }

    #[test]
    fn only_what_is_mapped_is_worth_something() {
        let token = check(|_| ()).unwrap();
        assert_eq!((token.client.as_str(), token.scopes.to_string().as_str()), ("portal", "user/Observation.rs"));
        assert_eq!(token.patient, Id::parse("p1"));
        let listed = check(|claims| claims["scp"] = json!(["patient/*.rs"])).unwrap();
        assert_eq!(listed.scopes.to_string(), "user/Observation.rs patient/*.rs");
        assert_eq!(check(|claims| claims["scope"] = json!("admin")), Err(ExternalFault::Scopes));
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_refused() {
        let claim = |name: &str| Err(ExternalFault::Claim(name.to_owned()));
        for name in ["aud", "exp", "azp"] {
            assert_eq!(check(|claims| drop(claims.as_object_mut().unwrap().remove(name))), claim(name), "{name}");
        }
        assert_eq!(check(|claims| claims["aud"] = json!("https://other.example")), claim("aud"));
        assert_eq!(check(|claims| claims["aud"] = json!({"https://ehr.example/fhir": 1})), claim("aud"));
        assert_eq!(check(|claims| claims["exp"] = json!("2000")), claim("exp"));
        assert_eq!(check(|claims| claims["patient"] = json!("p1/../p2")), claim("patient"));
        assert_eq!(check(|claims| claims["azp"] = json!("stranger")), Err(ExternalFault::Client));
        assert_eq!(check(|claims| claims["iss"] = json!("https://other.example")), claim("iss"));
        assert_eq!(check(|claims| claims["active"] = json!("true")), Err(ExternalFault::Inactive));
    }

    #[test]
    fn its_time_is_its_time() {
        assert_eq!(check(|claims| claims["exp"] = json!(970)), Err(ExternalFault::Time));
        assert!(check(|claims| claims["exp"] = json!(971)).is_ok());
        assert_eq!(check(|claims| claims["nbf"] = json!(1_031)), Err(ExternalFault::Time));
        assert_eq!(check(|claims| claims["iat"] = json!(1_031)), Err(ExternalFault::Time));
    }

    #[test]
    fn a_binding_is_kept_and_a_strange_one_refused() {
        let bound = check(|claims| claims["cnf"] = json!({"jkt": "k"})).unwrap();
        assert_eq!(bound.binding, Some(Binding::DpopKey("k".into())));
        for strange in
            [json!({"jwk": {}}), json!({}), json!("k"), json!({"x5t#S256": "short"}), json!({"jkt": "k", "x": 1})]
        {
            assert!(check(|claims| claims["cnf"] = strange.clone()).is_err(), "{strange}");
        }
    }
}
