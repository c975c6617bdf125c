//! SL: standalone launch of a confidential app.

use http::Method;

use crate::house::{BACK, Browser, FULL, House, ISSUER, US_CORE, authorize_path, encode, redeem, request, scope_set};

#[tokio::test]
async fn sl_2_sl_3_sl_6_by_get_with_state_and_code() {
    let house = House::new();
    let answer = Browser::new(&house).launch("maria", &[], |_| true).await;
    assert!(answer.header("location").starts_with(BACK));
    assert_eq!(answer.sent("state").as_deref(), Some("a state, with & and +"));
    assert_eq!(answer.sent("iss").as_deref(), Some(ISSUER));
    assert!(answer.sent("code").is_some_and(|code| code.len() == 43));
    assert_eq!(answer.sent("error"), None);
    assert_eq!(house.event_names(), ["signed-in", "code-issued"]);
}

#[tokio::test]
async fn sl_4_by_post_too() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let pairs = request(&[]);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let page = browser.go(Method::POST, "/oauth/authorize", Some(encode(&pairs))).await;
    let fill = [("login", "maria"), ("password", crate::house::PASSWORD)];
    let page = browser.submit(&page, &fill, |_| true).await;
    let answer = browser.submit(&page, &[("decision", "allow")], |name| !name.starts_with("kind")).await;
    assert!(answer.sent("code").is_some());
}

#[tokio::test]
async fn sl_8_to_sl_11_sl_15_sl_16_the_token_response() {
    let house = House::new();
    let code = house.code(&[]).await;
    let answer = house.token(&redeem(&code)).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("application/json"));
    assert!(answer.header("cache-control").contains("no-store"));
    assert!(answer.header("pragma").contains("no-cache"));
    let body = answer.json();
    for name in ["access_token", "token_type", "scope", "refresh_token", "id_token"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    assert!(body["expires_in"].is_u64());
    assert!(body["token_type"].as_str().unwrap().eq_ignore_ascii_case("bearer"));
}

#[tokio::test]
async fn sl_12_sl_17_sl_18_all_scopes_asked_and_allowed_are_granted() {
    let house = House::new();
    let types: Vec<String> = US_CORE.iter().map(|name| format!("patient/{name}.rs")).collect();
    let asked = format!("openid fhirUser launch/patient offline_access {}", types.join(" "));
    let tokens = house.tokens(&[("scope", &asked)]).await;
    assert_eq!(scope_set(&tokens["scope"]), scope_set(&serde_json::json!(asked)));
}

#[tokio::test]
async fn sl_19_everything_covers_every_type() {
    let tokens = House::new().tokens(&[]).await;
    assert!(scope_set(&tokens["scope"]).contains("patient/*.rs"));
    assert_eq!(scope_set(&tokens["scope"]), scope_set(&serde_json::json!(FULL)));
}

#[tokio::test]
async fn sl_20_sl_21_the_patient_is_in_context_of_response_and_token() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    assert_eq!(tokens["patient"], "p1");
    let record = house.record(&tokens["access_token"]).unwrap();
    assert_eq!(record.patient.unwrap().as_str(), "p1");
    assert_eq!((record.apis, record.roles), (vec!["ehr".to_owned()], vec!["patient".to_owned()]));
    assert!(!house.opens(&serde_json::json!("another token")));
}

#[tokio::test]
async fn a_person_with_several_patients_picks_one() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let page = browser.until_consent("joana", &[]).await;
    assert!(page.text.contains("Whose record?") && page.text.contains("P4"), "{}", page.text);
    let page = browser.submit(&page, &[("patient", "p4")], |_| true).await;
    assert!(page.text.contains("P4") && page.text.contains("value=\"allow\""));
    let answer = browser.submit(&page, &[("decision", "allow")], |name| !name.starts_with("kind")).await;
    let tokens = house.token(&redeem(&answer.sent("code").unwrap())).await.json();
    assert_eq!(tokens["patient"], "p4");
}

#[tokio::test]
async fn nobody_picks_a_patient_who_is_not_theirs() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let page = browser.until_consent("joana", &[]).await;
    let again = browser.submit(&page, &[("patient", "p1")], |_| true).await;
    assert!(again.text.contains("Whose record?"), "{}", again.text);
    let mut browser = Browser::new(&house);
    let answer = browser.until_consent("nobody", &[]).await;
    assert_eq!(answer.sent("error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn a_member_of_staff_names_the_patient() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let page = browser.until_consent("amal", &[("scope", "openid fhirUser launch/patient user/*.rs")]).await;
    assert!(page.text.contains("Which patient?"), "{}", page.text);
    let again = browser.submit(&page, &[("patient", "../x")], |_| true).await;
    assert!(again.status == 400 && again.text.contains("An id has letters"), "{}", again.text);
    let page = browser.submit(&again, &[("patient", "p7")], |_| true).await;
    let answer = browser.submit(&page, &[("decision", "allow")], |name| !name.starts_with("kind")).await;
    let tokens = house.token(&redeem(&answer.sent("code").unwrap())).await.json();
    assert_eq!(tokens["patient"], "p7");
}

#[tokio::test]
async fn a_second_visit_needs_no_second_sign_in_and_no_second_consent() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    browser.launch("maria", &[], |_| true).await;
    let answer = browser.go(Method::GET, &authorize_path(&[]), None).await;
    assert!(answer.sent("code").is_some(), "{}", answer.text);
    let answer = browser.go(Method::GET, &authorize_path(&[("scope", "openid patient/*.cruds")]), None).await;
    assert!(answer.text.contains("value=\"allow\""), "more is asked: {}", answer.text);
    let answer = browser.go(Method::GET, &authorize_path(&[("prompt", "consent")]), None).await;
    assert!(answer.text.contains("value=\"allow\""));
    house.pass(1);
    let answer = browser.go(Method::GET, &authorize_path(&[("prompt", "login")]), None).await;
    assert!(answer.text.contains("name=\"password\""));
    house.pass(600);
    let answer = browser.go(Method::GET, &authorize_path(&[("max_age", "300")]), None).await;
    assert!(answer.text.contains("name=\"password\""));
}

#[tokio::test]
async fn without_a_page_there_is_an_answer_or_an_error() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let answer = browser.go(Method::GET, &authorize_path(&[("prompt", "none")]), None).await;
    assert_eq!(answer.sent("error").as_deref(), Some("login_required"));
    browser.launch("maria", &[], |_| true).await;
    let answer = browser.go(Method::GET, &authorize_path(&[("prompt", "none")]), None).await;
    assert!(answer.sent("code").is_some());
    let wider = authorize_path(&[("prompt", "none"), ("scope", "openid patient/*.cruds")]);
    assert_eq!(browser.go(Method::GET, &wider, None).await.sent("error").as_deref(), Some("consent_required"));
}

#[tokio::test]
async fn a_person_can_say_no() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let page = browser.until_consent("maria", &[]).await;
    let answer = browser.submit(&page, &[("decision", "deny")], |_| true).await;
    assert_eq!(answer.sent("error").as_deref(), Some("access_denied"));
    assert_eq!(answer.sent("state").as_deref(), Some("a state, with & and +"));
    assert!(house.event_names().contains(&"authorization-refused"));
}
