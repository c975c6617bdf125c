//! Answers too large to hold.

use bascule_gateway::Limits;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::house::{House, hospital};
use crate::upstream::Toy;

/// Two thousand observations, half of them of another patient.
fn many() -> Vec<Value> {
    let observation = |number: usize| {
        let patient = if number.is_multiple_of(2) { "a" } else { "b" };
        json!({
            "resourceType": "Observation", "id": format!("o{number}"), "status": "final",
            "code": { "text": format!("TOKEN-OF-{patient}") },
            "subject": { "reference": format!("Patient/{patient}") },
        })
    };
    hospital().into_iter().chain((0..2_000).map(observation)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_streams_through_the_same_filter() {
    let toy = Toy::start(many()).await;
    let limits = Limits { hold_bytes_max: 16_384, ..Limits::default() };
    let house = House::with(&format!("http://{}/fhir", toy.address), limits).await;
    let answer = house.get(&house.patient("a"), "/Observation?status=final").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.resources().len(), 1_001);
    assert!(!answer.text.contains("TOKEN-OF-b") && !answer.text.contains("127.0.0.1"));
    assert_eq!(answer.headers["cache-control"], "no-store");
    let entries = house.entries().await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!((entries[0]["kind"].clone(), entries[0]["patients"].clone()), (json!("access"), json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_its_bound_is_broken_off_and_said_so() {
    let toy = Toy::start(many()).await;
    let limits = Limits { hold_bytes_max: 16_384, stream_bytes_max: 100_000, ..Limits::default() };
    let house = House::with(&format!("http://{}/fhir", toy.address), limits).await;
    let request = http::Request::get("/fhir/Observation?status=final")
        .header("authorization", format!("Bearer {}", house.patient("a")))
        .body(bascule_wire::empty())
        .unwrap();
    let answer = house.send(request).await;
    let body = answer.into_body().collect().await;
    assert!(body.is_err(), "a part must not be taken for the whole");
    let entries = house.entries().await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["kind"], "broken-off");
    assert_eq!(entries[0]["cause"], "stream-bytes-max");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_does_not_stop_the_walk() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let request = http::Request::get("/fhir/Observation?status=final")
        .header("authorization", format!("Bearer {}", house.patient("a")))
        .body(bascule_wire::empty())
        .unwrap();
    let hanging_up = tokio::time::timeout(std::time::Duration::from_millis(1), house.send(request)).await;
    drop(hanging_up);
    for _ in 0..100 {
        if !house.entries().await.is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the walk left no entry");
}
