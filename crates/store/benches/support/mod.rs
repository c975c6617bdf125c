//! What the log's benches share: an entry as a read of one resource makes it, and how time is counted.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each bench uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use bascule_audit::{AccessFacts, AgentPart, Digests, PatientPart, ResourceVersion};
use bascule_fhir::Timestamp;
use bascule_store::log::LogSettings;

/// 2026-11-24T20:00:00Z
pub const NOW: Timestamp = Timestamp::from_seconds(1_795_550_400);

/// Where the bench writes: the folder that is named on the command line, else here.
pub fn folder() -> PathBuf {
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    named.map_or_else(|| PathBuf::from("."), PathBuf::from)
}

pub fn settings(root: &Path) -> LogSettings {
    LogSettings {
        reserve_bytes: 0,
        ..LogSettings::new(&root.join("data"), root.join("lock/lock.db"), "bench", "bench.example/audit")
    }
}

/// A physician reads one resource of one of `patients` patients.
pub fn facts(number: u64, patients: u64) -> AccessFacts {
    AccessFacts {
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
        digests: Some(Digests { received: Some([1; 32]), released: Some([2; 32]), sent: None }),
        agent: AgentPart {
            subject: Some("dr-amal".into()),
            address: Some("192.0.2.17".into()),
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".into()),
            roles: vec!["physician".into()],
            token_id: Some(format!("{number:016x}")),
            query: Some(format!("GET /Observation/{number}")),
            ..AgentPart::default()
        },
        patients: vec![PatientPart {
            reference: format!("Patient/{}", number % patients),
            resources: vec![ResourceVersion { reference: format!("Observation/{number}"), version: Some("1".into()) }],
            ..PatientPart::default()
        }],
        ..AccessFacts::default()
    }
}

pub fn show(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// The time below which that part of a hundred lies.
pub fn percentile(sorted: &[Duration], part: usize) -> Duration {
    sorted.get(sorted.len() * part / 100).copied().unwrap_or_default()
}

/// CPU time that this thread has used, as the scheduler last counted it (a few milliseconds ago at most).
pub fn thread_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// CPU time that this process has used, of all its threads.
pub fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    // After the name in parentheses: fields 14 and 15 of the file are user and system time in ticks of 10 ms.
    let fields = text.rsplit(')').next().unwrap().split_whitespace().collect::<Vec<_>>();
    let ticks = |place: usize| fields.get(place).unwrap().parse::<u64>().unwrap();
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// Memory that this process holds now, and held at most, in MiB.
pub fn memory() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    };
    (of("VmRSS:"), of("VmHWM:"))
}
