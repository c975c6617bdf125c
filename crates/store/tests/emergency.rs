//! The drill of the emergency reserve (45 CFR 164.312(a)(2)(ii)): the log cannot be written, clinical care goes on, nothing else
//! does, and afterwards every access stands in the log once.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use bascule_audit::Entry;
use bascule_store::keys::KeyStore;
use bascule_store::log::read::{Cursor, LogReader, prove_receipt};
use bascule_store::log::reserve::ReserveSettings;
use bascule_store::log::verify::{VerifyOptions, verify};
use bascule_store::log::{Log, LogError, LogSettings};
use support::{NOW, disclosure, facts, runtime, settings};

fn with_reserve(root: &Path) -> LogSettings {
    let reserve = ReserveSettings { file: root.join("reserve/emergency"), hours: 1, accesses_per_hour: 100 };
    LogSettings { emergency: Some(reserve), ..settings(root) }
}

/// The same, on a disk that counts as full once the log has looked.
fn full(root: &Path) -> LogSettings {
    LogSettings { reserve_bytes: u64::MAX, checkpoint_interval_ms: 3_600_000, ..with_reserve(root) }
}

/// Of each request of the tests, how many terminal entries there are.
fn entries_of(settings: &LogSettings, number: u64) -> Vec<String> {
    let keys = Arc::new(KeyStore::open(&settings.keys_folder).unwrap());
    let reader = LogReader::open(&settings.folder, keys).unwrap();
    let mut kinds = Vec::new();
    reader
        .each(&Cursor::default(), |entry| {
            if entry.about().request.as_deref() == Some(&format!("request-{number}")) {
                assert!(entry.agent.is_some() && entry.patients.iter().all(Option::is_some), "it can be opened");
                kinds.push(bascule_store::log::verify::kind_name(entry.clear.kind).to_owned());
            }
            Ok(true)
        })
        .unwrap();
    kinds
}

#[test]
fn care_goes_on_in_the_reserve_and_every_access_stands_in_the_log_once() {
    let root = tempfile::tempdir().unwrap();
    let mut receipts = Vec::new();
    runtime().block_on(async {
        let log = Log::open(full(root.path()), NOW).unwrap();
        // An access that is under way when the disk fills up.
        let before = log.intend_for_care(Entry::intent(facts(0), NOW)).await.unwrap();
        log.flush().await.unwrap();
        assert!(
            matches!(log.append(disclosure(1), None).await, Err(LogError::DiskFull(_))),
            "other things are refused"
        );
        assert_eq!(log.emergency().unwrap().bytes_used, 0);
        receipts.push(log.append_for_care(disclosure(0), Some(before)).await.unwrap().header());
        let intent = log.intend_for_care(Entry::intent(facts(2), NOW)).await.unwrap();
        receipts.push(log.append_for_care(disclosure(2), Some(intent)).await.unwrap().header());
        // One whose end nobody will record.
        let abandoned = log.intend_for_care(Entry::intent(facts(3), NOW)).await.unwrap();
        std::mem::forget(abandoned);
        assert_eq!(log.emergency().unwrap().entries, 2);
        assert!(receipts.iter().all(|receipt| receipt.starts_with("gateway.example/audit/node-1/emergency ")));
        log.close(NOW).await.unwrap();
    });
    let reserve = root.path().join("reserve/emergency");
    let as_it_was = std::fs::read(&reserve).unwrap();
    let open_and_close = |settings: LogSettings| {
        runtime().block_on(async {
            let log = Log::open(settings, NOW).unwrap();
            assert_eq!(log.emergency().unwrap().bytes_used, 0, "it was carried over at the start");
            log.append(disclosure(4), None).await.unwrap();
            log.close(NOW).await.unwrap();
        });
    };
    open_and_close(with_reserve(root.path()));
    // A crash between writing the log and emptying the reserve: the next start finds it full, and does nothing twice.
    std::fs::write(&reserve, as_it_was).unwrap();
    open_and_close(with_reserve(root.path()));
    let settings = with_reserve(root.path());
    let report = verify(&settings.folder, &VerifyOptions::default());
    assert!(report.holds(), "{report:?}");
    for (number, kinds) in [(0, vec!["access"]), (1, vec![]), (2, vec!["access"]), (3, vec!["unknown"])] {
        assert_eq!(entries_of(&settings, number), kinds, "request {number}");
    }
    for receipt in receipts {
        prove_receipt(&settings.folder, &receipt).unwrap();
        assert!(
            prove_receipt(&settings.folder, &receipt.replace("emergency ", "emergency 9")).is_ok(),
            "the hash counts"
        );
        let forged =
            receipt.rsplit_once(' ').unwrap().0.to_owned() + " " + &bascule_ledger::leaf_hash(b"x").to_base64();
        assert!(prove_receipt(&settings.folder, &forged).is_err());
    }
}

#[test]
fn without_a_reserve_nothing_passes() {
    let root = tempfile::tempdir().unwrap();
    let settings = LogSettings { emergency: None, ..full(root.path()) };
    runtime().block_on(async {
        let log = Log::open(settings, NOW).unwrap();
        log.flush().await.unwrap();
        assert!(matches!(log.intend_for_care(Entry::intent(facts(0), NOW)).await, Err(LogError::DiskFull(_))));
        assert!(matches!(log.append_for_care(disclosure(0), None).await, Err(LogError::DiskFull(_))));
        assert!(log.emergency().is_none() && log.drill_emergency().is_err());
    });
}

#[test]
fn a_reserve_that_is_used_up_refuses() {
    let root = tempfile::tempdir().unwrap();
    let reserve = ReserveSettings { file: root.path().join("reserve/emergency"), hours: 1, accesses_per_hour: 1 };
    runtime().block_on(async {
        let log = Log::open(LogSettings { emergency: Some(reserve), ..full(root.path()) }, NOW).unwrap();
        log.drill_emergency().unwrap();
        log.flush().await.unwrap();
        let mut kept = 0;
        while log.append_for_care(disclosure(kept), None).await.is_ok() {
            kept += 1;
        }
        assert!(kept > 256, "{kept}: it is sized for 4 KiB an access");
        assert!(matches!(log.append_for_care(disclosure(0), None).await, Err(LogError::ReserveFull(_))));
        log.close(NOW).await.unwrap();
        let log = Log::open(with_reserve(root.path()), NOW).unwrap();
        log.close(NOW).await.unwrap();
    });
    let settings = with_reserve(root.path());
    assert!(verify(&settings.folder, &VerifyOptions::default()).holds());
    assert_eq!(entries_of(&settings, 200), ["access"]);
}

#[test]
fn a_reserve_in_the_data_folder_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut settings = with_reserve(root.path());
    settings.emergency.as_mut().unwrap().file = settings.folder.parent().unwrap().join("emergency");
    assert!(matches!(Log::open(settings, NOW), Err(LogError::Settings(_))));
}
