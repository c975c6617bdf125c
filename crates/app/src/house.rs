//! An open house: lock, shelf, policy and log, in that order. Whatever is missing stops the start.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bascule_fhir::Timestamp;
use bascule_gateway::Floods;
use bascule_policy::fault::{self, Fault};
use bascule_store::delivery::Queue;
use bascule_store::log::reserve::ReserveSettings;
use bascule_store::log::{Log, LogError, LogSettings};
use bascule_store::{Store, StoreError};

use crate::admin::policy::PolicyControl;
use crate::admin::policy::begin::begin;
use crate::clock;
use crate::config::{Emergency, Settings};

/// Everything that a verb needs to act for the house.
pub(crate) struct House {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<Store>,
    /// Messages of partners on their way.
    pub(crate) deliveries: Arc<Queue>,
    pub(crate) log: Log,
    /// Refusals of sign-ins and tokens that are counted.
    pub(crate) floods: Floods,
    pub(crate) policy: Arc<PolicyControl>,
    /// Held as long as the house is open; the kernel lets it go when the process ends, however it ends.
    _lock: File,
}

/// Why a house cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HouseError {
    #[error("{}", fault::render(.0, "Nothing was started.").trim_end())]
    Policy(Vec<Fault>),
    #[error("the house at {0} is open in another process; end it first")]
    Locked(String),
    #[error("{path}: {source}")]
    Folder { path: String, source: std::io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl House {
    /// Opens it.
    pub(crate) fn open(settings: Settings, now: Timestamp) -> Result<Self, HouseError> {
        make_folder(&settings.store)?;
        if let Some(folder) = settings.audit.lock.parent() {
            make_folder(folder)?;
        }
        let lock = take_lock(&settings.store)?;
        let store = Store::open(&settings.store.join("bascule.db"), now)?;
        let deliveries = Arc::new(crate::exchange::queue(&settings, &store)?);
        let begun = begin(&settings.policy, &settings.api_names(), &store, now).map_err(HouseError::Policy)?;
        let log = Log::open(log_settings(&settings), now)?;
        let store = Arc::new(store);
        let policy = Arc::new(PolicyControl::open(begun, &store, &log, &settings));
        Ok(Self { settings, store, deliveries, log, floods: Floods::default(), policy, _lock: lock })
    }

    /// Writes the log's last checkpoint.
    pub(crate) async fn close(&self) {
        self.floods.tell_all(&self.log).await;
        if let Err(error) = self.log.close(clock::now()).await {
            tracing::error!(%error, "the log could not be closed");
        }
    }
}

/// How the log of these settings is opened.
pub(crate) fn log_settings(settings: &Settings) -> LogSettings {
    let audit = &settings.audit;
    let usual = LogSettings::new(&settings.store, audit.lock.clone(), &audit.node, &audit.origin);
    let emergency = match &audit.emergency {
        Some(Emergency::Reserve { file, hours, accesses_per_hour }) => {
            Some(ReserveSettings { file: file.clone(), hours: *hours, accesses_per_hour: *accesses_per_hour })
        }
        Some(Emergency::Deny) | None => None,
    };
    LogSettings {
        emergency,
        folder: audit.folder.clone(),
        keys_folder: settings.store.join("keys"),
        durability: audit.durability,
        ..usual
    }
}

fn make_folder(path: &Path) -> Result<(), HouseError> {
    std::fs::create_dir_all(path).map_err(|source| HouseError::Folder { path: path.display().to_string(), source })
}

fn take_lock(store: &Path) -> Result<File, HouseError> {
    let path = store.join("house.lock");
    let fail = |source| HouseError::Folder { path: path.display().to_string(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(fail)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => Err(HouseError::Locked(store.display().to_string())),
        Err(error) => Err(fail(error.into())),
    }
}
