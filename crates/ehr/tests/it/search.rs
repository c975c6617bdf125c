//! Search by each kind of parameter, its modifiers and prefixes, and across references.

use serde_json::{Value, json};

use crate::support::Client;

pub(crate) fn data() -> Vec<Value> {
    vec![
        json!({ "resourceType": "Organization", "id": "org", "name": "Mercy", "telecom": [{ "system": "phone", "value": "555" }] }),
        json!({ "resourceType": "Practitioner", "id": "dr", "name": [{ "family": "House" }] }),
        json!({ "resourceType": "Patient", "id": "a", "active": true, "gender": "female", "birthDate": "1970-05-01",
            "identifier": [{ "system": "http://mrn", "value": "1", "type": { "coding": [{ "system": "http://t", "code": "MR" }], "text": "Medical record" } }],
            "name": [{ "family": "Müller", "given": ["Anna Maria"] }], "managingOrganization": { "reference": "Organization/org" },
            "generalPractitioner": [{ "reference": "Practitioner/dr" }], "meta": { "tag": [{ "system": "http://tag", "code": "vip" }], "profile": ["http://profile/a|1.0"] },
            "text": { "status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">likes <b>tulips</b></div>" } }),
        json!({ "resourceType": "Patient", "id": "b", "active": false, "gender": "male", "birthDate": "1980",
            "name": [{ "family": "Miller", "given": ["Bob"] }], "link": [{ "other": { "reference": "Patient/a" }, "type": "seealso" }] }),
        json!({ "resourceType": "Observation", "id": "bp", "status": "final", "subject": { "reference": "Patient/a" }, "effectiveDateTime": "2020-03-04T10:00:00Z",
            "code": { "coding": [{ "system": "http://loinc.org", "code": "85354-9", "display": "Blood pressure panel" }] },
            "component": [
                { "code": { "coding": [{ "system": "http://loinc.org", "code": "8480-6" }] }, "valueQuantity": { "value": 120, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]" } },
                { "code": { "coding": [{ "system": "http://loinc.org", "code": "8462-4" }] }, "valueQuantity": { "value": 80, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]" } }] }),
        json!({ "resourceType": "Observation", "id": "hb", "status": "preliminary", "subject": { "reference": "http://ehr.test/fhir/Patient/b" }, "effectivePeriod": { "start": "2020-01-01" },
            "code": { "coding": [{ "system": "http://loinc.org", "code": "718-7" }], "text": "Hemoglobin" },
            "valueQuantity": { "value": 5.4, "unit": "g/dl", "system": "http://unitsofmeasure.org", "code": "g/dL" }, "performer": [{ "reference": "Practitioner/dr" }] }),
        json!({ "resourceType": "Observation", "id": "other", "status": "final", "subject": { "identifier": { "system": "http://mrn", "value": "1" }, "display": "someone" },
            "code": { "coding": [{ "system": "http://other", "code": "718-7" }] }, "valueString": "Tulip fever" }),
        json!({ "resourceType": "ValueSet", "id": "vs", "url": "http://vs/a", "status": "active", "compose": { "include": [{ "system": "http://loinc.org", "concept": [{ "code": "718-7" }] }] } }),
        json!({ "resourceType": "ValueSet", "id": "vs2", "url": "http://vs/a/b", "status": "draft" }),
        json!({ "resourceType": "CodeSystem", "id": "cs", "url": "http://loinc.org", "status": "active", "content": "fragment", "concept": [{ "code": "labs", "concept": [{ "code": "718-7" }] }] }),
        json!({ "resourceType": "Location", "id": "near", "position": { "longitude": 13.405, "latitude": 52.52 } }),
        json!({ "resourceType": "RiskAssessment", "id": "risk", "status": "final", "subject": { "reference": "Patient/a" }, "prediction": [{ "probabilityDecimal": 0.5 }] }),
        json!({ "resourceType": "List", "id": "list", "status": "current", "mode": "working", "entry": [{ "item": { "reference": "Patient/b" } }] }),
    ]
}

async fn client() -> Client {
    let client = Client::new();
    client.store(&data()).await;
    client
}

#[tokio::test]
async fn tokens() {
    let client = client().await;
    client.finds("Observation?code=718-7", &["Observation/hb", "Observation/other"]).await;
    client.finds("Observation?code=http://loinc.org|718-7", &["Observation/hb"]).await;
    client.finds("Observation?code=http://other|", &["Observation/other"]).await;
    client.finds("Observation?code=http://loinc.org|718-7,85354-9", &["Observation/bp", "Observation/hb"]).await;
    client.finds("Observation?status:not=final", &["Observation/hb"]).await;
    client.finds("Observation?code:text=blood", &["Observation/bp"]).await;
    client.finds("Observation?code:text=hemo", &["Observation/hb"]).await;
    client.finds("Observation?code:in=http://vs/a", &["Observation/hb"]).await;
    client.finds("Observation?code:in=ValueSet/vs", &["Observation/hb"]).await;
    client.finds("Observation?code:not-in=http://vs/a", &["Observation/bp", "Observation/other"]).await;
    let circle = json!({ "resourceType": "ValueSet", "id": "circle", "url": "http://vs/circle", "status": "active", "compose": { "include": [{ "valueSet": ["http://vs/circle"] }] } });
    client.store(&[circle]).await;
    assert_eq!(client.get("Observation?code:in=http://vs/circle").await.status, 400);
    assert_eq!(client.send("DELETE", "ValueSet/circle", &[], "").await.status, 204);
    client.finds("Observation?code:below=http://loinc.org|labs", &["Observation/hb"]).await;
    client.finds("Observation?code:above=http://loinc.org|718-7", &["Observation/hb"]).await;
    client.finds("Patient?active=true", &["Patient/a"]).await;
    client.finds("Patient?gender=male", &["Patient/b"]).await;
    client.finds("Patient?identifier=http://mrn|1", &["Patient/a"]).await;
    client.finds("Patient?identifier=|1", &[]).await;
    client.finds("Patient?identifier:of-type=http://t|MR|1", &["Patient/a"]).await;
    client.finds("Patient?identifier:missing=true", &["Patient/b"]).await;
    client.finds("Patient?identifier:missing=false", &["Patient/a"]).await;
    client.finds("Patient?_tag=http://tag|vip", &["Patient/a"]).await;
    client.finds("Organization?_id=org,none", &["Organization/org"]).await;
    client.finds("Patient?deceased=false", &["Patient/a", "Patient/b"]).await;
}

#[tokio::test]
async fn strings() {
    let client = client().await;
    client.finds("Patient?family=mul", &["Patient/a"]).await;
    client.finds("Patient?name=MARIA", &[]).await;
    client.finds("Patient?name:contains=maria", &["Patient/a"]).await;
    client.finds("Patient?family:exact=Müller", &["Patient/a"]).await;
    client.finds("Patient?family:exact=Muller", &[]).await;
    client.finds("Patient?family=m", &["Patient/a", "Patient/b"]).await;
    client.finds("Patient?family=miller,muller", &["Patient/a", "Patient/b"]).await;
    client.finds("Patient?family=m&given=bo", &["Patient/b"]).await;
    client.finds("Patient?family:contains=%25", &[]).await;
}

/// A reference to anything leads to every type, and each of those further: named types, or a bound.
#[tokio::test]
async fn a_chain_over_anything_is_refused_before_it_multiplies() {
    let client = client().await;
    let begun = std::time::Instant::now();
    for path in ["Basic?subject.subject.subject.subject._id=1", "Provenance?target.subject.subject.nothing=1"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text.contains("which type"), "{}", answer.text);
    }
    assert!(begun.elapsed().as_secs() < 5);
    client.finds("Basic?subject:Basic.subject:Patient._id=1", &[]).await;
}

#[tokio::test]
async fn quantities_are_found_in_any_unit_that_converts() {
    let client = client().await;
    let ucum = "http://unitsofmeasure.org";
    for (value, unit) in [("5.4", "g/dL"), ("54", "g/L"), ("54.0", "mg/mL"), ("gt0.05", "kg/L")] {
        client.finds(&format!("Observation?value-quantity={value}|{ucum}|{unit}"), &["Observation/hb"]).await;
    }
    for (value, unit) in [("5.4", "g/L"), ("gt0.055", "kg/L"), ("5.4", "{score}"), ("5.4", "dag/dL")] {
        client.finds(&format!("Observation?value-quantity={value}|{ucum}|{unit}"), &[]).await;
    }
    // Without a unit, and with a unit of no system, only what is written counts.
    for value in ["54", "0.054", "54||g/L"] {
        client.finds(&format!("Observation?value-quantity={value}"), &[]).await;
    }
    client
        .finds(&format!("Observation?component-code-value-quantity=8480-6$12|{ucum}|cm[Hg]"), &["Observation/bp"])
        .await;
    client.finds(&format!("Observation?component-code-value-quantity=8462-4$12|{ucum}|cm[Hg]"), &[]).await;
}

#[tokio::test]
async fn references_and_chains() {
    let client = client().await;
    client.finds("Observation?subject=Patient/a", &["Observation/bp"]).await;
    client.finds("Observation?subject=a", &["Observation/bp"]).await;
    client.finds("Observation?subject:Patient=b", &["Observation/hb"]).await;
    client.finds("Observation?subject=http://ehr.test/fhir/Patient/b", &["Observation/hb"]).await;
    client.finds("Observation?patient=Patient/b", &["Observation/hb"]).await;
    client.finds("Observation?subject:identifier=http://mrn|1", &["Observation/other"]).await;
    client.finds("Observation?subject:Patient.family=mul", &["Observation/bp"]).await;
    client.finds("Observation?subject.family=mil", &["Observation/hb"]).await;
    client.finds("Observation?patient.organization.name=mercy", &["Observation/bp"]).await;
    client.finds("Patient?_has:Observation:patient:code=718-7", &["Patient/b"]).await;
    client.finds("Patient?_has:Observation:subject:performer.family=house", &["Patient/b"]).await;
    client
        .finds("Organization?_has:Patient:organization:_has:Observation:subject:code=85354-9", &["Organization/org"])
        .await;
    client.finds("Patient?_list=list", &["Patient/b"]).await;
    client.finds("Patient?general-practitioner=Practitioner/dr&family=m", &["Patient/a"]).await;
    client.finds("Patient/a/Observation", &["Observation/bp"]).await;
    client.finds("Patient/a/*?_type=Observation,RiskAssessment", &["Observation/bp", "RiskAssessment/risk"]).await;
    client.finds("Patient/b/Patient", &["Patient/b"]).await;
}

#[tokio::test]
async fn dates() {
    let client = client().await;
    client.finds("Patient?birthdate=1970", &["Patient/a"]).await;
    client.finds("Patient?birthdate=1970-05-01", &["Patient/a"]).await;
    client.finds("Patient?birthdate=1980-05", &[]).await;
    client.finds("Patient?birthdate=ne1970", &["Patient/b"]).await;
    client.finds("Patient?birthdate=gt1970-05-01", &["Patient/b"]).await;
    client.finds("Patient?birthdate=ge1970-05-01", &["Patient/a", "Patient/b"]).await;
    client.finds("Patient?birthdate=lt1980", &["Patient/a"]).await;
    client.finds("Patient?birthdate=le1980", &["Patient/a", "Patient/b"]).await;
    client.finds("Patient?birthdate=sa1970", &["Patient/b"]).await;
    client.finds("Patient?birthdate=eb1980", &["Patient/a"]).await;
    client.finds("Observation?date=2020-03-04", &["Observation/bp"]).await;
    client.finds("Observation?date=gt2030", &["Observation/hb"]).await;
    client.finds("Observation?date=ge2020-03-04T10:00&date=lt2020-03-05", &["Observation/bp", "Observation/hb"]).await;
    client.finds("Patient?_lastUpdated=gt2020-01-01", &["Patient/a", "Patient/b"]).await;
    client.finds("Patient?_lastUpdated=lt2020-01-01", &[]).await;
    client.finds("Patient?birthdate=ap1971", &["Patient/a"]).await;
}

#[tokio::test]
async fn numbers_quantities_and_composites() {
    let client = client().await;
    client.finds("Observation?value-quantity=5.4", &["Observation/hb"]).await;
    client.finds("Observation?value-quantity=5", &["Observation/hb"]).await;
    client.finds("Observation?value-quantity=5.40", &["Observation/hb"]).await;
    client.finds("Observation?value-quantity=5.41", &[]).await;
    client.finds("Observation?value-quantity=gt5.39|http://unitsofmeasure.org|g/dL", &["Observation/hb"]).await;
    client.finds("Observation?value-quantity=5.4||g/dl", &["Observation/hb"]).await;
    client.finds("Observation?value-quantity=5.4|http://unitsofmeasure.org|mg", &[]).await;
    client.finds("Observation?component-value-quantity=lt100", &["Observation/bp"]).await;
    client.finds("RiskAssessment?probability=gt0.4", &["RiskAssessment/risk"]).await;
    client.finds("RiskAssessment?probability=0.5", &["RiskAssessment/risk"]).await;
    client.finds("Observation?component-code-value-quantity=http://loinc.org|8480-6$gt100", &["Observation/bp"]).await;
    client.finds("Observation?component-code-value-quantity=http://loinc.org|8462-4$gt100", &[]).await;
    client.finds("Observation?code-value-quantity=718-7$5.4", &["Observation/hb"]).await;
    client.finds("Observation?combo-code-value-quantity=8462-4$80", &["Observation/bp"]).await;
    client.finds("Observation?code-value-string=718-7$tulip", &["Observation/other"]).await;
}

#[tokio::test]
async fn uris_words_and_places() {
    let client = client().await;
    client.finds("ValueSet?url=http://vs/a", &["ValueSet/vs"]).await;
    client.finds("ValueSet?url:below=http://vs/a", &["ValueSet/vs", "ValueSet/vs2"]).await;
    client.finds("ValueSet?url:above=http://vs/a/b", &["ValueSet/vs", "ValueSet/vs2"]).await;
    client.finds("Patient?_text=tulips", &["Patient/a"]).await;
    client.finds("Patient?_text=muller", &[]).await;
    client.finds("Patient?_content=muller", &["Patient/a"]).await;
    client.finds("Patient?_content=tulips%20anna-maria", &["Patient/a"]).await;
    client.finds("Patient?_content=tulips%20bob", &[]).await;
    client.finds("Observation?_content=tulip OR pressure", &["Observation/bp", "Observation/other"]).await;
    client.finds("Location?near=52.5|13.4|10|km", &["Location/near"]).await;
    client.finds("Location?near=52.5|13.4|100|m", &[]).await;
}

#[tokio::test]
async fn inclusions() {
    let client = client().await;
    client
        .finds(
            "Observation?code=718-7&_include=Observation:subject",
            &["Observation/hb", "Observation/other", "Patient/b"],
        )
        .await;
    client
        .finds(
            "Observation?_id=bp&_include=Observation:subject&_include:iterate=Patient:organization",
            &["Observation/bp", "Organization/org", "Patient/a"],
        )
        .await;
    client
        .finds("Observation?_id=hb&_include=Observation:*", &["Observation/hb", "Patient/b", "Practitioner/dr"])
        .await;
    client.finds("Observation?_id=hb&_include=Observation:performer:Organization", &["Observation/hb"]).await;
    client.finds("Patient?_id=a&_revinclude=Observation:subject", &["Observation/bp", "Patient/a"]).await;
    client
        .finds(
            "Organization?_id=org&_revinclude=Patient:organization&_revinclude:iterate=Observation:subject",
            &["Observation/bp", "Organization/org", "Patient/a"],
        )
        .await;
    let modes = client.get("Patient?_id=a&_revinclude=Observation:subject").await.json();
    assert_eq!((modes["total"].clone(), modes["entry"][1]["search"]["mode"].clone()), (json!(1), json!("include")));
}

#[tokio::test]
async fn a_search_can_be_posted_and_can_span_types() {
    let client = client().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = client.send("POST", "Patient/_search?active=true", &form, "family=m").await;
    assert_eq!(answer.names(), ["Patient/a"]);
    let answer = client.get("?_type=Patient,Organization&_sort=_id").await;
    assert_eq!(answer.names(), ["Patient/a", "Patient/b", "Organization/org"]);
    assert_eq!(client.get("?_id=a").await.names(), ["Patient/a"]);
}

#[tokio::test]
async fn what_is_not_understood_is_refused_or_said() {
    let client = client().await;
    for path in [
        "Patient?nonsense=1",
        "Patient?family:nonsense=x",
        "Patient?birthdate=yesterday",
        "Patient?birthdate=xx2020",
        "Observation?value-quantity=many",
        "Patient?family=",
        "Patient?_sort=nonsense",
        "Patient?_include=Patient:nonsense",
        "Patient?_has:Observation:code:code=1",
        "Patient?_summary=maybe",
        "Patient?_count=few",
        "Patient?organization.nonsense=1",
        "Observation?code-value-quantity=1",
        "Patient?birthdate:exact=1970",
        "?nonsense=1",
        "Patient?_contained=true",
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
    }
    let lenient = client.send("GET", "Patient?nonsense=1&active=true", &[("prefer", "handling=lenient")], "").await;
    assert_eq!(lenient.names(), ["Patient/a"]);
    assert!(lenient.text.contains("was ignored"));
    assert!(!lenient.link("self").unwrap().contains("nonsense"));
}

#[tokio::test]
async fn a_bare_code_is_of_the_system_that_r4_binds_it_to() {
    let client = client().await;
    client.store(&[json!({ "resourceType": "Patient", "id": "f", "gender": "female" })]).await;
    let gender = "http://hl7.org/fhir/administrative-gender";
    client.finds(&format!("Patient?gender={gender}|female&_id=f"), &["Patient/f"]).await;
    client.finds(&format!("Patient?gender={gender}|male&_id=f"), &[]).await;
    client.finds(&format!("Patient?gender:not={gender}|male&_id=f"), &["Patient/f"]).await;
    client.finds(&format!("Patient?gender:not={gender}|female&_id=f"), &[]).await;
    client.finds(&format!("Patient?gender={gender}|&_id=f"), &["Patient/f"]).await;
    client.finds("Patient?gender=http://other|female&_id=f", &[]).await;
    client.finds("Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender&_id=f", &["Patient/f"]).await;
}

#[tokio::test]
async fn two_bounds_are_one_range_only_where_a_value_stands_once() {
    let client = client().await;
    let goal = |id: &str, dates: &[&str]| {
        let target: Vec<_> = dates.iter().map(|date| json!({ "dueDate": date })).collect();
        json!({ "resourceType": "Goal", "id": id, "lifecycleStatus": "active", "description": { "text": "g" },
                "subject": { "reference": "Patient/a" }, "target": target })
    };
    client.store(&[goal("apart", &["2001-01-01", "2009-01-01"]), goal("within", &["2005-01-01"])]).await;
    // One date satisfies each bound: two parameters ask for two values.
    client.finds("Goal?target-date=lt2004&target-date=gt2006", &["Goal/apart"]).await;
    client.finds("Goal?target-date=gt2004&target-date=lt2006", &["Goal/apart", "Goal/within"]).await;
    let visit = |id: &str, start: &str, end: Option<&str>| {
        let mut period = json!({ "start": start });
        if let Some(end) = end {
            period["end"] = json!(end);
        }
        json!({ "resourceType": "Encounter", "id": id, "status": "finished", "class": { "code": "AMB" }, "period": period })
    };
    client
        .store(&[
            visit("short", "2020-03-10T10:00:00Z", Some("2020-03-10T11:00:00Z")),
            visit("long", "2019-01-01T00:00:00Z", Some("2021-01-01T00:00:00Z")),
            visit("open", "2020-01-01T00:00:00Z", None),
            visit("later", "2020-05-01T00:00:00Z", Some("2020-05-01T01:00:00Z")),
            visit("earlier", "2018-05-01T00:00:00Z", Some("2018-05-01T01:00:00Z")),
        ])
        .await;
    client.finds("Encounter?date=2020-03", &["Encounter/short"]).await;
    client
        .finds("Encounter?date=gt2020-02&date=lt2020-04", &["Encounter/long", "Encounter/open", "Encounter/short"])
        .await;
    client.finds("Encounter?date=sa2020-02&date=eb2020-04", &["Encounter/short"]).await;
    for sort in ["date", "-date"] {
        let path = format!("Encounter?date=ge2020-02&date=lt2020-04&_sort={sort}");
        client.finds(&path, &["Encounter/long", "Encounter/open", "Encounter/short"]).await;
    }
}

#[tokio::test]
async fn controls_of_another_dialect_are_ignored_aloud_and_refused_if_strictness_is_asked() {
    let client = client().await;
    let answer = client.get("Patient?_totalMethod=count&active=true").await;
    assert_eq!(answer.names(), ["Patient/a"]);
    assert!(answer.text.contains("`_totalMethod` is no control of R4 and was ignored"));
    assert!(!answer.link("self").unwrap().contains("_totalMethod"));
    let strict = client.send("GET", "Patient?_totalMethod=count", &[("prefer", "handling=strict")], "").await;
    assert_eq!(strict.status, 400);
    assert_eq!(client.get("Patient?_filter=active eq true").await.status, 400);
    assert_eq!(client.send("DELETE", "Patient?_totalMethod=count", &[], "").await.status, 400);
}

#[tokio::test]
async fn a_condition_in_the_address_of_a_create_is_one() {
    let client = client().await;
    let body = r#"{"resourceType":"Patient","active":true}"#;
    let json = ("content-type", "application/fhir+json");
    let answer = client.send("POST", "Patient?active=true", &[json], body).await;
    assert_eq!((answer.status.as_u16(), answer.json()["id"].clone()), (200, json!("a")));
    client.finds("Patient?active=true", &["Patient/a"]).await;
    assert_eq!(client.send("POST", "Patient?shoe=1", &[json], body).await.status, 400);
    let twice = client.send("POST", "Patient?active=true", &[json, ("if-none-exist", "active=true")], body).await;
    assert_eq!(twice.status, 400);
    client.finds("Patient?active=true", &["Patient/a"]).await;
    assert_eq!(client.send("POST", "Patient?family=Nobody", &[json], body).await.status, 201);
}

#[tokio::test]
async fn an_update_moves_its_index_rows() {
    let client = client().await;
    client.store(&[json!({ "resourceType": "Patient", "id": "a", "name": [{ "family": "Changed" }] })]).await;
    client.finds("Patient?family=mul", &[]).await;
    client.finds("Patient?identifier=1", &[]).await;
    client.finds("Patient?_text=tulips", &[]).await;
    client.finds("Patient?family=chan", &["Patient/a"]).await;
    client.finds("Observation?subject:Patient.family=chan", &["Observation/bp"]).await;
}
