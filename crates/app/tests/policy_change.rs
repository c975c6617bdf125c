//! Change control against the real binary: two persons, an emergency, a schedule that outlives a crash, a faulty folder.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::Demo;

/// Who proposes, and who approves.
const ADMIN: &str = "admin.castell";
const OFFICER: &str = "privacy.osei";

/// What a house says of its policy, and how it is changed.
pub(crate) struct Change<'a> {
    pub(crate) demo: &'a Demo,
}

impl Change<'_> {
    /// A verb of `bascule policy`, as somebody of the demo.
    pub(crate) fn run(&self, who: &str, arguments: &[&str]) -> (i32, Value, String) {
        let file = self.demo.data().join(format!("{who}.password"));
        let password = self.demo.state["users"][who]["password"].as_str().unwrap_or("wrong");
        std::fs::write(&file, password).unwrap();
        let (config, file) = (self.demo.config(), file.display().to_string());
        let mut all = vec!["policy"];
        all.extend(arguments);
        all.extend(["--as", who, "--password-file", &file, "--json", "--config", &config]);
        let (status, out, error) = self.demo.run(&all);
        (status, serde_json::from_str(&out).unwrap_or_default(), error)
    }

    pub(crate) fn done(&self, who: &str, arguments: &[&str]) -> Value {
        let (status, value, error) = self.run(who, arguments);
        assert_eq!(status, 0, "{who} {arguments:?}: {error}");
        value
    }

    fn refused(&self, who: &str, arguments: &[&str], because: &str) {
        let (status, value, error) = self.run(who, arguments);
        assert!(status == 64 && error.contains(because), "{who} {arguments:?}: {status} {value} {error}");
    }

    pub(crate) fn look(&self, arguments: &[&str]) -> String {
        let config = self.demo.config();
        let mut all = vec!["policy"];
        all.extend(arguments);
        all.extend(["--config", &config]);
        let (status, out, error) = self.demo.run(&all);
        assert_eq!(status, 0, "{arguments:?}: {error}");
        out
    }

    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.look(&["status", "--json"])).unwrap()
    }

    fn alerts(&self) -> String {
        let (_, out, _) = self.demo.run(&["alert", "list", "--json", "--config", &self.demo.config()]);
        out
    }
}

/// A copy of the demo's policy folder, with one word of one file replaced.
pub(crate) fn variant(demo: &Demo, name: &str, file: &str, from: &str, to: &str) -> PathBuf {
    let folder = demo.data().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(demo.data().join("policy")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    if !from.is_empty() {
        std::fs::write(folder.join(file), text.replace(from, to)).unwrap();
    }
    folder
}

fn number(value: &Value) -> String {
    value["number"].to_string()
}

fn named(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_changed_by_two_and_alone_only_in_an_emergency() {
    let mut demo = Demo::start(&["--patients", "6"]);
    let token = demo.token("scheduler-app");
    let house = Change { demo: &demo };
    let first = house.status();
    let hash = first["hash"].as_str().unwrap().to_owned();
    assert_eq!(first["folder"], "the same");
    let health = demo.get(&token, "/healthz").await;
    assert!(String::from_utf8_lossy(&health.body).contains(&hash), "the running hash is not shown");

    // Without telecom, proposed by one.
    let narrow = variant(&demo, "narrow", "scheduler.toml", ", \"telecom\"", "");
    house.refused("dr.halvorsen", &["apply", named(&narrow), "--reason", "no calls"], "looks after the policy");
    house.refused(ADMIN, &["apply", named(&narrow), "--reason", " "], "needs a reason");
    let proposed = house.done(ADMIN, &["apply", named(&narrow), "--reason", "no calls"]);
    assert_eq!(proposed["state"], "proposed");
    assert!(proposed["difference"].as_str().unwrap().contains("telecom"), "{proposed}");
    assert_eq!(house.status()["hash"], hash.as_str());

    // Not approved by its author, by a stranger, or with a wrong password; then by another.
    house.refused(ADMIN, &["approve", &number(&proposed)], "another person");
    house.refused("nurse.quist", &["approve", &number(&proposed)], "looks after the policy");
    house.refused("nobody", &["approve", &number(&proposed)], "is not right");
    assert!(demo.get(&token, "/fhir/Patient/p0001").await.json()["telecom"].is_array());
    let approved = house.done(OFFICER, &["approve", &number(&proposed)]);
    assert_eq!((&approved["state"], &approved["review_by"]), (&"done".into(), &Value::Null));
    let answer = demo.get(&token, "/fhir/Patient/p0001").await;
    assert!(answer.status == 200 && answer.json()["telecom"].is_null());
    let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
    let explained = house.look(&["explain", &id]);
    for word in [
        "permit: read Patient",
        approved["after"].as_str().unwrap(),
        "scheduler.grant",
        "to call a patient",
        "decided again",
    ] {
        assert!(explained.contains(word), "{word}: {explained}");
    }
    house.refused(OFFICER, &["approve", &number(&proposed)], "only what is proposed");
    let changed = house.look(&["diff", &hash]);
    assert!(
        changed.contains("closes") && changed.contains("telecom") && changed.contains("nothing opens"),
        "{changed}"
    );

    // Back again, alone: at once, with a review due and an alert.
    let rolled = house.done(ADMIN, &["rollback", "--emergency", "--reason", "nobody could be called"]);
    assert!(rolled["state"] == "done" && rolled["review_by"].is_string(), "{rolled}");
    assert_eq!(house.status()["hash"], hash.as_str());
    assert!(demo.get(&token, "/fhir/Patient/p0001").await.json()["telecom"].is_array());
    assert!(house.alerts().contains("policy-review"));
    house.refused(ADMIN, &["review", &number(&rolled), "--note", "fine"], "another person");
    let reviewed = house.done(OFFICER, &["review", &number(&rolled), "--note", "rightly so"]);
    assert!(reviewed["reviewed_by"].is_string());

    // For later: it outlives a crash.
    let from = time::OffsetDateTime::now_utc() + time::Duration::seconds(90);
    let from = from.format(&time::format_description::well_known::Rfc3339).unwrap();
    house.refused(ADMIN, &["schedule", named(&narrow), "--from", "2020-01-01", "--reason", "late"], "in the past");
    let scheduled = house.done(ADMIN, &["schedule", named(&narrow), "--from", &from, "--reason", "from next week"]);
    assert_eq!(house.done(OFFICER, &["approve", &number(&scheduled)])["state"], "scheduled");
    demo.kill();
    // Meanwhile somebody breaks the folder: the start goes on with what was accepted, and says so.
    let file = demo.data().join("policy/nurse.toml");
    let nurse = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{nurse}\n[role.nurse2]\n")).unwrap();
    demo.start_again();
    let token = demo.token("scheduler-app");
    let house = Change { demo: &demo };
    assert!(house.alerts().contains("policy-faulty"), "{}", house.alerts());
    let start = Instant::now();
    while house.status()["hash"] == hash.as_str() {
        assert!(start.elapsed() < Duration::from_secs(240), "what was scheduled is lost: {}", house.status());
        if start.elapsed() < Duration::from_secs(1) {
            assert!(house.status()["fallback"].as_str().unwrap_or("nurse.toml").contains("nurse.toml"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(house.status()["hash"], scheduled["after"]);
    assert!(demo.get(&token, "/fhir/Patient/p0001").await.json()["telecom"].is_null());
    in_the_log(&demo, &scheduled);
}

/// Every act is in the log: who, who else, why, and the whole difference.
fn in_the_log(demo: &Demo, scheduled: &Value) {
    let out = demo.data().join("export.ndjson");
    let (status, _, error) = demo.run(&["audit", "export", "--out", named(&out), "--config", &demo.config()]);
    assert_eq!(status, 0, "{error}");
    let (status, verified, error) = demo.run(&["audit", "verify", "--config", &demo.config()]);
    assert_eq!(status, 0, "{verified}{error}");
    let entries = std::fs::read_to_string(&out).unwrap();
    let after = scheduled["after"].as_str().unwrap();
    for act in ["begin", "proposed", "in-force", "scheduled", "reviewed", "fallback"] {
        assert!(entries.contains(act), "the log does not tell of `{act}`");
    }
    let acted = |line: &&str| line.contains(after) && line.contains("in-force") && line.contains("from next week");
    let acted = entries.lines().find(acted);
    let acted = acted.unwrap_or_else(|| panic!("the log does not tell what came into force: {after}"));
    assert!(acted.contains("telecom"), "{acted}");
}
