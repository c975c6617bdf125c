//! The drill of the emergency reserve at the door: the log cannot be written, care goes on and is recorded, and nothing else
//! leaves (45 CFR 164.312(a)(2)(ii), 164.312(b)).

use bascule_gateway::Limits;
use bascule_store::log::LogSettings;
use bascule_store::log::reserve::ReserveSettings;
use http::Request;

use crate::house::{Caller, House, hospital};
use crate::upstream::Toy;

/// A house whose log's disk is full as soon as the log looks, with a reserve or without.
async fn house(toy: &Toy, with_reserve: bool) -> House {
    let upstream = format!("http://{}/fhir", toy.address);
    let house = House::with_log(&upstream, Limits::default(), |folder, settings| {
        let reserve = ReserveSettings { file: folder.join("reserve/emergency"), hours: 1, accesses_per_hour: 100 };
        let emergency = with_reserve.then_some(reserve);
        LogSettings { emergency, reserve_bytes: u64::MAX, checkpoint_interval_ms: 3_600_000, ..settings }
    });
    let house = house.await;
    house.log.flush().await.unwrap();
    house
}

fn physician(house: &House) -> String {
    house.token(&Caller {
        roles: &["physician"],
        scopes: "user/*.cruds",
        patient: None,
        fhir_user: Some("Practitioner/d1"),
        purpose: "TREAT",
    })
}

async fn health(house: &House) -> String {
    let answer = house.send(Request::get("/healthz").body(bascule_wire::empty()).unwrap()).await;
    String::from_utf8(bascule_wire::collect(answer.into_body(), 1_000).await.unwrap().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn care_goes_on_and_is_recorded_and_nothing_else_leaves() {
    let toy = Toy::start(hospital()).await;
    let house = house(&toy, true).await;
    let care = house.get(&physician(&house), "/Observation/oa").await;
    assert_eq!(care.status, 200, "{}", care.text);
    assert!(care.headers["audit-receipt"].to_str().unwrap().contains("/emergency 0 "), "{:?}", care.headers);
    let asked = toy.asked().len();
    for (token, address) in [(house.scheduler(), "/Appointment?status=booked"), (house.patient("a"), "/Observation/oa")]
    {
        let other = house.get(&token, address).await;
        assert_eq!(other.status, 503, "{}", other.text);
        assert!(!other.text.contains("HIDDEN") && !other.text.contains("TOKEN"), "{}", other.text);
    }
    assert!(toy.asked().len() <= asked + 2, "a read may be on its way while the intent fails; nothing of it leaves");
    assert_eq!(house.log.emergency().unwrap().entries, 1);
    let alerts = house.store.alerts(true).unwrap();
    assert_eq!(alerts.iter().filter(|alert| alert.alert.rule == "emergency-reserve").count(), 1, "it is alarmed, once");
    assert!(health(&house).await.starts_with("degraded"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_reserve_care_is_refused_as_well() {
    let toy = Toy::start(hospital()).await;
    let house = house(&toy, false).await;
    let care = house.get(&physician(&house), "/Observation/oa").await;
    assert_eq!(care.status, 503, "{}", care.text);
}
