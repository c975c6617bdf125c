//! Verifying a node's log of logs, and the shards against it: each that it names is here or was deleted after retention, each that is
//! here is named, with this key, and ended where it says.

use std::fs;
use std::path::{Path, PathBuf};

use bascule_ledger::verify::verify_whole;
use bascule_ledger::{Checkpoint, LedgerError, TileReader, VerifierKey};

use super::log_of_logs::{FOLDER, Happened, LogEvent};
use super::verify::{Report, ShardReport};

/// What a log of logs says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOfLogsReport {
    /// Its origin.
    pub origin: String,
    /// Its key.
    pub vkey: String,
    /// Its entries.
    pub size: u64,
    /// The shards that it names.
    pub shards: u64,
    /// Those of them whose entries were deleted after retention.
    pub dropped: u64,
}

/// Checks the log of logs of every node whose shards are in the report.
pub(crate) fn check(report: &mut Report, folder: &Path, keys: &[VerifierKey]) {
    // Of a shard's own folder, nothing is known of the others.
    if folder.join("checkpoint").is_file() {
        return;
    }
    let mut nodes: Vec<PathBuf> =
        report.shards.iter().filter_map(|shard| shard.folder.parent()).map(Path::to_path_buf).collect();
    nodes.dedup();
    for node in nodes {
        let of_node: Vec<&ShardReport> =
            report.shards.iter().filter(|shard| shard.folder.parent() == Some(node.as_path())).collect();
        let mut faults = Vec::new();
        match check_node(&node, &of_node, keys, &mut faults) {
            Ok(logs) => report.logs.push(logs),
            Err(error) => faults.push(error.to_string()),
        }
        let place = node.join(FOLDER);
        report.faults.extend(faults.into_iter().map(|fault| format!("{}: {fault}", place.display())));
    }
}

fn check_node(
    node: &Path,
    shards: &[&ShardReport],
    keys: &[VerifierKey],
    faults: &mut Vec<String>,
) -> Result<LogOfLogsReport, LedgerError> {
    let folder = node.join(FOLDER);
    let text = |name: &str| fs::read_to_string(folder.join(name)).map_err(|_| LedgerError::Missing(name.to_owned()));
    let own = VerifierKey::parse(&text("vkey")?)?;
    let given = keys.iter().find(|key| key.name() == own.name());
    if given.is_some_and(|given| given != &own) {
        faults.push(format!("its key is not the one given: {own}"));
    }
    let (checkpoint, _) = Checkpoint::open(&text("checkpoint")?, given.unwrap_or(&own))?;
    let read = |path: &str| fs::read(folder.join(path)).ok();
    let mut events: Vec<LogEvent> = Vec::new();
    verify_whole(&checkpoint, read, |index, bytes| {
        match serde_json::from_slice(bytes) {
            Ok(event) => events.push(event),
            Err(_) => faults.push(format!("entry {index} is no entry of a log of logs")),
        }
        Ok(())
    })?;
    let opened = || events.iter().filter(|event| event.event == Happened::Open);
    let dropped = |origin: &str| events.iter().any(|event| event.event == Happened::Dropped && event.origin == origin);
    for event in opened().filter(|event| !dropped(&event.origin)) {
        if !shards.iter().any(|shard| shard.origin == event.origin) {
            faults.push(format!("it names {}, which is not here", event.origin));
        }
    }
    for shard in shards {
        check_shard(shard, &events, faults);
    }
    let origins = opened().map(|event| event.origin.as_str());
    Ok(LogOfLogsReport {
        shards: opened().count() as u64,
        dropped: origins.filter(|origin| dropped(origin)).count() as u64,
        origin: checkpoint.origin,
        vkey: own.to_string(),
        size: checkpoint.size,
    })
}

fn check_shard(shard: &ShardReport, events: &[LogEvent], faults: &mut Vec<String>) {
    let of = |what: Happened| events.iter().find(|event| event.event == what && event.origin == shard.origin);
    match of(Happened::Open) {
        None => faults.push(format!("it does not name {}, which is here", shard.origin)),
        Some(open) if open.vkey.as_deref() != Some(shard.vkey.as_str()) => {
            faults.push(format!("it names another key of {} than the one that is here", shard.origin));
        }
        Some(_) => {}
    }
    if let Some(close) = of(Happened::Close) {
        let same = close.size == Some(shard.size) && close.root.as_deref() == Some(shard.root.to_base64().as_str());
        if !same {
            let size = close.size.unwrap_or_default();
            faults.push(format!(
                "it says that {} ended with {size} entries; there are {}, or others",
                shard.origin, shard.size
            ));
        }
    }
}

/// The entries of a log of logs, unverified.
///
/// # Errors
/// `Missing` or `Malformed`.
pub fn read_events(node: &Path) -> Result<Vec<LogEvent>, LedgerError> {
    let folder = node.join(FOLDER);
    let text = fs::read_to_string(folder.join("checkpoint")).map_err(|_| LedgerError::Missing(FOLDER.to_owned()))?;
    let size = Checkpoint::parse(&bascule_ledger::Note::parse(&text)?.text)?.size;
    let reader = TileReader::new(size, |path: &str| fs::read(folder.join(path)).ok());
    let malformed = |_| LedgerError::Malformed { what: "log of logs", why: "an entry is not JSON" };
    (0..size).map(|index| serde_json::from_slice(&reader.entry(index)?).map_err(malformed)).collect()
}
