//! Verification of a log's folder, as `bascule audit verify` does it: it reads files and needs neither keys nor a running
//! server. What it cannot show is said in the claim.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bascule_audit::{Kind, Record};
use bascule_ledger::cosignature::cosigners;
use bascule_ledger::verify::{Verified, verify_prefix, verify_since, verify_whole};
use bascule_ledger::{Checkpoint, Hash, LedgerError, Note, VerifierKey};

use super::Shard;
use super::history::{self, Times};
use super::verify_logs::{self, LogOfLogsReport};
use super::witness::{check_cosigned, cosigned_in};

/// What to hold the log against.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Verifier keys that came another way than with the log. Empty: the key beside each shard is believed, and the claim
    /// says so.
    pub keys: Vec<VerifierKey>,
    /// A checkpoint of one of the shards that was kept elsewhere: that shard must have it as its prefix.
    pub kept: Option<String>,
    /// Read only what came after the kept checkpoint.
    pub only_since_kept: bool,
    /// Witnesses whose cosignatures count.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them each shard's checkpoint must bear.
    pub quorum: usize,
}

/// What a shard's verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardReport {
    /// The shard's folder.
    pub folder: PathBuf,
    /// Its origin.
    pub origin: String,
    /// Its key.
    pub vkey: String,
    /// Whether the key came another way than with the log.
    pub key_was_given: bool,
    /// Entries.
    pub size: u64,
    /// Root.
    pub root: Hash,
    /// What was read.
    pub verified: Verified,
    /// Entries by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Witnesses that cosigned, with the time each stated.
    pub cosigned: Vec<(String, u64)>,
    /// Size of the newest checkpoint that they cosigned; what came after has no witness yet.
    pub cosigned_size: u64,
    /// Size of the kept checkpoint that is a prefix of this shard.
    pub kept: Option<u64>,
}

/// What was found in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The shards, in their order.
    pub shards: Vec<ShardReport>,
    /// The log of logs of each node.
    pub logs: Vec<LogOfLogsReport>,
    /// What is wrong, each with its place. Empty: the log verifies.
    pub faults: Vec<String>,
    /// What a person should look at, though every hash and signature holds: times that a witness contradicts.
    pub warnings: Vec<String>,
}

impl Report {
    /// Whether everything verifies.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.faults.is_empty() && !self.shards.is_empty()
    }

    /// What has been shown, and what not, in sentences that may be quoted.
    #[must_use]
    pub fn claim(&self) -> String {
        if !self.holds() {
            return "Nothing is claimed: the log does not verify.".to_owned();
        }
        let entries: u64 = self.shards.iter().map(|shard| shard.size).sum();
        let mut claim = format!(
            "The {entries} entries of {} shard(s) hash to the roots that the checkpoints sign; nothing in them was \
             changed, dropped or reordered after those checkpoints were signed.",
            self.shards.len()
        );
        let cosigned = self.shards.iter().filter(|shard| !shard.cosigned.is_empty()).count();
        let kept = self.shards.iter().filter_map(|shard| shard.kept).max();
        match kept {
            Some(size) => claim.push_str(&format!(
                " The checkpoint that you kept is a prefix of it: its first {size} entries are those that you saw then."
            )),
            None if cosigned == 0 => claim.push_str(
                " No witness cosigned and no kept checkpoint was compared: whoever holds the signing key could have \
                 written another history before now, and this check would not notice.",
            ),
            None => {}
        }
        if cosigned > 0 {
            let covered: u64 = self.shards.iter().map(|shard| shard.cosigned_size).sum();
            claim.push_str(&format!(
                " Witnesses cosigned {cosigned} shard(s), {covered} of the entries: a rewrite of those needs the witnesses \
                 too. The {} newer entries rest on the signing key and on receipts.",
                entries - covered.min(entries)
            ));
        }
        if !self.logs.is_empty() {
            let named: u64 = self.logs.iter().map(|logs| logs.shards).sum();
            claim.push_str(&format!(" The log of logs names {named} shard(s), and none is missing."));
        }
        if self.shards.iter().any(|shard| !shard.key_was_given) {
            claim.push_str(" The verifier key was taken from beside the log; compare it with the published one.");
        }
        claim.push_str(" No log shows an access that never passed the bridge.");
        claim
    }
}

/// Verifies every shard below `folder` (a shard's own folder, a node's, or the whole audit folder).
#[must_use]
pub fn verify(folder: &Path, options: &VerifyOptions) -> Report {
    let mut report = Report::default();
    let folder_asked = folder;
    let folders = shard_folders(folder);
    if folders.is_empty() {
        report.faults.push(format!("{}: no log is here (no `checkpoint` file)", folder.display()));
    }
    let kept = options.kept.as_deref().map(parse_kept);
    let mut kept_was_used = false;
    for folder in folders {
        let mut faults = Vec::new();
        let kept = kept.as_ref().and_then(|kept| kept.as_ref().ok());
        let mut warnings = Vec::new();
        match verify_shard(&folder, options, kept, &mut faults, &mut warnings) {
            Ok(shard) => {
                kept_was_used |= shard.kept.is_some() || kept.is_some_and(|kept| kept.origin == shard.origin);
                check_link(&report, &shard, &folder, &mut faults);
                report.shards.push(shard);
            }
            Err(error) => faults.push(error.to_string()),
        }
        let placed = |said: String| format!("{}: {said}", folder.display());
        report.faults.extend(faults.into_iter().map(placed));
        report.warnings.extend(warnings.into_iter().map(placed));
    }
    verify_logs::check(&mut report, folder_asked, &options.keys);
    match kept {
        Some(Err(error)) => report.faults.push(format!("the kept checkpoint: {error}")),
        Some(Ok(kept)) if !kept_was_used => {
            report.faults.push(format!("the kept checkpoint is of {}, which is not here", kept.origin));
        }
        _ => {}
    }
    report
}

/// The folders below `folder` that show a checkpoint, a node's shards in the order of time.
#[must_use]
pub fn shard_folders(folder: &Path) -> Vec<PathBuf> {
    if folder.join("checkpoint").is_file() {
        return vec![folder.to_owned()];
    }
    let below = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut folders: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        folders.sort();
        folders
    };
    let is_shard = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Shard::parse(name).is_some() && path.join("checkpoint").is_file()
    };
    let direct: Vec<_> = below(folder).into_iter().filter(is_shard).collect();
    if direct.is_empty() {
        below(folder).iter().flat_map(|node| below(node)).filter(is_shard).collect()
    } else {
        direct
    }
}

fn parse_kept(text: &str) -> Result<Checkpoint, LedgerError> {
    Checkpoint::parse(&Note::parse(text)?.text)
}

fn verify_shard(
    folder: &Path,
    options: &VerifyOptions,
    kept: Option<&Checkpoint>,
    faults: &mut Vec<String>,
    warnings: &mut Vec<String>,
) -> Result<ShardReport, LedgerError> {
    let text = |name: &str| fs::read_to_string(folder.join(name)).map_err(|_| LedgerError::Missing(name.to_owned()));
    let own = VerifierKey::parse(&text("vkey")?)?;
    let given = options.keys.iter().find(|key| key.name() == own.name());
    if !options.keys.is_empty() && given != Some(&own) {
        faults.push(format!("its key is none of those given: {own}"));
    }
    let key = given.unwrap_or(&own);
    let (checkpoint, note) = Checkpoint::open(&text("checkpoint")?, key)?;
    let read = |path: &str| fs::read(folder.join(path)).ok();
    let mut cosigned = cosigners(&note, &options.witnesses);
    let mut cosigned_size = if cosigned.is_empty() { 0 } else { checkpoint.size };
    if let Some(kept) = cosigned_in(folder).filter(|_| cosigned.is_empty()) {
        (cosigned_size, cosigned) = check_cosigned(&kept, key, &checkpoint, &options.witnesses, read)?;
    }
    if cosigned.len() < options.quorum {
        faults.push(format!("{} witnesses cosigned it, {} are required", cosigned.len(), options.quorum));
    }
    let kept = kept.filter(|kept| kept.origin == checkpoint.origin);
    let times = Times::new(history::read(folder, key, &options.witnesses));
    let mut check =
        EntryCheck { last_at: i64::MIN, stepped: false, carried: 0, times, kinds: BTreeMap::new(), faults, warnings };
    let seen = |index: u64, bytes: &[u8]| {
        check.entry(index, bytes);
        Ok(())
    };
    let verified = match kept {
        Some(kept) if options.only_since_kept => verify_since(kept, &checkpoint, read, seen)?,
        Some(kept) => {
            verify_prefix(kept, &checkpoint, read)?;
            verify_whole(&checkpoint, read, seen)?
        }
        None => verify_whole(&checkpoint, read, seen)?,
    };
    let kinds = check.kinds;
    Ok(ShardReport {
        folder: folder.to_owned(),
        origin: checkpoint.origin,
        vkey: key.to_string(),
        key_was_given: given.is_some(),
        size: checkpoint.size,
        root: checkpoint.root,
        verified,
        kinds,
        cosigned_size: if cosigned.is_empty() { 0 } else { cosigned_size },
        cosigned: cosigned.into_iter().map(|(key, seconds)| (key.name().to_owned(), seconds)).collect(),
        kept: kept.map(|kept| kept.size),
    })
}

/// By how much entries of neighbours may be out of order without a clock-step entry, in microseconds: requests end in
/// another order than they began.
const DISORDER_MICROS_MAX: i64 = 120_000_000;

/// Faults, and warnings, that are said of one shard.
const SAID_MAX: usize = 100;

struct EntryCheck<'a> {
    last_at: i64,
    stepped: bool,
    /// Entries that follow out of the emergency reserve, with times of their own.
    carried: u64,
    times: Times,
    kinds: BTreeMap<String, u64>,
    faults: &'a mut Vec<String>,
    warnings: &'a mut Vec<String>,
}

impl EntryCheck<'_> {
    fn entry(&mut self, index: u64, bytes: &[u8]) {
        let record = match Record::parse(bytes) {
            Ok(record) => record,
            Err(error) => return self.fault(format!("entry {index}: {error}")),
        };
        let clear = record.clear();
        *self.kinds.entry(kind_name(clear.kind).to_owned()).or_default() += 1;
        let event = clear.system.as_ref().and_then(|system| system.get("event")?.as_str());
        if let Some(left) = self.carried.checked_sub(1) {
            self.carried = left;
            return;
        }
        if event == Some("carried-over") {
            self.carried = clear.system.as_ref().and_then(|system| system.get("entries")?.as_u64()).unwrap_or(0);
        }
        let wrong = self.times.check(index, clear);
        self.warnings.extend(wrong.filter(|_| self.warnings.len() < SAID_MAX));
        self.stepped |= matches!(event, Some("clock-step" | "start"));
        if clear.at < self.last_at.saturating_sub(DISORDER_MICROS_MAX) && !self.stepped {
            self.fault(format!("entry {index} is dated before the one before it, and no clock step was recorded"));
        }
        if clear.at > self.last_at || self.stepped {
            self.last_at = clear.at;
        }
        self.stepped &= matches!(event, Some("clock-step" | "start"));
    }

    fn fault(&mut self, fault: String) {
        if self.faults.len() < SAID_MAX {
            self.faults.push(fault);
        }
    }
}

/// A kind, as reports write it.
#[must_use]
pub const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Intent => "intent",
        Kind::Access => "access",
        Kind::Refusal => "refusal",
        Kind::BrokenOff => "broken-off",
        Kind::Unknown => "unknown",
        Kind::Continuation => "continuation",
        Kind::System => "system",
    }
}

/// The first entry of a shard names the end of the one before it. If that one is here, it must be that.
fn check_link(report: &Report, shard: &ShardReport, folder: &Path, faults: &mut Vec<String>) {
    let Some(before) = report.shards.last().filter(|before| before.folder.parent() == folder.parent()) else { return };
    if shard.size == 0 {
        return;
    }
    let reader = bascule_ledger::TileReader::new(shard.size, |path: &str| fs::read(folder.join(path)).ok());
    let first = reader.entry(0).ok().and_then(|bytes| Record::parse(&bytes).ok());
    let system = first.and_then(|first| first.clear().system.clone()).unwrap_or_default();
    let said = |name: &str| system.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let size = system.get("previousSize").and_then(serde_json::Value::as_u64);
    let agrees = said("previousOrigin") == before.origin
        && size == Some(before.size)
        && said("previousRoot") == before.root.to_base64();
    if !agrees {
        faults.push(format!(
            "its first entry says that {} ended with {} entries and root {}; the shard before is {} with {} and {}",
            said("previousOrigin"),
            size.unwrap_or_default(),
            said("previousRoot"),
            before.origin,
            before.size,
            before.root
        ));
    }
}
