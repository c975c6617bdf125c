//! Rooms below the shelf do not touch the world: no clock, disk, network, environment, runtime or database
//! (house, invariant 5). And a proof can be made only in its own room (invariant 2).

use super::Fault;

/// The rooms that are plain functions from values to values.
const PURE: [&str; 11] =
    ["audit", "crypto", "fhir", "hl7", "inventory", "ledger", "minimum", "policy", "smart", "risk", "watch"];

/// What touches the world.
const WORLD: [(&str, &str); 13] = [
    ("std::fs", "a disk"),
    ("std::net", "the network"),
    ("std::env", "the environment"),
    ("std::process", "other processes"),
    ("SystemTime::now", "the clock"),
    ("Instant::now", "the clock"),
    ("OffsetDateTime::now", "the clock"),
    ("tokio::", "a runtime"),
    ("hyper::", "an HTTP library"),
    ("axum::", "an HTTP library"),
    ("http::", "an HTTP library"),
    ("rusqlite::", "a database"),
    ("rand::rng", "the system's randomness"),
];

/// The values that prove that a floor was climbed.
const PROOFS: [&str; 4] = ["Principal", "Permit", "Released", "Receipt"];

pub(super) fn faults(name: &str, content: &str) -> Vec<Fault> {
    let mut all = proofs(name, content);
    if is_pure(name) {
        all.extend(world(name, content));
    }
    all
}

/// A source of a pure room, its tests aside.
fn is_pure(name: &str) -> bool {
    let Some((room, rest)) = name.strip_prefix("crates/").and_then(|rest| rest.split_once("/src/")) else {
        return false;
    };
    PURE.contains(&room) && rest.ends_with(".rs") && !rest.ends_with("tests.rs") && !rest.contains("tests/")
}

fn world(name: &str, content: &str) -> Vec<Fault> {
    let mut all = Vec::new();
    let code = content.lines().zip(1..).take_while(|(line, _)| line.trim() != "#[cfg(test)]");
    for (line, number) in code.filter(|(line, _)| !line.trim_start().starts_with("//")) {
        for (word, what) in WORLD.iter().filter(|(word, _)| names(line, word)) {
            let mend = format!("`{word}` touches {what}; let a door do it and hand the value inward");
            all.push(Fault::new(name, number, mend));
        }
    }
    all
}

/// Whether the line holds the word by itself, not as the end of another (`my_http::`).
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        before.is_none_or(|letter| !(letter.is_alphanumeric() || matches!(letter, '_' | ':')))
    })
}

/// A proof with a public field, or one that can be made by `Default` or `Deserialize`.
fn proofs(name: &str, content: &str) -> Vec<Fault> {
    let mut all = Vec::new();
    let lines: Vec<&str> = content.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(proof) = PROOFS.iter().find(|proof| opens(line, proof)) else { continue };
        let above = lines.get(..at).unwrap_or_default().iter().rev().take_while(|line| is_attribute(line));
        if above.clone().any(|line| line.contains("Default") || line.contains("Deserialize")) {
            let what = format!("`{proof}` is a proof; take `Default` and `Deserialize` away, its room makes it");
            all.push(Fault::new(name, at + 1, what));
        }
        if line.contains("(pub ") {
            all.push(Fault::new(name, at + 1, format!("`{proof}` is a proof; make the field private")));
        }
        let fields = lines.get(at + 1..).unwrap_or_default().iter().take_while(|line| **line != "}");
        for (field, number) in fields.zip(at + 2..) {
            let is_open = field.trim_start().starts_with("pub ") && !line.ends_with(';');
            if is_open {
                all.push(Fault::new(name, number, format!("`{proof}` is a proof; make the field private")));
            }
        }
    }
    all
}

fn opens(line: &str, proof: &str) -> bool {
    let rest = line.strip_prefix("pub struct ").and_then(|rest| rest.strip_prefix(proof));
    rest.is_some_and(|rest| rest.starts_with([' ', '<', '(', ';']))
}

fn is_attribute(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("#[") || line.starts_with("///")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, content: &str, expected: &[usize]) {
        let lines: Vec<usize> = faults(name, content).iter().map(|fault| fault.line).collect();
        assert_eq!(lines, expected, "{name}");
    }

    #[test]
    fn a_room_below_the_shelf_does_not_touch_the_world() {
        let content = "//! Head.\nuse std::fs::File;\n// std::env is fine in words\nlet now = SystemTime::now();\n";
        check("crates/policy/src/lib.rs", content, &[2, 4]);
        check("crates/store/src/lib.rs", content, &[]);
        check("crates/policy/tests/a.rs", content, &[]);
        check("crates/policy/src/a/tests.rs", content, &[]);
        check("crates/ledger/src/a.rs", "fn f() {}\n#[cfg(test)]\nuse std::fs;\n", &[]);
        check("crates/smart/src/a.rs", "let a = my_http::x; let b = \"x\";\n", &[]);
    }

    #[test]
    fn a_proof_is_made_in_its_room_only() {
        check("crates/policy/src/a.rs", "#[derive(Debug)]\npub struct Permit {\n    asked: Asked,\n}\n", &[]);
        check(
            "crates/policy/src/a.rs",
            "#[derive(Default)]\n/// x\npub struct Permit {\n    pub asked: Asked,\n}\n",
            &[3, 4],
        );
        check("crates/policy/src/a.rs", "#[derive(Default)]\npub struct Permits {\n    pub all: Vec<u8>,\n}\n", &[]);
        check("crates/policy/src/a.rs", "pub struct Receipt(pub u8);\n", &[1]);
        check("crates/policy/src/a.rs", "pub struct Receipt(u8);\npub struct Other {\n    pub x: u8,\n}\n", &[]);
    }
}
