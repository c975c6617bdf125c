//! A data set that others made, loaded and counted through the bridge. The rule: a fullUrl with its content counts once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Demo;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_loaded_is_counted_through_the_bridge() {
    let Some(shared) = std::env::var_os("BASCULE_SHARED").map(PathBuf::from) else {
        println!("skipped: the shared data (BASCULE_SHARED is unset)");
        return;
    };
    let folder = shared.join("data/fhir/synthea").canonicalize().unwrap();
    let (entries, expected) = count(&folder);
    assert_eq!((entries, expected["Patient"]), (19_560, 109));
    let load = folder.display().to_string();
    let mut demo = Demo::start(&["--patients", "0", "--load", &load]);
    let token = demo.token("auditor-counts");
    for (resource, wanted) in &expected {
        let answer = demo.get(&token, &format!("/fhir/{resource}?_summary=count")).await;
        assert_eq!(
            answer.json()["total"].as_u64(),
            Some(*wanted),
            "{resource}: {}",
            String::from_utf8_lossy(&answer.body)
        );
    }
    let person = demo.token("patient-1");
    let own = demo.get(&person, "/fhir/Observation?_count=1").await;
    assert_eq!(own.json()["entry"][0]["resource"]["resourceType"], "Observation");
}

/// Entries in all, and resources by type under the rule.
fn count(folder: &Path) -> (usize, BTreeMap<String, u64>) {
    let mut entries = 0;
    let mut known = BTreeSet::new();
    let mut types: BTreeMap<String, u64> = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let mut text = String::new();
        let bytes = std::fs::File::open(file.unwrap().path()).unwrap();
        flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
        let bundle: Value = serde_json::from_str(&text).unwrap();
        for entry in bundle["entry"].as_array().unwrap() {
            entries += 1;
            if known.insert(entry["fullUrl"].as_str().unwrap().to_owned()) {
                *types.entry(entry["resource"]["resourceType"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
    }
    (entries, types)
}
