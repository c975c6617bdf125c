//! The right edge of a growing tree: enough to append a leaf and to tell the root, in memory that grows with the
//! logarithm of the size only.

use crate::hash::{Hash, node_hash};

/// The complete subtrees that cover a tree of some size, from the largest to the smallest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Of the empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// Of a tree of `size` leaves whose complete subtrees hash to `peaks`, the largest first.
    /// `None` if the number of peaks is not that of the size.
    #[must_use]
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (u32::try_from(peaks.len()) == Ok(size.count_ones())).then_some(Self { size, peaks })
    }

    /// How many leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf. `completed` is told each subtree that this leaf completes, as (height, hash), the leaf first.
    pub fn append(&mut self, leaf: Hash, mut completed: impl FnMut(u32, Hash)) {
        let mut hash = leaf;
        let mut height = 0;
        completed(height, hash);
        let mut rest = self.size;
        while rest & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(left, hash);
            height += 1;
            completed(height, hash);
            rest >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev().copied();
        let Some(smallest) = peaks.next() else { return Hash::empty_root() };
        peaks.fold(smallest, |right, left| node_hash(left, right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use sha2::Sha256;

    #[test]
    fn roots_equal_those_of_an_independent_tree() {
        let mut oracle = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let mut ours = Frontier::new();
        assert_eq!(ours.root(), Hash::empty_root());
        for index in 0..700_u32 {
            let entry = index.to_be_bytes().to_vec();
            ours.append(leaf_hash(&entry), |_, _| ());
            oracle.push(entry);
            assert_eq!(ours.root().0, oracle.root().as_bytes().as_slice(), "size {}", ours.size());
        }
    }

    #[test]
    fn peaks_must_fit_the_size() {
        assert!(Frontier::from_peaks(3, vec![leaf_hash(b"a")]).is_none());
        assert!(Frontier::from_peaks(0, Vec::new()).is_some());
    }
}
