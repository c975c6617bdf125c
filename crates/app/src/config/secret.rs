//! Secrets, keys and certificates: named in the configuration, never written there.

use std::path::Path;
use std::sync::Arc;

use bascule_crypto::Secret;
use bascule_policy::read::{Reader, Section, Word};
use bascule_smart::jose::{SigningAlgorithm, SigningKey};

/// Algorithms that a key file of ours may turn out to be for, by what SMART asks first.
const ALGORITHMS: [SigningAlgorithm; 3] = [SigningAlgorithm::Es384, SigningAlgorithm::Rs384, SigningAlgorithm::Es256];

/// A secret is named, never written: `file:` or `env:`.
pub(super) fn text(word: &Word, base: &Path, reader: &mut Reader<'_>) -> Option<String> {
    let found = if let Some(path) = word.text.strip_prefix("file:") {
        std::fs::read_to_string(base.join(path)).map_err(|error| format!("cannot read \"{path}\": {error}"))
    } else if let Some(name) = word.text.strip_prefix("env:") {
        super::environment(name).ok_or_else(|| format!("the environment has no {name}"))
    } else {
        Err("a secret is written into the configuration".to_owned())
    };
    let message = match found.map(|text| text.trim().to_owned()) {
        Ok(text) if !text.is_empty() => return Some(text),
        Ok(_) => "the secret is empty".to_owned(),
        Err(message) => message,
    };
    reader.fault_at_secret(word.span.clone(), message, "name it: \"file:keys/ehr-token\" or \"env:EHR_TOKEN\"");
    None
}

/// The text of a PEM file that is no secret.
pub(super) fn pem_file(word: &Word, base: &Path, reader: &mut Reader<'_>) -> Option<String> {
    match std::fs::read_to_string(base.join(&word.text)) {
        Ok(text) => Some(text),
        Err(error) => {
            reader.fault(word.span.clone(), format!("cannot read \"{}\": {error}", word.text), "name a PEM file");
            None
        }
    }
}

/// A private key that signs for us. The algorithm is that of the key: ES384, RS384 or ES256.
pub(super) fn signing_key(word: &Word, base: &Path, reader: &mut Reader<'_>) -> Option<Arc<SigningKey>> {
    key_for(&ALGORITHMS, word, base, reader)
}

/// The same for UDAP, whose RSA keys sign with RS256.
pub(super) fn udap_key(word: &Word, base: &Path, reader: &mut Reader<'_>) -> Option<Arc<SigningKey>> {
    key_for(&[SigningAlgorithm::Es384, SigningAlgorithm::Rs256, SigningAlgorithm::Es256], word, base, reader)
}

/// The key of a PEM text, as [`signing_key`] would take it.
pub(crate) fn key_of_pem(pem: &Secret) -> Option<SigningKey> {
    key_of(&ALGORITHMS, pem)
}

fn key_of(algorithms: &[SigningAlgorithm], pem: &Secret) -> Option<SigningKey> {
    algorithms.iter().copied().find_map(|algorithm| SigningKey::from_pem(algorithm, pem).ok())
}

fn key_for(
    algorithms: &[SigningAlgorithm],
    word: &Word,
    base: &Path,
    reader: &mut Reader<'_>,
) -> Option<Arc<SigningKey>> {
    let pem = Secret::new(text(word, base, reader)?);
    let key = key_of(algorithms, &pem);
    if key.is_none() {
        reader.fault_at_secret(
            word.span.clone(),
            "the key is not a private key in PKCS #8 PEM, elliptic (P-384, P-256) or RSA",
            "make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out keys/bascule.pem",
        );
    }
    key.map(Arc::new)
}

/// `{ certificate = "…", key = "file:…" }`
pub(super) fn certificate_and_key(
    mut section: Section<'_>,
    base: &Path,
    reader: &mut Reader<'_>,
) -> Option<(String, Secret)> {
    let certificate = super::ask::required_word(&mut section, "certificate", "\"tls/bascule.pem\"", reader)
        .and_then(|word| pem_file(&word, base, reader));
    let key = super::ask::required_word(&mut section, "key", "\"file:tls/bascule.key\"", reader)
        .and_then(|word| text(&word, base, reader));
    section.finish(reader);
    Some((certificate?, Secret::new(key?)))
}
