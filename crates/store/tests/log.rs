//! The log as a whole: what goes in is there, in order, provable, and found again by a stranger's tools.

mod support;

use bascule_audit::{Entry, SystemEvent};
use bascule_fhir::Timestamp;
use bascule_store::log::verify::{VerifyOptions, verify};
use bascule_store::log::{Log, LogError};
use support::{NOW, disclosure, facts, foreign_verify, runtime, settings};

#[test]
fn some_thousand_entries_are_verified_by_us_and_by_strangers() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let shard = settings.folder.join("node-1/2026q4");
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..16_u64 {
            let log = log.clone();
            tasks.spawn(async move {
                for number in 0..200 {
                    let intent = log.intend(Entry::intent(facts(number), NOW)).await.unwrap();
                    let receipt = log.append(disclosure(writer * 1000 + number), Some(intent)).await.unwrap();
                    assert_eq!(receipt.origin(), "gateway.example/audit/node-1/2026q4");
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        log.close(NOW).await.unwrap();
    });
    let report = verify(&settings.folder, &VerifyOptions::default());
    assert!(report.holds(), "{report:?}");
    // Shard open, start, 3,200 entries, stop.
    assert_eq!(report.shards[0].size, 3_203);
    assert_eq!(report.shards[0].kinds["access"], 3_200);
    assert!(report.claim().contains("No witness cosigned"));
    if let Some(holds) = foreign_verify(&shard, &[]) {
        assert!(holds);
    }
}

#[test]
fn each_start_and_stop_is_recorded_and_the_log_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let mut kept = String::new();
    for start in 0..4_u64 {
        runtime().block_on(async {
            let log = Log::open(settings.clone(), NOW.plus_seconds(i64::try_from(start).unwrap())).unwrap();
            for number in 0..100 {
                log.append(disclosure(number), None).await.unwrap();
            }
            log.close(NOW.plus_seconds(10)).await.unwrap();
            assert!(matches!(log.append(disclosure(0), None).await, Err(LogError::Stopped(_))));
            if start == 1 {
                kept = log.checkpoint();
            }
        });
    }
    let options = VerifyOptions { kept: Some(kept), only_since_kept: true, ..VerifyOptions::default() };
    let report = verify(&settings.folder, &options);
    assert!(report.holds(), "{report:?}");
    assert_eq!(report.shards[0].size, 1 + 4 * 102);
    assert_eq!(report.shards[0].kept, Some(1 + 2 * 102));
    if let Some(holds) = foreign_verify(&settings.folder.join("node-1/2026q4"), &[]) {
        assert!(holds);
    }
}

#[test]
fn an_intent_that_nobody_closes_becomes_an_entry_of_unknown_outcome() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        let dropped = log.intend(Entry::intent(facts(1), NOW)).await.unwrap();
        let name = dropped.id();
        drop(dropped);
        let closed = log.intend(Entry::intent(facts(2), NOW)).await.unwrap();
        log.append(disclosure(2), Some(closed)).await.unwrap();
        log.flush().await.unwrap();
        let reader = bascule_ledger::TileReader::new(4, |path: &str| {
            std::fs::read(settings.folder.join("node-1/2026q4").join(path)).ok()
        });
        let unknown = bascule_audit::Record::parse(&reader.entry(2).unwrap()).unwrap();
        assert_eq!(unknown.clear().intent.as_deref(), Some(name.as_str()));
        assert_eq!(unknown.about().clear().request.as_deref(), Some("request-1"));
    });
    let report = verify(&settings.folder, &VerifyOptions::default());
    assert_eq!(report.shards[0].kinds["unknown"], 1, "{report:?}");
}

#[test]
fn a_new_quarter_begins_a_new_shard_that_names_the_end_of_the_old() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let january = Timestamp::from_seconds(1_798_761_600 + 5);
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        for number in 0..300 {
            log.append(disclosure(number), None).await.unwrap();
        }
        let open = log.intend(Entry::intent(facts(7), NOW)).await.unwrap();
        let receipt = log.append(Entry::disclosure(facts(8), january), None).await.unwrap();
        assert_eq!(receipt.origin(), "gateway.example/audit/node-1/2027q1");
        assert_eq!(receipt.index(), 2, "after shard-open and the clock step that this test makes");
        log.append(Entry::disclosure(facts(7), january), Some(open)).await.unwrap();
        log.close(january).await.unwrap();
        let log = Log::open(settings.clone(), january).unwrap();
        log.append(Entry::disclosure(facts(9), january), None).await.unwrap();
        log.close(january).await.unwrap();
    });
    let report = verify(&settings.folder, &VerifyOptions::default());
    assert!(report.holds(), "{report:?}");
    assert_eq!(report.shards.iter().map(|shard| shard.size).collect::<Vec<_>>(), [303, 8]);
    assert!(!report.shards.iter().any(|shard| shard.kinds.contains_key("unknown")));
    for shard in ["2026q4", "2027q1"] {
        if let Some(holds) = foreign_verify(&settings.folder.join("node-1").join(shard), &[]) {
            assert!(holds);
        }
    }
}

#[test]
fn two_processes_cannot_hold_one_log() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let _log = Log::open(settings.clone(), NOW).unwrap();
    assert!(matches!(Log::open(settings, NOW), Err(LogError::Held(_))));
}

#[test]
fn a_lock_file_in_the_data_folder_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut settings = settings(root.path());
    settings.lock_file = settings.folder.join("lock.db");
    assert!(matches!(Log::open(settings, NOW), Err(LogError::Settings(_))));
}

#[test]
fn clock_steps_are_said_and_a_silent_one_is_found() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        for seconds in [0, 3600, -3600, -3600, 0] {
            log.append(Entry::system(&SystemEvent::Stop, NOW.plus_seconds(seconds)), None).await.unwrap();
        }
        log.close(NOW).await.unwrap();
    });
    let report = verify(&settings.folder, &VerifyOptions::default());
    assert!(report.holds(), "{report:?}");
    assert_eq!(report.shards[0].size, 2 + 5 + 3 + 1);
}

#[test]
fn a_full_queue_refuses_and_a_gap_entry_says_how_many() {
    let root = tempfile::tempdir().unwrap();
    let settings = bascule_store::log::LogSettings { queue_entries_max: 1, queue_wait_ms: 1, ..settings(root.path()) };
    let mut refused = 0;
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..400_u64 {
            let log = log.clone();
            tasks.spawn(async move { log.append(disclosure(number), None).await });
        }
        while let Some(done) = tasks.join_next().await {
            match done.unwrap() {
                Err(LogError::QueueFull) => refused += 1,
                other => drop(other.unwrap()),
            }
        }
        log.append(disclosure(1), None).await.unwrap();
        log.close(NOW).await.unwrap();
    });
    assert!(refused > 0, "the queue was never full");
    let keys = std::sync::Arc::new(bascule_store::keys::KeyStore::open(&settings.keys_folder).unwrap());
    let reader = bascule_store::log::read::LogReader::open(&settings.folder, keys).unwrap();
    let mut said = 0;
    let from = bascule_store::log::read::Cursor::default();
    reader
        .each(&from, |entry| {
            said += entry.clear.system.and_then(|system| system.get("lost")?.as_u64()).unwrap_or(0);
            Ok(true)
        })
        .unwrap();
    assert_eq!(said, refused);
}

#[test]
fn a_start_with_the_clock_set_back_is_said() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    runtime().block_on(async {
        for at in [NOW, NOW.plus_seconds(-3_600)] {
            let log = Log::open(settings.clone(), at).unwrap();
            log.close(at).await.unwrap();
        }
    });
    let report = verify(&settings.folder, &VerifyOptions::default());
    assert!(report.holds(), "{report:?}");
}
