//! Settings of the log, each with its unit.

use std::path::PathBuf;

/// Which durability an answer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Intent and final record are on the disk before the answer's first byte. Nothing acknowledged is lost.
    #[default]
    Strict,
    /// The intent is on the disk before the request goes upstream; the final record is only handed to the system. A
    /// power loss may turn the last few milliseconds of entries into "outcome unknown".
    Overlap,
    /// Nothing waits for the disk, and a full queue loses entries (a gap entry tells how many). Dangerous.
    Async,
}

/// Settings of a node's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The audit folder: `<folder>/<node>/<year>q<n>/` are the shards, `<folder>/<node>/wal/` the write-ahead log.
    pub folder: PathBuf,
    /// Where keys are kept: the master key, `keys.db`, and each shard's signing key. Private to the process's user.
    pub keys_folder: PathBuf,
    /// The lock store: beside the data folder, never in it, so that restoring the one does not restore the other.
    pub lock_file: PathBuf,
    /// This node's name: letters, digits, `-` and `_`.
    pub node: String,
    /// The prefix of every origin: `<origin>/<node>/<shard>`.
    pub origin: String,
    /// What an answer waits for.
    pub durability: Durability,
    /// Entries that may wait to be written. Beyond that a request waits `queue_wait_ms`, then is refused.
    pub queue_entries_max: usize,
    /// How long a request waits for a place in the queue.
    pub queue_wait_ms: u64,
    /// Entries of one batch, that is, of one sync.
    pub batch_entries_max: usize,
    /// How often a checkpoint is made, if there are new entries.
    pub checkpoint_interval_ms: u64,
    /// Bytes after which a new segment of the write-ahead log begins.
    pub segment_bytes_max: u64,
    /// The log accepts nothing while fewer bytes than these are free, so that it can still say why.
    pub reserve_bytes: u64,
    /// Where clinical care is recorded while the log cannot be written; `None`: nowhere, and it is refused.
    pub emergency: Option<super::reserve::ReserveSettings>,
    /// By how much entries' times may go back, or run ahead of the steady clock, before a clock-step entry says so.
    pub clock_step_max_ms: u64,
}

impl LogSettings {
    /// The defaults, for a data folder: `audit` and `keys` in it, the lock file as given.
    #[must_use]
    pub fn new(data: &std::path::Path, lock_file: PathBuf, node: &str, origin: &str) -> Self {
        Self {
            folder: data.join("audit"),
            keys_folder: data.join("keys"),
            lock_file,
            node: node.to_owned(),
            origin: origin.to_owned(),
            durability: Durability::Strict,
            queue_entries_max: 8_192,
            queue_wait_ms: 2_000,
            batch_entries_max: 4_096,
            checkpoint_interval_ms: 1_000,
            segment_bytes_max: 64 << 20,
            reserve_bytes: 64 << 20,
            emergency: None,
            clock_step_max_ms: 120_000,
        }
    }

    pub(crate) fn node_folder(&self) -> PathBuf {
        self.folder.join(&self.node)
    }

    pub(crate) fn wal_folder(&self) -> PathBuf {
        self.node_folder().join("wal")
    }

    pub(crate) fn origin_of(&self, shard: super::Shard) -> String {
        format!("{}/{}/{}", self.origin, self.node, shard.name())
    }

    pub(crate) fn signing_key_file(&self, shard: super::Shard) -> PathBuf {
        self.keys_folder.join(format!("{}-{}.key", self.node, shard.name()))
    }

    pub(crate) fn fault(&self) -> Option<&'static str> {
        let plain = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter))
        };
        let data = self.folder.parent().unwrap_or(&self.folder);
        if !plain(&self.node, "-_") {
            Some("`node` is empty, or has other letters than a-z, 0-9, - and _")
        } else if !plain(&self.origin, "-._/:") || self.origin.ends_with('/') {
            Some("`origin` is empty, ends with a slash, or has letters that a key name cannot have")
        } else if self.lock_file.starts_with(&self.folder) || self.lock_file.parent() == Some(data) {
            Some(
                "`lock_file` lies in the data folder; put it beside, so that a restored backup does not bring it along",
            )
        } else if self.emergency.as_ref().is_some_and(|reserve| reserve.file.starts_with(data)) {
            Some("the emergency reserve lies in the data folder; put it beside, best on another disk")
        } else if self.queue_entries_max == 0 || self.batch_entries_max == 0 || self.checkpoint_interval_ms == 0 {
            Some("a bound is zero")
        } else {
            None
        }
    }
}
