//! BS and BT: backend services.

use bascule_smart::jose::SigningAlgorithm;
use serde_json::{Value, json};

use crate::house::{ASSERTION_TYPE, Answer, House, TOKEN_URL, assertion, assertion_with, key};

async fn ask(house: &House, changes: &[(&str, &str)], proof: &str) -> Answer {
    let sound = [
        ("grant_type", "client_credentials"),
        ("scope", "system/*.rs"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", proof),
    ];
    let mut pairs: Vec<(&str, &str)> = sound.to_vec();
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    house.post("/oauth/token", &[("accept", "application/json")], &pairs).await
}

#[tokio::test]
async fn bs_5_bs_6_bs_10_gp_8_a_sound_request_gives_a_short_token() {
    let house = House::new();
    let key = house.add_backend("scheduler", "system/*.rs");
    let answer = ask(&house, &[], &assertion(&house, &key, "scheduler")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["scope"]), (&json!("Bearer"), &json!("system/*.rs")));
    assert_eq!(body["expires_in"], 300);
    assert_eq!(body.get("refresh_token"), None);
    let record = house.record(&body["access_token"]).unwrap();
    assert_eq!((record.user, record.patient), (None, None));
    assert_eq!((record.roles, record.apis), (vec!["scheduler".to_owned()], vec!["ehr".to_owned()]));
}

#[tokio::test]
async fn bs_2_a_bad_grant_type_is_exactly_400() {
    let house = House::new();
    let key = house.add_backend("scheduler", "system/*.rs");
    let answer = ask(&house, &[("grant_type", "not_a_grant_type")], &assertion(&house, &key, "scheduler")).await;
    answer.refused(&[400], "unsupported_grant_type");
}

#[tokio::test]
async fn bs_3_bs_4_bs_11_gp_4_a_bad_assertion_type_is_invalid_client() {
    let house = House::new();
    let key = house.add_backend("scheduler", "system/*.rs");
    let proof = assertion(&house, &key, "scheduler");
    ask(&house, &[("client_assertion_type", "not_an_assertion_type")], &proof)
        .await
        .refused(&[400, 401], "invalid_client");
}

#[tokio::test]
async fn bt_2_only_a_form_is_read() {
    let house = House::new();
    for kind in ["application/json", "text/plain", "multipart/form-data", ""] {
        let request = http::Request::post("/oauth/token").header("content-type", kind);
        let answer = house.send(request.body(axum::body::Body::from("grant_type=client_credentials")).unwrap()).await;
        answer.refused(&[400], "invalid_request");
    }
}

#[tokio::test]
async fn bt_3_each_parameter_must_be_there() {
    let house = House::new();
    let key = house.add_backend("scheduler", "system/*.rs");
    for (name, error) in [
        ("grant_type", "invalid_request"),
        ("client_assertion_type", "invalid_client"),
        ("scope", "invalid_scope"),
        ("client_assertion", "invalid_client"),
    ] {
        let answer = ask(&house, &[(name, "")], &assertion(&house, &key, "scheduler")).await;
        answer.refused(&[400, 401], error);
    }
}

#[tokio::test]
async fn bt_4_to_bt_6_bt_14_bt_15_gp_2_spoilt_assertions_are_invalid_client() {
    let house = House::new();
    let key = house.add_backend("scheduler", "system/*.rs");
    let spoil = |name: &'static str, value: Value| {
        assertion_with(&house, &key, "scheduler", move |claims| claims[name] = value)
    };
    for (id, proof) in [
        ("BT-4", spoil("aud", json!("https://bridge.example/other"))),
        ("BT-5", spoil("iss", json!("someone"))),
        ("BT-6", assertion(&house, &key, "unregistered")),
        ("BT-15", assertion(&house, &self::key(SigningAlgorithm::Es384), "scheduler")),
        ("exp", spoil("exp", json!(house.now().seconds() + 3_600))),
        ("exp", spoil("exp", json!(house.now().seconds() - 60))),
        ("library default of authlib", spoil("exp", json!(house.now().seconds() + 3_600))),
    ] {
        let answer = ask(&house, &[], &proof).await;
        assert!(
            [400, 401].contains(&answer.status.as_u16()) && answer.json()["error"] == "invalid_client",
            "{id} {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn gp_1_a_replayed_assertion_is_refused() {
    let house = House::new();
    let key = house.add_backend("scheduler", "system/*.rs");
    let proof = assertion(&house, &key, "scheduler");
    assert_eq!(ask(&house, &[], &proof).await.status, 200);
    ask(&house, &[], &proof).await.refused(&[400, 401], "invalid_client");
    house.pass(200);
    ask(&house, &[], &proof).await.refused(&[400, 401], "invalid_client");
}

#[tokio::test]
async fn bs_8_gp_7_bt_7_to_bt_13_no_more_than_was_authorised_before() {
    let house = House::new();
    let key = house.add_backend("scheduler", "system/Appointment.rs system/Patient.r");
    let granted = |scope: &'static str| {
        let (house, key) = (&house, &key);
        async move {
            let answer = ask(house, &[("scope", scope)], &assertion(house, key, "scheduler")).await;
            let body = answer.json();
            body["scope"].as_str().or(body["error"].as_str()).unwrap().to_owned()
        }
    };
    assert_eq!(granted("system/*.cruds").await, "system/Appointment.rs system/Patient.r");
    assert_eq!(granted("system/Appointment.read system/Observation.rs").await, "system/Appointment.read");
    for refused in [
        "launch fhirUser",
        "patient/*.rs",
        "user/*.rs",
        "system/Observation.rs",
        "system/Appointment.cud",
        "system/Appointment.write",
        "system/Nothing.rs",
        "system/Appointment.x",
        "openid",
    ] {
        assert_eq!(granted(refused).await, "invalid_scope", "{refused}");
    }
}

#[tokio::test]
async fn bt_16_bs_9_gp_5_gp_19_keys_by_address_are_fetched_anew_when_they_change() {
    let house = House::new();
    let (old, new) = (key(SigningAlgorithm::Es384), key(SigningAlgorithm::Es384));
    house.add_client(
        "remote",
        json!({"grant_types": ["client_credentials"], "scope": "system/*.rs",
        "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://remote.example/jwks"}),
    );
    let publish = |key: &bascule_smart::jose::SigningKey| {
        house.remote_keys.lock().unwrap().0 = json!({"keys": [key.public_jwk()]});
    };
    let fetched = || house.remote_keys.lock().unwrap().1;
    publish(&old);
    for _ in 0..3 {
        assert_eq!(ask(&house, &[], &assertion(&house, &old, "remote")).await.status, 200);
    }
    assert_eq!(fetched(), 1, "cached");
    house.pass(11);
    publish(&new);
    assert_eq!(ask(&house, &[], &assertion(&house, &new, "remote")).await.status, 200, "an unknown kid fetches again");
    assert_eq!(fetched(), 2);
    for _ in 0..5 {
        ask(&house, &[], &assertion(&house, &old, "remote")).await.refused(&[400, 401], "invalid_client");
    }
    assert_eq!(fetched(), 2, "not again so soon");
    house.pass(61);
    assert_eq!(ask(&house, &[], &assertion(&house, &new, "remote")).await.status, 200);
    assert_eq!(fetched(), 3, "no longer than its cache-control says");
}

#[tokio::test]
async fn a_person_app_cannot_use_client_credentials() {
    let house = House::new();
    house
        .token(&[("grant_type", "client_credentials"), ("scope", "system/*.rs")])
        .await
        .refused(&[400], "unauthorized_client");
    let key = house.add_backend("scheduler", "system/*.rs");
    let changes = [("grant_type", "authorization_code"), ("code", "x")];
    ask(&house, &changes, &assertion(&house, &key, "scheduler")).await.refused(&[400], "unauthorized_client");
    assert!(TOKEN_URL.ends_with("/token"));
}
