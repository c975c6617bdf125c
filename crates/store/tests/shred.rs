//! Shredding, holds and the end of shards: content goes, proofs stay, and what must be kept is kept.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::sync::Arc;

use bascule_audit::{AccessFacts, Entry, Opened, PatientPart};
use bascule_fhir::Timestamp;
use bascule_store::keys::{KeyError, KeyStore, Retention, Subject};
use bascule_store::log::read::{Cursor, LogReader};
use bascule_store::log::retire::RetireRule;
use bascule_store::log::verify::{VerifyOptions, verify};
use bascule_store::log::{Log, LogError, LogSettings, Shard};
use support::{NOW, facts, foreign_verify, runtime, settings};

const YEAR: i64 = 366 * 86_400;
const LATER: Timestamp = NOW.plus_seconds(7 * YEAR);

fn write(settings: &LogSettings) {
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        for number in 0..60_u64 {
            let patients = vec![
                PatientPart { reference: "Patient/anna".into(), ..PatientPart::default() },
                PatientPart { reference: "Patient/bela".into(), ..PatientPart::default() },
            ];
            log.append(Entry::disclosure(AccessFacts { patients, ..facts(number) }, NOW), None).await.unwrap();
        }
        log.close(NOW).await.unwrap();
    });
}

fn entries(settings: &LogSettings) -> Vec<Opened> {
    let keys = Arc::new(KeyStore::open(&settings.keys_folder).unwrap());
    let mut entries = Vec::new();
    let reader = LogReader::open(&settings.folder, keys).unwrap();
    reader
        .each(&Cursor::default(), |entry| {
            entries.push(entry);
            Ok(true)
        })
        .unwrap();
    entries
}

fn of(name: &str) -> Subject {
    Subject::Patient { api: "ehr".into(), reference: format!("Patient/{name}") }
}

fn about(settings: &LogSettings, name: &str) -> usize {
    entries(settings).iter().filter(|entry| entry.is_about(&format!("Patient/{name}"))).count()
}

fn verifies(settings: &LogSettings) {
    let report = verify(&settings.folder, &VerifyOptions::default());
    assert!(report.holds(), "{report:?}");
}

#[test]
fn a_shredded_person_is_gone_and_the_log_still_verifies() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    write(&settings);
    assert_eq!(about(&settings, "anna"), 60);
    runtime().block_on(async {
        let log = Log::open(settings.clone(), LATER).unwrap();
        log.shred(&of("anna"), NOW, Retention::default(), "court order", LATER).await.unwrap();
        log.close(LATER).await.unwrap();
    });
    assert_eq!((about(&settings, "anna"), about(&settings, "bela")), (0, 60));
    assert!(entries(&settings).iter().any(|entry| {
        entry.clear.system.as_ref().is_some_and(|system| system["event"] == "shred" && system["act"] == "done")
    }));
    verifies(&settings);
    if let Some(holds) = foreign_verify(&settings.folder.join("node-1/2026q4"), &[]) {
        assert!(holds);
    }
}

#[test]
fn a_shredded_month_is_gone_with_patients_and_staff() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    write(&settings);
    runtime().block_on(async {
        let log = Log::open(settings.clone(), LATER).unwrap();
        let month = Subject::Month("2026-11".into());
        log.shred(&month, NOW, Retention::default(), "end of retention", LATER).await.unwrap();
        log.close(LATER).await.unwrap();
    });
    assert!(entries(&settings).iter().all(|entry| entry.patients.iter().all(Option::is_none) && entry.agent.is_none()));
    verifies(&settings);
}

#[test]
fn retention_and_holds_refuse_and_the_refusal_is_recorded() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    write(&settings);
    runtime().block_on(async {
        let log = Log::open(settings.clone(), LATER).unwrap();
        let refused = |result: Result<(), LogError>, word: &str| match result {
            Err(LogError::Keys(KeyError::Kept { why, .. })) => assert!(why.contains(word), "{why}"),
            other => panic!("{other:?}"),
        };
        let soon = NOW.plus_seconds(5 * YEAR);
        refused(log.shred(&of("anna"), NOW, Retention::default(), "asked", soon).await, "retention");
        log.set_hold(&of("anna"), "Smith v. Mercy", "counsel", true, LATER).await.unwrap();
        refused(log.shred(&of("anna"), NOW, Retention::default(), "asked", LATER).await, "Smith v. Mercy");
        let month = Subject::Month("2026-11".into());
        refused(log.shred(&month, NOW, Retention::default(), "end", LATER).await, "Smith v. Mercy");
        refused(log.drop_shard(Shard::at(NOW), Retention::default(), LATER).await, "Smith v. Mercy");
        log.shred(&of("bela"), NOW, Retention::default(), "asked", LATER).await.unwrap();
        log.set_hold(&of("anna"), "Smith v. Mercy", "counsel", false, LATER).await.unwrap();
        log.shred(&of("anna"), NOW, Retention::default(), "asked", LATER).await.unwrap();
        log.close(LATER).await.unwrap();
    });
    let acts: Vec<String> = entries(&settings)
        .iter()
        .filter_map(|entry| entry.clear.system.as_ref().filter(|system| system["event"] == "shred"))
        .map(|system| system["act"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(acts, ["refused", "refused", "refused", "done", "done"]);
}

#[test]
fn a_key_destroyed_is_not_brought_back_by_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        log.append(Entry::disclosure(facts(1), NOW), None).await.unwrap();
        // Its key stands in the write-ahead log that the next start reads.
        let keeps_nothing = Retention { years: 0 };
        let subject = Subject::Patient { api: "ehr".into(), reference: "Patient/1".into() };
        log.shred(&subject, NOW, keeps_nothing, "test", NOW).await.unwrap();
        drop(log);
    });
    std::thread::sleep(std::time::Duration::from_millis(300));
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        log.close(NOW).await.unwrap();
    });
    assert_eq!(about(&settings, "1"), 0);
}

#[test]
fn a_shards_signing_key_goes_after_its_days_of_grace() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    write(&settings);
    let key = settings.keys_folder.join("node-1-2026q4.key");
    let january = Timestamp::from_seconds(1_798_761_600 + 86_400);
    runtime().block_on(async {
        let log = Log::open(settings.clone(), january).unwrap();
        let rule = RetireRule { witnesses: vec![], grace_days: 30 };
        assert!(log.retire_keys(&rule, january).await.unwrap().is_empty());
        assert!(key.exists());
        let february = january.plus_seconds(31 * 86_400);
        assert_eq!(log.retire_keys(&rule, february).await.unwrap(), ["gateway.example/audit/node-1/2026q4"]);
        assert!(!key.exists());
        log.close(february).await.unwrap();
        let log = Log::open(settings.clone(), february).unwrap();
        log.close(february).await.unwrap();
    });
    verifies(&settings);
}

#[test]
fn a_shard_is_dropped_whole_after_retention_and_its_checkpoint_stays() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    write(&settings);
    runtime().block_on(async {
        let log = Log::open(settings.clone(), LATER).unwrap();
        log.drop_shard(Shard::at(NOW), Retention::default(), LATER).await.unwrap();
        log.close(LATER).await.unwrap();
    });
    assert!(!settings.folder.join("node-1/2026q4").exists());
    assert!(settings.folder.join("node-1/retired/2026q4/checkpoint").exists());
    verifies(&settings);
}
