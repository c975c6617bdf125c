//! When a witness saw how much of a log: a thinned history of cosigned checkpoints beside each shard, and what it says about the
//! times of entries. An entry must have ended after the last cosigned checkpoint that does not cover it, and begun before the first
//! that does; one that lies outside was dated otherwise than it was written.
//!
//! ```text
//! note BYTES
//! <a cosigned checkpoint of that many bytes>
//! ```

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use bascule_audit::{Clear, Kind};
use bascule_ledger::cosignature::cosigners;
use bascule_ledger::{Checkpoint, Note, VerifierKey};

use super::LogError;

/// The file beside a shard's checkpoint.
pub const HISTORY_FILE: &str = "cosignatures";
/// Seconds between two that are kept; about 4 MB a quarter.
const KEPT_EVERY_SECONDS: u64 = 600;
/// By how much the clocks of witness and bridge may differ, and a request may be under way unrecorded, in microseconds.
const SKEW_MICROS: i64 = 120_000_000;

/// Keeps a cosigned checkpoint, unless one was kept a short while ago.
pub(crate) fn keep(folder: &Path, note: &Note, seconds: u64) -> Result<(), LogError> {
    let path = folder.join(HISTORY_FILE);
    let stamp = folder.join(".cosignatures-last");
    let last: u64 = std::fs::read_to_string(&stamp).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    if seconds < last.saturating_add(KEPT_EVERY_SECONDS) {
        return Ok(());
    }
    let text = note.to_string();
    let write = || {
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        file.write_all(format!("note {}\n{text}", text.len()).as_bytes())?;
        file.sync_data()?;
        std::fs::write(&stamp, seconds.to_string())
    };
    write().map_err(LogError::file("writing", &path))
}

/// A size that a witness saw, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    size: u64,
    micros: i64,
}

/// The history of a shard, as far as `key` signed and `witnesses` cosigned it, in the order of sizes. What does not hold is passed
/// over: the file proves nothing by being there.
pub(crate) fn read(folder: &Path, key: &VerifierKey, witnesses: &[VerifierKey]) -> Vec<Seen> {
    let text = std::fs::read_to_string(folder.join(HISTORY_FILE)).unwrap_or_default();
    let last = std::fs::read_to_string(folder.join(super::witness::COSIGNED_FILE)).ok();
    let mut seen: Vec<Seen> =
        notes(&text).chain(last.as_deref()).filter_map(|note| seen_in(note, key, witnesses)).collect();
    seen.sort_by_key(|seen| (seen.size, seen.micros));
    seen.dedup_by_key(|seen| seen.size);
    seen
}

fn notes(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (bytes, after) = rest.strip_prefix("note ")?.split_once('\n')?;
        let (note, left) = after.split_at_checked(bytes.parse().ok()?)?;
        rest = left;
        Some(note)
    })
}

fn seen_in(note: &str, key: &VerifierKey, witnesses: &[VerifierKey]) -> Option<Seen> {
    let (checkpoint, note) = Checkpoint::open(note, key).ok()?;
    let seconds = cosigners(&note, witnesses).into_iter().map(|(_, seconds)| seconds).min()?;
    let micros = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?;
    Some(Seen { size: checkpoint.size, micros })
}

/// Holds the times of entries, in their order, against what witnesses saw.
pub(crate) struct Times {
    seen: std::iter::Peekable<std::vec::IntoIter<Seen>>,
    before: Option<i64>,
}

impl Times {
    pub(crate) fn new(seen: Vec<Seen>) -> Self {
        Self { seen: seen.into_iter().peekable(), before: None }
    }

    /// What is wrong with the time of the entry at `index`, if anything can be said.
    pub(crate) fn check(&mut self, index: u64, clear: &Clear) -> Option<String> {
        while let Some(covered) = self.seen.next_if(|seen| seen.size <= index) {
            self.before = Some(covered.micros);
        }
        // The end of an intent that nobody closed bears the time of its neighbours, not its own.
        if clear.kind == Kind::Unknown {
            return None;
        }
        let ended = clear.at.saturating_add(i64::try_from(clear.duration_us).unwrap_or(i64::MAX));
        if let Some(before) = self.before.filter(|before| ended < before.saturating_sub(SKEW_MICROS)) {
            let late = (before - ended) / 1_000_000;
            return Some(format!(
                "entry {index} is dated {late} s before a cosigned checkpoint that does not hold it: back-dated"
            ));
        }
        let after = self.seen.peek().filter(|seen| clear.at > seen.micros.saturating_add(SKEW_MICROS))?;
        let early = (clear.at - after.micros) / 1_000_000;
        Some(format!("entry {index} is dated {early} s after a cosigned checkpoint that holds it already: post-dated"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bascule_audit::{AccessFacts, Entry};
    use bascule_crypto::Secret;
    use bascule_fhir::Timestamp;
    use bascule_ledger::NoteSigner;
    use bascule_ledger::cosignature::cosign;
    use bascule_ledger::note::KeyKind;

    fn clear(seconds: i64, duration_seconds: u64) -> Clear {
        let facts = AccessFacts { duration_us: duration_seconds * 1_000_000, ..AccessFacts::default() };
        Entry::disclosure(facts, Timestamp::from_seconds(seconds)).clear().clone()
    }

    fn check(index: u64, clear: &Clear, word: Option<&str>) {
        let seen = [(100, 10_000), (200, 20_000)].map(|(size, seconds)| Seen { size, micros: seconds * 1_000_000 });
        let said = Times::new(seen.to_vec()).check(index, clear);
        assert_eq!(said.as_deref().map(|said| said.rsplit(": ").next().unwrap()), word, "{index}: {said:?}");
    }

    #[test]
    fn an_entry_lies_between_what_a_witness_saw_before_and_after_it() {
        check(150, &clear(15_000, 1), None);
        check(150, &clear(9_000, 1), Some("back-dated"));
        check(150, &clear(9_000, 1_500), None);
        check(150, &clear(20_500, 1), Some("post-dated"));
        check(50, &clear(1, 1), None);
        check(250, &clear(19_000, 1), Some("back-dated"));
        check(250, &clear(99_000, 1), None);
    }

    #[test]
    fn only_what_log_and_witness_signed_counts_and_it_is_thinned() {
        let folder = tempfile::tempdir().unwrap();
        let log = NoteSigner::from_seed("log", KeyKind::Ed25519, &Secret::new([1; 32])).unwrap();
        let witness = NoteSigner::from_seed("w", KeyKind::CosignatureEd25519, &Secret::new([2; 32])).unwrap();
        let root = bascule_ledger::Hash([7; 32]);
        for (size, seconds) in [(10, 1_000), (11, 1_010), (12, 1_700)] {
            let mut note = Checkpoint { origin: "log".into(), size, root }.sign(&log);
            note.signatures.push(cosign(&witness, &note.text, seconds).unwrap());
            keep(folder.path(), &note, seconds).unwrap();
        }
        let sizes = |witnesses: &[VerifierKey]| {
            read(folder.path(), log.verifier(), witnesses).iter().map(|seen| seen.size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[witness.verifier().clone()]), [10, 12]);
        assert_eq!(sizes(&[]), [0; 0]);
    }
}
