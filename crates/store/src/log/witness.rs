//! Both sides of a witness, without the HTTP: what a log asks and keeps, and the memory of the tiny witness that a partner,
//! an auditor or a parent organization runs. The rule is `ledger`'s; the doors carry the texts.
//!
//! **Trust** in a witness's memory: who can rewrite it can make the witness cosign a second history. It must lie in
//! another administration than the log's.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bascule_ledger::cosignature::cosigners;
use bascule_ledger::note::KeyKind;
use bascule_ledger::proof::prove_consistency;
use bascule_ledger::verify::verify_prefix;
use bascule_ledger::witness::{AddCheckpoint, Refusal, accept, answer, consider};
use bascule_ledger::{Checkpoint, Hash, LedgerError, Note, NoteSigner, VerifierKey};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::LogError;
use super::disk::{Disk, RealDisk};
use super::read::ShardView;
use crate::keys::private_file;

/// The file beside a shard's checkpoint with the newest checkpoint that a witness cosigned.
pub const COSIGNED_FILE: &str = "cosigned";

impl ShardView {
    /// What to ask a witness that cosigned this shard at `old_size` last (0 if never, or if that is not known: a witness
    /// answers 409 with the size that it knows).
    ///
    /// # Errors
    /// `Ledger` if the witness is ahead of this log, which must raise an alarm: the log went back.
    pub fn witness_request(&self, old_size: u64) -> Result<AddCheckpoint, LogError> {
        let found = self.checkpoint().size;
        if old_size > found {
            return Err(LedgerError::WentBack { kept: old_size, found }.into());
        }
        let proof = prove_consistency(&self.tiles(), old_size)?;
        Ok(AddCheckpoint { old_size, proof, checkpoint: self.note().clone() })
    }

    /// Takes a witness's answer to a request: checks it, and keeps the cosigned checkpoint beside the shard's own. The
    /// times that the witnesses stated, in seconds since 1970.
    ///
    /// # Errors
    /// `Ledger` if no line of `keys` holds.
    pub fn keep_cosignatures(
        &self,
        request: &AddCheckpoint,
        answer: &str,
        keys: &[VerifierKey],
    ) -> Result<Vec<u64>, LogError> {
        let lines = accept(answer, &request.checkpoint, keys)?;
        let times: Vec<u64> = lines.iter().map(|(_, time)| *time).collect();
        let earliest = times.iter().copied().min().unwrap_or(0);
        let mut note = self.cosigned().filter(|kept| kept.text == request.checkpoint.text);
        let note = note.get_or_insert_with(|| request.checkpoint.clone());
        for (line, _) in lines {
            note.signatures.retain(|kept| (&kept.name, kept.id) != (&line.name, line.id));
            note.signatures.push(line);
        }
        let path = self.folder().join(COSIGNED_FILE);
        RealDisk.put(&path, note.to_string().as_bytes()).map_err(LogError::file("writing", &path))?;
        let sync = || std::fs::File::open(&path)?.sync_all().and_then(|()| RealDisk.sync_folder(self.folder()));
        sync().map_err(LogError::file("syncing", &path))?;
        super::history::keep(self.folder(), note, earliest)?;
        Ok(times)
    }

    /// The newest checkpoint that a witness cosigned, if any was kept.
    #[must_use]
    pub fn cosigned(&self) -> Option<Note> {
        cosigned_in(self.folder())
    }

    /// Witnesses of `keys` that cosigned this very checkpoint.
    #[must_use]
    pub fn cosigners(&self, keys: &[VerifierKey]) -> usize {
        let kept = self.cosigned().filter(|kept| kept.text == self.note().text);
        kept.map_or_else(|| cosigners(self.note(), keys).len(), |kept| cosigners(&kept, keys).len())
    }
}

/// The cosigned checkpoint in a shard's folder. Nothing of it is verified.
pub(crate) fn cosigned_in(folder: &Path) -> Option<Note> {
    Note::parse(&std::fs::read_to_string(folder.join(COSIGNED_FILE)).ok()?).ok()
}

/// Checks a cosigned checkpoint against the log as it stands: signed by its key, and a prefix of it. Its size, and who
/// cosigned it when.
pub(crate) fn check_cosigned(
    note: &Note,
    key: &VerifierKey,
    now: &Checkpoint,
    witnesses: &[VerifierKey],
    read: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<(u64, Vec<(VerifierKey, u64)>), LedgerError> {
    let (kept, note) = Checkpoint::open(&note.to_string(), key)?;
    verify_prefix(&kept, now, read)?;
    Ok((kept.size, cosigners(&note, witnesses)))
}

/// What a witness remembers: for each log the checkpoint that it cosigned last, and what it refused and why.
pub struct WitnessMemory(Mutex<Connection>);

/// Refused requests that are kept as evidence for each log.
const EVIDENCE_MAX: u32 = 1_000;

impl WitnessMemory {
    /// Opens the memory, or begins one.
    ///
    /// # Errors
    /// `Lock` (the database's error).
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let database = Connection::open(path)?;
        database.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS last (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,
                 note TEXT NOT NULL);
             CREATE TABLE IF NOT EXISTS evidence (id INTEGER PRIMARY KEY, origin TEXT NOT NULL, at INTEGER NOT NULL,
                 status INTEGER NOT NULL, request TEXT NOT NULL);",
        )?;
        Ok(Self(Mutex::new(database)))
    }

    /// Considers a request, and answers it: the new checkpoint is durable, in the same transaction as the look at the last
    /// one, before it is cosigned. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// The inner one is the refusal to answer with; the outer one is the memory's own trouble, to answer with 500.
    pub fn add_checkpoint(
        &self,
        body: &str,
        logs: &[VerifierKey],
        signer: &NoteSigner,
        now: u64,
    ) -> Result<Result<String, Refusal>, LogError> {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(error) => return Ok(Err(Refusal::BadRequest(error))),
        };
        let mut database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let asked = Checkpoint::parse(&request.checkpoint.text).map(|checkpoint| checkpoint.origin).unwrap_or_default();
        let last = last_of(&transaction, &asked)?;
        match consider(&request, logs, |_| last) {
            Ok(checkpoint) => {
                // Made before it is durable, and shown to nobody until it is.
                let cosigned = answer(&request, signer, now)?;
                let size = i64::try_from(checkpoint.size).unwrap_or(i64::MAX);
                let note = format!("{}{cosigned}\n", request.checkpoint);
                transaction.execute(
                    "INSERT INTO last (origin, size, root, note) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (origin) DO UPDATE SET size = ?2, root = ?3, note = ?4",
                    params![checkpoint.origin, size, checkpoint.root.0, note],
                )?;
                transaction.commit()?;
                Ok(Ok(cosigned))
            }
            Err(refusal) => {
                if refusal.is_evidence() {
                    keep_evidence(&transaction, &asked, refusal.status(), body, now)?;
                    transaction.commit()?;
                }
                Ok(Err(refusal))
            }
        }
    }

    /// The checkpoint of a log that was cosigned last, with the log's signature and the cosignature.
    ///
    /// # Errors
    /// `Lock` (the database's error).
    pub fn latest(&self, origin: &str) -> Result<Option<String>, LogError> {
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let note = database.query_row("SELECT note FROM last WHERE origin = ?1", [origin], |row| row.get(0));
        Ok(note.optional()?)
    }

    /// The requests, signed by the log, that this witness refused because they contradict what it cosigned: status and body,
    /// the oldest first.
    ///
    /// # Errors
    /// `Lock` (the database's error).
    pub fn evidence(&self, origin: &str) -> Result<Vec<(u16, String)>, LogError> {
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = database.prepare("SELECT status, request FROM evidence WHERE origin = ?1 ORDER BY id")?;
        let rows = statement.query_map([origin], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// The key of a witness, in `witness.key` of its folder; made at the first start, readable by its owner only. A key that is
/// lost, or used with a memory that is lost, is to be retired: a witness that forgot must not cosign again.
///
/// # Errors
/// `Keys` if the file cannot be used, `Ledger` if the name is none.
pub fn witness_signer(folder: &Path, name: &str) -> Result<NoteSigner, LogError> {
    let seed = private_file(&folder.join("witness.key"))?;
    Ok(NoteSigner::from_seed(name, KeyKind::CosignatureEd25519, &seed)?)
}

fn last_of(database: &Connection, origin: &str) -> Result<Option<Checkpoint>, LogError> {
    let row = database
        .query_row("SELECT size, root FROM last WHERE origin = ?1", [origin], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?))
        })
        .optional()?;
    Ok(row.map(|(size, root)| Checkpoint { origin: origin.to_owned(), size: size.unsigned_abs(), root: Hash(root) }))
}

fn keep_evidence(database: &Connection, origin: &str, status: u16, body: &str, now: u64) -> Result<(), LogError> {
    let count: u32 =
        database.query_row("SELECT count(*) FROM evidence WHERE origin = ?1", [origin], |row| row.get(0))?;
    if count < EVIDENCE_MAX {
        database.execute(
            "INSERT INTO evidence (origin, at, status, request) VALUES (?1, ?2, ?3, ?4)",
            params![origin, i64::try_from(now).unwrap_or(i64::MAX), status, body],
        )?;
    }
    Ok(())
}
