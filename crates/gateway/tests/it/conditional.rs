//! Conditional writes, patches of both kinds, and patches inside batches: each one that passes and one that is turned away.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use crate::house::{Answer, Caller, House, hospital};
use crate::upstream::{Asked, Toy, answer, reply};

const FHIR: (&str, &str) = ("content-type", "application/fhir+json");
const JSON_PATCH: (&str, &str) = ("content-type", "application/json-patch+json");
/// Clerks who see and set the times of appointments.
const POLICY: &str = r#"
[role.clerk]
title   = "Clerks"
purpose = ["HOPERAT"]
api     = "ehr"

[[role.clerk.grant]]
resource     = "Appointment"
interactions = ["read", "search", "create", "update", "patch", "delete"]
elements     = ["id", "status", "start", "end"]
writes       = ["status", "start", "end"]

[role.registrar]
title   = "Registrars, who see versions"
purpose = ["HOPERAT"]
api     = "ehr"

[[role.registrar.grant]]
resource     = "Appointment"
interactions = ["read", "search", "update", "patch"]
elements     = ["id", "meta", "status", "start"]
writes       = ["status", "start"]
"#;

/// An upstream whose search by status is true: `booked` finds one, `fulfilled` none, `arrived` one that is hidden, `pending`
/// one of each, anything else both that are seen.
async fn searching() -> Toy {
    let mut resources = hospital();
    resources.push(json!({ "resourceType": "Appointment", "id": "ac", "status": "arrived",
        "meta": { "versionId": "1", "security": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2" }] } }));
    Toy::answering(resources, |resources, asked, base| {
        let Some(query) = asked.address.strip_prefix("/Appointment?").filter(|_| asked.method == "GET") else {
            return answer(resources, &asked.method, asked.address.split('?').next().unwrap(), &asked.body, base);
        };
        let wanted = |id: &str| match query {
            query if query.contains("status=booked") => id == "aa",
            query if query.contains("status=fulfilled") => false,
            query if query.contains("status=arrived") => id == "ac",
            query if query.contains("status=pending") => id != "ab",
            _ => id != "ac",
        };
        let found =
            resources.iter().filter(|one| one["resourceType"] == "Appointment" && wanted(one["id"].as_str().unwrap()));
        let entries: Vec<Value> = found.map(|one| json!({ "resource": one, "search": { "mode": "match" } })).collect();
        reply(200, json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries }), &[])
    })
    .await
}

async fn house(toy: &Toy) -> House {
    let house = House::before(toy.address).await;
    house.add_policy(POLICY);
    house
}

fn clerk(house: &House, role: &str) -> String {
    house.token(&Caller { roles: &[role], scopes: "user/*.cruds", patient: None, fhir_user: None, purpose: "HOPERAT" })
}

fn changes(toy: &Toy) -> Vec<Asked> {
    toy.asked().into_iter().filter(|asked| asked.method != "GET").collect()
}

fn moved() -> Value {
    json!({ "resourceType": "Appointment", "status": "booked", "start": "2027-01-01T10:00:00Z" })
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_07_a_conditional_update_changes_the_one_that_is_found_and_keeps_what_is_hidden() {
    let toy = searching().await;
    let house = house(&toy).await;
    let token = clerk(&house, "clerk");
    let put = |query: &str, body: Value| {
        let address = format!("/Appointment?{query}");
        let (house, token) = (&house, &token);
        async move { house.ask(Method::PUT, token, &address, &[FHIR], &body.to_string()).await }
    };
    let passed = put("status=booked", moved()).await;
    assert_eq!(passed.status, 200, "{}", passed.text);
    let sent = changes(&toy);
    assert_eq!(
        (sent.len(), sent[0].address.as_str(), sent[0].headers["if-match"].to_str().unwrap()),
        (1, "/Appointment/aa", "W/\"1\"")
    );
    assert_eq!(toy.resource("Appointment", "aa").unwrap()["description"], "HIDDEN-DIAGNOSIS");
    assert_eq!(put("status=fulfilled", moved()).await.status, 404, "none is found, and an update does not create");
    assert_eq!(put("_id=aa,ab", moved()).await.status, 412, "two are found");
    let mut hidden = moved();
    hidden["description"] = json!("x");
    assert_eq!(put("status=booked", hidden).await.status, 403);
    let mut other = moved();
    other["id"] = json!("ab");
    assert_eq!(put("status=booked", other).await.status, 400, "another id than the one that is found");
    assert_eq!(put("reason-code=x", moved()).await.status, 403, "what is hidden is no criterion");
    assert_eq!(changes(&toy).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_07_a_conditional_delete_deletes_the_one_that_is_found() {
    let toy = searching().await;
    let house = house(&toy).await;
    let token = clerk(&house, "clerk");
    for (query, status) in [("status=fulfilled", 404), ("_id=aa,ab", 412), ("reason-code=x", 403)] {
        let answer = house.ask(Method::DELETE, &token, &format!("/Appointment?{query}"), &[], "").await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text);
    }
    assert_eq!(changes(&toy).len(), 0);
    let passed = house.ask(Method::DELETE, &token, "/Appointment?status=booked", &[], "").await;
    assert_eq!(passed.status, 204, "{}", passed.text);
    let sent = changes(&toy);
    assert_eq!(
        (sent[0].address.as_str(), sent[0].headers["if-match"].to_str().unwrap()),
        ("/Appointment/aa", "W/\"1\"")
    );
    let patients = house.entries().await.last().unwrap()["patients"].clone();
    assert_eq!(patients, 1, "the entry says whose it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_07_a_conditional_create_asks_only_by_what_is_granted() {
    let toy = searching().await;
    let house = house(&toy).await;
    let token = clerk(&house, "clerk");
    let create = |criterion: &'static str| {
        let (house, token) = (&house, &token);
        async move {
            house
                .ask(Method::POST, token, "/Appointment", &[FHIR, ("if-none-exist", criterion)], &moved().to_string())
                .await
        }
    };
    assert_eq!(create("reason-code=x").await.status, 403);
    assert_eq!(changes(&toy).len(), 0);
    assert_eq!(create("status=fulfilled").await.status, 201);
    assert_eq!(changes(&toy)[0].headers["if-none-exist"], "status=fulfilled");
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_07_what_is_hidden_plays_no_part_in_a_condition() {
    let toy = searching().await;
    let house = house(&toy).await;
    let token = clerk(&house, "clerk");
    let put = |status: &str| {
        let address = format!("/Appointment?status={status}");
        let (house, token) = (&house, &token);
        async move { house.ask(Method::PUT, token, &address, &[FHIR], &moved().to_string()).await }
    };
    let (hidden, absent) = (put("arrived").await, put("fulfilled").await);
    assert_eq!((hidden.status, absent.status), (404, 404));
    assert_eq!(hidden.text.len(), absent.text.len());
    assert_eq!(changes(&toy).len(), 0);
    assert_eq!(put("pending").await.status, 200, "one that is seen, one that is not: one");
    assert_eq!(changes(&toy)[0].address, "/Appointment/aa");
    let unless = [FHIR, ("if-none-exist", "status=arrived")];
    let created = house.ask(Method::POST, &token, "/Appointment", &unless, &moved().to_string()).await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert!(!changes(&toy)[0].headers.contains_key("if-none-exist"), "the upstream would find the hidden one");
    let unless = [FHIR, ("if-none-exist", "status=booked")];
    let there = house.ask(Method::POST, &token, "/Appointment", &unless, &moved().to_string()).await;
    assert_eq!((there.status, there.json()["id"].as_str().unwrap()), (200, "aa"), "{}", there.text);
    assert_eq!(changes(&toy).len(), 0, "nothing is created");
}

async fn patch(house: &House, token: &str, kind: (&str, &str), address: &str, body: &Value) -> Answer {
    house.ask(Method::PATCH, token, address, &[kind], &body.to_string()).await
}

fn fhir_path(kind: &str, path: &str, value: Value) -> Value {
    let mut parts = json!([{ "name": "type", "valueCode": kind }, { "name": "path", "valueString": path }]);
    if !value.is_null() {
        let mut value = value;
        value["name"] = json!("value");
        parts.as_array_mut().unwrap().push(value);
    }
    json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": parts }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_07_a_fhirpath_patch_touches_only_what_is_granted() {
    let toy = searching().await;
    let house = house(&toy).await;
    let token = clerk(&house, "clerk");
    let start = json!({ "valueInstant": "2027-01-01T10:00:00Z" });
    for (operation, status) in [
        (fhir_path("replace", "Appointment.description", json!({ "valueString": "x" })), 403),
        (fhir_path("delete", "Appointment.description", Value::Null), 403),
        (fhir_path("delete", "Appointment.participant[0]", Value::Null), 403),
        (fhir_path("replace", "Appointment.where(description='x').start", start.clone()), 400),
        (fhir_path("replace", "Appointment", start.clone()), 400),
    ] {
        let answer = patch(&house, &token, FHIR, "/Appointment/aa", &operation).await;
        assert_eq!(answer.status, status, "{operation}: {}", answer.text);
    }
    assert_eq!(changes(&toy).len(), 0);
    patch(&house, &token, FHIR, "/Appointment/aa", &fhir_path("replace", "Appointment.start", start.clone())).await;
    patch(&house, &token, FHIR, "/Appointment?status=booked", &fhir_path("replace", "Appointment.start", start)).await;
    let sent = changes(&toy);
    assert_eq!(sent.len(), 2);
    for sent in sent {
        assert_eq!((sent.address.as_str(), sent.headers["if-match"].to_str().unwrap()), ("/Appointment/aa", "W/\"1\""));
        assert_eq!(sent.headers["content-type"], "application/fhir+json");
    }
    let merge =
        patch(&house, &token, ("content-type", "application/merge-patch+json"), "/Appointment/aa", &json!({})).await;
    assert_eq!(merge.status, 415);
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_07_a_patch_inside_a_batch_is_read_like_one_outside() {
    let toy = searching().await;
    let house = house(&toy).await;
    let token = clerk(&house, "clerk");
    let binary = |path: &str| {
        let operations = json!([{ "op": "replace", "path": path, "value": "2027-01-01T10:00:00Z" }]);
        json!({ "resourceType": "Binary", "contentType": "application/json-patch+json", "data": STANDARD.encode(operations.to_string()) })
    };
    let entry =
        |resource: Value| json!({ "resource": resource, "request": { "method": "PATCH", "url": "Appointment/aa" } });
    let start = json!({ "valueInstant": "2027-01-01T10:00:00Z" });
    for kind in ["batch", "transaction"] {
        let hidden = [
            entry(binary("/description")),
            entry(fhir_path("replace", "Appointment.description", json!({ "valueString": "x" }))),
            entry(json!({ "resourceType": "Binary", "contentType": "application/json-patch+json", "data": "%" })),
            entry(json!({ "resourceType": "Binary", "contentType": "text/plain", "data": "" })),
        ];
        for entry in hidden {
            let bundle = json!({ "resourceType": "Bundle", "type": kind, "entry": [entry] });
            let answer = house.ask(Method::POST, &token, "", &[FHIR], &bundle.to_string()).await;
            assert!(!answer.text.contains("\"status\":\"200"), "{kind}: {}", answer.text);
        }
        assert_eq!(changes(&toy).len(), 0, "{kind}");
        let granted = [entry(binary("/start")), entry(fhir_path("replace", "Appointment.start", start.clone()))];
        let bundle = json!({ "resourceType": "Bundle", "type": kind, "entry": granted });
        house.ask(Method::POST, &token, "", &[FHIR], &bundle.to_string()).await;
        let sent = changes(&toy);
        if kind == "batch" {
            let kinds: Vec<_> = sent.iter().map(|sent| sent.headers["content-type"].to_str().unwrap()).collect();
            assert_eq!(kinds.len(), 2);
            assert!(kinds.contains(&"application/json-patch+json") && kinds.contains(&"application/fhir+json"));
        } else {
            let bundle: Value = serde_json::from_str(&sent[0].body).unwrap();
            assert_eq!(bundle["entry"][0]["resource"]["resourceType"], "Binary");
            assert_eq!(bundle["entry"][0]["request"]["ifMatch"], "W/\"1\"");
            assert_eq!(bundle["entry"][1]["resource"]["resourceType"], "Parameters");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_the_version_names_it_and_who_does_not_changes_the_one_that_is_read() {
    let toy = searching().await;
    let house = house(&toy).await;
    let token = clerk(&house, "registrar");
    let start = json!([{ "op": "replace", "path": "/start", "value": "2027-01-01T10:00:00Z" }]);
    let unnamed = patch(&house, &token, JSON_PATCH, "/Appointment/aa", &start).await;
    assert_eq!(unnamed.status, 428, "{}", unnamed.text);
    assert!(unnamed.text.contains("If-Match"));
    let mut body = moved();
    body["id"] = json!("aa");
    assert_eq!(house.ask(Method::PUT, &token, "/Appointment/aa", &[FHIR], &body.to_string()).await.status, 428);
    assert_eq!(changes(&toy).len(), 0);
    let named = [JSON_PATCH, ("if-match", "W/\"1\"")];
    house.ask(Method::PATCH, &token, "/Appointment/aa", &named, &start.to_string()).await;
    patch(&house, &clerk(&house, "clerk"), JSON_PATCH, "/Appointment/aa", &start).await;
    let sent = changes(&toy);
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|sent| sent.headers["if-match"] == "W/\"1\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_masked_copy_is_not_written_back() {
    let toy = searching().await;
    let house = house(&toy).await;
    let token = clerk(&house, "clerk");
    let mut body = moved();
    body["id"] = json!("aa");
    body["_start"] = json!({ "extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked" }] });
    let answer = house.ask(Method::PUT, &token, "/Appointment/aa", &[FHIR], &body.to_string()).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(answer.text.contains("PATCH"));
    assert_eq!(changes(&toy).len(), 0);
}
