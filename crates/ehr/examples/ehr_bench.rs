//! What the EHR does at size: `ehr_bench FOLDER [--resources N] [--afterwards] [--no-text] [--file FILE] [--ask-only]`.
//!
//! Loads the folder's FHIR (Synthea's bundles), copy after copy under other ids, until N resources are there; then asks
//! through the router and prints medians. With `--file` the file stays, and a later run goes on with it.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a program for a person at a terminal"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bascule_ehr::{Access, Ehr, EhrError, LoadItem, Settings, items};
use tower::ServiceExt;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Times that each question is asked.
const ASKED: usize = 300;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let value = |flag: &str| arguments.iter().position(|argument| argument == flag).map(|at| arguments[at + 1].clone());
    let folder = PathBuf::from(arguments.first().expect("a folder of FHIR"));
    let wanted: u64 = value("--resources").map_or(100_000, |text| text.parse().unwrap());
    let place = tempfile::tempdir().unwrap();
    let file = value("--file").map_or_else(|| place.path().join("ehr.db"), PathBuf::from);
    let mut settings = Settings::new(&file, "http://127.0.0.1/fhir", Access::Open);
    settings.full_text = !has("--no-text");
    let ehr = Ehr::open(settings).unwrap();
    if !has("--ask-only") {
        load(&ehr, &folder, wanted, has("--afterwards"));
    }
    sizes(&ehr, &file);
    asked(&ehr);
    println!("resident at most {} MiB, with what is mapped of the file", memory("VmHWM"));
}

fn stored(ehr: &Ehr) -> u64 {
    ehr.count_by_type().unwrap().iter().map(|(_, count)| count).sum()
}

fn load(ehr: &Ehr, folder: &Path, wanted: u64, afterwards: bool) {
    let before = stored(ehr);
    let begun = Instant::now();
    let (worked, mut told) = (cpu(), Instant::now());
    let mut durable = Duration::ZERO;
    let enough = std::cell::Cell::new(before);
    let most = std::cell::Cell::new(0);
    let weigh = || most.set(most.get().max(memory("RssAnon")));
    let copies = (0_u32..).flat_map(|copy| copied(folder, copy)).take_while(|_| enough.get() < wanted);
    let progress = |progress: bascule_ehr::LoadProgress| {
        enough.set(before.max(progress.resources));
        durable = begun.elapsed();
        weigh();
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            println!("  {} after {:.0} s", progress.resources, begun.elapsed().as_secs_f64());
        }
    };
    let summary = if afterwards {
        ehr.load_then_index(copies, progress, |_| {}).unwrap()
    } else {
        ehr.load(copies, progress).unwrap()
    };
    let (whole, created) = (begun.elapsed(), summary.created);
    let rate = |time: Duration| created as f64 / time.as_secs_f64();
    println!(
        "{created} created, {} unchanged, {} refused; index {}",
        summary.unchanged,
        summary.refused,
        if afterwards { "afterwards" } else { "at once" }
    );
    for (place, reason) in summary.refusals.iter().take(3) {
        println!("  {place}: {reason}");
    }
    println!("validated and durable after {:.1} s: {:.0}/s", durable.as_secs_f64(), rate(durable));
    println!(
        "indexed and durable after {:.1} s: {:.0}/s; {:.1} s of processor time",
        whole.as_secs_f64(),
        rate(whole),
        cpu() - worked
    );
    weigh();
    println!(
        "memory while loading at most {} MiB, resident {} MiB with what is mapped of the file",
        most.get(),
        memory("VmHWM")
    );
}

/// The folder's items under ids of their own: each UUID is moved by the number of the copy. Hospitals and practitioners
/// are the same for all.
fn copied(folder: &Path, copy: u32) -> impl Iterator<Item = Result<LoadItem, EhrError>> + use<> {
    let all = items(folder).unwrap();
    let is_shared = |item: &LoadItem| item.place.contains("Information");
    all.filter(move |item| copy == 0 || !item.as_ref().is_ok_and(is_shared)).map(move |item| {
        item.map(|mut item| {
            if copy > 0 {
                rename(&mut item.text, copy);
            }
            item
        })
    })
}

fn rename(text: &mut [u8], copy: u32) {
    let mut at = 8;
    while at + 28 <= text.len() {
        let is_uuid = text[at] == b'-' && text[at + 5] == b'-' && text[at + 10] == b'-' && text[at + 15] == b'-';
        let head = &text[at - 8..at];
        if !is_uuid || !head.iter().all(u8::is_ascii_hexdigit) {
            at += 1;
            continue;
        }
        let number = u32::from_str_radix(std::str::from_utf8(head).unwrap(), 16).unwrap();
        let moved = format!("{:08x}", number.wrapping_add(copy.wrapping_mul(0x9e37_79b1)));
        text[at - 8..at].copy_from_slice(moved.as_bytes());
        at += 28;
    }
}

fn sizes(ehr: &Ehr, file: &Path) {
    let size = |path: PathBuf| std::fs::metadata(path).map_or(0, |data| data.len());
    let (all, log) = (size(file.to_owned()), size(file.with_extension("db-wal")));
    let stored = stored(ehr);
    println!("{stored} resources; file {all} bytes, {:.0} a resource; log {log} bytes", all as f64 / stored as f64);
}

/// Processor seconds of this process.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Memory of this process, in MiB: `VmHWM` is the most that was resident, pages of the mapped file among it; `RssAnon` is
/// what it holds for itself.
fn memory(what: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Medians of what clients ask, through the router.
fn asked(ehr: &Ehr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let found = get(ehr, "Patient?_count=300&_total=none").await;
        let value: serde_json::Value = serde_json::from_str(&found).unwrap();
        let patients: Vec<&serde_json::Value> =
            value["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]).collect();
        for query in [
            "Patient/{}",
            "Patient/{}/_history/1",
            "Patient?identifier={mrn}",
            "Patient?family={family}&_count=20",
            "Patient?birthdate=ge1980-01-01&birthdate=lt1981-01-01&_count=20",
            "Observation?patient={}&_count=20",
            "Observation?patient={}&category=laboratory&_sort=-date&_count=20",
            "Observation?patient={}&code=http://loinc.org|8302-2",
            "Observation?code=8302-2&_count=20",
            "Observation?code=8302-2&value-quantity=gt180&_count=20",
            "Observation?code-value-quantity=8302-2$gt180&_count=20",
            "Observation?status=final&_count=20",
            "Observation?date=ge2019-01-01&_count=20",
            "Condition?patient={}&clinical-status=active",
            "Condition?code=44054006&_count=20",
            "MedicationRequest?patient={}&intent=order",
            "Encounter?patient={}&_include=Encounter:service-provider&_revinclude=Condition:encounter",
            "Observation?_sort=status&_count=20",
            "Observation?_sort=-date&_count=20",
            "Observation?_sort=date&_count=20",
            "Patient?_sort=family&_count=20",
            "Observation?_sort=-_lastUpdated&_count=20",
            "Observation?status=final&_sort=-date&_count=20",
            "Observation?subject:Patient.gender=male&_count=20",
            "Observation?subject:Patient.family={family}&_count=20",
            "Observation?encounter:Encounter.status=finished&_count=20",
            "Patient?_has:Condition:patient:code=44054006&_count=20",
            "Patient?_has:Observation:patient:code=8302-2&_count=20",
            "Condition?_content=diabetes&_count=20",
            "Observation?_text=weight&_count=20",
            "Patient/{}/$everything?_count=100",
        ] {
            let mut times = Vec::new();
            let mut found = 0;
            let begun = Instant::now();
            for patient in patients.iter().cycle().take(ASKED) {
                let query = filled(query, patient);
                let asked = Instant::now();
                let text = get(ehr, &query).await;
                times.push(asked.elapsed());
                if text.contains("OperationOutcome") {
                    println!("  {query}: {text}");
                    break;
                }
                found += text.matches("\"fullUrl\"").count();
                if begun.elapsed() > Duration::from_secs(20) {
                    break;
                }
            }
            times.sort();
            let (median, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
            println!(
                "p50 {:>9.3} ms  p99 {:>9.3} ms  {:>6.1} found  {query}",
                median.as_secs_f64() * 1e3,
                late.as_secs_f64() * 1e3,
                found as f64 / times.len() as f64
            );
        }
    });
}

fn filled(query: &str, patient: &serde_json::Value) -> String {
    query
        .replace("{}", patient["id"].as_str().unwrap())
        .replace("{family}", patient["name"][0]["family"].as_str().unwrap())
        .replace("{mrn}", patient["identifier"][0]["value"].as_str().unwrap())
        .replace('|', "%7C")
        .chars()
        .map(|letter| if letter.is_ascii() { letter.to_string() } else { "%20".to_owned() })
        .collect()
}

async fn get(ehr: &Ehr, path: &str) -> String {
    let request =
        http::Request::builder().uri(format!("http://127.0.0.1/fhir/{path}")).body(axum::body::Body::empty()).unwrap();
    let response = ehr.router().oneshot(request).await.unwrap();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
