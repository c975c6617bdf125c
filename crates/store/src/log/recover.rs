//! Opening a log: what the write-ahead log holds is read, damage is told from a torn end, tiles are derived again, and the
//! result is compared with what was signed last. Then everything that is still needed is copied into a new segment and
//! synced, because after a failed sync the system's cache may show what the disk does not hold.
//!
//! Done twice, it yields the same bytes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bascule_audit::EntryId;
use bascule_fhir::Timestamp;
use bascule_ledger::note::KeyKind;
use bascule_ledger::proof::{prove_consistency, verify_consistency};
use bascule_ledger::tile::TILE_WIDTH;
use bascule_ledger::{Checkpoint, NoteSigner, TileReader, Tiler};

use super::disk::Disk;
use super::lock::LockStore;
use super::publisher::{Durable, Publisher, Start};
use super::sequencer::{Clock, OpenSegment, Sequencer, segment_name};
use super::shard::Shard;
use super::wal::{Chain, Record, SegmentHead, encode_batch, read_segment};
use super::{LogError, LogSettings};
use crate::keys::{KeyStore, NewKey, private_file};

/// What a log stands on.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) settings: LogSettings,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) keys: Arc<KeyStore>,
    pub(crate) lock: Arc<LockStore>,
}

/// A log, ready to go on.
pub(crate) struct Recovered {
    pub(crate) sequencer: Sequencer,
    pub(crate) publisher: Publisher,
    /// Entries beyond the last checkpoint.
    pub(crate) beyond: u64,
    pub(crate) torn_bytes: u64,
}

/// What the write-ahead log holds.
#[derive(Default)]
struct Found {
    shards: Vec<FoundShard>,
    open: HashMap<EntryId, Vec<u8>>,
    keys: Vec<NewKey>,
    chain: Chain,
    torn_bytes: u64,
    last_number: u64,
    paths: Vec<PathBuf>,
}

struct FoundShard {
    shard: Shard,
    first: u64,
    entries: Vec<Durable>,
}

pub(crate) fn recover(ground: &Ground, now: Timestamp) -> Result<Recovered, LogError> {
    let wal = ground.settings.wal_folder();
    ground.disk.make_folder(&wal).map_err(LogError::file("making", &wal))?;
    let mut found = read_all(ground)?;
    if found.shards.is_empty() {
        let shard = Shard::at(now);
        refuse_if_signed(ground)?;
        found.shards.push(FoundShard { shard, first: 0, entries: Vec::new() });
    }
    ground.keys.store(&found.keys)?;
    let mut last = None;
    let mut beyond = 0;
    for found_shard in found.shards.drain(..) {
        // A shard that is followed by another was synced to its end.
        if let Some((mut before, _)) = last.take() {
            Publisher::show(&mut before)?;
        }
        let (publisher, tail, unsigned) = rebuild(ground, found_shard)?;
        beyond = unsigned;
        last = Some((publisher, tail));
    }
    let (mut publisher, tail) = last.ok_or(LogError::Settings("no shard"))?;
    let torn_bytes = found.torn_bytes;
    let older = std::mem::take(&mut found.paths);
    let sequencer = restart(ground, found, &publisher, tail, now)?;
    // Only now is what will be signed durable, whatever the cache has shown so far.
    publisher.show()?;
    for path in older.iter().filter(|path| **path != sequencer.segment.path) {
        ground.disk.remove(path).map_err(LogError::file("removing", path))?;
    }
    Ok(Recovered { sequencer, publisher, beyond, torn_bytes })
}

fn read_all(ground: &Ground) -> Result<Found, LogError> {
    let folder = ground.settings.wal_folder();
    let mut names = ground.disk.list(&folder).map_err(LogError::file("listing", &folder))?;
    for unfinished in names.iter().filter(|name| !name.ends_with(".wal")) {
        let path = folder.join(unfinished);
        ground.disk.remove(&path).map_err(LogError::file("removing", &path))?;
    }
    names.retain(|name| name.ends_with(".wal"));
    names.sort();
    let read = |name: &String| {
        let path = folder.join(name);
        let bytes = ground.disk.read(&path).map_err(LogError::file("reading", &path))?;
        Ok((path, bytes))
    };
    let segments: Vec<(PathBuf, Vec<u8>)> = names.iter().map(read).collect::<Result<_, LogError>>()?;
    // A restart segment holds all that is needed of those before it, which a crash kept from being removed.
    let restarts = |(_, bytes): &(PathBuf, Vec<u8>)| SegmentHead::decode(bytes).is_some_and(|head| head.restart);
    let restart = segments.iter().rposition(restarts).unwrap_or(0);
    // Segments are removed in their order, each when nothing of it is needed; a power loss may keep an earlier removal
    // from the disk and not a later one. What stands before a gap is therefore not needed.
    let follows = |pair: &[(PathBuf, Vec<u8>)]| match pair {
        [(left, _), (right, _)] => number_of(left) + 1 == number_of(right),
        _ => true,
    };
    let gap = segments.windows(2).rposition(|pair| !follows(pair)).map_or(0, |place| place + 1);
    let from = restart.max(gap);
    let mut found = Found { paths: segments.iter().map(|(path, _)| path.clone()).collect(), ..Found::default() };
    let mut chain = None;
    let count = segments.len();
    for (place, (path, bytes)) in segments.into_iter().enumerate().skip(from) {
        let read = read_segment(&bytes, &mut chain, place + 1 == count)
            .map_err(|damage| LogError::Damaged { path: path.clone(), damage: damage.to_string() })?;
        found.torn_bytes += read.torn_bytes as u64;
        let Some(head) = read.head else { continue };
        found.last_number = head.number;
        found.take(head, read.records).map_err(|damage| LogError::Damaged { path, damage })?;
    }
    found.chain = chain.unwrap_or_default();
    Ok(found)
}

/// The number in a segment's file name.
fn number_of(path: &Path) -> u64 {
    path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()).unwrap_or(0)
}

impl Found {
    fn take(&mut self, head: SegmentHead, records: Vec<Record>) -> Result<(), String> {
        if self.shards.last().is_none_or(|last| last.shard < head.shard) {
            self.shards.push(FoundShard { shard: head.shard, first: head.first, entries: Vec::new() });
        }
        let Some(shard) = self.shards.last_mut().filter(|last| last.shard == head.shard) else {
            return Err(format!("a segment of {} follows one of a later shard", head.shard.name()));
        };
        for record in records {
            match record {
                Record::Entry { index, closes, bytes } => {
                    let expected = shard.first + shard.entries.len() as u64;
                    if index != expected {
                        return Err(format!("entry {index} stands where entry {expected} should"));
                    }
                    shard.entries.push(Durable { index, bytes });
                    closes.map(|id| self.open.remove(&id));
                }
                Record::Intent { id, bytes } => {
                    self.open.insert(id, bytes);
                }
                Record::Key(key) => self.keys.push(key),
            }
        }
        Ok(())
    }
}

/// Without a write-ahead log there must be nothing that was signed.
fn refuse_if_signed(ground: &Ground) -> Result<(), LogError> {
    let folder = ground.settings.node_folder();
    let names = ground.disk.list(&folder).map_err(LogError::file("listing", &folder))?;
    for shard in names.iter().filter_map(|name| Shard::parse(name)) {
        if signed_size(ground, shard) > 0 {
            let why = "its folder has signed checkpoints, and the write-ahead log is missing".to_owned();
            return Err(LogError::NotTheSignedLog { origin: ground.settings.origin_of(shard), why });
        }
    }
    match ground.lock.any_of(&format!("{}/{}/", ground.settings.origin, ground.settings.node))? {
        Some(origin) => Err(LogError::NotTheSignedLog {
            origin,
            why: "it was signed before, and the audit folder does not hold it".to_owned(),
        }),
        None => Ok(()),
    }
}

/// The size in the checkpoint that a shard's folder shows; 0 if it shows none.
fn signed_size(ground: &Ground, shard: Shard) -> u64 {
    let path = ground.settings.node_folder().join(shard.name()).join("checkpoint");
    let text = ground.disk.read(&path).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let note = text.and_then(|text| bascule_ledger::Note::parse(&text).ok());
    note.and_then(|note| Checkpoint::parse(&note.text).ok()).map_or(0, |checkpoint| checkpoint.size)
}

/// The signing key of a shard, made if the shard is new.
pub(crate) fn signer_of(ground: &Ground, shard: Shard, may_make: bool) -> Result<NoteSigner, LogError> {
    let path = ground.settings.signing_key_file(shard);
    let origin = ground.settings.origin_of(shard);
    if !may_make && !path.exists() {
        let why = format!("its signing key {} is missing", path.display());
        return Err(LogError::NotTheSignedLog { origin, why });
    }
    Ok(NoteSigner::from_seed(&origin, KeyKind::Ed25519, &private_file(&path)?)?)
}

/// Derives a shard's tiles again, and compares with what was signed last. Nothing is signed yet.
/// Beside the publisher: the entries of its last, partial bundle, and how many entries were not signed yet.
fn rebuild(ground: &Ground, found: FoundShard) -> Result<(Publisher, Vec<Durable>, u64), LogError> {
    let FoundShard { shard, first, entries } = found;
    let origin = ground.settings.origin_of(shard);
    let base = first.next_multiple_of(TILE_WIDTH);
    let size = first + entries.len() as u64;
    let last = ground.lock.last(&origin)?.map(|(checkpoint, _)| checkpoint);
    refuse_if_not_signed(ground, shard, &origin, last.as_ref(), base, size)?;
    let signed = last.as_ref().map_or(0, |last| last.size);
    let signer = signer_of(ground, shard, size == 0)?;
    let folder = ground.settings.node_folder().join(shard.name());
    let read = |path: &str| ground.disk.read(&folder.join(path)).ok();
    let tiler = Tiler::resume(base, read)?;
    if let Some(last) = last.as_ref().filter(|last| last.size < base) {
        check_prefix(last, base, &tiler, read)?;
    }
    let start = Start {
        disk: Arc::clone(&ground.disk),
        keys: Arc::clone(&ground.keys),
        lock: Arc::clone(&ground.lock),
        settings: &ground.settings,
        shard,
    };
    let mut publisher = Publisher::new(start, signer, tiler)?;
    let tail_from = size - size % TILE_WIDTH;
    let tail = entries.iter().filter(|entry| entry.index >= tail_from).cloned().collect();
    let (before, after): (Vec<_>, Vec<_>) =
        entries.into_iter().filter(|entry| entry.index >= base).partition(|entry| entry.index < signed);
    publisher.take(before)?;
    let same = last.as_ref().is_none_or(|last| last.size < base || last.root == publisher.root());
    if !same {
        let why = format!("its first {signed} entries are not those that were signed");
        return Err(LogError::NotTheSignedLog { origin, why });
    }
    publisher.take(after)?;
    publisher.derive()?;
    Ok((publisher, tail, size - signed))
}

fn refuse_if_not_signed(
    ground: &Ground,
    shard: Shard,
    origin: &str,
    last: Option<&Checkpoint>,
    base: u64,
    size: u64,
) -> Result<(), LogError> {
    let other = |why| Err(LogError::NotTheSignedLog { origin: origin.to_owned(), why });
    match last {
        None if base > 0 || signed_size(ground, shard) > 0 => Err(LogError::NoLock(origin.to_owned())),
        Some(last) if last.size > size => other(format!("it holds {size} entries, and {} were signed", last.size)),
        _ if base > size => other(format!("its write-ahead log begins in a bundle that it does not fill ({size})")),
        _ => Ok(()),
    }
}

/// Checks that what was signed last is a prefix of the full tiles. Only a lock store that went back comes here.
fn check_prefix(
    last: &Checkpoint,
    base: u64,
    tiler: &Tiler,
    read: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<(), LogError> {
    let proof = prove_consistency(&TileReader::new(base, read), last.size)?;
    verify_consistency(last.size, last.root, base, tiler.root(), &proof).map_err(|_| LogError::NotTheSignedLog {
        origin: last.origin.clone(),
        why: format!("its first {} entries are not those that were signed", last.size),
    })
}

/// Writes what is still needed into a new segment and makes it durable. Those before it are not needed any more.
fn restart(
    ground: &Ground,
    found: Found,
    publisher: &Publisher,
    tail: Vec<Durable>,
    now: Timestamp,
) -> Result<Sequencer, LogError> {
    let Found { open, mut chain, last_number, .. } = found;
    let size = publisher.size();
    let head = SegmentHead {
        number: last_number + 1,
        shard: publisher.shard(),
        restart: true,
        first: size - size % TILE_WIDTH,
    };
    let entries = tail.into_iter().map(|entry| Record::Entry { index: entry.index, closes: None, bytes: entry.bytes });
    let intents = open.iter().map(|(id, bytes)| Record::Intent { id: *id, bytes: bytes.clone() });
    let records: Vec<Record> = entries.chain(intents).collect();
    let segment = write_segment(ground, head, &mut chain, &records)?;
    Ok(Sequencer {
        disk: Arc::clone(&ground.disk),
        settings: ground.settings.clone(),
        shard: publisher.shard(),
        origin: ground.settings.origin_of(publisher.shard()).into(),
        next: size,
        open,
        segment,
        chain,
        clock: Clock { latest: now, seen: Instant::now() },
    })
}

fn write_segment(
    ground: &Ground,
    head: SegmentHead,
    chain: &mut Chain,
    records: &[Record],
) -> Result<OpenSegment, LogError> {
    let folder = ground.settings.wal_folder();
    let path = folder.join(segment_name(head.number));
    let unfinished = path.with_extension("new");
    let disk = ground.disk.as_ref();
    let mut bytes = head.encode();
    if !records.is_empty() {
        bytes.extend(encode_batch(chain, records));
    }
    let mut file = disk.create(&unfinished).map_err(LogError::file("creating", &unfinished))?;
    file.append(&bytes).and_then(|()| file.sync()).map_err(LogError::file("writing", &unfinished))?;
    disk.rename(&unfinished, &path).map_err(LogError::file("renaming", &path))?;
    disk.sync_folder(&folder).map_err(LogError::file("syncing", &folder))?;
    Ok(OpenSegment { number: head.number, path, file, bytes: bytes.len() as u64 })
}

/// The last checkpoint of the shard before `shard`, if there is one: origin, size and root.
pub(crate) fn previous_of(ground: &Ground, shard: Shard) -> Option<Checkpoint> {
    let folder = ground.settings.node_folder();
    let names = ground.disk.list(&folder).unwrap_or_default();
    let before = names.iter().filter_map(|name| Shard::parse(name)).filter(|other| *other < shard).max()?;
    read_checkpoint(ground.disk.as_ref(), &folder.join(before.name()))
}

fn read_checkpoint(disk: &dyn Disk, folder: &Path) -> Option<Checkpoint> {
    let text = String::from_utf8(disk.read(&folder.join("checkpoint")).ok()?).ok()?;
    Checkpoint::parse(&bascule_ledger::Note::parse(&text).ok()?.text).ok()
}
