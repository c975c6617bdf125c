//! D: SMART discovery.

use serde_json::Value;

use crate::house::{BASE, House, ISSUER};

async fn found() -> (crate::house::Answer, Value) {
    let answer = House::new().get("/fhir/.well-known/smart-configuration", &[]).await;
    let body = answer.json();
    (answer, body)
}

#[tokio::test]
async fn d_1_d_2_d_3_without_a_token_as_application_json() {
    let (answer, _) = found().await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("application/json"));
}

#[tokio::test]
async fn d_4_to_d_12_d_21_d_22_the_members() {
    let (_, found) = found().await;
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "issuer",
        "jwks_uri",
        "introspection_endpoint",
        "revocation_endpoint",
        "management_endpoint",
        "pushed_authorization_request_endpoint",
    ] {
        assert!(found[name].as_str().is_some_and(|url| url.starts_with("https://")), "{name}");
    }
    for name in ["capabilities", "grant_types_supported", "code_challenge_methods_supported", "scopes_supported"] {
        let list = found[name].as_array().unwrap();
        assert!(!list.is_empty() && list.iter().all(Value::is_string), "{name}");
    }
    assert!(found["grant_types_supported"].as_array().unwrap().iter().any(|grant| grant == "authorization_code"));
    assert_eq!(found["code_challenge_methods_supported"], serde_json::json!(["S256"]));
    assert_eq!(found["issuer"], ISSUER);
}

#[tokio::test]
async fn d_14_co_1_any_origin_may_read_it() {
    let answer = House::new().get("/fhir/.well-known/smart-configuration", &[("origin", "https://x.example")]).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn every_api_has_its_own_and_no_other_path_has_one() {
    let house = House::new();
    assert_eq!(house.get("/lab/.well-known/smart-configuration", &[]).await.status, 200);
    assert_eq!(house.get("/other/.well-known/smart-configuration", &[]).await.status, 404);
    assert!(BASE.ends_with("/fhir"));
}

#[tokio::test]
async fn every_address_that_is_named_answers() {
    let house = House::new();
    let (_, found) = found().await;
    let documents = [
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "introspection_endpoint",
        "revocation_endpoint",
        "management_endpoint",
        "pushed_authorization_request_endpoint",
    ];
    for name in documents {
        let path = found[name].as_str().unwrap().strip_prefix(ISSUER).unwrap().to_owned();
        assert_ne!(house.get(&path, &[]).await.status, 404, "{name}");
    }
}
