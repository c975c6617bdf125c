//! Tokens that only their owner can use, where the policy asks for them: at an exposure, or because they are bound.

use bascule_crypto::digest::sha256;
use bascule_smart::{Binding, Grant};
use bascule_wire::{Peer, empty};
use http::Request;

use crate::house::{House, hospital};
use crate::upstream::Toy;

/// A request over a connection whose client showed this certificate.
async fn ask(house: &House, token: &str, certificate: Option<&[u8]>) -> u16 {
    let mut request = Request::get("/fhir/Patient/a").header("authorization", format!("Bearer {token}"));
    let peer = Peer {
        address: "192.0.2.1:4711".parse().unwrap(),
        encrypted: true,
        certificate: certificate.map(|der| der.to_vec().into()),
        verified: true,
    };
    request.extensions_mut().unwrap().insert(peer);
    house.send(request.body(empty()).unwrap()).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_policy_asks_for_bound_tokens_a_bearer_token_is_refused_and_told_what_to_ask_for() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let bearer = house.patient("a");
    let binding = Some(Binding::Certificate(sha256(b"a certificate")));
    let bound = house.issue(&Grant { binding, ..house.patients_grant("a") });
    assert_eq!(ask(&house, &bearer, None).await, 200);
    house.add_policy("[tokens]\nsender-constrained = [\"third-party\"]\n");
    let refused = house.get(&bearer, "/Patient/a").await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("DPoP") && refused.text.contains("mutual TLS"), "{}", refused.text);
    assert_eq!(house.entries().await.last().unwrap()["cause"], "not-sender-constrained");
    assert_eq!(ask(&house, &bearer, Some(b"a certificate")).await, 403, "a certificate beside it binds nothing");
    assert_eq!(ask(&house, &bound, Some(b"a certificate")).await, 200);
    house.add_policy("[tokens]\nsender-constrained = [\"external\"]\n");
    assert_eq!(ask(&house, &bearer, None).await, 200, "another exposure");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_certificate_bound_token_is_unknown() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let binding = Some(Binding::Certificate(sha256(b"a certificate")));
    let bound = house.issue(&Grant { binding, ..house.patients_grant("a") });
    assert_eq!(ask(&house, &bound, Some(b"a certificate")).await, 200);
    assert_eq!(toy.asked().len(), 1);
    assert_eq!(ask(&house, &bound, Some(b"another")).await, 401);
    assert_eq!(ask(&house, &bound, None).await, 401);
    assert!(toy.asked().is_empty());
    assert_eq!(house.entries().await.last().unwrap()["cause"], "token-unknown");
}
