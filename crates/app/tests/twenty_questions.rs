//! The compliance officer's twenty questions of `docs/policy.md`: each is answered by its command, as written there.

use std::path::Path;

use crate::support::Demo;

/// The rows of the table: question and command.
fn questions() -> Vec<(String, Vec<String>)> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.md")).unwrap();
    let (_, table) = page.split_once("## Twenty questions").expect("the page has its heading");
    let rows = table.lines().filter(|line| line.starts_with("| ") && line.contains("| `bascule "));
    rows.map(|line| {
        let (question, rest) = line.trim_start_matches("| ").split_once(" | ").unwrap();
        let command = rest.split('`').nth(1).unwrap().trim_start_matches("bascule ");
        (question.to_owned(), words(command))
    })
    .collect()
}

/// As a shell splits it.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in command.split('"').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(ToOwned::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// What each answer must say; in the order of the page.
const SAYS: [&[&str]; 20] = [
    &["physician", "nobody else", "people of these roles act through:", "portal"],
    &["patient", "own record", "clients: eastside-clinic"],
    &["nobody else"],
    &["refused", "telehealth", "grants no search of DocumentReference"],
    &["physician", "nobody else"],
    &["refused", "reason-code"],
    &["refused", "_include"],
    &["refused", "purpose"],
    &["refused"],
    &["refused", "administrator.deny[0]"],
    &["permitted", "code.coding.code", "recordedDate, subject.reference"],
    &["permitted", "whole"],
    &["refused", "agreement"],
    &["refused", "consent"],
    &["may write it"],
    &["may search by it"],
    &["patient", "status to proposed or pending or booked"],
    &["may open emergency access"],
    &["none was before it", "nothing opens"],
    &["opens", "birthDate"],
];

#[tokio::test(flavor = "multi_thread")]
async fn each_of_the_twenty_questions_has_its_answer() {
    let demo = Demo::start(&["--patients", "6"]);
    // What the last two rows name: a draft that opens one thing.
    let draft = crate::policy_change::variant(
        &demo,
        "policy-draft",
        "scheduler.toml",
        "\"telecom\"]",
        "\"telecom\", \"birthDate\"]",
    );
    assert!(draft.is_dir());
    let questions = questions();
    assert_eq!(questions.len(), SAYS.len(), "the page has another number of questions");
    let mut faults = Vec::new();
    for ((question, command), says) in questions.iter().zip(SAYS) {
        let config = demo.config();
        let output = std::process::Command::new(crate::support::BINARY)
            .args(command)
            .args(["--config", &config])
            .current_dir(demo.data())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            faults.push(format!("{question}\n  {command:?}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        for word in says.iter().filter(|word| !said.contains(**word)) {
            faults.push(format!("{question}\n  {command:?} does not say `{word}`:\n{said}"));
        }
    }
    changed_since(&demo, &draft);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Once something has changed, the same question tells it: what the policy in force opens that the first one did not.
fn changed_since(demo: &Demo, draft: &Path) {
    let (_, command) = questions().into_iter().find(|(question, _)| question == "What changed since March?").unwrap();
    let change = crate::policy_change::Change { demo };
    change.done("admin.castell", &["apply", &draft.display().to_string(), "--emergency", "--reason", "a drill"]);
    let config = demo.config();
    let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
    words.extend(["--config", &config]);
    let (status, said, error) = demo.run(&words);
    assert_eq!(status, 0, "{error}");
    for word in ["none was before it", "opens:", "scheduler", "birthDate", "nothing closes"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}
