//! What the field's bugs teach, by number, where no other file of these tests has the lesson's name: 1, 2, 3, 8, 9, 14.

use http::Method;
use serde_json::json;

use crate::house::{Caller, House, PUBLIC, hospital, now};
use crate::upstream::Toy;

async fn refused(house: &House, toy: &Toy, token: &str, addresses: &[&str]) {
    for address in addresses {
        let answer = house.get(token, address).await;
        assert!(matches!(answer.status, 400 | 403), "{address}: {} {}", answer.status, answer.text);
        assert!(!answer.text.contains("HIDDEN"), "{address}");
    }
    assert_eq!(toy.asked().len(), 0, "nothing of it was asked upstream");
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_01_nothing_is_searched_or_sorted_by_what_is_hidden() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let hidden = [
        "/Appointment?_has:Observation:subject:code=x",
        "/Patient?_has:Appointment:patient:reason-code=x",
        "/Appointment?patient.birthdate=1980",
        "/Appointment?patient:Patient.birthdate=1980",
        "/Appointment?_filter=description%20co%20x",
        "/Appointment?_sort=reason-code",
        "/Appointment?reason-code:missing=true",
        "/Appointment?reason-code:text=x",
        "/Appointment?service-type:not=x",
        "/Patient?birthdate:missing=false",
        "/Patient?_sort=-birthdate",
        "/Patient?_text=x",
        "/Patient?_content=x",
        "/Patient?_query=x",
        "/Appointment?_list=x",
    ];
    refused(&house, &toy, &house.scheduler(), &hidden).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_02_no_include_and_no_second_page_leaves_the_compartment() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.patient("a");
    let wild = [
        "/Observation?_include=*",
        "/Patient?_revinclude=*",
        "/Patient?_revinclude:iterate=*",
        "/Observation?_include=Observation:*",
    ];
    refused(&house, &toy, &token, &wild).await;
    for address in [
        "/Observation?_include=Observation:subject",
        "/Observation?_include:iterate=Observation:subject",
        "/Patient?_revinclude=Observation:subject",
        "/Patient?_id=a&_revinclude:iterate=Observation:subject",
    ] {
        let mut next = Some(address.to_owned());
        for _ in 0..3 {
            let Some(address) = next.take() else { break };
            let answer = house.get(&token, &address).await;
            assert_eq!(answer.status, 200, "{address}: {}", answer.text);
            assert!(!answer.text.contains("TOKEN-OF-B") && !answer.text.contains("Beta"), "{address}: {}", answer.text);
            next = answer.link("next").map(|url| url.strip_prefix(PUBLIC).unwrap().to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_03_a_page_is_for_one_caller_under_one_policy() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.patient("b");
    let next = house.get(&token, "/Observation?status=final").await.link("next").unwrap();
    let next = next.strip_prefix(PUBLIC).unwrap();
    assert_eq!(house.get(&house.patient("a"), next).await.status, 403, "another caller");
    assert_eq!(house.get(&token, next).await.status, 200);
    house.change_policy();
    assert_eq!(house.get(&token, next).await.status, 403, "another policy");
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_08_without_a_patient_or_with_two_there_is_no_record() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = |patient, fhir_user| {
        house.token(&Caller { roles: &["patient"], scopes: "patient/*.rs", patient, fhir_user, purpose: "PATRQT" })
    };
    for token in [token(None, Some("Patient/a")), token(None, None), token(Some("a"), Some("Patient/b"))] {
        refused(&house, &toy, &token, &["/Observation/oa", "/Observation?patient=a", "/Patient/a", "/Patient/b"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_09_granular_scopes_are_alternatives_and_to_create_is_not_to_read() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let own = |scopes| {
        house.token(&Caller {
            roles: &["patient"],
            scopes,
            patient: Some("a"),
            fhir_user: Some("Patient/a"),
            purpose: "PATRQT",
        })
    };
    refused(&house, &toy, &own("patient/Appointment.c"), &["/Appointment/aa", "/Appointment?patient=a"]).await;
    let either = own("patient/Observation.rs?status=final patient/Observation.rs?status=amended");
    let answer = house.get(&either, "/Observation?patient=a").await;
    assert_eq!(answer.resources(), ["Observation/oa"], "{}", answer.text);
    let neither = own("patient/Observation.rs?status=amended patient/Observation.rs?status=preliminary");
    assert!(house.get(&neither, "/Observation?patient=a").await.resources().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_14_a_token_acts_for_its_api_in_its_time_until_it_is_revoked() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let mut grant = house.patients_grant("a");
    let token = house.issue(&grant);
    assert_eq!(house.get(&token, "/Patient/a").await.status, 200);
    house.store.end_grants_of_client("vendor-app", "test", now()).unwrap();
    assert_eq!(house.get(&token, "/Patient/a").await.status, 401, "revoked: at the next request");
    grant.apis = vec!["lab".into()];
    assert_eq!(house.get(&house.issue(&grant), "/Patient/a").await.status, 401, "for another api");
    assert_eq!(house.get("eyJhbGciOiJub25lIn0.e30.", "/Patient/a").await.status, 401, "no token of ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn graphql_is_refused_with_the_reason_and_recorded() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.scheduler();
    let query = "query=%7BPatient(id%3A%22a%22)%7Bname%7D%7D";
    for address in ["/$graphql", "/Patient/a/$graphql", "/Patient/$graphql"] {
        let answer = house.get(&token, &format!("{address}?{query}")).await;
        assert_eq!(answer.status, 403, "{address}: {}", answer.text);
        assert!(answer.text.contains("GraphQL") && !answer.text.contains("Alpha"), "{}", answer.text);
    }
    let headers = [("content-type", "application/fhir+json")];
    let bundle = json!({ "resourceType": "Bundle", "type": "batch", "entry": [
        { "request": { "method": "GET", "url": format!("$graphql?{query}") } } ] });
    let batch = house.ask(Method::POST, &token, "", &headers, &bundle.to_string()).await;
    assert!(batch.text.contains("GraphQL"), "{}", batch.text);
    assert_eq!(toy.asked().len(), 0);
    let entries = house.entries().await;
    assert_eq!(entries.len(), 5);
    assert!(entries.iter().take(4).all(|entry| entry["cause"] == "not-supported"), "{entries:?}");
}
