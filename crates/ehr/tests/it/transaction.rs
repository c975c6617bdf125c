//! batch and transaction.

use serde_json::{Value, json};

use crate::support::Client;

fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({ "resourceType": "Bundle", "type": kind, "entry": entries })
}

fn post(full_url: &str, resource: &Value) -> Value {
    json!({ "fullUrl": full_url, "resource": resource, "request": { "method": "POST", "url": resource["resourceType"] } })
}

fn observation(subject: &str) -> Value {
    json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" }, "subject": { "reference": subject } })
}

#[tokio::test]
async fn entries_may_refer_to_each_other_in_any_order() {
    let client = Client::new();
    let done = client
        .post(
            "",
            &bundle(
                "transaction",
                &[
                    post("urn:uuid:o", &observation("urn:uuid:p")),
                    post("urn:uuid:p", &json!({ "resourceType": "Patient" })),
                ],
            ),
        )
        .await;
    assert_eq!(done.status, 200, "{}", done.text);
    let done = done.json();
    assert_eq!(done["type"], "transaction-response");
    assert_eq!(done["entry"][0]["response"]["status"], "201 Created");
    let location = done["entry"][1]["response"]["location"].as_str().unwrap();
    let patient = location.split("/_history").next().unwrap();
    let found = client.get(&format!("Observation?subject={patient}")).await.json();
    assert_eq!(found["entry"][0]["resource"]["subject"]["reference"], patient);
}

#[tokio::test]
async fn one_fault_undoes_all() {
    let client = Client::new();
    client.store(&[json!({ "resourceType": "Patient", "id": "p" })]).await;
    let stale = json!({ "resource": { "resourceType": "Patient", "id": "p", "active": true }, "request": { "method": "PUT", "url": "Patient/p", "ifMatch": "W/\"9\"" } });
    let done = client.post("", &bundle("transaction", &[post("urn:uuid:o", &observation("Patient/p")), stale])).await;
    assert_eq!(done.status, 412);
    assert!(done.json()["issue"][0]["expression"][0].as_str().unwrap().starts_with("Bundle.entry[1]"));
    client.finds("Observation", &[]).await;
    assert_eq!(client.get("Patient/p").await.header("etag"), "W/\"1\"");
    let invalid =
        client.post("", &bundle("transaction", &[post("urn:uuid:o", &json!({ "resourceType": "Observation" }))])).await;
    assert_eq!(invalid.status, 422);
}

#[tokio::test]
async fn conditions_hold_within_a_transaction() {
    let client = Client::new();
    client
        .store(&[
            json!({ "resourceType": "Practitioner", "id": "d", "identifier": [{ "system": "npi", "value": "7" }] }),
        ])
        .await;
    let mut known = post(
        "urn:uuid:d",
        &json!({ "resourceType": "Practitioner", "identifier": [{ "system": "npi", "value": "7" }] }),
    );
    known["request"]["ifNoneExist"] = json!("identifier=npi|7");
    let encounter = |who: &str| {
        post(
            "urn:uuid:e",
            &json!({ "resourceType": "Encounter", "status": "finished", "class": { "code": "AMB" }, "participant": [{ "individual": { "reference": who } }] }),
        )
    };
    let done = client.post("", &bundle("transaction", &[known, encounter("urn:uuid:d")])).await.json();
    assert_eq!(done["entry"][0]["response"]["status"], "200 OK");
    let done = client.post("", &bundle("transaction", &[encounter("Practitioner?identifier=npi|7")])).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(client.get("Encounter?practitioner=Practitioner/d").await.json()["total"], 2);
    let done = client.post("", &bundle("transaction", &[encounter("Practitioner?identifier=npi|8")])).await;
    assert_eq!(done.status, 412);
}

#[tokio::test]
async fn the_same_resource_cannot_be_changed_twice() {
    let client = Client::new();
    let put = json!({ "resource": { "resourceType": "Patient", "id": "p" }, "request": { "method": "PUT", "url": "Patient/p" } });
    assert_eq!(client.post("", &bundle("transaction", &[put.clone(), put])).await.status, 400);
}

#[tokio::test]
async fn a_transaction_reads_what_it_wrote() {
    let client = Client::new();
    let put = json!({ "resource": { "resourceType": "Patient", "id": "p" }, "request": { "method": "PUT", "url": "Patient/p" } });
    let get = json!({ "request": { "method": "GET", "url": "Patient/p" } });
    let done = client.post("", &bundle("transaction", &[get, put])).await.json();
    assert_eq!(done["entry"][0]["resource"]["id"], "p");
}

#[tokio::test]
async fn entries_of_a_batch_stand_alone() {
    let client = Client::new();
    let entries = [
        post("urn:uuid:p", &json!({ "resourceType": "Patient", "gender": "nonsense" })),
        post("urn:uuid:q", &json!({ "resourceType": "Patient" })),
        json!({ "request": { "method": "GET", "url": "Patient/none" } }),
        json!({ "request": { "method": "GET", "url": "Patient?_summary=count" } }),
        json!({ "request": { "method": "FLY", "url": "Patient" } }),
        json!({}),
    ];
    let done = client.post("", &bundle("batch", &entries)).await.json();
    let status: Vec<_> = done["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["response"]["status"].as_str().unwrap()[..3].to_owned())
        .collect();
    assert_eq!(status, ["422", "201", "404", "200", "405", "400"]);
    assert_eq!(done["entry"][0]["response"]["outcome"]["resourceType"], "OperationOutcome");
    assert_eq!(done["entry"][3]["resource"]["total"], 1);
    assert_eq!(client.post("", &bundle("document", &[])).await.status, 400);
}
