//! The other bank: an embedded FHIR R4 server over SQLite. It knows nothing of the bridge, and the bridge reaches it
//! over HTTP like any other upstream.

mod act;
mod ask;
mod bundle;
mod capability;
mod error;
mod fnv;
mod http;
mod index;
mod load;
mod operation;
mod patch;
mod search;
mod server;
mod store;
mod validate;

use std::future::Future;

use bascule_fhir::ResourceType;

pub(crate) use error::Refusal;
pub use error::{EhrError, Issue};
pub use load::{LoadItem, LoadProgress, LoadSummary, items};
pub use search::Handling;
pub use server::{Access, Settings, Validation};

/// An open EHR.
#[derive(Clone)]
pub struct Ehr {
    server: server::Server,
}

impl Ehr {
    /// Opens the file, makes it if it is not there, and brings its schema and indexes up to date.
    ///
    /// # Errors
    ///
    /// A file that cannot be opened, that a newer program wrote, or settings that contradict themselves.
    pub fn open(settings: Settings) -> Result<Self, EhrError> {
        server::Server::open(settings).map(|server| Self { server })
    }

    /// The FHIR API under the path of the base URL, guarded as the settings say. Whoever mounts it elsewhere than
    /// [`Ehr::serve`] must see to it that an open one is reached from this machine only.
    pub fn router(&self) -> axum::Router {
        http::router(self.server.clone())
    }

    /// Serves the API until `shutdown` resolves; requests that are under way end first.
    ///
    /// # Errors
    ///
    /// A socket that fails, or an open EHR on an address that is not loopback.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), EhrError> {
        http::serve(self.server, listener, shutdown).await
    }

    /// Loads without HTTP: see [`items`] for where items come from. What is stored already with the same content stays
    /// as it is, so that loading twice is loading once. Blocks; call it from a thread that may.
    ///
    /// # Errors
    ///
    /// The first item that cannot be stored (only in strict validation), or a database that fails. What was loaded
    /// before stays.
    pub fn load(
        &self,
        batch: impl Iterator<Item = Result<LoadItem, EhrError>>,
        progress: impl FnMut(LoadProgress),
    ) -> Result<LoadSummary, EhrError> {
        load::load(&self.server, batch, load::Bundles::Open, load::Indexing::AtOnce, progress)
    }

    /// As [`Ehr::load`], for much at once: everything is stored and checked first, and the search index is built from all
    /// of it afterwards, whole when this returns. Until then the API reads by id and answers all else with 503. If the
    /// process ends in between, the next [`Ehr::open`] builds what is missing. `indexed` is told how many resources are
    /// indexed.
    ///
    /// # Errors
    ///
    /// As [`Ehr::load`]; and while an `$import` or `$export` runs.
    pub fn load_then_index(
        &self,
        batch: impl Iterator<Item = Result<LoadItem, EhrError>>,
        progress: impl FnMut(LoadProgress),
        indexed: impl FnMut(u64) + Send,
    ) -> Result<LoadSummary, EhrError> {
        if self.server.jobs.are_running() {
            let text = "an import or export is running: the index cannot be put off before it has ended";
            return Err(EhrError::Settings(text.to_owned()));
        }
        self.server.store.put_index_off()?;
        let loaded = load::load(&self.server, batch, load::Bundles::Open, load::Indexing::Afterwards, progress);
        // Also if loading failed midway: what is stored is to be found.
        self.server.store.build_index(indexed)?;
        loaded
    }

    /// The living resources of each type that has any, by name of the type.
    ///
    /// # Errors
    ///
    /// A database that fails.
    pub fn count_by_type(&self) -> Result<Vec<(ResourceType, u64)>, EhrError> {
        let codes = &self.server.store.codes;
        self.server
            .store
            .read_here(|connection| store::Store::count_by_type(connection, codes))
            .map_err(|refusal| EhrError::Settings(refusal.text()))
    }
}
