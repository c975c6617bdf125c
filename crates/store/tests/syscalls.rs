//! A short life of the log (open, intents, entries, a checkpoint, close), killed at, or told of an error of the disk at, every
//! single system call of the kinds that matter. After the next start everything acknowledged is there, and the log verifies.
//!
//! It needs strace; without it, it is skipped with a line. A few calls of each kind here, every one with `BASCULE_LONG`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests")]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use bascule_audit::Entry;
use bascule_store::log::verify::{VerifyOptions, verify};
use bascule_store::log::{Log, LogSettings};
use support::{NOW, facts, missing, runtime, settings};

/// The system calls by which a log writes.
const CALLS: [&str; 8] = ["openat", "write", "pwrite64", "fdatasync", "fsync", "syncfs", "rename", "mkdir"];
/// Calls of each kind that are tried here.
const TRIED: usize = 4;
/// What `timeout` ends with when the time is over, and how it ends when it had to kill.
const HUNG: i32 = 124;

fn at(root: &Path) -> LogSettings {
    LogSettings { segment_bytes_max: 4_000, checkpoint_interval_ms: 5, ..settings(root) }
}

/// Runs in the child only: one short life.
#[test]
fn child() {
    let Some(root) = std::env::var_os("BASCULE_SYSCALL_CHILD") else { return };
    // A runtime without sockets wakes its tasks by futexes alone. Those with sockets write to an eventfd for it: an error told there,
    // which no kernel tells, would let a task sleep for ever, and a `write` of that kind would be counted as one of the log's.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let log = Log::open(at(Path::new(&root)), NOW).unwrap();
        for number in 0..8 {
            let intent = log.intend(Entry::intent(facts(number), NOW)).await.unwrap();
            let receipt = log.append(Entry::disclosure(facts(number), NOW), Some(intent)).await.unwrap();
            let line = format!("acked {} {}\n", receipt.index(), receipt.leaf_hash());
            std::io::stdout().write_all(line.as_bytes()).unwrap();
            if number % 3 == 0 {
                log.flush().await.unwrap();
            }
        }
        log.close(NOW).await.unwrap();
    });
}

/// Runs the child under strace. What it acknowledged, and whether it came to its end.
fn live(root: &Path, inject: &[&str]) -> (Vec<(u64, String)>, bool) {
    let output = Command::new("timeout")
        .args(["-k", "1", "60", "strace", "-f", "-qq", "-o", "/dev/null"])
        .args(inject)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
        .env("BASCULE_SYSCALL_CHILD", root)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let acked = text.lines().filter_map(|line| {
        let (index, leaf) = line.split_once("acked ")?.1.split_once(' ')?;
        Some((index.parse().ok()?, leaf.to_owned()))
    });
    // A life that hangs is a fault, too.
    assert_ne!(output.status.code(), Some(HUNG), "it hangs: {inject:?}");
    (acked.collect(), output.status.success())
}

/// How many calls of a kind a whole life makes.
fn calls(call: &str) -> usize {
    let root = tempfile::tempdir().unwrap();
    let counts = root.path().join("counts");
    let trace = format!("trace={call}");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o", counts.to_str().unwrap(), "-e", &trace])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
        .env("BASCULE_SYSCALL_CHILD", root.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    std::fs::read_to_string(counts).unwrap().lines().filter(|line| line.contains(&format!("{call}("))).count()
}

fn at_each_call(what: &str) {
    if !Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        println!("skipped: {what} at each system call (needs strace)");
        return;
    }
    let long = std::env::var_os("BASCULE_LONG").is_some();
    let (mut lives, mut struck, mut acknowledged) = (0, 0, 0);
    for call in CALLS {
        let count = calls(call);
        let step = if long { 1 } else { (count / TRIED).max(1) };
        for number in (1..=count).rev().step_by(step) {
            let root = tempfile::tempdir().unwrap();
            let inject = format!("inject={call}:{what}:when={number}");
            let (acked, ended) = live(root.path(), &["-e", &format!("trace={call}"), "-e", &inject]);
            lives += 1;
            println!("{inject}: {} acknowledged, {}", acked.len(), if ended { "to its end" } else { "cut short" });
            struck += usize::from(!ended);
            acknowledged += acked.len();
            runtime().block_on(async {
                let opened = Log::open(at(root.path()), NOW);
                opened.unwrap_or_else(|error| panic!("{inject}: {error}")).close(NOW).await.unwrap();
            });
            let shard = at(root.path()).folder.join("node-1/2026q4");
            assert_eq!(missing(&shard, &acked), 0, "{inject}: {} acknowledged", acked.len());
            let report = verify(&at(root.path()).folder, &VerifyOptions::default());
            assert!(report.holds(), "{inject}: {report:?}");
            // One that never was is found out.
            let forged = [acked, vec![(0, "forged".to_owned())]].concat();
            assert_eq!(missing(&shard, &forged), 1);
        }
    }
    println!("{what}: {lives} lives, {struck} cut short, {acknowledged} acknowledged, none missing");
    assert!(struck * 2 > lives, "the injections did not strike: {struck} of {lives}");
    assert!(acknowledged > lives / 2, "too little was acknowledged to prove anything: {acknowledged}");
}

#[test]
fn killed_at_each_system_call_nothing_acknowledged_is_missing() {
    at_each_call("signal=KILL");
}

#[test]
fn after_an_error_of_the_disk_at_each_system_call_nothing_acknowledged_is_missing() {
    at_each_call("error=EIO");
}
