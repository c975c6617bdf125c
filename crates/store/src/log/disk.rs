//! What the log asks of a disk. The second implementation is the tests' simulator, which loses what was not synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A disk.
pub(crate) trait Disk: Send + Sync + std::fmt::Debug {
    /// Makes a folder and those above it, durably.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes a file that must not exist yet, to append to.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Appending>>;
    /// The whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The names of the files in a folder; none if there is no folder.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Moves a file within its folder. Durable after `sync_folder`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; one that is not there is removed already.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder, if it is empty.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Puts a whole file under a name that never shows half of it. Durable after `sync_everything`.
    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything durable that was put on the file system of `folder`.
    fn sync_everything(&self, folder: &Path) -> io::Result<()>;
    /// Bytes that may still be written.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;
}

/// A file that only grows.
pub(crate) trait Appending: Send {
    /// Writes at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// The disk of the machine.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent() {
            self.make_folder(above)?;
        }
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        folder.parent().map_or(Ok(()), |above| self.sync_folder(above))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appending>> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let found = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            found => found?,
        };
        found.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()));
        let open = || OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&temporary);
        let mut file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                open()?
            }
            opened => opened?,
        };
        file.write_all(bytes)?;
        fs::rename(&temporary, path)
    }

    fn sync_everything(&self, folder: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&File::open(folder)?)?)
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let state = rustix::fs::statvfs(folder)?;
        Ok(state.f_bavail.saturating_mul(state.f_frsize))
    }
}

struct RealFile(File);

impl Appending for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
