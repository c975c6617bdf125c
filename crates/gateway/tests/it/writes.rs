//! Writes: only granted elements are set, and what the writer could not see survives.

use http::Method;
use serde_json::{Value, json};

use crate::house::{Answer, Caller, House, hospital};
use crate::upstream::Toy;

const FHIR: (&str, &str) = ("content-type", "application/fhir+json");
const FIRST: (&str, &str) = ("if-match", "W/\"1\"");

async fn put(house: &House, token: &str, id: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers: Vec<_> = headers.iter().copied().chain([FHIR]).collect();
    house.ask(Method::PUT, token, &format!("/Appointment/{id}"), &headers, &body.to_string()).await
}

fn moved(id: &str) -> Value {
    json!({
        "resourceType": "Appointment", "id": id, "status": "booked",
        "start": "2026-12-05T10:00:00Z", "end": "2026-12-05T10:30:00Z",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_is_granted_and_keeps_the_rest() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let answer = put(&house, &house.scheduler(), "aa", &[FIRST], &moved("aa")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.text.contains("HIDDEN"), "{}", answer.text);
    let now = toy.resource("Appointment", "aa").unwrap();
    assert_eq!(now["start"], "2026-12-05T10:00:00Z");
    assert_eq!(now["description"], "HIDDEN-DIAGNOSIS", "what the writer cannot see survives");
    assert_eq!(now["contained"][0]["code"]["text"], "HIDDEN-CONTAINED");
    let asked = toy.asked();
    assert_eq!(asked.last().unwrap().headers["if-match"], "W/\"1\"", "nothing changes in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_is_not_granted_is_not_written() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.scheduler();
    let mut body = moved("aa");
    body["description"] = json!("changed");
    let answer = put(&house, &token, "aa", &[FIRST], &body).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert!(answer.text.contains("`description`"), "{}", answer.text);
    body = json!({ "resourceType": "Appointment", "status": "booked", "description": "new" });
    let created = house.ask(Method::POST, &token, "/Appointment", &[FHIR], &body.to_string()).await;
    assert_eq!(created.status, 403, "{}", created.text);
    assert_eq!(toy.resource("Appointment", "aa").unwrap()["description"], "HIDDEN-DIAGNOSIS");
    assert!(toy.asked().iter().all(|asked| asked.method == "GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subsetted_copy_is_not_written_back() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.scheduler();
    let copy = house.get(&token, "/Appointment/aa").await.json();
    let answer = put(&house, &token, "aa", &[FIRST], &copy).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(answer.text.contains("PATCH"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_than_the_one_named_is_not_changed() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let answer = put(&house, &house.scheduler(), "aa", &[("if-match", "W/\"7\"")], &moved("aa")).await;
    assert_eq!(answer.status, 412, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_another_resource_than_the_path_names_is_refused() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.scheduler();
    assert_eq!(put(&house, &token, "aa", &[FIRST], &moved("ab")).await.status, 400);
    let other = json!({ "resourceType": "Observation", "id": "aa" });
    assert_eq!(put(&house, &token, "aa", &[FIRST], &other).await.status, 400);
    let xml = [("content-type", "application/fhir+xml")];
    assert_eq!(house.ask(Method::PUT, &token, "/Appointment/aa", &xml, "<Appointment/>").await.status, 415);
    assert_eq!(toy.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_created_is_found_at_the_bridge() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let body = json!({
        "resourceType": "Appointment", "status": "booked", "start": "2026-12-05T10:00:00Z",
        "participant": [{ "actor": { "reference": "https://bridge.example/fhir/Patient/a" }, "status": "accepted" }],
    });
    let token = house.scheduler();
    let answer = house.ask(Method::POST, &token, "/Appointment", &[FHIR], &body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.headers["location"], "https://bridge.example/fhir/Appointment/new/_history/1");
    let kept = toy.resource("Appointment", "new").unwrap();
    let reference = kept["participant"][0]["actor"]["reference"].as_str().unwrap();
    assert_eq!(reference, format!("http://{}/fhir/Patient/a", toy.address), "references stand on the upstream's base");
    let entries = house.entries().await;
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0]["interaction"].clone(), entries[0]["patients"].clone()), (json!("create"), json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_role_grants_is_not_done() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.scheduler();
    assert_eq!(house.ask(Method::DELETE, &token, "/Appointment/aa", &[], "").await.status, 403);
    let patch = [("content-type", "application/json-patch+json")];
    let operations = "[{\"op\":\"remove\",\"path\":\"/description\"}]";
    assert_eq!(house.ask(Method::PATCH, &token, "/Appointment/aa", &patch, operations).await.status, 403);
    assert_eq!(toy.asked().len(), 0);
}

/// A patient who may also write.
fn writing_patient(house: &House, id: &str) -> String {
    let fhir_user = format!("Patient/{id}");
    house.token(&Caller {
        roles: &["patient"],
        scopes: "patient/*.cruds",
        patient: Some(id),
        fhir_user: Some(&fhir_user),
        purpose: "PATRQT",
    })
}

async fn patch(house: &House, token: &str, id: &str, operations: Value) -> Answer {
    let kind = [("content-type", "application/json-patch+json"), ("if-match", "W/\"1\"")];
    house.ask(Method::PATCH, token, &format!("/Appointment/{id}"), &kind, &operations.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_cancels_the_own_appointment_and_nobody_elses() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = writing_patient(&house, "a");
    let cancel = |status: &str| json!([{ "op": "replace", "path": "/status", "value": status }]);
    let other = patch(&house, &token, "ab", cancel("cancelled")).await;
    let none = patch(&house, &token, "none", cancel("cancelled")).await;
    assert_eq!((other.status, none.status), (404, 404), "{} {}", other.text, none.text);
    assert_eq!(patch(&house, &token, "aa", cancel("arrived")).await.status, 403);
    let start = json!([{ "op": "replace", "path": "/start", "value": "2027-01-01T10:00:00Z" }]);
    assert_eq!(patch(&house, &token, "aa", start).await.status, 403);
    assert!(toy.asked().iter().all(|asked| asked.method == "GET"), "nothing was changed");
    let own = patch(&house, &token, "aa", cancel("cancelled")).await;
    let sent = toy.asked();
    let last = sent.last().unwrap();
    assert_eq!((last.method.as_str(), last.address.as_str()), ("PATCH", "/Appointment/aa"), "{}", own.text);
    assert_eq!(last.headers["if-match"], "W/\"1\"");
    let entries = house.entries().await;
    assert_eq!(entries.len(), 5);
}
