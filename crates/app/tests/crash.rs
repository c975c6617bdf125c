//! `kill -9` while requests are answered: nothing that was answered is missing from the log, and the log verifies.

use std::collections::{BTreeMap, BTreeSet};
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
    let long = std::env::var_os("BASCULE_LONG").is_some();
    let (rounds, wanted) = if long { (usize::MAX, 100_000) } else { (2, 0) };
    let mut answered = Vec::new();
    for round in 0..rounds {
        if wanted > 0 && answered.len() >= wanted {
            break;
        }
        let token = demo.token("amelie");
        let shared = Arc::new(demo);
        answered.extend(load_until_killed(&shared, &token, life(round, long)).await);
        if long {
            println!("round {round}: {} answered so far", answered.len());
        }
        demo = Arc::into_inner(shared).unwrap();
        demo.start_again();
    }
    assert!(answered.len() > 20, "only {} requests were answered", answered.len());
    let (status, out, error) = demo.run(&["audit", "verify", "--config", &demo.config()]);
    assert_eq!(status, 0, "{out}{error}");
    let logged = requests_in(&demo);
    let missing_of = |ids: &[String]| ids.iter().filter(|id| !logged.contains_key(*id)).cloned().collect::<Vec<_>>();
    let missing = missing_of(&answered);
    assert_eq!(missing_of(&["never-asked".to_owned()]).len(), 1, "the control");
    assert!(missing.is_empty(), "{} of {} answered requests are missing: {missing:?}", missing.len(), answered.len());
    let twice = logged.iter().filter(|(_, entries)| entries.len() != 1).collect::<Vec<_>>();
    assert!(twice.is_empty(), "a request has exactly one terminal entry: {twice:?}");
    println!("{} answered, each with its one entry, {} requests in the log", answered.len(), logged.len());
    foreign_verifiers_agree(&demo);
}

/// How long a house lives before it is killed: at another point of its work each time.
fn life(round: usize, long: bool) -> Duration {
    let millis = if long { 2_000 + (round as u64 * 7_919 + u64::from(std::process::id())) % 18_000 } else { 1_500 };
    Duration::from_millis(millis)
}

/// Asks from many sides at once, kills the demo in the middle, returns the ids of what had been answered.
async fn load_until_killed(demo: &Arc<Demo>, token: &str, life: Duration) -> Vec<String> {
    let killed = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(Mutex::new(Vec::new()));
    let callers = (0..CALLERS).map(|caller| {
        let (demo, killed, answered, token) =
            (Arc::clone(demo), Arc::clone(&killed), Arc::clone(&answered), token.to_owned());
        tokio::spawn(async move {
            // An answer, a refusal by compartment, one by role, a stranger, and a search.
            let path =
                ["/fhir/Condition", "/fhir/Patient/p0002", "/fhir/Practitioner?birthdate=1970", "/fhir/Patient/p0001"]
                    [caller % 4];
            let token = if caller == 7 { "nobody's".to_owned() } else { token };
            while !killed.load(Ordering::Relaxed) {
                let Some(answer) = demo.try_get(&token, path).await else { return };
                let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
                // Of strangers, all but the first few of a minute are told as a count.
                if answer.status != http::StatusCode::UNAUTHORIZED {
                    answered.lock().await.push(id);
                }
            }
        })
    });
    let callers = callers.collect::<Vec<_>>();
    tokio::time::sleep(life).await;
    demo.kill();
    killed.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    Arc::into_inner(answered).unwrap().into_inner()
}

/// For each request, the places of its terminal entries, out of the exported events.
fn requests_in(demo: &Demo) -> BTreeMap<String, BTreeSet<String>> {
    let out = demo.folder.path().join("events.ndjson");
    let (status, _, error) =
        demo.run(&["audit", "export", "--out", &out.display().to_string(), "--config", &demo.config()]);
    assert_eq!(status, 0, "{error}");
    let events = std::fs::read_to_string(out).unwrap();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["resourceType"], "AuditEvent");
        let entities = event["entity"].as_array().unwrap();
        let request = entities.iter().find(|entity| entity["type"]["code"] == "XrequestId");
        let Some(request) = request.and_then(|entity| entity["what"]["identifier"]["value"].as_str()) else { continue };
        let place = event["extension"][0]["extension"][1]["valueString"].as_str().unwrap();
        found.entry(request.to_owned()).or_default().insert(place.to_owned());
    }
    found
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
