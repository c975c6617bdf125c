//! Pages of which something stays behind: filled up from those that follow, each match on one page, within the bound.

use bascule_gateway::Limits;
use serde_json::{Value, json};

use crate::house::{Answer, House, PUBLIC};
use crate::upstream::{Asked, Toy, reply};

/// Observations of which only some are the patient's own; the upstream ignores every narrowing and pages truly.
async fn pages(total: usize, own: fn(usize) -> bool) -> Toy {
    let observation = |at: usize| {
        let patient = if own(at) { "a" } else { "b" };
        json!({ "resourceType": "Observation", "id": format!("o{at}"), "status": "final",
            "code": { "text": "x" }, "subject": { "reference": format!("Patient/{patient}") } })
    };
    Toy::answering((0..total).map(observation).collect(), |resources, asked, base| page(resources, asked, base)).await
}

fn page(resources: &[Value], asked: &Asked, base: &str) -> http::Response<bascule_wire::Body> {
    let number = |name: &str, default: usize| {
        let query = asked.address.split_once('?').map_or("", |(_, query)| query);
        let found = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        found.and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (from, count) = (number("offset", 0), number("_count", 10));
    let shown = resources.iter().skip(from).take(count);
    let entries: Vec<Value> = shown
        .map(|one| json!({ "fullUrl": format!("{base}/Observation/{}", one["id"].as_str().unwrap()), "resource": one, "search": { "mode": "match" } }))
        .collect();
    let mut links = vec![json!({ "relation": "self", "url": format!("{base}{}", asked.address) })];
    if from + count < resources.len() {
        links.push(json!({ "relation": "next", "url": format!("{base}?offset={}&_count={count}", from + count) }));
    }
    let total = resources.len();
    reply(
        200,
        json!({ "resourceType": "Bundle", "type": "searchset", "total": total, "link": links, "entry": entries }),
        &[],
    )
}

/// All pages from the first, each as the ids that it shows.
async fn walked(house: &House, token: &str, start: &str) -> (Vec<Vec<String>>, Vec<Answer>) {
    let (mut shown, mut answers) = (Vec::new(), Vec::new());
    let mut next = Some(start.to_owned());
    while let Some(address) = next.take() {
        let answer = house.get(token, &address).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        shown.push(answer.resources());
        next = answer.link("next").map(|url| url.strip_prefix(PUBLIC).unwrap().to_owned());
        answers.push(answer);
        assert!(shown.len() < 100, "the pages end");
    }
    (shown, answers)
}

fn expected(total: usize, own: fn(usize) -> bool) -> Vec<String> {
    (0..total).filter(|at| own(*at)).map(|at| format!("Observation/o{at}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_13_pages_are_full_and_each_match_is_on_one_of_them() {
    let own = |at: usize| at.is_multiple_of(3);
    let toy = pages(90, own).await;
    let house = House::before(toy.address).await;
    let (shown, answers) = walked(&house, &house.patient("a"), "/Observation?_count=10").await;
    assert_eq!(shown.concat(), expected(90, own), "none is missing, none comes twice");
    assert!(shown.iter().take(3).all(|page| page.len() == 10), "{shown:?}");
    assert!(answers.iter().all(|answer| answer.json().get("total").is_none()), "90 would tell of the others");
    assert!(answers.iter().all(|answer| !answer.text.contains("Patient/b")));
    let entries = house.entries().await;
    assert_eq!(entries.len(), answers.len(), "one entry a page, however many calls it took");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_cannot_be_filled_within_the_bound_is_short_and_goes_on() {
    let own = |at: usize| at >= 85;
    let toy = pages(90, own).await;
    let house =
        House::with(&format!("http://{}/fhir", toy.address), Limits { refill_requests_max: 2, ..Limits::default() })
            .await;
    let token = house.patient("a");
    let first = house.get(&token, "/Observation?_count=10").await;
    assert_eq!((first.resources().len(), toy.asked().len()), (0, 3), "one call and two to fill");
    assert!(first.link("next").is_some(), "{}", first.text);
    let (shown, _) = walked(&house, &token, "/Observation?_count=10").await;
    assert_eq!(shown.concat(), expected(90, own));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_which_nothing_stays_costs_one_call() {
    let toy = pages(30, |_| true).await;
    let house = House::before(toy.address).await;
    let answer = house.get(&house.patient("a"), "/Observation?_count=10").await;
    assert_eq!((answer.resources().len(), toy.asked().len()), (10, 1));
    assert_eq!(answer.json()["total"], 30, "of a query that says all of the narrowing, the total is right");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_page_that_fails_leaves_a_short_page_with_its_link() {
    let own = |at: usize| at.is_multiple_of(2);
    let all: Vec<Value> = (0..20)
        .map(|at| {
            let patient = if own(at) { "a" } else { "b" };
            json!({ "resourceType": "Observation", "id": format!("o{at}"), "subject": { "reference": format!("Patient/{patient}") } })
        })
        .collect();
    let toy = Toy::answering(all, |resources, asked, base| {
        if asked.address.contains("offset") { reply(500, json!({}), &[]) } else { page(resources, asked, base) }
    })
    .await;
    let house = House::before(toy.address).await;
    let answer = house.get(&house.patient("a"), "/Observation?_count=10").await;
    assert_eq!((answer.status, answer.resources().len()), (200, 5));
    assert!(answer.link("next").is_some());
}
