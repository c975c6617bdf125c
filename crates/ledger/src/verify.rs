//! Verification of a whole log, or of what was added since a kept checkpoint.

use crate::LedgerError;
use crate::checkpoint::Checkpoint;
use crate::hash::leaf_hash;
use crate::proof::{prove_consistency, verify_consistency};
use crate::tile::{TILE_WIDTH, TileId, entries_of};
use crate::tiles::{TileReader, Tiler};

/// What a verification went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Entries read and hashed.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Hash tiles compared.
    pub tiles: u64,
}

/// Reads every entry and every tile of the log, and checks that they lead to the checkpoint's root.
/// `seen` is given each entry in order; an error of its own stops the verification.
///
/// # Errors
/// `Missing`, `Malformed`, `TileDiffers` or `RootDiffers`.
pub fn verify_whole<R: Fn(&str) -> Option<Vec<u8>>>(
    checkpoint: &Checkpoint,
    read: R,
    seen: impl FnMut(u64, &[u8]) -> Result<(), LedgerError>,
) -> Result<Verified, LedgerError> {
    verify_from(Tiler::new(), checkpoint, read, seen)
}

/// As [`verify_whole`], but trusts that what `kept` covers was verified before: it checks that the log still has that
/// prefix, and reads the entries after it.
///
/// # Errors
/// As there, `ProofFails` if the log was rewritten, `WentBack` if it is smaller, `OtherOrigin`.
pub fn verify_since<R: Fn(&str) -> Option<Vec<u8>>>(
    kept: &Checkpoint,
    checkpoint: &Checkpoint,
    read: R,
    seen: impl FnMut(u64, &[u8]) -> Result<(), LedgerError>,
) -> Result<Verified, LedgerError> {
    verify_prefix(kept, checkpoint, &read)?;
    // The hashes taken from the tiles are not trusted: only if they are right does the root come out right.
    let whole_bundles = kept.size - kept.size % TILE_WIDTH;
    let tiler = Tiler::resume(whole_bundles, &read)?;
    verify_from(tiler, checkpoint, read, seen)
}

/// Checks that the log of `kept` is a prefix of the log of `checkpoint`.
///
/// # Errors
/// `ProofFails`, `WentBack`, `OtherOrigin` or `Missing`.
pub fn verify_prefix<R: Fn(&str) -> Option<Vec<u8>>>(
    kept: &Checkpoint,
    checkpoint: &Checkpoint,
    read: R,
) -> Result<(), LedgerError> {
    if kept.origin != checkpoint.origin {
        return Err(LedgerError::OtherOrigin { expected: kept.origin.clone(), found: checkpoint.origin.clone() });
    }
    if kept.size > checkpoint.size {
        return Err(LedgerError::WentBack { kept: kept.size, found: checkpoint.size });
    }
    let proof = prove_consistency(&TileReader::new(checkpoint.size, read), kept.size)?;
    verify_consistency(kept.size, kept.root, checkpoint.size, checkpoint.root, &proof)
}

fn verify_from<R: Fn(&str) -> Option<Vec<u8>>>(
    mut tiler: Tiler,
    checkpoint: &Checkpoint,
    read: R,
    mut seen: impl FnMut(u64, &[u8]) -> Result<(), LedgerError>,
) -> Result<Verified, LedgerError> {
    let reader = TileReader::new(checkpoint.size, read);
    let mut verified = Verified::default();
    while tiler.size() < checkpoint.size {
        let index = tiler.size() / TILE_WIDTH;
        let bundle = reader.bundle(index)?;
        let wanted = (checkpoint.size - tiler.size()).min(TILE_WIDTH);
        let entries = entries_of(&bundle)?;
        if (entries.len() as u64) < wanted {
            return Err(LedgerError::Missing(crate::tile::entries_path(index, 256)));
        }
        for entry in entries.into_iter().take(usize::try_from(wanted).unwrap_or(usize::MAX)) {
            seen(tiler.size(), entry)?;
            tiler.append(leaf_hash(entry));
            verified.entries += 1;
            verified.bytes += entry.len() as u64;
        }
        compare(&reader, tiler.take_full(), &mut verified)?;
    }
    compare(&reader, tiler.partial(), &mut verified)?;
    if tiler.root() != checkpoint.root {
        return Err(LedgerError::RootDiffers(checkpoint.size));
    }
    Ok(verified)
}

fn compare<R: Fn(&str) -> Option<Vec<u8>>>(
    reader: &TileReader<R>,
    tiles: Vec<(TileId, Vec<u8>)>,
    verified: &mut Verified,
) -> Result<(), LedgerError> {
    for (tile, expected) in tiles {
        if reader.stored(tile)? != expected {
            return Err(LedgerError::TileDiffers(tile.path()));
        }
        verified.tiles += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiles::tests::MemoryLog;

    fn checkpoint(log: &MemoryLog) -> Checkpoint {
        Checkpoint { origin: "log".into(), size: log.tiler.size(), root: log.tiler.root() }
    }

    #[test]
    fn a_true_log_verifies_whole_and_since_each_kept_checkpoint() {
        for size in [0, 1, 255, 256, 257, 1000] {
            let log = MemoryLog::of_size(size);
            let now = checkpoint(&log);
            let verified = verify_whole(&now, log.read(), |_, _| Ok(())).unwrap();
            assert_eq!(verified.entries, size);
            for old in [0, 1, 200, 256, 300, 999].into_iter().filter(|old| *old <= size) {
                let kept = checkpoint(&MemoryLog::of_size(old));
                let mut first = None;
                verify_since(&kept, &now, log.read(), |index, _| {
                    first.get_or_insert(index);
                    Ok(())
                })
                .unwrap();
                assert!(first.is_none_or(|first| first == old - old % 256));
            }
        }
    }

    #[test]
    fn each_flipped_bit_of_each_file_is_noticed() {
        let log = MemoryLog::of_size(300);
        let now = checkpoint(&log);
        for path in log.files.keys() {
            for place in [0, 1, 3, log.files[path].len() / 2, log.files[path].len() - 1] {
                let mut changed = log.clone();
                changed.files.get_mut(path).unwrap()[place] ^= 4;
                assert!(verify_whole(&now, changed.read(), |_, _| Ok(())).is_err(), "{path} byte {place}");
            }
            let mut dropped = log.clone();
            dropped.files.remove(path);
            assert!(verify_whole(&now, dropped.read(), |_, _| Ok(())).is_err(), "{path} dropped");
        }
    }

    #[test]
    fn a_rewrite_with_the_real_key_passes_alone_and_fails_against_a_kept_checkpoint() {
        let kept = checkpoint(&MemoryLog::of_size(500));
        let mut rewritten = MemoryLog::default();
        for index in 0..600 {
            let text = if index == 250 { "nothing happened".to_owned() } else { format!("entry {index}") };
            rewritten.append(text.as_bytes());
        }
        rewritten.publish();
        let now = checkpoint(&rewritten);
        assert!(verify_whole(&now, rewritten.read(), |_, _| Ok(())).is_ok());
        let since = verify_since(&kept, &now, rewritten.read(), |_, _| Ok(()));
        assert_eq!(since, Err(LedgerError::ProofFails("consistency")));
    }

    #[test]
    fn an_older_copy_of_the_log_went_back() {
        let kept = checkpoint(&MemoryLog::of_size(500));
        let old = MemoryLog::of_size(400);
        assert_eq!(
            verify_since(&kept, &checkpoint(&old), old.read(), |_, _| Ok(())),
            Err(LedgerError::WentBack { kept: 500, found: 400 })
        );
    }
}
