//! GP: what the specifications demand and no suite automates.

use http::Method;

use crate::house::{BACK, Browser, House, VERIFIER, authorize_path, redeem};

#[tokio::test]
async fn gp_11_a_code_used_twice_gives_nothing_and_ends_what_it_gave() {
    let house = House::new();
    let code = house.code(&[]).await;
    let tokens = house.token(&redeem(&code)).await.json();
    assert!(house.opens(&tokens["access_token"]));
    house.token(&redeem(&code)).await.refused(&[400], "invalid_grant");
    assert!(!house.opens(&tokens["access_token"]));
    let refresh = tokens["refresh_token"].as_str().unwrap();
    house.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await.refused(&[400], "invalid_grant");
    assert!(house.event_names().contains(&"replayed"));
}

#[tokio::test]
async fn a_code_is_its_clients_only_and_a_foreign_try_does_no_harm() {
    let house = House::new();
    let code = house.code(&[]).await;
    let header = crate::house::basic("other", &format!("{}-2", crate::house::SECRET));
    house.post("/oauth/token", &[("authorization", &header)], &redeem(&code)).await.refused(&[400], "invalid_grant");
    assert_eq!(house.token(&redeem(&code)).await.status, 200);
}

#[tokio::test]
async fn a_code_lives_a_minute() {
    let house = House::new();
    let code = house.code(&[]).await;
    house.pass(60);
    house.token(&redeem(&code)).await.refused(&[400], "invalid_grant");
}

#[tokio::test]
async fn gp_12_the_redirect_uri_is_the_same_at_both_ends() {
    let house = House::new();
    for uri in ["https://portal.example/other", "https://portal.example/back/", ""] {
        let code = house.code(&[]).await;
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", uri),
            ("code_verifier", VERIFIER),
        ];
        assert_eq!(house.token(&pairs).await.status, 400, "{uri}");
    }
    for uri in [
        "https://evil.example/back",
        "https://portal.example/back?x",
        "https://portal.example:444/back",
        "https://portal.example.evil.example/back",
        "https://portal.example@evil.example/back",
        "javascript:alert(1)",
        "//evil.example",
        "https://PORTAL.example/back",
        "https://portal.example/back#x",
    ] {
        let answer = Browser::new(&house).visit(Method::GET, &authorize_path(&[("redirect_uri", uri)]), None).await;
        assert_eq!(answer.status, 400, "{uri}");
        assert_eq!(answer.header("location"), "", "{uri}");
    }
    assert_eq!(BACK, "https://portal.example/back");
}

#[tokio::test]
async fn gp_14_an_access_token_ends_at_its_time() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    house.pass(3_599);
    assert!(house.opens(&tokens["access_token"]));
    house.pass(1);
    assert!(!house.opens(&tokens["access_token"]));
}

#[tokio::test]
async fn a_request_belongs_to_the_browser_that_began_it() {
    let house = House::new();
    let mut victim = Browser::new(&house);
    let begun = victim.visit(Method::GET, &authorize_path(&[]), None).await;
    let link = begun.header("location").to_owned();
    victim.go(Method::GET, &link, None).await;
    let mut thief = Browser::new(&house);
    let answer = thief.go(Method::GET, &link, None).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_form_that_is_not_ours_does_nothing() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let page = browser.until_consent("maria", &[]).await;
    for forged in ["", "0000", &"f".repeat(64)] {
        let answer = browser.submit(&page, &[("form", forged), ("decision", "allow")], |_| true).await;
        assert_eq!(answer.status, 400, "{forged}");
    }
    let mut stranger = Browser::new(&house);
    let answer = stranger.submit(&page, &[("decision", "allow")], |_| true).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn the_session_is_a_new_one_after_signing_in() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let page = browser.go(Method::GET, &authorize_path(&[]), None).await;
    let before = page.text.clone();
    let page = browser.submit(&page, &[("login", "maria"), ("password", crate::house::PASSWORD)], |_| true).await;
    let token = |text: &str| text.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_ne!(token(&before), token(&page.text));
}

#[tokio::test]
async fn when_the_log_cannot_be_written_nothing_is_given() {
    let house = House::new();
    let code = house.code(&[]).await;
    house.log_broken.store(true, std::sync::atomic::Ordering::Relaxed);
    let answer = house.token(&redeem(&code)).await;
    answer.refused(&[503], "temporarily_unavailable");
    assert!(answer.json().get("access_token").is_none() && !answer.header("retry-after").is_empty());
    let mut browser = Browser::new(&house);
    let page = browser.go(Method::GET, &authorize_path(&[]), None).await;
    let answer = browser.submit(&page, &[("login", "maria"), ("password", crate::house::PASSWORD)], |_| true).await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers.get("set-cookie").is_none(), "nobody is signed in unseen");
}
