//! Kill and look: a child process writes under load and prints what was acknowledged; it is killed at a random moment;
//! after the next start everything it printed must be there, with the same bytes at the same index.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use bascule_audit::Entry;
use bascule_store::log::verify::{VerifyOptions, verify};
use bascule_store::log::{Log, LogSettings};
use support::{NOW, facts, foreign_verify, missing, runtime, settings};

/// Runs in the child only: appends until it is killed.
#[test]
fn child() {
    let Some(root) = std::env::var_os("BASCULE_CRASH_CHILD") else { return };
    let settings = LogSettings { segment_bytes_max: 200_000, ..settings(Path::new(&root)) };
    runtime().block_on(async {
        let log = Log::open(settings, NOW).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..8_u64 {
            let log = log.clone();
            tasks.spawn(async move {
                for number in 0.. {
                    let intent = log.intend(Entry::intent(facts(number), NOW)).await.unwrap();
                    let receipt = log.append(Entry::disclosure(facts(writer * 1_000_000 + number), NOW), Some(intent));
                    let receipt = receipt.await.unwrap();
                    let line = format!("acked {} {}\n", receipt.index(), receipt.leaf_hash());
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    });
}

/// Starts the child, kills it after about `millis`, and returns what it had acknowledged.
fn run_and_kill(root: &Path, millis: u64) -> Vec<(u64, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("BASCULE_CRASH_CHILD", root)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || {
        let acked = lines.map_while(Result::ok).filter_map(|line| {
            let (_, rest) = line.split_once("acked ")?;
            let (index, leaf) = rest.split_once(' ')?;
            Some((index.parse().ok()?, leaf.to_owned()))
        });
        acked.collect::<Vec<_>>()
    });
    std::thread::sleep(std::time::Duration::from_millis(millis));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[test]
fn nothing_acknowledged_is_missing_after_kill_9() {
    let rounds = if std::env::var_os("BASCULE_LONG").is_some() { 100 } else { 4 };
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let shard = settings.folder.join("node-1/2026q4");
    let mut all = Vec::new();
    for round in 0..rounds {
        all.extend(run_and_kill(root.path(), 300 + round * 137 % 500));
        runtime().block_on(async {
            let log = Log::open(settings.clone(), NOW).unwrap();
            log.close(NOW).await.unwrap();
        });
        assert_eq!(missing(&shard, &all), 0, "round {round}, {} acknowledged", all.len());
        let report = verify(&settings.folder, &VerifyOptions::default());
        assert!(report.holds(), "{report:?}");
    }
    println!("{rounds} kills, {} acknowledged, none missing", all.len());
    assert!(all.len() > 100, "the child wrote too little to prove anything: {}", all.len());
    if let Some(holds) = foreign_verify(&shard, &[]) {
        assert!(holds);
    }
    // The other way round: a list with one entry that never was must be found out.
    all.push((0, "forged".to_owned()));
    assert_eq!(missing(&shard, &all), 1);
}

#[test]
fn a_restored_backup_and_a_lost_tail_are_refused_at_the_start() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let write = |count: u64| {
        runtime().block_on(async {
            let log = Log::open(settings.clone(), NOW).unwrap();
            for number in 0..count {
                log.append(Entry::disclosure(facts(number), NOW), None).await.unwrap();
            }
            log.close(NOW).await.unwrap();
        });
    };
    let copy = |from: &Path, to: &Path| {
        assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    };
    write(300);
    let data = root.path().join("data");
    let backup = root.path().join("backup");
    copy(&data, &backup);
    write(300);
    std::fs::rename(&data, root.path().join("newer")).unwrap();
    copy(&backup, &data);
    let refused = Log::open(settings.clone(), NOW).err().unwrap().to_string();
    assert!(refused.contains("were signed"), "{refused}");
    // The same without any write-ahead log, and without anything at all.
    std::fs::remove_dir_all(data.join("audit/node-1/wal")).unwrap();
    assert!(Log::open(settings.clone(), NOW).is_err());
    std::fs::remove_dir_all(data.join("audit")).unwrap();
    assert!(Log::open(settings.clone(), NOW).is_err());
    // And the true one opens.
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(root.path().join("newer"), &data).unwrap();
    write(1);
    // Its lock file lost: signed before, so refused.
    std::fs::remove_dir_all(root.path().join("lock")).unwrap();
    let refused = Log::open(settings.clone(), NOW).err().unwrap().to_string();
    assert!(refused.contains("lock store knows nothing"), "{refused}");
}

#[test]
fn a_flipped_bit_in_what_was_durable_stops_the_start() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let wal = settings.folder.join("node-1/wal");
    // On a busy machine a short life may leave next to nothing behind: lives are lived until there is something to damage.
    let (newest, sound) = (0..40)
        .find_map(|_| {
            run_and_kill(root.path(), 600);
            let newest = std::fs::read_dir(&wal).unwrap().map(|entry| entry.unwrap().path()).max()?;
            let sound = std::fs::read(&newest).unwrap();
            (sound.len() >= 2_000).then_some((newest, sound))
        })
        .unwrap();
    for place in [0, 20, 60, sound.len() / 3, sound.len() / 2] {
        let mut flipped = sound.clone();
        flipped[place] ^= 1;
        std::fs::write(&newest, &flipped).unwrap();
        let refused = Log::open(settings.clone(), NOW).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("damaged"), "byte {place} of {}: {refused}", sound.len());
    }
    std::fs::write(&newest, &sound).unwrap();
    Log::open(settings, NOW).unwrap();
}
