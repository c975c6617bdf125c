//! The one place that knows SQL tables: a file, one writer thread, many readers.
//!
//! Who can rewrite this file can rewrite every chart; nothing here detects that. What the bridge keeps of an access
//! stands in the bridge's own log.

mod codes;
mod read;
mod readers;
pub(crate) mod schema;
mod session;
mod write;
mod writer;

use std::path::Path;
use std::sync::Arc;

use bascule_fhir::{ResourceType, Timestamp};
use rusqlite::Connection;

pub(crate) use codes::Codes;
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
        write::reindex_if_changed(&mut connection, &codes, &definitions, full_text)?;
        crate::operation::interrupted(&connection)?;
        let readers = Arc::new(readers::Readers::open(file, readers)?);
        let writer = writer::Writer::start(connection, Arc::clone(&codes), Arc::clone(&definitions), full_text)?;
        Ok(Self { writer: Arc::new(writer), readers, file: Arc::from(file), codes, definitions })
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
