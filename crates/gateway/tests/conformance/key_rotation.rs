//! Signing keys change without a restart: the next is published before it signs, the last until what it signed has expired.

use bascule_gateway::smart::ensure_signing_keys;
use bascule_smart::Lifetimes;
use bascule_smart::jose::{self, SigningAlgorithm};
use serde_json::{Value, json};

use crate::house::{BACK, House, redeem};

async fn kids(house: &House, kind: &str) -> Vec<String> {
    let keys = house.get("/oauth/jwks", &[]).await.json();
    let keys = keys["keys"].as_array().unwrap().clone();
    keys.iter().filter(|key| key["kty"] == kind).map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn signed_by(house: &House) -> String {
    let tokens = house.tokens(&[]).await;
    let said = jose::unverified(tokens["id_token"].as_str().unwrap()).unwrap();
    said.header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_the_old_one_until_its_tokens_expired() {
    let house = House::new();
    let ensure = || ensure_signing_keys(&house.store, &Lifetimes::default(), house.now()).unwrap().len();
    let old = signed_by(&house).await;
    assert_eq!((kids(&house, "RSA").await, ensure()), (vec![old.clone()], 0));
    house.pass(90 * 86_400);
    assert_eq!(ensure(), 2, "one of each algorithm");
    assert_eq!(ensure(), 0, "once");
    let published = kids(&house, "RSA").await;
    assert_eq!(published.len(), 2);
    let new = published.iter().find(|kid| **kid != old).unwrap().clone();
    assert_eq!(signed_by(&house).await, old, "published, and not yet used");
    house.pass(3_599);
    assert_eq!(signed_by(&house).await, old);
    house.pass(1);
    assert_eq!(signed_by(&house).await, new);
    assert_eq!(kids(&house, "RSA").await.len(), 2, "what the old one signed a second ago still verifies");
    house.pass(3_600 + 31);
    assert_eq!(kids(&house, "RSA").await, [new]);
}

#[tokio::test]
async fn an_app_that_asked_for_es384_gets_it_with_a_hash_of_that_length_and_others_rs256() {
    let house = House::new();
    house.add_client(
        "curve",
        json!({"client_name": "Curve", "redirect_uris": [BACK], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code"], "scope": "openid fhirUser launch/patient patient/*.rs",
            "id_token_signed_response_alg": "ES384"}),
    );
    let code = house.code(&[("client_id", "curve"), ("scope", "openid launch/patient patient/*.rs")]).await;
    let mut form = redeem(&code).to_vec();
    form.push(("client_id", "curve"));
    let tokens = house.post("/oauth/token", &[], &form).await.json();
    let keys = house.get("/oauth/jwks", &[]).await.json();
    let verify = |tokens: &Value, algorithm| {
        jose::verify_with_set(tokens["id_token"].as_str().unwrap(), &keys, &[algorithm]).map(|verified| verified.claims)
    };
    let claims = verify(&tokens, SigningAlgorithm::Es384).unwrap();
    let digest = bascule_crypto::digest::sha384(tokens["access_token"].as_str().unwrap().as_bytes());
    use base64::Engine as _;
    let half = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&digest[..24]);
    assert_eq!(claims["at_hash"], json!(half));
    let usual = house.tokens(&[]).await;
    assert!(verify(&usual, SigningAlgorithm::Rs256).is_ok() && verify(&usual, SigningAlgorithm::Es384).is_err());
}
