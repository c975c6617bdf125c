//! The policy is applied, rolled back and broken while requests walk: none is decided by half a policy, none by one that
//! was never in force, and each by the one that its entry names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::policy_change::{Change, variant};
use crate::support::Demo;

const ADMIN: &str = "admin.castell";

/// What one request came back with, by its id.
type Seen = BTreeMap<String, &'static str>;

async fn call(demo: Arc<Demo>, token: String, stop: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::new();
    while !stop.load(Ordering::Relaxed) {
        let answer = demo.try_get(&token, "/fhir/Patient/p0001").await.expect("a request was dropped");
        let body = answer.json();
        let what = match (answer.status.as_u16(), body["telecom"].is_array()) {
            (200, true) => "with telecom",
            (200, false) => "without telecom",
            (403, _) => "refused",
            other => panic!("{other:?}: {body}"),
        };
        tokio::time::sleep(Duration::from_millis(5)).await;
        seen.insert(answer.headers["x-request-id"].to_str().unwrap().to_owned(), what);
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_decided_by_half_a_policy_or_by_none() {
    let mut demo = Demo::start(&["--patients", "6"]);
    let token = demo.token("scheduler-app");
    let narrow = variant(&demo, "narrow", "scheduler.toml", ", \"telecom\"", "");
    let file = demo.data().join("policy/scheduler.toml");
    let shipped = std::fs::read_to_string(&file).unwrap();
    let closed = variant(&demo, "closed", "scheduler.toml", "", "");
    let grants = shipped.split("[[role.scheduler.grant]]").filter(|part| !part.contains("= \"Patient\""));
    std::fs::write(closed.join("scheduler.toml"), grants.collect::<Vec<_>>().join("[[role.scheduler.grant]]")).unwrap();
    let broken = variant(&demo, "broken", "scheduler.toml", "\"telecom\"", "\"telecomm\"");
    let demo = Arc::new(demo);
    let stop = Arc::new(AtomicBool::new(false));
    let callers = (0..3).map(|_| tokio::spawn(call(Arc::clone(&demo), token.clone(), Arc::clone(&stop))));
    let callers = callers.collect::<Vec<_>>();
    let changer = Arc::clone(&demo);
    let meant = tokio::task::spawn_blocking(move || change(&changer, [&narrow, &closed, &broken])).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut seen = Seen::new();
    for caller in callers {
        seen.extend(caller.await.unwrap());
    }
    judge(&demo, &seen, &meant);
}

/// Changes the policy again and again; what each hash means for the request.
fn change(demo: &Demo, [narrow, closed, broken]: [&std::path::PathBuf; 3]) -> BTreeMap<String, &'static str> {
    let house = Change { demo };
    let hash = |value: &Value| value["hash"].as_str().unwrap_or_default().to_owned();
    let mut meant = BTreeMap::from([(hash(&house.status()), "with telecom")]);
    let path = |folder: &std::path::Path| folder.display().to_string();
    for (folder, what) in [(narrow, "without telecom"), (closed, "refused")] {
        let applied = house.done(ADMIN, &["apply", &path(folder), "--emergency", "--reason", "a drill"]);
        meant.insert(applied["after"].as_str().unwrap().to_owned(), what);
    }
    let (status, _, error) = house.run(ADMIN, &["apply", &path(broken), "--emergency", "--reason", "a drill"]);
    assert!(status == 64 && error.contains("telecomm"), "{status} {error}");
    // The folder is broken and read again; then it is as it was.
    let file = demo.data().join("policy/scheduler.toml");
    let sound = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, sound.replace("\"telecom\"", "\"telecomm\"")).unwrap();
    let before = hash(&house.status());
    let hung_up = std::process::Command::new("kill").args(["-HUP", &demo.process().to_string()]).status().unwrap();
    assert!(hung_up.success());
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(hash(&house.status()), before);
    std::fs::write(&file, sound).unwrap();
    for _ in 0..2 {
        house.done(ADMIN, &["rollback", "--emergency", "--reason", "a drill"]);
    }
    meant
}

/// Every request has one entry, decided by a policy that was in force, and just as that policy says.
fn judge(demo: &Demo, seen: &Seen, meant: &BTreeMap<String, &'static str>) {
    let config = demo.config();
    let arguments =
        ["audit", "search", "--client", "scheduler-app", "--limit", "10000", "--json", "--config", config.as_str()];
    let (status, out, error) = demo.run(&arguments);
    assert_eq!(status, 0, "{error}");
    let entries: Vec<Value> = serde_json::from_str(&out).unwrap();
    let mut by_policy: BTreeMap<&str, usize> = BTreeMap::new();
    let mut judged = 0;
    for entry in entries.iter().filter(|entry| entry["resource"] == "Patient") {
        let Some(what) = entry["request"].as_str().and_then(|id| seen.get(id)) else { continue };
        let hash = entry["policy"].as_str().unwrap_or_else(|| panic!("decided by none: {entry}"));
        let says = meant.get(hash).unwrap_or_else(|| panic!("decided by a policy that was never in force: {entry}"));
        assert_eq!(says, what, "not what its policy says: {entry}");
        *by_policy.entry(says).or_default() += 1;
        judged += 1;
    }
    println!("{} requests, {judged} entries judged, by policy: {by_policy:?}", seen.len());
    assert!(by_policy.len() == 3 && judged > 100, "{judged} of {}: {by_policy:?}", seen.len());
    assert_eq!(judged, seen.len().min(10_000));
}
