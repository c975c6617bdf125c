//! IN: token introspection.

use bascule_smart::jose;
use serde_json::{Value, json};

use crate::house::{House, SECRET, basic, scope_set};

async fn ask(house: &House, token: &str) -> crate::house::Answer {
    house.post("/oauth/introspect", &[("authorization", &basic("portal", SECRET))], &[("token", token)]).await
}

#[tokio::test]
async fn in_1_in_3_to_in_9_an_active_token() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    let answer = ask(&house, tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("cache-control").contains("no-store"));
    let said = answer.json();
    assert_eq!((&said["active"], &said["client_id"]), (&json!(true), &json!("portal")));
    assert_eq!(scope_set(&said["scope"]), scope_set(&tokens["scope"]));
    assert_eq!(said["exp"].as_i64().unwrap(), house.now().seconds() + tokens["expires_in"].as_i64().unwrap());
    assert_eq!(said["patient"], tokens["patient"]);
    let claims = Value::Object(jose::unverified(tokens["id_token"].as_str().unwrap()).unwrap().claims);
    for name in ["iss", "sub", "fhirUser"] {
        assert_eq!(said[name], claims[name], "{name}");
    }
}

#[tokio::test]
async fn in_2_in_10_in_11_every_other_token_is_only_not_active() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    let access = tokens["access_token"].as_str().unwrap();
    let inactive = |answer: crate::house::Answer| {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), json!({"active": false}));
    };
    inactive(ask(&house, "invalid_token_value").await);
    inactive(ask(&house, tokens["refresh_token"].as_str().unwrap()).await);
    house.pass(3_600);
    inactive(ask(&house, access).await);
}

#[tokio::test]
async fn gp_20_it_is_protected_and_a_resource_server_may_ask_about_all() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    let access = tokens["access_token"].as_str().unwrap();
    house.post("/oauth/introspect", &[], &[("token", access)]).await.refused(&[401], "invalid_client");
    house.post("/oauth/introspect", &[], &[("token", access), ("client_id", "native")]).await;
    let other = basic("other", &format!("{SECRET}-2"));
    let said = house.post("/oauth/introspect", &[("authorization", &other)], &[("token", access)]).await;
    assert_eq!(said.json(), json!({"active": false}), "another client learns nothing");
    let key = house.add_backend("reader", "system/*.rs");
    let mut metadata = house.store.client("reader").unwrap().unwrap().metadata;
    metadata.introspects = true;
    house.store.update_client("reader", &metadata).unwrap();
    let proof = crate::house::assertion(&house, &key, "reader");
    let pairs =
        [("token", access), ("client_assertion_type", crate::house::ASSERTION_TYPE), ("client_assertion", &proof)];
    assert_eq!(house.post("/oauth/introspect", &[], &pairs).await.json()["active"], true);
}

#[tokio::test]
async fn in_1_a_caller_may_show_its_own_access_token() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    let access = tokens["access_token"].as_str().unwrap();
    let bearer = format!("Bearer {access}");
    let said = house.post("/oauth/introspect", &[("authorization", &bearer)], &[("token", access)]).await;
    assert_eq!(said.json()["active"], true);
}
