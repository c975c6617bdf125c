//! The files of a log that may be shown: those that C2SP tlog-tiles names, key and cosigned checkpoint, and nothing else.

use bascule_ledger::Resource;

use super::log_of_logs::FOLDER;
use super::witness::COSIGNED_FILE;
use super::{LogSettings, Shard};

/// A file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it is text.
    pub text: bool,
    /// Whether it never changes: a tile at its width.
    pub immutable: bool,
}

/// Reads `NODE/SHARD/checkpoint`, `…/tile/0/000`, `…/vkey`; `None` for every other path.
#[must_use]
pub fn published(settings: &LogSettings, path: &str) -> Option<Published> {
    let mut parts = path.splitn(3, '/');
    let (node, shard, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let known = node == settings.node && (Shard::parse(shard).is_some() || shard == FOLDER);
    let plain = matches!(resource, "vkey" | COSIGNED_FILE);
    let named = Resource::parse(resource);
    if !known || (!plain && named.is_none()) {
        return None;
    }
    let text = plain || named == Some(Resource::Checkpoint);
    let bytes = std::fs::read(settings.folder.join(node).join(shard).join(resource)).ok()?;
    Some(Published { bytes, text, immutable: !text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_paths_of_a_log_are_read() {
        let root = tempfile::tempdir().unwrap();
        let settings = LogSettings::new(root.path(), root.path().join("lock.db"), "n1", "gw/audit");
        let shard = settings.folder.join("n1/2026q4");
        std::fs::create_dir_all(shard.join("tile/0")).unwrap();
        for name in ["checkpoint", "vkey", "tile/0/000", "secret"] {
            std::fs::write(shard.join(name), name).unwrap();
        }
        let shown = |path: &str| published(&settings, path).map(|file| (file.text, file.immutable));
        assert_eq!(shown("n1/2026q4/checkpoint"), Some((true, false)));
        assert_eq!(shown("n1/2026q4/vkey"), Some((true, false)));
        assert_eq!(shown("n1/2026q4/tile/0/000"), Some((false, true)));
        for path in [
            "n1/2026q4/secret",
            "n1/wal/000000000001.wal",
            "n1/2026q4/../wal/x",
            "n2/2026q4/checkpoint",
            "n1/2026q4/tile/0/../0/000",
            "../keys/master.key",
            "n1/2026q4",
            "",
        ] {
            assert_eq!(shown(path), None, "{path}");
        }
    }
}
