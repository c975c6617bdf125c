//! Histories: lives of a log, each ended by a fault, and what must hold after each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bascule_audit::{Entry, EntryId, Kind, Record, SystemEvent};
use bascule_fhir::Timestamp;
use bascule_ledger::verify::{verify_prefix, verify_whole};
use bascule_ledger::{Checkpoint, leaf_hash};

use super::disk::{Chance, Fault, SimulatedDisk, Sync};
use crate::keys::KeyStore;
use crate::log::disk::Disk;
use crate::log::lock::LockStore;
use crate::log::recover::{Ground, Recovered, recover};
use crate::log::sequencer::Work;
use crate::log::{LogError, LogSettings, seal_system};

/// 2026-11-24
const NOW: Timestamp = Timestamp::from_seconds(1_795_550_400);

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The process is killed; the system's cache lives on.
    Killed,
    /// The power is gone.
    PowerLoss,
}

/// A log that lives several lives on one disk.
struct History {
    disk: SimulatedDisk,
    ground: Ground,
    chance: Chance,
    /// Index and leaf hash of everything that was acknowledged.
    acked: BTreeMap<u64, String>,
    /// Intents that were acknowledged and not closed.
    open: Vec<EntryId>,
    /// Intents that an entry was to close when the life ended: they may be closed or not.
    closing: Vec<EntryId>,
    /// Every checkpoint that was ever signed.
    signed: Vec<Checkpoint>,
}

fn keys() -> Arc<KeyStore> {
    static KEYS: OnceLock<(tempfile::TempDir, Arc<KeyStore>)> = OnceLock::new();
    let made = || {
        let folder = tempfile::tempdir().unwrap();
        let keys = Arc::new(KeyStore::open(folder.path()).unwrap());
        (folder, keys)
    };
    Arc::clone(&KEYS.get_or_init(made).1)
}

fn keys_folder() -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path().to_owned()
}

impl History {
    fn new(seed: u64) -> Self {
        let disk = SimulatedDisk::default();
        let settings = LogSettings {
            keys_folder: keys_folder(),
            segment_bytes_max: 20_000,
            ..LogSettings::new(Path::new("/data"), "/lock/lock.db".into(), "n", "o")
        };
        let lock = Arc::new(LockStore::open(Path::new(":memory:")).unwrap());
        let ground = Ground { settings, disk: Arc::new(disk.clone()), keys: keys(), lock };
        let chance = Chance::new(seed);
        Self { disk, ground, chance, acked: BTreeMap::new(), open: Vec::new(), closing: Vec::new(), signed: Vec::new() }
    }

    /// One life: recover, write, publish, until the fault or a natural end.
    fn live(&mut self, fault: Fault) -> Result<(), LogError> {
        self.disk.set_fault(fault);
        let Recovered { mut sequencer, mut publisher, .. } = recover(&self.ground, NOW)?;
        self.remember();
        let unclosed: Vec<EntryId> = sequencer.open.keys().copied().collect();
        let mut works: Vec<Work> = unclosed.iter().map(|intent| Work::Abandon { intent: *intent }).collect();
        let rounds = 3 + self.chance.below(12);
        for _ in 0..rounds {
            let opened = self.fill(&mut works);
            let closed: Vec<EntryId> = works.iter().filter_map(closes).collect();
            self.closing.extend(&closed);
            let mut committed = sequencer.write_batch(std::mem::take(&mut works))?;
            sequencer.settle(&mut committed)?;
            // Here the waiters are answered.
            self.open.retain(|id| !closed.contains(id));
            self.open.extend(opened);
            for entry in &committed.entries {
                self.acked.insert(entry.index, leaf_hash(&entry.bytes).to_base64());
            }
            publisher.take(committed.entries)?;
            committed.ended.into_iter().for_each(|ended| publisher.take_ended(ended));
            if self.chance.one_in(3) {
                let published = publisher.publish();
                self.remember();
                published?;
            }
        }
        Ok(())
    }

    /// Puts 1 to 60 works into a batch. The intents among them.
    fn fill(&mut self, works: &mut Vec<Work>) -> Vec<EntryId> {
        let mut opened = Vec::new();
        for number in 0..=self.chance.below(60) {
            let sealed = seal_system(Entry::system(&SystemEvent::Gap { lost: number as u64 }, NOW)).unwrap();
            if self.chance.one_in(4) {
                opened.push(sealed.id());
                works.push(Work::Intend { sealed, keys: vec![] });
            } else {
                let taken = works.iter().filter_map(closes).collect::<Vec<_>>();
                let closes = self.open.iter().find(|id| !taken.contains(id)).copied().filter(|_| number % 2 == 0);
                works.push(Work::Append { pieces: vec![sealed], closes, at: NOW, keys: vec![] });
            }
        }
        opened
    }

    fn remember(&mut self) {
        let last = self.ground.lock.last("o/n/2026q4").unwrap().map(|(checkpoint, _)| checkpoint);
        self.signed.extend(last.filter(|last| self.signed.last() != Some(last)));
    }

    fn end(&mut self, end: End) {
        match end {
            End::Killed => self.disk.restart_process(),
            End::PowerLoss => self.disk.lose_power(&mut self.chance),
        }
    }

    fn read(&self) -> impl Fn(&str) -> Option<Vec<u8>> + '_ {
        |path: &str| self.disk.read(&Path::new("/data/audit/n/2026q4").join(path)).ok()
    }

    /// What must hold after every start. What does not, in words.
    fn check(&mut self) -> Result<(), String> {
        let recovered = recover(&self.ground, NOW).map_err(|error| format!("it does not open: {error}"))?;
        self.remember();
        let last = self.signed.last().cloned().ok_or("nothing was signed")?;
        if last.size != recovered.publisher.size() || last.root != recovered.publisher.root() {
            return Err("the last checkpoint is not of what was recovered".to_owned());
        }
        let mut closed = Vec::new();
        let mut leaves = Vec::new();
        verify_whole(&last, self.read(), |_, bytes| {
            leaves.push(leaf_hash(bytes).to_base64());
            if bytes.windows(9).any(|window| window == b"\"unknown\"") {
                let record = Record::parse(bytes).unwrap();
                closed.extend((record.clear().kind == Kind::Unknown).then(|| record.clear().intent.clone()).flatten());
            }
            Ok(())
        })
        .map_err(|error| format!("it does not verify: {error}"))?;
        for (index, leaf) in &self.acked {
            if leaves.get(usize::try_from(*index).unwrap()) != Some(leaf) {
                return Err(format!("acknowledged entry {index} is lost or changed"));
            }
        }
        for earlier in &self.signed {
            verify_prefix(earlier, &last, self.read()).map_err(|error| format!("size {}: {error}", earlier.size))?;
        }
        let is_closed = |id: &EntryId| closed.contains(&id.to_hex()) || self.closing.contains(id);
        let lost = self.open.iter().find(|id| !recovered.sequencer.open.contains_key(id) && !is_closed(id));
        lost.map_or(Ok(()), |id| Err(format!("acknowledged intent {} is lost", id.to_hex())))
    }
}

fn closes(work: &Work) -> Option<EntryId> {
    match work {
        Work::Append { closes, .. } => *closes,
        Work::Abandon { intent } => Some(*intent),
        _ => None,
    }
}

fn count(short: u64, long: u64) -> u64 {
    if std::env::var_os("BASCULE_LONG").is_some() { long } else { short }
}

/// Several lives with random faults. What went wrong, if anything.
fn run(seed: u64, sync: Sync) -> Result<(), String> {
    let mut history = History::new(seed);
    history.disk.set_sync(sync);
    for _ in 0..6 {
        let at = 1 + history.chance.below(150);
        let fault = match history.chance.below(3) {
            0 => Fault::None,
            1 => Fault::StopAt(at),
            _ => Fault::FailAt(at),
        };
        if let Err(error) = history.live(fault) {
            let honest = matches!(error, LogError::File { .. });
            if !honest {
                return Err(format!("a fault of the disk became: {error}"));
            }
        }
        let end = if history.chance.one_in(3) { End::Killed } else { End::PowerLoss };
        history.end(end);
        history.check()?;
        // The start itself may be cut short, too.
        let at = 1 + history.chance.below(40);
        history.disk.set_fault(Fault::StopAt(at));
        let _ = recover(&history.ground, NOW);
        history.remember();
        history.end(End::PowerLoss);
        history.check()?;
    }
    Ok(())
}

#[test]
fn nothing_acknowledged_is_lost_in_any_history() {
    for seed in 1..=count(60, 20_000) {
        run(seed, Sync::Honest).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
    }
}

#[test]
fn without_syncs_the_same_histories_lose_entries() {
    let lost = (1..=20).filter(|seed| run(*seed, Sync::Lies).is_err()).count();
    assert!(lost >= 18, "only {lost} of 20 histories noticed that syncs did nothing");
}

#[test]
fn a_lying_disk_is_found_out_at_the_start_and_never_signs_a_second_root() {
    for seed in 1..=count(20, 5_000) {
        let mut history = History::new(seed);
        let _ = history.live(Fault::None);
        history.disk.set_sync(Sync::Lies);
        let _ = history.live(Fault::None);
        let before = history.signed.clone();
        history.end(End::PowerLoss);
        history.disk.set_sync(Sync::Honest);
        match recover(&history.ground, NOW) {
            Ok(_) => {
                history.remember();
                let last = history.signed.last().unwrap();
                for earlier in &before {
                    verify_prefix(earlier, last, history.read()).unwrap();
                }
            }
            Err(error) => assert!(
                matches!(error, LogError::NotTheSignedLog { .. } | LogError::Damaged { .. } | LogError::Ledger(_)),
                "seed {seed}: {error}"
            ),
        }
    }
}

#[test]
fn a_stop_at_each_operation_of_a_life_loses_nothing() {
    let whole = {
        let mut history = History::new(7);
        history.live(Fault::None).unwrap();
        history.disk.operations()
    };
    let step = if std::env::var_os("BASCULE_LONG").is_some() { 1 } else { 5 };
    assert!(whole > 60, "{whole}");
    for at in (1..=whole).step_by(step) {
        for fault in [Fault::StopAt(at), Fault::FailAt(at)] {
            for end in [End::Killed, End::PowerLoss] {
                let mut history = History::new(7);
                let _ = history.live(fault);
                history.end(end);
                history.check().unwrap_or_else(|error| panic!("{fault:?}, {end:?}: {error}"));
            }
        }
    }
}

#[test]
fn recovery_done_twice_yields_the_same_bytes() {
    for seed in 1..=count(20, 2_000) {
        let mut history = History::new(seed);
        let _ = history.live(Fault::StopAt(60 + usize::try_from(seed).unwrap() % 60));
        history.end(End::PowerLoss);
        recover(&history.ground, NOW).unwrap();
        let shown = |disk: &SimulatedDisk| -> BTreeMap<PathBuf, Vec<u8>> {
            disk.files().into_iter().filter(|(path, _)| !path.to_string_lossy().contains("/wal/")).collect()
        };
        let once = shown(&history.disk);
        let copy = history.disk.copy();
        let ground = Ground { disk: Arc::new(copy.clone()), ..history.ground.clone() };
        recover(&ground, NOW).unwrap();
        assert_eq!(shown(&copy), once, "seed {seed}");
    }
}

#[test]
fn a_cloned_instance_cannot_sign_a_second_history() {
    let mut history = History::new(3);
    history.live(Fault::None).unwrap();
    let Recovered { sequencer: mut first, publisher: mut one, .. } = recover(&history.ground, NOW).unwrap();
    let clone = Ground { disk: Arc::new(history.disk.copy()), ..history.ground.clone() };
    let Recovered { sequencer: mut second, publisher: mut two, .. } = recover(&clone, NOW).unwrap();
    let write = |sequencer: &mut crate::log::sequencer::Sequencer, lost: u64| {
        let committed = sequencer.commit_system(&SystemEvent::Gap { lost }, NOW).unwrap();
        committed.entries
    };
    one.take(write(&mut first, 1)).unwrap();
    two.take(write(&mut second, 2)).unwrap();
    assert!(one.publish().is_ok());
    assert!(matches!(two.publish(), Err(LogError::OtherInstance(_))));
}
