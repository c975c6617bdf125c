//! The one place that knows SQL tables: a file, one writer thread, many readers.
//!
//! Who can rewrite this file can rewrite every chart; nothing here detects that. What the bridge keeps of an access
//! stands in the bridge's own log.

mod build;
mod bulk;
mod codes;
mod fresh;
mod read;
mod readers;
mod rows;
pub(crate) mod schema;
mod session;
mod write;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bascule_fhir::{ResourceType, Timestamp};
use rusqlite::Connection;

pub(crate) use bulk::Bulk;
pub(crate) use codes::Codes;
pub(crate) use fresh::Fresh;
pub(crate) use read::{Method, Version, current, current_by_key, version, versions_by_sequence};
pub(crate) use session::Session;
pub(crate) use write::{Outcome, Prepared, Written};

use crate::index::Definitions;
use crate::{EhrError, Refusal};

/// An open file.
#[derive(Clone)]
pub(crate) struct Store {
    writer: Arc<writer::Writer>,
    readers: Arc<readers::Readers>,
    file: Arc<Path>,
    full_text: bool,
    /// Whether the search index is not whole.
    pending: Arc<AtomicBool>,
    pub(crate) codes: Arc<Codes>,
    pub(crate) definitions: Arc<Definitions>,
}

impl Store {
    /// Opens or makes the file, and brings its schema and its indexes up to date.
    pub(crate) fn open(file: &Path, base: &str, readers: usize, full_text: bool) -> Result<Self, EhrError> {
        let mut connection = Connection::open(file)?;
        schema::prepare(&connection, true)?;
        schema::migrate(&mut connection)?;
        let codes = Arc::new(Codes::load(&mut connection, Definitions::parameter_names())?);
        let definitions = Arc::new(Definitions::new(&codes, base)?);
        let is_whole = build::state(&connection, &build::edition(&definitions, full_text))? == build::State::Whole;
        crate::operation::interrupted(&connection)?;
        let readers = Arc::new(readers::Readers::open(file, readers)?);
        let writer = writer::Writer::start(connection, Arc::clone(&codes), Arc::clone(&definitions), full_text)?;
        let (writer, file, pending) = (Arc::new(writer), Arc::from(file), Arc::new(AtomicBool::new(!is_whole)));
        let store = Self { writer, readers, file, full_text, pending, codes, definitions };
        if !is_whole {
            store.build_index(|_| {})?;
        }
        Ok(store)
    }

    /// Whether the search index is not whole: nothing can be searched, and nothing may be changed, until it is.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// From here on, what is loaded is stored without being indexed. Blocks until that is durable.
    pub(crate) fn put_index_off(&self) -> Result<(), EhrError> {
        self.pending.store(true, Ordering::Release);
        let kept = self.submit(|session| session.put_index_off()).map_err(|_| EhrError::Closed)?;
        kept.blocking_recv().map_err(|_| EhrError::Closed)?.map_err(|refusal| EhrError::Settings(refusal.text()))
    }

    /// Builds the search index from all that is stored. Blocks, on a thread of its own: who opens an EHR may stand in a
    /// runtime, whose threads must not wait.
    pub(crate) fn build_index(&self, report: impl FnMut(u64) + Send) -> Result<(), EhrError> {
        let building = || build::build(self, self.full_text, report);
        std::thread::scope(|scope| scope.spawn(building).join().unwrap_or(Err(EhrError::Closed)))?;
        self.pending.store(false, Ordering::Release);
        Ok(())
    }

    /// Runs `work` alone on the writer, all or nothing; resolves when it is durable.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.writer.submit(work)?.await.unwrap_or_else(|_| Err(EhrError::Closed.into()))
    }

    /// The same for a thread that may wait.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<tokio::sync::oneshot::Receiver<Result<T, Refusal>>, Refusal> {
        self.writer.submit(work)
    }

    /// Much at once, in a transaction of its own.
    pub(crate) fn submit_whole<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<tokio::sync::oneshot::Receiver<Result<T, Refusal>>, Refusal> {
        self.writer.submit_whole(work)
    }

    /// Runs `work` on a reader.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.readers.run(work).await
    }

    /// The same for a thread that may wait.
    pub(crate) fn read_here<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Refusal>) -> Result<T, Refusal> {
        self.readers.run_here(work)
    }

    /// A connection for long reading, outside the pool.
    pub(crate) fn reader(&self) -> Result<Connection, Refusal> {
        Ok(readers::open_one(&self.file)?)
    }

    /// The living resources of each type that has any.
    pub(crate) fn count_by_type(connection: &Connection, codes: &Codes) -> Result<Vec<(ResourceType, u64)>, Refusal> {
        let mut statement =
            connection.prepare_cached("SELECT type, COUNT(*) FROM resource WHERE live = 1 GROUP BY type")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        let mut counts = Vec::new();
        for row in rows {
            let (code, count) = row?;
            if let Some(resource) = codes.resource(code) {
                counts.push((resource, u64::try_from(count).unwrap_or(0)));
            }
        }
        counts.sort();
        Ok(counts)
    }
}

/// The door's clock.
#[expect(clippy::disallowed_methods, reason = "the EHR is a door: it reads the clock and hands the value inward")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
