//! An append-only Merkle log over opaque bytes: tree, tiles, checkpoints, proofs, cosignatures, verification.
//!
//! Formats: RFC 6962 hashing, C2SP `tlog-tiles`, `tlog-checkpoint`, `signed-note`, `tlog-cosignature` (Ed25519),
//! `tlog-proof` and the texts of `tlog-witness`. Nothing here knows health care, a disk, a clock or a network: tiles
//! are read through a function from path to bytes. With `crypto`, this room is all that an auditor needs to check a
//! log without us.

pub mod checkpoint;
pub mod cosignature;
pub mod frontier;
pub mod hash;
pub mod note;
pub mod proof;
pub mod record;
pub mod tile;
pub mod tiles;
pub mod verify;
pub mod witness;

pub use checkpoint::Checkpoint;
pub use frontier::Frontier;
pub use hash::{Hash, leaf_hash, node_hash};
pub use note::{Note, NoteSigner, VerifierKey};
pub use record::RecordProof;
pub use tile::{Resource, TileId};
pub use tiles::{TileReader, Tiler};

/// Why a text, a proof or a log was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A text (note, checkpoint, key, proof) does not have its form.
    #[error("malformed {what}: {why}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No signature by the asked key, or one that does not hold.
    #[error("no valid signature by {0}")]
    Unsigned(String),
    /// The checkpoint is of another log.
    #[error("checkpoint is of log `{found}`, expected `{expected}`")]
    OtherOrigin {
        /// The origin that was asked for.
        expected: String,
        /// The origin in the checkpoint.
        found: String,
    },
    /// A tile or bundle is not there or is short.
    #[error("`{0}` is missing or too short")]
    Missing(String),
    /// A tile does not hold what the entries hash to.
    #[error("`{0}` differs from what the entries hash to")]
    TileDiffers(String),
    /// The entries hash to another root than the checkpoint's: something was changed, dropped or reordered.
    #[error("the entries hash to another root than the checkpoint of size {0} says")]
    RootDiffers(u64),
    /// A proof does not lead from the leaf, or the old root, to the root.
    #[error("the {0} proof does not hold")]
    ProofFails(&'static str),
    /// An index or size outside the tree.
    #[error("{index} is outside a tree of size {size}")]
    OutOfRange {
        /// What was asked for.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The log is now smaller than a checkpoint that it once signed.
    #[error("the log went back: a kept checkpoint has size {kept}, the log has {found}")]
    WentBack {
        /// Size of the kept checkpoint.
        kept: u64,
        /// Size of the log.
        found: u64,
    },
    /// An entry that a bundle cannot hold.
    #[error("an entry of {0} bytes is longer than 65535")]
    EntryTooLong(usize),
    /// A key or signature was refused by the library.
    #[error(transparent)]
    Crypto(#[from] bascule_crypto::CryptoError),
}

impl LedgerError {
    pub(crate) const fn malformed(what: &'static str, why: &'static str) -> Self {
        Self::Malformed { what, why }
    }
}
