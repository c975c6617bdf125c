//! What the log costs: CPU per entry, and durable entries a second at 1, 8, 64 and 512 clients, next to SQLite with
//! `synchronous=FULL` and to the bare sync of the same disk, in the same run.
//!
//! `cargo bench -p bascule-store --bench log -- [folder] [--stages]`; with `--stages` the CPU alone.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench: it stops at the first fault and prints")]
#![allow(clippy::indexing_slicing, reason = "two numbers, always")]

mod support;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc; // as the binary has it

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bascule_audit::{Entry, seal};
use bascule_ledger::{Tiler, leaf_hash};
use bascule_store::keys::KeyStore;
use bascule_store::log::Log;
use bascule_store::log::verify::{VerifyOptions, verify};
use support::{NOW, cpu_time, percentile, settings, show, thread_time};

const RUN: Duration = Duration::from_secs(4);
const CLIENTS: [u64; 4] = [1, 8, 64, 512];
/// Patients that the log has seen before.
const PATIENTS: u64 = 1000;

fn main() {
    let folder = tempfile::tempdir_in(support::folder()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let keys = runtime.block_on(warm_keys(&folder.path().join("stages")));
    stages(&keys);
    if std::env::args().any(|argument| argument == "--stages") {
        return;
    }
    for clients in CLIENTS {
        println!("{clients} clients, each waiting until its entry is durable:");
        raw_sync(folder.path(), clients).print("600 bytes appended, fdatasync each");
        sqlite(folder.path(), clients).print("SQLite WAL FULL, a commit each");
        sqlite_together(folder.path(), clients).print("SQLite WAL FULL, a commit for all that wait");
        let data = folder.path().join(format!("log-{clients}"));
        runtime.block_on(log(&data, clients)).print("the log");
        let started = Instant::now();
        let report = verify(&data.join("data/audit"), &VerifyOptions::default());
        assert!(report.holds(), "{report:?}");
        let size = report.shards.iter().map(|shard| shard.size).sum::<u64>();
        println!("     verified {size} entries in {}", show(started.elapsed()));
        std::fs::remove_dir_all(data).unwrap();
    }
}

/// The keys of a log that has seen its patients before.
async fn warm_keys(root: &Path) -> Arc<KeyStore> {
    let log = Log::open(settings(root), NOW).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..PATIENTS {
        let log = log.clone();
        tasks.spawn(async move { log.append(entry(number), None).await.unwrap() });
    }
    while tasks.join_next().await.is_some() {}
    log.close(NOW).await.unwrap();
    Arc::clone(log.keys())
}

/// What each step of an entry costs on one core, without any waiting: CPU time, so that other work does not count.
fn stages(keys: &KeyStore) {
    const ROUNDS: u32 = 20;
    const EACH: u64 = 20_000;
    println!("one entry with one patient, on one core: the quietest of {ROUNDS} rounds, and the middle one");
    let mut total = [0.0; 2];
    let mut measured = |name: &str, used: [f64; 2]| {
        println!("     {name:<44} {:>6.2} µs {:>6.2} µs", used[0], used[1]);
        total = [total[0] + used[0], total[1] + used[1]];
    };
    let step = |step: &mut dyn FnMut(u64)| {
        let mut rounds = (0..=ROUNDS).map(|_| {
            let before = thread_time();
            (0..EACH).for_each(&mut *step);
            thread_time().saturating_sub(before).as_secs_f64() * 1e6 / EACH as f64
        });
        // The first one warms up.
        let _ = rounds.next();
        let mut rounds = rounds.collect::<Vec<_>>();
        rounds.sort_unstable_by(f64::total_cmp);
        [rounds[0], rounds[rounds.len() / 2]]
    };
    // What the walk knows is there before; the entry begins when it is handed over.
    let facts = step(&mut |number| drop(std::hint::black_box(support::facts(number, PATIENTS))));
    let with = step(&mut |number| drop(std::hint::black_box(entry(number))));
    measured("facts to entry", [with[0] - facts[0], with[1] - facts[1]]);
    let names: Vec<String> = (0..PATIENTS).map(|number| format!("Patient/{number}")).collect();
    let of = |number: u64| {
        let patient = names.get(usize::try_from(number % PATIENTS).unwrap()).unwrap();
        keys.of_entry("2026-11", [("ehr", patient.as_str())].into_iter(), &mut Vec::new()).unwrap()
    };
    measured("keys (at hand)", step(&mut |number| drop(std::hint::black_box(of(number)))));
    let (month, patients) = of(7);
    let part_keys = month.part_keys(&patients);
    let mut random = |bytes: &mut [u8]| aws_lc_rs::rand::fill(bytes).unwrap();
    let mut made = entry(7);
    measured(
        "seal (JSON, 2 digests, 2 AES-GCM, base64)",
        step(&mut |_| drop(std::hint::black_box(seal(&mut made, None, &part_keys, &mut random).unwrap()))),
    );
    let bytes = seal(&mut made, None, &part_keys, &mut random).unwrap().into_bytes();
    measured("leaf hash", step(&mut |_| _ = std::hint::black_box(leaf_hash(&bytes))));
    measured("checksum", step(&mut |_| _ = std::hint::black_box(crc32c::crc32c(&bytes))));
    let mut tiler = Tiler::new();
    let leaf = leaf_hash(&bytes);
    measured("tree", step(&mut |_| tiler.append(leaf)));
    println!("     {:<44} {:>6.2} µs {:>6.2} µs, {} bytes", "together", total[0], total[1], bytes.len());
}

fn entry(number: u64) -> Entry {
    Entry::disclosure(support::facts(number, PATIENTS), NOW)
}

struct Result {
    times: Vec<Duration>,
    passed: Duration,
    cpu: Duration,
}

impl Result {
    fn print(mut self, name: &str) {
        self.times.sort_unstable();
        let count = self.times.len() as f64;
        println!(
            "     {name:<44} p50 {:>9}  p99 {:>10}  {:>7.0}/s  cpu {:>6.1} µs each",
            show(percentile(&self.times, 50)),
            show(percentile(&self.times, 99)),
            count / self.passed.as_secs_f64(),
            self.cpu.as_secs_f64() * 1e6 / count.max(1.0),
        );
    }
}

/// Each client does `once` again and again, in a thread of its own.
fn in_threads(clients: u64, once: impl Fn() + Sync) -> Result {
    let (cpu, started) = (cpu_time(), Instant::now());
    let times = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut own = Vec::new();
                while started.elapsed() < RUN {
                    let one = Instant::now();
                    once();
                    own.push(one.elapsed());
                }
                times.lock().unwrap().append(&mut own);
            });
        }
    });
    Result { times: times.into_inner().unwrap(), passed: started.elapsed(), cpu: cpu_time().saturating_sub(cpu) }
}

fn raw_sync(folder: &Path, clients: u64) -> Result {
    let file = OpenOptions::new().append(true).create(true).open(folder.join("raw")).unwrap();
    in_threads(clients, || {
        (&file).write_all(&[7; 600]).unwrap();
        file.sync_data().unwrap();
    })
}

fn database(folder: &Path) -> rusqlite::Connection {
    let file = folder.join("rows.db");
    let _ = std::fs::remove_file(&file);
    let database = rusqlite::Connection::open(file).unwrap();
    let tables = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE e (i INTEGER PRIMARY KEY, b BLOB)";
    database.execute_batch(tables).unwrap();
    database
}

const INSERT: &str = "INSERT INTO e (b) VALUES (?1)";

/// One writer at a time, as SQLite has it.
fn sqlite(folder: &Path, clients: u64) -> Result {
    let database = Mutex::new(database(folder));
    in_threads(clients, || {
        database.lock().unwrap().prepare_cached(INSERT).unwrap().execute([[7_u8; 600].as_slice()]).unwrap();
    })
}

/// The best that can be made of it: whoever waits is written with one commit, without any handing over between threads.
fn sqlite_together(folder: &Path, clients: u64) -> Result {
    let mut database = database(folder);
    let (cpu, started) = (cpu_time(), Instant::now());
    let mut times = Vec::new();
    while started.elapsed() < RUN {
        let one = Instant::now();
        let transaction = database.transaction().unwrap();
        for _ in 0..clients {
            transaction.prepare_cached(INSERT).unwrap().execute([[7_u8; 600].as_slice()]).unwrap();
        }
        transaction.commit().unwrap();
        times.extend(std::iter::repeat_n(one.elapsed(), usize::try_from(clients).unwrap()));
    }
    Result { times, passed: started.elapsed(), cpu: cpu_time().saturating_sub(cpu) }
}

async fn log(root: &Path, clients: u64) -> Result {
    let log = Log::open(settings(root), NOW).unwrap();
    let (cpu, started) = (cpu_time(), Instant::now());
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let log = log.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            let mut number = client;
            while started.elapsed() < RUN {
                let made = entry(number);
                let one = Instant::now();
                log.append(made, None).await.unwrap();
                times.push(one.elapsed());
                number += clients;
            }
            times
        });
    }
    let mut times = Vec::new();
    while let Some(more) = tasks.join_next().await {
        times.extend(more.unwrap());
    }
    let (passed, cpu) = (started.elapsed(), cpu_time().saturating_sub(cpu));
    log.close(NOW).await.unwrap();
    Result { times, passed, cpu }
}
