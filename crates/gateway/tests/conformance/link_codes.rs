//! Linking an account to a record by a code on paper.

use bascule_crypto::Secret;
use bascule_fhir::Id;
use bascule_store::link_code::LinkTarget;
use bascule_store::user::NewUser;
use http::Method;

use crate::house::{Answer, Browser, House, PASSWORD};

fn house() -> (House, String) {
    let house = House::new();
    let new =
        NewUser { id: Some("u-new".into()), login: "new".into(), name: "New Person".into(), ..NewUser::default() };
    house.store.add_user(&new, Some(&Secret::new(PASSWORD)), house.now()).unwrap();
    let target = LinkTarget {
        api: "ehr".into(),
        patient: Id::parse("p42").unwrap(),
        kind: "self".into(),
        label: None,
        represents: None,
    };
    let until = house.now().plus_seconds(3 * 86_400);
    let code = house.store.make_link_code(&target, "desk", until, house.now()).unwrap();
    (house, code)
}

async fn at_the_page(browser: &mut Browser<'_>) -> Answer {
    let page = browser.go(Method::GET, "/oauth/link", None).await;
    browser.submit(&page, &[("login", "new"), ("password", PASSWORD)], |_| true).await
}

#[tokio::test]
async fn a_code_links_the_account_and_then_a_launch_finds_the_record() {
    let (house, code) = house();
    let mut browser = Browser::new(&house);
    let page = at_the_page(&mut browser).await;
    let page = browser.submit(&page, &[("code", &code)], |_| true).await;
    assert!(page.text.contains("Your account is linked"), "{}", page.text);
    let back = browser.go(Method::GET, &crate::house::authorize_path(&[]), None).await;
    let back = browser.submit(&back, &[("decision", "allow")], |name| !name.starts_with("kind")).await;
    let tokens = house.token(&crate::house::redeem(&back.sent("code").unwrap())).await.json();
    assert_eq!(tokens["patient"], "p42");
    assert!(house.event_names().contains(&"linked"));
}

#[tokio::test]
async fn a_wrong_or_used_code_links_nothing_and_few_can_be_tried() {
    let (house, code) = house();
    let mut browser = Browser::new(&house);
    let mut page = at_the_page(&mut browser).await;
    let mut last = 0;
    for number in 0..8 {
        let wrong = format!("AAAA-BBBB-CCCC-DD2{}", number % 8 + 2);
        let answer = browser.submit(&page, &[("code", &wrong)], |_| true).await;
        last = answer.status.as_u16();
        if last == 400 {
            page = answer;
        }
    }
    assert_eq!(last, 429);
    let answer = browser.submit(&page, &[("code", &code)], |_| true).await;
    assert_eq!(answer.status, 429, "even the right one must wait");
    house.pass(1_000);
    let answer = browser.submit(&page, &[("code", &code)], |_| true).await;
    assert!(answer.text.contains("Your account is linked"), "{}", answer.text);
    let answer = browser.submit(&answer, &[("code", &code)], |_| true).await;
    assert_eq!(answer.status, 400, "once");
    assert_eq!(house.event_names().iter().filter(|name| **name == "link-refused").count(), 10);
}

#[tokio::test]
async fn nobody_links_without_signing_in() {
    let (house, code) = house();
    let mut browser = Browser::new(&house);
    let page = browser.go(Method::GET, "/oauth/link", None).await;
    let form = crate::house::encode(&[("code", &code), ("form", "x")]);
    let answer = browser.go(Method::POST, "/oauth/link", Some(form)).await;
    assert_eq!(answer.status, 400);
    assert!(page.text.contains("name=\"password\""));
    assert!(house.store.user("u-new").unwrap().unwrap().patients.is_empty());
}
