//! What the house answers by itself, to anybody, without the upstream.

use crate::house::{House, hospital};
use crate::upstream::Toy;

#[tokio::test(flavor = "multi_thread")]
async fn the_capability_statement_is_made_here_and_says_what_is_granted() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let answer = house.get("", "/metadata").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let said = answer.json();
    assert_eq!(said["resourceType"], "CapabilityStatement");
    assert_eq!(said["implementation"]["url"], "https://bridge.example/fhir");
    let resources = said["rest"][0]["resource"].as_array().unwrap();
    let codes = |kind: &str| -> Vec<String> {
        let one = resources.iter().find(|one| one["type"] == kind).unwrap();
        let interactions = one["interaction"].as_array().unwrap().iter();
        interactions.map(|one| one["code"].as_str().unwrap().to_owned()).collect()
    };
    assert!(codes("Appointment").contains(&"update".to_owned()));
    assert!(!codes("Appointment").contains(&"delete".to_owned()), "no role grants it");
    assert_eq!(toy.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_api_is_not_found() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let request = http::Request::get("/elsewhere/Patient/a").body(bascule_wire::empty()).unwrap();
    assert_eq!(house.send(request).await.status(), 404);
    let request = http::Request::get("/healthz").body(bascule_wire::empty()).unwrap();
    assert_eq!(house.send(request).await.status(), 200);
    assert_eq!(toy.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn co_2_d_15_any_origin_may_read_metadata() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let request = http::Request::get("/fhir/metadata").header("origin", "https://anybody.example");
    let answer = house.send(request.body(bascule_wire::empty()).unwrap()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let request = http::Request::get("/fhir/Patient/p1").header("origin", "https://anybody.example");
    let answer = house.send(request.body(bascule_wire::empty()).unwrap()).await;
    assert!(!answer.headers().contains_key("access-control-allow-origin"), "records are another thing");
}
