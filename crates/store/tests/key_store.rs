//! The key store gone, or behind: nothing acknowledged is undecryptable, and a house without its keys does not go on as if nothing
//! were.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bascule_store::keys::KeyStore;
use bascule_store::log::read::{Cursor, LogReader};
use bascule_store::log::{Log, LogSettings};
use support::{NOW, disclosure, runtime, settings};

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// Accesses whose patients can be read, and all of them.
fn readable(settings: &LogSettings) -> (usize, usize) {
    let keys = Arc::new(KeyStore::open(&settings.keys_folder).unwrap());
    let (mut opened, mut all) = (0, 0);
    LogReader::open(&settings.folder, keys)
        .unwrap()
        .each(&Cursor::default(), |entry| {
            if !entry.patients.is_empty() {
                all += 1;
                opened += usize::from(entry.agent.is_some() && entry.patients.iter().all(Option::is_some));
            }
            Ok(true)
        })
        .unwrap();
    (opened, all)
}

#[test]
fn a_crash_right_after_a_new_patients_first_entry_leaves_it_readable() {
    let root = tempfile::tempdir().unwrap();
    let quiet = LogSettings { checkpoint_interval_ms: 3_600_000, ..settings(root.path()) };
    let crashed = root.path().join("crashed");
    std::fs::create_dir(&crashed).unwrap();
    runtime().block_on(async {
        let log = Log::open(quiet, NOW).unwrap();
        for number in 0..30 {
            log.append(disclosure(number), None).await.unwrap();
        }
        // The machine as it stands now: the keys are in the write-ahead log, not yet in the key store.
        for name in ["data", "lock"] {
            copy(&root.path().join(name), &crashed.join(name));
        }
        log.close(NOW).await.unwrap();
    });
    // Control: the key store of that moment alone does not open them.
    let settings = settings(&crashed);
    runtime().block_on(async { Log::open(settings.clone(), NOW).unwrap().close(NOW).await.unwrap() });
    assert_eq!(readable(&settings), (30, 30));
}

#[test]
fn without_its_key_store_or_master_key_a_log_that_was_signed_does_not_open() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let life = || {
        runtime().block_on(async {
            let log = Log::open(settings.clone(), NOW)?;
            for number in 0..10 {
                log.append(disclosure(number), None).await?;
            }
            log.close(NOW).await
        })
    };
    life().unwrap();
    let kept = root.path().join("kept-keys");
    copy(&settings.keys_folder, &kept);
    for name in ["keys.db", "master.key"] {
        std::fs::remove_file(settings.keys_folder.join(name)).unwrap();
        let refused = life().unwrap_err().to_string();
        assert!(refused.contains("key"), "{name}: {refused}");
        std::fs::remove_dir_all(&settings.keys_folder).unwrap();
        copy(&kept, &settings.keys_folder);
    }
    // Control: with them back it goes on, and everything can be read.
    life().unwrap();
    assert_eq!(readable(&settings), (20, 20));
}

#[test]
fn a_key_store_that_fails_while_running_stops_the_log_before_it_acknowledges_what_nobody_could_read() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let database = settings.keys_folder.join("keys.db");
    let mut acked = 0;
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        log.append(disclosure(0), None).await.unwrap();
        log.flush().await.unwrap();
        let sound = std::fs::read(&database).unwrap();
        let wal = std::fs::read(database.with_extension("db-wal")).unwrap_or_default();
        std::fs::write(&database, vec![0x5a; sound.len()]).unwrap();
        std::fs::write(database.with_extension("db-wal"), vec![0x5a; wal.len()]).unwrap();
        // Each is of a patient whom nobody has seen yet.
        for number in 1..40 {
            match log.append(disclosure(number), None).await {
                Ok(_) => acked += 1,
                Err(_) => break,
            }
            tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        }
        let _ = log.close(NOW).await;
        std::fs::write(&database, sound).unwrap();
        std::fs::write(database.with_extension("db-wal"), wal).unwrap();
        let _ = std::fs::remove_file(database.with_extension("db-shm"));
    });
    runtime().block_on(async { Log::open(settings.clone(), NOW).unwrap().close(NOW).await.unwrap() });
    let (opened, all) = readable(&settings);
    assert_eq!(opened, all, "{acked} were acknowledged meanwhile");
    assert!(all > acked, "everything acknowledged is there");
}
