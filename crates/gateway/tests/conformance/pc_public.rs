//! PC: public apps.

use http::Method;
use serde_json::Value;

use crate::house::{Browser, House, VERIFIER, authorize_path};

const BACK: &str = "https://native.example/back";

async fn tokens(house: &House) -> (Value, crate::house::Answer) {
    let mut browser = Browser::new(house);
    let answer = browser.launch("maria", &[("client_id", "native"), ("redirect_uri", BACK)], |_| true).await;
    let code = answer.sent("code").unwrap();
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
        ("client_id", "native"),
    ];
    let answer = house.post("/oauth/token", &[("origin", "https://native.example")], &pairs).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    (answer.json(), answer)
}

#[tokio::test]
async fn pc_2_to_pc_7_tokens_with_the_id_in_the_body() {
    let house = House::new();
    let (tokens, answer) = tokens(&house).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://native.example");
    assert!(answer.header("cache-control").contains("no-store") && answer.header("pragma").contains("no-cache"));
    assert!(tokens["id_token"].is_string() && tokens["refresh_token"].is_string());
    assert_eq!(tokens["patient"], "p1");
    assert!(house.opens(&tokens["access_token"]));
}

#[tokio::test]
async fn a_refresh_without_client_id_finds_the_public_client_by_its_token() {
    let house = House::new();
    let (tokens, _) = tokens(&house).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    assert_eq!(house.post("/oauth/token", &[], &pairs).await.status, 200);
}

#[tokio::test]
async fn a_confidential_client_is_not_found_by_its_refresh_token() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    house.post("/oauth/token", &[], &pairs).await.refused(&[400, 401], "invalid_client");
    let named = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", "portal")];
    house.post("/oauth/token", &[], &named).await.refused(&[400, 401], "invalid_client");
}

#[tokio::test]
async fn a_public_client_is_asked_for_consent_each_time() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let changes = [("client_id", "native"), ("redirect_uri", BACK)];
    browser.launch("maria", &changes, |_| true).await;
    let page = browser.go(Method::GET, &authorize_path(&changes), None).await;
    assert!(page.text.contains("value=\"allow\""), "{}", page.text);
}

#[tokio::test]
async fn a_native_app_may_use_a_scheme_of_its_own() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let changes = [("client_id", "native"), ("redirect_uri", "org.example.native:/back")];
    let answer = browser.launch("maria", &changes, |_| true).await;
    assert!(answer.header("location").starts_with("org.example.native:/back?code="));
}
