//! The log of logs: a small log of its own beside a node's shards, whose entries say which shards there were: opened with which
//! key, closed at which size and root, key destroyed, entries deleted after retention. Who follows this one origin learns of every
//! shard, and a shard that disappears is missed.
//!
//! It is brought up to date from what lies on the disk, at each start and at each turn of a quarter, so that a crash between an
//! event and its entry loses nothing. Entries are few: each write is made durable whole.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bascule_fhir::Timestamp;
use bascule_ledger::note::KeyKind;
use bascule_ledger::tile::{TILE_WIDTH, entries_path, push_entry};
use bascule_ledger::{Checkpoint, NoteSigner, TileReader, Tiler, leaf_hash};
use serde::{Deserialize, Serialize};

use super::recover::Ground;
use super::shard::Shard;
use super::{LogError, LogSettings};
use crate::keys::private_file;

/// Its folder, beside the shards; also the last part of its origin.
pub const FOLDER: &str = "logs";

/// What happened to a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happened {
    /// It began, with this key.
    Open,
    /// It ended, at this size and root.
    Close,
    /// Its signing key was destroyed.
    KeyDestroyed,
    /// Its entries were deleted after retention; checkpoint and key are kept.
    Dropped,
}

/// An entry. Fields stand in the order of their names, so that the bytes are canonical (RFC 8785).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEvent {
    /// Microseconds since 1970 at which it was written down.
    pub at: i64,
    /// What happened.
    pub event: Happened,
    /// To which shard.
    pub origin: String,
    /// Its root at its end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub root: Option<String>,
    /// Its size at its end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub size: Option<u64>,
    /// Of the form.
    pub v: u64,
    /// Its verifier key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vkey: Option<String>,
}

/// The origin of a node's log of logs.
pub(crate) fn origin_of(settings: &LogSettings) -> String {
    format!("{}/{}/{FOLDER}", settings.origin, settings.node)
}

/// Writes down what happened to shards and is not written down yet.
pub(crate) fn bring_up_to_date(ground: &Ground, now: Timestamp) -> Result<(), LogError> {
    let mut log = Small::open(ground)?;
    let told = log.told()?;
    let wanted = wanted(ground, &told, now)?;
    log.append(ground, &wanted)
}

/// A log that is small enough to be read whole.
struct Small {
    folder: PathBuf,
    origin: String,
    signer: NoteSigner,
    last: Option<Checkpoint>,
    entries: Vec<Vec<u8>>,
}

impl Small {
    fn open(ground: &Ground) -> Result<Self, LogError> {
        let settings = &ground.settings;
        let folder = settings.node_folder().join(FOLDER);
        let origin = origin_of(settings);
        let seed = private_file(&settings.keys_folder.join(format!("{}-{FOLDER}.key", settings.node)))?;
        let signer = NoteSigner::from_seed(&origin, KeyKind::Ed25519, &seed)?;
        let last = ground.lock.last(&origin)?;
        let mut log = Self { folder, origin, signer, last: None, entries: Vec::new() };
        let Some((checkpoint, note)) = last else {
            let shown = ground.disk.read(&log.folder.join("checkpoint")).is_ok();
            return if shown { Err(LogError::NoLock(log.origin)) } else { Ok(log) };
        };
        let reader = TileReader::new(checkpoint.size, |path: &str| ground.disk.read(&log.folder.join(path)).ok());
        log.entries = (0..checkpoint.size).map(|index| reader.entry(index)).collect::<Result<_, _>>()?;
        drop(reader);
        let mut tiler = Tiler::new();
        log.entries.iter().for_each(|entry| tiler.append(leaf_hash(entry)));
        if tiler.root() != checkpoint.root {
            let why = "its entries are not those that were signed".to_owned();
            return Err(LogError::NotTheSignedLog { origin: log.origin, why });
        }
        // A crash may have come between the lock store and the file.
        log.put(ground, "checkpoint", note.as_bytes())?;
        log.last = Some(checkpoint);
        Ok(log)
    }

    fn told(&self) -> Result<Vec<LogEvent>, LogError> {
        let read = |entry: &Vec<u8>| {
            serde_json::from_slice(entry)
                .map_err(|error| bascule_audit::AuditError::Malformed(error.to_string()).into())
        };
        self.entries.iter().map(read).collect()
    }

    /// Entries and tiles first, durable; then the lock store; then the checkpoint.
    fn append(&mut self, ground: &Ground, events: &[LogEvent]) -> Result<(), LogError> {
        if events.is_empty() && self.last.is_some() {
            return Ok(());
        }
        for event in events {
            let bytes =
                serde_json::to_vec(event).map_err(|error| bascule_audit::AuditError::Malformed(error.to_string()))?;
            self.entries.push(bytes);
        }
        ground.disk.make_folder(&self.folder).map_err(LogError::file("making", &self.folder))?;
        self.put(ground, "vkey", format!("{}\n", self.signer.verifier()).as_bytes())?;
        let mut tiler = Tiler::new();
        let mut bundle = Vec::new();
        for (index, entry) in (0_u64..).zip(&self.entries) {
            push_entry(&mut bundle, entry)?;
            tiler.append(leaf_hash(entry));
            if (index + 1).is_multiple_of(TILE_WIDTH) {
                self.put(ground, &entries_path(index / TILE_WIDTH, 256), &std::mem::take(&mut bundle))?;
            }
        }
        let width = u16::try_from(tiler.size() % TILE_WIDTH).unwrap_or(0);
        if width > 0 {
            self.put(ground, &entries_path(tiler.size() / TILE_WIDTH, width), &bundle)?;
        }
        for (tile, bytes) in tiler.take_full().into_iter().chain(tiler.partial()) {
            self.put(ground, &tile.path(), &bytes)?;
        }
        self.sync(ground)?;
        let checkpoint = Checkpoint { origin: self.origin.clone(), size: tiler.size(), root: tiler.root() };
        let note = checkpoint.sign(&self.signer).to_string();
        if !ground.lock.swap(self.last.as_ref(), &checkpoint, &note)? {
            return Err(LogError::OtherInstance(self.origin.clone()));
        }
        self.last = Some(checkpoint);
        self.put(ground, "checkpoint", note.as_bytes())?;
        self.sync(ground)
    }

    fn put(&self, ground: &Ground, path: &str, bytes: &[u8]) -> Result<(), LogError> {
        let path = self.folder.join(path);
        ground.disk.put(&path, bytes).map_err(LogError::file("writing", &path))
    }

    fn sync(&self, ground: &Ground) -> Result<(), LogError> {
        ground.disk.sync_everything(&self.folder).map_err(LogError::file("syncing", &self.folder))
    }
}

/// The events that the disk shows and the log does not tell.
fn wanted(ground: &Ground, told: &[LogEvent], now: Timestamp) -> Result<Vec<LogEvent>, LogError> {
    let node = ground.settings.node_folder();
    let shards = |folder: &PathBuf| -> Result<Vec<Shard>, LogError> {
        let names = ground.disk.list(folder).map_err(LogError::file("listing", folder))?;
        let mut shards: Vec<Shard> = names.iter().filter_map(|name| Shard::parse(name)).collect();
        shards.sort_unstable();
        Ok(shards)
    };
    let (present, retired) = (shards(&node)?, shards(&node.join("retired"))?);
    let has = |origin: &str, what: Happened| told.iter().any(|event| event.origin == origin && event.event == what);
    let mut found: BTreeMap<Shard, Vec<LogEvent>> = BTreeMap::new();
    let newest = present.last().copied();
    for shard in present.iter().chain(&retired).copied() {
        let dropped = !present.contains(&shard);
        let folder = if dropped { node.join("retired") } else { node.clone() }.join(shard.name());
        let origin = ground.settings.origin_of(shard);
        let read = |name: &str| {
            let path = folder.join(name);
            let bytes = ground.disk.read(&path).map_err(LogError::file("reading", &path))?;
            Ok::<_, LogError>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let event = |event| LogEvent {
            at: now.micros(),
            event,
            origin: origin.clone(),
            root: None,
            size: None,
            v: 1,
            vkey: None,
        };
        let events = found.entry(shard).or_default();
        if !has(&origin, Happened::Open) {
            events.push(LogEvent { vkey: Some(read("vkey")?.trim().to_owned()), ..event(Happened::Open) });
        }
        if Some(shard) == newest && !dropped {
            continue;
        }
        if !has(&origin, Happened::Close) {
            let last = Checkpoint::parse(&bascule_ledger::Note::parse(&read("checkpoint")?)?.text)?;
            let root = Some(last.root.to_base64());
            events.push(LogEvent { root, size: Some(last.size), ..event(Happened::Close) });
        }
        if !ground.settings.signing_key_file(shard).exists() && !has(&origin, Happened::KeyDestroyed) {
            events.push(event(Happened::KeyDestroyed));
        }
        if dropped && !has(&origin, Happened::Dropped) {
            events.push(event(Happened::Dropped));
        }
    }
    for event in told.iter().filter(|event| event.event == Happened::Open) {
        let here = present.iter().chain(&retired).any(|shard| ground.settings.origin_of(*shard) == event.origin);
        if !here {
            let why = "the log of logs names it, and it is neither here nor deleted after retention".to_owned();
            return Err(LogError::NotTheSignedLog { origin: event.origin.clone(), why });
        }
    }
    Ok(found.into_values().flatten().collect())
}
