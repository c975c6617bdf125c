//! Key pairs of the demo's backend clients: ES384, made anew in each folder.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::folder::write_private;

/// Makes a key pair, keeps the private key in `file`, returns the public key as a JWK set.
pub(crate) fn make(file: &Path, key_id: &str) -> Result<Value, String> {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).map_err(|error| error.to_string())?;
    write_private(file, pair.serialize_pem().as_bytes()).map_err(|error| format!("{}: {error}", file.display()))?;
    let point = pair.public_key_raw();
    let (Some(x), Some(y)) = (point.get(1..49), point.get(49..97)) else {
        return Err("a P-384 key has an unexpected form".to_owned());
    };
    Ok(json!({ "keys": [{
        "kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": key_id,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    }] }))
}
