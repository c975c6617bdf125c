//! What a stranger finds in the files: names, numbers and addresses of people that went through the log are looked for in every file
//! that it leaves, in the clear and as base64. They are nowhere outside the ciphertext.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bascule_audit::{AccessFacts, AgentPart, Entry, PatientPart, Recipient, ResourceVersion};
use bascule_store::keys::KeyStore;
use bascule_store::log::index::Index;
use bascule_store::log::read::LogReader;
use bascule_store::log::reserve::ReserveSettings;
use bascule_store::log::{Log, LogSettings};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use support::{NOW, runtime, settings};

/// Made up, and long enough not to be there by chance.
const SECRETS: [&str; 9] = [
    "Zephyrine-Quorndale",
    "MRN-4711-0815-93",
    "203.0.113.77",
    "zquorndale@example.org",
    "nurse-subject-aa31c7",
    "Observation/hiv-viral-load-77",
    "given=Zephyrine&birthdate=1971-02-30",
    "Blue Harbour Clinic, 9 Quay",
    "token-jti-55e1f0",
];

fn facts() -> AccessFacts {
    let [name, number, address, mail, subject, resource, query, clinic, token] = SECRETS.map(ToOwned::to_owned);
    AccessFacts {
        request_id: "r-1".into(),
        api: "ehr".into(),
        interaction: "search".into(),
        status: 200,
        client: Some("portal".into()),
        agent: AgentPart {
            subject: Some(subject),
            name: Some(name),
            address: Some(address),
            user_agent: Some(mail),
            query: Some(query),
            token_id: Some(token),
            recipient: Some(Recipient { name: clinic.clone(), address: Some(clinic) }),
            ..AgentPart::default()
        },
        patients: vec![PatientPart {
            reference: format!("Patient/{number}"),
            resources: vec![ResourceVersion { reference: resource, version: None }],
            ..PatientPart::default()
        }],
        ..AccessFacts::default()
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The secrets that a file holds, in the clear or as base64 at any of its three offsets.
fn leaks(root: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    files(root, &mut all);
    let mut found = Vec::new();
    for path in all {
        let bytes = std::fs::read(&path).unwrap();
        for secret in SECRETS {
            let encoded = (0..3).map(|offset| {
                let text = STANDARD_NO_PAD.encode([&vec![b'x'; offset], secret.as_bytes()].concat());
                // What depends on the neighbours is left out.
                text.get(4..text.len() - 4).unwrap_or_default().to_owned()
            });
            let wanted = std::iter::once(secret.to_owned()).chain(encoded);
            if wanted.into_iter().any(|one| memory_holds(&bytes, one.as_bytes())) {
                found.push((path.clone(), secret.to_owned()));
            }
        }
    }
    found
}

fn memory_holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn live(root: &Path, facts: AccessFacts) -> LogSettings {
    let emergency = ReserveSettings { file: root.join("reserve/emergency"), hours: 1, accesses_per_hour: 10 };
    let settings = LogSettings { emergency: Some(emergency), ..settings(root) };
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        let intent = log.intend(Entry::intent(facts.clone(), NOW)).await.unwrap();
        log.append(Entry::disclosure(facts.clone(), NOW), Some(intent)).await.unwrap();
        log.append(Entry::refusal(facts.clone(), NOW), None).await.unwrap();
        // An intent that nobody closes, and what the emergency reserve takes.
        std::mem::forget(log.intend(Entry::intent(facts.clone(), NOW)).await.unwrap());
        log.close(NOW).await.unwrap();
        let full = LogSettings { reserve_bytes: u64::MAX, checkpoint_interval_ms: 3_600_000, ..settings.clone() };
        let log = Log::open(full, NOW).unwrap();
        log.flush().await.unwrap();
        log.append_for_care(Entry::disclosure(facts, NOW), None).await.unwrap();
        log.close(NOW).await.unwrap();
    });
    let reader = LogReader::open(&settings.folder, Arc::new(KeyStore::open(&settings.keys_folder).unwrap())).unwrap();
    Index::open(&root.join("audit-index.db")).unwrap().catch_up(&reader).unwrap();
    settings
}

#[test]
fn nobody_is_named_in_any_file_of_the_log() {
    let root = tempfile::tempdir().unwrap();
    let settings = live(root.path(), facts());
    let mut all = Vec::new();
    files(root.path(), &mut all);
    for kind in ["entries", ".wal", "keys.db", "audit-index.db", "emergency", "lock.db"] {
        assert!(all.iter().any(|path| path.display().to_string().contains(kind)), "{kind} is looked at");
    }
    assert_eq!(leaks(root.path()), []);
    // It is there for who has the keys.
    let keys = Arc::new(KeyStore::open(&settings.keys_folder).unwrap());
    let mut read = String::new();
    LogReader::open(&settings.folder, keys)
        .unwrap()
        .each(&bascule_store::log::read::Cursor::default(), |entry| {
            read += &format!("{entry:?}");
            Ok(true)
        })
        .unwrap();
    assert!(SECRETS.iter().all(|secret| read.contains(secret)), "the log did hold them");
}

#[test]
fn a_name_in_the_clear_part_would_be_found() {
    let root = tempfile::tempdir().unwrap();
    live(root.path(), AccessFacts { client: Some(SECRETS[0].into()), ..facts() });
    assert!(!leaks(root.path()).is_empty());
}
