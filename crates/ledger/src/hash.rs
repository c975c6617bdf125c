//! The hashes of RFC 6962: a leaf and a node can never be taken for each other.

use std::fmt;

use bascule_crypto::digest::{sha256, sha256_parts};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::LedgerError;

/// A SHA-256 hash of a leaf, a node or a root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Bytes of a hash.
    pub const BYTES: usize = 32;

    /// The root of the empty tree.
    #[must_use]
    pub fn empty_root() -> Self {
        Self(sha256(b""))
    }

    /// From 32 bytes.
    ///
    /// # Errors
    /// `Malformed` if there are more or fewer.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, LedgerError> {
        bytes.try_into().map(Self).map_err(|_| LedgerError::malformed("hash", "not 32 bytes"))
    }

    /// From standard base64, as checkpoints and proofs write it.
    ///
    /// # Errors
    /// `Malformed` if it is not base64 of 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, LedgerError> {
        let bytes = STANDARD.decode(text).map_err(|_| LedgerError::malformed("hash", "not base64"))?;
        Self::from_slice(&bytes)
    }

    /// As standard base64.
    #[must_use]
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

/// The hash of an entry's bytes.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(sha256_parts(&[&[0], entry]))
}

/// The hash of a node with the children `left` and `right`.
#[must_use]
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    let mut bytes = [1_u8; 65];
    let (_, rest) = bytes.split_at_mut(1);
    let (first, second) = rest.split_at_mut(Hash::BYTES);
    first.copy_from_slice(&left.0);
    second.copy_from_slice(&right.0);
    Hash(sha256(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_never_a_node() {
        let (left, right) = (leaf_hash(b"l"), leaf_hash(b"r"));
        let joined = [left.0, right.0].concat();
        assert_ne!(leaf_hash(&joined), node_hash(left, right));
    }

    #[test]
    fn the_empty_root_is_the_published_value() {
        assert_eq!(Hash::empty_root().to_base64(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn base64_goes_round_and_refuses_a_short_hash() {
        let hash = leaf_hash(b"x");
        assert_eq!(Hash::from_base64(&hash.to_base64()), Ok(hash));
        assert!(Hash::from_base64("AAAA").is_err());
        assert!(Hash::from_base64("*").is_err());
    }
}
