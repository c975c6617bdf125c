//! Cosignatures (C2SP `tlog-cosignature`, kind 0x04): a witness says that it saw a checkpoint, and when.

use bascule_crypto::sign::verify_ed25519;

use crate::LedgerError;
use crate::note::{KeyKind, Note, NoteSigner, Signature, VerifierKey};

/// A cosignature on `text` at `seconds` since 1970.
///
/// # Errors
/// `Malformed` if the signer is no witness's key.
pub fn cosign(signer: &NoteSigner, text: &str, seconds: u64) -> Result<Signature, LedgerError> {
    if signer.verifier().kind() != KeyKind::CosignatureEd25519 {
        return Err(LedgerError::malformed("witness key", "it is not of kind 0x04"));
    }
    let signed = signer.sign_bytes(&message(text, seconds));
    let bytes = [seconds.to_be_bytes().as_slice(), signed.as_slice()].concat();
    Ok(Signature::new(signer.verifier(), bytes))
}

/// Checks one cosignature of `key` on `text`: the time that it states, in seconds since 1970.
///
/// # Errors
/// `Unsigned` if it does not hold.
pub fn verify_cosignature(signature: &Signature, text: &str, key: &VerifierKey) -> Result<u64, LedgerError> {
    let unsigned = || LedgerError::Unsigned(key.name().to_owned());
    if key.kind() != KeyKind::CosignatureEd25519 || !signature.is_of(key) {
        return Err(unsigned());
    }
    let (time, signed) = signature.bytes.split_first_chunk::<8>().ok_or_else(unsigned)?;
    let seconds = u64::from_be_bytes(*time);
    if seconds > i64::MAX.unsigned_abs() {
        return Err(unsigned());
    }
    verify_ed25519(key.public(), &message(text, seconds), signed).map_err(|_| unsigned())?;
    Ok(seconds)
}

/// The witnesses of `keys` that cosigned the note, each once, with the earliest time stated. Others are passed over.
#[must_use]
pub fn cosigners(note: &Note, keys: &[VerifierKey]) -> Vec<(VerifierKey, u64)> {
    let earliest = |key: &VerifierKey| {
        let times = note.signatures.iter().filter_map(|line| verify_cosignature(line, &note.text, key).ok());
        times.min().map(|seconds| (key.clone(), seconds))
    };
    keys.iter().filter_map(earliest).collect()
}

fn message(text: &str, seconds: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {seconds}\n{text}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bascule_crypto::Secret;

    fn witness(seed: u8) -> NoteSigner {
        NoteSigner::from_seed("witness.example", KeyKind::CosignatureEd25519, &Secret::new([seed; 32])).unwrap()
    }

    #[test]
    fn a_cosignature_binds_text_and_time() {
        let witness = witness(1);
        let line = cosign(&witness, "text\n", 1_700_000_000).unwrap();
        assert_eq!(verify_cosignature(&line, "text\n", witness.verifier()), Ok(1_700_000_000));
        assert!(verify_cosignature(&line, "test\n", witness.verifier()).is_err());
        let mut later = line;
        later.bytes[7] ^= 1;
        assert!(verify_cosignature(&later, "text\n", witness.verifier()).is_err());
    }

    #[test]
    fn only_known_witnesses_count_and_each_once() {
        let (known, unknown) = (witness(1), witness(2));
        let log = NoteSigner::from_seed("log", KeyKind::Ed25519, &Secret::new([3; 32])).unwrap();
        let mut note = log.sign("text\n");
        for (signer, seconds) in [(&known, 20), (&known, 10), (&unknown, 5)] {
            note.signatures.push(cosign(signer, &note.text, seconds).unwrap());
        }
        assert_eq!(cosigners(&note, &[known.verifier().clone()]), [(known.verifier().clone(), 10)]);
        assert!(cosign(&log, "text\n", 0).is_err());
    }
}
