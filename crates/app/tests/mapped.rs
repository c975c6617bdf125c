//! HL7 v2 messages that others made, mapped and sent to the embedded EHR: each transaction is valid R4, and the same message
//! sent twice leaves the chart as it was.

#[path = "../../hl7/tests/collection/mod.rs"]
mod collection;

use bascule_ehr::{Access, Ehr, Settings, Validation};
use bascule_exchange::map::{Known, Partner, map};
use bascule_hl7::{Limits, Message, split};
use collection::files;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tower::ServiceExt as _;

async fn ask(ehr: &Ehr, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://ehr.test/fhir{path}"))
        .header("content-type", "application/fhir+json")
        .body(axum::body::Body::from(body.map(Value::to_string).unwrap_or_default()))
        .unwrap();
    let response = ehr.router().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

async fn patient(ehr: &Ehr, id: &str) -> Option<Value> {
    let founded = json!({ "resourceType": "Patient", "id": id, "photo": [{ "title": "stays" }] });
    let (status, _) = ask(ehr, "PUT", &format!("/Patient/{id}"), Some(&founded)).await;
    assert!(matches!(status, 200 | 201), "{status}");
    Some(ask(ehr, "GET", &format!("/Patient/{id}"), None).await.1)
}

async fn total(ehr: &Ehr) -> u64 {
    let types = [
        "Patient",
        "Encounter",
        "Observation",
        "DiagnosticReport",
        "ServiceRequest",
        "Specimen",
        "DocumentReference",
        "Appointment",
        "ChargeItem",
        "Immunization",
        "MedicationRequest",
        "MedicationDispense",
        "Coverage",
        "Condition",
        "Procedure",
        "AllergyIntolerance",
        "RelatedPerson",
        "Provenance",
    ];
    let mut sum = 0;
    for kind in types {
        sum += ask(ehr, "GET", &format!("/{kind}?_summary=count"), None).await.1["total"].as_u64().unwrap();
    }
    sum
}

#[tokio::test]
async fn every_mapped_message_is_valid_r4_and_is_written_once() {
    let Some((_, paths)) = files() else { return };
    let folder = tempfile::tempdir().unwrap();
    let access = Access::Open;
    let settings = Settings {
        validation: Validation::Strict,
        ..Settings::new(folder.path().join("ehr.db"), "http://ehr.test/fhir", access)
    };
    let ehr = Ehr::open(settings).unwrap();
    let partner = Partner {
        name: "sender".into(),
        base: "http://sender.example".into(),
        authorities: BTreeMap::new(),
        offset_minutes: 0,
    };
    let (mut sent, mut faults) = (0, Vec::new());
    for path in &paths {
        let bytes = std::fs::read(path).unwrap();
        let Ok(batches) = split(&bytes) else { continue };
        for message in batches.messages().filter_map(|bytes| Message::read(bytes, &Limits::default()).ok()) {
            let known = Known {
                patient: patient(&ehr, "kept").await,
                merged: patient(&ehr, "gone").await,
                orders: BTreeMap::new(),
            };
            let Ok(mapped) = map(&message, &partner, &known) else { continue };
            let (status, answer) = ask(&ehr, "POST", "", Some(&mapped.bundle)).await;
            if status != 200 {
                faults.push(format!("{}: {status} {answer}", path.display()));
                continue;
            }
            sent += 1;
            let before = total(&ehr).await;
            let known = Known {
                patient: patient(&ehr, "kept").await,
                merged: patient(&ehr, "gone").await,
                orders: BTreeMap::new(),
            };
            let again = map(&message, &partner, &known).unwrap();
            let (status, answer) = ask(&ehr, "POST", "", Some(&again.bundle)).await;
            assert_eq!(status, 200, "sent again: {} {answer}", path.display());
            assert_eq!(total(&ehr).await, before, "{}", path.display());
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), sent + faults.len(), faults.join("\n"));
    assert!(sent >= 150, "{sent}");
}
