//! Who treats is told that something of a safety type is withheld, though not what; nobody else is, and not where a label
//! protects even the fact.

use serde_json::{Value, json};

use crate::house::{Answer, Caller, House, hospital};
use crate::upstream::Toy;

/// What a physician of this house does not see, and what is a secret even as a fact.
const POLICY: &str = r#"
[role.doctor]
title    = "Physicians who do not see restricted results"
purpose  = ["TREAT"]
api      = "ehr"
treating = true

[[role.doctor.grant]]
resource     = ["Observation", "Patient", "Appointment"]
patients     = "everyone"
interactions = ["read", "search"]
elements     = "*"

[[role.doctor.deny]]
resource = "*"
labels   = ["http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R"]

[role.desk]
title   = "Not treating"
purpose = ["HOPERAT"]
api     = "ehr"

[[role.desk.grant]]
resource     = "Observation"
patients     = "everyone"
interactions = ["read", "search"]
elements     = "*"

[[role.desk.deny]]
resource = "*"
labels   = ["http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R"]
"#;

/// One more observation, with that label.
async fn house(kind: &str, system: &str, code: &str) -> (Toy, House) {
    let mut resources = hospital();
    resources.push(json!({ "resourceType": kind, "id": "hidden", "status": "final", "code": { "text": "RESTRICTED" },
        "meta": { "security": [{ "system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": code }] },
        "subject": { "reference": "Patient/a" } }));
    let toy = Toy::start(resources).await;
    let house = House::before(toy.address).await;
    house.add_policy(POLICY);
    (toy, house)
}

fn token(house: &House, role: &str, purpose: &str) -> String {
    house.token(&Caller { roles: &[role], scopes: "user/*.rs", patient: None, fhir_user: None, purpose })
}

/// The codes of the outcomes in a Bundle.
fn told(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.text.contains("RESTRICTED") && !answer.text.contains("hidden"), "{}", answer.text);
    let bundle = answer.json();
    let outcomes = bundle["entry"].as_array().unwrap().iter().filter(|entry| entry["search"]["mode"] == "outcome");
    let codes = outcomes.map(|entry| entry["resource"]["issue"][0]["code"].as_str().unwrap().to_owned());
    codes.collect::<Vec<_>>()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_treats_is_told_that_a_result_is_withheld() {
    let (_toy, house) = house("Observation", "v3-Confidentiality", "R").await;
    let answer = house.get(&token(&house, "doctor", "TREAT"), "/Observation?status=final").await;
    assert_eq!(told(&answer), ["suppressed"], "{}", answer.text);
    assert_eq!(answer.resources().len(), 2);
    let outcome: Vec<Value> = answer.json()["entry"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["search"]["mode"] == "outcome")
        .cloned()
        .collect();
    assert!(!outcome[0].to_string().contains("Observation"), "that, and not what");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_treat_is_told_nothing() {
    let (_toy, house) = house("Observation", "v3-Confidentiality", "R").await;
    let answer = house.get(&token(&house, "desk", "HOPERAT"), "/Observation?status=final").await;
    assert!(told(&answer).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_protects_even_the_fact_is_kept() {
    let (_toy, house) = house("Observation", "v3-ActCode", "42CFRPart2").await;
    let answer = house.get(&token(&house, "doctor", "TREAT"), "/Observation?status=final").await;
    assert!(told(&answer).is_empty(), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_safety_type_is_not_told() {
    let (_toy, house) = house("Appointment", "v3-Confidentiality", "R").await;
    let answer = house.get(&token(&house, "doctor", "TREAT"), "/Appointment").await;
    assert!(told(&answer).is_empty(), "{}", answer.text);
}
