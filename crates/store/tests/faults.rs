//! The table of faults in `docs/audit.md` is true: a row for each of the 19, and every test that it names is there.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

/// The sources below `folder`, one after the other.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

/// The faults that have a row, and the tests that rows name.
fn told(table: &str) -> (Vec<u32>, Vec<&str>) {
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter_map(|row| Some((row.trim_start_matches("| ").split(' ').next()?.parse().ok()?, row)));
    let rows: Vec<(u32, &str)> = rows.collect();
    let named = rows.iter().flat_map(|(_, row)| row.split('`').skip(1).step_by(2));
    let is_test = |name: &&str| name.matches('_').count() > 2 && !name.contains(['.', '/', ' ']);
    (rows.iter().map(|(number, _)| *number).collect(), named.filter(is_test).collect())
}

#[test]
fn every_fault_has_its_row_and_every_test_that_is_named_is_there() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(crates.with_file_name("docs").join("audit.md")).unwrap();
    let mut text = String::new();
    for room in ["store", "audit", "gateway", "app", "ledger"] {
        sources(&crates.join(room), &mut text);
    }
    let (faults, tests) = told(&page);
    assert_eq!(faults, (1..=19).collect::<Vec<_>>());
    assert!(tests.len() >= 30, "{tests:?}");
    let missing = |tests: &[&str]| {
        tests.iter().filter(|name| !text.contains(&format!("fn {name}("))).map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(missing(&tests), Vec::<String>::new());
    let never = ["no", "such", "test", "anywhere"].join("_");
    assert_eq!(missing(&[&never]).len(), 1, "the control");
}
