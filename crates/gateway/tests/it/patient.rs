//! A patient on every road to another patient's record: refused, absent or empty each time, and recorded.

use http::Method;

use crate::house::{House, hospital};
use crate::upstream::Toy;

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_reads_their_own_record_whole() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let answer = house.get(&house.patient("a"), "/Observation/oa").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["code"]["text"], "TOKEN-OF-A");
    assert_eq!(answer.json()["subject"]["display"], "DISPLAY-TOKEN-OF-A");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(answer.headers.contains_key("x-request-id"));
    assert!(!answer.headers.contains_key("set-cookie"));
    let entries = house.entries().await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["interaction"], "read");
    assert_eq!(entries[0]["patients"], 1);
    assert_eq!(entries[0]["request"], answer.headers["x-request-id"].to_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_token_stays_and_the_bridges_goes() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.patient("a");
    house.ask(Method::GET, &token, "/Observation/oa", &[("cookie", "a=b"), ("x-forwarded-for", "1.1.1.1")], "").await;
    let asked = toy.asked();
    assert_eq!(asked[0].headers["authorization"], "Bearer upstream-secret");
    assert!(!asked[0].headers.contains_key("cookie"));
    assert!(!asked[0].headers.contains_key("x-forwarded-for"));
}

/// Every road by which patient `a` might reach `b`, in front of an upstream that ignores all narrowing.
#[tokio::test(flavor = "multi_thread")]
async fn no_road_leads_to_another_patient() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.patient("a");
    let roads = [
        "/Patient/b",
        "/Observation/ob",
        "/Observation/ob/_history/1",
        "/Observation/ob/_history",
        "/Observation/_history",
        "/_history",
        "/Patient/b/_history/1",
        "/Observation",
        "/Observation?patient=b",
        "/Observation?patient=Patient/b",
        "/Observation?subject=Patient/b",
        "/Observation?patient=a,b",
        "/Observation?_id=ob",
        "/Patient?_id=b",
        "/Patient?family=Beta",
        "/Patient/b/Observation",
        "/Patient/b/*",
        "/Patient/a/Observation?subject=Patient/b",
        "/Patient/b/$everything",
        "/Observation?_include=Observation:subject",
        "/Observation?_include=*",
        "/Patient?_revinclude=Observation:subject",
        "/Patient?_revinclude:iterate=Observation:subject",
        "/Observation?subject:Patient.family=Beta",
        "/Observation?patient.family=Beta",
        "/Patient?_has:Observation:patient:code=TOKEN-OF-B",
        "/Observation?_filter=subject%20eq%20Patient/b",
        "/Observation?_sort=subject",
        "/?_type=Observation,Patient",
    ];
    for road in roads {
        let answer = house.get(&token, road).await;
        assert!(!answer.text.contains("TOKEN-OF-B"), "{road}: {} {}", answer.status, answer.text);
        assert!(!answer.text.contains("\"family\":\"Beta\""), "{road}: {} {}", answer.status, answer.text);
        assert!(!answer.text.contains("SECRET-DIAGNOSTICS"), "{road}");
        if answer.status == 200 {
            assert_eq!(answer.json()["total"], serde_json::Value::Null, "{road}: a total tells of what is withheld");
        }
    }
    let entries = house.entries().await;
    assert_eq!(entries.len(), roads.len(), "one terminal entry a request");
}

#[tokio::test(flavor = "multi_thread")]
async fn absent_and_forbidden_look_alike() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let token = house.patient("a");
    let forbidden = house.get(&token, "/Observation/ob").await;
    let absent = house.get(&token, "/Observation/none").await;
    let blank = |answer: &crate::house::Answer| {
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        answer.text.replace(&id, "ID")
    };
    assert_eq!((forbidden.status, blank(&forbidden)), (404, blank(&absent)));
    assert_eq!(absent.status, 404);
    assert_eq!(toy.asked().len(), 2, "both asked the upstream the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_narrowed_and_its_addresses_are_ours() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let answer = house.get(&house.patient("a"), "/Observation?status=final").await;
    assert_eq!(answer.resources(), ["Observation/oa"], "{}", answer.text);
    assert_eq!(toy.asked()[0].address, "/Observation?status=final&patient=Patient%2Fa");
    let bundle = answer.json();
    assert_eq!(bundle["entry"][0]["fullUrl"], "https://bridge.example/fhir/Observation/oa");
    assert_eq!(answer.link("self").unwrap(), "https://bridge.example/fhir/Observation?status=final");
    assert!(answer.link("next").unwrap().starts_with("https://bridge.example/fhir?page="));
    assert!(!answer.text.contains("127.0.0.1"), "{}", answer.text);
    assert!(!answer.text.contains("admin.internal"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posted_search_is_a_search() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let token = house.patient("a");
    let answer = house.ask(Method::POST, &token, "/Observation/_search", &form, "patient=b&status=final").await;
    assert!(!answer.text.contains("TOKEN-OF-B"), "{}", answer.text);
    let answer = house.ask(Method::POST, &token, "/Observation/_search", &form, "status=final").await;
    assert_eq!(answer.resources(), ["Observation/oa"], "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_or_with_a_dead_one_nothing_passes() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let none = house.get("", "/Observation/oa").await;
    assert_eq!(none.status, 401);
    assert_eq!(none.headers["www-authenticate"], "Bearer realm=\"https://bridge.example\"");
    let unknown = house.get("unknown", "/Observation/oa").await;
    assert_eq!(unknown.status, 401);
    assert!(unknown.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    assert_eq!(toy.asked().len(), 0);
    let entries = house.entries().await;
    let causes: Vec<_> = entries.iter().map(|entry| entry["cause"].as_str().unwrap()).collect();
    assert_eq!(causes, ["token-missing", "token-unknown"]);
    assert!(entries.iter().all(|entry| entry["kind"] == "refusal" && entry["interaction"] == "read"));
}
