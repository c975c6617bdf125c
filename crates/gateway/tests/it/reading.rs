//! Reading the log over HTTP: who may, what they see, and that each reading is itself an entry.

use bascule_fhir::Id;
use bascule_gateway::ReadingSettings;
use bascule_policy::record::{Period, Representation};
use bascule_smart::Grant;
use bascule_store::filed::{Filed, Record, Represented};
use http::Request;
use serde_json::Value;

use crate::house::{Answer, Caller, House, hospital};
use crate::upstream::Toy;

async fn get(house: &House, token: &str, address: &str) -> Answer {
    let mut request = Request::get(address);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = house.send(request.body(bascule_wire::empty()).unwrap()).await;
    let (head, body) = answer.into_parts();
    let text = String::from_utf8(bascule_wire::collect(body, 10_000_000).await.unwrap().to_vec()).unwrap();
    Answer { status: head.status.as_u16(), headers: head.headers, text }
}

fn auditor(house: &House) -> String {
    let caller = Caller { roles: &["auditor"], scopes: "user/*.rs", patient: None, fhir_user: None, purpose: "HCOMPL" };
    house.issue(&Grant { apis: vec!["audit".into()], ..house.grant(&caller) })
}

/// The patients that the events of a Bundle name.
fn patients(bundle: &Value) -> Vec<String> {
    let events = bundle["entry"].as_array().into_iter().flatten();
    let entities = events.flat_map(|entry| entry["resource"]["entity"].as_array().into_iter().flatten());
    let mut named: Vec<String> = entities
        .filter_map(|entity| entity["what"]["reference"].as_str())
        .filter(|reference| reference.starts_with("Patient/"))
        .map(ToOwned::to_owned)
        .collect();
    named.dedup();
    named
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_finds_accesses_by_patient_agent_and_day_and_the_reading_is_recorded() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    for patient in ["a", "b"] {
        assert_eq!(house.get(&house.patient(patient), &format!("/Observation/o{patient}")).await.status, 200);
    }
    assert_eq!(house.get(&house.patient("a"), "/Observation/ob").await.status, 404);
    let auditor = auditor(&house);
    let found = get(&house, &auditor, "/audit/AuditEvent?patient=Patient/a&outcome=0").await;
    assert_eq!(found.status, 200, "{}", found.text);
    assert_eq!(patients(&found.json()), ["Patient/a"]);
    assert!(found.headers.contains_key("audit-receipt"));
    let by_client = get(&house, &auditor, "/audit/AuditEvent?agent=vendor-app&date=ge2020-01-01").await;
    assert!(by_client.json()["entry"].as_array().unwrap().len() >= 3, "{}", by_client.text);
    let earlier = get(&house, &auditor, "/audit/AuditEvent?date=lt2020-01-01").await.json();
    assert!(earlier["entry"].as_array().is_none_or(Vec::is_empty), "{earlier}");
    let id = found.json()["entry"][0]["resource"]["id"].as_str().unwrap().to_owned();
    let one = get(&house, &auditor, &format!("/audit/AuditEvent/{id}")).await;
    assert_eq!((one.status, one.json()["id"].as_str()), (200, Some(id.as_str())), "{}", one.text);
    assert_eq!(get(&house, &auditor, "/audit/AuditEvent/00000000000000000000000000000000-0").await.status, 404);
    let readings = house.entries().await.into_iter().filter(|entry| entry["api"] == "audit").collect::<Vec<_>>();
    assert_eq!(readings.len(), 5, "each reading has its entry: {readings:?}");
    assert_eq!(readings[0]["resource"], "AuditEvent");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    for _ in 0..5 {
        house.get(&house.patient("a"), "/Observation/oa").await;
    }
    let auditor = auditor(&house);
    let mut next = Some("/audit/AuditEvent?patient=a&_count=2".to_owned());
    let mut seen = Vec::new();
    while let Some(address) = next {
        let page = get(&house, &auditor, &address).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let entries = page.json()["entry"].as_array().cloned().unwrap_or_default();
        seen.extend(entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()));
        next = page.link("next").map(|link| link.trim_start_matches("https://bridge.example").to_owned());
        assert!(seen.len() < 30);
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "nothing twice");
    assert!(all >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_reads_the_log() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    for (token, status) in [
        (String::new(), 401),
        ("unknown".to_owned(), 401),
        (house.scheduler(), 401),
        (house.patient("a"), 401),
        (house.issue(&Grant { apis: vec!["audit".into()], ..house.patients_grant("a") }), 403),
    ] {
        let answer = get(&house, &token, "/audit/AuditEvent?patient=a").await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(!answer.text.contains("Patient/a"));
    }
    let auditor = auditor(&house);
    for query in ["site=x", "outcome=9", "date=soon", "patient.name=Alpha"] {
        let answer = get(&house, &auditor, &format!("/audit/AuditEvent?{query}")).await;
        assert!(matches!(answer.status, 400 | 403), "{query}: {}", answer.text);
    }
    assert_eq!(get(&house, &auditor, "/audit/Patient/a").await.status, 404);
    let posted = Request::post("/audit/AuditEvent").body(bascule_wire::full("{}")).unwrap();
    assert_eq!(house.send(posted).await.status().as_u16(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_proved_to_whoever_holds_it_and_tiles_are_shown_only_where_the_house_says_so() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let answer = house.get(&house.patient("a"), "/Observation/oa").await;
    let receipt = answer.headers["audit-receipt"].to_str().unwrap().to_owned();
    let asked = |receipt: &str| {
        let query: String = url::form_urlencoded::byte_serialize(receipt.as_bytes()).collect();
        format!("/audit/receipt?receipt={query}")
    };
    let proof = get(&house, "", &asked(&receipt)).await;
    assert!(proof.status == 200 && proof.text.starts_with("c2sp.org/tlog-proof@v1\n"), "{}", proof.text);
    let forged = receipt.rsplit_once(' ').unwrap().0.to_owned() + " AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(get(&house, "", &asked(&forged)).await.status, 404);
    let origin = receipt.split(' ').next().unwrap();
    let shard = origin.rsplit('/').next().unwrap();
    let checkpoint = format!("/audit/log/n1/{shard}/checkpoint");
    assert_eq!(get(&house, "", &checkpoint).await.status, 404, "not unless the house says so");
    let open = house.gateway.clone().reading_as(ReadingSettings { publish: true, ..ReadingSettings::default() });
    drop(open);
    let shown = get(&house, "", &checkpoint).await;
    assert!(shown.status == 200 && shown.text.starts_with(origin), "{}", shown.text);
    assert_eq!(get(&house, "", "/audit/log/n1/wal/000000000001.wal").await.status, 404);
    assert_eq!(get(&house, "", &format!("/audit/log/n1/{shard}/tile/../../../keys/master.key")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_sees_who_has_looked_and_nobody_sees_it_of_another() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let physician = house.token(&Caller {
        roles: &["physician"],
        scopes: "user/*.cruds",
        patient: None,
        fhir_user: Some("Practitioner/d1"),
        purpose: "TREAT",
    });
    assert_eq!(house.get(&physician, "/Observation/oa").await.status, 200);
    assert_eq!(house.get(&physician, "/Observation/ob").await.status, 200);
    let patient = house.patient("a");
    assert_eq!(house.get(&patient, "/Observation/oa").await.status, 200);
    let looked = get(&house, &patient, "/audit/looked").await;
    assert_eq!(looked.status, 200, "{}", looked.text);
    let looks = looked.json()["looks"].as_array().cloned().unwrap();
    let said = |look: &Value| format!("{} {}", look["who"].as_str().unwrap(), look["what"].as_str().unwrap());
    assert_eq!(said(&looks[0]), "you saw test results and measurements");
    assert!(said(&looks[1]).starts_with("Physicians"), "by role: {}", said(&looks[1]));
    assert_eq!(looks.len(), 2, "nothing of another patient: {}", looked.text);
    for hidden in ["Observation/", "Patient/b", "Practitioner", "u-"] {
        assert!(!looked.text.contains(hidden), "{hidden}: {}", looked.text);
    }
    assert_eq!(get(&house, &physician, "/audit/looked").await.status, 403);
    assert_eq!(get(&house, "", "/audit/looked").await.status, 401);
    let entries = house.entries().await;
    let own = entries.iter().find(|entry| entry["interaction"] == "looked").unwrap();
    assert_eq!(own["status"], 200);
}

/// Files the record by which a user stands for patient `a`.
fn stands_for_a(house: &House, user: &str, suspended: bool) {
    let record = Representation {
        id: "r1".into(),
        user: user.into(),
        patient: Id::parse("a").unwrap(),
        basis: "parent".into(),
        document: "certificate".into(),
        scope: Vec::new(),
        period: Period { from: crate::house::now().plus_seconds(-60), until: None },
        verified_by: "registrar".into(),
        suspended,
    };
    let record = Record::Representation(Represented { record, label: "A, my child".into(), born: None });
    let filed = Filed {
        id: "r1".into(),
        api: "ehr".into(),
        record,
        source: "registrar".into(),
        filed_by: "uid 0".into(),
        filed_at: crate::house::now(),
        ended: None,
    };
    if suspended { house.store.amend_filed(&filed).unwrap() } else { house.store.file(&filed).unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_does_not_find_a_minors_confidential_visit_by_its_looks() {
    let toy = Toy::start(hospital()).await;
    let house = House::before(toy.address).await;
    let (system, code) = ("https://mercy.example/labels", "minor-consented");
    house.add_policy(&format!("[labels]\nminor-consented = [\"{system}|{code}\"]\n"));
    toy.put(serde_json::json!({
        "resourceType": "Encounter", "id": "alone", "status": "finished",
        "meta": { "versionId": "1", "security": [{ "system": system, "code": code }] },
        "class": { "code": "AMB" }, "subject": { "reference": "Patient/a" },
    }));
    let physician = house.token(&Caller {
        roles: &["physician"],
        scopes: "user/*.cruds",
        patient: None,
        fhir_user: Some("Practitioner/d1"),
        purpose: "TREAT",
    });
    for address in ["/Observation/oa", "/Encounter/alone"] {
        let read = house.get(&physician, address).await;
        assert_eq!(read.status, 200, "{}", read.text);
    }
    let looks = |answer: &Answer| answer.json()["looks"].as_array().cloned().unwrap();
    let own = get(&house, &house.patient("a"), "/audit/looked").await;
    assert_eq!(looks(&own).len(), 2, "the minor finds both: {}", own.text);
    let parent = house.grant(&Caller {
        roles: &["personal-representative"],
        scopes: "patient/*.rs",
        patient: Some("a"),
        fhir_user: None,
        purpose: "FAMRQT",
    });
    stands_for_a(&house, parent.user.as_deref().unwrap(), false);
    let token = house.issue(&parent);
    let seen = get(&house, &token, "/audit/looked").await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    let said = looks(&seen).iter().map(|look| look["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(said, ["saw test results and measurements"], "neither the visit nor that there was a second look");
    assert_eq!(house.get(&token, "/Encounter/alone").await.status, 404);
    // Suspected abuse: the record is suspended, and with it all of this.
    stands_for_a(&house, parent.user.as_deref().unwrap(), true);
    assert_eq!(get(&house, &token, "/audit/looked").await.status, 403);
}
