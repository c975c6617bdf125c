//! What becomes of Bundles, batches and lines.

use bascule_policy::TotalRule;

use super::support::{filter, grants, in_compartment, left};
use crate::reply::Shape;

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"code":"c"}]},"subject":{"reference":"Patient/p","display":"Peter"}}"#;

fn searchset(resources: &[&str]) -> String {
    let entries: Vec<String> = resources
        .iter()
        .map(|resource| format!(r#"{{"fullUrl":"http://ehr.internal/fhir/X/1","resource":{resource},"search":{{"mode":"match","score":0.5}}}}"#))
        .collect();
    format!(
        r#"{{"resourceType":"Bundle","id":"b","type":"searchset","total":{},"link":[{{"relation":"self","url":"http://ehr.internal/fhir/X?name=secret"}},{{"relation":"previous","url":"http://ehr.internal/fhir?page=1"}}],"entry":[{}]}}"#,
        resources.len(),
        entries.join(",")
    )
}

#[test]
fn a_searchset_leaves_filtered_with_our_addresses() {
    let left = left(&grants(&[("Observation", "*")]), Shape::Bundle, &searchset(&[OBSERVATION]));
    assert_eq!(
        left,
        format!(
            r#"{{"resourceType":"Bundle","id":"b","type":"searchset","link":[{{"relation":"self","url":"https://bridge.example/ehr/page/38"}}],"entry":[{{"fullUrl":"https://bridge.example/ehr/X/1","resource":{OBSERVATION},"search":{{"mode":"match"}}}}],"total":1}}"#
        )
    );
}

#[test]
fn resources_outside_the_compartment_are_left_out_and_counted() {
    let other = OBSERVATION.replace("Patient/p", "Patient/q");
    let narrowing = in_compartment(grants(&[("Observation", "*")]), "Patient", &["a", "p", "z"]);
    let body = searchset(&[&other, OBSERVATION, &other]);
    let released = filter(&narrowing, Shape::Bundle, body.as_bytes()).unwrap();
    assert_eq!(released.withheld_resources(), 2);
    assert_eq!(released.patients(), ["p"]);
    let left = String::from_utf8(released.into_body()).unwrap();
    assert!(left.contains("Patient/p") && !left.contains("Patient/q"), "{left}");
    assert!(!left.contains("total"), "what is withheld must not be counted: {left}");
}

#[test]
fn a_bundle_of_which_nothing_is_left_has_no_entries() {
    let narrowing = grants(&[("Patient", "*")]);
    let left = left(&narrowing, Shape::Bundle, &searchset(&[OBSERVATION, OBSERVATION]));
    assert!(left.ends_with(r#""link":[{"relation":"self","url":"https://bridge.example/ehr/page/38"}]}"#), "{left}");
}

#[test]
fn totals_follow_their_rule() {
    let mut narrowing = grants(&[("Observation", "status")]);
    let body = searchset(&[OBSERVATION]);
    assert!(left(&narrowing, Shape::Bundle, &body).contains(r#""total":1"#));
    narrowing.total = TotalRule::Absent;
    assert!(!left(&narrowing, Shape::Bundle, &body).contains("total"));
    narrowing.total = TotalRule::Only;
    let counted = left(&narrowing, Shape::Bundle, &body);
    assert!(counted.contains(r#""total":1"#) && !counted.contains("Observation"), "{counted}");
    assert_eq!(left(&narrowing, Shape::Resource, OBSERVATION), "NotGranted");
}

#[test]
fn the_type_may_come_last() {
    let body = r#"{"entry":[{"search":{"mode":"include"},"resource":{"subject":{"reference":"Patient/p"},"id":"o","resourceType":"Observation"}}],"resourceType":"Bundle"}"#;
    let narrowing = in_compartment(grants(&[("Observation", "id")]), "Patient", &["p"]);
    let left = left(&narrowing, Shape::Bundle, body);
    assert!(left.contains(r#""id":"o","resourceType":"Observation""#) && !left.contains("subject"), "{left}");
}

#[test]
fn outcomes_in_a_bundle_leave_without_words() {
    let outcome = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"processing","diagnostics":"Peter"}]}"#;
    let left = left(&grants(&[("Observation", "status")]), Shape::Bundle, &searchset(&[outcome]));
    assert!(left.contains(r#"{"severity":"warning","code":"processing"}"#) && !left.contains("Peter"), "{left}");
}

#[test]
fn a_history_tells_of_deletions_only_of_what_may_leave() {
    let entry =
        |url: &str| format!(r#"{{"request":{{"method":"DELETE","url":"{url}"}},"response":{{"status":"204"}}}}"#);
    let body = format!(
        r#"{{"resourceType":"Bundle","type":"history","entry":[{},{},{},{{"response":{{"status":"200"}}}}]}}"#,
        entry("Patient/p"),
        entry("http://ehr.internal/fhir/Patient/q"),
        entry("Observation/o")
    );
    let narrowing = in_compartment(grants(&[("Patient", "name"), ("Observation", "status")]), "Patient", &["q"]);
    let left = left(&narrowing, Shape::Bundle, &body);
    assert_eq!(
        left,
        r#"{"resourceType":"Bundle","type":"history","entry":[{"request":{"method":"DELETE","url":"https://bridge.example/ehr/Patient/q"},"response":{"status":"204"}}]}"#
    );
}

#[test]
fn answers_of_a_batch_keep_their_places() {
    let nested = searchset(&[OBSERVATION, r#"{"resourceType":"Device","id":"d"}"#]);
    let body = format!(
        r#"{{"resourceType":"Bundle","type":"batch-response","entry":[{{"resource":{OBSERVATION},"response":{{"status":"200"}}}},{{"resource":{{"resourceType":"Device"}},"response":{{"status":"200"}}}},{{"response":{{"status":"201","location":"http://ehr.internal/fhir/Observation/9/_history/1","outcome":{{"resourceType":"OperationOutcome","issue":[{{"severity":"error","code":"x","diagnostics":"Peter"}}]}}}}}},{{"resource":{nested},"response":{{"status":"200"}}}}]}}"#
    );
    let left = left(&grants(&[("Observation", "*")]), Shape::BatchResponse, &body);
    let value: serde_json::Value = serde_json::from_str(&left).unwrap();
    assert_eq!(value["entry"].as_array().map(Vec::len), Some(4));
    assert_eq!(value["entry"][1], serde_json::json!({"response": {"status": "404 Not Found"}}));
    assert_eq!(value["entry"][2]["response"]["location"], "https://bridge.example/ehr/Observation/9/_history/1");
    assert_eq!(value["entry"][3]["resource"]["entry"].as_array().map(Vec::len), Some(1));
    assert!(!left.contains("Device"), "{left}");
    assert!(!value["entry"][2].to_string().contains("Peter"), "{left}");
}

#[test]
fn bundles_leave_as_resources_only_if_granted() {
    let body = searchset(&[OBSERVATION]);
    assert_eq!(left(&grants(&[("Observation", "*")]), Shape::Resource, &body), "NotGranted");
    assert!(left(&grants(&[("Observation", "*"), ("Bundle", "*")]), Shape::Resource, &body).contains("Observation"));
    let nested = searchset(&[&body]);
    assert!(!left(&grants(&[("Observation", "*")]), Shape::Bundle, &nested).contains("Observation"));
}

#[test]
fn duplicate_members_of_a_bundle_are_refused() {
    for body in [
        r#"{"resourceType":"Bundle","entry":[],"entry":[]}"#,
        r#"{"resourceType":"Bundle","total":1,"tot\u0061l":2}"#,
        r#"{"resourceType":"Bundle","zebra":1,"zebra":2}"#,
        r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient"},"resource":{"resourceType":"Patient"}}]}"#,
    ] {
        assert_eq!(left(&grants(&[("Patient", "*")]), Shape::Bundle, body), "DuplicateKey", "{body}");
    }
}

#[test]
fn lines_are_filtered_one_by_one() {
    let body = "{\"resourceType\":\"Patient\",\"id\":\"1\",\"birthDate\":\"1980\"}\n{\"resourceType\":\"Device\",\"id\":\"2\"}\n\n{\"resourceType\":\"Patient\",\"id\":\"3\"}";
    let released = filter(&grants(&[("Patient", "*")]), Shape::Ndjson, body.as_bytes()).unwrap();
    assert_eq!(released.withheld_resources(), 1);
    assert_eq!(
        String::from_utf8(released.into_body()).unwrap(),
        "{\"resourceType\":\"Patient\",\"id\":\"1\",\"birthDate\":\"1980\"}\n{\"resourceType\":\"Patient\",\"id\":\"3\"}\n"
    );
    for (broken, lines) in [(&b"{\"resourceType\":\n\"Patient\"}"[..], 2), (b"[]", 1)] {
        let released = filter(&grants(&[("Patient", "*")]), Shape::Ndjson, broken).unwrap();
        assert_eq!((released.body(), released.withheld_resources()), (&b""[..], lines));
        assert_eq!(released.unreadable_lines(), lines);
    }
    assert!(filter(&grants(&[("Patient", "*")]), Shape::Ndjson, b"{\"resourceType\":\"Patient\"}\n{\"resour").is_err());
    assert_eq!(filter(&grants(&[]), Shape::Ndjson, b"").unwrap().body(), b"");
}
