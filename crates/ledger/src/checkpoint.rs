//! Checkpoints (C2SP `tlog-checkpoint`): origin, size and root of a log at a moment.

use crate::LedgerError;
use crate::hash::Hash;
use crate::note::{Note, NoteSigner, VerifierKey};

/// The state of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads the text of a checkpoint. Extension lines are allowed and passed over.
    ///
    /// # Errors
    /// `Malformed` if a line is missing, empty or not in its form.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let malformed = |why| LedgerError::malformed("checkpoint", why);
        let body = text.strip_suffix('\n').ok_or_else(|| malformed("it does not end with a newline"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(malformed("fewer than three lines"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(malformed("an empty line"));
        }
        let size = parse_decimal(size).ok_or_else(|| malformed("the size is not a decimal number"))?;
        Ok(Self { origin: origin.to_owned(), size, root: Hash::from_base64(root)? })
    }

    /// Its text, as it is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Signs it.
    #[must_use]
    pub fn sign(&self, signer: &NoteSigner) -> Note {
        signer.sign(&self.text())
    }

    /// Reads a signed checkpoint and checks that the log itself signed it: the key's name is the origin.
    ///
    /// # Errors
    /// `Unsigned`, `OtherOrigin` or `Malformed`.
    pub fn open(note: &str, key: &VerifierKey) -> Result<(Self, Note), LedgerError> {
        let note = Note::parse(note)?;
        note.verify(key)?;
        let checkpoint = Self::parse(&note.text)?;
        if checkpoint.origin != key.name() {
            return Err(LedgerError::OtherOrigin { expected: key.name().to_owned(), found: checkpoint.origin });
        }
        Ok((checkpoint, note))
    }
}

/// A decimal number without leading zeroes or signs.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::KeyKind;
    use bascule_crypto::Secret;

    #[test]
    fn a_signed_checkpoint_opens_with_its_own_key_only() {
        let signer = NoteSigner::from_seed("log.example", KeyKind::Ed25519, &Secret::new([1; 32])).unwrap();
        let checkpoint = Checkpoint { origin: "log.example".into(), size: 12, root: Hash::empty_root() };
        let note = checkpoint.sign(&signer).to_string();
        assert_eq!(Checkpoint::open(&note, signer.verifier()).unwrap().0, checkpoint);
        let foreign = Checkpoint { origin: "other.example".into(), ..checkpoint }.sign(&signer).to_string();
        assert!(matches!(Checkpoint::open(&foreign, signer.verifier()), Err(LedgerError::OtherOrigin { .. })));
    }

    #[test]
    fn malformed_texts_are_refused() {
        let root = Hash::empty_root();
        for text in [
            String::new(),
            "o\n1\n".into(),
            format!("o\n01\n{root}\n"),
            format!("o\n+1\n{root}\n"),
            format!("o\n1\n{root}"),
            format!("\n1\n{root}\n"),
            format!("o\n1\n{root}\n\nx\n"),
            "o\n1\nAAAA\n".into(),
        ] {
            assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
        }
        assert!(Checkpoint::parse(&format!("o\n1\n{root}\nextension\n")).is_ok());
    }
}
