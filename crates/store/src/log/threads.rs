//! The two threads of a log and what they tell each other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bascule_audit::SystemEvent;
use bascule_fhir::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::carry;
use super::publisher::{Durable, Ended, Publisher, Start};
use super::recover::{Ground, Recovered, previous_of, signer_of};
use super::sequencer::{Committed, Placed, Sequencer, Work};
use super::shard::Shard;
use super::{Durability, LogError, Shared};
use crate::keys::NewKey;

/// Batches that the publisher may be behind; then the sequencer waits for it.
const BACKLOG_BATCHES_MAX: usize = 64;

pub(crate) type Reply = oneshot::Sender<Result<Option<Placed>, LogError>>;

/// What waits in the log's queue.
pub(crate) enum Queued {
    Work(Work, Option<Reply>),
    Flush(oneshot::Sender<Result<String, LogError>>),
    Close(Timestamp, oneshot::Sender<Result<(), LogError>>),
}

/// What the publisher is told.
enum Told {
    Committed { entries: Vec<Durable>, keys: Vec<NewKey>, ended: Option<Ended> },
    Next { shard: Shard, at: Timestamp, reply: SyncSender<Result<SystemEvent, LogError>> },
    Flush(oneshot::Sender<Result<String, LogError>>),
    Stop(oneshot::Sender<Result<(), LogError>>),
}

/// The threads, to be waited for.
pub(crate) struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    pub(crate) fn join(self) {
        for thread in self.0 {
            let _ = thread.join();
        }
    }
}

pub(crate) fn start(
    ground: Ground,
    recovered: Recovered,
    shared: Arc<Shared>,
    now: Timestamp,
) -> Result<(mpsc::Sender<Queued>, Threads), LogError> {
    let Recovered { sequencer, publisher, beyond, torn_bytes } = recovered;
    let (queue, queued) = mpsc::channel(ground.settings.queue_entries_max);
    let (told, tell) = sync_channel(BACKLOG_BATCHES_MAX);
    let interval = Duration::from_millis(ground.settings.checkpoint_interval_ms);
    let publishing = Publishing { publisher, ground: ground.clone(), shared: Arc::clone(&shared), interval };
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let path = ground.settings.node_folder();
        std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(LogError::file("starting a thread", &path))
    };
    let second = spawn("audit-publisher", Box::new(move || publishing.run(&tell)))?;
    let mut sequencing = Sequencing { sequencer, told, shared, ground: ground.clone() };
    sequencing.begin(beyond, torn_bytes, now)?;
    let first = spawn("audit-sequencer", Box::new(move || sequencing.run(queued)))?;
    Ok((queue, Threads(vec![first, second])))
}

/// Whether the sequencer goes on after a batch.
enum Goes {
    On,
    NoFurther,
}

struct Sequencing {
    sequencer: Sequencer,
    told: SyncSender<Told>,
    shared: Arc<Shared>,
    ground: Ground,
}

impl Sequencing {
    /// The first entries after a start: what the shard follows, what was left open, and the start itself.
    fn begin(&mut self, recovered: u64, torn_bytes: u64, now: Timestamp) -> Result<(), LogError> {
        let shard = self.sequencer.shard;
        if self.sequencer.next == 0 {
            let event = shard_open(&self.ground, shard)?;
            let committed = self.sequencer.commit_system(&event, now)?;
            self.tell(committed)?;
        }
        self.carry_over(now)?;
        let open: Vec<_> = self.sequencer.open.keys().copied().collect();
        let works = open.into_iter().map(|intent| Work::Abandon { intent }).collect();
        let mut committed = self.sequencer.write_batch(works)?;
        self.sequencer.settle(&mut committed)?;
        self.tell(committed)?;
        if Shard::at(now) > shard {
            self.rotate(now)?;
        }
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let event = SystemEvent::Start { version, recovered, torn_bytes };
        let committed = self.sequencer.commit_system(&event, now)?;
        self.tell(committed)
    }

    /// What the emergency reserve held when the process ended comes before all else: it closes intents.
    fn carry_over(&mut self, now: Timestamp) -> Result<(), LogError> {
        let Some(reserve) = self.shared.reserve.get() else { return Ok(()) };
        let held = reserve.held()?;
        let works = carry::works(&held, &carry::already(&self.ground, &held)?, now);
        for work in works {
            let mut committed = self.sequencer.write_batch(vec![work])?;
            self.sequencer.settle(&mut committed)?;
            self.ground.keys.mark_written(&committed.keys);
            self.tell(committed)?;
        }
        reserve.carried_over(&held).map(drop)
    }

    fn run(mut self, mut queued: mpsc::Receiver<Queued>) {
        let mut batch = Vec::new();
        while queued.blocking_recv_many(&mut batch, self.ground.settings.batch_entries_max) > 0 {
            match self.shared.check().and_then(|()| self.serve(&mut batch)) {
                Ok(Goes::On) => {}
                // Dropping the waiters tells them; the closed queue tells those who come later.
                Ok(Goes::NoFurther) => return,
                Err(error) => return self.shared.fail(&error),
            }
        }
    }

    fn serve(&mut self, batch: &mut Vec<Queued>) -> Result<Goes, LogError> {
        let mut works = Vec::new();
        let mut replies = Vec::new();
        for queued in batch.drain(..) {
            match queued {
                Queued::Work(work, reply) => {
                    if self.sequencer.is_next_shard(&work) {
                        self.commit(&mut works, &mut replies)?;
                        if let Work::Append { at, .. } = &work {
                            self.rotate(*at)?;
                        }
                    }
                    works.push(work);
                    replies.push(reply);
                }
                Queued::Flush(reply) => {
                    self.commit(&mut works, &mut replies)?;
                    self.send(Told::Flush(reply))?;
                }
                Queued::Close(now, reply) => {
                    self.commit(&mut works, &mut replies)?;
                    let committed = self.sequencer.commit_system(&SystemEvent::Stop, now)?;
                    self.tell(committed)?;
                    self.send(Told::Stop(reply))?;
                    return Ok(Goes::NoFurther);
                }
            }
        }
        self.commit(&mut works, &mut replies)?;
        Ok(Goes::On)
    }

    fn commit(&mut self, works: &mut Vec<Work>, replies: &mut Vec<Option<Reply>>) -> Result<(), LogError> {
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            works.push(Work::Lost { count: lost, at: self.sequencer.clock.latest });
            replies.push(None);
        }
        if works.is_empty() {
            return Ok(());
        }
        let waits: Vec<bool> = works.iter().map(|work| self.waits_for_disk(work)).collect();
        let mut committed = self.sequencer.write_batch(std::mem::take(works))?;
        let mut answers: Vec<_> = replies.drain(..).zip(std::mem::take(&mut committed.placed)).collect();
        for ((reply, placed), _) in answers.iter_mut().zip(&waits).filter(|(_, waits)| !**waits) {
            answer(reply.take(), placed.take());
        }
        self.sequencer.settle(&mut committed)?;
        self.ground.keys.mark_written(&committed.keys);
        for (reply, placed) in answers {
            answer(reply, placed);
        }
        self.tell(committed)
    }

    const fn waits_for_disk(&self, work: &Work) -> bool {
        match self.ground.settings.durability {
            Durability::Strict => true,
            Durability::Overlap => matches!(work, Work::Intend { .. }),
            Durability::Async => false,
        }
    }

    /// Ends the shard and begins the one of `at`.
    fn rotate(&mut self, at: Timestamp) -> Result<(), LogError> {
        let shard = Shard::at(at);
        let committed = self.sequencer.close_shard(shard, at)?;
        self.tell(committed)?;
        let (reply, answer) = sync_channel(1);
        self.send(Told::Next { shard, at, reply })?;
        let event = answer.recv().map_err(|_| self.stopped())??;
        let committed = self.sequencer.open_shard(shard, &event, at)?;
        self.tell(committed)
    }

    fn tell(&self, committed: Committed) -> Result<(), LogError> {
        let Committed { entries, keys, ended, .. } = committed;
        self.send(Told::Committed { entries, keys, ended })
    }

    fn send(&self, told: Told) -> Result<(), LogError> {
        self.told.send(told).map_err(|_| self.stopped())
    }

    fn stopped(&self) -> LogError {
        self.shared.check().err().unwrap_or_else(|| LogError::Stopped("its publisher has ended".to_owned()))
    }
}

fn answer(reply: Option<Reply>, placed: Option<Placed>) {
    if let Some(reply) = reply {
        // Who asked may have gone; the entry stands.
        let _ = reply.send(Ok(placed));
    }
}

struct Publishing {
    publisher: Publisher,
    ground: Ground,
    shared: Arc<Shared>,
    interval: Duration,
}

impl Publishing {
    fn run(mut self, tell: &Receiver<Told>) {
        let mut due = Instant::now() + self.interval;
        loop {
            let told = tell.recv_timeout(due.saturating_duration_since(Instant::now()));
            let step = match told {
                Ok(Told::Stop(reply)) => {
                    let last = self.publish();
                    if let Err(error) = &last {
                        self.shared.fail(error);
                    }
                    let _ = reply.send(last.and_then(|()| self.publisher.sync()));
                    return;
                }
                Ok(told) => self.take(told),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                // The sequencer has stopped without a word: what it made durable is published at the next start.
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let step = if Instant::now() >= due {
                due = Instant::now() + self.interval;
                step.and_then(|()| self.publish())
            } else {
                step
            };
            if let Err(error) = step {
                self.shared.fail(&error);
                return;
            }
        }
    }

    fn take(&mut self, told: Told) -> Result<(), LogError> {
        match told {
            Told::Committed { entries, keys, ended } => {
                self.publisher.take_keys(keys);
                self.publisher.take(entries)?;
                if let Some(ended) = ended {
                    self.publisher.take_ended(ended);
                }
                Ok(())
            }
            Told::Next { shard, at, reply } => {
                let next = self.next(shard, at);
                let failed = next.as_ref().err().map(ToString::to_string);
                let _ = reply.send(next);
                failed.map_or(Ok(()), |why| Err(LogError::Stopped(why)))
            }
            Told::Flush(reply) => {
                let published = self.publish();
                let note = self.shared.note.lock().map(|note| note.clone()).unwrap_or_default();
                let failed = published.as_ref().err().map(ToString::to_string);
                let _ = reply.send(published.map(|()| note));
                failed.map_or(Ok(()), |why| Err(LogError::Stopped(why)))
            }
            Told::Stop(_) => Ok(()),
        }
    }

    fn publish(&mut self) -> Result<(), LogError> {
        let settings = &self.ground.settings;
        let folder = settings.node_folder();
        let free = self.ground.disk.free_bytes(&folder).map_err(LogError::file("looking at", &folder))?;
        self.shared.disk_full.store(free < settings.reserve_bytes, Ordering::Relaxed);
        if let Some(note) = self.publisher.publish()? {
            self.shared.show(note);
        }
        Ok(())
    }

    /// Shows the last checkpoint of this shard, and begins the next. What the next shard's first entry says.
    fn next(&mut self, shard: Shard, at: Timestamp) -> Result<SystemEvent, LogError> {
        self.publish()?;
        self.publisher.derive()?;
        self.publisher.show()?;
        let signer = signer_of(&self.ground, shard, true)?;
        let start = Start {
            disk: Arc::clone(&self.ground.disk),
            keys: Arc::clone(&self.ground.keys),
            lock: Arc::clone(&self.ground.lock),
            settings: &self.ground.settings,
            shard,
        };
        let mut next = Publisher::new(start, signer, bascule_ledger::Tiler::new())?;
        next.inherit(&mut self.publisher);
        next.derive()?;
        self.shared.show(next.show()?);
        self.publisher = next;
        self.shared.bring_up_to_date(&self.ground, at)?;
        shard_open(&self.ground, shard)
    }
}

fn shard_open(ground: &Ground, shard: Shard) -> Result<SystemEvent, LogError> {
    let previous = previous_of(ground, shard);
    Ok(SystemEvent::ShardOpen {
        origin: ground.settings.origin_of(shard),
        vkey: signer_of(ground, shard, false)?.verifier().to_string(),
        previous_origin: previous.as_ref().map(|previous| previous.origin.clone()),
        previous_size: previous.as_ref().map_or(0, |previous| previous.size),
        previous_root: previous.map(|previous| previous.root.to_base64()).unwrap_or_default(),
    })
}
