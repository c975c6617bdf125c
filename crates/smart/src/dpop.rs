//! DPoP proofs (RFC 9449): a caller shows with each request that it holds the private key.

use bascule_crypto::digest::sha256;
use bascule_fhir::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use url::Url;

use crate::client_auth::seconds;
use crate::jose::{self, JoseError, SigningAlgorithm};

/// How old a proof may be, and how far ahead of us its clock.
pub const PROOF_SECONDS_MAX: i64 = 60;
/// Characters of the longest `jti`.
const JTI_CHARACTERS_MAX: usize = 256;

/// Algorithms of proofs.
pub const ALGORITHMS: [SigningAlgorithm; 4] =
    [SigningAlgorithm::Es256, SigningAlgorithm::Es384, SigningAlgorithm::Rs256, SigningAlgorithm::Rs384];

/// Why a proof is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    /// The token itself.
    #[error("DPoP proof: {0}")]
    Jose(#[from] JoseError),
    /// A header or claim.
    #[error("DPoP proof: `{0}` is missing or wrong")]
    Claim(&'static str),
    /// Too old, or from the future.
    #[error("DPoP proof: `iat` is not within {PROOF_SECONDS_MAX} seconds of this server's clock")]
    Time,
}

/// A verified proof. The door must still see that its `jti` is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DpopProof {
    /// The key's RFC 7638 thumbprint.
    pub key: String,
    /// The identifier that may be used once.
    pub jti: String,
    /// Until when it must be remembered.
    pub remember_until: Timestamp,
}

/// Verifies a proof for this method and address; `access_token` is the token it must belong to, at a resource.
///
/// # Errors
/// [`DpopError`].
pub fn verify(
    proof: &str,
    method: &str,
    address: &str,
    access_token: Option<&[u8]>,
    now: Timestamp,
) -> Result<DpopProof, DpopError> {
    let said = jose::unverified(proof)?;
    if said.header.get("typ").and_then(Value::as_str) != Some("dpop+jwt") {
        return Err(DpopError::Claim("typ"));
    }
    let algorithm = jose::algorithm(&said.header, &ALGORITHMS)?;
    let key = said.header.get("jwk").filter(|key| key.get("d").is_none()).ok_or(DpopError::Claim("jwk"))?;
    let verified = jose::verify_with_key(proof, key, algorithm)?;
    let text = |name: &'static str| verified.claims.get(name).and_then(Value::as_str).ok_or(DpopError::Claim(name));
    if text("htm")? != method {
        return Err(DpopError::Claim("htm"));
    }
    if !same_address(text("htu")?, address) {
        return Err(DpopError::Claim("htu"));
    }
    if let Some(token) = access_token
        && text("ath")? != URL_SAFE_NO_PAD.encode(sha256(token))
    {
        return Err(DpopError::Claim("ath"));
    }
    let issued = seconds(verified.claims.get("iat")).ok_or(DpopError::Claim("iat"))?;
    if (now.seconds() - issued).abs() > PROOF_SECONDS_MAX {
        return Err(DpopError::Time);
    }
    let jti = text("jti")?;
    if jti.is_empty() || jti.chars().count() > JTI_CHARACTERS_MAX {
        return Err(DpopError::Claim("jti"));
    }
    let remember_until = Timestamp::from_seconds(issued + PROOF_SECONDS_MAX + 1);
    Ok(DpopProof { key: jose::thumbprint(key)?, jti: jti.to_owned(), remember_until })
}

/// RFC 9449 section 4.3: compared without query and fragment, after normalization.
fn same_address(claimed: &str, asked: &str) -> bool {
    let (Ok(mut claimed), Ok(mut asked)) = (Url::parse(claimed), Url::parse(asked)) else { return false };
    for url in [&mut claimed, &mut asked] {
        url.set_query(None);
        url.set_fragment(None);
    }
    claimed == asked
}
