//! Loads a folder of FHIR into a new file and measures: `bench FOLDER [--lenient] [--no-text]`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a program for a person at a terminal"
)]

use std::path::Path;
use std::time::Instant;

use tower::ServiceExt;

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
    asked(&ehr);
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

/// Medians of what clients ask, through the router.
fn asked(ehr: &Ehr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let found = get(ehr, "Patient?_count=100&_total=none").await;
        let value: serde_json::Value = serde_json::from_str(&found).unwrap();
        let names: Vec<String> = value["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned())
            .collect();
        for query in [
            "Patient/{}",
            "Observation?patient={}",
            "Observation?patient={}&_sort=-date&_count=20",
            "Observation?patient={}&code=8302-2",
            "Observation?code=8302-2&_count=20",
            "Observation?status=final&_count=20&_total=none",
            "Observation?_sort=status&_count=20&_total=none",
            "Observation?_sort=-date&_count=20&_total=none",
            "Observation?subject:Patient.gender=male&_count=20",
            "Encounter?patient={}&_include=Encounter:service-provider&_revinclude=Condition:encounter",
            "Patient?_content=diabetes&_count=20",
            "Patient/{}/$everything?_count=100",
        ] {
            let mut times = Vec::new();
            for name in names.iter().cycle().take(200) {
                let begun = Instant::now();
                let text = get(ehr, &query.replace("{}", name)).await;
                times.push(begun.elapsed());
                assert!(!text.contains("OperationOutcome"), "{query}: {text}");
            }
            times.sort();
            println!(
                "p50 {:>9.3} ms  p99 {:>9.3} ms  {query}",
                times[100].as_secs_f64() * 1e3,
                times[198].as_secs_f64() * 1e3
            );
        }
    });
}

async fn get(ehr: &Ehr, path: &str) -> String {
    let request =
        http::Request::builder().uri(format!("http://127.0.0.1/fhir/{path}")).body(axum::body::Body::empty()).unwrap();
    let response = ehr.router().oneshot(request).await.unwrap();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
