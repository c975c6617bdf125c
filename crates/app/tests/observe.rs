//! Observing against the real binary: it relaxes the rules of named flows only, counts what enforcing would do, drafts the
//! least grants, and ends with one word.

use std::process::Command;
use std::time::Duration;

use crate::policy_change::Change;
use crate::support::Demo;

/// Writes the mode into the configuration and has it read again.
async fn mode(demo: &Demo, from: &str, to: &str) {
    let text = std::fs::read_to_string(demo.config()).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(demo.config(), text.replace(from, to)).unwrap();
    let before = demo.log().len();
    assert!(Command::new("kill").args(["-HUP", &demo.process().to_string()]).status().unwrap().success());
    for _ in 0..400 {
        let said = demo.log().get(before..).unwrap_or_default().to_owned();
        if said.contains("are in force") {
            return;
        }
        assert!(!said.contains("stays in force"), "{said}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing was said of SIGHUP: {}", demo.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_relaxes_named_flows_and_drafts_the_least_grants() {
    let mut demo = Demo::start(&["--patients", "6"]);
    let (scheduler, counter, patient) =
        (demo.token("scheduler-app"), demo.token("auditor-counts"), demo.token("amelie"));
    let asked = "/fhir/Appointment?reason-code=1&_count=1";
    assert_eq!(demo.get(&scheduler, asked).await.status, 403);

    let until = (time::OffsetDateTime::now_utc() + time::Duration::days(7)).date();
    let observe = format!(
        "mode = {{ observe = {{ until = \"{until}\", owner = \"name@hospital.example\", reason = \"roll-out\", clients = [\"scheduler-app\"] }} }}"
    );
    mode(&demo, "mode = \"enforce\"", &observe).await;
    let answer = demo.get(&scheduler, asked).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
    let whole = demo.get(&scheduler, "/fhir/Appointment?_count=3").await.json();
    assert!(whole.to_string().contains("reasonCode"), "elements are relaxed: {whole}");
    // One command ends it on the next request, and another lets the configuration speak again.
    let config = demo.config();
    let say = |words: &[&str]| demo.run(&[&["policy", "mode", "ehr"], words, &["--config", &config]].concat());
    let (status, _, error) = say(&["enforce"]);
    assert!(status == 64 && error.contains("--because"), "{status} {error}");
    assert_eq!(say(&["off", "--because", "x"]).0, 64, "no word turns rules off");
    assert_eq!(say(&["enforce", "--because", "the vendor is ready"]).0, 0);
    assert_eq!(demo.get(&scheduler, asked).await.status, 403);
    assert!(say(&[]).1.contains("ehr: enforce, said "));
    assert_eq!(say(&["configured", "--because", "the vendor is not ready"]).0, 0);
    assert_eq!(demo.get(&scheduler, asked).await.status, 200);
    // Nobody else's flow, no other patient, and never without a token.
    assert_eq!(demo.get(&counter, "/fhir/Appointment?_count=1").await.status, 403);
    assert_eq!(demo.get(&patient, "/fhir/Patient/p0002").await.status, 403);
    assert_eq!(demo.get("nobody-was-given-this", asked).await.status, 401);

    tokio::time::sleep(Duration::from_millis(500)).await;
    let config = demo.config();
    let (status, report, error) = demo.run(&["policy", "observe-report", "--config", &config]);
    assert_eq!(status, 1, "enforcing would change something: {report}{error}");
    assert!(report.contains("refused: search of Appointment") && report.contains("reason-code"), "{report}");
    assert!(report.contains("narrowed: search of Appointment"), "{report}");
    let draft = Change { demo: &demo }.look(&["draft"]);
    for word in [
        "[role.scheduler]",
        "resource     = \"Appointment\"",
        "interactions = [\"search\"]",
        "\"reason-code\"",
        "\"reasonCode.coding.code\"",
    ] {
        assert!(draft.contains(word), "{word}: {draft}");
    }
    assert!(!draft.contains("Patient/"), "a draft names elements, never values: {draft}");
    // Once a person has said who and for what, it is a policy.
    let folder = demo.data().join("drafted");
    std::fs::create_dir_all(&folder).unwrap();
    let filled = draft.replace("title   = \"\"", "title   = \"S\"").replace("purpose = []", "purpose = [\"HOPERAT\"]");
    std::fs::write(folder.join("drafted.toml"), filled).unwrap();
    let differs = Change { demo: &demo }.look(&["diff", folder.to_str().unwrap(), folder.to_str().unwrap()]);
    assert!(differs.contains("nothing opens"), "{differs}");
    let explained = Change { demo: &demo }.look(&["explain", &id]);
    assert!(explained.contains("enforcing would refuse"), "{explained}");

    mode(&demo, &observe, "mode = \"enforce\"").await;
    assert_eq!(demo.get(&scheduler, asked).await.status, 403);
    // More than thirty days is nobody's roll-out.
    let far = observe.replace(&until.to_string(), &(until + time::Duration::days(40)).to_string());
    let text = std::fs::read_to_string(&config).unwrap();
    let late = demo.data().join("late.toml");
    std::fs::write(&late, text.replace("mode = \"enforce\"", &far)).unwrap();
    let (status, _, error) = demo.run(&["check", "--config", late.to_str().unwrap()]);
    assert!(status == 64 && error.contains("more than 30 days"), "{status} {error}");
}
