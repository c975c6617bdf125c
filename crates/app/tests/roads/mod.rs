//! Attacks against the real binary in front of a real EHR: a patient on every road to another patient's chart, and the
//! scheduling app's answers searched for every word that it must not see.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Demo};

const OWN: &str = "p0001";
const OTHER: &str = "p0002";
/// Types of a chart that the demo fills.
const TYPES: [&str; 22] = [
    "AllergyIntolerance",
    "Appointment",
    "CarePlan",
    "CareTeam",
    "Claim",
    "Communication",
    "Condition",
    "Coverage",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "ExplanationOfBenefit",
    "Goal",
    "ImagingStudy",
    "Immunization",
    "MedicationDispense",
    "MedicationRequest",
    "Observation",
    "Procedure",
    "Provenance",
    "ServiceRequest",
    "Specimen",
];

type Found = BTreeSet<(String, String)>;

/// The resources in an answer, at any depth.
fn resources_in(value: &Value, found: &mut Found) {
    match value {
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
            if let (Some(kind), Some(id)) = (text("resourceType"), text("id")) {
                found.insert((kind, id));
            }
            fields.values().for_each(|value| resources_in(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| resources_in(value, found)),
        _ => {}
    }
}

/// What lies in a patient's chart, as the EHR itself says, less what lies in the other's too.
async fn chart(demo: &Demo, patient: &str, not: &Found) -> Found {
    let mut found = Found::from([("Patient".to_owned(), patient.to_owned())]);
    for kind in TYPES {
        let answer = demo.raw(&format!("/{kind}?patient={patient}&_count=500")).await;
        let bundle = answer.json();
        for entry in bundle["entry"].as_array().into_iter().flatten() {
            let text = |name: &str| entry["resource"][name].as_str().unwrap_or_default().to_owned();
            found.insert((text("resourceType"), text("id")));
        }
    }
    found.difference(not).cloned().collect()
}

/// One attacker with a token, who counts.
struct Attacker<'a> {
    demo: &'a Demo,
    token: String,
    foreign: Found,
    asked: usize,
    own_found: usize,
    /// The ids of the requests, each of which must have its entry.
    requests: Vec<String>,
}

impl Attacker<'_> {
    async fn tries(&mut self, method: Method, road: &str, kind: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("authorization", bearer.as_str())];
        if !kind.is_empty() {
            headers.push(("content-type", kind));
        }
        let body = (!body.is_empty()).then(|| body.as_bytes().to_vec());
        let answer = self.demo.send(method, road, &headers, body).await;
        self.asked += 1;
        self.requests.push(answer.headers["x-request-id"].to_str().unwrap().to_owned());
        let mut found = Found::new();
        resources_in(&answer.json(), &mut found);
        let leaked: Vec<_> = found.intersection(&self.foreign).collect();
        assert!(leaked.is_empty(), "{road}: {} {leaked:?}", answer.status);
        self.own_found += found.len();
        answer
    }

    async fn gets(&mut self, road: &str) -> Answer {
        self.tries(Method::GET, &format!("/fhir{road}"), "", "").await
    }

    /// A search, and the pages that follow it.
    async fn searches(&mut self, road: &str) {
        let mut answer = self.gets(road).await;
        for _ in 0..3 {
            let Some(next) = link(&answer, "next") else { break };
            answer = self.tries(Method::GET, &next, "", "").await;
        }
    }
}

fn link(answer: &Answer, relation: &str) -> Option<String> {
    let bundle = answer.json();
    let links = bundle["link"].as_array()?;
    links.iter().find(|link| link["relation"] == relation)?["url"].as_str().map(ToOwned::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_finds_no_road_to_another_patients_chart() {
    let mut demo = Demo::start(&["--patients", "12"]);
    let token = demo.token("amelie");
    let own = chart(&demo, OWN, &Found::new()).await;
    let foreign = chart(&demo, OTHER, &own).await;
    assert!(foreign.len() > 20, "the other chart has something in it");
    let mut attacker =
        Attacker { demo: &demo, token, foreign: foreign.clone(), asked: 0, own_found: 0, requests: Vec::new() };
    for (kind, id) in &foreign {
        for road in [
            format!("/{kind}/{id}"),
            format!("/{kind}/{id}/_history"),
            format!("/{kind}/{id}/_history/1"),
            format!("/{kind}?_id={id}"),
            format!("/{kind}?_id={id}&_include=*"),
        ] {
            attacker.gets(&road).await;
        }
        let form = "application/x-www-form-urlencoded";
        attacker.tries(Method::POST, &format!("/fhir/{kind}/_search"), form, &format!("_id={id}")).await;
        let bundle = json!({ "resourceType": "Bundle", "type": "batch", "entry": [
            { "request": { "method": "GET", "url": format!("{kind}/{id}") } },
            { "request": { "method": "GET", "url": format!("{kind}?_id={id}") } },
        ]});
        attacker.tries(Method::POST, "/fhir", "application/fhir+json", &bundle.to_string()).await;
    }
    for kind in foreign.iter().map(|(kind, _)| kind).collect::<BTreeSet<_>>() {
        for road in [
            format!("/{kind}"),
            format!("/{kind}/_history"),
            format!("/{kind}?patient={OTHER}"),
            format!("/{kind}?subject=Patient/{OTHER}"),
            format!("/{kind}?patient={OWN},{OTHER}"),
            format!("/{kind}?patient:Patient.family=a"),
            format!("/Patient/{OTHER}/{kind}"),
            format!("/Patient?_has:{kind}:patient:_id=x"),
            format!("/Patient?_revinclude={kind}:patient"),
            format!("/Patient?_revinclude:iterate={kind}:patient"),
        ] {
            attacker.searches(&road).await;
        }
    }
    for road in [format!("/Patient/{OTHER}/$everything"), format!("/Patient/{OWN}/$everything"), "/_history".into()] {
        attacker.gets(&road).await;
    }
    assert!(attacker.own_found > 100, "the own chart is found on the same roads");
    println!("{} requests for {} resources of another patient: none came", attacker.asked, foreign.len());
    let logged = demo.events();
    let missing = attacker.requests.iter().filter(|id| !logged.contains(id.as_str())).count();
    assert_eq!(missing, 0, "of {} requests some have no entry", attacker.requests.len());
}

/// Words by which a person or a condition would be told: displays, texts, narratives, notes.
fn words(value: &Value, key: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| words(value, key, into)),
        Value::Array(values) => values.iter().for_each(|value| words(value, key, into)),
        Value::String(text) if text.len() > 3 => {
            if matches!(key, "display" | "text" | "div" | "description" | "comment" | "title") {
                into.insert(text.clone());
            }
        }
        _ => {}
    }
}

/// Every resource of a type at the EHR itself.
async fn all(demo: &Demo, kind: &str) -> Vec<Value> {
    let answer = demo.raw(&format!("/{kind}?_count=1000")).await;
    let bundle = answer.json();
    bundle["entry"].as_array().into_iter().flatten().map(|entry| entry["resource"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheduling_app_reads_every_appointment_and_no_word_of_a_diagnosis() {
    let mut demo = Demo::start(&["--patients", "12"]);
    let token = demo.token("scheduler-app");
    let mut seen = String::new();
    for start in ["/Appointment?_count=7", "/Patient?_count=3"] {
        let mut next = Some(format!("/fhir{start}"));
        while let Some(road) = next.take() {
            let answer = demo.get(&token, &road).await;
            assert_eq!(answer.status, 200, "{road}: {}", String::from_utf8_lossy(&answer.body));
            next = link(&answer, "next");
            let bundle = answer.json();
            bundle["entry"].as_array().into_iter().flatten().for_each(|entry| seen += &entry["resource"].to_string());
        }
    }
    let appointments = all(&demo, "Appointment").await;
    assert!(appointments.len() > 20, "{}", appointments.len());
    // What 42 CFR part 2 protects is withheld whole: that there was such an appointment tells already.
    let (protected, open): (Vec<&Value>, Vec<&Value>) =
        appointments.iter().partition(|one| one["meta"]["security"].to_string().contains("42CFRPart2"));
    assert!(!protected.is_empty());
    assert_eq!(seen.matches("\"resourceType\":\"Appointment\"").count(), open.len());
    assert!(protected.iter().all(|one| !seen.contains(one["id"].as_str().unwrap())));
    let mut hidden = BTreeSet::new();
    appointments.iter().for_each(|one| words(one, "", &mut hidden));
    for kind in TYPES {
        all(&demo, kind).await.iter().for_each(|one| words(one, "", &mut hidden));
    }
    let mut granted = BTreeSet::from(["Appointment".to_owned(), "Patient".to_owned()]);
    all(&demo, "Patient").await.iter().for_each(|one| words(&one["name"], "", &mut granted));
    let leaked: Vec<_> = hidden.iter().filter(|word| !granted.contains(*word) && seen.contains(*word)).collect();
    assert!(leaked.is_empty(), "{leaked:?}");
    println!("{} appointments, {} hidden words, {} bytes seen", appointments.len(), hidden.len(), seen.len());
}
