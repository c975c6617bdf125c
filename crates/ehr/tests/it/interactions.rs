//! Every interaction on one resource, with the specification's outcomes.

use bascule_ehr::{Access, Validation};
use serde_json::json;

use crate::support::{BASE, Client};

fn patient() -> serde_json::Value {
    json!({ "resourceType": "Patient", "id": "p", "name": [{ "family": "Ada" }], "gender": "female" })
}

#[tokio::test]
async fn create_gives_an_id_a_version_and_a_location() {
    let client = Client::new();
    let answer = client.post("Patient", &json!({ "resourceType": "Patient", "id": "mine" })).await;
    assert_eq!(answer.status, 201);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_ne!(id, "mine");
    assert_eq!(answer.header("location"), format!("{BASE}/Patient/{id}/_history/1"));
    assert_eq!(answer.header("etag"), "W/\"1\"");
    assert!(answer.header("last-modified").ends_with("GMT"));
    assert_eq!(answer.json()["meta"]["versionId"], "1");
}

#[tokio::test]
async fn update_creates_then_makes_versions_that_stay_readable() {
    let client = Client::new();
    assert_eq!(client.put(&patient()).await.status, 201);
    let mut changed = patient();
    changed["active"] = json!(true);
    let second = client.put(&changed).await;
    assert_eq!((second.status.as_u16(), second.header("etag")), (200, "W/\"2\""));
    assert_eq!(client.get("Patient/p").await.json()["active"], true);
    assert_eq!(client.get("Patient/p/_history/1").await.json().get("active"), None);
    assert_eq!(client.get("Patient/p/_history/3").await.status, 404);
}

#[tokio::test]
async fn an_update_that_changes_nothing_makes_no_version() {
    let client = Client::new();
    client.put(&patient()).await;
    assert_eq!(client.put(&patient()).await.header("etag"), "W/\"1\"");
}

#[tokio::test]
async fn delete_is_gone_then_back_as_a_new_version() {
    let client = Client::new();
    client.put(&patient()).await;
    assert_eq!(client.send("DELETE", "Patient/p", &[], "").await.status, 204);
    assert_eq!(client.get("Patient/p").await.status, 410);
    client.finds("Patient", &[]).await;
    assert_eq!(client.get("Patient/p/_history/1").await.status, 200);
    assert_eq!(client.send("DELETE", "Patient/p", &[], "").await.status, 204);
    assert_eq!(client.put(&patient()).await.header("etag"), "W/\"3\"");
    assert_eq!(client.get("Patient/p").await.status, 200);
    assert_eq!(client.get("Patient/never").await.status, 404);
}

#[tokio::test]
async fn what_was_written_is_read_to_the_digit() {
    let client = Client::new();
    let body = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.500,"unit":"mg"}}"#;
    client.send("PUT", "Observation/o", &[], body).await;
    let text = client.get("Observation/o").await.text;
    assert!(text.contains(r#""value":1.500,"unit""#), "{text}");
}

#[tokio::test]
async fn history_tells_every_change_newest_first() {
    let client = Client::new();
    client.put(&patient()).await;
    let mut changed = patient();
    changed["active"] = json!(true);
    client.put(&changed).await;
    client.send("DELETE", "Patient/p", &[], "").await;
    for path in ["Patient/p/_history", "Patient/_history", "_history"] {
        let bundle = client.get(path).await.json();
        let methods: Vec<_> =
            bundle["entry"].as_array().unwrap().iter().map(|one| one["request"]["method"].clone()).collect();
        assert_eq!(methods, ["DELETE", "PUT", "POST"], "{path}");
    }
    let first = client.get("Patient/p/_history?_count=2").await;
    assert_eq!(first.json()["total"], 3);
    let second = client.get(&first.link("next").unwrap()).await;
    assert_eq!(second.json()["entry"].as_array().unwrap().len(), 1);
    assert_eq!(second.link("next"), None);
    assert_eq!(client.get("Patient/x/_history").await.status, 404);
}

#[tokio::test]
async fn if_match_guards_a_change() {
    let client = Client::new();
    client.put(&patient()).await;
    let mut changed = patient();
    changed["active"] = json!(true);
    let stale = client.send("PUT", "Patient/p", &[("if-match", "W/\"7\"")], changed.to_string()).await;
    assert_eq!(stale.status, 412);
    let fresh = client.send("PUT", "Patient/p", &[("if-match", "W/\"1\"")], changed.to_string()).await;
    assert_eq!(fresh.status, 200);
    assert_eq!(client.send("DELETE", "Patient/p", &[("if-match", "W/\"1\"")], "").await.status, 412);
    let star = client.send("PUT", "Patient/p", &[("if-none-match", "*")], patient().to_string()).await;
    assert_eq!(star.status, 412);
}

#[tokio::test]
async fn a_conditional_read_spares_the_body() {
    let client = Client::new();
    let put = client.put(&patient()).await;
    let read = client.send("GET", "Patient/p", &[("if-none-match", put.header("etag"))], "").await;
    assert_eq!((read.status.as_u16(), read.text.as_str()), (304, ""));
    let since = client.send("GET", "Patient/p", &[("if-modified-since", put.header("last-modified"))], "").await;
    assert_eq!(since.status, 304);
    let old = client.send("GET", "Patient/p", &[("if-modified-since", "Tue, 14 Nov 2023 22:13:20 GMT")], "").await;
    assert_eq!(old.status, 200);
}

#[tokio::test]
async fn conditional_writes_find_none_one_or_too_many() {
    let client = Client::new();
    let named = |family: &str| json!({ "resourceType": "Patient", "identifier": [{ "system": "s", "value": "1" }], "name": [{ "family": family }] });
    let once = client.send("POST", "Patient", &[("if-none-exist", "identifier=s|1")], named("A").to_string()).await;
    assert_eq!(once.status, 201);
    let again =
        client.send("POST", "Patient", &[("if-none-exist", "Patient?identifier=s|1")], named("A").to_string()).await;
    assert_eq!((again.status.as_u16(), again.json()["id"].clone()), (200, once.json()["id"].clone()));
    let update = client.send("PUT", "Patient?identifier=s|1", &[], named("B").to_string()).await;
    assert_eq!((update.status.as_u16(), update.json()["id"].clone()), (200, once.json()["id"].clone()));
    assert_eq!(client.send("PUT", "Patient?identifier=s|2", &[], named("C").to_string()).await.status, 201);
    assert_eq!(client.send("PUT", "Patient?identifier=s|1", &[], named("C").to_string()).await.status, 412);
    assert_eq!(client.send("DELETE", "Patient?identifier=s|1", &[], "").await.status, 412);
    assert_eq!(client.send("DELETE", "Patient?identifier=s|9", &[], "").await.status, 204);
    assert_eq!(client.send("DELETE", "Patient", &[], "").await.status, 412);
    assert_eq!(client.send("DELETE", "Patient?family=B", &[], "").await.status, 204);
    client.finds("Patient?_summary=count", &[]).await;
}

#[tokio::test]
async fn patches_change_and_are_validated() {
    let client = Client::new();
    client.put(&patient()).await;
    let json_patch = [("content-type", "application/json-patch+json")];
    let done =
        client.send("PATCH", "Patient/p", &json_patch, r#"[{"op":"replace","path":"/gender","value":"male"}]"#).await;
    assert_eq!((done.status.as_u16(), done.json()["gender"].clone()), (200, json!("male")));
    let wrong =
        client.send("PATCH", "Patient/p", &json_patch, r#"[{"op":"replace","path":"/gender","value":"m"}]"#).await;
    assert_eq!(wrong.status, 422);
    let gone = client.send("PATCH", "Patient?family=Nobody", &json_patch, "[]").await;
    assert_eq!(gone.status, 404);
    let fhirpath = json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": [
        { "name": "type", "valueCode": "add" }, { "name": "path", "valueString": "Patient" },
        { "name": "name", "valueString": "birthDate" }, { "name": "value", "valueDate": "1970-01-01" } ] }] });
    let done = client
        .send("PATCH", "Patient?family=Ada", &[("content-type", "application/fhir+json")], fhirpath.to_string())
        .await;
    assert_eq!((done.status.as_u16(), done.json()["birthDate"].clone()), (200, json!("1970-01-01")));
    assert_eq!(client.get("Patient/p").await.json()["gender"], "male");
    for media in ["application/json", "application/merge-patch+json"] {
        let merged = client
            .send("PATCH", "Patient/p", &[("content-type", media)], r#"{"gender":"other","birthDate":null}"#)
            .await;
        assert_eq!((merged.status.as_u16(), merged.json()["gender"].clone()), (200, json!("other")), "{media}");
        assert_eq!(merged.json().get("birthDate"), None);
    }
    let other = r#"{"resourceType":"Group","gender":"other"}"#;
    assert_eq!(client.send("PATCH", "Patient/p", &[("content-type", "application/json")], other).await.status, 400);
    let said = [("content-type", "application/fhir+json")];
    assert_eq!(client.send("PATCH", "Patient/p", &said, r#"{"gender":"male"}"#).await.status, 400);
    let wrong = client.send("PATCH", "Patient/p", &[("content-type", "application/json")], r#"{"gender":"x"}"#).await;
    assert_eq!(wrong.status, 422);
}

#[tokio::test]
async fn prefer_says_what_comes_back() {
    let client = Client::new();
    let minimal = client.send("PUT", "Patient/p", &[("prefer", "return=minimal")], patient().to_string()).await;
    assert_eq!((minimal.status.as_u16(), minimal.text.as_str()), (201, ""));
    let outcome =
        client.send("PUT", "Patient/p", &[("prefer", "return=OperationOutcome")], patient().to_string()).await;
    assert_eq!(outcome.json()["resourceType"], "OperationOutcome");
}

#[tokio::test]
async fn what_is_not_valid_is_refused_with_its_place() {
    let client = Client::new();
    let answer = client.post("Patient", &json!({ "resourceType": "Patient", "gender": "m", "birthdate": "x" })).await;
    assert_eq!(answer.status, 422);
    let outcome = answer.json();
    let places: Vec<_> =
        outcome["issue"].as_array().unwrap().iter().map(|issue| issue["expression"][0].clone()).collect();
    assert_eq!(places, ["Patient.gender", "Patient.birthdate"]);
    for (path, body) in [
        ("Patient", "{"),
        ("Patient", "[]"),
        ("Patient", r#"{"resourceType":"Group"}"#),
        ("Patient", r#"{"id":"1"}"#),
        ("Patient", ""),
    ] {
        assert_eq!(client.send("POST", path, &[], body).await.status, 400, "{body}");
    }
    assert_eq!(client.send("PUT", "Patient/p", &[], r#"{"resourceType":"Patient","id":"q"}"#).await.status, 400);
    assert_eq!(client.send("PUT", "Patient/p", &[], r#"{"resourceType":"Patient"}"#).await.status, 400);
    assert_eq!(client.send("POST", "Patients", &[], "{}").await.status, 404);
}

#[tokio::test]
async fn lenient_stores_what_is_as_it_is() {
    let client = Client::with(|settings| settings.validation = Validation::Lenient);
    let odd = json!({ "resourceType": "Patient", "id": "p", "gender": "m", "extra": { "x": 1 } });
    assert_eq!(client.put(&odd).await.status, 201);
    assert_eq!(client.get("Patient/p").await.json()["extra"]["x"], 1);
}

#[tokio::test]
async fn validate_tells_without_writing() {
    let client = Client::new();
    let good = client.post("Patient/$validate", &patient()).await;
    assert_eq!((good.status.as_u16(), good.json()["issue"][0]["severity"].clone()), (200, json!("information")));
    let wrapped = json!({ "resourceType": "Parameters", "parameter": [{ "name": "resource", "resource": { "resourceType": "Patient", "gender": "m" } }] });
    let bad = client.post("Patient/$validate", &wrapped).await;
    assert_eq!((bad.status.as_u16(), bad.json()["issue"][0]["severity"].clone()), (200, json!("error")));
    client.finds("Patient", &[]).await;
}

#[tokio::test]
async fn xml_is_refused_both_ways() {
    let client = Client::new();
    assert_eq!(client.send("GET", "Patient", &[("accept", "application/fhir+xml")], "").await.status, 406);
    assert_eq!(client.get("Patient?_format=xml").await.status, 406);
    for (method, path, media) in [
        ("POST", "Patient", "application/fhir+xml"),
        ("PUT", "Patient/p", "application/xml"),
        ("PATCH", "Patient/p", "application/xml-patch+xml"),
        ("POST", "", "text/xml; charset=utf-8"),
        ("PUT", "Binary/b", "application/fhir+xml"),
        ("POST", "Patient/$validate", "application/fhir+xml"),
    ] {
        let answer = client.send(method, path, &[("content-type", media)], "<Patient/>").await;
        assert_eq!((answer.status.as_u16(), answer.json()["issue"][0]["code"].clone()), (406, json!("not-supported")));
        assert!(answer.text.contains("JSON"), "{}", answer.text);
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(client.send("POST", "Patient/_search", &form, "_format=xml").await.status, 406);
    let batch = json!({ "resourceType": "Bundle", "type": "batch", "entry": [{ "request": { "method": "GET", "url": "Patient?_format=xml" } }] });
    assert_eq!(client.post("", &batch).await.json()["entry"][0]["response"]["status"], "406 Not Acceptable");
    // A Binary may hold XML: that is a document, not a resource.
    let document = client.send("PUT", "Binary/b", &[("content-type", "application/xml")], "<a/>").await;
    assert_eq!((document.status.as_u16(), document.json()["contentType"].clone()), (201, json!("application/xml")));
}

#[tokio::test]
async fn without_the_bearer_nothing_is_told() {
    let client = Client::with(|settings| settings.access = Access::Bearer("word".to_owned()));
    for path in ["Patient", "metadata", "Patient/1", "nothing/at/all"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    assert_eq!(client.send("GET", "Patient", &[("authorization", "Bearer word")], "").await.status, 200);
}

#[tokio::test]
async fn metadata_lists_what_there_is() {
    let client = Client::new();
    let statement = client.get("metadata").await.json();
    assert_eq!(statement["fhirVersion"], "4.0.1");
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    let patient = resources.iter().find(|one| one["type"] == "Patient").unwrap();
    assert!(patient["searchParam"].as_array().unwrap().iter().any(|one| one["name"] == "birthdate"));
    let checked = client.post("CapabilityStatement/$validate", &statement).await.json();
    assert_eq!(checked["issue"][0]["severity"], "information", "{checked}");
}

#[tokio::test]
async fn head_is_get_without_a_body_and_other_methods_are_told() {
    let client = Client::new();
    client.put(&patient()).await;
    let head = client.send("HEAD", "Patient/p", &[], "").await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    let options = client.send("OPTIONS", "Patient/p", &[], "").await;
    assert_eq!(options.status, 405);
    assert!(!options.header("allow").is_empty());
}

#[tokio::test]
async fn an_open_server_refuses_other_than_loopback() {
    let client = Client::new();
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let served = client.ehr.clone().serve(listener, async {}).await;
    assert!(served.is_err());
}
