//! Strangers: each of the first few refusals has its entry, a flood is told as a count, and a path of no API is told as well.

use crate::house::{House, hospital};
use crate::upstream::Toy;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_strangers_is_told_in_a_bounded_number_of_entries() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    for _ in 0..60 {
        assert_eq!(house.get("", "/Patient/a").await.status, 401);
    }
    house.gateway.idle().await;
    let entries = house.entries().await;
    let refused: Vec<_> = entries.iter().filter(|entry| entry["cause"] == "token-missing").collect();
    assert_eq!(refused.len(), 11, "ten, and a count");
    let counted: u64 = refused.iter().map(|entry| entry["times"].as_u64().unwrap_or(1)).sum();
    assert_eq!(counted, 60, "none is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_of_no_api_is_recorded() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let request = http::Request::get("/wp-login.php").body(bascule_wire::empty()).unwrap();
    assert_eq!(house.send(request).await.status().as_u16(), 404);
    let entries = house.entries().await;
    assert_eq!((entries.len(), entries[0]["cause"].as_str()), (1, Some("no-such-api")));
}
