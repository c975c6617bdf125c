//! The door's own rules: proofs of possession, bounds, browsers, and a log that cannot be written.

use bascule_crypto::Secret;
use bascule_crypto::digest::sha256;
use bascule_gateway::Limits;
use bascule_smart::jose::{SigningAlgorithm, SigningKey, thumbprint};
use bascule_smart::{Binding, Grant};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};

use crate::house::{Caller, House, hospital, now};
use crate::upstream::Toy;

#[tokio::test(flavor = "multi_thread")]
async fn lesson_10_without_a_record_no_body_leaves() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.patient("a");
    house.log.close(now()).await.unwrap();
    for address in ["/Observation/oa", "/Observation?status=final", "/Observation/ob"] {
        let answer = house.get(&token, address).await;
        assert_eq!(answer.status, 503, "{address}: {}", answer.text);
        assert!(!answer.text.contains("TOKEN-OF"), "{}", answer.text);
        assert!(answer.headers.contains_key("retry-after"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_17_throttled_requests_are_recorded() {
    let toy = Toy::start(hospital()).await;
    let limits = Limits { requests_in_flight_max: 0, ..Limits::default() };
    let house = House::with(&format!("http://{}/fhir", toy.address), limits).await;
    let answer = house.get(&house.patient("a"), "/Observation/oa").await;
    assert_eq!(answer.status, 503);
    assert_eq!(house.entries().await[0]["cause"], "overloaded");
    assert_eq!(toy.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_its_bound_is_refused_before_anything_else_happens() {
    let toy = Toy::start(hospital()).await;
    let limits = Limits { request_bytes_max: 100, ..Limits::default() };
    let house = House::with(&format!("http://{}/fhir", toy.address), limits).await;
    let body = json!({ "resourceType": "Appointment", "comment": "x".repeat(200) }).to_string();
    let headers = [("content-type", "application/fhir+json")];
    let answer = house.ask(Method::POST, &house.scheduler(), "/Appointment", &headers, &body).await;
    assert_eq!(answer.status, 413, "{}", answer.text);
    assert_eq!(toy.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn xml_is_neither_given_nor_asked_for() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.patient("a");
    let accept = [("accept", "application/fhir+xml")];
    assert_eq!(house.ask(Method::GET, &token, "/Observation/oa", &accept, "").await.status, 406);
    assert_eq!(house.get(&token, "/Observation/oa?_format=xml").await.status, 406);
    assert_eq!(house.get(&token, "/Observation/oa?_format=application/fhir%2Bjson").await.status, 200);
    assert_eq!(toy.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_app_reads_from_its_registered_origin_only() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.patient("a");
    let from = |origin: &'static str| [("origin", origin)];
    let own = house.ask(Method::GET, &token, "/Observation/oa", &from("https://app.example"), "").await;
    assert_eq!(own.headers["access-control-allow-origin"], "https://app.example");
    let other = house.ask(Method::GET, &token, "/Observation/oa", &from("https://evil.example"), "").await;
    assert!(!other.headers.contains_key("access-control-allow-origin"));
    let asked = house.ask(Method::OPTIONS, "", "/Observation/oa", &from("https://app.example"), "").await;
    assert_eq!(asked.status, 204);
    assert!(asked.headers["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
    let stranger = house.ask(Method::OPTIONS, "", "/Observation/oa", &from("https://evil.example"), "").await;
    assert!(!stranger.headers.contains_key("access-control-allow-origin"));
}

/// A token bound to a key, and the key.
fn bound(house: &House) -> (String, SigningKey) {
    let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let key = SigningKey::from_pem(SigningAlgorithm::Es256, &Secret::new(pem)).unwrap();
    let binding = Some(Binding::DpopKey(thumbprint(key.public_jwk()).unwrap()));
    (house.issue(&Grant { binding, ..house.patients_grant("a") }), key)
}

fn proof(key: &SigningKey, token: &str, address: &str, jti: &str) -> String {
    let mut jwk = key.public_jwk().clone();
    for name in ["kid", "use", "alg"] {
        jwk.as_object_mut().unwrap().remove(name);
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(&json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk }));
    let claims = encode(&json!({
        "htm": "GET", "htu": format!("https://bridge.example{address}"), "iat": now().seconds(), "jti": jti,
        "ath": URL_SAFE_NO_PAD.encode(sha256(token.as_bytes())),
    }));
    let message = format!("{header}.{claims}");
    format!("{message}.{}", key.sign_bytes(message.as_bytes()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_token_needs_a_fresh_proof_of_its_key_for_this_request() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let (token, key) = bound(&house);
    let (_, other_key) = bound(&house);
    let with = async |proof: String| {
        let authorization = format!("DPoP {token}");
        let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str())];
        house.ask(Method::GET, "", "/Observation/oa", &headers, "").await.status
    };
    let here = "/fhir/Observation/oa";
    assert_eq!(with(proof(&key, &token, here, "1")).await, 200);
    assert_eq!(with(proof(&key, &token, here, "1")).await, 401, "a proof serves once");
    assert_eq!(with(proof(&key, &token, "/fhir/Observation/ob", "2")).await, 401, "for another address");
    assert_eq!(with(proof(&key, "other", here, "3")).await, 401, "for another token");
    assert_eq!(with(proof(&other_key, &token, here, "4")).await, 401, "by another key");
    assert_eq!(with(String::new()).await, 401);
    assert_eq!(house.get(&token, "/Observation/oa").await.status, 401, "as a bearer token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_bound_to_a_certificate_is_nothing_without_it() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.issue(&Grant { binding: Some(Binding::Certificate([7; 32])), ..house.patients_grant("a") });
    assert_eq!(house.get(&token, "/Observation/oa").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_without_a_known_relation_is_let_in_and_reviewed_once() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.token(&Caller {
        roles: &["physician"],
        scopes: "user/*.rs",
        patient: None,
        fhir_user: Some("Practitioner/dr"),
        purpose: "TREAT",
    });
    for _ in 0..2 {
        let answer = house.get(&token, "/Observation/ob").await;
        assert_eq!(answer.status, 200, "care comes first: {}", answer.text);
    }
    let reviews = house.store.reviews(true).unwrap();
    assert_eq!(reviews.len(), 1, "{reviews:?}");
    assert_eq!(reviews[0].times, 1, "the same access by the same person is counted once an hour");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_grant_ends_with_the_next_request() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.patient("a");
    assert_eq!(house.get(&token, "/Observation/oa").await.status, 200);
    house.store.end_grants_of_client("vendor-app", "test", now()).unwrap();
    let answer = house.get(&token, "/Observation/oa").await;
    assert_eq!(answer.status, 401, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_is_cut_off_and_recorded() {
    let toy = Toy::start(hospital()).await;
    let limits = Limits { request_timeout_ms: 200, ..Limits::default() };
    let house = House::with(&format!("http://{}/fhir", toy.address), limits).await;
    let (_sender, slow) = http_body_util::channel::Channel::<bytes::Bytes, bascule_wire::BodyError>::new(1);
    let request = http::Request::post("/fhir/Appointment")
        .header("authorization", format!("Bearer {}", house.scheduler()))
        .header("content-type", "application/fhir+json")
        .body(bascule_wire::boxed(slow))
        .unwrap();
    assert_eq!(house.send(request).await.status(), 408);
    assert_eq!(house.entries().await[0]["cause"], "body-broke-off");
}
