//! DPoP, pushed requests and `iss`: tokens that are worthless when copied.

use bascule_crypto::digest::sha256;
use bascule_smart::jose::{self, SigningAlgorithm};
use bascule_smart::{Possession, Scheme};
use http::Method;
use serde_json::{Value, json};

use crate::house::{BACK, Browser, House, SECRET, TOKEN_URL, basic, key, proof, redeem, request};

async fn with_proof(house: &House, proof: &str, pairs: &[(&str, &str)]) -> crate::house::Answer {
    house.post("/oauth/token", &[("authorization", &basic("portal", SECRET)), ("dpop", proof)], pairs).await
}

#[tokio::test]
async fn a_token_asked_with_a_proof_is_bound_to_the_key() {
    let house = House::new();
    let key = key(SigningAlgorithm::Es256);
    let code = house.code(&[]).await;
    let answer = with_proof(&house, &proof(&house, &key, "POST", TOKEN_URL, None), &redeem(&code)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "DPoP");
    let token = tokens["access_token"].as_str().unwrap();
    let held = || house.store.credentials(&sha256(token.as_bytes())).unwrap().unwrap();
    assert!(held().possessed(&Possession::bearer()).is_err(), "a copied token is worthless");
    let thumbprint = jose::thumbprint(key.public_jwk()).unwrap();
    let owner = Possession { scheme: Scheme::Dpop, dpop_key: Some(thumbprint.clone()), certificate: None };
    assert!(held().possessed(&owner).is_ok());
    let said = house
        .post("/oauth/introspect", &[("authorization", &basic("portal", SECRET))], &[("token", token)])
        .await
        .json();
    assert_eq!((&said["cnf"]["jkt"], &said["token_type"]), (&json!(thumbprint), &json!("DPoP")));
    let header = format!("DPoP {token}");
    let shown = proof(&house, &key, "GET", "https://bridge.example/oauth/userinfo", Some(token));
    assert_eq!(house.get("/oauth/userinfo", &[("authorization", &header), ("dpop", &shown)]).await.status, 200);
    let bearer = format!("Bearer {token}");
    assert_eq!(house.get("/oauth/userinfo", &[("authorization", &bearer)]).await.status, 401);
}

#[tokio::test]
async fn a_bound_refresh_token_needs_the_same_key() {
    let house = House::new();
    let (key, other) = (key(SigningAlgorithm::Es256), self::key(SigningAlgorithm::Es256));
    let code = house.code(&[]).await;
    let tokens = with_proof(&house, &proof(&house, &key, "POST", TOKEN_URL, None), &redeem(&code)).await.json();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    house.token(&pairs).await.refused(&[400], "invalid_grant");
    with_proof(&house, &proof(&house, &other, "POST", TOKEN_URL, None), &pairs).await.refused(&[400], "invalid_grant");
    assert_eq!(with_proof(&house, &proof(&house, &key, "POST", TOKEN_URL, None), &pairs).await.status, 200);
}

#[tokio::test]
async fn a_bad_or_replayed_proof_is_refused() {
    let house = House::new();
    let key = key(SigningAlgorithm::Es256);
    let code = house.code(&[]).await;
    let other_place = proof(&house, &key, "POST", "https://bridge.example/oauth/par", None);
    let other_method = proof(&house, &key, "GET", TOKEN_URL, None);
    for bad in ["nonsense", other_place.as_str(), other_method.as_str()] {
        with_proof(&house, bad, &redeem(&code)).await.refused(&[400], "invalid_dpop_proof");
    }
    let once = proof(&house, &key, "POST", TOKEN_URL, None);
    assert_eq!(with_proof(&house, &once, &redeem(&code)).await.status, 200);
    let code = house.code(&[]).await;
    with_proof(&house, &once, &redeem(&code)).await.refused(&[400], "invalid_dpop_proof");
}

#[tokio::test]
async fn a_client_registered_for_dpop_gets_no_bearer_token() {
    let house = House::new();
    let mut metadata = house.store.client("portal").unwrap().unwrap().metadata;
    metadata.dpop_bound = true;
    house.store.update_client("portal", &metadata).unwrap();
    let code = house.code(&[]).await;
    house.token(&redeem(&code)).await.refused(&[400], "invalid_dpop_proof");
}

#[tokio::test]
async fn a_code_bound_to_a_key_needs_that_key() {
    let house = House::new();
    let (key, other) = (key(SigningAlgorithm::Es256), self::key(SigningAlgorithm::Es256));
    let thumbprint = jose::thumbprint(key.public_jwk()).unwrap();
    let code = house.code(&[("dpop_jkt", &thumbprint)]).await;
    with_proof(&house, &proof(&house, &other, "POST", TOKEN_URL, None), &redeem(&code))
        .await
        .refused(&[400], "invalid_dpop_proof");
    house.token(&redeem(&code)).await.refused(&[400], "invalid_dpop_proof");
    assert_eq!(with_proof(&house, &proof(&house, &key, "POST", TOKEN_URL, None), &redeem(&code)).await.status, 200);
}

async fn push(house: &House, changes: &[(&str, &str)]) -> crate::house::Answer {
    let pairs = request(changes);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    house.post("/oauth/par", &[("authorization", &basic("portal", SECRET))], &pairs).await
}

#[tokio::test]
async fn a_pushed_request_is_used_once_by_its_client() {
    let house = House::new();
    let answer = push(&house, &[]).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let body: Value = answer.json();
    assert!(body["expires_in"].is_u64());
    let uri = body["request_uri"].as_str().unwrap();
    let path = format!("/oauth/authorize?client_id=portal&request_uri={uri}");
    let mut browser = Browser::new(&house);
    let page = browser.go(Method::GET, &path, None).await;
    let page = browser.submit(&page, &[("login", "maria"), ("password", crate::house::PASSWORD)], |_| true).await;
    let answer = browser.submit(&page, &[("decision", "allow")], |name| !name.starts_with("kind")).await;
    assert!(answer.sent("code").is_some() && answer.header("location").starts_with(BACK));
    assert_eq!(browser.visit(Method::GET, &path, None).await.status, 400, "used");
    let uri = push(&house, &[]).await.json()["request_uri"].as_str().unwrap().to_owned();
    let foreign = format!("/oauth/authorize?client_id=other&request_uri={uri}");
    assert_eq!(browser.visit(Method::GET, &foreign, None).await.status, 400, "another client's");
    let uri = push(&house, &[]).await.json()["request_uri"].as_str().unwrap().to_owned();
    house.pass(91);
    let late = format!("/oauth/authorize?client_id=portal&request_uri={uri}");
    assert_eq!(browser.visit(Method::GET, &late, None).await.status, 400, "late");
    let outside = "/oauth/authorize?client_id=portal&request_uri=https://evil.example/request";
    assert_eq!(browser.visit(Method::GET, outside, None).await.status, 400, "not ours");
}

#[tokio::test]
async fn a_bad_request_is_refused_when_it_is_pushed() {
    let house = House::new();
    push(&house, &[("aud", "https://elsewhere.example")]).await.refused(&[400], "invalid_request");
    push(&house, &[("scope", "user/Nothing.rs")]).await.refused(&[400], "invalid_scope");
    push(&house, &[("redirect_uri", "https://evil.example")]).await.refused(&[400], "invalid_request");
    push(&house, &[("client_id", "other")]).await.refused(&[401], "invalid_client");
    house.post("/oauth/par", &[], &[]).await.refused(&[401], "invalid_client");
}
