//! The database: one file, one writer, a few readers, and the steps from an older shape to the present one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bascule_crypto::Secret;
use bascule_fhir::Timestamp;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::StoreError;
use crate::key_file::KeyFile;
use crate::schema::MIGRATIONS;

/// Connections that only read, so that no read waits for a commit's flush.
const READERS: usize = 4;
/// How long a statement waits for another process (`bascule` commands on the same folder).
const BUSY_TIMEOUT_MS: u64 = 5_000;
/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 128;

/// The shelf. Calls are short (a read about 5 µs, a write one flush) and may be made from async code; only
/// [`crate::password`] takes tens of milliseconds and belongs on a blocking thread.
pub struct Store {
    writer: Mutex<Connection>,
    readers: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
    pub(crate) key: KeyFile,
    path: PathBuf,
    queries: AtomicU64,
    /// Facts of decisions, until something changes.
    pub(crate) facts: crate::facts::FactsKept,
    /// Records about patients.
    pub(crate) filed: crate::filed::Memory,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at `path`, makes it if there is none, and brings it to the present shape. The key file lies
    /// beside it as `<path>.key`, readable by its owner only.
    ///
    /// # Errors
    /// [`StoreError::Open`] or [`StoreError::File`]: a path that cannot be written, a database of a newer version, a
    /// key file that others may read.
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        let fail = |reason: String| StoreError::Open { path: path.display().to_string(), reason };
        let mut writer = Connection::open(path).map_err(|error| fail(error.to_string()))?;
        restrict(path)?;
        prepare(&writer).map_err(|error| fail(error.to_string()))?;
        migrate(&mut writer, now).map_err(fail)?;
        let readers = (0..READERS)
            .map(|_| {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(path, flags)?;
                connection.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
                connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
                Ok(Mutex::new(connection))
            })
            .collect::<Result<Vec<_>, rusqlite::Error>>()?;
        let mut key_path = path.as_os_str().to_owned();
        key_path.push(".key");
        let key = KeyFile::open(Path::new(&key_path))?;
        Ok(Self {
            writer: Mutex::new(writer),
            readers,
            turn: AtomicUsize::new(0),
            key,
            path: path.to_owned(),
            queries: AtomicU64::new(0),
            facts: crate::facts::FactsKept::default(),
            filed: crate::filed::Memory::default(),
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A key for a purpose of its own, derived from the key beside the database: the same on every start.
    ///
    /// # Errors
    /// [`StoreError::Key`].
    pub fn derived_key(&self, purpose: &str) -> Result<Secret, StoreError> {
        self.key.derived(purpose)
    }

    /// Reads.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let free = self.readers.iter().find_map(|reader| reader.try_lock().ok());
        match free {
            Some(connection) => work(&connection),
            None => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed) % READERS;
                match self.readers.get(turn) {
                    Some(reader) => work(&lock(reader)),
                    None => work(&lock(&self.writer)),
                }
            }
        }
    }

    /// How often the database was read so far: what a warm cache must not move.
    #[must_use]
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// Writes, in one transaction that is on the disk when this returns `Ok`.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = lock(&self.writer);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// Forgets what is past its time and of no further use. The gateway calls it every few minutes.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn sweep(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.write(|transaction| {
            let mut gone = 0;
            for statement in crate::schema::SWEEP {
                gone += transaction.execute(statement, [now.micros()])?;
            }
            Ok(gone)
        })
    }
}

/// A poisoned lock only says that some thread panicked; its transaction was rolled back by then.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "secure_delete", "ON")
}

fn migrate(connection: &mut Connection, now: Timestamp) -> Result<(), String> {
    let text = |error: rusqlite::Error| error.to_string();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(text)?;
    let have: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(text)?;
    let have = usize::try_from(have).map_err(|_| "its version number is negative".to_owned())?;
    if have > MIGRATIONS.len() {
        return Err(format!("it was written by a newer version (shape {have}, this one knows {})", MIGRATIONS.len()));
    }
    for step in MIGRATIONS.iter().skip(have) {
        transaction.execute_batch(step).map_err(text)?;
    }
    let shape = i64::try_from(MIGRATIONS.len()).map_err(|error| error.to_string())?;
    transaction.pragma_update(None, "user_version", shape).map_err(text)?;
    if have < MIGRATIONS.len() {
        let step = "INSERT INTO migration (shape, at) VALUES (?1, ?2)";
        transaction.execute(step, (shape, now.micros())).map_err(text)?;
    }
    transaction.commit().map_err(text)
}

/// The database holds names of patients and users: its owner only.
pub(crate) fn restrict(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    let file = |source| StoreError::File { path: path.display().to_string(), source };
    let metadata = std::fs::metadata(path).map_err(file)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(file)?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    /// A store in a temporary folder that lives as long as the first value.
    pub(crate) fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("bascule.db"), NOW).unwrap();
        (folder, store)
    }

    #[test]
    fn a_store_is_found_again_and_is_its_owners_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bascule.db");
        for _ in 0..2 {
            Store::open(&path, NOW).unwrap();
        }
        for file in ["bascule.db", "bascule.db.key"] {
            let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn a_store_of_a_newer_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bascule.db");
        drop(Store::open(&path, NOW).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 9_999).unwrap();
        assert!(Store::open(&path, NOW).unwrap_err().to_string().contains("newer version"));
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let (_folder, store) = store();
        let failed: Result<(), _> = store.write(|transaction| {
            transaction.execute("INSERT INTO setting (name, value, at) VALUES ('a', 'b', 0)", [])?;
            Err(StoreError::Invalid("stop".into()))
        });
        assert!(failed.is_err());
        assert_eq!(store.setting("a").unwrap(), None);
    }

    #[test]
    fn writes_are_flushed_and_journaled() {
        let (_folder, store) = store();
        let connection = lock(&store.writer);
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        let flush: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!((mode.as_str(), flush), ("wal", 2));
    }
}
