//! `docs/conformance.md` against the list of what the suites assert, where that list is at hand.

use std::collections::BTreeSet;
use std::path::Path;

const PAGE: &str = include_str!("../../../../docs/conformance.md");
/// Assertions of the suites in all.
const ASSERTIONS: usize = 235;

/// The ids that stand in the first column of a page's tables: `SL-12`.
fn ids(page: &str) -> BTreeSet<&str> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .filter(|cell| {
            let parts = cell.split_once('-');
            parts.is_some_and(|(group, number)| {
                (1..=2).contains(&group.len())
                    && group.bytes().all(|byte| byte.is_ascii_uppercase())
                    && !number.is_empty()
                    && number.bytes().all(|byte| byte.is_ascii_digit())
            })
        })
        .collect()
}

#[test]
fn every_assertion_of_the_suites_stands_in_the_page() {
    assert_eq!(ids(PAGE).len(), ASSERTIONS);
    let Some(shared) = std::env::var_os("BASCULE_SHARED") else { return };
    let facts = std::fs::read_to_string(Path::new(&shared).join("facts/conformance.md")).unwrap();
    let asserted = ids(&facts);
    assert_eq!(asserted.len(), ASSERTIONS, "of the list itself");
    let missing: Vec<_> = asserted.difference(&ids(PAGE)).copied().collect();
    let surplus: Vec<&str> = ids(PAGE).difference(&asserted).copied().collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:?}, unknown: {surplus:?}");
}

#[test]
fn only_ids_are_taken_for_ids() {
    let page = "| D-1 | held |\n| id | state |\n|---|---|\n| SL-x | y |\n| LONG-1 | y |\nD-2\n";
    assert_eq!(ids(page).into_iter().collect::<Vec<_>>(), ["D-1"]);
}
