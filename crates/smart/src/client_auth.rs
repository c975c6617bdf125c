//! How a client proves itself at the token endpoint: what it sent, read once.

use bascule_crypto::Secret;
use bascule_fhir::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::jose::{self, JoseError};
use crate::refusal::Refusal;
use crate::server::Server;
use crate::{ClientMetadata, Parameters};

/// The one type of client assertion (RFC 7523).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Characters of the longest `jti`.
const JTI_CHARACTERS_MAX: usize = 256;

/// What the client sent as proof.
#[derive(Debug, Clone)]
pub enum Proof {
    /// Only its id, or nothing.
    None,
    /// A shared secret.
    Secret(Secret),
    /// A signed assertion.
    Assertion(String),
}

/// Who the client says it is, and with what proof.
#[derive(Debug, Clone)]
pub struct Presented {
    /// `client_id`, from the header, the form or the assertion; a public client that refreshes may send none.
    pub client: Option<String>,
    /// Its proof.
    pub proof: Proof,
    /// Whether the proof stood in the `Authorization` header, to which a refusal must answer in kind.
    pub in_header: bool,
}

/// Reads what a client sent.
///
/// # Errors
/// `invalid_request` for more than one kind of proof or contradictory ids, `invalid_client` for an unreadable one.
pub fn read(authorization: Option<&str>, parameters: &Parameters) -> Result<Presented, Refusal> {
    let header = authorization.map(basic).transpose()?;
    let secret = parameters.value("client_secret").map(|secret| Secret::new(secret.to_owned()));
    let assertion = parameters.value("client_assertion");
    let kinds = usize::from(header.is_some()) + usize::from(secret.is_some()) + usize::from(assertion.is_some());
    if kinds > 1 {
        return Err(Refusal::request("a client proves itself in one way per request (RFC 6749 section 2.3)"));
    }
    let in_form = parameters.value("client_id").map(str::to_owned);
    let in_header = header.is_some();
    let (named, proof) = match (header, secret, assertion_type(parameters, assertion)?) {
        (Some((id, secret)), ..) => (Some(id), Proof::Secret(secret)),
        (_, Some(secret), _) => (in_form.clone(), Proof::Secret(secret)),
        (.., Some(assertion)) => (Some(subject(assertion)?), Proof::Assertion(assertion.to_owned())),
        _ => (in_form.clone(), Proof::None),
    };
    if let (Some(form), Some(named)) = (&in_form, &named)
        && form != named
    {
        return Err(Refusal::client("`client_id` in the form and in the proof differ"));
    }
    Ok(Presented { client: named, proof, in_header })
}

fn assertion_type<'a>(parameters: &Parameters, assertion: Option<&'a str>) -> Result<Option<&'a str>, Refusal> {
    match (parameters.value("client_assertion_type"), assertion) {
        (None, None) => Ok(None),
        (Some(ASSERTION_TYPE), Some(assertion)) => Ok(Some(assertion)),
        (Some(ASSERTION_TYPE), None) => Err(Refusal::client("`client_assertion` is missing")),
        _ => Err(Refusal::client(format!("`client_assertion_type` must be {ASSERTION_TYPE}"))),
    }
}

fn subject(assertion: &str) -> Result<String, Refusal> {
    let said = jose::unverified(assertion).map_err(|error| refused(&error))?;
    match said.claims.get("sub").and_then(Value::as_str) {
        Some(subject) if !subject.is_empty() => Ok(subject.to_owned()),
        _ => Err(Refusal::client("client assertion: `sub` is missing")),
    }
}

/// HTTP Basic. Both halves are form-encoded (RFC 6749 section 2.3.1); a client that does not encode is understood too
/// as long as it has nothing to encode.
fn basic(header: &str) -> Result<(String, Secret), Refusal> {
    let unreadable = || Refusal::client("the `Authorization` header is not HTTP Basic with client id and secret");
    let (scheme, value) = header.split_once(' ').ok_or_else(unreadable)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unreadable());
    }
    let bytes = STANDARD.decode(value.trim()).map_err(|_| unreadable())?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
    let (id, secret) = text.split_once(':').ok_or_else(unreadable)?;
    let (id, secret) = (decoded(id), decoded(secret));
    if id.is_empty() || secret.is_empty() {
        return Err(unreadable());
    }
    Ok((id, Secret::new(secret)))
}

fn decoded(text: &str) -> String {
    let pair = format!("v={text}");
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// A verified client assertion. The door must still see that its `jti` is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// The identifier that may be used once.
    pub jti: String,
    /// Until when it must be remembered.
    pub remember_until: Timestamp,
}

/// Verifies a client assertion (RFC 7523, SMART Backend Services) against the client's keys.
///
/// # Errors
/// `invalid_client`, with what is amiss.
pub fn verify_assertion(
    assertion: &str,
    client: &str,
    metadata: &ClientMetadata,
    keys: &Value,
    server: &Server,
    now: Timestamp,
) -> Result<Assertion, Refusal> {
    let said = jose::unverified(assertion).map_err(|error| refused(&error))?;
    key_address(&said.header, metadata)?;
    let verified =
        jose::verify_with_set(assertion, keys, &server.assertion_algorithms).map_err(|error| refused(&error))?;
    check_claims(&verified.claims, client, server, now)
}

/// What a verified assertion must say, whichever key it was verified with.
pub(crate) fn check_claims(
    claims: &Map<String, Value>,
    client: &str,
    server: &Server,
    now: Timestamp,
) -> Result<Assertion, Refusal> {
    for name in ["iss", "sub"] {
        if claims.get(name).and_then(Value::as_str) != Some(client) {
            return Err(Refusal::client(format!("client assertion: `{name}` must be the client_id")));
        }
    }
    audience(claims, server)?;
    let expires = times(claims, server, now)?;
    let jti = claims.get("jti").and_then(Value::as_str).filter(|jti| !jti.is_empty());
    let jti = jti.filter(|jti| jti.chars().count() <= JTI_CHARACTERS_MAX);
    let jti = jti.ok_or_else(|| Refusal::client("client assertion: `jti` is missing or too long"))?;
    let remember_until = Timestamp::from_seconds(expires).plus_seconds(server.lifetimes.leeway_seconds + 1);
    Ok(Assertion { jti: jti.to_owned(), remember_until })
}

/// Keys come from the registration, never from where a header points.
fn key_address(header: &Map<String, Value>, metadata: &ClientMetadata) -> Result<(), Refusal> {
    for name in ["jwk", "x5u"] {
        if header.contains_key(name) {
            return Err(Refusal::client(format!("client assertion: the header `{name}` is not accepted")));
        }
    }
    match header.get("jku") {
        None => Ok(()),
        Some(Value::String(jku)) if Some(jku) == metadata.jwks_uri.as_ref() => Ok(()),
        Some(_) => Err(Refusal::client("client assertion: `jku` is not the registered `jwks_uri`")),
    }
}

fn audience(claims: &Map<String, Value>, server: &Server) -> Result<(), Refusal> {
    let accepted = server.assertion_audiences();
    let known = |value: &Value| value.as_str().is_some_and(|value| accepted.iter().any(|known| known == value));
    let right = match claims.get("aud") {
        Some(Value::Array(list)) => !list.is_empty() && list.iter().all(known),
        Some(value) => known(value),
        None => false,
    };
    if right {
        Ok(())
    } else {
        Err(Refusal::client(format!("client assertion: `aud` must be {}", accepted.join(" or "))))
    }
}

/// Checks `exp`, `nbf` and `iat`; returns `exp` in seconds.
fn times(claims: &Map<String, Value>, server: &Server, now: Timestamp) -> Result<i64, Refusal> {
    let limits = &server.lifetimes;
    let no = |said: &str| Err(Refusal::client(format!("client assertion: {said}")));
    let Some(expires) = seconds(claims.get("exp")) else { return no("`exp` is missing or not a number of seconds") };
    if expires <= now.seconds() - limits.leeway_seconds {
        return no("it has expired");
    }
    if expires > now.seconds() + limits.assertion_seconds_max + limits.leeway_seconds {
        return no(&format!("`exp` lies more than {} seconds ahead", limits.assertion_seconds_max));
    }
    for name in ["nbf", "iat"] {
        let Some(value) = claims.get(name) else { continue };
        let Some(from) = seconds(Some(value)) else { return no(&format!("`{name}` is not a number of seconds")) };
        if from > now.seconds() + limits.leeway_seconds {
            return no(&format!("`{name}` lies ahead: is the client's clock right?"));
        }
    }
    Ok(expires)
}

/// A NumericDate (RFC 7519) in whole seconds.
pub(crate) fn seconds(value: Option<&Value>) -> Option<i64> {
    let value = value.filter(|value| value.is_number())?;
    let whole = value.as_i64().or_else(|| {
        let text = value.to_string();
        let (whole, _) = text.split_once('.')?;
        whole.parse().ok()
    });
    whole.filter(|seconds| (0..=253_402_300_799).contains(seconds))
}

fn refused(error: &JoseError) -> Refusal {
    Refusal::client(format!("client assertion: {error}"))
}
