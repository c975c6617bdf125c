//! Reading a log back: entries in their order, opened as far as keys allow, each with its proof.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bascule_audit::{KeyId, Opened, Position, Record};
use bascule_crypto::Secret;
use bascule_crypto::digest::Sha256;
use bascule_ledger::tile::{TILE_WIDTH, entries_of};
use bascule_ledger::{Checkpoint, Hash, LedgerError, Note, RecordProof, TileReader, VerifierKey, leaf_hash};

use super::LogError;
use super::verify::shard_folders;
use crate::keys::{KeyStore, MonthKeys};

/// Keys of patients and months that a reader keeps at hand.
const BASES_KEPT_MAX: usize = 10_000;

/// A shard at its last checkpoint.
#[derive(Debug, Clone)]
pub struct ShardView {
    folder: PathBuf,
    checkpoint: Checkpoint,
    note: Note,
    key: VerifierKey,
}

impl ShardView {
    /// Reads a shard's checkpoint, and checks its signature with the key beside it.
    ///
    /// # Errors
    /// `Ledger` if it is not a log's folder or the signature does not hold.
    pub fn open(folder: &Path) -> Result<Self, LogError> {
        let text = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(LogError::file("reading", &path))
        };
        let key = VerifierKey::parse(&text("vkey")?)?;
        let (checkpoint, note) = Checkpoint::open(&text("checkpoint")?, &key)?;
        Ok(Self { folder: folder.to_owned(), checkpoint, note, key })
    }

    /// What the checkpoint says.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed checkpoint, with its cosignatures.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// The shard's key.
    #[must_use]
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The shard's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A reader of its tree.
    pub fn tiles(&self) -> TileReader<impl Fn(&str) -> Option<Vec<u8>> + '_> {
        TileReader::new(self.checkpoint.size, |path: &str| fs::read(self.folder.join(path)).ok())
    }

    /// The proof that `index` stands in this log, checked before it is given.
    ///
    /// # Errors
    /// `Ledger`.
    pub fn proof(&self, index: u64) -> Result<(Vec<u8>, RecordProof), LogError> {
        let tiles = self.tiles();
        let bytes = tiles.entry(index)?;
        let proof = RecordProof::make(self.note.clone(), &tiles, index)?;
        proof.verify(&bytes, &self.key)?;
        Ok((bytes, proof))
    }
}

/// Where a reader stands: the next entry to read. As text `<origin> <index>`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor {
    /// The shard's origin; empty is before every shard.
    pub origin: String,
    /// The next index.
    pub index: u64,
}

impl Cursor {
    /// Reads the text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (origin, index) = text.trim().rsplit_once(' ')?;
        Some(Self { origin: origin.to_owned(), index: index.parse().ok()? })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.origin, self.index)
    }
}

/// Reads the shards below a folder.
pub struct LogReader {
    shards: Vec<ShardView>,
    keys: Arc<KeyStore>,
    months: RefCell<HashMap<String, Option<MonthKeys>>>,
    bases: RefCell<HashMap<(KeyId, String), Option<Secret>>>,
}

impl LogReader {
    /// Over the shards below `folder`, at their present checkpoints.
    ///
    /// # Errors
    /// [`LogError`] if a shard cannot be read.
    pub fn open(folder: &Path, keys: Arc<KeyStore>) -> Result<Self, LogError> {
        let shards = shard_folders(folder).iter().map(|folder| ShardView::open(folder)).collect::<Result<_, _>>()?;
        Ok(Self { shards, keys, months: RefCell::default(), bases: RefCell::default() })
    }

    /// The shards, a node's in the order of time.
    #[must_use]
    pub fn shards(&self) -> &[ShardView] {
        &self.shards
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &KeyStore {
        &self.keys
    }

    /// The shard of that origin.
    ///
    /// # Errors
    /// `Ledger` if it is not here.
    pub fn shard(&self, origin: &str) -> Result<&ShardView, LogError> {
        let found = self.shards.iter().find(|shard| shard.checkpoint.origin == origin);
        found.ok_or_else(|| LogError::Ledger(LedgerError::Missing(origin.to_owned())))
    }

    /// One entry, proved and opened.
    ///
    /// # Errors
    /// `Ledger` if it is not there or its proof does not hold.
    pub fn entry(&self, origin: &str, index: u64) -> Result<(Opened, RecordProof), LogError> {
        let (bytes, proof) = self.shard(origin)?.proof(index)?;
        Ok((self.opened(origin, index, &bytes)?, proof))
    }

    /// Gives every entry from `from` on, in order, until `take` says no. Where it stopped.
    ///
    /// Entries are read from bundles whose hashes are compared with the tiles; whether the tiles lead to the root is
    /// `verify`'s to say.
    ///
    /// # Errors
    /// `Ledger` if an entry is not what the tree holds, or what `take` returns.
    pub fn each(
        &self,
        from: &Cursor,
        mut take: impl FnMut(Opened) -> Result<bool, LogError>,
    ) -> Result<Cursor, LogError> {
        let mut cursor = from.clone();
        let skipped = self.shards.iter().position(|shard| shard.checkpoint.origin == from.origin).unwrap_or(0);
        for shard in self.shards.iter().skip(skipped) {
            if shard.checkpoint.origin != cursor.origin {
                cursor = Cursor { origin: shard.checkpoint.origin.clone(), index: 0 };
            }
            let tiles = shard.tiles();
            while cursor.index < shard.checkpoint.size {
                let bundle = tiles.bundle(cursor.index / TILE_WIDTH)?;
                let entries = entries_of(&bundle)?;
                let start = cursor.index - cursor.index % TILE_WIDTH;
                let skip = usize::try_from(cursor.index - start).unwrap_or(0);
                for bytes in entries.into_iter().skip(skip) {
                    if cursor.index >= shard.checkpoint.size {
                        break;
                    }
                    if tiles.node(0, cursor.index)? != leaf_hash(bytes) {
                        return Err(LedgerError::ProofFails("inclusion").into());
                    }
                    let opened = self.opened(&cursor.origin, cursor.index, bytes)?;
                    if !take(opened)? {
                        return Ok(cursor);
                    }
                    cursor.index += 1;
                }
            }
        }
        Ok(cursor)
    }

    /// Writes every entry from `from` on as FHIR `AuditEvent`s, one a line. `server` is the bridge's base URL. The cursor
    /// to go on from: events have stable ids, so one that is sent twice is known.
    ///
    /// # Errors
    /// As [`Self::each`], or `File` if `out` refuses.
    pub fn export(&self, from: &Cursor, server: &str, out: &mut impl Write) -> Result<Cursor, LogError> {
        let path = Path::new("the export");
        let cursor = self.each(from, |entry| {
            for event in bascule_audit::event::audit_events(&entry, server) {
                writeln!(out, "{event}").map_err(LogError::file("writing", path))?;
            }
            Ok(true)
        })?;
        out.flush().map_err(LogError::file("writing", path))?;
        Ok(cursor)
    }

    /// Opens an entry as far as keys allow.
    ///
    /// # Errors
    /// `Audit` if the bytes are no entry, `Keys` if the key store fails.
    pub fn opened(&self, origin: &str, index: u64, bytes: &[u8]) -> Result<Opened, LogError> {
        let record = Record::parse(bytes)?;
        let about = record.about();
        let month = self.month(&about.clear().epoch)?;
        let mut agent = None;
        let mut patients = vec![None; about.patients()];
        if let Some(month) = month {
            agent = about.open_agent(&month.staff).ok().flatten();
            let ids = about.key_ids(&month.hints).unwrap_or_default();
            for (place, (id, patient)) in ids.into_iter().zip(patients.iter_mut()).enumerate() {
                let base = self.base(id, &about.clear().epoch, &month)?;
                *patient = base.and_then(|base| about.open_patient(place, &base).ok());
            }
        }
        Ok(Opened {
            position: Position { origin: origin.to_owned(), index, leaf_hash: leaf_hash(bytes).to_base64() },
            asked: record.intent().map(|intent| intent.clear().clone()),
            clear: record.clear().clone(),
            agent,
            patients,
        })
    }

    /// Which of the bodies that passed with the entry at `position` has this SHA-256: `received`, `released`, `sent`. The entry is
    /// proved first. `None` if it keeps no digests, or the key that they were made under is gone.
    ///
    /// # Errors
    /// `Ledger` if it cannot be proved, `Keys` if the key store fails.
    pub fn bodies_with(&self, position: &Position, digest: Sha256) -> Result<Option<Vec<&'static str>>, LogError> {
        let shard = self.shards.iter().find(|shard| shard.checkpoint.origin == position.origin);
        let shard = shard.ok_or_else(|| LedgerError::Missing(position.origin.clone()))?;
        let record = Record::parse(&shard.proof(position.index)?.0)?;
        let epoch = record.clear().epoch.clone();
        let Some(month) = self.month(&epoch)?.filter(|_| record.clear().digests.is_some()) else { return Ok(None) };
        let base = match record.key_ids(&month.hints).unwrap_or_default().as_slice() {
            [only] => self.base(*only, &epoch, &month)?,
            _ => Some(month.staff.clone()),
        };
        Ok(base.map(|base| record.bodies_with(digest, &base)))
    }

    fn month(&self, epoch: &str) -> Result<Option<MonthKeys>, LogError> {
        if let Some(month) = self.months.borrow().get(epoch) {
            return Ok(month.clone());
        }
        let month = self.keys.read_month(epoch)?;
        self.months.borrow_mut().insert(epoch.to_owned(), month.clone());
        Ok(month)
    }

    fn base(&self, id: KeyId, epoch: &str, month: &MonthKeys) -> Result<Option<Secret>, LogError> {
        let name = (id, epoch.to_owned());
        if let Some(base) = self.bases.borrow().get(&name) {
            return Ok(base.clone());
        }
        let base = self.keys.read_patient(id, month)?;
        let mut bases = self.bases.borrow_mut();
        if bases.len() >= BASES_KEPT_MAX {
            bases.clear();
        }
        bases.insert(name, base.clone());
        Ok(base)
    }
}

/// Proves what a receipt says (`<origin> <index> <leaf hash>`, the `Audit-Receipt` header), out of the shards below `folder`.
/// It needs no key of ours: the proof can be checked by anybody.
///
/// # Errors
/// `Ledger`: the log is not here, is shorter than the receipt says, or holds something else at that place.
pub fn prove_receipt(folder: &Path, receipt: &str) -> Result<RecordProof, LogError> {
    let malformed = || LedgerError::Malformed { what: "receipt", why: "it is not origin, index and leaf hash" };
    let mut words = receipt.split_whitespace();
    let (Some(origin), Some(index), Some(leaf), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(malformed().into());
    };
    let index: u64 = index.parse().map_err(|_| malformed())?;
    let leaf = Hash::from_base64(leaf)?;
    if let Some(node) = origin.strip_suffix("/emergency") {
        return prove_carried_over(folder, node, leaf);
    }
    for folder in shard_folders(folder) {
        let shard = ShardView::open(&folder)?;
        if shard.checkpoint.origin != origin {
            continue;
        }
        let proof = RecordProof::make(shard.note.clone(), &shard.tiles(), index)?;
        proof.verify_leaf(leaf, &shard.key)?;
        return Ok(proof);
    }
    Err(LedgerError::Missing(origin.to_owned()).into())
}

/// The receipt of an entry that stood in the emergency reserve first: its place there says nothing about its place in the log, but its
/// hash is the same.
fn prove_carried_over(folder: &Path, node: &str, leaf: Hash) -> Result<RecordProof, LogError> {
    for folder in shard_folders(folder).iter().rev() {
        let shard = ShardView::open(folder)?;
        if shard.checkpoint.origin.rsplit_once('/').is_none_or(|(of_node, _)| of_node != node) {
            continue;
        }
        let tiles = shard.tiles();
        for index in (0..shard.checkpoint.size).rev() {
            if tiles.node(0, index)? == leaf {
                let proof = RecordProof::make(shard.note.clone(), &tiles, index)?;
                proof.verify_leaf(leaf, &shard.key)?;
                return Ok(proof);
            }
        }
    }
    Err(LedgerError::Missing(format!("{node}/emergency, carried over into a log")).into())
}
