//! The one thread that writes. Whatever is waiting when a commit begins shares that commit, so that a hundred writers
//! wait for one flush and not for a hundred.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::session::{Caches, Session};
use super::{Codes, now};
use crate::index::Definitions;
use crate::{EhrError, Refusal};

/// Writes that may wait for the thread.
const WAITING_MAX: usize = 1_024;
/// Writes that share one commit.
const SHARED_MAX: usize = 256;

/// What a job leaves behind: it is told how the commit went.
type Answer = Box<dyn FnOnce(Result<(), Refusal>) + Send>;
type Job = Box<dyn FnOnce(&mut Session<'_>) -> Answer + Send>;

/// A handle on the thread.
pub(crate) struct Writer {
    sender: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(
        connection: Connection,
        codes: Arc<Codes>,
        definitions: Arc<Definitions>,
        full_text: bool,
    ) -> Result<Self, EhrError> {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("ehr-writer".to_owned())
            .spawn(move || Loop { connection, codes, definitions, full_text, caches: Caches::default() }.run(&receiver))
            .map_err(|cause| EhrError::Io { path: "thread ehr-writer".to_owned(), cause })?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Queues `work`. The receiver resolves after the commit.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Refusal>>, Refusal> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |session| {
            let done = session.alone(work);
            Box::new(move |committed| {
                // Whoever asked may be gone; the write stands all the same.
                let _gone = answer.send(committed.and(done));
            })
        });
        let sender = self.sender.as_ref().ok_or(EhrError::Closed)?;
        sender.send(job).map_err(|_| EhrError::Closed)?;
        Ok(answered)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // A job may hold the last handle on the store; the thread cannot wait for itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ended = thread.join();
            }
        }
    }
}

struct Loop {
    connection: Connection,
    codes: Arc<Codes>,
    definitions: Arc<Definitions>,
    full_text: bool,
    caches: Caches,
}

impl Loop {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut answers = Vec::with_capacity(8);
            let begun = self.connection.execute_batch("BEGIN IMMEDIATE");
            if begun.is_ok() {
                answers.push(self.run_one(first));
                while answers.len() < SHARED_MAX {
                    let Ok(next) = jobs.try_recv() else { break };
                    answers.push(self.run_one(next));
                }
            }
            let committed = begun.and_then(|()| self.connection.execute_batch("COMMIT"));
            if committed.is_err() {
                let _rolled_back = self.connection.execute_batch("ROLLBACK");
                self.caches.clear();
            }
            for answer in answers {
                answer(committed.as_ref().copied().map_err(|cause| Refusal::fault(cause)));
            }
        }
    }

    fn run_one(&mut self, job: Job) -> Answer {
        // A clock that steps back must not let a later change look earlier.
        let now = now().max(self.caches.latest);
        self.caches.latest = now;
        let mut session = Session {
            connection: &self.connection,
            codes: &self.codes,
            definitions: &self.definitions,
            full_text: self.full_text,
            caches: &mut self.caches,
            now,
        };
        job(&mut session)
    }
}
