//! The emergency reserve: a file of bounded size, allocated beforehand and best on another disk, in which the accesses of clinical
//! care are recorded while the log itself cannot be written (45 CFR 164.312(a)(2)(ii)). What stands in it is durable before an
//! answer leaves, and is carried over into the log, by itself, as soon as the log takes entries again.
//!
//! ```text
//! head     "BASCRSV1" generation:u64 crc:u32, then zeros up to 4096
//! batches  as in the write-ahead log; their chain begins with the generation, so that what an earlier one left is not read
//! ```
//!
//! **Trust**: who can rewrite the file can drop what it holds until it is carried over; the receipts that were given tell of it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bascule_audit::{EntryId, Sealed};
use bascule_ledger::leaf_hash;

use super::LogError;
use super::sequencer::Placed;
use super::wal::{Chain, Record, encode_batch, read_chain};
use crate::keys::NewKey;

const HEAD_BYTES: u64 = 4_096;
const MAGIC: &[u8; 8] = b"BASCRSV1";
/// Bytes that one access takes: its intent and its entry.
const ACCESS_BYTES: u64 = 4_096;
/// The smallest reserve that is of any use, in bytes.
const BYTES_MIN: u64 = 1 << 20;

/// Where the reserve lies, and for how much it is sized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveSettings {
    /// The file. Beside, never in, the data folder.
    pub file: PathBuf,
    /// How long it should last.
    pub hours: u32,
    /// For how many accesses an hour.
    pub accesses_per_hour: u32,
}

impl ReserveSettings {
    /// The size of the file, in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        let accesses = u64::from(self.hours) * u64::from(self.accesses_per_hour);
        accesses.saturating_mul(ACCESS_BYTES).max(BYTES_MIN) + HEAD_BYTES
    }
}

/// How full a reserve is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReserveState {
    /// Entries that wait to be carried over.
    pub entries: u64,
    /// Bytes in use.
    pub bytes_used: u64,
    /// Bytes there are.
    pub bytes_max: u64,
}

/// The open reserve.
#[derive(Debug)]
pub(crate) struct Reserve {
    origin: std::sync::Arc<str>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    path: PathBuf,
    bytes_max: u64,
    at: u64,
    generation: u64,
    chain: Chain,
    entries: u64,
    failed: Option<String>,
}

/// What a reserve holds, to be carried over.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) keys: Vec<NewKey>,
    /// Entries with the intents that they close, in their order.
    pub(crate) entries: Vec<(Option<EntryId>, Vec<u8>)>,
    /// Intents that nothing here closes.
    pub(crate) open: Vec<(EntryId, Vec<u8>)>,
    /// Where the reserve ended when this was read.
    end: u64,
}

impl Held {
    pub(crate) const fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.entries.is_empty() && self.open.is_empty()
    }
}

impl Reserve {
    /// Opens the reserve, or allocates it. `origin` is what its receipts say.
    pub(crate) fn open(settings: &ReserveSettings, origin: &str) -> Result<Self, LogError> {
        let path = settings.file.clone();
        let file = |act| LogError::file(act, &path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(LogError::file("making", folder))?;
        }
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let opened = opened.map_err(file("opening"))?;
        let mut inner = Inner {
            bytes_max: settings.bytes_max(),
            at: HEAD_BYTES,
            generation: 0,
            chain: Chain::default(),
            entries: 0,
            failed: None,
            file: opened,
            path: path.clone(),
        };
        let length = inner.file.metadata().map_err(file("looking at"))?.len();
        if length < inner.bytes_max {
            allocate(&inner.file, length, inner.bytes_max).map_err(file("allocating"))?;
        } else {
            // A larger one of earlier settings is kept: it may hold entries.
            inner.bytes_max = length;
        }
        match generation_of(&inner.file) {
            Some(generation) => inner.begin(generation),
            None if length == 0 => inner.reset(1)?,
            None => return Err(LogError::Damaged { path, damage: "its head is no reserve's".to_owned() }),
        }
        let held = inner.read()?;
        inner.entries = held.entries.len() as u64;
        inner.at = held.end;
        Ok(Self { origin: origin.into(), inner: Mutex::new(inner) })
    }

    /// Makes an intent durable here.
    pub(crate) fn intend(&self, sealed: Sealed, keys: Vec<NewKey>) -> Result<(), LogError> {
        let mut records: Vec<Record> = keys.into_iter().map(Record::Key).collect();
        records.push(Record::Intent { id: sealed.id(), bytes: sealed.into_bytes() });
        self.locked().write(&records, 0).map(drop)
    }

    /// Makes an entry durable here. Where its first piece stands.
    pub(crate) fn append(
        &self,
        pieces: Vec<Sealed>,
        closes: Option<EntryId>,
        keys: Vec<NewKey>,
    ) -> Result<Placed, LogError> {
        let mut inner = self.locked();
        let mut records: Vec<Record> = keys.into_iter().map(Record::Key).collect();
        let mut leaf = None;
        let count = pieces.len() as u64;
        for (piece, index) in pieces.into_iter().zip(inner.entries..) {
            let bytes = piece.into_bytes();
            let closes = closes.filter(|_| leaf.is_none());
            leaf.get_or_insert_with(|| leaf_hash(&bytes));
            records.push(Record::Entry { index, closes, bytes });
        }
        let index = inner.write(&records, count)?;
        let leaf = leaf.ok_or_else(|| LogError::Stopped("an entry without pieces".to_owned()))?;
        Ok(Placed { origin: std::sync::Arc::clone(&self.origin), index, leaf })
    }

    /// Everything that it holds now.
    pub(crate) fn held(&self) -> Result<Held, LogError> {
        self.locked().read()
    }

    /// Forgets what was carried over, if nothing came meanwhile. Whether it is empty now.
    pub(crate) fn carried_over(&self, held: &Held) -> Result<bool, LogError> {
        let mut inner = self.locked();
        if inner.at != held.end {
            return Ok(false);
        }
        let next = inner.generation + 1;
        inner.reset(next)?;
        Ok(true)
    }

    pub(crate) fn state(&self) -> ReserveState {
        let inner = self.locked();
        ReserveState {
            entries: inner.entries,
            bytes_used: inner.at - HEAD_BYTES,
            bytes_max: inner.bytes_max - HEAD_BYTES,
        }
    }

    /// Writes, syncs, reads back and forgets a record, unless there is something to lose: the drill of the reserve.
    pub(crate) fn drill(&self) -> Result<(), LogError> {
        let mut inner = self.locked();
        if inner.at != HEAD_BYTES {
            return Err(LogError::Settings("the emergency reserve is in use; a drill would disturb it"));
        }
        let record = Record::Intent { id: EntryId([0xd1; 16]), bytes: b"{}".to_vec() };
        inner.write(std::slice::from_ref(&record), 0)?;
        let read = inner.read()?;
        let next = inner.generation + 1;
        inner.reset(next)?;
        if read.open.len() == 1 { Ok(()) } else { Err(LogError::Settings("the emergency reserve does not read back")) }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Places the chain at the beginning of a generation.
    fn begin(&mut self, generation: u64) {
        self.generation = generation;
        self.at = HEAD_BYTES;
        self.entries = 0;
        self.chain = Chain { next: generation << 32, previous: crc32c::crc32c(&generation.to_le_bytes()) };
    }

    fn reset(&mut self, generation: u64) -> Result<(), LogError> {
        self.check()?;
        let mut head = MAGIC.to_vec();
        head.extend(generation.to_le_bytes());
        head.extend(crc32c::crc32c(&head).to_le_bytes());
        let written = self.file.write_all_at(&head, 0).and_then(|()| self.file.sync_data());
        self.stop_at(written, "resetting")?;
        self.begin(generation);
        Ok(())
    }

    /// Writes a batch and syncs. The index of its first entry.
    fn write(&mut self, records: &[Record], entries: u64) -> Result<u64, LogError> {
        self.check()?;
        let mut chain = self.chain;
        let bytes = encode_batch(&mut chain, records);
        if self.at + bytes.len() as u64 > self.bytes_max {
            return Err(LogError::ReserveFull(self.bytes_max));
        }
        let written = self.file.write_all_at(&bytes, self.at).and_then(|()| self.file.sync_data());
        self.stop_at(written, "writing")?;
        let first = self.entries;
        self.at += bytes.len() as u64;
        self.chain = chain;
        self.entries += entries;
        Ok(first)
    }

    fn read(&mut self) -> Result<Held, LogError> {
        let mut bytes = vec![0; usize::try_from(self.bytes_max - HEAD_BYTES).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, HEAD_BYTES).map_err(LogError::file("reading", &self.path))?;
        let generation = self.generation;
        let mut chain = Chain { next: generation << 32, previous: crc32c::crc32c(&generation.to_le_bytes()) };
        let damaged =
            |damage: super::wal::Damaged| LogError::Damaged { path: self.path.clone(), damage: damage.to_string() };
        let (records, taken) = read_chain(&bytes, &mut chain, (generation + 1) << 32).map_err(damaged)?;
        self.chain = chain;
        let mut held = Held { end: HEAD_BYTES + taken as u64, ..Held::default() };
        for record in records {
            match record {
                Record::Key(key) => held.keys.push(key),
                Record::Intent { id, bytes } => held.open.push((id, bytes)),
                Record::Entry { closes, bytes, .. } => {
                    held.open.retain(|(id, _)| Some(*id) != closes);
                    held.entries.push((closes, bytes));
                }
            }
        }
        Ok(held)
    }

    fn check(&self) -> Result<(), LogError> {
        self.failed.as_ref().map_or(Ok(()), |why| Err(LogError::Stopped(format!("the emergency reserve: {why}"))))
    }

    /// After an error of the disk nothing is tried again.
    fn stop_at(&mut self, done: io::Result<()>, act: &'static str) -> Result<(), LogError> {
        if let Err(error) = &done {
            self.failed = Some(error.to_string());
        }
        done.map_err(LogError::file(act, &self.path))
    }
}

fn generation_of(file: &File) -> Option<u64> {
    let mut head = [0; 20];
    file.read_exact_at(&mut head, 0).ok()?;
    let (said, crc) = head.split_last_chunk::<4>()?;
    if crc32c::crc32c(said) != u32::from_le_bytes(*crc) {
        return None;
    }
    said.strip_prefix(MAGIC)?.try_into().ok().map(u64::from_le_bytes)
}

/// Takes the room for good: with zeros, because a file system that is full may refuse even a block that was promised.
fn allocate(file: &File, from: u64, to: u64) -> io::Result<()> {
    const STEP: usize = 1 << 20;
    let zeros = vec![0; STEP];
    let mut at = from;
    while at < to {
        let step = usize::try_from(to - at).unwrap_or(STEP).min(STEP);
        file.write_all_at(zeros.get(..step).unwrap_or(&zeros), at)?;
        at += step as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::log::seal_system;
    use bascule_audit::{Entry, SystemEvent};
    use bascule_fhir::Timestamp;

    fn sealed() -> Sealed {
        seal_system(Entry::system(&SystemEvent::Stop, Timestamp::from_seconds(7))).unwrap()
    }

    fn settings(folder: &Path) -> ReserveSettings {
        ReserveSettings { file: folder.join("reserve/emergency"), hours: 1, accesses_per_hour: 10 }
    }

    fn open(folder: &Path) -> Reserve {
        Reserve::open(&settings(folder), "gw/audit/n/emergency").unwrap()
    }

    #[test]
    fn what_was_acknowledged_is_there_after_a_crash_and_carried_over_once() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = open(folder.path());
        let (first, second, third) = (sealed(), sealed(), sealed());
        reserve.intend(first.clone(), vec![]).unwrap();
        reserve.intend(second.clone(), vec![]).unwrap();
        let placed = reserve.append(vec![third.clone()], Some(first.id()), vec![]).unwrap();
        assert_eq!((placed.index, &*placed.origin), (0, "gw/audit/n/emergency"));
        drop(reserve);
        let reserve = open(folder.path());
        let held = reserve.held().unwrap();
        assert_eq!(held.entries, [(Some(first.id()), third.bytes().to_vec())]);
        assert_eq!(held.open, [(second.id(), second.bytes().to_vec())]);
        assert_eq!(reserve.append(vec![sealed()], None, vec![]).unwrap().index, 1);
        assert!(!reserve.carried_over(&held).unwrap(), "something came meanwhile");
        assert!(reserve.carried_over(&reserve.held().unwrap()).unwrap());
        assert!(reserve.held().unwrap().is_empty());
        drop(reserve);
        assert!(open(folder.path()).held().unwrap().is_empty(), "what an earlier generation left is not read");
    }

    #[test]
    fn a_torn_end_is_cut_and_damage_before_it_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = open(folder.path());
        reserve.append(vec![sealed()], None, vec![]).unwrap();
        let end = reserve.locked().at;
        reserve.append(vec![sealed()], None, vec![]).unwrap();
        let flip = |at: u64| {
            let mut byte = [0];
            reserve.locked().file.read_exact_at(&mut byte, at).unwrap();
            reserve.locked().file.write_all_at(&[byte[0] ^ 1], at).unwrap();
        };
        flip(end + 40);
        assert_eq!(open(folder.path()).held().unwrap().entries.len(), 1);
        flip(end + 40);
        flip(HEAD_BYTES + 40);
        assert!(matches!(Reserve::open(&settings(folder.path()), "x"), Err(LogError::Damaged { .. })));
    }

    #[test]
    fn it_is_bounded_and_allocated_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = open(folder.path());
        let length = std::fs::metadata(folder.path().join("reserve/emergency")).unwrap().len();
        assert_eq!(length, settings(folder.path()).bytes_max());
        let taken = (0..).take_while(|_| reserve.append(vec![sealed()], None, vec![]).is_ok()).count();
        assert!(taken > 1_000, "{taken}");
        assert!(matches!(reserve.append(vec![sealed()], None, vec![]), Err(LogError::ReserveFull(_))));
        assert_eq!(std::fs::metadata(folder.path().join("reserve/emergency")).unwrap().len(), length);
        assert_eq!(reserve.state().entries, taken as u64);
    }

    #[test]
    fn a_drill_leaves_nothing_and_does_not_disturb_a_reserve_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = open(folder.path());
        reserve.drill().unwrap();
        assert!(reserve.held().unwrap().is_empty());
        reserve.append(vec![sealed()], None, vec![]).unwrap();
        assert!(reserve.drill().is_err());
        assert_eq!(reserve.held().unwrap().entries.len(), 1);
    }
}
