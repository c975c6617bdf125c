//! `kill -9` while requests are answered: nothing that was answered is missing from the log, and the log verifies.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;

use crate::support::Demo;

/// Callers at once.
const CALLERS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_answered_is_missing_after_a_kill() {
    let mut demo = Demo::start(&["--patients", "9"]);
    let rounds = if std::env::var_os("BASCULE_LONG").is_some() { 10 } else { 2 };
    let mut answered = Vec::new();
    for _ in 0..rounds {
        let token = demo.token("amelie");
        let shared = Arc::new(demo);
        answered.extend(load_until_killed(&shared, &token).await);
        demo = Arc::into_inner(shared).unwrap();
        demo.start_again();
    }
    assert!(answered.len() > 20, "only {} requests were answered", answered.len());
    let (status, out, error) = demo.run(&["audit", "verify", "--config", &demo.config()]);
    assert_eq!(status, 0, "{out}{error}");
    let logged = requests_in(&demo);
    let missing = answered.iter().filter(|id| !logged.contains(id.as_str())).collect::<Vec<_>>();
    assert!(missing.is_empty(), "{} of {} answered requests are missing: {missing:?}", missing.len(), answered.len());
    foreign_verifiers_agree(&demo);
}

/// Asks from many sides at once, kills the demo in the middle, returns the ids of what had been answered.
async fn load_until_killed(demo: &Arc<Demo>, token: &str) -> Vec<String> {
    let killed = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(Mutex::new(Vec::new()));
    let callers = (0..CALLERS).map(|caller| {
        let (demo, killed, answered, token) =
            (Arc::clone(demo), Arc::clone(&killed), Arc::clone(&answered), token.to_owned());
        tokio::spawn(async move {
            let path = if caller % 2 == 0 { "/fhir/Condition" } else { "/fhir/Patient/p0002" };
            while !killed.load(Ordering::Relaxed) {
                let Some(answer) = demo.try_get(&token, path).await else { return };
                let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
                answered.lock().await.push(id);
            }
        })
    });
    let callers = callers.collect::<Vec<_>>();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    demo.kill();
    killed.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    Arc::into_inner(answered).unwrap().into_inner()
}

/// Request ids of every terminal entry, out of the exported events.
fn requests_in(demo: &Demo) -> String {
    let out = demo.folder.path().join("events.ndjson");
    let (status, _, error) =
        demo.run(&["audit", "export", "--out", &out.display().to_string(), "--config", &demo.config()]);
    assert_eq!(status, 0, "{error}");
    let events = std::fs::read_to_string(out).unwrap();
    assert!(events.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["resourceType"] == "AuditEvent"));
    events
}

/// The verifiers that nobody here wrote, if they can be had.
fn foreign_verifiers_agree(demo: &Demo) {
    let Some(verifier) = std::env::var_os("BASCULE_VERIFY_LOG") else {
        println!("skipped: the foreign verifiers (BASCULE_VERIFY_LOG is unset)");
        return;
    };
    let node = demo.data().join("data/audit/demo");
    let shards = std::fs::read_dir(&node).unwrap().map(|entry| entry.unwrap().path());
    let shards = shards.filter(|path| path.join("checkpoint").exists()).collect::<Vec<_>>();
    assert!(!shards.is_empty(), "no shard in {}", node.display());
    for shard in shards {
        let output = Command::new(Path::new(&verifier)).arg(&shard).arg(shard.join("vkey")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && said.contains("RESULT PASS"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
