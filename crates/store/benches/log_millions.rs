//! Ten million entries in one log: whether its latency stays flat and its memory bounded, how long it takes to open, to verify,
//! to index, to search and to prove.
//!
//! `cargo bench -p bascule-store --bench log_millions -- [folder]`; `BASCULE_LOG_ENTRIES` and
//! `BASCULE_LOG_CLIENTS` for other numbers. About 1.6 KB of the disk an entry, given back at the end.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench: it stops at the first fault and prints")]
#![allow(clippy::disallowed_methods, reason = "a bench is told its numbers by the environment")]

mod support;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc; // as the binary has it

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bascule_audit::Entry;
use bascule_fhir::Timestamp;
use bascule_store::keys::KeyStore;
use bascule_store::log::Log;
use bascule_store::log::index::{Index, Search};
use bascule_store::log::read::LogReader;
use bascule_store::log::verify::{VerifyOptions, verify};
use support::{NOW, memory, percentile, settings, show};

const PATIENTS: u64 = 50_000;
/// Lines of the table.
const PARTS: u64 = 10;

fn main() {
    let number = |name: &str, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let (entries, clients) = (number("BASCULE_LOG_ENTRIES", 10_000_000), number("BASCULE_LOG_CLIENTS", 64));
    let folder = tempfile::tempdir_in(support::folder()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(write(folder.path(), entries, clients));
    let folder_of_log = folder.path().join("data/audit");
    timed("opened again and closed", || {
        let log = Log::open(settings(folder.path()), NOW).unwrap();
        runtime.block_on(log.close(NOW)).unwrap();
    });
    timed("verified whole", || {
        let report = verify(&folder_of_log, &VerifyOptions::default());
        assert!(report.holds(), "{report:?}");
        assert!(report.shards.iter().map(|shard| shard.size).sum::<u64>() > entries);
    });
    read(folder.path(), &folder_of_log);
    println!("on the disk: {} MiB", size_of(folder.path()) >> 20);
}

/// Writes them, and prints a line for each part.
async fn write(root: &Path, entries: u64, clients: u64) {
    let log = Log::open(settings(root), NOW).unwrap();
    let (next, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
    println!(
        "{entries} entries about {PATIENTS} patients by {clients} clients, each waiting until its entry is durable:"
    );
    for part in 1..=PARTS {
        let until = entries * part / PARTS;
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..clients {
            let (log, next) = (log.clone(), Arc::clone(&next));
            tasks.spawn(async move {
                let mut times = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= until {
                        return times;
                    }
                    let passed = i64::try_from(begun.elapsed().as_micros()).unwrap();
                    let now = Timestamp::from_micros(NOW.micros() + passed);
                    let made = Entry::disclosure(support::facts(number, PATIENTS), now);
                    let one = Instant::now();
                    log.append(made, None).await.unwrap();
                    times.push(one.elapsed());
                }
            });
        }
        let mut times: Vec<Duration> = Vec::new();
        while let Some(more) = tasks.join_next().await {
            times.extend(more.unwrap());
        }
        next.store(until, Ordering::Relaxed);
        let (passed, count) = (started.elapsed(), times.len());
        times.sort_unstable();
        let (p50, p99, worst) = (percentile(&times, 50), percentile(&times, 99), *times.last().unwrap());
        drop(times);
        let (now, most) = memory();
        println!(
            "     to {until:>9}  p50 {:>9}  p99 {:>10}  worst {:>11}  {:>6.0}/s  memory {now} MiB, at most {most}",
            show(p50),
            show(p99),
            show(worst),
            count as f64 / passed.as_secs_f64(),
        );
    }
    log.close(NOW).await.unwrap();
}

/// Indexes, searches, proves.
fn read(root: &Path, folder: &Path) {
    let keys = Arc::new(KeyStore::open(&settings(root).keys_folder).unwrap());
    let reader = LogReader::open(folder, keys).unwrap();
    let mut index = Index::open(&root.join("index.db")).unwrap();
    timed("indexed from nothing", || _ = index.catch_up(&reader).unwrap());
    let search = |search: &Search| index.search(search, &reader).unwrap().len();
    let patient = Some(("ehr".to_owned(), "Patient/777".to_owned()));
    timed("the newest 100 of a patient, each proved", || {
        assert_eq!(search(&Search { patient: patient.clone(), limit: 100, ..Search::default() }), 100);
    });
    timed("the newest 100 of a client, each proved", || {
        assert_eq!(search(&Search { client: Some("portal".to_owned()), limit: 100, ..Search::default() }), 100);
    });
    timed("the newest 100 of a user, each proved", || {
        assert_eq!(search(&Search { user: Some("dr-amal".to_owned()), limit: 100, ..Search::default() }), 100);
    });
    timed("one request by its id, proved", || {
        assert_eq!(search(&Search { request: Some(format!("{:032x}", 4_242)), ..Search::default() }), 1);
    });
    let (now, most) = memory();
    println!("     memory {now} MiB, at most {most}");
}

fn timed<T>(name: &str, what: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = what();
    println!("     {name:<44} {:>12}", show(started.elapsed()));
    done
}

fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(
            |entry| {
                if entry.file_type().unwrap().is_dir() {
                    size_of(&entry.path())
                } else {
                    entry.metadata().unwrap().len()
                }
            },
        )
        .sum()
}
