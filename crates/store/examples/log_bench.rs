//! What the log costs: CPU per entry, and durable entries a second at 1, 8, 64 and 512 writers, next to SQLite with
//! `synchronous=FULL` and to the bare sync of the same disk, in the same run.
//!
//! `cargo run --release -p bascule-store --example log_bench [folder]`

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench: it stops at the first fault and prints")]

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use bascule_audit::{AccessFacts, AgentPart, Entry, PartKeys, PatientPart, ResourceVersion, seal};
use bascule_fhir::Timestamp;
use bascule_ledger::{Tiler, leaf_hash};
use bascule_store::keys::KeyStore;
use bascule_store::log::verify::{VerifyOptions, verify};
use bascule_store::log::{Log, LogSettings};

const NOW: Timestamp = Timestamp::from_seconds(1_795_550_400);
const RUN: Duration = Duration::from_secs(4);

fn main() {
    let given = std::env::args().nth(1);
    let folder = tempfile::tempdir_in(given.as_deref().unwrap_or(".")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sync = raw_sync(folder.path());
    println!(
        "raw: 600-byte append + fdatasync    p50 {:>8} p99 {:>8}  {:>7.0}/s",
        show(sync.p50),
        show(sync.p99),
        sync.rate
    );
    for rows in [1, 64] {
        let sqlite = sqlite(folder.path(), rows);
        println!(
            "SQLite WAL FULL, {rows:>3} rows a commit   p50 {:>8} p99 {:>8}  {:>7.0}/s",
            show(sqlite.p50),
            show(sqlite.p99),
            sqlite.rate
        );
    }
    let keys = runtime.block_on(warm_keys(&folder.path().join("stages")));
    stages(&keys);
    for writers in [1, 8, 64, 512] {
        let data = folder.path().join(format!("log-{writers}"));
        let result = runtime.block_on(log(&data, writers));
        println!(
            "log, {writers:>3} writers                  p50 {:>8} p99 {:>8}  {:>7.0}/s  cpu {:>5.1} µs an entry",
            show(result.p50),
            show(result.p99),
            result.rate,
            result.cpu_micros
        );
        let started = Instant::now();
        let report = verify(&data.join("data/audit"), &VerifyOptions::default());
        assert!(report.holds(), "{report:?}");
        let size = report.shards.iter().map(|shard| shard.size).sum::<u64>();
        println!("     verified {size} entries in {}", show(started.elapsed()));
    }
}

/// The keys of a log that has seen its patients before.
async fn warm_keys(root: &Path) -> std::sync::Arc<KeyStore> {
    let settings = LogSettings {
        reserve_bytes: 0,
        ..LogSettings::new(&root.join("data"), root.join("lock/lock.db"), "bench", "bench.example/audit")
    };
    let log = Log::open(settings, NOW).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let log = log.clone();
        tasks.spawn(async move { log.append(entry(number), None).await.unwrap() });
    }
    while tasks.join_next().await.is_some() {}
    log.close(NOW).await.unwrap();
    std::sync::Arc::clone(log.keys())
}

/// What each step of an entry costs on one core, without any waiting.
fn stages(keys: &KeyStore) {
    const ROUNDS: u64 = 100_000;
    let measure = |name: &str, step: &mut dyn FnMut(u64)| {
        (0..2_000).for_each(&mut *step);
        // CPU time, not the clock: other work on the machine does not count.
        let before = cpu_time();
        (0..ROUNDS).for_each(step);
        let micros = cpu_time().saturating_sub(before).as_secs_f64() * 1e6 / ROUNDS as f64;
        println!("     {name:<32} {micros:>6.2} µs");
        micros
    };
    println!("one entry with one patient, on one core:");
    let mut random = |bytes: &mut [u8]| bytes.fill(7);
    let mut total = measure("facts to entry", &mut |number| drop(std::hint::black_box(entry(number))));
    let made = entry(7);
    total += measure("keys (at hand)", &mut |number| {
        let mut unwritten = Vec::new();
        let month = keys.month("2026-11", &mut unwritten).unwrap();
        std::hint::black_box(
            keys.patient("ehr", &format!("Patient/{}", number % 1000), &month, &mut unwritten).unwrap(),
        );
    });
    let mut unwritten = Vec::new();
    let month = keys.month("2026-11", &mut unwritten).unwrap();
    let patients = [keys.patient("ehr", "Patient/7", &month, &mut unwritten).unwrap()];
    let part_keys = PartKeys { epoch: "2026-11", agent: &month.staff, hints: &month.hints, patients: &patients };
    total +=
        measure("seal (JSON, 3 keys, 3 AES-GCM)", &mut |_| drop(seal(&made, None, &part_keys, &mut random).unwrap()));
    let bytes = seal(&made, None, &part_keys, &mut random).unwrap().into_bytes();
    total += measure("leaf hash", &mut |_| {
        std::hint::black_box(leaf_hash(&bytes));
    });
    total += measure("checksum", &mut |_| {
        std::hint::black_box(crc32c::crc32c(&bytes));
    });
    let mut tiler = Tiler::new();
    let leaf = leaf_hash(&bytes);
    total += measure("tree", &mut |_| tiler.append(leaf));
    println!("     {:<32} {total:>6.2} µs, {} bytes", "together", bytes.len());
}

struct Result {
    p50: Duration,
    p99: Duration,
    rate: f64,
    cpu_micros: f64,
}

fn result(mut times: Vec<Duration>, passed: Duration, each: usize, cpu: Duration) -> Result {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    let entries = (times.len() * each) as f64;
    Result {
        p50: at(50),
        p99: at(99),
        rate: entries / passed.as_secs_f64(),
        cpu_micros: cpu.as_secs_f64() * 1e6 / entries.max(1.0),
    }
}

fn show(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn raw_sync(folder: &Path) -> Result {
    let mut file = OpenOptions::new().append(true).create(true).open(folder.join("raw")).unwrap();
    let started = Instant::now();
    let mut times = Vec::new();
    while started.elapsed() < RUN {
        let one = Instant::now();
        file.write_all(&[7; 600]).unwrap();
        file.sync_data().unwrap();
        times.push(one.elapsed());
    }
    result(times, started.elapsed(), 1, Duration::ZERO)
}

fn sqlite(folder: &Path, rows: usize) -> Result {
    let mut database = rusqlite::Connection::open(folder.join(format!("sqlite-{rows}.db"))).unwrap();
    database
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE e (i INTEGER PRIMARY KEY, b BLOB)",
        )
        .unwrap();
    let started = Instant::now();
    let mut times = Vec::new();
    while started.elapsed() < RUN {
        let one = Instant::now();
        let transaction = database.transaction().unwrap();
        for _ in 0..rows {
            transaction
                .prepare_cached("INSERT INTO e (b) VALUES (?1)")
                .unwrap()
                .execute([[7_u8; 600].as_slice()])
                .unwrap();
        }
        transaction.commit().unwrap();
        times.push(one.elapsed());
    }
    result(times, started.elapsed(), rows, Duration::ZERO)
}

async fn log(root: &Path, writers: u64) -> Result {
    let settings = LogSettings {
        reserve_bytes: 0,
        ..LogSettings::new(&root.join("data"), root.join("lock/lock.db"), "bench", "bench.example/audit")
    };
    let log = Log::open(settings, NOW).unwrap();
    let cpu = cpu_time();
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..writers {
        let log = log.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            let mut number = writer;
            while started.elapsed() < RUN {
                let one = Instant::now();
                log.append(entry(number), None).await.unwrap();
                times.push(one.elapsed());
                number += writers;
            }
            times
        });
    }
    let mut times = Vec::new();
    while let Some(more) = tasks.join_next().await {
        times.extend(more.unwrap());
    }
    let passed = started.elapsed();
    let used = cpu_time().saturating_sub(cpu);
    log.close(NOW).await.unwrap();
    result(times, passed, 1, used)
}

fn entry(number: u64) -> Entry {
    let facts = AccessFacts {
        request_id: format!("{number:032x}"),
        api: "ehr".into(),
        interaction: "read".into(),
        resource: Some("Observation".into()),
        status: 200,
        duration_us: 4_200,
        client: Some("portal".into()),
        purpose: Some("TREAT".into()),
        role: Some("physician".into()),
        rule: Some("physician.grant[3]".into()),
        policy: Some("0".repeat(64)),
        agreement: Some("not-required".into()),
        agent: AgentPart {
            subject: Some("dr-amal".into()),
            address: Some("192.0.2.17".into()),
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".into()),
            roles: vec!["physician".into()],
            token_id: Some(format!("{number:016x}")),
            ..AgentPart::default()
        },
        patients: vec![PatientPart {
            reference: format!("Patient/{}", number % 1000),
            resources: vec![ResourceVersion { reference: format!("Observation/{number}"), version: Some("1".into()) }],
            ..PatientPart::default()
        }],
        ..AccessFacts::default()
    };
    Entry::disclosure(facts, NOW)
}

/// CPU time that this process has used, of all its threads.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses: fields 14 and 15 of the file are user and system time in ticks of 10 ms.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}
