//! A proof in one text (C2SP `tlog-proof`): index, path and checkpoint, checkable offline.

use crate::LedgerError;
use crate::checkpoint::{Checkpoint, parse_decimal};
use crate::hash::{Hash, leaf_hash};
use crate::note::{Note, VerifierKey};
use crate::proof::{prove_inclusion, verify_inclusion};
use crate::tiles::TileReader;

const HEAD: &str = "c2sp.org/tlog-proof@v1\n";
/// Hashes of the longest path in a tree of 2^64 leaves.
const PATH_MAX: usize = 64;

/// That an entry stands at an index of a checkpointed log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordProof {
    /// The entry's place, from 0.
    pub index: u64,
    /// From the leaf's sibling up.
    pub path: Vec<Hash>,
    /// The signed checkpoint, with its cosignatures.
    pub checkpoint: Note,
}

impl RecordProof {
    /// Makes the proof for `index` out of the tiles of the checkpoint's tree.
    ///
    /// # Errors
    /// `OutOfRange`, or `Missing` if a tile cannot be read.
    pub fn make<R: Fn(&str) -> Option<Vec<u8>>>(
        checkpoint: Note,
        reader: &TileReader<R>,
        index: u64,
    ) -> Result<Self, LedgerError> {
        Ok(Self { index, path: prove_inclusion(reader, index)?, checkpoint })
    }

    /// Reads a proof. Nothing is verified yet.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let malformed = |why| LedgerError::malformed("tlog-proof", why);
        let rest = text.strip_prefix(HEAD).ok_or_else(|| malformed("not a tlog-proof@v1"))?;
        let (head, note) = rest.split_once("\n\n").ok_or_else(|| malformed("no checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        lines.next_if(|line| line.starts_with("extra "));
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(parse_decimal)
            .ok_or_else(|| malformed("no index"))?;
        let path: Vec<Hash> = lines.take(PATH_MAX + 1).map(Hash::from_base64).collect::<Result<_, _>>()?;
        if path.len() > PATH_MAX {
            return Err(malformed("the path is too long"));
        }
        Ok(Self { index, path, checkpoint: Note::parse(note)? })
    }

    /// Checks that the log of `key` holds `entry` at the index.
    ///
    /// # Errors
    /// `Unsigned`, `OtherOrigin` or `ProofFails`.
    pub fn verify(&self, entry: &[u8], key: &VerifierKey) -> Result<Checkpoint, LedgerError> {
        self.verify_leaf(leaf_hash(entry), key)
    }

    /// As [`Self::verify`], by the entry's leaf hash (what a receipt carries).
    ///
    /// # Errors
    /// As there.
    pub fn verify_leaf(&self, leaf: Hash, key: &VerifierKey) -> Result<Checkpoint, LedgerError> {
        let (checkpoint, _) = Checkpoint::open(&self.checkpoint.to_string(), key)?;
        verify_inclusion(leaf, self.index, checkpoint.size, checkpoint.root, &self.path)?;
        Ok(checkpoint)
    }
}

impl std::fmt::Display for RecordProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{HEAD}index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{KeyKind, NoteSigner};
    use crate::tiles::tests::MemoryLog;
    use bascule_crypto::Secret;

    #[test]
    fn a_proof_goes_round_as_text_and_holds_for_its_entry_only() {
        let log = MemoryLog::of_size(300);
        let signer = NoteSigner::from_seed("log", KeyKind::Ed25519, &Secret::new([1; 32])).unwrap();
        let checkpoint = Checkpoint { origin: "log".into(), size: 300, root: log.tiler.root() };
        let reader = TileReader::new(300, log.read());
        let proof = RecordProof::make(checkpoint.sign(&signer), &reader, 257).unwrap();
        let read = RecordProof::parse(&proof.to_string()).unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.verify(b"entry 257", signer.verifier()), Ok(checkpoint));
        assert!(read.verify(b"entry 256", signer.verifier()).is_err());
        assert!(RecordProof { index: 256, ..read }.verify(b"entry 257", signer.verifier()).is_err());
        let with_extra = proof.to_string().replace("index", "extra QUJD\nindex");
        assert_eq!(RecordProof::parse(&with_extra).unwrap(), proof);
        assert!(RecordProof::parse(&proof.to_string().replace("index 257", "index 0257")).is_err());
    }
}
