//! An API whose system another organization owns: asking it is a disclosure. What may be said, to whom, is decided before
//! anybody connects; each road that passes is beside one that is turned away.

use bascule_policy::party::{Agreement, Organization};
use http::Method;
use serde_json::{Value, json};

use crate::house::{Caller, House, hospital, now};
use crate::upstream::Toy;

const FHIR: (&str, &str) = ("content-type", "application/fhir+json");
const POLICY: &str = r#"
[role.orderer]
title   = "Orders at a laboratory outside"
purpose = ["HOPERAT"]
api     = "ehr"

[[role.orderer.grant]]
resource     = "Appointment"
interactions = ["read", "search", "create", "update", "patch"]
elements     = ["id", "status", "start", "description"]
writes       = ["status", "start", "description"]
discloses    = ["status", "start"]

[[role.orderer.grant]]
resource     = "Patient"
interactions = ["read", "search"]
elements     = ["id", "name"]
"#;

/// A house before a system of that organization.
async fn house(toy: &Toy, class: Option<&str>, verified: bool) -> House {
    let house = House::of_organization(&format!("http://{}/fhir", toy.address), "lab").await;
    let organization = Organization {
        id: "lab".into(),
        name: "Northside Laboratory".into(),
        address: Some("1 Main Street".into()),
        class: class.map(Into::into),
        verified: verified.then(now),
    };
    house.store.add_organization(&organization, now()).unwrap();
    house.add_policy(POLICY);
    house
}

fn token(house: &House) -> String {
    house.token(&Caller {
        roles: &["orderer"],
        scopes: "user/*.cruds",
        patient: None,
        fhir_user: None,
        purpose: "HOPERAT",
    })
}

fn agree(house: &House, purpose: &str) {
    let agreement = Agreement {
        id: "baa-lab".into(),
        organization: "lab".into(),
        kind: "baa".into(),
        from: now(),
        until: None,
        purposes: vec![purpose.into()],
        citation: None,
    };
    house.store.add_agreement(&agreement).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_on_file_classed_verified_and_under_agreement_is_not_asked() {
    let toy = Toy::start(hospital()).await;
    let unknown = House::of_organization(&format!("http://{}/fhir", toy.address), "lab").await;
    unknown.add_policy(POLICY);
    let answer = unknown.get(&token(&unknown), "/Appointment?status=booked").await;
    assert_eq!(answer.status, 403, "no record: {}", answer.text);
    for (class, verified) in [(None, true), (Some("treating-provider"), false), (Some("business-associate"), true)] {
        let house = house(&toy, class, verified).await;
        let answer = house.get(&token(&house), "/Appointment?status=booked").await;
        assert_eq!(answer.status, 403, "{class:?} {verified}: {}", answer.text);
        assert_eq!(house.entries().await.last().unwrap()["cause"], "agreement");
    }
    let house = house(&toy, Some("business-associate"), true).await;
    agree(&house, "TREAT");
    assert_eq!(house.get(&token(&house), "/Appointment?status=booked").await.status, 403, "for another purpose");
    assert_eq!(toy.asked().len(), 0, "nobody connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_says_only_what_is_granted_and_asks_only_what_is_needed() {
    let toy = Toy::start(hospital()).await;
    let house = house(&toy, Some("business-associate"), true).await;
    agree(&house, "HOPERAT");
    let token = token(&house);
    for refused in [
        "/Appointment?patient=Patient/a",
        "/Appointment?status=booked&actor=Patient/a",
        "/Appointment?patient.name=x",
        "/Patient?name=Alpha",
        "/Patient/a",
    ] {
        let answer = house.get(&token, refused).await;
        assert_eq!(answer.status, 403, "{refused}: {}", answer.text);
    }
    assert_eq!(toy.asked().len(), 0);
    let passed = house.get(&token, "/Appointment?status=booked").await;
    assert_eq!(passed.status, 200, "{}", passed.text);
    let asked = toy.asked();
    assert!(asked[0].address.contains("_elements=description%2Cid%2C"), "the declared need: {}", asked[0].address);
    assert!(asked[0].headers.get("cookie").is_none() && !format!("{:?}", asked[0].headers).contains(&token));
    let entries = house.entries().await;
    let entry = entries.last().unwrap();
    assert_eq!(entry["agreement"], "baa-lab");
    let read = house.get(&token, "/Appointment/aa").await;
    assert_eq!(read.status, 200, "{}", read.text);
    assert!(!read.text.contains("HIDDEN-REASON") && !read.text.contains("Patient/a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_says_only_what_is_granted() {
    let toy = Toy::start(hospital()).await;
    let house = house(&toy, Some("treating-provider"), true).await;
    let token = token(&house);
    let body = |description: Option<&str>| {
        let mut body = json!({ "resourceType": "Appointment", "status": "booked", "start": "2027-01-01T10:00:00Z" });
        if let Some(text) = description {
            body["description"] = json!(text);
        }
        body
    };
    let create = |body: Value| {
        let (house, token) = (&house, &token);
        async move { house.ask(Method::POST, token, "/Appointment", &[FHIR], &body.to_string()).await }
    };
    let refused = create(body(Some("SECRET"))).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(refused.text.contains("`description`") && !refused.text.contains("SECRET"));
    let kind = [("content-type", "application/json-patch+json")];
    let operations = json!([{ "op": "replace", "path": "/description", "value": "SECRET" }]);
    let patched = house.ask(Method::PATCH, &token, "/Appointment/aa", &kind, &operations.to_string()).await;
    assert_eq!(patched.status, 403, "{}", patched.text);
    let conditional = [FHIR, ("if-none-exist", "patient=Patient/a")];
    let unless = house.ask(Method::POST, &token, "/Appointment", &conditional, &body(None).to_string()).await;
    assert_eq!(unless.status, 403, "{}", unless.text);
    let entry = json!({ "resource": body(Some("SECRET")), "request": { "method": "POST", "url": "Appointment" } });
    for kind in ["batch", "transaction"] {
        let bundle = json!({ "resourceType": "Bundle", "type": kind, "entry": [entry] });
        house.ask(Method::POST, &token, "", &[FHIR], &bundle.to_string()).await;
    }
    assert_eq!(toy.asked().len(), 0, "nothing of it was said");
    let passed = create(body(None)).await;
    assert_eq!(passed.status, 201, "{}", passed.text);
    assert_eq!(toy.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_resource_than_the_one_asked_for_is_not_believed() {
    let toy = Toy::answering(hospital(), |resources, _, _| {
        let other = resources.iter().find(|one| one["id"] == "ab").unwrap();
        crate::upstream::reply(200, other.clone(), &[])
    })
    .await;
    let house = house(&toy, Some("treating-provider"), true).await;
    let token = token(&house);
    assert_eq!(house.get(&token, "/Appointment/ab").await.status, 200);
    let answer = house.get(&token, "/Appointment/aa").await;
    assert_eq!(answer.status, 502, "{}", answer.text);
}
