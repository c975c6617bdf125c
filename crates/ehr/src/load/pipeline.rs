//! Readers, checkers and the writer side by side: while one chunk of resources is written, the next ones are parsed,
//! validated and their index rows worked out on the other cores. What is written keeps the order of the items.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde_json::Value;
use tokio::sync::oneshot;

use super::bundle::{Named, is_directory, resources, searched_elsewhere};
use super::{Bundles, Indexing, LoadItem, LoadProgress, LoadSummary, REFUSALS_NAMED_MAX};
use crate::act::only_match;
use crate::ask::query;
use crate::index::Definitions;
use crate::server::Server;
use crate::store::{Bulk, Fresh, Outcome, Session};
use crate::{EhrError, Refusal, validate};

/// Resources that share a turn on the writer.
const CHUNK_MAX: usize = 4_000;
/// Items that wait between the stages.
const WAITING_MAX: usize = 8;
/// Chunks on their way to the disk.
const FLYING_MAX: usize = 2;

/// A resource that is ready, or must wait for the writer's turn to have its searches resolved.
enum Ready {
    Fresh(Box<Fresh>),
    Open(Named),
}

/// An item, checked.
struct Checked {
    bytes: u64,
    ready: Vec<Ready>,
    refusals: Vec<(String, String)>,
}

/// Loads all items.
pub(crate) fn load(
    server: &Server,
    mut batch: impl Iterator<Item = Result<LoadItem, EhrError>>,
    bundles: Bundles,
    indexing: Indexing,
    progress: impl FnMut(LoadProgress),
) -> Result<LoadSummary, EhrError> {
    let checkers = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8);
    let (send_item, items) = sync_channel::<(u64, LoadItem)>(WAITING_MAX);
    let (send_checked, checked) = sync_channel::<(u64, Checked)>(WAITING_MAX);
    let items = Mutex::new(items);
    std::thread::scope(|scope| {
        // Dropped when this closure ends, whichever way, so that the checkers end too.
        let send_item = send_item;
        for _ in 0..checkers {
            let send_checked = send_checked.clone();
            let items = &items;
            scope.spawn(move || check_all(server, bundles, indexing, items, &send_checked));
        }
        drop(send_checked);
        let mut writing = Writing::new(server, indexing, progress);
        let (mut sent, mut received, mut fault) = (0_u64, 0_u64, None);
        loop {
            while fault.is_none() && sent - received < WAITING_MAX as u64 {
                match batch.next() {
                    Some(Ok(item)) => {
                        send_item.send((sent, item)).map_err(|_| EhrError::Closed)?;
                        sent += 1;
                    }
                    Some(Err(cause)) => fault = Some(cause),
                    None => break,
                }
            }
            if sent == received {
                break;
            }
            let (number, item) = checked.recv().map_err(|_| EhrError::Closed)?;
            received += 1;
            writing.take(number, item)?;
        }
        let summary = writing.finish()?;
        fault.map_or(Ok(summary), Err)
    })
}

fn check_all(
    server: &Server,
    bundles: Bundles,
    indexing: Indexing,
    items: &Mutex<Receiver<(u64, LoadItem)>>,
    checked: &SyncSender<(u64, Checked)>,
) {
    loop {
        let next = items.lock().map(|items| items.recv());
        let Ok(Ok((number, item))) = next else { return };
        if checked.send((number, check(server, bundles, indexing, &item))).is_err() {
            return;
        }
    }
}

fn check(server: &Server, bundles: Bundles, indexing: Indexing, item: &LoadItem) -> Checked {
    let bytes = u64::try_from(item.text.len()).unwrap_or(u64::MAX);
    let mut checked = Checked { bytes, ready: Vec::new(), refusals: Vec::new() };
    for named in resources(&item.text, bundles) {
        match named.and_then(|named| check_one(server, indexing, named)) {
            Ok(ready) => checked.ready.push(ready),
            Err((place, reason)) => {
                checked.refusals.push((format!("{} {place}", item.place).trim_end().to_owned(), reason))
            }
        }
    }
    checked
}

fn check_one(server: &Server, indexing: Indexing, named: Named) -> Result<Ready, (String, String)> {
    let refused = |refusal: Refusal| {
        let issue = refusal.issues.into_iter().find(|issue| issue.severity == "error");
        let at = |expression: Option<String>| expression.map(|at| format!("{at}: ")).unwrap_or_default();
        let reason = issue.map(|issue| format!("{}{}", at(issue.expression), issue.text)).unwrap_or_default();
        (named.place.clone(), reason)
    };
    validate::check(server.settings.validation, named.resource, &named.value).map_err(refused)?;
    if named.is_open {
        let elsewhere = searched_elsewhere(&named.value).filter(|_| indexing == Indexing::Afterwards);
        return match elsewhere {
            None => Ok(Ready::Open(named)),
            Some(elsewhere) => {
                let mend = "load it with the index kept at once";
                Err((named.place, format!("refers to a {elsewhere} by a search, which is not indexed yet: {mend}")))
            }
        };
    }
    Ok(Ready::Fresh(Box::new(fresh(&server.store.definitions, indexing, named))))
}

/// What a search may be resolved by is indexed in any case.
fn fresh(definitions: &Definitions, indexing: Indexing, named: Named) -> Fresh {
    let is_indexed = indexing == Indexing::AtOnce || is_directory(named.resource);
    Fresh::new(definitions, named.resource, named.id, named.value, is_indexed)
}

/// What a turn on the writer did: created, updated, unchanged.
type Counts = [u64; 3];

/// A chunk on its way to the disk, and how far loading is when it has arrived.
struct Flying {
    answer: oneshot::Receiver<Result<Counts, Refusal>>,
    progress: LoadProgress,
}

/// Puts the items back into their order and hands them to the writer in chunks.
struct Writing<'a, P> {
    server: &'a Server,
    indexing: Indexing,
    report: P,
    summary: LoadSummary,
    early: BTreeMap<u64, Checked>,
    next: u64,
    chunk: Vec<Ready>,
    progress: LoadProgress,
    flying: std::collections::VecDeque<Flying>,
}

impl<'a, P: FnMut(LoadProgress)> Writing<'a, P> {
    fn new(server: &'a Server, indexing: Indexing, report: P) -> Self {
        Self {
            server,
            indexing,
            report,
            summary: LoadSummary::default(),
            early: BTreeMap::new(),
            next: 0,
            chunk: Vec::new(),
            progress: LoadProgress::default(),
            flying: std::collections::VecDeque::new(),
        }
    }

    fn take(&mut self, number: u64, item: Checked) -> Result<(), EhrError> {
        self.early.insert(number, item);
        while let Some(item) = self.early.remove(&self.next) {
            self.next += 1;
            self.progress.items += 1;
            self.progress.bytes += item.bytes;
            self.progress.resources += u64::try_from(item.ready.len()).unwrap_or(0);
            self.summary.refused += u64::try_from(item.refusals.len()).unwrap_or(0);
            let room = REFUSALS_NAMED_MAX.saturating_sub(self.summary.refusals.len());
            self.summary.refusals.extend(item.refusals.into_iter().take(room));
            self.chunk.extend(item.ready);
            if self.chunk.len() >= CHUNK_MAX {
                self.send()?;
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), EhrError> {
        while self.flying.len() >= FLYING_MAX {
            self.land()?;
        }
        let (chunk, indexing) = (std::mem::take(&mut self.chunk), self.indexing);
        let answer = self.server.store.submit_whole(move |session| write(session, indexing, chunk)).map_err(failed)?;
        self.flying.push_back(Flying { answer, progress: self.progress });
        Ok(())
    }

    fn land(&mut self) -> Result<(), EhrError> {
        let Some(flying) = self.flying.pop_front() else { return Ok(()) };
        let [created, updated, unchanged] =
            flying.answer.blocking_recv().map_err(|_| EhrError::Closed)?.map_err(failed)?;
        self.summary.created += created;
        self.summary.updated += updated;
        self.summary.unchanged += unchanged;
        (self.report)(flying.progress);
        Ok(())
    }

    fn finish(mut self) -> Result<LoadSummary, EhrError> {
        self.send()?;
        while !self.flying.is_empty() {
            self.land()?;
        }
        Ok(self.summary)
    }
}

fn failed(refusal: Refusal) -> EhrError {
    EhrError::Load { place: "writing".to_owned(), reason: refusal.text() }
}

fn write(session: &mut Session<'_>, indexing: Indexing, chunk: Vec<Ready>) -> Result<Counts, Refusal> {
    let mut counts = [0; 3];
    let mut bulk = Bulk::default();
    for ready in chunk {
        let fresh = match ready {
            Ready::Fresh(fresh) => *fresh,
            Ready::Open(mut named) => {
                // What it searches may be in this chunk.
                session.flush(&mut bulk)?;
                resolve(session, &mut named.value)?;
                self::fresh(session.definitions, indexing, named)
            }
        };
        let [created, updated, unchanged] = &mut counts;
        *match session.load(fresh, &mut bulk)? {
            Outcome::Created => created,
            Outcome::Updated => updated,
            Outcome::Unchanged => unchanged,
        } += 1;
    }
    session.flush(&mut bulk)?;
    Ok(counts)
}

/// Puts the resource that a search finds in place of the search; one that finds none or several stays as it is.
fn resolve(session: &Session<'_>, value: &mut Value) -> Result<(), Refusal> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| resolve(session, item)),
        Value::Object(fields) => fields.iter_mut().try_for_each(|(name, value)| match value {
            Value::String(text) if name == "reference" => {
                if let Some(found) = searched(session, text) {
                    *text = found;
                }
                Ok(())
            }
            other => resolve(session, other),
        }),
        _ => Ok(()),
    }
}

fn searched(session: &Session<'_>, text: &str) -> Option<String> {
    let (name, condition) = text.split_once('?')?;
    let resource = bascule_fhir::ResourceType::parse(name)?;
    let found = only_match(&session.scope(), resource, &query(condition)).ok().flatten()?;
    Some(format!("{}/{}", found.resource, found.id))
}
