//! Why the log could not be opened, or did not accept an entry.

use std::path::PathBuf;

use crate::keys::KeyError;

/// What is wrong with the log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A setting cannot be used.
    #[error("audit settings: {0}")]
    Settings(&'static str),
    /// A file cannot be read or written.
    #[error("{act} {path}: {source}")]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Another process has this log open.
    #[error("{0}: another process has this log open")]
    Held(PathBuf),
    /// The write-ahead log is damaged before its end: something that was acknowledged may be lost.
    #[error(
        "{path}: {damage}; nothing is opened. Mend: restore this file from the second disk or the backup of today, then start again"
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where.
        damage: String,
    },
    /// The log on the disk is not the one that was signed last.
    #[error(
        "{origin}: {why}; nothing is signed. Mend: bring back the newest data folder; if there is none, begin a log under a new node name and keep this one as evidence"
    )]
    NotTheSignedLog {
        /// Which log.
        origin: String,
        /// In what it differs.
        why: String,
    },
    /// The lock store knows nothing of a log that has been signed before.
    #[error(
        "{0}: the lock store knows nothing of this log, although it was signed before; mend: bring back the lock file"
    )]
    NoLock(String),
    /// Another instance has signed a checkpoint of this log meanwhile.
    #[error("{0}: another instance has signed this log; this one stops")]
    OtherInstance(String),
    /// The log has stopped after an error and accepts nothing more.
    #[error("the audit log has stopped: {0}")]
    Stopped(String),
    /// The queue was full for longer than a request may wait.
    #[error("the audit log's queue is full")]
    QueueFull,
    /// The disk is nearly full.
    #[error("the audit log's disk has fewer than {0} bytes left")]
    DiskFull(u64),
    /// The emergency reserve is used up.
    #[error("the emergency reserve of {0} bytes is used up")]
    ReserveFull(u64),
    /// The entry could not be sealed.
    #[error(transparent)]
    Audit(#[from] bascule_audit::AuditError),
    /// The key store failed.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The lock store failed.
    #[error("the lock store: {0}")]
    Lock(#[from] rusqlite::Error),
    /// Tiles, checkpoint or key of the log itself are wrong.
    #[error(transparent)]
    Ledger(#[from] bascule_ledger::LedgerError),
}

impl LogError {
    pub(crate) fn file(act: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { act, path, source }
    }
}
