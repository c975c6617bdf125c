//! The official R4 examples: what is valid is stored and read back equal; what is not is refused with its place.

use serde_json::Value;

use crate::support::{Client, lines, shared};

/// Lines of the examples that are not valid R4, by what is wrong with them.
const REFUSED: [(&str, usize); 5] = [
    // The FHIR-defined questionnaires were generated without it.
    ("must have linkId", 187),
    // Parameters of no type, kept as a record.
    ("SearchParameter must have base", 10),
    ("must not point at", 4),
    ("has no resourceType or id", 3),
    ("an id has 1 to 64 letters", 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_a_version_that_reads_back_equal() {
    let Some(folder) = shared() else { return };
    let client = Client::new();
    let mut refused: Vec<String> = Vec::new();
    let mut stored = std::collections::BTreeSet::new();
    let mut count = 0;
    for line in lines(&folder.join("data/fhir/r4-examples.ndjson.gz")) {
        count += 1;
        let value: Value = serde_json::from_str(&line).unwrap();
        let (Some(kind), Some(id)) = (value["resourceType"].as_str(), value["id"].as_str()) else {
            refused.push(format!("line {count}: has no resourceType or id"));
            continue;
        };
        let put = client.send("PUT", &format!("{kind}/{id}"), &[], line.clone()).await;
        if !put.status.is_success() {
            refused.push(format!("line {count}: {}", put.json()["issue"][0]["details"]["text"]));
            continue;
        }
        let version = put.header("location").to_owned();
        let read = client.get(&version).await;
        assert_eq!(without_assigned(&read.text), without_assigned(&line), "{version}");
        stored.insert(format!("{kind}/{id}"));
    }
    println!("{count} lines, {} resources, {} refused", stored.len(), refused.len());
    assert_eq!((count, stored.len()), (2_906, 2_694));
    let counts = REFUSED.map(|(reason, _)| (reason, refused.iter().filter(|one| one.contains(reason)).count()));
    assert_eq!(counts, REFUSED, "{refused:?}");
    assert_eq!(refused.len(), REFUSED.iter().map(|(_, count)| count).sum::<usize>(), "{refused:?}");
}

/// The text of a resource without what a server assigns; numbers keep their digits.
fn without_assigned(text: &str) -> String {
    let mut value: Value = serde_json::from_str(text).unwrap();
    let fields = value.as_object_mut().unwrap();
    let is_empty = fields.get_mut("meta").and_then(Value::as_object_mut).is_none_or(|meta| {
        meta.shift_remove("versionId");
        meta.shift_remove("lastUpdated");
        meta.is_empty()
    });
    if is_empty {
        fields.shift_remove("meta");
    }
    value.to_string()
}
