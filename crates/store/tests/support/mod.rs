//! What the log's tests share: settings in a temporary folder, entries, and the foreign verifier.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::path::Path;
use std::process::Command;

use bascule_audit::{AccessFacts, AgentPart, Entry, PatientPart};
use bascule_fhir::Timestamp;
use bascule_ledger::{TileReader, leaf_hash};
use bascule_store::log::LogSettings;

/// 2026-11-24T20:00:00Z
pub const NOW: Timestamp = Timestamp::from_seconds(1_795_550_400);

pub fn settings(root: &Path) -> LogSettings {
    LogSettings {
        checkpoint_interval_ms: 50,
        reserve_bytes: 0,
        ..LogSettings::new(&root.join("data"), root.join("lock/lock.db"), "node-1", "gateway.example/audit")
    }
}

pub fn facts(number: u64) -> AccessFacts {
    AccessFacts {
        request_id: format!("request-{number}"),
        api: "ehr".into(),
        interaction: "read".into(),
        resource: Some("Observation".into()),
        status: 200,
        client: Some("portal".into()),
        agent: AgentPart { subject: Some(format!("user-{}", number % 7)), ..AgentPart::default() },
        patients: vec![PatientPart { reference: format!("Patient/{}", number % 50), ..PatientPart::default() }],
        ..AccessFacts::default()
    }
}

pub fn disclosure(number: u64) -> Entry {
    Entry::disclosure(facts(number), NOW)
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// How many of the acknowledged entries are not where they were acknowledged.
pub fn missing(shard: &Path, acked: &[(u64, String)]) -> usize {
    let text = std::fs::read_to_string(shard.join("checkpoint")).unwrap();
    let size = text.lines().nth(1).unwrap().parse().unwrap();
    let reader = TileReader::new(size, |path: &str| std::fs::read(shard.join(path)).ok());
    let found = |index: u64| reader.entry(index).map(|entry| leaf_hash(&entry).to_base64()).ok();
    acked.iter().filter(|(index, leaf)| found(*index).as_ref() != Some(leaf)).count()
}

/// Runs the foreign verifiers on a shard's folder. `None`, with a printed line, if they are not at hand.
pub fn foreign_verify(shard: &Path, more: &[&str]) -> Option<bool> {
    let Some(tool) = std::env::var_os("BASCULE_VERIFY_LOG") else {
        println!("skipped: the foreign log verifier (BASCULE_VERIFY_LOG is unset)");
        return None;
    };
    let output =
        Command::new("timeout").arg("300").arg(tool).arg(shard).arg(shard.join("vkey")).args(more).output().unwrap();
    println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some(output.status.success())
}
