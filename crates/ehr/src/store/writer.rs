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
/// What it does, and whether that is to be kept.
type Work = Box<dyn FnOnce(&mut Session<'_>) -> (Answer, bool) + Send>;

/// What waits for the thread.
enum Job {
    /// Shares a commit with others; takes back by itself what it cannot finish.
    Shared(Work),
    /// Much at once, with a commit of its own. A savepoint over it would keep every page that it touches a second time.
    Whole(Work),
}

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
        let (work, answered) = boxed(|session| session.alone(work));
        self.send(Job::Shared(work))?;
        Ok(answered)
    }

    /// Queues `work` that has a transaction of its own.
    pub(crate) fn submit_whole<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Refusal>>, Refusal> {
        let (work, answered) = boxed(work);
        self.send(Job::Whole(work))?;
        Ok(answered)
    }

    fn send(&self, job: Job) -> Result<(), Refusal> {
        let sender = self.sender.as_ref().ok_or(EhrError::Closed)?;
        Ok(sender.send(job).map_err(|_| EhrError::Closed)?)
    }
}

fn boxed<T: Send + 'static>(
    work: impl FnOnce(&mut Session<'_>) -> Result<T, Refusal> + Send + 'static,
) -> (Work, oneshot::Receiver<Result<T, Refusal>>) {
    let (answer, answered) = oneshot::channel();
    let work: Work = Box::new(move |session| {
        let done = work(session);
        let is_kept = done.is_ok();
        let tell: Answer = Box::new(move |committed| {
            // Whoever asked may be gone; the write stands all the same.
            let _gone = answer.send(committed.and(done));
        });
        (tell, is_kept)
    });
    (work, answered)
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
        let mut early = None;
        while let Some(first) = early.take().or_else(|| jobs.recv().ok()) {
            match first {
                Job::Whole(work) => self.run_whole(work),
                Job::Shared(work) => early = self.run_shared(work, jobs),
            }
        }
    }

    fn run_whole(&mut self, work: Work) {
        let done = self.connection.execute_batch("BEGIN IMMEDIATE").map(|()| self.run_one(work));
        match done {
            Ok((answer, true)) => {
                let committed = self.commit(Ok(()));
                answer(committed);
            }
            Ok((answer, false)) => {
                let _rolled_back = self.connection.execute_batch("ROLLBACK");
                self.caches.clear();
                answer(Ok(()));
            }
            // The answer is dropped unanswered, which its receiver reads as closed.
            Err(cause) => tracing::error!(%cause, "a write could not begin"),
        }
    }

    /// This one and whatever else waits, in one commit; returns what waits and must not share it.
    fn run_shared(&mut self, first: Work, jobs: &Receiver<Job>) -> Option<Job> {
        let mut answers = Vec::with_capacity(8);
        let mut other = None;
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE");
        if begun.is_ok() {
            answers.push(self.run_one(first).0);
            while answers.len() < SHARED_MAX && other.is_none() {
                match jobs.try_recv() {
                    Ok(Job::Shared(work)) => answers.push(self.run_one(work).0),
                    Ok(whole) => other = Some(whole),
                    Err(_) => break,
                }
            }
        }
        let committed = self.commit(begun);
        for answer in answers {
            answer(committed.clone());
        }
        other
    }

    fn commit(&mut self, begun: Result<(), rusqlite::Error>) -> Result<(), Refusal> {
        let committed = begun.and_then(|()| self.connection.execute_batch("COMMIT"));
        if committed.is_err() {
            let _rolled_back = self.connection.execute_batch("ROLLBACK");
            self.caches.clear();
        }
        committed.map_err(|cause| Refusal::fault(&cause))
    }

    fn run_one(&mut self, work: Work) -> (Answer, bool) {
        // A clock that steps back must not let a later change look earlier.
        self.caches.bound();
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
        work(&mut session)
    }
}
