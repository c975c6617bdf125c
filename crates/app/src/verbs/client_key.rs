//! `bascule client key FILE`: what another authorization server must know of a key of ours. It reads a file, and changes
//! nothing.

use std::path::Path;

use bascule_crypto::Secret;
use serde_json::json;

use crate::config::secret::key_of_pem;
use crate::exit::Exit;
use crate::terminal;

/// Prints the public half.
pub(crate) fn run(file: &Path) -> Exit {
    match public(file) {
        Ok(set) => {
            terminal::line(&set);
            Exit::Done
        }
        Err(sentence) => {
            terminal::error(&sentence);
            Exit::Usage
        }
    }
}

fn public(file: &Path) -> Result<String, String> {
    let pem = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let key = key_of_pem(&Secret::new(pem.trim())).ok_or_else(|| {
        format!(
            "{} is not a private key in PKCS #8 PEM, elliptic (P-384, P-256) or RSA; make one: openssl genpkey \
             -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out keys/bascule.pem",
            file.display()
        )
    })?;
    Ok(format!("{:#}", json!({"keys": [key.public_jwk()]})))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_public_half_is_shown_and_never_the_private_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ours.pem");
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        std::fs::write(&file, pair.serialize_pem()).unwrap();
        let set: Value = serde_json::from_str(&public(&file).unwrap()).unwrap();
        let key = &set["keys"][0];
        assert_eq!((key["alg"].as_str(), key["kty"].as_str()), (Some("ES384"), Some("EC")));
        assert!(key["kid"].is_string() && key.get("d").is_none(), "{key}");
    }

    #[test]
    fn what_is_no_key_is_said_with_its_mend() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ours.pem");
        std::fs::write(&file, "nothing").unwrap();
        assert!(public(&file).unwrap_err().contains("openssl genpkey"));
    }
}
