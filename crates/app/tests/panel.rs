//! A hard panel against the real binary: opt-in, taken only with a fresh feed, and suspended with an alert when it is stale.

use std::time::Duration;

use crate::policy_change::{Change, variant};
use crate::reload::hang_up;
use crate::support::Demo;

const ADMIN: &str = "admin.castell";

#[tokio::test(flavor = "multi_thread")]
async fn a_hard_panel_acts_while_its_feed_is_fresh_and_walls_nobody_in_when_it_is_not() {
    let mut demo = Demo::start(&["--patients", "24"]);
    let token = demo.token("dr.halvorsen");
    let stranger = format!("/fhir/Patient/{}", demo.unrelated(&token, 1).await[0]);
    feed_by_hand(&demo).await;
    let house = Change { demo: &demo };
    let hard = variant(&demo, "hard", "physician.toml", "no-relation = \"ask\"", "no-relation = \"refuse\"");
    let settings = hard.join("elements.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let short = text.replacen("[elements]", "[relations]\nage-minutes-max = 2\n\n[elements]", 1);
    std::fs::write(&settings, short).unwrap();
    // Nobody reads the chart any more; say it again, so that the feed is fresh on a slow machine too.
    let config = demo.config();
    for patient in ["ehr/p0001", "lab/p0001"] {
        let relation = ["relation", "add", "--patient", patient, "--practitioner", "halvorsen", "--kind", "care-team"];
        let again = [&relation[..], &["--config", config.as_str()]].concat();
        assert_eq!(demo.run(&again).0, 0);
    }
    let path = hard.display().to_string();
    house.done(ADMIN, &["apply", &path, "--emergency", "--reason", "a panel"]);
    assert_eq!(demo.get(&token, "/fhir/Patient/p0001").await.status, 200);
    let refused = demo.get(&token, &stranger).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["issue"][0]["details"]["coding"][0]["code"], "outside-compartment");
    assert!(refused.json().to_string().contains("emergency-access"), "care comes first: {}", refused.json());

    // The feed falls silent: the panel is suspended, with an alert, and nobody is walled in.
    tokio::time::sleep(Duration::from_secs(125)).await;
    assert_eq!(demo.get(&token, &stranger).await.status, 200);
    let (_, alerts, _) = demo.run(&["alert", "list", "--json", "--config", &config]);
    assert!(alerts.contains("panel-suspended"), "{alerts}");
    // With a stale feed no hard panel is taken, neither by change nor by check.
    let other = hard.join("scheduler.toml");
    let text = std::fs::read_to_string(&other).unwrap();
    std::fs::write(&other, text.replace(", \"telecom\"", "")).unwrap();
    let (status, _, error) = house.run(ADMIN, &["apply", &path, "--emergency", "--reason", "a panel"]);
    assert!(status == 64 && error.contains("is not fresh"), "{status} {error}");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(demo.data().join("hard.toml"), text.replace("folder = \"policy\"", "folder = \"hard\"")).unwrap();
    let late = demo.data().join("hard.toml").display().to_string();
    let (status, _, error) = demo.run(&["check", "--config", &late]);
    assert!(status == 64 && error.contains("is not fresh"), "{status} {error}");
}

/// Takes the reading of relations out of the configuration, so that only the command line feeds them, and can fall silent.
async fn feed_by_hand(demo: &Demo) {
    let config = demo.config();
    let text = std::fs::read_to_string(&config).unwrap();
    let line = text.lines().find(|line| line.starts_with("relations = ")).expect("the demo reads relations").to_owned();
    std::fs::write(&config, text.replacen(&line, "", 1)).unwrap();
    hang_up(demo).await;
}
