//! AS: launch of an app that proves itself with a signed assertion.

use bascule_smart::jose::SigningAlgorithm;
use serde_json::json;

use crate::house::{ASSERTION_TYPE, Browser, House, VERIFIER, assertion, key};

const BACK: &str = "https://signed.example/back";

#[tokio::test]
async fn as_1_to_as_5_code_refresh_and_a_refused_refresh() {
    for algorithm in SigningAlgorithm::SMART {
        let house = House::new();
        let key = key(algorithm);
        house.add_client(
            "signed",
            json!({"redirect_uris": [BACK], "scope": crate::house::FULL,
            "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [key.public_jwk()]}}),
        );
        let mut browser = Browser::new(&house);
        let answer = browser.launch("maria", &[("client_id", "signed"), ("redirect_uri", BACK)], |_| true).await;
        let code = answer.sent("code").unwrap();
        let proof = assertion(&house, &key, "signed");
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", &proof),
        ];
        let answer = house.post("/oauth/token", &[], &pairs).await;
        assert_eq!(answer.status, 200, "AS-1 {}", answer.text);
        let tokens = answer.json();
        assert!(tokens["id_token"].is_string(), "AS-2");
        assert!(house.opens(&tokens["access_token"]) && tokens["patient"] == "p1", "AS-3");
        let proof = assertion(&house, &key, "signed");
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let pairs = |token| {
            [("grant_type", "refresh_token"), ("refresh_token", token), ("client_assertion_type", ASSERTION_TYPE)]
        };
        let mut sound = pairs(refresh).to_vec();
        sound.push(("client_assertion", &proof));
        assert_eq!(house.post("/oauth/token", &[], &sound).await.status, 200, "AS-4");
        let proof = assertion(&house, &key, "signed");
        let mut random = pairs("a-random-refresh-token").to_vec();
        random.push(("client_assertion", &proof));
        house.post("/oauth/token", &[], &random).await.refused(&[400, 401], "invalid_grant");
    }
}

#[tokio::test]
async fn a_client_that_signs_cannot_come_without_its_signature() {
    let house = House::new();
    let key = key(SigningAlgorithm::Es384);
    house.add_client(
        "signed",
        json!({"redirect_uris": [BACK], "scope": crate::house::FULL,
        "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public_jwk()]}}),
    );
    let pairs = [("grant_type", "authorization_code"), ("code", "x"), ("client_id", "signed")];
    house.post("/oauth/token", &[], &pairs).await.refused(&[400, 401], "invalid_client");
}
