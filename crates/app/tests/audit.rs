//! What the keeper of the log does with a running house: holds, shredding, search by day, the evidence pack.

use crate::support::Demo;

#[test]
fn the_keeper_of_the_log_holds_searches_and_makes_evidence() {
    let demo = Demo::start(&["--patients", "1"]);
    let config = demo.config();
    let audit = |arguments: &[&str]| demo.run(&[&["audit"], arguments, &["--config", &config]].concat());

    let month = ["--month", "2020-01"];
    let (status, out, error) = audit(&[&["hold"][..], &month, &["--matter", "case 7"]].concat());
    assert_eq!(status, 0, "{error}");
    assert!(out.contains("case 7"), "{out}");
    let (status, _, error) = audit(&[&["shred"][..], &month, &["--reason", "the time is over"]].concat());
    assert_eq!(status, 64, "a held month is not shredded");
    assert!(error.contains("case 7") || error.contains("retention"), "{error}");
    let (status, _, _) = audit(&[&["lift"][..], &month, &["--matter", "case 8"]].concat());
    assert_eq!(status, 64, "there is no such hold");
    let (status, _, error) = audit(&[&["lift"][..], &month, &["--matter", "case 7"]].concat());
    assert_eq!(status, 0, "{error}");
    assert_eq!(audit(&["shred", "--patient", "p0001", "--reason", "asked"]).0, 64, "inside retention");
    assert_eq!(audit(&["shred", "--reason", "nothing is named"]).0, 64);

    let (status, out, error) = audit(&["search", "--json", "--from", "2020-01-01", "--outcome", "success"]);
    assert_eq!(status, 0, "{error}");
    assert!(out.contains("key-made"), "the log tells of the key that was made: {out}");
    assert_eq!(audit(&["search", "--until", "2020-01-01"]).0, 1, "nothing happened then");
    assert_eq!(audit(&["search", "--from", "someday"]).0, 64);

    // The log's own key is no witness's: nothing is cosigned, and a quorum of one is missed.
    let (_, report, _) = audit(&["verify", "--json"]);
    assert!(report.contains("\"holds\": true"), "{report}");
    let (_, text, _) = audit(&["verify"]);
    let key = text.split_whitespace().skip_while(|word| *word != "key").nth(1).unwrap().to_owned();
    assert_eq!(audit(&["verify", "--witness", &key]).0, 0, "no cosignature is asked for");
    assert_eq!(audit(&["verify", "--witness", &key, "--quorum", "1"]).0, 1, "a quorum that is missed is found");
    assert_eq!(audit(&["verify", "--witness", &key, "--quorum", "2"]).0, 64);
    assert_eq!(audit(&["verify", "--witness", "nonsense"]).0, 64);

    let (status, out, error) = audit(&["drill"]);
    assert_eq!(status, 0, "{error}");
    assert!(out.contains("passed"), "{out}");
    let days = ["--from", "2026-01-01", "--to", "2026-03-31", "--note", "nothing to be mended"];
    assert_eq!(audit(&[&["review", "access"][..], &days].concat()).0, 0);
    assert_eq!(audit(&["review", "activity", "--from", "2026-02-01", "--to", "2026-01-01", "--note", "x"]).0, 64);

    let pack = demo.folder.path().join("pack");
    let pack_text = pack.display().to_string();
    let span = ["evidence", "--from", "2020-01-01", "--to", "2100-01-01", "--out", &pack_text];
    let (status, out, error) = audit(&span);
    assert_eq!(status, 0, "{out}{error}");
    assert_eq!(audit(&span).0, 64, "a folder that holds something is not written over");
    let read = |name: &str| std::fs::read_to_string(pack.join(name)).unwrap();
    let changes = read("changes.ndjson");
    assert!(
        changes.contains("case 7") && changes.contains("\"lifted\"") && changes.contains("shard-open"),
        "{changes}"
    );
    assert!(read("drills.ndjson").contains("passed"));
    assert!(read("reviews.ndjson").contains("nothing to be mended"));
    assert!(read("in-force.csv").lines().count() > 1, "the first policy is in force");
    assert!(read("approvals.csv").starts_with("change,kind,state"));
    assert!(read("alerts.csv").starts_with("alert,at,rule"));
    assert!(read("verification.json").contains("\"holds\": true"));
    assert!(read("counts.csv").starts_with("kind,client,outcome,entries\n"));
    assert!(read("index.html").contains("Entries"));
    assert!(pack.join("policy").read_dir().unwrap().count() > 0);
    let sums =
        std::process::Command::new("sha256sum").args(["--quiet", "-c", "SHA256SUMS"]).current_dir(&pack).status();
    assert!(sums.unwrap().success(), "the sums hold");
}
