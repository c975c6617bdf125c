//! Inclusion and consistency proofs: made from tiles, checked against roots (RFC 6962 section 2.1, RFC 9162 section 2.1).

use crate::LedgerError;
use crate::hash::{Hash, node_hash};
use crate::tiles::TileReader;

/// The hashes that lead from leaf `index` to the root of the reader's tree, the leaf's sibling first.
///
/// # Errors
/// `OutOfRange`, or `Missing` if a tile cannot be read.
pub fn prove_inclusion<R: Fn(&str) -> Option<Vec<u8>>>(
    reader: &TileReader<R>,
    index: u64,
) -> Result<Vec<Hash>, LedgerError> {
    let size = reader.size();
    if index >= size {
        return Err(LedgerError::OutOfRange { index, size });
    }
    let mut proof = Vec::new();
    let (mut low, mut high) = (0, size);
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            proof.push(range(reader, middle, high)?);
            high = middle;
        } else {
            proof.push(range(reader, low, middle)?);
            low = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The hashes that show the tree of `old` leaves to be a prefix of the reader's tree. Empty if `old` is 0 or the size.
///
/// # Errors
/// `OutOfRange` if `old` is larger than the tree, or `Missing` if a tile cannot be read.
pub fn prove_consistency<R: Fn(&str) -> Option<Vec<u8>>>(
    reader: &TileReader<R>,
    old: u64,
) -> Result<Vec<Hash>, LedgerError> {
    let size = reader.size();
    if old > size {
        return Err(LedgerError::OutOfRange { index: old, size });
    }
    let mut proof = Vec::new();
    if old == 0 || old == size {
        return Ok(proof);
    }
    let (mut low, mut high) = (0, size);
    while high != old {
        let middle = low + split(high - low);
        if old <= middle {
            proof.push(range(reader, middle, high)?);
            high = middle;
        } else {
            proof.push(range(reader, low, middle)?);
            low = middle;
        }
    }
    // A verifier who knows the old root already knows this one if it is the whole old tree.
    if low != 0 {
        proof.push(range(reader, low, high)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that `leaf` stands at `index` in the tree of `size` leaves with `root`.
///
/// # Errors
/// `ProofFails` or `OutOfRange`.
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, root: Hash, proof: &[Hash]) -> Result<(), LedgerError> {
    if index >= size {
        return Err(LedgerError::OutOfRange { index, size });
    }
    let fails = LedgerError::ProofFails("inclusion");
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return Err(fails);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(*sibling, hash);
            let up = if node & 1 == 0 { node.trailing_zeros() } else { 0 };
            node = node.checked_shr(up).unwrap_or(0);
            last = last.checked_shr(up).unwrap_or(0);
        } else {
            hash = node_hash(hash, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == root { Ok(()) } else { Err(fails) }
}

/// Checks that the tree of `old_size` leaves with `old_root` is a prefix of the tree of `size` leaves with `root`.
///
/// # Errors
/// `ProofFails`, or `WentBack` if `old_size` is the larger.
pub fn verify_consistency(
    old_size: u64,
    old_root: Hash,
    size: u64,
    root: Hash,
    proof: &[Hash],
) -> Result<(), LedgerError> {
    let fails = LedgerError::ProofFails("consistency");
    if old_size > size {
        return Err(LedgerError::WentBack { kept: old_size, found: size });
    }
    if old_size == 0 || old_size == size {
        let expected = if old_size == 0 { Hash::empty_root() } else { root };
        return if proof.is_empty() && old_root == expected { Ok(()) } else { Err(fails) };
    }
    let known = old_size.is_power_of_two().then_some(old_root);
    let mut hashes = known.iter().chain(proof);
    let Some(first) = hashes.next() else { return Err(fails) };
    let up = (old_size - 1).trailing_ones();
    let (mut node, mut last) = ((old_size - 1) >> up, (size - 1) >> up);
    let (mut old, mut new) = (*first, *first);
    for sibling in hashes {
        if last == 0 {
            return Err(fails);
        }
        if node & 1 == 1 || node == last {
            old = node_hash(*sibling, old);
            new = node_hash(*sibling, new);
            let up = if node & 1 == 0 { node.trailing_zeros() } else { 0 };
            node = node.checked_shr(up).unwrap_or(0);
            last = last.checked_shr(up).unwrap_or(0);
        } else {
            new = node_hash(new, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && old == old_root && new == root { Ok(()) } else { Err(fails) }
}

/// The largest power of two below `size`: where RFC 6962 splits a tree.
const fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The hash of the leaves `low..high`, where `low` is where a subtree of that size may begin.
fn range<R: Fn(&str) -> Option<Vec<u8>>>(reader: &TileReader<R>, low: u64, high: u64) -> Result<Hash, LedgerError> {
    let size = high - low;
    if size.is_power_of_two() {
        let height = size.trailing_zeros();
        return reader.node(height, low >> height);
    }
    let middle = low + split(size);
    Ok(node_hash(range(reader, low, middle)?, range(reader, middle, high)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use crate::tiles::tests::MemoryLog;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;
    use sha2::Sha256;

    fn oracle(size: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
        let mut tree = MemoryBackedTree::new();
        (0..size).for_each(|index| tree.push(format!("entry {index}").into_bytes()));
        tree
    }

    fn bytes(proof: &[Hash]) -> Vec<u8> {
        proof.iter().flat_map(|hash| hash.0).collect()
    }

    #[test]
    fn proofs_equal_those_of_an_independent_tree() {
        for size in [1, 2, 3, 7, 8, 255, 256, 257, 600, 1000] {
            let log = MemoryLog::of_size(size);
            let reader = TileReader::new(size, log.read());
            let tree = oracle(size);
            for index in [0, 1, 2, size / 3, size / 2, size - 1].into_iter().filter(|index| *index < size) {
                let ours = prove_inclusion(&reader, index).unwrap();
                let theirs = tree.prove_inclusion(usize::try_from(index).unwrap());
                assert_eq!(bytes(&ours), theirs.as_bytes(), "inclusion of {index} in {size}");
                let leaf = leaf_hash(format!("entry {index}").as_bytes());
                verify_inclusion(leaf, index, size, log.tiler.root(), &ours).unwrap();
            }
            for old in [1, 2, size / 2, size - 1].into_iter().filter(|old| (1..size).contains(old)) {
                let ours = prove_consistency(&reader, old).unwrap();
                let theirs = tree.prove_consistency(usize::try_from(size - old).unwrap());
                assert_eq!(bytes(&ours), theirs.as_bytes(), "consistency {old} to {size}");
                let old_root = MemoryLog::of_size(old).tiler.root();
                verify_consistency(old, old_root, size, log.tiler.root(), &ours).unwrap();
            }
        }
    }

    #[test]
    fn every_pair_of_small_sizes_is_consistent() {
        let roots: Vec<Hash> = (0..40).map(|size| MemoryLog::of_size(size).tiler.root()).collect();
        for size in 0..40_u64 {
            let log = MemoryLog::of_size(size);
            let reader = TileReader::new(size, log.read());
            for old in 0..=size {
                let proof = prove_consistency(&reader, old).unwrap();
                let (old_root, root) = (roots[old as usize], roots[size as usize]);
                verify_consistency(old, old_root, size, root, &proof).unwrap();
                if old > 0 {
                    assert!(verify_consistency(old, leaf_hash(b"forged"), size, root, &proof).is_err());
                    assert!(verify_consistency(old, old_root, size, leaf_hash(b"forged"), &proof).is_err());
                }
            }
        }
    }

    #[test]
    fn a_log_cannot_go_back() {
        let root = leaf_hash(b"");
        assert_eq!(verify_consistency(5, root, 4, root, &[]), Err(LedgerError::WentBack { kept: 5, found: 4 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_changed_proof_never_holds(size in 2_u64..700, seed: u64, bit in 0_usize..256) {
            let index = seed % size;
            let log = MemoryLog::of_size(size);
            let reader = TileReader::new(size, log.read());
            let proof = prove_inclusion(&reader, index).unwrap();
            let leaf = leaf_hash(format!("entry {index}").as_bytes());
            let root = log.tiler.root();
            prop_assert!(verify_inclusion(leaf, index, size, root, &proof).is_ok());
            for place in 0..proof.len() {
                let mut changed = proof.clone();
                changed[place].0[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(verify_inclusion(leaf, index, size, root, &changed).is_err());
            }
            prop_assert!(verify_inclusion(leaf, index, size, root, &proof[1..]).is_err());
            let longer: Vec<Hash> = proof.iter().copied().chain([leaf]).collect();
            prop_assert!(verify_inclusion(leaf, index, size, root, &longer).is_err());
            prop_assert!(verify_inclusion(leaf_hash(b"other"), index, size, root, &proof).is_err());
        }
    }
}
