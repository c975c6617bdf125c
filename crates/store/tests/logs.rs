//! The log of logs: which shards there were. One that disappears, is added or replaced is found.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::path::Path;
use std::process::Command;

use bascule_audit::Entry;
use bascule_fhir::Timestamp;
use bascule_store::keys::Retention;
use bascule_store::log::log_of_logs::Happened;
use bascule_store::log::retire::RetireRule;
use bascule_store::log::verify::{VerifyOptions, verify};
use bascule_store::log::verify_logs::read_events;
use bascule_store::log::{Log, LogSettings, Shard};
use support::{NOW, facts, foreign_verify, runtime, settings};

const QUARTER: i64 = 92 * 86_400;

/// A life of three quarters.
fn three_quarters(settings: &LogSettings) {
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        for quarter in 0..3 {
            let now = NOW.plus_seconds(quarter * QUARTER);
            log.append(Entry::disclosure(facts(1), now), None).await.unwrap();
        }
        log.close(NOW.plus_seconds(2 * QUARTER)).await.unwrap();
    });
}

fn told(settings: &LogSettings) -> Vec<(Happened, String)> {
    let events = read_events(&settings.folder.join("node-1")).unwrap();
    let last = |origin: &str| origin.rsplit('/').next().unwrap().to_owned();
    events.iter().map(|event| (event.event, last(&event.origin))).collect()
}

fn sound(settings: &LogSettings) -> Result<(), Vec<String>> {
    let report = verify(&settings.folder, &VerifyOptions::default());
    if report.holds() { Ok(()) } else { Err(report.faults) }
}

#[test]
fn each_shard_is_told_of_from_its_beginning_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    three_quarters(&settings);
    let (open, close) = (Happened::Open, Happened::Close);
    let name = |text: &str| text.to_owned();
    let lives = [
        (open, name("2026q4")),
        (close, name("2026q4")),
        (open, name("2027q1")),
        (close, name("2027q1")),
        (open, name("2027q2")),
    ];
    assert_eq!(told(&settings), lives);
    let later = NOW.plus_seconds(2 * QUARTER);
    let much_later = Timestamp::from_seconds(NOW.seconds() + 8 * 366 * 86_400);
    runtime().block_on(async {
        let log = Log::open(settings.clone(), later).unwrap();
        let rule = RetireRule { witnesses: Vec::new(), grace_days: 30 };
        assert_eq!(log.retire_keys(&rule, later).await.unwrap().len(), 2, "two are past their days of grace");
        let first = Shard::parse("2026q4").unwrap();
        log.drop_shard(first, Retention { years: 6 }, much_later).await.unwrap();
        log.close(much_later).await.unwrap();
    });
    let told = told(&settings);
    assert!(told.contains(&(Happened::KeyDestroyed, name("2026q4"))), "{told:?}");
    assert!(told.contains(&(Happened::Dropped, name("2026q4"))), "{told:?}");
    assert_eq!(told.iter().filter(|(event, _)| *event == Happened::Open).count(), told_origins(&told));
    let report = verify(&settings.folder, &VerifyOptions::default());
    assert!(report.logs[0].dropped == 1 && report.logs[0].shards >= 3, "{report:?}");
    if let Some(holds) = foreign_verify(&settings.folder.join("node-1/logs"), &[]) {
        assert!(holds, "it is a log like any other");
    }
}

fn told_origins(told: &[(Happened, String)]) -> usize {
    told.iter().map(|(_, origin)| origin).collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn a_shard_that_is_gone_added_or_replaced_is_found_and_not_opened() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    three_quarters(&settings);
    assert_eq!(sound(&settings), Ok(()));
    let node = settings.folder.join("node-1");
    let copy =
        |from: &Path, to: &Path| assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    let kept = root.path().join("kept");
    copy(&node, &kept);
    let attack = |name: &str, act: &dyn Fn()| {
        act();
        assert!(sound(&settings).is_err(), "{name}");
        std::fs::remove_dir_all(&node).unwrap();
        copy(&kept, &node);
    };
    attack("removes a shard", &|| std::fs::remove_dir_all(node.join("2027q1")).unwrap());
    attack("removes the first shard", &|| std::fs::remove_dir_all(node.join("2026q4")).unwrap());
    attack("removes the log of logs", &|| std::fs::remove_dir_all(node.join("logs")).unwrap());
    attack("adds a shard", &|| copy(&node.join("2027q2"), &node.join("2027q3")));
    attack("changes an entry of it", &|| {
        let path = node.join("logs/tile/entries/000.p/5");
        let mut bytes = std::fs::read(&path).unwrap();
        let place = bytes.windows(6).position(|window| window == b"2027q1").unwrap();
        bytes[place + 5] = b'9';
        std::fs::write(path, bytes).unwrap();
    });
    assert_eq!(sound(&settings), Ok(()), "put back, it verifies");
    std::fs::remove_dir_all(node.join("2026q4")).unwrap();
    let refused = Log::open(settings.clone(), NOW.plus_seconds(2 * QUARTER)).err().unwrap().to_string();
    assert!(refused.contains("the log of logs names it"), "{refused}");
    // Its own lock entry: a log of logs that was cut short is not the one that was signed.
    std::fs::remove_dir_all(&node).unwrap();
    copy(&kept, &node);
    std::fs::remove_dir_all(node.join("logs")).unwrap();
    assert!(Log::open(settings, NOW.plus_seconds(2 * QUARTER)).is_err());
}
