//! The pages: what they promise to people and browsers.

use http::Method;

use bascule_crypto::Secret;
use bascule_gateway::smart::SmartLimits;

use crate::house::{Browser, House, PASSWORD, authorize_path};

#[tokio::test]
async fn every_page_is_guarded_and_has_no_script() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let sign_in = browser.go(Method::GET, &authorize_path(&[]), None).await;
    let consent = browser.submit(&sign_in, &[("login", "maria"), ("password", PASSWORD)], |_| true).await;
    let apps = browser.go(Method::GET, "/oauth/apps", None).await;
    let error = browser.go(Method::GET, "/oauth/authorize?client_id=x", None).await;
    for page in [&sign_in, &consent, &apps, &error] {
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"));
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert!(!page.text.contains("<script") && !page.text.contains(" style=") && !page.text.contains(" onclick"));
        assert!(page.text.starts_with("<!DOCTYPE html>") && page.text.contains("lang=\"en\""));
        assert!(page.text.matches("<h1>").count() == 1 && page.text.contains("<title>"));
    }
    assert!(consent.header("content-security-policy").contains("form-action 'self' https://portal.example"));
    assert_eq!(error.status, 400);
}

#[tokio::test]
async fn every_field_has_a_label_and_every_error_is_announced() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let page = browser.go(Method::GET, &authorize_path(&[]), None).await;
    for id in ["login", "password"] {
        assert!(page.text.contains(&format!("for=\"{id}\"")) && page.text.contains(&format!("id=\"{id}\"")));
    }
    let page = browser.submit(&page, &[("login", "maria"), ("password", "wrong")], |_| true).await;
    assert_eq!(page.status, 401);
    assert!(page.text.contains("role=\"alert\"") && page.text.contains("value=\"maria\""), "{}", page.text);
    assert!(!page.text.contains("wrong\""));
    let unknown = browser.submit(&page, &[("login", "stranger"), ("password", "wrong")], |_| true).await;
    let normal = |text: &str| text.replace("maria", "X").replace("stranger", "X");
    assert_eq!(normal(&page.text), normal(&unknown.text), "nobody learns which names exist");
    assert_eq!(house.event_names(), ["sign-in-refused", "sign-in-refused"]);
}

#[tokio::test]
async fn guessing_is_slowed_down_with_retry_after() {
    let house = House::with(|_| (), SmartLimits { sign_ins_per_minute: 3, ..SmartLimits::default() });
    let mut browser = Browser::new(&house);
    let page = browser.go(Method::GET, &authorize_path(&[]), None).await;
    for _ in 0..3 {
        assert_eq!(browser.submit(&page, &[("login", "maria"), ("password", "wrong")], |_| true).await.status, 401);
    }
    let answer = browser.submit(&page, &[("login", "maria"), ("password", PASSWORD)], |_| true).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    let other = browser.submit(&page, &[("login", "joana"), ("password", PASSWORD)], |_| true).await;
    assert_ne!(other.status, 429, "another person is not concerned");
}

#[tokio::test]
async fn a_client_that_guesses_is_slowed_down() {
    let house = House::with(|_| (), SmartLimits { client_failures_per_minute: 3, ..SmartLimits::default() });
    let mut last = 0;
    for _ in 0..5 {
        let header = crate::house::basic("portal", "wrong");
        let answer = house.post("/oauth/token", &[("authorization", &header)], &crate::house::redeem("x")).await;
        last = answer.status.as_u16();
        assert!(last == 401 || !answer.header("retry-after").is_empty());
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_counts_once() {
    let house = House::new();
    let secret = Secret::new("12345678901234567890");
    house.store.set_second_factor("u-maria", Some(&secret)).unwrap();
    // RFC 6238, appendix B: at 2,000,000,000 seconds the digits are 69279037.
    house.pass(2_000_000_000 - house.now().seconds());
    let mut browser = Browser::new(&house);
    let page = browser.until_consent("maria", &[]).await;
    assert!(page.text.contains("autocomplete=\"one-time-code\""), "{}", page.text);
    let wrong = browser.submit(&page, &[("otp", "000000")], |_| true).await;
    assert_eq!(wrong.status, 401);
    let consent = browser.submit(&wrong, &[("otp", "279037")], |_| true).await;
    assert!(consent.text.contains("value=\"allow\""), "{}", consent.text);
    let mut again = Browser::new(&house);
    let page = again.until_consent("maria", &[]).await;
    let replayed = again.submit(&page, &[("otp", "279037")], |_| true).await;
    assert_eq!(replayed.status, 401, "the same digits work once");
}

#[tokio::test]
async fn an_idle_session_ends() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    browser.launch("maria", &[], |_| true).await;
    house.pass(1_801);
    let page = browser.go(Method::GET, "/oauth/apps", None).await;
    assert!(page.text.contains("name=\"password\""));
}
