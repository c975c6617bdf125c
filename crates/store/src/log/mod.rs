//! The audit log: entries go in, receipts come out, and what was acknowledged is on the disk.
//!
//! An entry is sealed where it is made, queued, and written by one thread (`sequencer`) into a write-ahead log (`wal`)
//! with one sync for all that waited. A second thread (`publisher`) derives tiles and signed checkpoints from it. At the
//! start, `recover` brings both to where they stood.
//!
//! **Trust**: who can rewrite the tiles can do nothing that a verifier with an older checkpoint would miss. Who holds a
//! shard's signing key can sign another history of that shard; a witness, or anybody who kept a checkpoint, notices.

mod carry;
mod disk;
mod error;
pub mod history;
pub mod index;
mod lock;
pub mod log_of_logs;
pub mod published;
mod publisher;
pub mod read;
mod recover;
pub mod reserve;
pub mod retire;
mod sequencer;
mod settings;
mod shard;
#[cfg(test)]
mod simulation;
mod threads;
pub mod verify;
pub mod verify_logs;
mod wal;
pub mod witness;

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bascule_audit::{AuditError, Entry, EntryId, PartKeys, Sealed, seal};
use bascule_crypto::Secret;
use bascule_crypto::digest::HmacKey;
use bascule_fhir::Timestamp;
use bascule_ledger::Hash;
use tokio::sync::{mpsc, oneshot};

pub use error::LogError;
pub use settings::{Durability, LogSettings};
pub use shard::{Shard, epoch_of};

use crate::keys::{KeyStore, NewKey};
use reserve::Reserve;
use sequencer::{Placed, Work};
use threads::{Queued, Threads};

/// The log of this node. Cheap to clone.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    queue: mpsc::Sender<Queued>,
    keys: Arc<KeyStore>,
    settings: LogSettings,
    ground: recover::Ground,
    shared: Arc<Shared>,
    threads: Mutex<Option<Threads>>,
    held: Mutex<Option<File>>,
    /// What was carried over from the emergency reserve and still stands there.
    carried: Mutex<std::collections::HashSet<EntryId>>,
}

/// What the threads tell the handles.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    failed: OnceLock<String>,
    note: Mutex<String>,
    disk_full: AtomicBool,
    lost: AtomicU64,
    reserve: OnceLock<Reserve>,
    log_of_logs: Mutex<()>,
}

impl Shared {
    pub(crate) fn fail(&self, error: &LogError) {
        if self.failed.set(error.to_string()).is_ok() {
            tracing::error!(%error, "the audit log stops");
        }
    }

    pub(crate) fn check(&self) -> Result<(), LogError> {
        self.failed.get().map_or(Ok(()), |why| Err(LogError::Stopped(why.clone())))
    }

    pub(crate) fn bring_up_to_date(&self, ground: &recover::Ground, now: Timestamp) -> Result<(), LogError> {
        let _one_at_a_time = self.log_of_logs.lock().unwrap_or_else(PoisonError::into_inner);
        log_of_logs::bring_up_to_date(ground, now)
    }

    pub(crate) fn show(&self, note: String) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = note;
    }
}

/// Proof that an entry is durable. Only the log makes one.
///
/// ```compile_fail
/// // Nobody outside this file can make one.
/// let forged = bascule_store::log::Receipt { placed: todo!() };
/// ```
#[derive(Debug, Clone)]
pub struct Receipt {
    placed: Placed,
}

impl Receipt {
    /// Which log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.placed.origin
    }

    /// The entry's place in it.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.placed.index
    }

    /// The hash of the entry's bytes.
    #[must_use]
    pub const fn leaf_hash(&self) -> Hash {
        self.placed.leaf
    }

    /// As the `Audit-Receipt` header carries it: `<origin> <index> <leaf hash in base64>`.
    #[must_use]
    pub fn header(&self) -> String {
        format!("{} {} {}", self.placed.origin, self.placed.index, self.placed.leaf)
    }
}

/// A durable intent. It is closed by handing it to [`Log::append`]; dropped instead, the log says that its end is unknown.
#[must_use = "an intent that is dropped becomes an entry of unknown outcome"]
#[derive(Debug)]
pub struct Intent {
    id: EntryId,
    queue: Option<mpsc::Sender<Queued>>,
}

impl Intent {
    /// The intent's name, in hex.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.to_hex()
    }

    fn close(mut self) -> EntryId {
        self.queue = None;
        self.id
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            // If the queue is full, the intent stays open and the next start says that its end is unknown.
            let _ = queue.try_send(Queued::Work(Work::Abandon { intent: self.id }, None));
        }
    }
}

impl Log {
    /// Opens this node's log, or begins one: recovers, compares with the lock store, derives tiles again, writes the
    /// start entry.
    ///
    /// # Errors
    /// [`LogError`]: nothing is opened unless the log is the one that was signed last.
    pub fn open(settings: LogSettings, now: Timestamp) -> Result<Self, LogError> {
        Self::open_on(settings, Arc::new(disk::RealDisk), now)
    }

    pub(crate) fn open_on(settings: LogSettings, disk: Arc<dyn disk::Disk>, now: Timestamp) -> Result<Self, LogError> {
        settings.fault().map_or(Ok(()), |fault| Err(LogError::Settings(fault)))?;
        let held = hold(&settings)?;
        refuse_without_keys(&settings, disk.as_ref())?;
        let keys = Arc::new(KeyStore::open(&settings.keys_folder)?);
        if let Some(folder) = settings.lock_file.parent() {
            std::fs::create_dir_all(folder).map_err(LogError::file("making", folder))?;
        }
        let lock = Arc::new(lock::LockStore::open(&settings.lock_file)?);
        let ground = recover::Ground { settings: settings.clone(), disk, keys: Arc::clone(&keys), lock };
        let shared = Arc::new(Shared::default());
        if let Some(emergency) = &settings.emergency {
            let origin = format!("{}/{}/emergency", settings.origin, settings.node);
            let _first = shared.reserve.set(Reserve::open(emergency, &origin)?);
        }
        let recovered = recover::recover(&ground, now)?;
        shared.bring_up_to_date(&ground, now)?;
        let (queue, threads) = threads::start(ground.clone(), recovered, Arc::clone(&shared), now)?;
        Ok(Self(Arc::new(Inner {
            queue,
            keys,
            settings,
            ground,
            shared,
            threads: Mutex::new(Some(threads)),
            held: Mutex::new(Some(held)),
            carried: Mutex::default(),
        })))
    }

    /// Records that a request is about to go upstream. Durable when it returns (unless durability is `async`).
    ///
    /// # Errors
    /// [`LogError`]: the request must not go upstream.
    pub async fn intend(&self, entry: Entry) -> Result<Intent, LogError> {
        let mut keys = Vec::new();
        let piece = entry.into_pieces().into_iter().next().ok_or(AuditError::TooLong(0))?;
        let sealed = self.seal(piece, None, &mut keys)?;
        let id = sealed.id();
        self.submit(Work::Intend { sealed, keys }).await?;
        Ok(Intent { id, queue: Some(self.0.queue.clone()) })
    }

    /// Appends an entry, and closes its intent. Durable when it returns (see [`Durability`]).
    ///
    /// # Errors
    /// [`LogError`]: the answer must not leave.
    pub async fn append(&self, entry: Entry, intent: Option<Intent>) -> Result<Receipt, LogError> {
        let receipt = self.append_closing(entry, intent.as_ref().map(|intent| intent.id)).await?;
        intent.map(Intent::close);
        Ok(receipt)
    }

    async fn append_closing(&self, entry: Entry, closes: Option<EntryId>) -> Result<Receipt, LogError> {
        let at = entry.at();
        let mut keys = Vec::new();
        let mut pieces = Vec::new();
        for piece in entry.into_pieces() {
            pieces.push(self.seal(piece, closes.filter(|_| pieces.is_empty()), &mut keys)?);
        }
        let placed = self.submit(Work::Append { pieces, closes, at, keys }).await?;
        placed.map(|placed| Receipt { placed }).ok_or_else(|| LogError::Stopped("no place was given".to_owned()))
    }

    pub(crate) fn bring_log_of_logs_up_to_date(&self, now: Timestamp) -> Result<(), LogError> {
        self.0.shared.bring_up_to_date(&self.0.ground, now)
    }

    /// Makes a checkpoint of all that is durable now, and returns it.
    ///
    /// # Errors
    /// `Stopped`.
    pub async fn flush(&self) -> Result<String, LogError> {
        let (reply, answer) = oneshot::channel();
        self.0.queue.send(Queued::Flush(reply)).await.map_err(|_| self.stopped())?;
        answer.await.map_err(|_| self.stopped())?
    }

    /// The last checkpoint that was shown, as a signed note.
    #[must_use]
    pub fn checkpoint(&self) -> String {
        self.0.shared.note.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the log has stopped; `None` while it runs.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.0.shared.failed.get().map(String::as_str)
    }

    /// The keys of the sealed parts.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeyStore> {
        &self.0.keys
    }

    /// The settings that it was opened with.
    #[must_use]
    pub fn settings(&self) -> &LogSettings {
        &self.0.settings
    }

    /// Writes the stop entry and the last checkpoint, and ends the threads. Other handles find the log stopped.
    ///
    /// # Errors
    /// `Stopped` if it had stopped before.
    pub async fn close(&self, now: Timestamp) -> Result<(), LogError> {
        let (reply, answer) = oneshot::channel();
        self.0.queue.send(Queued::Close(now, reply)).await.map_err(|_| self.stopped())?;
        let result = answer.await.map_err(|_| self.stopped())?;
        let threads = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        threads.into_iter().for_each(Threads::join);
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        result
    }

    fn seal(&self, mut piece: Entry, closes: Option<EntryId>, unwritten: &mut Vec<NewKey>) -> Result<Sealed, LogError> {
        let epoch = epoch_of(piece.at());
        let (month, patients) = self.0.keys.of_entry(&epoch, piece.patients(), unwritten)?;
        let part_keys = month.part_keys(&patients);
        match seal(&mut piece, closes, &part_keys, &mut random) {
            Err(AuditError::TooLong(_)) => Ok(seal(&mut piece.lean(), closes, &part_keys, &mut random)?),
            sealed => Ok(sealed?),
        }
    }

    async fn submit(&self, work: Work) -> Result<Option<Placed>, LogError> {
        let shared = &self.0.shared;
        shared.check()?;
        if shared.disk_full.load(Ordering::Relaxed) {
            return Err(LogError::DiskFull(self.0.settings.reserve_bytes));
        }
        let (reply, answer) = oneshot::channel();
        let wait = Duration::from_millis(self.0.settings.queue_wait_ms);
        match self.0.queue.send_timeout(Queued::Work(work, Some(reply)), wait).await {
            Ok(()) => answer.await.map_err(|_| self.stopped())?,
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                shared.lost.fetch_add(1, Ordering::Relaxed);
                Err(LogError::QueueFull)
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(self.stopped()),
        }
    }

    fn stopped(&self) -> LogError {
        LogError::Stopped(self.failure().unwrap_or("it was closed").to_owned())
    }
}

/// The last checkpoint of each log of this node, as it was signed, out of the lock store. A witness never saw a later one.
///
/// # Errors
/// `Lock` if the lock store cannot be read.
pub fn last_signed(settings: &LogSettings) -> Result<Vec<bascule_ledger::Note>, LogError> {
    if !settings.lock_file.exists() {
        return Ok(Vec::new());
    }
    let prefix = format!("{}/{}/", settings.origin, settings.node);
    let notes = lock::LockStore::open(&settings.lock_file)?.all_of(&prefix)?;
    notes.iter().map(|note| Ok(bascule_ledger::Note::parse(note)?)).collect()
}

/// A log that was signed, and whose key store is gone, would go on with new keys and leave everything before unreadable.
fn refuse_without_keys(settings: &LogSettings, disk: &dyn disk::Disk) -> Result<(), LogError> {
    let folder = settings.node_folder();
    let names = disk.list(&folder).map_err(LogError::file("listing", &folder))?;
    let signed = names
        .iter()
        .any(|name| Shard::parse(name).is_some() && disk.read(&folder.join(name).join("checkpoint")).is_ok());
    let here = ["keys.db", "master.key"].iter().all(|name| settings.keys_folder.join(name).exists());
    if signed && !here {
        return Err(LogError::Settings(
            "the key store is gone: `keys.db` and `master.key` belong to this log; bring them back from their own backup",
        ));
    }
    Ok(())
}

/// Takes the folder for this process alone.
fn hold(settings: &LogSettings) -> Result<File, LogError> {
    let folder = settings.node_folder();
    std::fs::create_dir_all(&folder).map_err(LogError::file("making", &folder))?;
    let path = folder.join("held");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(LogError::file("opening", &path))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| LogError::Held(folder))?;
    Ok(file)
}

/// Fresh random bytes of the system.
pub(crate) fn random(bytes: &mut [u8]) {
    if aws_lc_rs::rand::fill(bytes).is_err() {
        // Without randomness nothing can be sealed; the library documents that this does not happen after its start.
        std::process::abort();
    }
}

/// An entry without sealed parts.
pub(crate) fn seal_system(mut entry: Entry) -> Result<Sealed, LogError> {
    let none = HmacKey::new(&Secret::new([0; 32]));
    let epoch = epoch_of(entry.at());
    let keys = PartKeys { epoch: &epoch, agent: &none, hints: &none, patients: &[] };
    Ok(seal(&mut entry, None, &keys, &mut random)?)
}
