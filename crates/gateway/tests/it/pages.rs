//! Page links: opaque, for one caller, decided anew.

use crate::house::{House, PUBLIC, hospital};
use crate::upstream::Toy;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_filtered_like_the_search_that_it_continues() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.patient("a");
    let next = house.get(&token, "/Observation?status=final").await.link("next").unwrap();
    toy.asked();
    let page = house.get(&token, next.strip_prefix(PUBLIC).unwrap()).await;
    assert_eq!(page.resources(), ["Observation/oa"], "{}", page.text);
    assert_eq!(toy.asked()[0].address, "?_getpages=abc&_getpagesoffset=20");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_caller_cannot_follow_a_link() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let next = house.get(&house.patient("b"), "/Observation?status=final").await.link("next").unwrap();
    toy.asked();
    let stolen = house.get(&house.patient("a"), next.strip_prefix(PUBLIC).unwrap()).await;
    assert_eq!(stolen.status, 403);
    assert_eq!(toy.asked().len(), 0);
    let entries = house.entries().await;
    assert_eq!(entries.last().unwrap()["cause"], "page-foreign");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_link_is_none() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.patient("a");
    for page in ["AAAA", "_getpages", "..", ""] {
        let answer = house.get(&token, &format!("?page={page}")).await;
        assert!(matches!(answer.status, 400 | 403), "{page}: {}", answer.status);
    }
    assert_eq!(toy.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_the_policy_under_which_it_was_made() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.patient("a");
    let next = house.get(&token, "/Observation?status=final").await.link("next").unwrap();
    house.change_policy();
    let page = house.get(&token, next.strip_prefix(PUBLIC).unwrap()).await;
    assert_eq!(page.status, 403, "{}", page.text);
    assert_eq!(house.get(&token, "/Observation?status=final").await.status, 200);
}
