//! Profiles of de-identification on resources that hold something of each of the identifiers of 45 CFR 164.514(b)(2).

use std::sync::Arc;

use bascule_crypto::Secret;
use bascule_policy::{Elements, Narrowing, Profile, TotalRule, TypeNarrowing};
use serde_json::{Value, json};

use super::support::{PUBLIC, UPSTREAM, kind, page};
use crate::limits::Limits;
use crate::masking::Masking;
use crate::masks::Masks;
use crate::pseudonym::Pseudonyms;
use crate::release::release_narrowed;
use crate::reply::{Reply, Shape};
use crate::rewrite::Rewrite;

fn under(profile: Profile, types: &[&str]) -> Narrowing {
    let all = || Arc::new(Elements::Profiled { profile, named: None });
    let types = types.iter().map(|name| (kind(name), TypeNarrowing::new(all(), Vec::new())));
    Narrowing { types: types.collect(), total: TotalRule::Exact }
}

fn left(narrowing: &Narrowing, pseudonyms: &Pseudonyms, shape: Shape, body: &Value) -> Value {
    let rewrite = Rewrite::new(UPSTREAM, PUBLIC, &page).with_masking(Masking { year: 2026, pseudonyms });
    let body = body.to_string();
    let reply = Reply { body: body.as_bytes(), shape };
    let released = release_narrowed(&Masks::default(), narrowing, reply, &rewrite, &Limits::default()).unwrap();
    serde_json::from_slice(released.body()).unwrap()
}

fn random() -> Pseudonyms {
    Pseudonyms::random([3; 32], 1_000)
}

/// Letters of the clause stand beside what they take out.
fn patient() -> Value {
    json!({
        "resourceType": "Patient", "id": "SECRET-R",
        "meta": { "versionId": "SECRET-R", "lastUpdated": "2026-11-05T10:11:12Z", "source": "http://SECRET-N" },
        "text": { "status": "generated", "div": "<div>SECRET-A</div>" },
        "contained": [{ "resourceType": "RelatedPerson", "id": "SECRET", "name": [{ "family": "SECRET-A" }] }],
        "extension": [{ "url": "http://SECRET", "valueString": "SECRET-R" }],
        "identifier": [{ "system": "http://SECRET-G", "value": "SECRET-GHIJKLM", "assigner": { "display": "SECRET" } }],
        "name": [{ "family": "SECRET-A", "_family": { "extension": [{ "url": "u", "valueString": "SECRET" }] } }],
        "telecom": [{ "system": "phone", "value": "SECRET-DEF" }],
        "gender": "female",
        "birthDate": "1931-05-17", "_birthDate": { "extension": [{ "url": "u", "valueDateTime": "1931-05-17T04:05:06Z" }] },
        "deceasedDateTime": "2025-11-05",
        "address": [{ "text": "SECRET-B", "line": ["SECRET-B"], "city": "Springfield", "district": "SECRET-B", "state": "VT",
            "postalCode": "05901-1234", "period": { "start": "2001-02-03" } }],
        "photo": [{ "data": "U0VDUkVULVE=", "url": "http://SECRET-Q" }],
        "contact": [{ "name": { "text": "SECRET-A" }, "gender": "male" }],
        "communication": [{ "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": "de", "display": "SECRET" }], "text": "SECRET" }, "preferred": true }],
        "generalPractitioner": [{ "reference": "Practitioner/SECRET", "display": "SECRET" }],
        "SECRET": "SECRET",
    })
}

#[test]
fn safe_harbor_lets_none_of_the_eighteen_out() {
    let codes = random();
    let left = left(&under(Profile::SafeHarbor, &["Patient"]), &codes, Shape::Resource, &patient());
    let text = left.to_string();
    for gone in ["SECRET", "1931", "05-17", "11-05", "2001-", "Springfield", "059", "U0VD", "10:11"] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
    assert_eq!(left["birthDate"], "1936", "ages of ninety and more are one");
    assert_eq!(left["deceasedDateTime"], "2025");
    assert_eq!(left["address"], json!([{ "state": "VT", "postalCode": "000", "period": { "start": "2001" } }]));
    assert_eq!(left["gender"], "female");
    assert_eq!(left["communication"][0]["language"]["coding"], json!([{ "system": "urn:ietf:bcp:47", "code": "de" }]));
    assert_eq!(left["id"].as_str().unwrap().len(), 32);
    assert!(left["generalPractitioner"][0]["reference"].as_str().unwrap().starts_with("Practitioner/"));
}

#[test]
fn a_limited_data_set_keeps_dates_and_towns_and_no_direct_identifier() {
    let left = left(&under(Profile::LimitedDataSet, &["Patient"]), &random(), Shape::Resource, &patient());
    assert!(!left.to_string().replace("\"versionId\":\"SECRET-R\"", "").contains("SECRET"), "{left}");
    assert_eq!(left["birthDate"], "1931-05-17");
    assert_eq!(left["address"][0]["city"], "Springfield");
    assert_eq!(left["address"][0]["postalCode"], "05901-1234");
    assert_eq!(left["meta"]["lastUpdated"], "2026-11-05T10:11:12Z");
}

#[test]
fn what_an_expert_determined_has_the_same_code_everywhere_under_one_key() {
    let codes = |key: &[u8]| {
        let left = left(
            &under(Profile::Expert, &["Patient"]),
            &Pseudonyms::keyed(Secret::new(key)),
            Shape::Resource,
            &patient(),
        );
        assert!(!left["identifier"].to_string().contains("SECRET"));
        (left["id"].clone(), left["identifier"][0]["value"].clone())
    };
    assert_eq!(codes(b"one"), codes(b"one"));
    assert_ne!(codes(b"one"), codes(b"two"));
    let keyed = Pseudonyms::keyed(Secret::new(b"one"));
    let harbor = left(&under(Profile::SafeHarbor, &["Patient"]), &keyed, Shape::Resource, &patient());
    assert_eq!(harbor.get("id"), None, "a keyed code is derived from the person: no code, no id");
}

#[test]
fn references_of_one_answer_still_lead_somewhere_and_addresses_do_not_leave() {
    let observation = json!({
        "resourceType": "Observation", "id": "SECRET", "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": "30525-0", "display": "SECRET" }] },
        "subject": { "reference": "http://ehr.internal/fhir/Patient/SECRET-R", "type": "Patient", "display": "SECRET" },
        "issued": "2026-11-05T10:11:12Z", "effectiveDateTime": "2026-11-05",
        "valueQuantity": { "value": 97, "unit": "SECRET", "code": "a", "system": "http://unitsofmeasure.org" },
        "note": [{ "text": "SECRET" }],
    });
    let bundle = json!({
        "resourceType": "Bundle", "id": "SECRET", "type": "searchset", "timestamp": "2026-11-05T10:11:12Z",
        "meta": { "lastUpdated": "2026-11-05T10:11:12Z" },
        "entry": [
            { "fullUrl": "http://ehr.internal/fhir/Patient/SECRET-R", "resource": patient(), "search": { "mode": "match" } },
            { "fullUrl": "http://ehr.internal/fhir/Observation/SECRET", "resource": observation },
        ],
    });
    let narrowing = under(Profile::SafeHarbor, &["Patient", "Observation"]);
    let left = left(&narrowing, &random(), Shape::Bundle, &bundle);
    let text = left.to_string();
    assert!(!text.contains("SECRET") && !text.contains("11-05") && !text.contains("fullUrl"), "{text}");
    let (patient, observation) = (&left["entry"][0]["resource"], &left["entry"][1]["resource"]);
    assert_eq!(observation["subject"]["reference"], format!("Patient/{}", patient["id"].as_str().unwrap()));
    assert_eq!(observation["subject"]["type"], "Patient");
    assert_eq!(observation["valueQuantity"]["value"], 90);
    assert_eq!(observation["valueQuantity"]["comparator"], ">=");
}

#[test]
fn a_part_of_what_a_profile_masks_does_not_go_past_the_mask() {
    let named = ["valueQuantity.value".to_owned(), "status".to_owned()];
    let elements = Elements::Profiled { profile: Profile::SafeHarbor, named: Some(named.into()) };
    let types = [(kind("Observation"), TypeNarrowing::new(Arc::new(elements), Vec::new()))];
    let narrowing = Narrowing { types: types.into(), total: TotalRule::Exact };
    let body =
        json!({ "resourceType": "Observation", "status": "final", "valueQuantity": { "value": 97, "code": "a" } });
    let left = left(&narrowing, &random(), Shape::Resource, &body);
    assert_eq!(left.get("valueQuantity"), None);
    assert_eq!(left["status"], "final");
}

#[test]
fn what_is_masked_decides_on_its_resource_all_the_same() {
    let narrowing = under(Profile::SafeHarbor, &["Observation"]);
    let of = |id: &str| json!({ "resourceType": "Observation", "id": "o", "subject": { "reference": format!("Patient/{id}") } });
    let compartment = super::support::in_compartment(narrowing, "Patient", &["1"]);
    let rewrite = |codes| Rewrite::new(UPSTREAM, PUBLIC, &page).with_masking(Masking { year: 2026, pseudonyms: codes });
    let codes = random();
    for (id, leaves) in [("1", true), ("2", false)] {
        let body = of(id).to_string();
        let reply = Reply { body: body.as_bytes(), shape: Shape::Resource };
        let found = release_narrowed(&Masks::default(), &compartment, reply, &rewrite(&codes), &Limits::default());
        assert_eq!(found.is_ok(), leaves, "{id}");
        if let Ok(released) = found {
            assert_eq!(released.patients(), ["1"], "the record names whom it is about");
            assert_eq!(released.resources()[0].id.as_deref(), Some("o"));
        }
    }
}
