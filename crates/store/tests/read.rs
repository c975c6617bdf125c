//! Reading back: what was said is found again, opened with keys, proved, and exported.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::sync::Arc;

use bascule_audit::accounting::{AccountingRequest, account};
use bascule_audit::{AccessFacts, Entry, Opened};
use bascule_fhir::Timestamp;
use bascule_store::keys::KeyStore;
use bascule_store::log::index::{Index, Search};
use bascule_store::log::read::{Cursor, LogReader, prove_receipt};
use bascule_store::log::{Log, LogSettings};
use support::{NOW, facts, runtime, settings};

/// 300 disclosures and 20 refusals; the receipt of the last.
fn written(settings: &LogSettings) -> String {
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        let mut last = None;
        for number in 0..300_u64 {
            let at = NOW.plus_seconds(i64::try_from(number).unwrap() / 10);
            let facts = AccessFacts { disclosure: number % 100 == 1, ..facts(number) };
            last = Some(log.append(Entry::disclosure(facts, at), None).await.unwrap());
        }
        for number in 0..20 {
            let refused = AccessFacts { status: 403, cause: Some("scope-missing".into()), ..facts(number) };
            last = Some(log.append(Entry::refusal(refused, NOW.plus_seconds(40)), None).await.unwrap());
        }
        log.close(NOW.plus_seconds(60)).await.unwrap();
        last.unwrap().header()
    })
}

fn reader(settings: &LogSettings) -> LogReader {
    LogReader::open(&settings.folder, Arc::new(KeyStore::open(&settings.keys_folder).unwrap())).unwrap()
}

#[test]
fn a_patients_entries_are_found_and_proved() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    written(&settings);
    let reader = reader(&settings);
    let mut index = Index::open(&root.path().join("index.db")).unwrap();
    assert_eq!(index.catch_up(&reader).unwrap(), 323);
    assert_eq!(index.catch_up(&reader).unwrap(), 0);
    let count = |search: &Search| index.search(search, &reader).unwrap().len();
    let patient = Some(("ehr".to_owned(), "Patient/7".to_owned()));
    assert_eq!(count(&Search { patient: patient.clone(), ..Search::default() }), 7);
    assert_eq!(count(&Search { patient, kind: Some("refusal".into()), ..Search::default() }), 1);
    assert_eq!(count(&Search { user: Some("user-3".into()), ..Search::default() }), 43 + 3);
    assert_eq!(count(&Search { client: Some("portal".into()), limit: 5, ..Search::default() }), 5);
    assert_eq!(count(&Search { from: Some(NOW.plus_seconds(40)), ..Search::default() }), 21);
    assert_eq!(count(&Search { disclosures: true, ..Search::default() }), 3);
    assert_eq!(count(&Search { patient: Some(("lab".into(), "Patient/7".into())), ..Search::default() }), 0);
    assert_eq!(index.compare(&reader).unwrap(), Vec::<String>::new());
}

#[test]
fn an_entry_hidden_from_the_index_is_found_by_comparison() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    written(&settings);
    let reader = reader(&settings);
    let path = root.path().join("index.db");
    let mut index = Index::open(&path).unwrap();
    index.catch_up(&reader).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute("DELETE FROM patient WHERE number = 5", []).unwrap();
    assert_eq!(index.compare(&reader).unwrap().len(), 1);
    index.rebuild(&reader).unwrap();
    assert!(index.compare(&reader).unwrap().is_empty());
}

#[test]
fn the_index_file_names_no_patient() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    written(&settings);
    let reader = reader(&settings);
    let path = root.path().join("index.db");
    Index::open(&path).unwrap().catch_up(&reader).unwrap();
    for file in std::fs::read_dir(root.path()).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        for name in ["Patient/", "user-"] {
            assert!(!bytes.windows(name.len()).any(|window| window == name.as_bytes()), "{name} in {}", file.display());
        }
    }
}

#[test]
fn a_receipt_is_proved_and_a_forged_one_is_not() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let receipt = written(&settings);
    let proof = prove_receipt(&settings.folder, &receipt).unwrap();
    assert!(proof.to_string().starts_with("c2sp.org/tlog-proof@v1\nindex 321\n"));
    assert!(prove_receipt(&settings.folder, &receipt.replace(" 321 ", " 320 ")).is_err());
    assert!(prove_receipt(&settings.folder, &receipt.replace(" 321 ", " 9999 ")).is_err());
    assert!(prove_receipt(&settings.folder, &receipt.replace("node-1", "node-2")).is_err());
}

#[test]
fn an_export_goes_on_where_it_stopped_and_repeats_nothing() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    written(&settings);
    let reader = reader(&settings);
    let mut whole = Vec::new();
    let end = reader.export(&Cursor::default(), "https://gw.example", &mut whole).unwrap();
    assert_eq!(Cursor::parse(&end.to_string()), Some(end.clone()));
    let lines: Vec<serde_json::Value> =
        String::from_utf8(whole).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 323);
    let ids: std::collections::BTreeSet<_> = lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 323);
    let mut nothing = Vec::new();
    assert_eq!(reader.export(&end, "https://gw.example", &mut nothing).unwrap(), end);
    assert!(nothing.is_empty());
    let mut seen = 0;
    let middle = reader
        .each(&Cursor::default(), |_| {
            Ok({
                seen += 1;
                seen <= 100
            })
        })
        .unwrap();
    let mut rest = Vec::new();
    reader.export(&middle, "https://gw.example", &mut rest).unwrap();
    assert_eq!(rest.iter().filter(|byte| **byte == b'\n').count(), 323 - 100);
}

#[test]
fn an_accounting_is_made_from_the_log() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    written(&settings);
    let mut entries: Vec<Opened> = Vec::new();
    reader(&settings)
        .each(&Cursor::default(), |entry| {
            entries.push(entry);
            Ok(true)
        })
        .unwrap();
    let request = AccountingRequest {
        api: "ehr".into(),
        patient: "Patient/1".into(),
        from: Timestamp::from_seconds(0),
        until: NOW.plus_seconds(1000),
        suspensions: vec![],
        now: NOW,
    };
    let lines = account(&request, entries.iter());
    assert_eq!((lines.len(), lines[0].times), (1, 3));
}
