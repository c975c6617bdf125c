//! Every interaction against the specification's table of outcomes (R4, 3.1.0, "Summary" and the status codes under each
//! interaction): what it answers when it is done, when there is nothing to do, and when it must not be done.

use serde_json::{Value, json};

use crate::support::{BASE, Client};

/// One line of the table.
struct Line {
    /// The interaction and the case.
    what: &'static str,
    /// Method, path, header and body.
    ask: (&'static str, &'static str, (&'static str, &'static str), &'static str),
    status: u16,
    /// Headers that the answer must have.
    headers: &'static [&'static str],
    /// `resourceType` of the body; `-` for none.
    body: &'static str,
}

const JSON: (&str, &str) = ("content-type", "application/fhir+json");
const PATCH: (&str, &str) = ("content-type", "application/json-patch+json");
const VERSIONED: &[&str] = &["etag", "last-modified"];
const WRITTEN: &[&str] = &["etag", "last-modified", "location"];
const NONE: &[&str] = &[];

const fn line(
    what: &'static str,
    ask: (&'static str, &'static str, (&'static str, &'static str), &'static str),
    status: u16,
    headers: &'static [&'static str],
    body: &'static str,
) -> Line {
    Line { what, ask, status, headers, body }
}

const OUTCOME: &str = "OperationOutcome";
const P: &str = r#"{"resourceType":"Patient","id":"p","active":true}"#;
const ANY: &str = r#"{"resourceType":"Patient","identifier":[{"system":"s","value":"one"}]}"#;
const WRONG: &str = r#"{"resourceType":"Patient","gender":"x"}"#;

/// Before each line the store holds Patient/p (two versions), Patient/gone (deleted), and two that share the name Twin.
const TABLE: &[Line] = &[
    line("read", ("GET", "Patient/p", JSON, ""), 200, VERSIONED, "Patient"),
    line("read, head", ("HEAD", "Patient/p", JSON, ""), 200, VERSIONED, "-"),
    line("read, unknown id", ("GET", "Patient/x", JSON, ""), 404, NONE, OUTCOME),
    line("read, deleted", ("GET", "Patient/gone", JSON, ""), 410, NONE, OUTCOME),
    line("read, unknown type", ("GET", "Patients/p", JSON, ""), 404, NONE, OUTCOME),
    line("read, id that is none", ("GET", "Patient/a_b", JSON, ""), 400, NONE, OUTCOME),
    line("read, not modified", ("GET", "Patient/p", ("if-none-match", "W/\"2\""), ""), 304, &["etag"], "-"),
    line("read, modified", ("GET", "Patient/p", ("if-none-match", "W/\"1\""), ""), 200, VERSIONED, "Patient"),
    line("vread", ("GET", "Patient/p/_history/1", JSON, ""), 200, VERSIONED, "Patient"),
    line("vread, unknown version", ("GET", "Patient/p/_history/9", JSON, ""), 404, NONE, OUTCOME),
    line("vread, the deletion", ("GET", "Patient/gone/_history/2", JSON, ""), 410, NONE, OUTCOME),
    line("vread, before the deletion", ("GET", "Patient/gone/_history/1", JSON, ""), 200, VERSIONED, "Patient"),
    line("update", ("PUT", "Patient/p", JSON, P), 200, VERSIONED, "Patient"),
    line(
        "update as create",
        ("PUT", "Patient/new", JSON, r#"{"resourceType":"Patient","id":"new"}"#),
        201,
        WRITTEN,
        "Patient",
    ),
    line(
        "update of what was deleted",
        ("PUT", "Patient/gone", JSON, r#"{"resourceType":"Patient","id":"gone"}"#),
        201,
        WRITTEN,
        "Patient",
    ),
    line("update, another id", ("PUT", "Patient/q", JSON, P), 400, NONE, OUTCOME),
    line("update, no id", ("PUT", "Patient/p", JSON, ANY), 400, NONE, OUTCOME),
    line("update, another type", ("PUT", "Group/p", JSON, P), 400, NONE, OUTCOME),
    line("update, not JSON", ("PUT", "Patient/p", JSON, "{"), 400, NONE, OUTCOME),
    line(
        "update, not valid",
        ("PUT", "Patient/p", JSON, r#"{"resourceType":"Patient","id":"p","gender":"x"}"#),
        422,
        NONE,
        OUTCOME,
    ),
    line("update, the version is the one", ("PUT", "Patient/p", ("if-match", "W/\"2\""), P), 200, VERSIONED, "Patient"),
    line("update, the version is another", ("PUT", "Patient/p", ("if-match", "W/\"1\""), P), 412, NONE, OUTCOME),
    line("conditional update, none: creates", ("PUT", "Patient?identifier=s|none", JSON, ANY), 201, WRITTEN, "Patient"),
    line("conditional update, one", ("PUT", "Patient?_id=p", JSON, ANY), 200, VERSIONED, "Patient"),
    line("conditional update, one with another id", ("PUT", "Patient?family=Alone", JSON, P), 400, NONE, OUTCOME),
    line("conditional update, several", ("PUT", "Patient?family=Twin", JSON, ANY), 412, NONE, OUTCOME),
    line(
        "patch",
        ("PATCH", "Patient/p", PATCH, r#"[{"op":"add","path":"/gender","value":"male"}]"#),
        200,
        VERSIONED,
        "Patient",
    ),
    line("patch, unknown id", ("PATCH", "Patient/x", PATCH, "[]"), 404, NONE, OUTCOME),
    // R4 does not say whether that is 404 or 410.
    line("patch, deleted", ("PATCH", "Patient/gone", PATCH, "[]"), 404, NONE, OUTCOME),
    line(
        "patch, to what is not valid",
        ("PATCH", "Patient/p", PATCH, r#"[{"op":"add","path":"/gender","value":"x"}]"#),
        422,
        NONE,
        OUTCOME,
    ),
    line(
        "patch, a test that fails",
        ("PATCH", "Patient/p", PATCH, r#"[{"op":"test","path":"/active","value":false}]"#),
        422,
        NONE,
        OUTCOME,
    ),
    line("patch, not a patch", ("PATCH", "Patient/p", PATCH, r#"{"a":1}"#), 400, NONE, OUTCOME),
    line("conditional patch, none", ("PATCH", "Patient?family=Nobody", PATCH, "[]"), 404, NONE, OUTCOME),
    line("conditional patch, several", ("PATCH", "Patient?family=Twin", PATCH, "[]"), 412, NONE, OUTCOME),
    line("delete", ("DELETE", "Patient/p", JSON, ""), 204, NONE, "-"),
    line("delete, deleted", ("DELETE", "Patient/gone", JSON, ""), 204, NONE, "-"),
    line("delete, unknown id", ("DELETE", "Patient/x", JSON, ""), 204, NONE, "-"),
    line("delete, the version is another", ("DELETE", "Patient/p", ("if-match", "W/\"1\""), ""), 412, NONE, OUTCOME),
    line("conditional delete, none", ("DELETE", "Patient?family=Nobody", JSON, ""), 204, NONE, "-"),
    line("conditional delete, one", ("DELETE", "Patient?family=Alone", JSON, ""), 204, NONE, "-"),
    line("conditional delete, several", ("DELETE", "Patient?family=Twin", JSON, ""), 412, NONE, OUTCOME),
    line("conditional delete, no condition", ("DELETE", "Patient", JSON, ""), 412, NONE, OUTCOME),
    line("create", ("POST", "Patient", JSON, ANY), 201, WRITTEN, "Patient"),
    line("create, not JSON", ("POST", "Patient", JSON, "<"), 400, NONE, OUTCOME),
    line("create, another type", ("POST", "Group", JSON, ANY), 400, NONE, OUTCOME),
    line("create, unknown type", ("POST", "Patients", JSON, ANY), 404, NONE, OUTCOME),
    line("create, not valid", ("POST", "Patient", JSON, WRONG), 422, NONE, OUTCOME),
    line(
        "conditional create, none",
        ("POST", "Patient", ("if-none-exist", "identifier=s|none"), ANY),
        201,
        WRITTEN,
        "Patient",
    ),
    line(
        "conditional create, one",
        ("POST", "Patient", ("if-none-exist", "family=Alone"), ANY),
        200,
        VERSIONED,
        "Patient",
    ),
    line("conditional create, several", ("POST", "Patient", ("if-none-exist", "family=Twin"), ANY), 412, NONE, OUTCOME),
    line("search", ("GET", "Patient?family=Twin", JSON, ""), 200, NONE, "Bundle"),
    line("search, nothing found", ("GET", "Patient?family=Nobody", JSON, ""), 200, NONE, "Bundle"),
    line(
        "search, unknown parameter, strict",
        ("GET", "Patient?shoe=1", ("prefer", "handling=strict"), ""),
        400,
        NONE,
        OUTCOME,
    ),
    line(
        "search, unknown parameter, lenient",
        ("GET", "Patient?shoe=1", ("prefer", "handling=lenient"), ""),
        200,
        NONE,
        "Bundle",
    ),
    line(
        "search by POST",
        ("POST", "Patient/_search", ("content-type", "application/x-www-form-urlencoded"), "family=Twin"),
        200,
        NONE,
        "Bundle",
    ),
    line("search of everything", ("GET", "?_type=Patient", JSON, ""), 200, NONE, "Bundle"),
    line("history of a resource", ("GET", "Patient/gone/_history", JSON, ""), 200, NONE, "Bundle"),
    line("history, unknown id", ("GET", "Patient/x/_history", JSON, ""), 404, NONE, OUTCOME),
    line("history of a type", ("GET", "Patient/_history", JSON, ""), 200, NONE, "Bundle"),
    line("history of the system", ("GET", "_history", JSON, ""), 200, NONE, "Bundle"),
    line("capabilities", ("GET", "metadata", JSON, ""), 200, NONE, "CapabilityStatement"),
];

async fn filled() -> Client {
    let client = Client::new();
    let patient =
        |id: &str, family: &str| json!({ "resourceType": "Patient", "id": id, "name": [{ "family": family }] });
    client.store(&[patient("t1", "Twin"), patient("t2", "Twin"), patient("a", "Alone"), patient("gone", "Gone")]).await;
    client.store(&[json!({ "resourceType": "Patient", "id": "p" }), serde_json::from_str(P).unwrap()]).await;
    assert_eq!(client.send("DELETE", "Patient/gone", &[], "").await.status, 204);
    client
}

#[tokio::test]
async fn every_interaction_has_the_outcome_of_the_specification() {
    let mut wrong = Vec::new();
    for line in TABLE {
        let Line { what, status, headers, body: kind, .. } = *line;
        let (method, path, header, body) = line.ask;
        let client = filled().await;
        let answer = client.send(method, path, &[header], body).await;
        let parsed: Value = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
        let found = if answer.text.is_empty() { "-" } else { parsed["resourceType"].as_str().unwrap_or("?") };
        let missing: Vec<_> = headers.iter().filter(|name| answer.header(name).is_empty()).collect();
        if answer.status != status || found != kind || !missing.is_empty() {
            wrong.push(format!("{what}: {} {found}, without {missing:?}: {}", answer.status, answer.text));
        }
        if let Some(location) = Some(answer.header("location")).filter(|_| headers.contains(&"location")) {
            assert!(location.starts_with(&format!("{BASE}/Patient/")) && location.contains("/_history/"), "{what}");
        }
        let changes = matches!(method, "POST" | "PUT" | "PATCH" | "DELETE") && path != "Patient/_search";
        if changes && answer.status.is_client_error() {
            let now = client.get("Patient/_history?_count=100").await.json();
            let versions = now["entry"].as_array().map_or(0, Vec::len);
            assert_eq!(versions, 7, "{what}: it was refused and changed something all the same");
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), TABLE.len(), wrong.join("\n"));
}

/// The same in a batch: each entry has the status that it would have by itself; in a transaction one that fails ends all.
#[tokio::test]
async fn entries_have_the_outcomes_of_their_interactions() {
    for (method, url, resource, status) in [
        ("GET", "Patient/p", Value::Null, "200"),
        ("GET", "Patient/x", Value::Null, "404"),
        ("GET", "Patient/gone", Value::Null, "410"),
        ("PUT", "Patient/p", serde_json::from_str(P).unwrap(), "200"),
        ("PUT", "Patient?family=Twin", serde_json::from_str(ANY).unwrap(), "412"),
        ("POST", "Patient", serde_json::from_str(ANY).unwrap(), "201"),
        ("POST", "Patient", serde_json::from_str(WRONG).unwrap(), "422"),
        ("DELETE", "Patient/p", Value::Null, "204"),
        ("DELETE", "Patient?family=Twin", Value::Null, "412"),
    ] {
        let mut entry = json!({ "request": { "method": method, "url": url } });
        if !resource.is_null() {
            entry["resource"] = resource;
        }
        let client = filled().await;
        let batch = json!({ "resourceType": "Bundle", "type": "batch", "entry": [entry] });
        let answer = client.post("", &batch).await;
        let found = answer.json()["entry"][0]["response"]["status"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == 200 && found.starts_with(status), "batch {method} {url}: {found}");
        let client = filled().await;
        let mut transaction = batch.clone();
        transaction["type"] = json!("transaction");
        transaction["entry"].as_array_mut().unwrap().insert(0, json!({ "resource": { "resourceType": "Patient", "id": "first" }, "request": { "method": "PUT", "url": "Patient/first" } }));
        let answer = client.post("", &transaction).await;
        let is_fault = status.starts_with('4');
        assert_eq!(answer.status.is_success(), !is_fault, "transaction {method} {url}: {}", answer.text);
        let first = client.get("Patient/first").await.status;
        assert_eq!(first.as_u16(), if is_fault { 404 } else { 200 }, "transaction {method} {url}");
    }
}
