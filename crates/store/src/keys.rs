//! Keys of the audit log's sealed parts: one per patient, two per month (patients' and staff's), all wrapped by a master
//! key. Destroying a patient's key makes that patient's parts unreadable for ever; destroying a month's keys, that month.
//!
//! **Trust**: whoever can read the master key *and* `keys.db` can read every sealed part. Whoever can only write them
//! can make sealed parts unreadable, and nothing else: the log itself does not depend on them.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bascule_audit::{KeyId, PartKeys};
use bascule_crypto::digest::{HmacKey, hkdf_sha256};
use bascule_crypto::{CryptoError, Secret, aead};
use bascule_fhir::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// Keys kept at hand. Beyond that, those that are stored are forgotten and read again when needed.
pub const KEYS_CACHED_MAX: usize = 100_000;
const SALT: &[u8] = b"bascule audit keys 1";

/// Why a key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file of the key store cannot be read or written.
    #[error("the key store {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database of keys refuses.
    #[error("the key store's database: {0}")]
    Database(#[from] rusqlite::Error),
    /// A wrapped key does not open: another master key, or damage.
    #[error("a key does not open under this master key; mend: restore the `master.key` that belongs to this `keys.db`")]
    Wrapped(#[from] CryptoError),
    /// The key was destroyed; nothing new is sealed under it.
    #[error("the key `{0}` was destroyed")]
    Destroyed(String),
    /// The master key file has the wrong length or is readable by others.
    #[error("{path}: {why}")]
    Master {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// Retention or a hold forbids the destruction.
    #[error("`{name}` is kept: {why}")]
    Kept {
        /// Which key.
        name: String,
        /// Until when, or for which matter.
        why: String,
    },
}

/// What a hold or a destruction is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Every sealed part of a month (`2026-11`).
    Month(String),
    /// Every sealed part about a patient.
    Patient {
        /// The API.
        api: String,
        /// `Patient/1` there.
        reference: String,
    },
}

/// How long keys must be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Years after the entry, six unless the site says more.
    pub years: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { years: 6 }
    }
}

impl Retention {
    /// The first instant at which what was said at `at` need not be kept any more.
    #[must_use]
    pub fn ends(self, at: Timestamp) -> Timestamp {
        // Leap days are counted as if every year had one: the longer reading.
        at.plus_seconds(i64::from(self.years) * 366 * 86_400)
    }
}

/// A key that was made and is not yet known to be durable: the log writes it before the first entry that needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What it is the key of: a blind name of a patient, or a month.
    pub(crate) name: Vec<u8>,
    pub(crate) id: KeyId,
    pub(crate) wrapped: Vec<u8>,
}

/// The keys of one month.
#[derive(Debug, Clone)]
pub struct MonthKeys {
    epoch: String,
    /// Seals who asked.
    pub staff: Secret,
    /// Seals the names of patients' keys.
    pub hints: Secret,
    patients: Secret,
    /// Both, made ready for sealing.
    ready: Ready,
}

#[derive(Debug, Clone)]
struct Ready {
    staff: HmacKey,
    hints: HmacKey,
}

impl MonthKeys {
    /// What seals an entry of this month about these patients.
    #[must_use]
    pub fn part_keys<'k>(&'k self, patients: &'k [(KeyId, Arc<HmacKey>)]) -> PartKeys<'k> {
        PartKeys { epoch: &self.epoch, agent: &self.ready.staff, hints: &self.ready.hints, patients }
    }
}

/// What seals an entry: the month's keys, and for each patient the key's name and patient's and month's key together.
pub type EntryKeys = (Arc<MonthKeys>, Vec<(KeyId, Arc<HmacKey>)>);

#[derive(Debug, Clone)]
struct Held {
    id: KeyId,
    key: Secret,
    /// Until it is durable, every user of the key writes it again.
    unwritten: Option<NewKey>,
    stored: bool,
    /// For the month used last: this key and the month's together.
    base: Option<(String, Arc<HmacKey>)>,
}

/// The store of keys.
pub struct KeyStore {
    wrap: Secret,
    lookup: HmacKey,
    folder: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    database: Connection,
    held: HashMap<Vec<u8>, Held>,
    /// The month used last, once its keys are durable.
    month: Option<(String, Arc<MonthKeys>)>,
}

impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyStore({})", self.folder.display())
    }
}

impl KeyStore {
    /// Opens the key store in `folder`, or begins one there.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        let file = |source| KeyError::File { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(file)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(file)?;
        let master = master_key(&folder.join("master.key"))?;
        let database = Connection::open(folder.join("keys.db"))?;
        // Deleted keys are overwritten, and no copy stays in a side file.
        database.execute_batch(
            "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             CREATE TABLE IF NOT EXISTS key (name BLOB PRIMARY KEY, id BLOB NOT NULL UNIQUE, wrapped BLOB NOT NULL);
             CREATE TABLE IF NOT EXISTS destroyed (id BLOB PRIMARY KEY, at INTEGER NOT NULL, reason TEXT NOT NULL);
             CREATE TABLE IF NOT EXISTS hold (subject BLOB NOT NULL, matter TEXT NOT NULL, at INTEGER NOT NULL,
                 PRIMARY KEY (subject, matter));",
        )?;
        Ok(Self {
            wrap: hkdf_sha256(&master, SALT, &[b"wrap"])?,
            lookup: HmacKey::new(&hkdf_sha256(&master, SALT, &[b"lookup"])?),
            folder: folder.to_owned(),
            inner: Mutex::new(Inner { database, held: HashMap::new(), month: None }),
        })
    }

    /// The keys that seal an entry of a month (`2026-11`) about patients, each as (API, reference). Made if there are none;
    /// `unwritten` is given those that the log must write.
    ///
    /// # Errors
    /// `Destroyed` if the month's keys were, else what the store refuses.
    pub fn of_entry<'p>(
        &self,
        epoch: &str,
        patients: impl Iterator<Item = (&'p str, &'p str)>,
        unwritten: &mut Vec<NewKey>,
    ) -> Result<EntryKeys, KeyError> {
        let mut inner = self.lock();
        let month = self.month_in(&mut inner, epoch, unwritten)?;
        let mut keys = Vec::with_capacity(patients.size_hint().0);
        for (api, reference) in patients {
            keys.push(self.patient_in(&mut inner, api, reference, &month, unwritten)?);
        }
        Ok((month, keys))
    }

    fn month_in(
        &self,
        inner: &mut Inner,
        epoch: &str,
        unwritten: &mut Vec<NewKey>,
    ) -> Result<Arc<MonthKeys>, KeyError> {
        if let Some((_, month)) = inner.month.as_ref().filter(|(last, _)| last == epoch) {
            return Ok(Arc::clone(month));
        }
        let before = unwritten.len();
        let patients = self.take(inner, &month_name(epoch, "patients"), unwritten)?.key.clone();
        let staff = self.take(inner, &month_name(epoch, "staff"), unwritten)?.key.clone();
        let month = Arc::new(Self::month_of(epoch, &patients, &staff)?);
        if unwritten.len() == before {
            inner.month = Some((epoch.to_owned(), Arc::clone(&month)));
        }
        Ok(month)
    }

    fn patient_in(
        &self,
        inner: &mut Inner,
        api: &str,
        reference: &str,
        month: &MonthKeys,
        unwritten: &mut Vec<NewKey>,
    ) -> Result<(KeyId, Arc<HmacKey>), KeyError> {
        let held = self.take(inner, &self.blind(api, reference), unwritten)?;
        if let Some((_, ready)) = held.base.as_ref().filter(|(epoch, _)| *epoch == month.epoch) {
            return Ok((held.id, Arc::clone(ready)));
        }
        let ready = Arc::new(HmacKey::new(&base(&held.key, month)?));
        held.base = Some((month.epoch.clone(), Arc::clone(&ready)));
        Ok((held.id, ready))
    }

    /// The keys of a month for reading; `None` if there are none, or no more.
    ///
    /// # Errors
    /// What the store refuses.
    pub fn read_month(&self, epoch: &str) -> Result<Option<MonthKeys>, KeyError> {
        let mut inner = self.lock();
        let patients = self.find(&mut inner, &month_name(epoch, "patients"))?;
        let staff = self.find(&mut inner, &month_name(epoch, "staff"))?;
        patients.zip(staff).map(|(patients, staff)| Self::month_of(epoch, &patients.key, &staff.key)).transpose()
    }

    /// The key of that name for a month, for reading; `None` if it was destroyed.
    ///
    /// # Errors
    /// What the store refuses.
    pub fn read_patient(&self, id: KeyId, month: &MonthKeys) -> Result<Option<Secret>, KeyError> {
        let inner = self.lock();
        let row = inner
            .database
            .prepare_cached("SELECT name, wrapped FROM key WHERE id = ?1")?
            .query_row([id.0], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))
            .optional()?;
        let key = match row {
            Some((name, wrapped)) => Some(self.unwrap(&name, &wrapped)?),
            // Not in the database yet: one of the few that the log has still to move there.
            None => inner.held.values().find(|held| held.id == id && !held.stored).map(|held| held.key.clone()),
        };
        key.map(|key| base(&key, month)).transpose()
    }

    /// A patient's blind name: the same for the same patient, and nobody without the master key can tell whose.
    #[must_use]
    pub fn blind(&self, api: &str, reference: &str) -> [u8; 32] {
        self.lookup.digest(&[b"patient\0", api.as_bytes(), b"\0", reference.as_bytes()])
    }

    /// A blind name of a user for the index, as of a patient.
    #[must_use]
    pub fn blind_agent(&self, subject: &str) -> [u8; 32] {
        self.lookup.digest(&[b"agent\0", subject.as_bytes()])
    }

    /// Sets a hold: the keys that open what it is about are not destroyed until it is lifted.
    ///
    /// # Errors
    /// What the store refuses.
    pub fn hold(&self, subject: &Subject, matter: &str, now: Timestamp) -> Result<(), KeyError> {
        self.lock().database.execute(
            "INSERT INTO hold (subject, matter, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![self.hold_name(subject), matter, now.micros()],
        )?;
        Ok(())
    }

    /// Lifts a hold. Whether there was one.
    ///
    /// # Errors
    /// What the store refuses.
    pub fn lift(&self, subject: &Subject, matter: &str) -> Result<bool, KeyError> {
        let lifted = self
            .lock()
            .database
            .execute("DELETE FROM hold WHERE subject = ?1 AND matter = ?2", params![self.hold_name(subject), matter])?;
        Ok(lifted > 0)
    }

    /// The matters for which something is held.
    ///
    /// # Errors
    /// What the store refuses.
    pub fn holds(&self, subject: &Subject) -> Result<Vec<String>, KeyError> {
        let inner = self.lock();
        let mut statement =
            inner.database.prepare_cached("SELECT matter FROM hold WHERE subject = ?1 ORDER BY matter")?;
        let rows = statement.query_map([self.hold_name(subject)], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Destroys the keys of a month or of a patient: what they sealed can never be opened again, while the log still
    /// verifies. `last_entry` is the time of the newest entry about it (of a month, its last instant).
    /// The name of what was destroyed, for the log's entry about it.
    ///
    /// # Errors
    /// `Kept` inside retention or under a hold; a patient's hold also keeps every month.
    pub fn destroy(
        &self,
        subject: &Subject,
        last_entry: Timestamp,
        retention: Retention,
        reason: &str,
        now: Timestamp,
    ) -> Result<String, KeyError> {
        let ends = retention.ends(last_entry);
        let name = self.describe(subject)?;
        if now < ends {
            return Err(KeyError::Kept { name, why: format!("retention until {}", ends.to_instant()) });
        }
        let mut inner = self.lock();
        let held: Option<String> = match subject {
            Subject::Month(_) => {
                // A patient's blind name has 32 bytes, a month's hold has fewer.
                let sql = "SELECT matter FROM hold WHERE subject = ?1 OR length(subject) = 32 LIMIT 1";
                inner.database.query_row(sql, [self.hold_name(subject)], |row| row.get(0)).optional()?
            }
            Subject::Patient { .. } => {
                let sql = "SELECT matter FROM hold WHERE subject = ?1 LIMIT 1";
                inner.database.query_row(sql, [self.hold_name(subject)], |row| row.get(0)).optional()?
            }
        };
        if let Some(matter) = held {
            return Err(KeyError::Kept { name, why: format!("held for {matter}") });
        }
        let names = match subject {
            Subject::Month(epoch) => vec![month_name(epoch, "patients"), month_name(epoch, "staff")],
            Subject::Patient { api, reference } => vec![self.blind(api, reference).to_vec()],
        };
        let transaction = inner.database.transaction()?;
        for key in &names {
            transaction.execute(
                "INSERT INTO destroyed (id, at, reason) SELECT id, ?2, ?3 FROM key WHERE name = ?1 ON CONFLICT DO NOTHING",
                params![key, now.micros(), reason],
            )?;
            transaction.execute("DELETE FROM key WHERE name = ?1", [key])?;
        }
        transaction.commit()?;
        inner.month = None;
        names.iter().for_each(|key| {
            inner.held.remove(key);
        });
        Ok(name)
    }

    /// How a hold or a destruction is named in the log: a month by its name, a patient by the random name of the key.
    ///
    /// # Errors
    /// What the store refuses.
    pub fn describe(&self, subject: &Subject) -> Result<String, KeyError> {
        match subject {
            Subject::Month(epoch) => Ok(format!("epoch {epoch}")),
            Subject::Patient { api, reference } => {
                let found = self.find(&mut self.lock(), &self.blind(api, reference))?;
                let id = found.map(|held| hex::encode(held.id.0));
                Ok(format!("patient key {}", id.unwrap_or_else(|| "none".to_owned())))
            }
        }
    }

    /// The matter of any hold on a patient. Such a hold keeps every month and shard, because nobody can tell from outside
    /// which of them hold that patient's entries.
    pub(crate) fn any_patient_hold(&self) -> Result<Option<String>, KeyError> {
        let sql = "SELECT matter FROM hold WHERE length(subject) = 32 LIMIT 1";
        Ok(self.lock().database.query_row(sql, [], |row| row.get(0)).optional()?)
    }

    fn hold_name(&self, subject: &Subject) -> Vec<u8> {
        match subject {
            Subject::Month(epoch) => month_name(epoch, "hold"),
            Subject::Patient { api, reference } => self.blind(api, reference).to_vec(),
        }
    }

    /// The log has made these durable: they need not be written again.
    pub(crate) fn mark_written(&self, keys: &[NewKey]) {
        if keys.is_empty() {
            return;
        }
        let mut inner = self.lock();
        for key in keys {
            if let Some(held) = inner.held.get_mut(&key.name) {
                held.unwritten = None;
            }
        }
    }

    /// Moves keys out of the write-ahead log into the database. Keys that were destroyed meanwhile stay destroyed.
    pub(crate) fn store(&self, keys: &[NewKey]) -> Result<(), KeyError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut inner = self.lock();
        let transaction = inner.database.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO key (name, id, wrapped) SELECT ?1, ?2, ?3
                 WHERE NOT EXISTS (SELECT 1 FROM destroyed WHERE id = ?2) ON CONFLICT DO NOTHING",
            )?;
            for key in keys {
                insert.execute(params![key.name, key.id.0, key.wrapped])?;
            }
        }
        transaction.commit()?;
        for key in keys {
            if let Some(held) = inner.held.get_mut(&key.name) {
                (held.stored, held.unwritten) = (true, None);
            }
        }
        if inner.held.len() > KEYS_CACHED_MAX {
            inner.held.retain(|_, held| !held.stored);
        }
        Ok(())
    }

    fn month_of(epoch: &str, patients: &Secret, staff: &Secret) -> Result<MonthKeys, KeyError> {
        let staff = hkdf_sha256(staff, SALT, &[b"staff"])?;
        let hints = hkdf_sha256(patients, SALT, &[b"hints"])?;
        let ready = Ready { staff: HmacKey::new(&staff), hints: HmacKey::new(&hints) };
        Ok(MonthKeys { epoch: epoch.to_owned(), staff, hints, patients: patients.clone(), ready })
    }

    /// The key of that name, made if there is none.
    fn take<'a>(
        &self,
        inner: &'a mut Inner,
        name: &[u8],
        unwritten: &mut Vec<NewKey>,
    ) -> Result<&'a mut Held, KeyError> {
        if !inner.held.contains_key(name) && self.find(inner, name)?.is_none() {
            let made = self.make(name)?;
            inner.held.insert(name.to_vec(), made);
        }
        let held = inner.held.get_mut(name).ok_or(KeyError::Wrapped(CryptoError::Malformed))?;
        unwritten.extend(held.unwritten.clone());
        Ok(held)
    }

    fn make(&self, name: &[u8]) -> Result<Held, KeyError> {
        let (mut id, mut key, mut nonce) = ([0; 16], [0; 32], [0; aead::NONCE_BYTES]);
        crate::log::random(&mut id);
        crate::log::random(&mut key);
        crate::log::random(&mut nonce);
        let (id, key) = (KeyId(id), Secret::new(key));
        let wrapped = [&nonce, aead::seal(&self.wrap, nonce, name, key.expose())?.as_slice()].concat();
        let new = NewKey { name: name.to_vec(), id, wrapped };
        Ok(Held { id, key, unwritten: Some(new), stored: false, base: None })
    }

    fn find(&self, inner: &mut Inner, name: &[u8]) -> Result<Option<Held>, KeyError> {
        if let Some(held) = inner.held.get(name) {
            return Ok(Some(held.clone()));
        }
        let row = inner
            .database
            .prepare_cached("SELECT id, wrapped FROM key WHERE name = ?1")?
            .query_row([name], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, Vec<u8>>(1)?)))
            .optional()?;
        let Some((id, wrapped)) = row else { return Ok(None) };
        let held = Held { id: KeyId(id), key: self.unwrap(name, &wrapped)?, unwritten: None, stored: true, base: None };
        inner.held.insert(name.to_vec(), held.clone());
        Ok(Some(held))
    }

    fn unwrap(&self, name: &[u8], wrapped: &[u8]) -> Result<Secret, KeyError> {
        let (nonce, sealed) = wrapped.split_first_chunk::<{ aead::NONCE_BYTES }>().ok_or(CryptoError::Malformed)?;
        Ok(Secret::new(aead::open(&self.wrap, *nonce, name, sealed)?))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn base(patient: &Secret, month: &MonthKeys) -> Result<Secret, KeyError> {
    let both = Secret::new([patient.expose(), month.patients.expose()].concat());
    Ok(hkdf_sha256(&both, SALT, &[b"patient and month"])?)
}

fn month_name(epoch: &str, what: &str) -> Vec<u8> {
    format!("month {epoch} {what}").into_bytes()
}

/// Reads a private file of 32 bytes, or makes it: readable by its owner only, durable before it is used.
pub(crate) fn private_file(path: &Path) -> Result<Secret, KeyError> {
    let file = |source| KeyError::File { path: path.to_owned(), source };
    if !path.exists() {
        let mut fresh = [0; 32];
        crate::log::random(&mut fresh);
        let temporary = path.with_extension("new");
        let _ = fs::remove_file(&temporary);
        let mut made =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(file)?;
        made.write_all(&fresh).and_then(|()| made.sync_all()).map_err(file)?;
        fs::rename(&temporary, path).map_err(file)?;
        let folder = path.parent().unwrap_or(path);
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(file)?;
    }
    let master = |why| KeyError::Master { path: path.to_owned(), why };
    let mode = fs::metadata(path).map_err(file)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(master("others than its owner may read it; mend: chmod 600"));
    }
    let bytes = fs::read(path).map_err(file)?;
    if bytes.len() == 32 { Ok(Secret::new(bytes)) } else { Err(master("it does not hold 32 bytes")) }
}

fn master_key(path: &Path) -> Result<Secret, KeyError> {
    private_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, KeyStore) {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyStore::open(folder.path()).unwrap();
        (folder, keys)
    }

    #[test]
    fn a_key_is_written_until_it_is_durable_and_found_again() {
        let (folder, keys) = store();
        let of_entry = |unwritten: &mut Vec<NewKey>| {
            let (_, mut patients) = keys.of_entry("2026-11", [("ehr", "Patient/1")].into_iter(), unwritten).unwrap();
            patients.remove(0)
        };
        let mut unwritten = Vec::new();
        let (id, first) = of_entry(&mut unwritten);
        assert_eq!(unwritten.len(), 3);
        let mut again = Vec::new();
        of_entry(&mut again);
        assert_eq!(again, unwritten, "not durable yet: the second user writes them too");
        keys.mark_written(&unwritten);
        again.clear();
        of_entry(&mut again);
        assert!(again.is_empty());
        keys.store(&unwritten).unwrap();
        drop(keys);
        let keys = KeyStore::open(folder.path()).unwrap();
        let month = keys.read_month("2026-11").unwrap().unwrap();
        let read = keys.read_patient(id, &month).unwrap().unwrap();
        assert_eq!(HmacKey::new(&read).digest(&[b"x"]), first.digest(&[b"x"]));
        assert!(keys.read_month("2026-12").unwrap().is_none());
    }

    #[test]
    fn the_database_does_not_tell_whose_keys_it_holds() {
        let (folder, keys) = store();
        let mut unwritten = Vec::new();
        keys.of_entry("2026-11", [("ehr", "Patient/anna")].into_iter(), &mut unwritten).unwrap();
        keys.store(&unwritten).unwrap();
        let bytes = fs::read(folder.path().join("keys.db")).unwrap();
        assert!(!bytes.windows(4).any(|window| window == b"anna"));
        assert_ne!(keys.blind("ehr", "Patient/1"), keys.blind("lab", "Patient/1"));
    }

    #[test]
    fn a_master_key_that_others_may_read_is_refused() {
        let (folder, keys) = store();
        drop(keys);
        fs::set_permissions(folder.path().join("master.key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(KeyStore::open(folder.path()), Err(KeyError::Master { .. })));
    }
}
