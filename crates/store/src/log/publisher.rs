//! From durable entries to tiles and checkpoints, behind the write-ahead log: nothing here keeps an answer waiting.
//!
//! Order: the entries are durable, the root is computed, the signed checkpoint replaces the last one in the lock store,
//! the tiles are written, the checkpoint is shown. A crash anywhere leaves a log that recovery brings to the same bytes.

use std::path::PathBuf;
use std::sync::Arc;

use bascule_ledger::tile::{TILE_WIDTH, entries_path, push_entry};
use bascule_ledger::{Checkpoint, Hash, NoteSigner, Tiler, leaf_hash};

use super::disk::Disk;
use super::lock::LockStore;
use super::shard::Shard;
use super::{LogError, LogSettings};
use crate::keys::{KeyStore, NewKey};

/// An entry that is durable in the write-ahead log.
#[derive(Debug, Clone)]
pub(crate) struct Durable {
    pub(crate) index: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A segment of the write-ahead log that is no longer written to.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) path: PathBuf,
    /// The shard and first index of the segment after it.
    pub(crate) next: (Shard, u64),
}

/// Grows one shard's tiles.
#[derive(Debug)]
pub(crate) struct Publisher {
    disk: Arc<dyn Disk>,
    keys: Arc<KeyStore>,
    lock: Arc<LockStore>,
    shard: Shard,
    folder: PathBuf,
    origin: String,
    signer: NoteSigner,
    tiler: Tiler,
    bundle: Vec<u8>,
    full_bundles: Vec<(u64, Vec<u8>)>,
    locked: Option<Checkpoint>,
    new_keys: Vec<NewKey>,
    ended: Vec<Ended>,
}

/// What a publisher begins with.
pub(crate) struct Start<'a> {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) keys: Arc<KeyStore>,
    pub(crate) lock: Arc<LockStore>,
    pub(crate) settings: &'a LogSettings,
    pub(crate) shard: Shard,
}

impl Publisher {
    /// Of a shard whose tree stands at `tiler`, a multiple of 256.
    pub(crate) fn new(start: Start<'_>, signer: NoteSigner, tiler: Tiler) -> Result<Self, LogError> {
        let Start { disk, keys, lock, settings, shard } = start;
        let origin = settings.origin_of(shard);
        let locked = lock.last(&origin)?.map(|(checkpoint, _)| checkpoint);
        Ok(Self {
            disk,
            keys,
            lock,
            shard,
            folder: settings.node_folder().join(shard.name()),
            origin,
            signer,
            tiler,
            bundle: Vec::new(),
            full_bundles: Vec::new(),
            locked,
            new_keys: Vec::new(),
            ended: Vec::new(),
        })
    }

    /// Takes entries in, in the order of their indexes.
    pub(crate) fn take(&mut self, entries: Vec<Durable>) -> Result<(), LogError> {
        for entry in entries {
            debug_assert_eq!(entry.index, self.tiler.size(), "the sequencer hands over every index once");
            push_entry(&mut self.bundle, &entry.bytes)?;
            self.tiler.append(leaf_hash(&entry.bytes));
            if self.tiler.size().is_multiple_of(TILE_WIDTH) {
                self.full_bundles.push((self.tiler.size() / TILE_WIDTH - 1, std::mem::take(&mut self.bundle)));
            }
        }
        Ok(())
    }

    pub(crate) fn take_keys(&mut self, keys: Vec<NewKey>) {
        self.new_keys.extend(keys);
    }

    pub(crate) fn take_ended(&mut self, ended: Ended) {
        self.ended.push(ended);
    }

    /// Takes over what the shard before has not finished: keys to store, segments to remove.
    pub(crate) fn inherit(&mut self, before: &mut Self) {
        self.new_keys.append(&mut before.new_keys);
        self.ended.append(&mut before.ended);
    }

    pub(crate) const fn size(&self) -> u64 {
        self.tiler.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.tiler.root()
    }

    pub(crate) const fn shard(&self) -> Shard {
        self.shard
    }

    /// Signs the present state, writes its tiles, shows it. The signed note, and whether anything was new.
    pub(crate) fn publish(&mut self) -> Result<Option<String>, LogError> {
        self.keys.store(&self.new_keys)?;
        self.new_keys.clear();
        let checkpoint = self.checkpoint();
        let mut shown = None;
        if self.locked.as_ref() != Some(&checkpoint) {
            let note = checkpoint.sign(&self.signer).to_string();
            if !self.lock.swap(self.locked.as_ref(), &checkpoint, &note)? {
                return Err(LogError::OtherInstance(self.origin.clone()));
            }
            self.locked = Some(checkpoint);
            self.write_tiles()?;
            self.put("checkpoint", note.as_bytes())?;
            shown = Some(note);
        }
        self.remove_ended()?;
        Ok(shown)
    }

    /// Writes key and tiles again, whatever is there, and makes them durable. Nothing is signed.
    pub(crate) fn derive(&mut self) -> Result<(), LogError> {
        self.disk.make_folder(&self.folder).map_err(LogError::file("making", &self.folder))?;
        self.put("vkey", format!("{}\n", self.signer.verifier()).as_bytes())?;
        self.write_tiles()?;
        self.sync()
    }

    /// Signs and shows the present state again, whatever is there, and makes it durable.
    pub(crate) fn show(&mut self) -> Result<String, LogError> {
        let checkpoint = self.checkpoint();
        let note = checkpoint.sign(&self.signer).to_string();
        if self.locked.as_ref() != Some(&checkpoint) {
            if !self.lock.swap(self.locked.as_ref(), &checkpoint, &note)? {
                return Err(LogError::OtherInstance(self.origin.clone()));
            }
            self.locked = Some(checkpoint);
        }
        self.put("checkpoint", note.as_bytes())?;
        self.sync()?;
        Ok(note)
    }

    /// Makes everything that was shown durable.
    pub(crate) fn sync(&self) -> Result<(), LogError> {
        self.disk.sync_everything(&self.folder).map_err(LogError::file("syncing", &self.folder))
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { origin: self.origin.clone(), size: self.tiler.size(), root: self.tiler.root() }
    }

    fn write_tiles(&mut self) -> Result<(), LogError> {
        for (index, bundle) in std::mem::take(&mut self.full_bundles) {
            self.put(&entries_path(index, 256), &bundle)?;
            self.drop_partials(&entries_path(index, 256));
        }
        for (tile, bytes) in self.tiler.take_full() {
            self.put(&tile.path(), &bytes)?;
            self.drop_partials(&tile.path());
        }
        let width = u16::try_from(self.tiler.size() % TILE_WIDTH).unwrap_or(0);
        if width > 0 {
            let path = entries_path(self.tiler.size() / TILE_WIDTH, width);
            self.put(&path, &self.bundle.clone())?;
        }
        self.tiler.partial().into_iter().try_for_each(|(tile, bytes)| self.put(&tile.path(), &bytes))
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<(), LogError> {
        let path = self.folder.join(path);
        self.disk.put(&path, bytes).map_err(LogError::file("writing", &path))
    }

    /// Partial tiles are of no use once the full one stands. What cannot be removed does no harm.
    fn drop_partials(&self, full: &str) {
        let folder = self.folder.join(format!("{full}.p"));
        for name in self.disk.list(&folder).unwrap_or_default() {
            let _ = self.disk.remove(&folder.join(name));
        }
        let _ = self.disk.remove_folder(&folder);
    }

    /// Removes segments whose entries can all be had from full, durable tiles.
    fn remove_ended(&mut self) -> Result<(), LogError> {
        let published = self.locked.as_ref().map_or(0, |locked| locked.size);
        let needless = |ended: &Ended| {
            let (shard, first) = ended.next;
            shard < self.shard || (shard == self.shard && first.next_multiple_of(TILE_WIDTH) <= published)
        };
        let count = self.ended.iter().take_while(|ended| needless(ended)).count();
        if count == 0 {
            return Ok(());
        }
        self.sync()?;
        for ended in self.ended.drain(..count) {
            self.disk.remove(&ended.path).map_err(LogError::file("removing", &ended.path))?;
        }
        Ok(())
    }
}
