//! Signed tokens (JWS, compact): our keys, other people's key sets, and the one way to verify.
//!
//! The algorithm is chosen from an allow-list and must fit the key; `none` and HMAC do not exist here. Time is the
//! caller's: the library checks the signature only, claims are checked where they are understood.

use bascule_crypto::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};

/// Bytes of the longest token that is read.
pub const JWS_BYTES_MAX: usize = 16_384;
/// Keys of a set that are looked at.
pub const KEYS_MAX: usize = 64;

/// A signature algorithm that we make or accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: OpenID's default.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// ECDSA over P-256.
    Es256,
    /// ECDSA over P-384.
    Es384,
}

impl SigningAlgorithm {
    /// What SMART asks of client assertions.
    pub const SMART: [Self; 2] = [Self::Rs384, Self::Es384];
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rs384, Self::Es384, Self::Rs256, Self::Es256];

    /// Its name in RFC 7518.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    const fn library(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Rs384 => Algorithm::RS384,
            Self::Es256 => Algorithm::ES256,
            Self::Es384 => Algorithm::ES384,
        }
    }

    /// Whether a JWK is of the key type and curve that this algorithm needs.
    fn fits(self, jwk: &Value) -> bool {
        let member = |name: &str| jwk.get(name).and_then(Value::as_str);
        let curve = match self {
            Self::Rs256 | Self::Rs384 => return member("kty") == Some("RSA"),
            Self::Es256 => "P-256",
            Self::Es384 => "P-384",
        };
        member("kty") == Some("EC") && member("crv") == Some(curve)
    }
}

/// Why a token is not accepted, or not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    /// Not three parts of base64url JSON, or too long.
    #[error("not a signed JWT in compact form")]
    Malformed,
    /// Its algorithm is not on the list.
    #[error("the algorithm `{0}` is not accepted")]
    Algorithm(String),
    /// A header that asks us to fetch or trust something, or that we must understand and do not.
    #[error("the header `{0}` is not accepted")]
    Header(String),
    /// No key of the set fits.
    #[error("no registered key fits the token's `kid` and `alg`")]
    NoKey,
    /// More than one key of the set fits.
    #[error("more than one registered key fits: the token needs a `kid`")]
    ManyKeys,
    /// The signature is not of that key.
    #[error("the signature does not match")]
    Signature,
    /// A key that cannot be used.
    #[error("unusable key: {0}")]
    Key(String),
}

/// A token whose signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its header.
    pub header: Map<String, Value>,
    /// Its claims.
    pub claims: Map<String, Value>,
}

/// What a token says before anything is verified: only to find whose keys to use.
///
/// # Errors
/// [`JoseError::Malformed`].
pub fn unverified(token: &str) -> Result<Verified, JoseError> {
    if token.len() > JWS_BYTES_MAX {
        return Err(JoseError::Malformed);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(JoseError::Malformed);
    };
    Ok(Verified { header: object(header)?, claims: object(claims)? })
}

fn object(part: &str) -> Result<Map<String, Value>, JoseError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JoseError::Malformed)?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(JoseError::Malformed),
    }
}

/// The algorithm of a token, if it is on the list and no header asks for more than a signature check.
///
/// # Errors
/// [`JoseError::Algorithm`], [`JoseError::Header`].
pub fn algorithm(header: &Map<String, Value>, allowed: &[SigningAlgorithm]) -> Result<SigningAlgorithm, JoseError> {
    for name in ["crit", "b64", "zip", "enc"] {
        if header.contains_key(name) {
            return Err(JoseError::Header(name.to_owned()));
        }
    }
    let name = header.get("alg").and_then(Value::as_str).unwrap_or_default();
    SigningAlgorithm::parse(name)
        .filter(|algorithm| allowed.contains(algorithm))
        .ok_or_else(|| JoseError::Algorithm(name.chars().take(16).collect()))
}

/// Verifies a token with the one key of the set that fits its `kid` and `alg`.
///
/// # Errors
/// [`JoseError`], by the first thing that is amiss.
pub fn verify_with_set(token: &str, set: &Value, allowed: &[SigningAlgorithm]) -> Result<Verified, JoseError> {
    let said = unverified(token)?;
    let algorithm = algorithm(&said.header, allowed)?;
    let kid = said.header.get("kid").map(|kid| kid.as_str().ok_or(JoseError::Malformed)).transpose()?;
    let key = choose(set, kid, algorithm)?;
    verify_with_key(token, key, algorithm)
}

/// Verifies a token with this very key.
///
/// # Errors
/// [`JoseError::Key`], [`JoseError::Signature`].
pub fn verify_with_key(token: &str, jwk: &Value, algorithm: SigningAlgorithm) -> Result<Verified, JoseError> {
    let said = unverified(token)?;
    if !algorithm.fits(jwk) {
        return Err(JoseError::NoKey);
    }
    let jwk: Jwk = serde_json::from_value(public_part(jwk)).map_err(|error| JoseError::Key(error.to_string()))?;
    let key = DecodingKey::from_jwk(&jwk).map_err(|error| JoseError::Key(error.to_string()))?;
    jsonwebtoken::decode::<Value>(token, &key, &signature_only(algorithm)).map_err(|_| JoseError::Signature)?;
    Ok(said)
}

fn signature_only(algorithm: SigningAlgorithm) -> Validation {
    let mut validation = Validation::new(algorithm.library());
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

/// The members that make the key; others (`x5c`, `ext`, …) are of no use here.
fn public_part(jwk: &Value) -> Value {
    let wanted = ["kty", "crv", "x", "y", "n", "e"];
    let members = jwk.as_object().into_iter().flatten().filter(|(name, _)| wanted.contains(&name.as_str()));
    Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn choose<'a>(set: &'a Value, kid: Option<&str>, algorithm: SigningAlgorithm) -> Result<&'a Value, JoseError> {
    let keys = set.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let member = |key: &'a Value, name: &str| key.get(name).and_then(Value::as_str);
    let mut fitting = keys.iter().take(KEYS_MAX).filter(|key| {
        algorithm.fits(key)
            && kid.is_none_or(|kid| member(key, "kid") == Some(kid))
            && member(key, "use").is_none_or(|purpose| purpose == "sig")
            && member(key, "alg").is_none_or(|name| name == algorithm.name())
    });
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(JoseError::NoKey),
        (Some(_), Some(_)) => Err(JoseError::ManyKeys),
    }
}

/// The RFC 7638 thumbprint of a JWK, SHA-256, base64url.
///
/// # Errors
/// [`JoseError::Key`].
pub fn thumbprint(jwk: &Value) -> Result<String, JoseError> {
    let jwk: Jwk = serde_json::from_value(public_part(jwk)).map_err(|error| JoseError::Key(error.to_string()))?;
    jwk.thumbprint(ThumbprintHash::SHA256).map_err(|error| JoseError::Key(error.to_string()))
}

/// A private key that signs our tokens.
pub struct SigningKey {
    algorithm: SigningAlgorithm,
    key: EncodingKey,
    public: Value,
    id: String,
}

impl SigningKey {
    /// The key of a PKCS #8 PEM text. Its id is its thumbprint.
    ///
    /// # Errors
    /// [`JoseError::Key`].
    pub fn from_pem(algorithm: SigningAlgorithm, pem: &Secret) -> Result<Self, JoseError> {
        let fail = |error: jsonwebtoken::errors::Error| JoseError::Key(error.to_string());
        let key = match algorithm {
            SigningAlgorithm::Rs256 | SigningAlgorithm::Rs384 => EncodingKey::from_rsa_pem(pem.expose()),
            SigningAlgorithm::Es256 | SigningAlgorithm::Es384 => EncodingKey::from_ec_pem(pem.expose()),
        }
        .map_err(fail)?;
        let jwk = Jwk::from_encoding_key(&key, algorithm.library()).map_err(fail)?;
        let id = jwk.thumbprint(ThumbprintHash::SHA256).map_err(fail)?;
        let mut public = serde_json::to_value(&jwk).map_err(|error| JoseError::Key(error.to_string()))?;
        if let Some(members) = public.as_object_mut() {
            members.insert("kid".into(), json!(id));
            members.insert("use".into(), json!("sig"));
            members.insert("alg".into(), json!(algorithm.name()));
        }
        Ok(Self { algorithm, key, public, id })
    }

    /// `kid`
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it signs with.
    #[must_use]
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The public key as a JWK with `kid`, `use` and `alg`.
    #[must_use]
    pub const fn public_jwk(&self) -> &Value {
        &self.public
    }

    /// Signs claims with the certificate chain of the key in the header (`x5c`), leaf first, in DER; without a `kid`, since the
    /// chain says whose key it is.
    ///
    /// # Errors
    /// [`JoseError::Key`].
    pub fn sign_with_chain(&self, claims: &Value, chain: &[Vec<u8>]) -> Result<String, JoseError> {
        let mut header = Header::new(self.algorithm.library());
        header.x5c = Some(chain.iter().map(|one| STANDARD.encode(one)).collect());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|error| JoseError::Key(error.to_string()))
    }

    /// Signs claims; `kind` is the header's `typ`.
    ///
    /// # Errors
    /// [`JoseError::Key`].
    pub fn sign(&self, claims: &Value, kind: &str) -> Result<String, JoseError> {
        let mut header = Header::new(self.algorithm.library());
        header.kid = Some(self.id.clone());
        header.typ = Some(kind.to_owned());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|error| JoseError::Key(error.to_string()))
    }
}

impl SigningKey {
    /// The bare signature of any bytes, base64url: for tokens with a header of their own.
    ///
    /// # Errors
    /// [`JoseError::Key`].
    pub fn sign_bytes(&self, message: &[u8]) -> Result<String, JoseError> {
        let signed = jsonwebtoken::crypto::sign(message, &self.key, self.algorithm.library());
        signed.map_err(|error| JoseError::Key(error.to_string()))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}
