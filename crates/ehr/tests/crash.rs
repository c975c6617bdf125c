//! Killed while writing: no acknowledged write is lost, and no transaction is there by half.
//!
//! The test starts itself as a child process that writes and says what was acknowledged, kills it in the middle, opens
//! the file again and looks. `EHR_CRASH_ROUNDS` says how often (the full count is 100).

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests"
)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use bascule_ehr::{Access, Ehr, Settings};
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

const BASE: &str = "http://ehr.test/fhir";
/// Resources of one transaction.
const PARTS: usize = 5;

fn open(file: &Path) -> Ehr {
    Ehr::open(Settings::new(file, BASE, Access::Open)).unwrap()
}

async fn send(router: &axum::Router, method: &str, path: &str, body: String) -> (u16, Value) {
    let request = Request::builder().method(method).uri(format!("{BASE}/{path}")).body(Body::from(body)).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

fn transaction(name: &str) -> Value {
    let entries: Vec<_> = (0..PARTS)
        .map(|part| {
            json!({
                "resource": { "resourceType": "Patient", "id": format!("{name}-{part}"), "name": [{ "family": name }] },
                "request": { "method": "PUT", "url": format!("Patient/{name}-{part}") },
            })
        })
        .collect();
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries })
}

/// The child: writes until it is killed, and names each transaction that was acknowledged.
async fn write(file: &Path, round: usize) {
    let router = open(file).router();
    let writers = (0..4).map(|writer| {
        let router = router.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let name = format!("r{round}w{writer}n{number}");
                let (status, _) = send(&router, "POST", "", transaction(&name).to_string()).await;
                assert_eq!(status, 200);
                let mut out = std::io::stdout().lock();
                writeln!(out, "acknowledged {name}").unwrap();
                out.flush().unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

#[test]
fn killed_while_writing_it_keeps_what_it_acknowledged_and_nothing_by_half() {
    if let Ok(file) = std::env::var("EHR_CRASH_CHILD") {
        let round = std::env::var("EHR_CRASH_ROUND").unwrap().parse().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(write(Path::new(&file), round));
    }
    let rounds: usize = std::env::var("EHR_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ehr.db");
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        acknowledged.extend(one_round(&file, round));
    }
    assert!(acknowledged.len() > rounds, "only {} transactions in {rounds} rounds", acknowledged.len());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(look(&file, &acknowledged));
    println!("{} transactions acknowledged in {rounds} rounds, all there", acknowledged.len());
}

fn one_round(file: &Path, round: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed_while_writing_it_keeps_what_it_acknowledged_and_nothing_by_half", "--nocapture"])
        .env("EHR_CRASH_CHILD", file)
        .env("EHR_CRASH_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let name = |line: String| line.split_once("acknowledged ").map(|(_, name)| name.to_owned());
    let mut names = Vec::new();
    // Once it writes, it is killed at a moment that differs from round to round.
    while names.is_empty() {
        names.extend(lines.next().unwrap().ok().and_then(name));
    }
    std::thread::sleep(Duration::from_millis(20 + u64::try_from(round * 37 % 160).unwrap()));
    child.kill().unwrap();
    child.wait().unwrap();
    names.extend(lines.map_while(Result::ok).filter_map(name));
    names
}

async fn look(file: &Path, acknowledged: &[String]) {
    let router = open(file).router();
    for name in acknowledged {
        let (status, found) =
            send(&router, "GET", &format!("Patient?family:exact={name}&_summary=count"), String::new()).await;
        assert_eq!((status, found["total"].clone()), (200, json!(PARTS)), "{name}");
        assert_eq!(send(&router, "GET", &format!("Patient/{name}-0"), String::new()).await.0, 200, "{name}");
    }
    // Also of what was not acknowledged: all or nothing.
    let (_, all) = send(&router, "GET", "Patient?_summary=count", String::new()).await;
    assert_eq!(all["total"].as_u64().unwrap() % u64::try_from(PARTS).unwrap(), 0);
    let connection = rusqlite::Connection::open(file).unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let uneven: i64 = connection
        .query_row(
            "SELECT COUNT(*) FROM (SELECT substr(id, 1, instr(id, '-')) FROM resource WHERE live = 1 GROUP BY 1 HAVING COUNT(*) <> 5)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(uneven, 0);
}
