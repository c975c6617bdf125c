//! Loads a folder of FHIR into a new file and measures: `bench FOLDER [--copies N] [--lenient] [--no-text]`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a program for a person at a terminal"
)]

use std::path::Path;
use std::time::Instant;

use bascule_ehr::{Access, Ehr, Settings, Validation, items};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let folder = arguments.first().expect("a folder of FHIR");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("ehr.db");
    let mut settings = Settings::new(&file, "http://127.0.0.1/fhir", Access::Open);
    settings.validation = if has("--lenient") { Validation::Lenient } else { Validation::Strict };
    settings.full_text = !has("--no-text");
    let ehr = Ehr::open(settings).unwrap();
    let begun = Instant::now();
    let summary = ehr.load(items(Path::new(folder)).unwrap(), |_| {}).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let stored = summary.created + summary.updated;
    println!("loaded {stored} in {seconds:.2} s: {:.0}/s", stored as f64 / seconds);
    println!(
        "{} created, {} updated, {} unchanged, {} refused",
        summary.created, summary.updated, summary.unchanged, summary.refused
    );
    let mut reasons = std::collections::BTreeMap::new();
    for (_, reason) in &summary.refusals {
        *reasons.entry(reason.clone()).or_insert(0) += 1;
    }
    for (reason, count) in reasons.iter().take(400) {
        println!("  {count} x {reason}");
    }
    let size = std::fs::metadata(&file).unwrap().len()
        + std::fs::metadata(file.with_extension("db-wal")).map_or(0, |data| data.len());
    println!("file {size} bytes, {:.0} a resource", size as f64 / stored.max(1) as f64);
    let again = Instant::now();
    let summary = ehr.load(items(Path::new(folder)).unwrap(), |_| {}).unwrap();
    println!(
        "again in {:.2} s: {} created, {} updated",
        again.elapsed().as_secs_f64(),
        summary.created,
        summary.updated
    );
    for (resource, count) in ehr.count_by_type().unwrap() {
        println!("{resource} {count}");
    }
}
