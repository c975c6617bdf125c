//! Growing a tree into tiles, and reading nodes of a tree out of tiles.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::LedgerError;
use crate::frontier::Frontier;
use crate::hash::{Hash, node_hash};
use crate::tile::{TILE_HEIGHT, TILE_LEVELS_MAX, TILE_WIDTH, TileId, hashes_of};

/// Grows a tree: tells the root, and the tiles as they fill.
#[derive(Debug, Clone, Default)]
pub struct Tiler {
    frontier: Frontier,
    /// The hashes of the last, partial tile of each level.
    edges: Vec<Vec<Hash>>,
    full: Vec<(TileId, Vec<u8>)>,
}

impl Tiler {
    /// Of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of a tree of `size` leaves, a multiple of 256, whose full tiles can be read.
    ///
    /// # Errors
    /// `Missing` if one of the full tiles at the right edge is not there; `OutOfRange` if `size` is no multiple of 256.
    pub fn resume<R: Fn(&str) -> Option<Vec<u8>>>(size: u64, read: R) -> Result<Self, LedgerError> {
        if !size.is_multiple_of(TILE_WIDTH) {
            return Err(LedgerError::OutOfRange { index: size, size });
        }
        let reader = TileReader::new(size, read);
        let mut edges = Vec::new();
        for level in 0..u32::from(TILE_LEVELS_MAX) {
            let nodes = size.checked_shr(level * TILE_HEIGHT).unwrap_or(0);
            let first = nodes - nodes % TILE_WIDTH;
            edges.push((first..nodes).map(|index| reader.rebuilt(level, index)).collect::<Result<_, _>>()?);
        }
        let peaks = peaks_of(size).map(|(height, index)| reader.node(height, index)).collect::<Result<_, _>>()?;
        let frontier = Frontier::from_peaks(size, peaks).ok_or(LedgerError::OutOfRange { index: size, size })?;
        Ok(Self { frontier, edges, full: Vec::new() })
    }

    /// Appends a leaf.
    pub fn append(&mut self, leaf: Hash) {
        let Self { frontier, edges, full } = self;
        let size = frontier.size() + 1;
        frontier.append(leaf, |height, hash| {
            if height % TILE_HEIGHT == 0 {
                push_edge(edges, full, size, height / TILE_HEIGHT, hash);
            }
        });
    }

    /// How many leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root of the tree so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The tiles that have become full since the last call, in the order of their filling.
    pub fn take_full(&mut self) -> Vec<(TileId, Vec<u8>)> {
        std::mem::take(&mut self.full)
    }

    /// The partial tiles of the tree at its present size.
    #[must_use]
    pub fn partial(&self) -> Vec<(TileId, Vec<u8>)> {
        let tile = |(level, hashes): (usize, &Vec<Hash>)| {
            let level = u8::try_from(level).ok()?;
            let width = u16::try_from(hashes.len()).ok()?;
            let index = self.size().checked_shr(u32::from(level) * TILE_HEIGHT).unwrap_or(0) / TILE_WIDTH;
            (width > 0).then(|| (TileId { level, index, width }, bytes_of(hashes)))
        };
        self.edges.iter().enumerate().filter_map(tile).collect()
    }
}

fn push_edge(edges: &mut Vec<Vec<Hash>>, full: &mut Vec<(TileId, Vec<u8>)>, size: u64, level: u32, hash: Hash) {
    let place = level as usize;
    if edges.len() <= place {
        edges.resize(place + 1, Vec::new());
    }
    let Some(edge) = edges.get_mut(place) else { return };
    edge.push(hash);
    if edge.len() as u64 == TILE_WIDTH {
        let index = (size >> (level * TILE_HEIGHT)) / TILE_WIDTH - 1;
        // A level is at most 7: 2^64 leaves fill no eighth.
        full.push((TileId { level: u8::try_from(level).unwrap_or(u8::MAX), index, width: 256 }, bytes_of(edge)));
        edge.clear();
    }
}

fn bytes_of(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The complete subtrees of a tree of `size`, the largest first, as (height, index).
pub(crate) fn peaks_of(size: u64) -> impl Iterator<Item = (u32, u64)> {
    (0..u64::BITS).rev().filter(move |height| size >> height & 1 == 1).map(move |height| (height, (size >> height) - 1))
}

/// Reads nodes of a tree of a given size out of its tiles, through a function from path to bytes.
///
/// The tiles are not trusted: what comes out is believed only as far as it leads to a signed root.
pub struct TileReader<R> {
    size: u64,
    read: R,
    cache: RefCell<HashMap<(u32, u64), Vec<Hash>>>,
}

/// Tiles that a reader keeps at hand, each at most 8 KB.
const TILES_KEPT_MAX: usize = 64;

impl<R: Fn(&str) -> Option<Vec<u8>>> TileReader<R> {
    /// Over a tree of `size` leaves.
    pub fn new(size: u64, read: R) -> Self {
        Self { size, read, cache: RefCell::default() }
    }

    /// The number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The hash of the complete subtree of `height`, the `index`th from the left.
    ///
    /// # Errors
    /// `OutOfRange` if the tree does not hold it, `Missing` or `Malformed` if its tile cannot be read.
    pub fn node(&self, height: u32, index: u64) -> Result<Hash, LedgerError> {
        let outside = LedgerError::OutOfRange { index, size: self.size };
        let end = index.checked_add(1).and_then(|end| end.checked_mul(1 << height.min(63)));
        if end.is_none_or(|end| end > self.size) {
            return Err(outside);
        }
        let level = height / TILE_HEIGHT;
        let above = height % TILE_HEIGHT;
        let first = index << above;
        self.with_tile(level, first / TILE_WIDTH, |hashes| {
            let start = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
            hashes.get(start..start.saturating_add(1 << above)).map(subtree)
        })?
        .ok_or(outside)
    }

    /// Bytes of the bundle that holds entry `index`, at the width that this size gives it, or the full one.
    ///
    /// # Errors
    /// `Missing` if it is not there.
    pub fn bundle(&self, index: u64) -> Result<Vec<u8>, LedgerError> {
        let width = width_at(self.size, index);
        let path = crate::tile::entries_path(index, width);
        (self.read)(&path)
            .or_else(|| (self.read)(&crate::tile::entries_path(index, 256)))
            .ok_or(LedgerError::Missing(path))
    }

    /// The bytes of entry `index`.
    ///
    /// # Errors
    /// `OutOfRange`, `Missing` or `Malformed`.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, LedgerError> {
        if index >= self.size {
            return Err(LedgerError::OutOfRange { index, size: self.size });
        }
        let bundle = self.bundle(index / TILE_WIDTH)?;
        let place = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        let entries = crate::tile::entries_of(&bundle)?;
        let short = || LedgerError::Missing(crate::tile::entries_path(index / TILE_WIDTH, 256));
        entries.get(place).map(|entry| entry.to_vec()).ok_or_else(short)
    }

    /// The tile's bytes as they are stored, at its own width or out of the full tile.
    pub(crate) fn stored(&self, tile: TileId) -> Result<Vec<u8>, LedgerError> {
        let bytes = usize::from(tile.width) * Hash::BYTES;
        let own = (self.read)(&tile.path()).filter(|own| own.len() == bytes);
        let cut = || {
            let full = (self.read)(&TileId { width: 256, ..tile }.path())?;
            full.get(..bytes).map(<[u8]>::to_vec)
        };
        own.or_else(cut).ok_or_else(|| LedgerError::Missing(tile.path()))
    }

    /// A node at the foot of a tile, computed from the full tile below it, so that no partial tile is needed.
    fn rebuilt(&self, level: u32, index: u64) -> Result<Hash, LedgerError> {
        match level.checked_sub(1) {
            None => self.node(0, index),
            Some(below) => self.with_tile(below, index, subtree),
        }
    }

    fn with_tile<T>(&self, level: u32, index: u64, use_it: impl FnOnce(&[Hash]) -> T) -> Result<T, LedgerError> {
        let mut cache = self.cache.borrow_mut();
        if let Some(hashes) = cache.get(&(level, index)) {
            return Ok(use_it(hashes));
        }
        let width = width_at(self.size >> (level * TILE_HEIGHT), index);
        let level_byte = u8::try_from(level).unwrap_or(u8::MAX);
        let tile = TileId { level: level_byte, index, width };
        // The last tile of a level may stand only as the tiles below it (see `Tiler::resume`).
        let hashes = match self.stored(tile) {
            Ok(bytes) => hashes_of(&bytes)?,
            Err(missing) if level == 0 || tile.is_full() => return Err(missing),
            Err(_) => {
                drop(cache);
                let first = index * TILE_WIDTH;
                let rebuilt = (first..first + u64::from(width))
                    .map(|node| self.rebuilt(level, node))
                    .collect::<Result<_, _>>()?;
                cache = self.cache.borrow_mut();
                rebuilt
            }
        };
        if cache.len() >= TILES_KEPT_MAX {
            cache.clear();
        }
        Ok(use_it(cache.entry((level, index)).or_insert(hashes)))
    }
}

/// How many of the 256 nodes of tile `index` a level of `nodes` nodes has.
fn width_at(nodes: u64, index: u64) -> u16 {
    let left = nodes.saturating_sub(index.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
    u16::try_from(left).unwrap_or(256)
}

/// The root of a complete subtree of 2^n hashes.
fn subtree(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::empty_root(),
        [one] => *one,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            node_hash(subtree(left), subtree(right))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use crate::tile::{entries_path, push_entry};

    /// A log in memory: each file by its path.
    #[derive(Default, Clone)]
    pub(crate) struct MemoryLog {
        pub(crate) files: HashMap<String, Vec<u8>>,
        pub(crate) tiler: Tiler,
        bundle: Vec<u8>,
    }

    impl MemoryLog {
        pub(crate) fn of_size(size: u64) -> Self {
            let mut log = Self::default();
            (0..size).for_each(|index| log.append(format!("entry {index}").as_bytes()));
            log.publish();
            log
        }

        pub(crate) fn append(&mut self, entry: &[u8]) {
            self.tiler.append(leaf_hash(entry));
            push_entry(&mut self.bundle, entry).unwrap();
            if self.tiler.size().is_multiple_of(256) {
                let bundle = std::mem::take(&mut self.bundle);
                self.files.insert(entries_path(self.tiler.size() / 256 - 1, 256), bundle);
            }
        }

        pub(crate) fn publish(&mut self) {
            let tiles = self.tiler.take_full().into_iter().chain(self.tiler.partial());
            self.files.extend(tiles.map(|(tile, bytes)| (tile.path(), bytes)));
            let size = self.tiler.size();
            if !size.is_multiple_of(256) {
                let path = entries_path(size / 256, u16::try_from(size % 256).unwrap());
                self.files.insert(path, self.bundle.clone());
            }
        }

        pub(crate) fn read(&self) -> impl Fn(&str) -> Option<Vec<u8>> {
            |path: &str| self.files.get(path).cloned()
        }
    }

    #[test]
    fn a_resumed_tiler_goes_on_as_if_it_had_never_stopped() {
        for size in [0, 256, 512, 65_536, 65_536 + 256, 66_048] {
            let mut log = MemoryLog::of_size(size);
            log.files.retain(|path, _| !path.contains(".p/"));
            let mut resumed = Tiler::resume(size, log.read()).unwrap();
            assert_eq!(resumed.root(), log.tiler.root(), "{size}");
            for index in 0..300_u32 {
                let leaf = leaf_hash(&index.to_be_bytes());
                resumed.append(leaf);
                log.tiler.append(leaf);
            }
            assert_eq!(resumed.take_full(), log.tiler.take_full());
            assert_eq!(resumed.partial(), log.tiler.partial());
            assert_eq!(resumed.root(), log.tiler.root());
        }
    }

    #[test]
    fn resuming_without_a_tile_says_which() {
        let mut log = MemoryLog::of_size(512);
        log.files.remove("tile/0/001");
        assert_eq!(Tiler::resume(512, log.read()).unwrap_err(), LedgerError::Missing("tile/0/001".into()));
        assert!(Tiler::resume(300, log.read()).is_err());
    }

    #[test]
    fn an_entry_is_found_at_its_index() {
        let log = MemoryLog::of_size(600);
        let reader = TileReader::new(600, log.read());
        for index in [0, 255, 256, 511, 512, 599] {
            assert_eq!(reader.entry(index).unwrap(), format!("entry {index}").into_bytes());
        }
        assert!(reader.entry(600).is_err());
        assert!(reader.node(9, 1).is_err());
    }
}
