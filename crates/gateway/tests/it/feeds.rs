//! Consents and relations that the chart keeps: when each acts, and that what cannot be read lets nobody in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bascule_fhir::Id;
use bascule_gateway::settings::{ConsentFeed, Feeds, RelationFeed};
use http::Method;
use serde_json::{Value, json};

use crate::house::{Caller, House, now};
use crate::upstream::{Toy, answer, reply};

/// A role that keeps Consents.
const REGISTRAR: &str = r#"
[role.registrar]
title   = "Keeps what patients consented to"
purpose = ["PATADMIN"]
api     = "ehr"

[[role.registrar.grant]]
resource     = "Consent"
interactions = ["read", "create", "update", "delete"]
elements     = "*"
writes       = "*"
because      = "a test"
"#;

/// What is answered while a fact is not known: not the caller's fault, and worth another try.
const UNKNOWN: u16 = 503;

fn consent(id: &str, kind: &str, status: &str) -> Value {
    json!({
        "resourceType": "Consent", "id": id, "status": status,
        "scope": { "coding": [{ "code": "patient-privacy" }] },
        "category": [{ "coding": [{ "code": "IDSCL" }] }],
        "patient": { "reference": "Patient/a" },
        "provision": { "type": kind, "class": [{ "code": "Patient" }] },
    })
}

fn chart() -> Vec<Value> {
    vec![
        json!({ "resourceType": "Patient", "id": "a", "name": [{ "family": "A" }] }),
        json!({ "resourceType": "CareTeam", "id": "t", "status": "active", "subject": { "reference": "Patient/a" },
                "participant": [{ "member": { "reference": "Practitioner/d1" } }] }),
    ]
}

/// A chart that searches by type, and tells nothing of Consents while it is `broken`: from the next write on, if `armed`.
async fn toy(broken: Arc<AtomicBool>, armed: Arc<AtomicBool>) -> Toy {
    Toy::answering(chart(), move |resources, asked, base| {
        let path = asked.address.split('?').next().unwrap();
        if asked.method == "PUT" && armed.load(Ordering::Relaxed) {
            broken.store(true, Ordering::Relaxed);
        }
        if asked.method == "GET" && path.starts_with("/Consent") && broken.load(Ordering::Relaxed) {
            return reply(500, json!({}), &[]);
        }
        let kind = path.trim_matches('/');
        if asked.method == "GET"
            && ["Consent", "CareTeam", "Encounter", "Appointment", "ServiceRequest"].contains(&kind)
        {
            let active = |one: &&Value| one["resourceType"] == kind && one["status"] == "active";
            let entries: Vec<Value> = resources.iter().filter(active).map(|one| json!({ "resource": one })).collect();
            return reply(200, json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries }), &[]);
        }
        answer(resources, &asked.method, path, &asked.body, base)
    })
    .await
}

struct Scene {
    toy: Toy,
    house: House,
    physician: String,
    registrar: String,
    broken: Arc<AtomicBool>,
    armed: Arc<AtomicBool>,
}

async fn scene() -> Scene {
    let broken = Arc::new(AtomicBool::new(false));
    let armed = Arc::new(AtomicBool::new(false));
    let toy = toy(Arc::clone(&broken), Arc::clone(&armed)).await;
    let feeds = Feeds {
        consents: Some(ConsentFeed { poll_seconds: 60, age_seconds_max: 300 }),
        relations: Some(RelationFeed { poll_seconds: 60 }),
    };
    let house = House::fed(&format!("http://{}/fhir", toy.address), feeds).await;
    house.add_policy(REGISTRAR);
    let of = |roles: &[&str], purpose: &str| {
        house.token(&Caller {
            roles,
            scopes: "user/*.cruds",
            patient: None,
            fhir_user: Some("Practitioner/d1"),
            purpose,
        })
    };
    let (physician, registrar) = (of(&["physician"], "TREAT"), of(&["registrar"], "PATADMIN"));
    Scene { toy, house, physician, registrar, broken, armed }
}

impl Scene {
    /// What a physician is answered who opens the patient's record.
    async fn physician(&self) -> u16 {
        self.house.get(&self.physician, "/Patient/a").await.status
    }

    async fn write(&self, method: Method, address: &str, body: &Value) {
        let headers = [("content-type", "application/fhir+json"), ("if-match", "W/\"1\"")];
        let headers = if method == Method::POST { &headers[..1] } else { &headers[..] };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.house.ask(method, &self.registrar, address, headers, &body).await;
        assert!(answer.status < 300, "{} {}", answer.status, answer.text);
    }
}

#[tokio::test]
async fn consents_that_were_never_read_let_nobody_in() {
    let scene = scene().await;
    assert_ne!(scene.physician().await, 200);
    scene.house.gateway.poll(now()).await;
    assert_eq!(scene.physician().await, 200);
}

#[tokio::test]
async fn lesson_15_a_consent_that_changes_acts_within_the_seconds_that_are_said() {
    let scene = scene().await;
    let start = now().plus_seconds(-200);
    scene.house.gateway.poll(start).await;
    scene.toy.put(consent("c1", "deny", "active"));
    assert_eq!(scene.physician().await, 200, "nobody has told the bridge");
    scene.house.gateway.poll(start.plus_seconds(59)).await;
    assert_eq!(scene.physician().await, 200, "it is not due");
    scene.house.gateway.poll(start.plus_seconds(60)).await;
    assert_eq!(scene.physician().await, 403, "60 seconds after the last poll");
    scene.toy.put(consent("c1", "deny", "inactive"));
    scene.house.gateway.poll(start.plus_seconds(120)).await;
    assert_eq!(scene.physician().await, 200);
}

#[tokio::test]
async fn lesson_15_a_consent_that_is_written_through_the_bridge_acts_on_the_next_request() {
    let scene = scene().await;
    for id in ["c1", "c2"] {
        scene.toy.put(consent(id, "permit", "draft"));
    }
    scene.house.gateway.poll(now()).await;
    scene.write(Method::PUT, "/Consent/c1", &consent("c1", "deny", "active")).await;
    assert_eq!(scene.physician().await, 403, "denied by an update");
    scene.write(Method::PUT, "/Consent/c1", &consent("c1", "permit", "active")).await;
    assert_eq!(scene.physician().await, 200, "permitted by an update");
    let mut created = consent("x", "deny", "active");
    created.as_object_mut().unwrap().remove("id");
    scene.write(Method::POST, "/Consent", &created).await;
    assert_eq!(scene.physician().await, 403, "denied by one that was created");
    scene.write(Method::DELETE, "/Consent/new", &Value::Null).await;
    assert_eq!(scene.physician().await, 200, "it was deleted");
    let bundle = json!({ "resourceType": "Bundle", "type": "batch", "entry": [
        { "resource": consent("c2", "deny", "active"), "request": { "method": "PUT", "url": "Consent/c2", "ifMatch": "W/\"1\"" } }] });
    scene.write(Method::POST, "/", &bundle).await;
    assert_eq!(scene.physician().await, 403, "denied by an entry of a batch");
}

#[tokio::test]
async fn a_consent_that_is_written_in_a_transaction_acts_on_the_next_request() {
    let scene = scene().await;
    scene.house.gateway.poll(now()).await;
    // The toy keeps nothing of a transaction: what it has then is what the bridge must find.
    scene.toy.put(consent("c3", "deny", "active"));
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        { "resource": consent("c3", "deny", "active"), "request": { "method": "PUT", "url": "Consent/c3", "ifMatch": "W/\"1\"" } }] });
    scene.write(Method::POST, "/", &bundle).await;
    assert_eq!(scene.physician().await, 403);
}

#[tokio::test]
async fn a_write_that_cannot_be_read_back_makes_the_consents_unknown_until_the_next_poll() {
    let scene = scene().await;
    let start = now().plus_seconds(-200);
    scene.toy.put(consent("c1", "permit", "draft"));
    scene.house.gateway.poll(start).await;
    scene.armed.store(true, Ordering::Relaxed);
    scene.write(Method::PUT, "/Consent/c1", &consent("c1", "permit", "active")).await;
    assert_eq!(scene.physician().await, UNKNOWN, "what is on file is not known");
    scene.house.gateway.poll(start.plus_seconds(60)).await;
    assert_eq!(scene.physician().await, UNKNOWN, "nor after a poll that failed");
    scene.armed.store(false, Ordering::Relaxed);
    scene.broken.store(false, Ordering::Relaxed);
    scene.house.gateway.poll(start.plus_seconds(120)).await;
    assert_eq!(scene.physician().await, 200);
}

#[tokio::test]
async fn what_cannot_be_polled_is_relied_on_until_it_is_too_old() {
    let scene = scene().await;
    scene.house.gateway.poll(now().plus_seconds(-290)).await;
    scene.broken.store(true, Ordering::Relaxed);
    scene.house.gateway.poll(now()).await;
    assert_eq!(scene.physician().await, 200, "290 seconds old");
    scene.house.store.set_feed("consents of ehr", Some(now().plus_seconds(-301))).unwrap();
    assert_eq!(scene.physician().await, UNKNOWN, "301 seconds old");
}

#[tokio::test]
async fn relations_are_those_that_the_chart_tells() {
    let scene = scene().await;
    let start = now();
    scene.house.gateway.poll(start).await;
    let d1 = Id::parse("d1").unwrap();
    let told = scene.house.store.relations_of("ehr", &d1).unwrap();
    assert_eq!((told.len(), told[0].relation.patient.as_str()), (1, "a"));
    assert_eq!(scene.house.store.relations_as_of("ehr").unwrap(), Some(start));
    scene.toy.put(json!({ "resourceType": "CareTeam", "id": "t", "status": "inactive" }));
    scene.house.gateway.poll(start.plus_seconds(60)).await;
    assert!(scene.house.store.relations_of("ehr", &d1).unwrap().is_empty());
}

/// A Consent of patient `a` that denies this care team.
fn against_team(id: &str) -> Value {
    let mut one = consent(id, "deny", "active");
    one["provision"]["actor"] = json!([{ "reference": { "reference": "CareTeam/t1" } }]);
    one
}

fn team(members: &[&str]) -> Value {
    let participants: Vec<Value> = members.iter().map(|who| json!({ "member": { "reference": who } })).collect();
    json!({ "resourceType": "CareTeam", "id": "t1", "status": "active", "participant": participants })
}

#[tokio::test]
async fn a_consent_against_a_care_team_is_against_its_members_and_follows_them() {
    let scene = scene().await;
    let start = now().plus_seconds(-200);
    scene.toy.put(against_team("c1"));
    scene.toy.put(team(&["Practitioner/d9"]));
    scene.house.gateway.poll(start).await;
    assert_eq!(scene.physician().await, 200, "the physician is not of the team");
    scene.toy.put(team(&["Practitioner/d9", "Practitioner/d1"]));
    scene.house.gateway.poll(start.plus_seconds(60)).await;
    assert_eq!(scene.physician().await, 403, "who joins is denied from the next reading on");
    scene.toy.put(team(&[]));
    scene.house.gateway.poll(start.plus_seconds(120)).await;
    assert_eq!(scene.physician().await, 403, "a team of nobody is not understood: everybody is denied");
}
