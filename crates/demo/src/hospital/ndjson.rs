//! A hospital on disk: one NDJSON file per resource type, as Bulk Data writes them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Hospital;

/// Why a hospital could not be written.
#[derive(Debug, thiserror::Error)]
pub enum NdjsonError {
    /// The folder or a file could not be made or written.
    #[error("cannot write {path}: {source}; is the disk full, or the folder not yours?")]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of that name is there already, and nothing of it was changed.
    #[error("{path} exists already; choose another folder, or remove it first")]
    Exists {
        /// Which one.
        path: PathBuf,
    },
}

/// How far the writing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Resources written, by type.
    pub by_type: BTreeMap<String, u64>,
    /// Patients begun.
    pub patients: u64,
    /// Bytes written, newlines included.
    pub bytes: u64,
}

impl Tally {
    /// All resources.
    #[must_use]
    pub fn resources(&self) -> u64 {
        self.by_type.values().sum()
    }
}

/// Writes `Type.ndjson` per type into `folder`, which is made if it is not there; no existing file is overwritten.
/// `progress` is told after each patient and at the end.
///
/// # Errors
/// The first folder or file that cannot be made or written, or that is there already.
pub fn write_ndjson(hospital: Hospital, folder: &Path, mut progress: impl FnMut(&Tally)) -> Result<Tally, NdjsonError> {
    fs::create_dir_all(folder).map_err(|source| NdjsonError::Write { path: folder.to_owned(), source })?;
    let mut shelf = Shelf { folder, files: BTreeMap::new(), tally: Tally::default() };
    for resource in hospital.resources() {
        let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default().to_owned();
        if kind == "Patient" {
            progress(&shelf.tally);
            shelf.tally.patients += 1;
        }
        shelf.write(&kind, &resource)?;
    }
    let tally = shelf.close()?;
    progress(&tally);
    Ok(tally)
}

struct Shelf<'a> {
    folder: &'a Path,
    files: BTreeMap<String, BufWriter<File>>,
    tally: Tally,
}

impl Shelf<'_> {
    fn write(&mut self, kind: &str, resource: &Value) -> Result<(), NdjsonError> {
        let path = self.folder.join(format!("{kind}.ndjson"));
        if !self.files.contains_key(kind) {
            let file = File::create_new(&path).map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => NdjsonError::Exists { path: path.clone() },
                _ => NdjsonError::Write { path: path.clone(), source },
            })?;
            self.files.insert(kind.to_owned(), BufWriter::new(file));
        }
        let Some(file) = self.files.get_mut(kind) else { return Ok(()) };
        let mut line = resource.to_string();
        line.push('\n');
        file.write_all(line.as_bytes()).map_err(|source| NdjsonError::Write { path, source })?;
        self.tally.bytes += line.len() as u64;
        *self.tally.by_type.entry(kind.to_owned()).or_insert(0) += 1;
        Ok(())
    }

    fn close(self) -> Result<Tally, NdjsonError> {
        for (kind, mut file) in self.files {
            let path = self.folder.join(format!("{kind}.ndjson"));
            file.flush().map_err(|source| NdjsonError::Write { path, source })?;
        }
        Ok(self.tally)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Seed;
    use super::*;
    use time::macros::date;

    #[test]
    fn one_file_per_type_with_a_line_each() {
        let folder = tempfile::tempdir().unwrap();
        let mut told = 0;
        let hospital = Hospital::new(Seed::new(1), 3, date!(2026 - 11 - 24));
        let tally = write_ndjson(hospital, folder.path(), |_| told += 1).unwrap();
        assert_eq!((tally.patients, told), (3, 4));
        for (kind, count) in &tally.by_type {
            let text = fs::read_to_string(folder.path().join(format!("{kind}.ndjson"))).unwrap();
            assert_eq!(text.lines().count() as u64, *count, "{kind}");
        }
    }

    #[test]
    fn an_existing_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Organization.ndjson"), "mine").unwrap();
        let hospital = Hospital::new(Seed::new(1), 0, date!(2026 - 11 - 24));
        assert!(matches!(write_ndjson(hospital, folder.path(), |_| ()), Err(NdjsonError::Exists { .. })));
        assert_eq!(fs::read_to_string(folder.path().join("Organization.ndjson")).unwrap(), "mine");
    }
}
