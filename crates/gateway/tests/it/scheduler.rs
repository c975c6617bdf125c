//! The scheduling app: times and names, and nothing of what lies beside them.

use crate::house::{House, hospital};
use crate::upstream::Toy;

#[tokio::test(flavor = "multi_thread")]
async fn the_scheduler_sees_times_and_nothing_hidden() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let answer = house.get(&house.scheduler(), "/Appointment?status=booked").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.resources(), ["Appointment/aa", "Appointment/ab"]);
    assert!(!answer.text.contains("HIDDEN"), "{}", answer.text);
    assert_eq!(answer.json()["entry"][0]["resource"]["start"], "2026-12-01T10:00:00Z");
    let entries = house.entries().await;
    let withheld = entries[0]["withheld"].to_string();
    assert!(withheld.contains("Appointment.description"), "{withheld}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_what_is_missing_and_nothing_of_the_data() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.scheduler();
    for (address, names) in [
        ("/Observation", "Observation"),
        ("/Appointment?reason-code=x", "reason-code"),
        ("/Appointment?_revinclude=Observation:subject", "_revinclude"),
        ("/Patient?birthdate=1980-01-01", "birthdate"),
        ("/Patient?_sort=birthdate", "birthdate"),
        ("/Appointment?unknown=1", "unknown"),
    ] {
        let answer = house.get(&token, address).await;
        assert!(matches!(answer.status, 400 | 403), "{address}: {} {}", answer.status, answer.text);
        let said = answer.json()["issue"][0]["details"]["text"].to_string();
        assert!(said.contains(names), "{address}: {said}");
        assert!(!answer.text.contains("HIDDEN"));
    }
    assert_eq!(toy.asked().len(), 0, "nothing refused reaches the upstream");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etag_leaves_only_where_the_version_may() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.scheduler();
    assert!(house.get(&token, "/Appointment/aa").await.headers.contains_key("etag"));
    assert!(!house.get(&token, "/Patient/a").await.headers.contains_key("etag"));
}
