//! OI: OpenID Connect.

use bascule_smart::jose::{self, SigningAlgorithm};
use serde_json::{Value, json};

use crate::house::{BASE, House, ISSUER};

#[tokio::test]
async fn oi_2_to_oi_5_configuration_and_keys() {
    let house = House::new();
    let answer = house.get("/.well-known/openid-configuration", &[]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("application/json"));
    let found = answer.json();
    for name in [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    ] {
        assert!(found.get(name).is_some(), "{name}");
    }
    assert_eq!(found["id_token_signing_alg_values_supported"], json!(["RS256", "ES384"]));
    let path = found["jwks_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap().to_owned();
    let keys = house.get(&path, &[]).await.json();
    let keys = keys["keys"].as_array().unwrap();
    assert!(keys.iter().any(|key| key["kty"] == "RSA" && key["n"].is_string() && key["kid"].is_string()));
    assert!(keys.iter().all(|key| key.get("d").is_none() && key.get("p").is_none()));
}

#[tokio::test]
async fn oi_1_oi_6_to_oi_11_the_id_token() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    let token = tokens["id_token"].as_str().unwrap();
    let keys = house.get("/oauth/jwks", &[]).await.json();
    let verified = jose::verify_with_set(token, &keys, &[SigningAlgorithm::Rs256]).unwrap();
    assert_eq!(verified.header["alg"], "RS256");
    assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == verified.header["kid"]));
    let claims = Value::Object(verified.claims);
    let now = house.now().seconds();
    assert_eq!((&claims["iss"], &claims["aud"], &claims["sub"]), (&json!(ISSUER), &json!("portal"), &json!("u-maria")));
    assert!(claims["exp"].as_i64().unwrap() > now && claims["iat"] == now);
    assert_eq!(claims["nonce"], "n-1");
    assert_eq!(claims["fhirUser"], format!("{BASE}/Patient/p1"));
    let record = house.record(&tokens["access_token"]).unwrap();
    let (resource, id) = record.fhir_user.unwrap();
    assert_eq!(format!("{BASE}/{resource}/{id}"), claims["fhirUser"].as_str().unwrap());
}

#[tokio::test]
async fn userinfo_says_the_same_as_the_id_token() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let said = house.get("/oauth/userinfo", &[("authorization", &bearer)]).await.json();
    assert_eq!((&said["sub"], &said["fhirUser"]), (&json!("u-maria"), &json!(format!("{BASE}/Patient/p1"))));
    let refused = house.get("/oauth/userinfo", &[("authorization", "Bearer nonsense")]).await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").contains("error=\"invalid_token\""));
    assert_eq!(house.get("/oauth/userinfo", &[]).await.status, 401);
}

#[tokio::test]
async fn without_openid_there_is_no_id_token() {
    let tokens = House::new().tokens(&[("scope", "launch/patient patient/*.rs")]).await;
    assert_eq!(tokens.get("id_token"), None);
}
