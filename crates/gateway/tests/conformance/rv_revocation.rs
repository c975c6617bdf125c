//! RV: revocation, by the client and by the person.

use http::Method;

use crate::house::{Browser, House, SECRET, basic};

async fn revoke(house: &House, token: &str) -> crate::house::Answer {
    house.post("/oauth/revoke", &[("authorization", &basic("portal", SECRET))], &[("token", token)]).await
}

#[tokio::test]
async fn rv_2_a_revoked_access_token_opens_nothing() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    assert_eq!(revoke(&house, tokens["access_token"].as_str().unwrap()).await.status, 200);
    assert!(!house.opens(&tokens["access_token"]));
}

#[tokio::test]
async fn rv_3_a_revoked_refresh_token_ends_the_grant() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(revoke(&house, refresh).await.status, 200);
    assert!(!house.opens(&tokens["access_token"]));
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    house.token(&pairs).await.refused(&[400, 401], "invalid_grant");
    assert!(house.event_names().contains(&"revoked"));
}

#[tokio::test]
async fn an_unknown_or_foreign_token_is_answered_alike_and_stays() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    assert_eq!(revoke(&house, "unknown").await.status, 200);
    let other = basic("other", &format!("{SECRET}-2"));
    let access = tokens["access_token"].as_str().unwrap();
    let answer = house.post("/oauth/revoke", &[("authorization", &other)], &[("token", access)]).await;
    assert_eq!(answer.status, 200);
    assert!(house.opens(&tokens["access_token"]));
}

#[tokio::test]
async fn rv_1_a_person_sees_the_apps_and_ends_one() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let answer = browser.launch("maria", &[], |_| true).await;
    let tokens = house.token(&crate::house::redeem(&answer.sent("code").unwrap())).await.json();
    let page = browser.go(Method::GET, "/oauth/apps", None).await;
    assert!(page.text.contains("Mercy Portal") && page.text.contains("everything in the record"), "{}", page.text);
    let page = browser.submit(&page, &[], |_| true).await;
    assert!(page.text.contains("No app has access"), "{}", page.text);
    assert!(!house.opens(&tokens["access_token"]));
    let again = browser.go(Method::GET, &crate::house::authorize_path(&[]), None).await;
    assert!(again.text.contains("value=\"allow\""), "the person is asked again");
}

#[tokio::test]
async fn signing_out_ends_the_session_and_what_lives_with_it() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let changes = [("scope", "openid launch/patient patient/*.rs online_access")];
    let answer = browser.launch("maria", &changes, |_| true).await;
    let tokens = house.token(&crate::house::redeem(&answer.sent("code").unwrap())).await.json();
    let page = browser.go(Method::GET, "/oauth/logout", None).await;
    assert!(house.opens(&tokens["access_token"]), "a link alone signs nobody out");
    let page = browser.submit(&page, &[], |_| true).await;
    assert!(page.text.contains("signed out"));
    assert!(!house.opens(&tokens["access_token"]));
    let page = browser.go(Method::GET, "/oauth/apps", None).await;
    assert!(page.text.contains("name=\"password\""));
}

#[tokio::test]
async fn after_signing_out_a_browser_goes_only_where_the_app_registered() {
    let house = House::new();
    for (uri, there) in [("https://portal.example/bye", true), ("https://evil.example/bye", false)] {
        let mut browser = Browser::new(&house);
        browser.launch("maria", &[], |_| true).await;
        let path = format!("/oauth/logout?client_id=portal&post_logout_redirect_uri={uri}&state=s");
        let page = browser.go(Method::GET, &path, None).await;
        let answer = browser.submit(&page, &[], |_| true).await;
        assert_eq!(answer.header("location") == format!("{uri}?state=s"), there, "{uri}");
    }
}
