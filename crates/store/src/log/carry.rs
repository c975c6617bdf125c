//! From the emergency reserve into the log: what was recorded there while the log could not be written follows as entries of the
//! log, byte for byte, each once.

use std::collections::HashSet;
use std::sync::Arc;

use bascule_audit::{AuditError, Entry, EntryId, Record};
use bascule_fhir::Timestamp;
use bascule_ledger::TileReader;

use super::recover::Ground;
use super::reserve::{Held, ReserveState};
use super::sequencer::{Carried, Work};
use super::verify::shard_folders;
use super::{Intent, Log, LogError, Receipt};

/// Entries of one write.
const PART_ENTRIES: usize = 1_000;
/// How far back the log is searched for what an interrupted start has carried over already, beyond what the reserve holds.
const LOOK_BACK: u64 = 20_000;

/// The work of carrying over, in parts, without what was carried over `already`.
pub(crate) fn works(held: &Held, already: &HashSet<EntryId>, now: Timestamp) -> Vec<Work> {
    if held.is_empty() {
        return Vec::new();
    }
    let is_new = |bytes: &[u8]| id_of(bytes).is_none_or(|id| !already.contains(&id));
    let entries: Vec<_> = held.entries.iter().filter(|(_, bytes)| is_new(bytes)).cloned().collect();
    let mut parts: Vec<Carried> =
        entries.chunks(PART_ENTRIES).map(|part| Carried { entries: part.to_vec(), ..Carried::default() }).collect();
    if parts.is_empty() {
        parts.push(Carried::default());
    }
    if let Some(first) = parts.first_mut() {
        first.keys.clone_from(&held.keys);
    }
    if let Some(last) = parts.last_mut() {
        last.open = held.open.iter().filter(|(id, _)| !already.contains(id)).cloned().collect();
    }
    parts.into_iter().map(|held| Work::CarryOver { held, at: now }).collect()
}

/// What of it the log holds already, because an earlier start was interrupted between writing it and emptying the reserve.
pub(crate) fn already(ground: &Ground, held: &Held) -> Result<HashSet<EntryId>, LogError> {
    let mut wanted: HashSet<EntryId> = held.entries.iter().filter_map(|(_, bytes)| id_of(bytes)).collect();
    wanted.extend(held.open.iter().map(|(id, _)| *id));
    let mut found = HashSet::new();
    let mut left = wanted.len() as u64 + LOOK_BACK;
    if wanted.is_empty() {
        return Ok(found);
    }
    for folder in shard_folders(&ground.settings.node_folder()).iter().rev() {
        let view = super::read::ShardView::open(folder)?;
        let size = view.checkpoint().size;
        let reader = TileReader::new(size, |path: &str| std::fs::read(folder.join(path)).ok());
        for index in (size.saturating_sub(left)..size).rev() {
            let record = Record::parse(&reader.entry(index)?)?;
            let clear = record.clear();
            found.extend(EntryId::parse(&clear.id).filter(|id| wanted.contains(id)));
            // An intent that was carried over and has met its end is open no more.
            found.extend(clear.intent.as_deref().and_then(EntryId::parse).filter(|id| wanted.contains(id)));
        }
        left = left.saturating_sub(size);
        if left == 0 {
            break;
        }
    }
    Ok(found)
}

fn id_of(bytes: &[u8]) -> Option<EntryId> {
    Record::parse(bytes).ok().and_then(|record| EntryId::parse(&record.clear().id))
}

impl Log {
    /// As [`Self::intend`], for clinical care: while the log cannot be written, the emergency reserve takes it.
    ///
    /// # Errors
    /// [`LogError`]: neither takes it, and the request must not go upstream.
    pub async fn intend_for_care(&self, entry: Entry) -> Result<Intent, LogError> {
        let for_reserve = entry.clone();
        let refused = match self.intend(entry).await {
            Ok(intent) => return Ok(intent),
            Err(refused) => refused,
        };
        if self.0.shared.reserve.get().is_none() {
            return Err(refused);
        }
        let mut keys = Vec::new();
        let piece = for_reserve.into_pieces().into_iter().next().ok_or(AuditError::TooLong(0))?;
        let sealed = self.seal(piece, None, &mut keys)?;
        let id = sealed.id();
        self.in_reserve(refused, move |reserve| reserve.intend(sealed, keys)).await?;
        Ok(Intent { id, queue: Some(self.0.queue.clone()) })
    }

    /// As [`Self::append`], for clinical care: while the log cannot be written, the emergency reserve takes it.
    ///
    /// # Errors
    /// [`LogError`]: neither takes it, and the answer must not leave.
    pub async fn append_for_care(&self, entry: Entry, intent: Option<Intent>) -> Result<Receipt, LogError> {
        let closes = intent.as_ref().map(|intent| intent.id);
        let (for_reserve, kept) = (entry.clone(), intent);
        let refused = match self.append_closing(entry, closes).await {
            Ok(receipt) => {
                kept.map(Intent::close);
                return Ok(receipt);
            }
            Err(refused) => refused,
        };
        if self.0.shared.reserve.get().is_none() {
            return Err(refused);
        }
        let mut keys = Vec::new();
        let mut pieces = Vec::new();
        for piece in for_reserve.into_pieces() {
            pieces.push(self.seal(piece, closes.filter(|_| pieces.is_empty()), &mut keys)?);
        }
        let placed = self.in_reserve(refused, move |reserve| reserve.append(pieces, closes, keys)).await?;
        kept.map(Intent::close);
        Ok(Receipt { placed })
    }

    /// Carries over what the emergency reserve holds, if the log takes entries again. How many entries.
    ///
    /// # Errors
    /// [`LogError`]: the log does not take them yet; the reserve keeps them.
    pub async fn carry_over(&self, now: Timestamp) -> Result<u64, LogError> {
        let shared = Arc::clone(&self.0.shared);
        let Some(reserve) = shared.reserve.get().filter(|reserve| reserve.state().bytes_used > 0) else { return Ok(0) };
        let held = reserve.held()?;
        let already = self.0.carried.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let mut count = 0;
        for work in works(&held, &already, now) {
            let Work::CarryOver { held, .. } = &work else { continue };
            let ids: Vec<EntryId> = held.entries.iter().filter_map(|(_, bytes)| id_of(bytes)).collect();
            let open: Vec<EntryId> = held.open.iter().map(|(id, _)| *id).collect();
            count += ids.len() as u64;
            self.submit(work).await?;
            self.0
                .carried
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .extend(ids.into_iter().chain(open));
        }
        if reserve.carried_over(&held)? {
            self.0.carried.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
        }
        Ok(count)
    }

    /// How full the emergency reserve is; `None` if there is none.
    #[must_use]
    pub fn emergency(&self) -> Option<ReserveState> {
        self.0.shared.reserve.get().map(super::reserve::Reserve::state)
    }

    /// Tries the emergency reserve out: a record is written, synced, read back and forgotten.
    ///
    /// # Errors
    /// [`LogError`]: there is none, it is in use, or it fails.
    pub fn drill_emergency(&self) -> Result<(), LogError> {
        let none =
            LogError::Settings("there is no emergency reserve; write [audit] emergency = { file = …, hours = … }");
        self.0.shared.reserve.get().ok_or(none)?.drill()
    }

    async fn in_reserve<T: Send + 'static>(
        &self,
        refused: LogError,
        act: impl FnOnce(&super::reserve::Reserve) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        tracing::error!(%refused, "the audit log does not take entries; clinical care is recorded in the emergency reserve");
        let shared = Arc::clone(&self.0.shared);
        let done = tokio::task::spawn_blocking(move || {
            shared.reserve.get().ok_or(LogError::Settings("there is no emergency reserve")).and_then(act)
        });
        done.await.map_err(|error| LogError::Stopped(error.to_string()))?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use bascule_audit::AccessFacts;

    use super::*;
    use crate::log::LogSettings;
    use crate::log::reserve::ReserveSettings;
    use crate::log::verify::{VerifyOptions, verify};

    const NOW: Timestamp = Timestamp::from_seconds(1_795_550_400);

    #[test]
    fn a_log_that_takes_entries_again_gets_what_the_reserve_held_without_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let reserve = ReserveSettings { file: root.path().join("reserve/emergency"), hours: 1, accesses_per_hour: 100 };
        let settings = LogSettings {
            emergency: Some(reserve),
            checkpoint_interval_ms: 3_600_000,
            ..LogSettings::new(&root.path().join("data"), root.path().join("lock/lock.db"), "node-1", "gw/audit")
        };
        let entry =
            || Entry::disclosure(AccessFacts { status: 200, ..AccessFacts::default() }, NOW.plus_seconds(-7_200));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let log = Log::open(settings.clone(), NOW).unwrap();
            log.0.shared.disk_full.store(true, Ordering::Relaxed);
            let under_way = log.intend_for_care(Entry::intent(AccessFacts::default(), NOW)).await.unwrap();
            log.append_for_care(entry(), None).await.unwrap();
            assert!(log.carry_over(NOW).await.is_err(), "not yet");
            log.0.shared.disk_full.store(false, Ordering::Relaxed);
            assert_eq!(log.carry_over(NOW).await.unwrap(), 1);
            assert_eq!(log.carry_over(NOW).await.unwrap(), 0);
            assert_eq!(log.emergency().unwrap().bytes_used, 0);
            // The intent went along, and is closed in the log itself.
            log.append_for_care(entry(), Some(under_way)).await.unwrap();
            log.close(NOW).await.unwrap();
        });
        let report = verify(&settings.folder, &VerifyOptions::default());
        assert!(report.holds() && report.warnings.is_empty(), "{report:?}");
        assert_eq!(report.shards[0].kinds["access"], 2);
        assert!(!report.shards[0].kinds.contains_key("unknown"), "{report:?}");
    }
}
