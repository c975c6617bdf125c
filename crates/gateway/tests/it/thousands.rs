//! Lesson 6 at the door: a panel of thousands breaks no upstream.

use bascule_fhir::Id;
use bascule_gateway::Limits;
use bascule_policy::party::Relation;
use serde_json::json;

use crate::house::{Caller, House, PUBLIC, now};
use crate::upstream::{Toy, reply};

/// Who sees the patients of a panel and no others.
const POLICY: &str = r#"
[role.panel]
title       = "Physicians with a hard panel"
purpose     = ["TREAT"]
api         = "ehr"
treating    = true
no-relation = "refuse"

[[role.panel.grant]]
resource     = ["Patient", "Observation"]
patients     = "related"
interactions = ["read", "search"]
elements     = "*"
"#;

/// An upstream that answers with an observation of each patient that the query names.
async fn upstream() -> Toy {
    Toy::answering(Vec::new(), |_, asked, base| {
        let said = format!("{}&{}", asked.address, asked.body);
        let decoded = said.replace("%2F", "/").replace("%2C", ",");
        let named = decoded.split("Patient/").skip(1).map(|rest| rest.split([',', '&']).next().unwrap_or_default());
        let entries: Vec<_> = named
            .map(|id| {
                let resource = json!({ "resourceType": "Observation", "id": format!("o-{id}"), "status": "final",
                    "code": { "text": "x" }, "subject": { "reference": format!("Patient/{id}") } });
                json!({ "fullUrl": format!("{base}/Observation/o-{id}"), "resource": resource, "search": { "mode": "match" } })
            })
            .collect();
        reply(200, json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries }), &[])
    })
    .await
}

fn panel(house: &House, size: usize) -> String {
    for at in 0..size {
        let relation = Relation {
            patient: Id::parse(&format!("p{at}")).unwrap(),
            practitioner: Id::parse("doc").unwrap(),
            kind: "care-team".into(),
            from: now().plus_seconds(-60),
            until: None,
        };
        house.store.put_relation("ehr", &relation, "feed", now()).unwrap();
    }
    house.add_policy(POLICY);
    house.token(&Caller {
        roles: &["panel"],
        scopes: "user/*.rs",
        patient: None,
        fhir_user: Some("Practitioner/doc"),
        purpose: "TREAT",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_06_thousands_of_allowed_patients_are_asked_for_part_by_part() {
    let toy = upstream().await;
    let limits = Limits { query_bytes_max: 65_536, ..Limits::default() };
    let house = House::with(&format!("http://{}/fhir", toy.address), limits).await;
    let token = panel(&house, 1_001);
    let mut seen = Vec::new();
    let mut next = Some("/Observation?status=final".to_owned());
    while let Some(address) = next.take() {
        let answer = house.get(&token, &address).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        seen.extend(answer.resources());
        next = answer.link("next").map(|url| url.strip_prefix(PUBLIC).unwrap().to_owned());
    }
    let asked = toy.asked();
    assert_eq!(asked.len(), 6, "200 at a time");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 1_001, "each patient's, once");
    for refused in ["/Observation?status=final&_sort=date", "/Observation?status=final&_total=accurate"] {
        let answer = house.get(&token, refused).await;
        assert_eq!(answer.status, 400, "an order or a count over parts would be wrong: {}", answer.text);
        assert!(answer.text.contains("200 patients"), "{}", answer.text);
    }
    assert_eq!(toy.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_06_where_a_form_is_taken_all_of_them_travel_in_it() {
    let toy = upstream().await;
    let house = House::posting(&format!("http://{}/fhir", toy.address)).await;
    let token = panel(&house, 1_001);
    let answer = house.get(&token, "/Observation?status=final&_sort=date").await;
    assert_eq!(answer.resources().len(), 1_001, "{}", answer.status);
    let asked = toy.asked();
    assert_eq!((asked.len(), asked[0].method.as_str(), asked[0].address.as_str()), (1, "POST", "/Observation/_search"));
}
