//! The one thread that orders entries: it drains the queue, writes a batch, syncs once, and answers. The sync in flight is
//! the batching window; there is no timer. An error of the disk stops the log for good: what a failed sync left behind
//! cannot be known, so nothing is tried twice.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bascule_audit::{Entry, EntryId, Sealed, SystemEvent, enclose};
use bascule_fhir::Timestamp;
use bascule_ledger::{Hash, leaf_hash};

use super::disk::{Appending, Disk};
use super::publisher::{Durable, Ended};
use super::shard::{Shard, epoch_of};
use super::wal::{Chain, Record, SegmentHead, encode_batch};
use super::{LogError, LogSettings, random, seal_system};
use crate::keys::NewKey;

/// Something to be written.
#[derive(Debug)]
pub(crate) enum Work {
    /// Entries of the tree, the first of which closes an intent.
    Append { pieces: Vec<Sealed>, closes: Option<EntryId>, at: Timestamp, keys: Vec<NewKey> },
    /// An intent.
    Intend { sealed: Sealed, keys: Vec<NewKey> },
    /// An intent that nobody will close.
    Abandon { intent: EntryId },
    /// Entries that were lost before they came here.
    Lost { count: u64, at: Timestamp },
    /// What the emergency reserve held while the log could not be written.
    CarryOver { held: Carried, at: Timestamp },
}

/// A part of what the emergency reserve held.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    pub(crate) keys: Vec<NewKey>,
    /// Entries with the intents that they close.
    pub(crate) entries: Vec<(Option<EntryId>, Vec<u8>)>,
    /// Intents that are still open.
    pub(crate) open: Vec<(EntryId, Vec<u8>)>,
}

/// Where an entry stands.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) origin: Arc<str>,
    pub(crate) index: u64,
    pub(crate) leaf: Hash,
}

/// What a batch made durable, for the publisher.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    pub(crate) entries: Vec<Durable>,
    pub(crate) keys: Vec<NewKey>,
    pub(crate) ended: Option<Ended>,
    /// For each work, where its first entry stands, if it has one.
    pub(crate) placed: Vec<Option<Placed>>,
}

/// The writer of the write-ahead log.
pub(crate) struct Sequencer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) settings: LogSettings,
    pub(crate) shard: Shard,
    pub(crate) origin: Arc<str>,
    pub(crate) next: u64,
    pub(crate) open: HashMap<EntryId, Vec<u8>>,
    pub(crate) segment: OpenSegment,
    pub(crate) chain: Chain,
    pub(crate) clock: Clock,
}

/// The segment that is written to.
pub(crate) struct OpenSegment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Box<dyn Appending>,
    pub(crate) bytes: u64,
}

/// The latest time of an entry, and when it was seen by the steady clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) latest: Timestamp,
    pub(crate) seen: Instant,
}

impl Clock {
    /// By how much `at` goes back or runs ahead of what the steady clock allows, in microseconds.
    fn step(self, at: Timestamp, allowed: i64) -> Option<i64> {
        let passed = i64::try_from(self.seen.elapsed().as_micros()).unwrap_or(i64::MAX);
        let difference = at.micros().saturating_sub(self.latest.micros());
        let ahead = difference.saturating_sub(passed);
        (difference < -allowed || ahead > allowed).then_some(if difference < 0 { difference } else { ahead })
    }
}

/// Records of a batch that is being put together.
#[derive(Default)]
struct Draft {
    records: Vec<Record>,
    committed: Committed,
    closed: Vec<EntryId>,
    opened: Vec<(EntryId, Vec<u8>)>,
}

impl Sequencer {
    /// Whether an entry of that time belongs to a later shard.
    pub(crate) fn is_next_shard(&self, work: &Work) -> bool {
        matches!(work, Work::Append { at, .. } if Shard::at(*at) > self.shard)
    }

    /// Writes a batch. It is durable after `settle`. After an error the log is not used any more.
    pub(crate) fn write_batch(&mut self, works: Vec<Work>) -> Result<Committed, LogError> {
        let mut draft = Draft::default();
        for work in works {
            let placed = self.draft(&mut draft, work)?;
            draft.committed.placed.push(placed);
        }
        if !draft.records.is_empty() {
            self.write(&draft.records)?;
        }
        self.open.extend(draft.opened);
        draft.closed.iter().for_each(|id| {
            self.open.remove(id);
        });
        Ok(draft.committed)
    }

    /// Makes the batch durable, and ends the segment if it is full.
    pub(crate) fn settle(&mut self, committed: &mut Committed) -> Result<(), LogError> {
        self.sync()?;
        if self.segment.bytes > self.settings.segment_bytes_max {
            committed.ended = Some(self.roll(self.shard, self.next)?);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), LogError> {
        self.segment.file.sync().map_err(LogError::file("syncing", &self.segment.path))
    }

    fn draft(&mut self, draft: &mut Draft, work: Work) -> Result<Option<Placed>, LogError> {
        match work {
            Work::Append { pieces, closes, at, keys } => {
                self.draft_keys(draft, keys);
                self.draft_clock_step(draft, at)?;
                let mut first = None;
                for piece in pieces {
                    let closes = closes.filter(|_| first.is_none());
                    let placed = self.draft_entry(draft, piece.into_bytes(), closes);
                    first.get_or_insert(placed);
                }
                Ok(first)
            }
            Work::Intend { sealed, keys } => {
                self.draft_keys(draft, keys);
                let (id, bytes) = (sealed.id(), sealed.into_bytes());
                draft.records.push(Record::Intent { id, bytes: bytes.clone() });
                draft.opened.push((id, bytes));
                Ok(None)
            }
            Work::Abandon { intent } => self.draft_unknown(draft, intent),
            Work::CarryOver { held, at } => self.draft_carried(draft, held, at).map(Some),
            Work::Lost { count, at } => self.draft_system(draft, &SystemEvent::Gap { lost: count }, at).map(Some),
        }
    }

    /// Entries keep their own times, which lie before those of their neighbours: the entry before them says how many.
    fn draft_carried(&mut self, draft: &mut Draft, held: Carried, at: Timestamp) -> Result<Placed, LogError> {
        let Carried { keys, entries, open } = held;
        self.draft_keys(draft, keys);
        let event = SystemEvent::CarriedOver { entries: entries.len() as u64 };
        let placed = self.draft_system(draft, &event, at)?;
        for (closes, bytes) in entries {
            self.draft_entry(draft, bytes, closes);
        }
        for (id, bytes) in open {
            draft.records.push(Record::Intent { id, bytes: bytes.clone() });
            draft.opened.push((id, bytes));
        }
        Ok(placed)
    }

    fn draft_keys(&self, draft: &mut Draft, keys: Vec<NewKey>) {
        for key in keys {
            if !draft.committed.keys.contains(&key) {
                draft.records.push(Record::Key(key.clone()));
                draft.committed.keys.push(key);
            }
        }
    }

    fn draft_entry(&mut self, draft: &mut Draft, bytes: Vec<u8>, closes: Option<EntryId>) -> Placed {
        let placed = Placed { origin: Arc::clone(&self.origin), index: self.next, leaf: leaf_hash(&bytes) };
        draft.closed.extend(closes);
        draft.records.push(Record::Entry { index: self.next, closes, bytes: bytes.clone() });
        draft.committed.entries.push(Durable { index: self.next, bytes });
        self.next += 1;
        placed
    }

    fn draft_system(&mut self, draft: &mut Draft, event: &SystemEvent, at: Timestamp) -> Result<Placed, LogError> {
        let sealed = seal_system(Entry::system(event, at))?;
        Ok(self.draft_entry(draft, sealed.into_bytes(), None))
    }

    fn draft_unknown(&mut self, draft: &mut Draft, intent: EntryId) -> Result<Option<Placed>, LogError> {
        let in_batch = draft.opened.iter().find(|(id, _)| *id == intent).map(|(_, bytes)| bytes);
        let Some(bytes) = in_batch.or_else(|| self.open.get(&intent)).cloned() else { return Ok(None) };
        if draft.closed.contains(&intent) {
            return Ok(None);
        }
        let at = self.clock.latest;
        let mut entry = Entry::unknown(&intent.to_hex(), at);
        let sealed = enclose(&mut entry, &bytes, &epoch_of(at), &mut random)?;
        Ok(Some(self.draft_entry(draft, sealed.into_bytes(), Some(intent))))
    }

    fn draft_clock_step(&mut self, draft: &mut Draft, at: Timestamp) -> Result<(), LogError> {
        let allowed = i64::try_from(self.settings.clock_step_max_ms.saturating_mul(1000)).unwrap_or(i64::MAX);
        let step = self.clock.step(at, allowed);
        if let Some(micros) = step {
            self.draft_system(draft, &SystemEvent::ClockStep { micros }, at)?;
        }
        // After a step back that was said, time goes on from there.
        if at > self.clock.latest || step.is_some() {
            self.clock = Clock { latest: at, seen: Instant::now() };
        }
        Ok(())
    }

    fn write(&mut self, records: &[Record]) -> Result<(), LogError> {
        let bytes = encode_batch(&mut self.chain, records);
        self.segment.file.append(&bytes).map_err(LogError::file("writing", &self.segment.path))?;
        self.segment.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Ends the segment and begins another, which carries the open intents along.
    fn roll(&mut self, shard: Shard, first: u64) -> Result<Ended, LogError> {
        self.sync()?;
        let path = self.segment.path.clone();
        let number = self.segment.number + 1;
        let head = SegmentHead { number, shard, restart: false, first };
        self.segment = create_segment(self.disk.as_ref(), &self.settings, head)?;
        let intents: Vec<Record> =
            self.open.iter().map(|(id, bytes)| Record::Intent { id: *id, bytes: bytes.clone() }).collect();
        if !intents.is_empty() {
            self.write(&intents)?;
        }
        self.sync()?;
        let folder = self.settings.wal_folder();
        self.disk.sync_folder(&folder).map_err(LogError::file("syncing", &folder))?;
        Ok(Ended { path, next: (shard, first) })
    }

    /// Ends the shard: its last entry names the next one.
    pub(crate) fn close_shard(&mut self, next: Shard, at: Timestamp) -> Result<Committed, LogError> {
        let event = SystemEvent::ShardClose { next_origin: self.settings.origin_of(next) };
        self.commit_system(&event, at)
    }

    /// Begins the next shard, after the last checkpoint of the one before: its first entry names that one.
    pub(crate) fn open_shard(
        &mut self,
        next: Shard,
        event: &SystemEvent,
        at: Timestamp,
    ) -> Result<Committed, LogError> {
        let ended = self.roll(next, 0)?;
        self.shard = next;
        self.origin = self.settings.origin_of(next).into();
        self.next = 0;
        let mut committed = self.commit_system(event, at)?;
        committed.ended = Some(ended);
        Ok(committed)
    }

    /// Writes one entry about the bridge itself.
    pub(crate) fn commit_system(&mut self, event: &SystemEvent, at: Timestamp) -> Result<Committed, LogError> {
        let mut draft = Draft::default();
        // A start with the clock set back since the last entry is said like any step; how long the house was closed is none.
        if at < self.clock.latest {
            self.draft_clock_step(&mut draft, at)?;
        }
        let placed = self.draft_system(&mut draft, event, at)?;
        draft.committed.placed.push(Some(placed));
        self.write(&draft.records)?;
        self.sync()?;
        Ok(draft.committed)
    }
}

/// Makes a segment with its head. Its name is durable once the folder is synced.
pub(crate) fn create_segment(
    disk: &dyn Disk,
    settings: &LogSettings,
    head: SegmentHead,
) -> Result<OpenSegment, LogError> {
    let path = settings.wal_folder().join(segment_name(head.number));
    let mut file = disk.create(&path).map_err(LogError::file("creating", &path))?;
    let bytes = head.encode();
    file.append(&bytes).map_err(LogError::file("writing", &path))?;
    Ok(OpenSegment { number: head.number, path, file, bytes: bytes.len() as u64 })
}

/// The file name of a segment.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:012}.wal")
}
