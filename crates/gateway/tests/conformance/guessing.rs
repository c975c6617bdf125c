//! Guessing at passwords: a stranger is slowed down, and the person is not locked out.

use bascule_crypto::Secret;
use bascule_wire::Peer;
use http::Request;

use crate::house::{Answer, Browser, House, PASSWORD, authorize_path};
use bascule_gateway::smart::SmartLimits;

/// A stranger at an address, with a browser of their own.
async fn guess(house: &House, address: &str, login: &str, password: &str) -> Answer {
    let mut browser = Browser::at(house, address);
    let page = browser.go(http::Method::GET, &authorize_path(&[]), None).await;
    browser.submit(&page, &[("login", login), ("password", password)], |_| true).await
}

fn limits() -> SmartLimits {
    SmartLimits { sign_ins_per_minute: 10_000, address_sign_ins_per_minute: 10_000, ..SmartLimits::default() }
}

#[tokio::test]
async fn many_strangers_cannot_lock_a_person_out_of_the_own_browser() {
    let house = House::with(|_| (), limits());
    let mut own = Browser::at(&house, "198.51.100.7");
    own.launch("maria", &[], |_| true).await;
    let mut statuses = Vec::new();
    for number in 0..60 {
        statuses.push(guess(&house, &format!("203.0.113.{number}"), "maria", "wrong guess").await.status.as_u16());
    }
    assert_eq!(statuses[..50], [401; 50]);
    assert!(statuses[51..].iter().all(|status| *status == 429), "{statuses:?}");
    let alerts = house.store.alerts(true).unwrap();
    assert_eq!(alerts.iter().filter(|alert| alert.alert.rule == "password-guessing").count(), 1);
    // The person's session has ended meanwhile; the browser is still theirs.
    house.store.end_sessions_of("u-maria", house.now()).unwrap();
    let page = own.until_consent("maria", &[]).await;
    assert!(page.text.contains("value=\"allow\"") || page.sent("code").is_some(), "{} {}", page.status, page.text);
}

#[tokio::test]
async fn strangers_slow_nobody_whom_a_password_alone_does_not_open() {
    let house = House::with(|_| (), limits());
    house.store.set_second_factor("u-maria", Some(&Secret::new("12345678901234567890"))).unwrap();
    for number in 0..60 {
        assert_eq!(guess(&house, &format!("203.0.113.{number}"), "maria", "wrong guess").await.status, 401);
    }
    let page = guess(&house, "198.51.100.8", "maria", PASSWORD).await;
    assert!(page.text.contains("autocomplete=\"one-time-code\""), "{} {}", page.status, page.text);
}

#[tokio::test]
async fn each_failure_in_one_place_doubles_the_wait_there() {
    let house = House::with(|_| (), limits());
    let mut waits = Vec::new();
    for _ in 0..9 {
        let answer = guess(&house, "203.0.113.9", "maria", "wrong guess").await;
        if answer.status == 429 {
            let wait: i64 = answer.header("retry-after").parse().unwrap();
            waits.push(wait);
            house.pass(wait);
        }
    }
    assert_eq!(waits, [2, 4], "after five that cost nothing");
    assert!(house.event_names().contains(&"sign-in-refused"));
    assert_ne!(guess(&house, "198.51.100.1", "maria", PASSWORD).await.status, 429, "elsewhere nobody waits");
}

#[tokio::test]
async fn digits_cannot_be_guessed_by_many_who_know_the_password() {
    let house = House::with(|_| (), limits());
    house.store.set_second_factor("u-maria", Some(&Secret::new("12345678901234567890"))).unwrap();
    let mut refused = 0;
    for number in 0..60 {
        let mut browser = Browser::at(&house, &format!("203.0.113.{number}"));
        let page = browser.until_consent("maria", &[]).await;
        let answer = browser.submit(&page, &[("otp", "000001")], |_| true).await;
        refused += usize::from(answer.status == 429);
    }
    assert!(refused >= 8, "{refused}");
}

/// A request comes from an address only through the listener's own word.
#[test]
fn an_address_is_not_taken_from_a_header() {
    let request = Request::get("/").header("x-forwarded-for", "1.2.3.4").body(()).unwrap();
    let caller = bascule_gateway::smart::Caller::of(&request.into_parts().0);
    assert_eq!(caller.address, "unknown");
    let mut request = Request::get("/").header("x-forwarded-for", "1.2.3.4").body(()).unwrap();
    request.extensions_mut().insert(Peer { address: "203.0.113.9:1".parse().unwrap(), ..crate::house::peer() });
    assert_eq!(bascule_gateway::smart::Caller::of(&request.into_parts().0).address, "203.0.113.9");
}
