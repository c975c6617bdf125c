//! The demo's folder: where each thing lies, and how to start over without taking anything else away.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file that says that a folder is a demo's, so that `--fresh` never empties another.
const MARKER: &str = "THIS-IS-A-BASCULE-DEMO";

/// A demo's folder.
#[derive(Debug, Clone)]
pub(crate) struct DemoFolder {
    /// Absolute.
    pub(crate) root: PathBuf,
}

impl DemoFolder {
    /// Finds or makes it; `fresh` starts over.
    pub(crate) fn open(root: &Path, fresh: bool) -> Result<Self, String> {
        let said = |error: std::io::Error| format!("{}: {error}", root.display());
        let marker = root.join(MARKER);
        if root.exists() && !marker.exists() && std::fs::read_dir(root).map_err(said)?.next().is_some() {
            return Err(format!(
                "{} is not a demo's folder and not empty; choose another with --data DIR",
                root.display()
            ));
        }
        if fresh && marker.exists() {
            std::fs::remove_dir_all(root).map_err(said)?;
        }
        for folder in ["", "data", "data/audit", "lock", "policy", "tls", "ehr", "keys"] {
            std::fs::create_dir_all(root.join(folder)).map_err(said)?;
        }
        std::fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o700)).map_err(said)?;
        std::fs::write(&marker, "`bascule demo --fresh` removes this folder.\n").map_err(said)?;
        Ok(Self { root: std::fs::canonicalize(root).map_err(said)? })
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("demo.json")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.root.join("bascule.toml")
    }

    pub(crate) fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    pub(crate) fn ehr(&self) -> PathBuf {
        self.root.join("ehr/ehr.db")
    }

    pub(crate) fn laboratory(&self) -> PathBuf {
        self.root.join("ehr/laboratory.db")
    }

    pub(crate) fn ehr_bearer(&self) -> PathBuf {
        self.root.join("ehr/bearer")
    }

    pub(crate) fn key(&self, client: &str) -> PathBuf {
        self.root.join("keys").join(format!("{client}.pem"))
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = file.with_extension("part");
    let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    std::fs::rename(&part, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_other_things_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
        let refused = DemoFolder::open(folder.path(), true).unwrap_err();
        assert!(refused.contains("not a demo's folder"), "{refused}");
        assert!(folder.path().join("thesis.txt").exists());
    }

    #[test]
    fn fresh_starts_over_and_a_plain_start_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("demo");
        let first = DemoFolder::open(&root, false).unwrap();
        std::fs::write(first.state(), "{}").unwrap();
        assert!(DemoFolder::open(&root, false).unwrap().state().exists());
        assert!(!DemoFolder::open(&root, true).unwrap().state().exists());
    }
}
