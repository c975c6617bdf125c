//! Connections that only read, handed out one at a time, each search bounded in time.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle, OpenFlags};
use tokio::sync::Semaphore;

use super::schema;
use crate::{EhrError, Refusal};

/// The longest that one request may read before it is stopped.
const READ_TIME_MAX: Duration = Duration::from_secs(30);

/// The pool.
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<Reader>>>,
    free: Arc<Semaphore>,
}

struct Reader {
    connection: Connection,
    interrupt: Arc<InterruptHandle>,
}

impl Readers {
    /// Opens `count` connections.
    pub(crate) fn open(file: &Path, count: usize) -> Result<Self, EhrError> {
        let mut idle = Vec::with_capacity(count.max(1));
        for _ in 0..count.max(1) {
            let connection = open_one(file)?;
            let interrupt = Arc::new(connection.get_interrupt_handle());
            idle.push(Reader { connection, interrupt });
        }
        let free = Arc::new(Semaphore::new(idle.len()));
        Ok(Self { idle: Arc::new(Mutex::new(idle)), free })
    }

    /// Runs `work` on a thread that may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| Refusal::from(EhrError::Closed))?;
        let reader = take(&self.idle)?;
        let interrupt = Arc::clone(&reader.interrupt);
        let idle = Arc::clone(&self.idle);
        let mut task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let lent = Lent { reader: Some(reader), idle };
            lent.connection().map_or_else(|| Err(EhrError::Closed.into()), |connection| snapshot(connection, work))
        });
        match tokio::time::timeout(READ_TIME_MAX, &mut task).await {
            Ok(done) => done.unwrap_or_else(|cause| Err(Refusal::fault(&cause))),
            Err(_late) => {
                interrupt.interrupt();
                task.await.unwrap_or_else(|cause| Err(Refusal::fault(&cause)))
            }
        }
    }

    /// Runs `work` on this thread, waiting for a connection by polling; for loading and for tests.
    pub(crate) fn run_here<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let _permit = loop {
            match self.free.try_acquire() {
                Ok(permit) => break permit,
                Err(_busy) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        let lent = Lent { reader: Some(take(&self.idle)?), idle: Arc::clone(&self.idle) };
        lent.connection().map_or_else(|| Err(EhrError::Closed.into()), |connection| snapshot(connection, work))
    }
}

/// A connection that only reads.
pub(super) fn open_one(file: &Path) -> Result<Connection, EhrError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    schema::prepare(&connection, false)?;
    Ok(connection)
}

/// One request sees one state of the file, however many statements it needs.
fn snapshot<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, Refusal>) -> Result<T, Refusal> {
    connection.execute_batch("BEGIN")?;
    let done = work(connection);
    // Nothing was written, so the end of the snapshot cannot lose anything.
    let _ended = connection.execute_batch("COMMIT");
    done
}

fn take(idle: &Mutex<Vec<Reader>>) -> Result<Reader, Refusal> {
    let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    taken.ok_or_else(|| EhrError::Closed.into())
}

/// A reader that returns to the pool whatever happens to its borrower.
struct Lent {
    reader: Option<Reader>,
    idle: Arc<Mutex<Vec<Reader>>>,
}

impl Lent {
    fn connection(&self) -> Option<&Connection> {
        self.reader.as_ref().map(|reader| &reader.connection)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        }
    }
}
