//! The lock store: the last signed checkpoint of each log, kept outside the data folder. Before a checkpoint is signed
//! into the world, it replaces the one before it here, compared and swapped; so a second instance, or a log that was
//! restored from a backup, cannot sign another history.
//!
//! **Trust**: who can rewrite it together with the log can hide a rewrite from the start-up check; a witness still sees it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bascule_ledger::{Checkpoint, Hash};
use rusqlite::{Connection, OptionalExtension, params};

/// A store of last checkpoints.
pub(crate) struct LockStore(Mutex<Connection>);

impl std::fmt::Debug for LockStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LockStore")
    }
}

impl LockStore {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let database = Connection::open(path)?;
        database.busy_timeout(std::time::Duration::from_secs(5))?;
        database.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS last (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,
                 note TEXT NOT NULL);",
        )?;
        Ok(Self(Mutex::new(database)))
    }

    /// The last checkpoint of a log.
    pub(crate) fn last(&self, origin: &str) -> rusqlite::Result<Option<(Checkpoint, String)>> {
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = database
            .prepare_cached("SELECT size, root, note FROM last WHERE origin = ?1")?
            .query_row([origin], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?, row.get::<_, String>(2)?))
            })
            .optional()?;
        Ok(row.map(|(size, root, note)| {
            (Checkpoint { origin: origin.to_owned(), size: size.unsigned_abs(), root: Hash(root) }, note)
        }))
    }

    /// The last checkpoint of every log with that prefix, as it was signed.
    pub(crate) fn all_of(&self, prefix: &str) -> rusqlite::Result<Vec<String>> {
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = database
            .prepare_cached("SELECT note FROM last WHERE substr(origin, 1, length(?1)) = ?1 ORDER BY origin")?;
        statement.query_map([prefix], |row| row.get(0))?.collect()
    }

    /// The origin of any log with that prefix that was signed at more than size 0.
    pub(crate) fn any_of(&self, prefix: &str) -> rusqlite::Result<Option<String>> {
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        database
            .prepare_cached("SELECT origin FROM last WHERE substr(origin, 1, length(?1)) = ?1 AND size > 0 LIMIT 1")?
            .query_row([prefix], |row| row.get(0))
            .optional()
    }

    /// Replaces `old` (nothing, for a new log) by `new`. `false` if something else stands there: another instance
    /// signed, and this one must not.
    pub(crate) fn swap(&self, old: Option<&Checkpoint>, new: &Checkpoint, note: &str) -> rusqlite::Result<bool> {
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = i64::try_from(new.size).unwrap_or(i64::MAX);
        let changed = match old {
            None => database
                .prepare_cached(
                    "INSERT INTO last (origin, size, root, note) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                )?
                .execute(params![new.origin, size, new.root.0, note])?,
            // The same size with another root, and a smaller size, are impossible whatever the caller believes.
            Some(old) => database
                .prepare_cached(
                    "UPDATE last SET size = ?2, root = ?3, note = ?4
                     WHERE origin = ?1 AND size = ?5 AND root = ?6 AND (?2 > size OR (?2 = size AND ?3 = root))",
                )?
                .execute(params![
                    new.origin,
                    size,
                    new.root.0,
                    note,
                    i64::try_from(old.size).unwrap_or(i64::MAX),
                    old.root.0
                ])?,
        };
        Ok(changed == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(size: u64, root: u8) -> Checkpoint {
        Checkpoint { origin: "log".into(), size, root: Hash([root; 32]) }
    }

    #[test]
    fn only_the_holder_of_the_last_checkpoint_may_replace_it() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockStore::open(&folder.path().join("lock.db")).unwrap();
        assert!(lock.swap(None, &checkpoint(0, 0), "a").unwrap());
        assert!(!lock.swap(None, &checkpoint(5, 1), "b").unwrap(), "a second new log of that name");
        assert!(lock.swap(Some(&checkpoint(0, 0)), &checkpoint(5, 1), "c").unwrap());
        assert!(!lock.swap(Some(&checkpoint(0, 0)), &checkpoint(6, 2), "d").unwrap(), "an instance left behind");
        assert!(!lock.swap(Some(&checkpoint(5, 1)), &checkpoint(5, 2), "e").unwrap(), "same size, other root");
        assert!(!lock.swap(Some(&checkpoint(5, 1)), &checkpoint(4, 3), "f").unwrap(), "smaller");
        let other = LockStore::open(&folder.path().join("lock.db")).unwrap();
        assert_eq!(other.last("log").unwrap(), Some((checkpoint(5, 1), "c".to_owned())));
        assert_eq!(other.last("elsewhere").unwrap(), None);
    }
}
