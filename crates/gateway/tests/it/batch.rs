//! Batches and transactions: each entry is decided, filtered and recorded by itself.

use http::Method;
use serde_json::{Value, json};

use crate::house::{Answer, Caller, House, hospital};
use crate::upstream::Toy;

async fn post(house: &House, token: &str, kind: &str, requests: &[(&str, &str, Value)]) -> Answer {
    let entries: Vec<Value> = requests
        .iter()
        .map(|(method, url, resource)| {
            let mut entry = json!({ "request": { "method": method, "url": url } });
            if !resource.is_null() {
                entry["resource"] = resource.clone();
            }
            entry
        })
        .collect();
    let bundle = json!({ "resourceType": "Bundle", "type": kind, "entry": entries });
    let headers = [("content-type", "application/fhir+json")];
    house.ask(Method::POST, token, "", &headers, &bundle.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_of_a_batch_walks_by_itself() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let get = |url: &'static str| ("GET", url, Value::Null);
    let requests = [
        get("Observation/oa"),
        get("Observation/ob"),
        get("Patient/b"),
        get("Observation?patient=b"),
        get("Patient/a"),
    ];
    let answer = post(&house, &house.patient("a"), "batch", &requests).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.text.contains("TOKEN-OF-B") && !answer.text.contains("Beta"), "{}", answer.text);
    let bundle = answer.json();
    assert_eq!(bundle["type"], "batch-response");
    let entries = bundle["entry"].as_array().unwrap();
    assert_eq!(entries.len(), requests.len());
    assert_eq!(entries[0]["resource"]["id"], "oa");
    assert_eq!(entries[0]["response"]["status"], "200 OK");
    assert_eq!(entries[1]["response"]["status"], "404 Not Found");
    assert_eq!(entries[1]["response"]["outcome"]["resourceType"], "OperationOutcome");
    assert_eq!(entries[4]["resource"]["id"], "a");
    let log = house.entries().await;
    assert_eq!(log.len(), requests.len() + 1, "one for each entry, and one for the envelope");
    let envelope = log.last().unwrap();
    assert_eq!(envelope["interaction"], "batch");
    assert_eq!(envelope["inner"].as_array().unwrap().len(), requests.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_may_not_hold_more_than_its_bound() {
    let toy = Toy::start(hospital()).await;
    let limits = bascule_gateway::Limits { batch_entries_max: 2, ..Default::default() };
    let house = House::with(&format!("http://{}/fhir", toy.address), limits).await;
    let requests = vec![("GET", "Observation/oa", Value::Null); 3];
    let answer = post(&house, &house.patient("a"), "batch", &requests).await;
    assert_eq!(answer.status, 413, "{}", answer.text);
    assert_eq!(toy.asked().len(), 0);
}

fn appointment(status: &str) -> Value {
    json!({ "resourceType": "Appointment", "status": status, "start": "2026-12-02T10:00:00Z",
        "participant": [{ "actor": { "reference": "Patient/a" }, "status": "accepted" }] })
}

fn scheduler_and_more(house: &House) -> String {
    house.token(&Caller {
        roles: &["scheduler"],
        scopes: "user/*.cruds",
        patient: None,
        fhir_user: None,
        purpose: "HOPERAT",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_passes_only_if_every_entry_is_permitted() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = scheduler_and_more(&house);
    let allowed = ("POST", "Appointment", appointment("booked"));
    let forbidden = ("POST", "Observation", json!({ "resourceType": "Observation", "status": "final" }));
    let refused = post(&house, &token, "transaction", &[allowed.clone(), forbidden]).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(toy.asked().len(), 0, "nothing of it went upstream");
    let passed = post(&house, &token, "transaction", &[allowed.clone(), allowed]).await;
    assert_eq!(passed.status, 200, "{}", passed.text);
    let asked = toy.asked();
    assert_eq!(asked.len(), 1, "one call");
    assert!(asked[0].body.contains("\"transaction\""), "{}", asked[0].body);
    assert_eq!(passed.json()["type"], "transaction-response");
    let entry = &passed.json()["entry"][0];
    assert_eq!(entry["response"]["status"], "201 Created");
    assert_eq!(entry["response"]["location"], "https://bridge.example/fhir/Appointment/new/_history/1");
    assert!(!passed.text.contains("HIDDEN"));
}
