//! `docs/conformance.md` lists every assertion once, and every test that it names exists.

use std::collections::{BTreeMap, BTreeSet};

use super::Fault;

/// The page.
const PAGE: &str = "docs/conformance.md";
/// The suites' groups and how many assertions each has: 235 in all.
const GROUPS: [(&str, u32); 19] = [
    ("D", 22),
    ("SL", 22),
    ("EL", 13),
    ("PC", 7),
    ("AS", 5),
    ("PK", 5),
    ("NG", 4),
    ("RF", 9),
    ("OI", 12),
    ("IN", 12),
    ("RV", 3),
    ("BS", 11),
    ("SC", 19),
    ("TL", 4),
    ("CO", 4),
    ("BD", 16),
    ("BT", 20),
    ("UD", 25),
    ("GP", 22),
];
const STATES: [&str; 4] = ["held", "by hand", "not applicable", "open"];

/// What the whole tree says: the page, and the names of all functions.
#[derive(Default)]
pub(super) struct Conformance {
    page: String,
    functions: BTreeSet<String>,
}

impl Conformance {
    /// Takes a file in.
    pub(super) fn read(&mut self, name: &str, content: &str) {
        if name == PAGE {
            content.clone_into(&mut self.page);
        } else if std::path::Path::new(name).extension().is_some_and(|kind| kind == "rs") {
            let names = content.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            self.functions.extend(names.map(str::to_owned));
        }
    }

    /// What is amiss.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut faults = Vec::new();
        for (at, line) in self.page.lines().enumerate() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, id, state, how, _] = cells.as_slice() else { continue };
            if *id == "id" || id.starts_with("---") {
                continue;
            }
            *seen.entry(id).or_default() += 1;
            if let Err(what) = self.row(id, state, how) {
                faults.push(Fault::new(PAGE, at + 1, what));
            }
        }
        for (group, count) in GROUPS {
            for id in (1..=count).map(|number| format!("{group}-{number}")) {
                match seen.remove(id.as_str()) {
                    Some(1) => {}
                    Some(_) => faults.push(Fault::new(PAGE, 1, format!("{id} stands more than once"))),
                    None => faults.push(Fault::new(PAGE, 1, format!("{id} is missing"))),
                }
            }
        }
        faults.extend(seen.keys().map(|id| Fault::new(PAGE, 1, format!("no suite has the id {id}"))));
        faults
    }

    fn row(&self, id: &str, state: &str, how: &str) -> Result<(), String> {
        if !STATES.contains(&state) {
            return Err(format!("{id}: `{state}` is no state"));
        }
        // Names of tests are code without a dot, a slash or a space.
        let code = how.split('`').skip(1).step_by(2);
        let tests: Vec<&str> = code.filter(|word| word.contains('_') && word.bytes().all(is_name)).collect();
        if state == "held" && tests.is_empty() {
            return Err(format!("{id} is held and names no test"));
        }
        match tests.iter().find(|test| !test.starts_with('_') && !self.functions.contains(**test)) {
            Some(test) => Err(format!("{id}: there is no test `{test}`")),
            None => Ok(()),
        }
    }
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(change: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut conformance = Conformance::default();
        let rows = GROUPS.iter().flat_map(|(group, count)| (1..=*count).map(move |n| format!("{group}-{n}")));
        let rows = rows.filter_map(|id| change(&id)).collect::<Vec<_>>().join("\n");
        conformance.read(PAGE, &format!("| id | state | tests |\n|---|---|---|\n{rows}\n"));
        conformance.read("a.rs", "fn it_holds() {}");
        conformance.faults().iter().map(ToString::to_string).collect()
    }

    fn row(id: &str, state: &str, how: &str) -> String {
        format!("| {id} | {state} | {how} |")
    }

    #[test]
    fn a_whole_page_with_tests_that_exist_is_tidy() {
        assert!(page(|id| Some(row(id, "held", "`it_holds`"))).is_empty());
    }

    #[test]
    fn what_is_missing_doubled_or_named_in_vain_is_said() {
        let only = |bad: &str, with: &str| {
            let (bad, with) = (bad.to_owned(), with.to_owned());
            page(move |id| match id == bad {
                true => Some(with.clone()).filter(|with| !with.is_empty()),
                false => Some(row(id, "held", "`it_holds`")),
            })
        };
        assert!(only("D-3", "")[0].contains("D-3 is missing"));
        assert!(only("D-3", &row("D-3", "held", "`it_never_was`"))[0].contains("there is no test `it_never_was`"));
        assert!(only("D-3", &row("D-3", "held", "somehow"))[0].contains("names no test"));
        assert!(only("D-3", &row("D-3", "surely", "`it_holds`"))[0].contains("no state"));
        let twice = format!("{}\n{}", row("D-3", "open", "x"), row("D-3", "open", "x"));
        assert!(only("D-3", &twice)[0].contains("more than once"));
        assert!(
            only("D-3", &format!("{}\n{}", row("D-3", "open", "x"), row("D-99", "open", "x")))[0].contains("no suite")
        );
    }
}
