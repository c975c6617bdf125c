//! Sealed emergency accounts: they open without any provider, and nobody opens one unseen.

use bascule_crypto::Secret;
use bascule_store::user::NewUser;

use crate::house::{Browser, House, PASSWORD, authorize_path};

fn sealed(house: &House) {
    let user = NewUser {
        id: Some("u-sealed".into()),
        login: "emergency-1".into(),
        name: "Emergency account 1".into(),
        roles: vec!["administrator".into()],
        ..NewUser::default()
    };
    house.store.add_user(&user, Some(&Secret::new(PASSWORD)), house.now()).unwrap();
    house.store.seal("u-sealed", house.now()).unwrap();
}

async fn open(house: &House) -> crate::house::Answer {
    let mut browser = Browser::new(house);
    let page = browser.go(http::Method::GET, &authorize_path(&[("scope", "openid user/*.rs")]), None).await;
    browser.submit(&page, &[("login", "emergency-1"), ("password", PASSWORD)], |_| true).await
}

#[tokio::test]
async fn opening_one_works_at_once_and_raises_an_alarm() {
    let house = House::new();
    sealed(&house);
    let page = open(&house).await;
    assert!(page.text.contains("value=\"allow\"") || page.sent("code").is_some(), "{} {}", page.status, page.text);
    let alerts = house.store.alerts(true).unwrap();
    let alarm = alerts.iter().find(|alert| alert.alert.rule == "sealed-account-opened").unwrap();
    assert_eq!((alarm.alert.severity.as_str(), alarm.alert.user.as_deref()), ("high", Some("u-sealed")));
    assert!(house.event_names().contains(&"seal-broken"));
    assert!(house.store.sealed_accounts().unwrap()[0].broken);
    assert!(house.store.broken_seals().unwrap()[0].reviewed.is_none(), "a review is due");
}

#[tokio::test]
async fn a_drill_is_seen_too_and_is_no_emergency() {
    let house = House::new();
    sealed(&house);
    house.store.announce_drill("u-sealed", house.now()).unwrap();
    open(&house).await;
    assert_eq!(house.store.alerts(true).unwrap()[0].alert.severity, "low");
    assert!(house.store.broken_seals().unwrap()[0].drill);
}

#[tokio::test]
async fn without_the_log_it_does_not_open() {
    let house = House::new();
    sealed(&house);
    house.log_broken.store(true, std::sync::atomic::Ordering::Relaxed);
    let page = open(&house).await;
    assert_eq!(page.status, 503, "{}", page.text);
}
