//! The disk of the simulation.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::log::disk::{Appending, Disk};

/// A small generator of pseudo-random numbers (xorshift64*), so that a history is its seed.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16;
        usize::try_from(mixed).unwrap() % bound.max(1)
    }

    pub(super) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fault {
    #[default]
    None,
    /// The machine stops before operation n; nothing works afterwards.
    StopAt(usize),
    /// Operation n fails, and what it was to make durable never will be.
    FailAt(usize),
}

/// How honest a sync is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sync {
    #[default]
    Honest,
    /// It says yes and does nothing.
    Lies,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    data: Vec<u8>,
    /// Bytes that survive a power loss.
    durable: usize,
    /// After a failed sync the system believes these bytes to be written; later syncs pass them over.
    poisoned: Option<usize>,
}

#[derive(Debug, Clone, Default)]
struct State {
    inodes: Vec<Inode>,
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    folders: HashSet<PathBuf>,
    operations: usize,
    fault: Fault,
    sync: Sync,
    stopped: bool,
}

/// A disk in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct SimulatedDisk(Arc<Mutex<State>>);

impl SimulatedDisk {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock().unwrap();
        state.begin()?;
        act(&mut state)
    }

    pub(super) fn set_fault(&self, fault: Fault) {
        let mut state = self.0.lock().unwrap();
        (state.fault, state.operations, state.stopped) = (fault, 0, false);
    }

    pub(super) fn set_sync(&self, sync: Sync) {
        self.0.lock().unwrap().sync = sync;
    }

    pub(super) fn operations(&self) -> usize {
        self.0.lock().unwrap().operations
    }

    /// The process ends; the machine goes on, and its cache with it.
    pub(super) fn restart_process(&self) {
        self.set_fault(Fault::None);
    }

    /// The power is gone: of what was not synced, any part may have reached the disk.
    pub(super) fn lose_power(&self, chance: &mut Chance) {
        let mut state = self.0.lock().unwrap();
        let mut names = state.durable.clone();
        let changed: Vec<PathBuf> = state.live.keys().chain(state.durable.keys()).cloned().collect();
        for path in changed {
            // Each change of a name that no folder sync covered may have come through, or not.
            if state.live.get(&path) != state.durable.get(&path) && chance.one_in(2) {
                match state.live.get(&path) {
                    Some(inode) => names.insert(path, *inode),
                    None => names.remove(&path),
                };
            }
        }
        for inode in &mut state.inodes {
            let under_way = inode.data.len() - inode.durable;
            let kept = inode.durable + chance.below(under_way + 1);
            inode.data.truncate(kept);
            if kept > inode.durable && chance.one_in(3) {
                // A block that was allocated and not written reads as zeroes.
                let from = inode.durable + chance.below(kept - inode.durable);
                inode.data[from..].fill(0);
            }
            (inode.durable, inode.poisoned) = (inode.data.len(), None);
        }
        state.live.clone_from(&names);
        state.durable = names;
        (state.fault, state.operations, state.stopped) = (Fault::None, 0, false);
    }

    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.0.lock().unwrap();
        state.live.iter().map(|(path, inode)| (path.clone(), state.inodes[*inode].data.clone())).collect()
    }

    /// A disk with the same content that goes its own way.
    pub(super) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }
}

impl State {
    fn begin(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.stopped || self.fault == Fault::StopAt(self.operations) {
            self.stopped = true;
            return Err(io::Error::other("the machine has stopped"));
        }
        Ok(())
    }

    fn fails(&self) -> bool {
        self.fault == Fault::FailAt(self.operations)
    }

    fn fail<T>(&self) -> io::Result<T> {
        Err(io::Error::other("input/output error"))
    }

    fn sync_inode(&mut self, number: usize) {
        let inode = &mut self.inodes[number];
        if self.sync == Sync::Honest {
            inode.durable = inode.poisoned.unwrap_or(inode.data.len());
        }
    }

    fn add(&mut self, path: &Path) -> usize {
        self.inodes.push(Inode::default());
        self.live.insert(path.to_owned(), self.inodes.len() - 1);
        self.inodes.len() - 1
    }
}

impl Disk for SimulatedDisk {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        self.with(|state| {
            state.folders.insert(folder.to_owned());
            Ok(())
        })
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appending>> {
        let inode = self.with(|state| {
            if state.fails() {
                return state.fail();
            }
            if state.live.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Ok(state.add(path))
        })?;
        Ok(Box::new(SimulatedFile { disk: self.clone(), inode }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.0.lock().unwrap();
        let inode = state.live.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.inodes[*inode].data.clone())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.0.lock().unwrap();
        let below = state.live.keys().filter_map(|path| path.strip_prefix(folder).ok());
        let mut names: Vec<String> =
            below.filter_map(|path| path.iter().next()).map(|name| name.to_string_lossy().into_owned()).collect();
        names.dedup();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with(|state| {
            if state.fails() {
                return state.fail();
            }
            let inode = state.live.remove(from).ok_or(io::ErrorKind::NotFound)?;
            state.live.insert(to.to_owned(), inode);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.with(|state| {
            if state.fails() {
                return state.fail();
            }
            state.live.remove(path);
            Ok(())
        })
    }

    fn remove_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.with(|state| {
            if state.fails() {
                return state.fail();
            }
            if state.sync == Sync::Lies {
                return Ok(());
            }
            let within = |path: &Path| path.parent() == Some(folder);
            state.durable.retain(|path, _| !within(path));
            let now: Vec<_> =
                state.live.iter().filter(|(path, _)| within(path)).map(|(p, i)| (p.clone(), *i)).collect();
            state.durable.extend(now);
            Ok(())
        })
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.with(|state| {
            if state.fails() {
                return state.fail();
            }
            let inode = state.add(path);
            state.inodes[inode].data = bytes.to_vec();
            Ok(())
        })
    }

    fn sync_everything(&self, _: &Path) -> io::Result<()> {
        self.with(|state| {
            if state.fails() {
                return state.fail();
            }
            if state.sync == Sync::Honest {
                (0..state.inodes.len()).for_each(|inode| state.sync_inode(inode));
                state.durable = state.live.clone();
            }
            Ok(())
        })
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    inode: usize,
}

impl Appending for SimulatedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.with(|state| {
            let inode = &mut state.inodes[self.inode];
            if state.fault == Fault::FailAt(state.operations) {
                // Half of it was written before the error.
                inode.data.extend(&bytes[..bytes.len() / 2]);
                return Err(io::Error::other("no space left on device"));
            }
            inode.data.extend(bytes);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.with(|state| {
            if state.fails() {
                let inode = &mut state.inodes[self.inode];
                inode.poisoned = Some(inode.durable);
                return state.fail();
            }
            state.sync_inode(self.inode);
            Ok(())
        })
    }
}
