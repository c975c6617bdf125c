//! RF: token refresh.

use crate::house::{House, scope_set};
use serde_json::json;

async fn refresh(house: &House, token: &str, scope: Option<&str>) -> crate::house::Answer {
    let mut pairs = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
    pairs.extend(scope.map(|scope| ("scope", scope)));
    house.token(&pairs).await
}

#[tokio::test]
async fn rf_1_rf_3_rf_5_to_rf_7_a_refresh_gives_new_tokens() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    let answer = refresh(&house, tokens["refresh_token"].as_str().unwrap(), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.header("cache-control").contains("no-store") && answer.header("pragma").contains("no-cache"));
    let fresh = answer.json();
    assert!(fresh["expires_in"].is_u64() && fresh["token_type"] == "Bearer");
    assert_eq!(scope_set(&fresh["scope"]), scope_set(&tokens["scope"]));
    assert_ne!(fresh["access_token"], tokens["access_token"]);
    assert_ne!(fresh["refresh_token"], tokens["refresh_token"]);
    assert_eq!(fresh["patient"], "p1");
    assert!(house.opens(&fresh["access_token"]));
    assert!(house.opens(&tokens["access_token"]), "the older access token lives out its hour");
}

#[tokio::test]
async fn rf_2_rf_4_gp_13_a_scope_narrows_and_never_widens() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    let first = tokens["refresh_token"].as_str().unwrap();
    let answer = refresh(&house, first, tokens["scope"].as_str()).await;
    assert_eq!(answer.status, 200);
    let second = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    let answer = refresh(&house, &second, Some("patient/Observation.rs")).await;
    assert_eq!(answer.json()["scope"], "patient/Observation.rs");
    assert_eq!(house.record(&answer.json()["access_token"]).unwrap().scopes.to_string(), "patient/Observation.rs");
    let third = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    refresh(&house, &third, Some("patient/*.cruds")).await.refused(&[400], "invalid_scope");
    let answer = refresh(&house, &third, None).await;
    assert_eq!(scope_set(&answer.json()["scope"]), scope_set(&tokens["scope"]), "a narrowing holds for one token");
}

#[tokio::test]
async fn rf_8_a_random_refresh_token_is_refused() {
    refresh(&House::new(), "random", None).await.refused(&[400, 401], "invalid_grant");
}

#[tokio::test]
async fn rf_9_a_refresh_token_holds_for_three_months_each_time() {
    let house = House::new();
    let mut token = house.tokens(&[]).await["refresh_token"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        house.pass(92 * 86_400);
        let answer = refresh(&house, &token, None).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        token = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    }
    house.pass(101 * 86_400);
    refresh(&house, &token, None).await.refused(&[400], "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_everything() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    let old = tokens["refresh_token"].as_str().unwrap();
    let fresh = refresh(&house, old, None).await.json();
    refresh(&house, old, None).await.refused(&[400], "invalid_grant");
    assert!(house.opens(&fresh["access_token"]), "an answer lost on the way ends nothing");
    house.pass(11);
    refresh(&house, old, None).await.refused(&[400], "invalid_grant");
    assert!(!house.opens(&fresh["access_token"]) && !house.opens(&tokens["access_token"]));
    refresh(&house, fresh["refresh_token"].as_str().unwrap(), None).await.refused(&[400], "invalid_grant");
    assert!(house.event_names().contains(&"replayed"));
}

#[tokio::test]
async fn gp_13_a_refresh_token_is_its_clients_only() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    let header = crate::house::basic("other", &format!("{}-2", crate::house::SECRET));
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    house.post("/oauth/token", &[("authorization", &header)], &pairs).await.refused(&[400], "invalid_grant");
    assert!(house.opens(&tokens["access_token"]));
}

#[tokio::test]
async fn without_offline_or_online_access_there_is_no_refresh_token() {
    let house = House::new();
    let tokens = house.tokens(&[("scope", "openid launch/patient patient/*.rs")]).await;
    assert_eq!(tokens.get("refresh_token"), None);
    let tokens = house.tokens(&[("scope", "openid launch/patient patient/*.rs online_access")]).await;
    assert!(tokens["refresh_token"].is_string());
    assert_eq!(tokens["scope"], json!("openid launch/patient patient/*.rs online_access"));
}

#[tokio::test]
async fn a_user_who_may_no_longer_act_gets_nothing() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    house.store.set_user_status("u-maria", bascule_store::user::Status::Disabled, house.now()).unwrap();
    refresh(&house, tokens["refresh_token"].as_str().unwrap(), None).await.refused(&[400], "invalid_grant");
    assert!(!house.opens(&tokens["access_token"]));
}
