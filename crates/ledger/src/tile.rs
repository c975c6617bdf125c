//! Names and bytes of the files of a log, as C2SP `tlog-tiles` has them.

use crate::LedgerError;
use crate::hash::Hash;

/// Hashes of a full tile, and entries of a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// The height of a tile: each level of tiles stands for this many levels of the tree.
pub const TILE_HEIGHT: u32 = 8;
/// Levels of tiles that a tree of 2^64 leaves can have.
pub const TILE_LEVELS_MAX: u8 = 8;
/// Bytes of the longest entry that a bundle can hold.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// A hash tile: which, and how many hashes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 holds leaf hashes; level n + 1 holds the roots of the full tiles of level n.
    pub level: u8,
    /// Which one of its level, from 0.
    pub index: u64,
    /// 1 to 256.
    pub width: u16,
}

impl TileId {
    /// `tile/<level>/<index>` and, for a partial tile, `.p/<width>`.
    #[must_use]
    pub fn path(self) -> String {
        format!("tile/{}/{}", self.level, numbered(self.index, self.width))
    }

    /// Whether it holds all its 256 hashes.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.width as u64 == TILE_WIDTH
    }
}

/// `tile/entries/<index>` and, for a partial bundle, `.p/<width>`.
#[must_use]
pub fn entries_path(index: u64, width: u16) -> String {
    format!("tile/entries/{}", numbered(index, width))
}

/// A file that a log serves. What is not one of these is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// `checkpoint`
    Checkpoint,
    /// `tile/<level>/…`
    Tile(TileId),
    /// `tile/entries/…`
    Entries {
        /// Which bundle, from 0.
        index: u64,
        /// 1 to 256.
        width: u16,
    },
}

impl Resource {
    /// Reads a path. `None` unless it is exactly the path that the log itself would write.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        if path == "checkpoint" {
            return Some(Self::Checkpoint);
        }
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = parse_numbered(rest)?;
        let resource = if level == "entries" {
            Self::Entries { index, width }
        } else {
            let level = level.parse().ok().filter(|level| *level < TILE_LEVELS_MAX)?;
            Self::Tile(TileId { level, index, width })
        };
        (resource.path() == path).then_some(resource)
    }

    /// Its path below the log's prefix.
    #[must_use]
    pub fn path(self) -> String {
        match self {
            Self::Checkpoint => "checkpoint".to_owned(),
            Self::Tile(tile) => tile.path(),
            Self::Entries { index, width } => entries_path(index, width),
        }
    }
}

fn numbered(index: u64, width: u16) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if u64::from(width) < TILE_WIDTH { format!("{path}.p/{width}") } else { path }
}

fn parse_numbered(text: &str) -> Option<(u64, u16)> {
    let (number, width) = match text.split_once(".p/") {
        Some((number, width)) => (number, width.parse().ok().filter(|width| (1..256).contains(width))?),
        None => (text, 256),
    };
    let mut index = 0_u64;
    for group in number.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    Some((index, width))
}

/// Appends `entry` to the bytes of a bundle: two bytes of length, then the entry.
///
/// # Errors
/// `EntryTooLong` above 65,535 bytes.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), LedgerError> {
    let length = u16::try_from(entry.len()).map_err(|_| LedgerError::EntryTooLong(entry.len()))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle.
///
/// # Errors
/// `Malformed` if it ends within an entry.
pub fn entries_of(mut bundle: &[u8]) -> Result<Vec<&[u8]>, LedgerError> {
    let short = || LedgerError::malformed("entry bundle", "it ends within an entry");
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        let (length, rest) = bundle.split_first_chunk::<2>().ok_or_else(short)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        entries.push(entry);
        bundle = rest;
    }
    Ok(entries)
}

/// The hashes of a tile.
///
/// # Errors
/// `Malformed` if it is not a whole number of hashes.
pub fn hashes_of(tile: &[u8]) -> Result<Vec<Hash>, LedgerError> {
    let (chunks, rest) = tile.as_chunks::<{ Hash::BYTES }>();
    if !rest.is_empty() {
        return Err(LedgerError::malformed("tile", "not a whole number of hashes"));
    }
    Ok(chunks.iter().copied().map(Hash).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, resource: Option<Resource>) {
        assert_eq!(Resource::parse(path), resource, "{path}");
        if let Some(resource) = resource {
            assert_eq!(resource.path(), path);
        }
    }

    #[test]
    fn paths_are_those_of_the_standard() {
        check("checkpoint", Some(Resource::Checkpoint));
        check("tile/0/x001/x234/067", Some(Resource::Tile(TileId { level: 0, index: 1_234_067, width: 256 })));
        check("tile/1/000.p/255", Some(Resource::Tile(TileId { level: 1, index: 0, width: 255 })));
        check("tile/entries/x001/000.p/1", Some(Resource::Entries { index: 1000, width: 1 }));
    }

    #[test]
    fn other_spellings_of_a_path_are_refused() {
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/0",
            "tile/0/x000/001",
            "tile/00/001",
            "tile/9/001",
            "tile/0/001.p/256",
            "tile/0/001.p/0",
            "tile/0/001.p/01",
            "tile/0/../../vkey",
            "tile/entries/x001",
            "tile/0/+01",
            "vkey",
            "/checkpoint",
            "tile/0/x1/001",
            "tile/0/001/002",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn bundles_go_round_and_a_cut_one_is_refused() {
        let mut bundle = Vec::new();
        push_entry(&mut bundle, b"one").unwrap();
        push_entry(&mut bundle, b"").unwrap();
        push_entry(&mut bundle, &[7; 65_535]).unwrap();
        assert_eq!(entries_of(&bundle).unwrap(), [b"one".as_slice(), b"", &[7; 65_535]]);
        assert!(entries_of(&bundle[..bundle.len() - 1]).is_err());
        assert_eq!(push_entry(&mut bundle, &[7; 65_536]), Err(LedgerError::EntryTooLong(65_536)));
    }
}
