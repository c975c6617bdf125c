//! What a permit's narrowing makes of a query.

use std::collections::BTreeMap;
use std::sync::Arc;

use bascule_policy::{Elements, TotalRule, TypeNarrowing};

use super::*;

fn of(name: &str) -> ResourceType {
    ResourceType::parse(name).unwrap()
}

fn ids(ids: &[&str]) -> Vec<Id> {
    ids.iter().map(|id| Id::parse(id).unwrap()).collect()
}

fn own_records(patients: &[&str]) -> Condition {
    Condition::InCompartment { of: ResourceType::PATIENT, ids: ids(patients).into() }
}

fn query(text: &str) -> Query {
    let pairs = form_urlencoded::parse(text.as_bytes());
    Query {
        parameters: pairs
            .map(|(name, value)| Parameter { name: name.into_owned(), value: value.into_owned() })
            .collect(),
    }
}

fn search(resource: &str, asked: &str, conditions: Vec<Condition>, post_search: bool) -> Result<Call, NarrowFault> {
    let types = BTreeMap::from([(of(resource), TypeNarrowing::new(Arc::new(Elements::Whole), conditions))]);
    let narrowing = Narrowing { types, total: TotalRule::Exact };
    let limits =
        Limits { patients_per_query_max: 3, patients_posted_max: 3, query_bytes_max: 200, ..Limits::default() };
    let frame = Frame {
        public_base: "https://bridge.example/fhir",
        upstream_base: "http://ehr.internal/fhir",
        post_search,
        declares: false,
        part: Some(0),
        limits: &limits,
    };
    frame.search(&Within::Type(of(resource)), &query(asked), &narrowing)
}

fn check(resource: &str, asked: &str, condition: Condition, expect: &str) {
    let call = search(resource, asked, vec![condition], false).unwrap();
    let address = percent_encoding::percent_decode_str(&call.address).decode_utf8().unwrap();
    assert_eq!(address, expect);
}

#[test]
fn own_records_are_asked_for_by_the_parameter_of_the_type() {
    check("Observation", "code=x", own_records(&["a"]), "/Observation?code=x&patient=Patient/a");
    check("Patient", "", own_records(&["a", "b"]), "/Patient?_id=a,b");
    check("Appointment", "date=ge2026", own_records(&["a"]), "/Appointment?date=ge2026&patient=Patient/a");
    check("Coverage", "", own_records(&["a"]), "/Coverage?patient=Patient/a");
    check("Schedule", "", own_records(&["a"]), "/Schedule?actor=Patient/a");
    check("Group", "", own_records(&["a"]), "/Group?member=Patient/a");
    check("Practitioner", "", own_records(&["a"]), "/Practitioner");
}

#[test]
fn another_patient_in_the_query_is_narrowed_to_nothing_rather_than_replaced() {
    check("Observation", "patient=b", own_records(&["a"]), "/Observation?patient=b&patient=Patient/a");
}

#[test]
fn what_the_query_says_already_is_not_said_twice() {
    check("Observation", "patient=a", own_records(&["a"]), "/Observation?patient=a");
    check("Observation", "patient=Patient/a", own_records(&["a", "b"]), "/Observation?patient=Patient/a");
    check("Observation", "patient=a,b", own_records(&["a"]), "/Observation?patient=a,b&patient=Patient/a");
}

#[test]
fn a_reference_on_the_bridge_becomes_one_on_the_upstream() {
    check(
        "Observation",
        "subject=https://bridge.example/fhir/Patient/a&_format=json",
        own_records(&["a"]),
        "/Observation?subject=http://ehr.internal/fhir/Patient/a&patient=Patient/a",
    );
}

#[test]
fn granular_scopes_of_one_name_are_joined() {
    let pair = |value: &str| vec![("category".to_owned(), value.to_owned())];
    let condition = Condition::Matches { any_of: vec![pair("laboratory"), pair("vital-signs")] };
    check("Observation", "", condition, "/Observation?category=laboratory,vital-signs");
}

#[test]
fn granular_scopes_of_different_names_are_left_to_the_filter() {
    let pair = |name: &str| vec![(name.to_owned(), "x".to_owned())];
    check("Observation", "", Condition::Matches { any_of: vec![pair("category"), pair("code")] }, "/Observation");
}

#[test]
fn elements_asked_for_come_with_those_that_tell_whose_it_is() {
    check(
        "Observation",
        "_elements=code",
        own_records(&["a"]),
        "/Observation?_elements=code,subject,performer&patient=Patient/a",
    );
}

#[test]
fn a_search_travels_in_a_body_where_the_upstream_takes_one() {
    let call = search("Patient", "name=Amal", vec![own_records(&["a"])], true).unwrap();
    assert_eq!((call.method, call.address.as_str()), (Method::POST, "/Patient/_search"));
    assert_eq!(call.body, "name=Amal&_id=a");
}

#[test]
fn too_many_patients_and_too_long_a_query_are_refused_with_the_reason() {
    let many = search("Patient", "", vec![own_records(&["a", "b", "c", "d"])], true);
    assert_eq!(many, Err(NarrowFault::TooManyPatients { patients_max: 3 }));
    let part = search("Patient", "", vec![own_records(&["a", "b", "c", "d"])], false).unwrap();
    assert_eq!(part.address, "/Patient?_id=a%2Cb%2Cc", "of a URL's query, the first part");
    let long = search("Patient", &format!("name={}", "x".repeat(300)), vec![], false);
    assert_eq!(long, Err(NarrowFault::QueryTooLong { bytes_max: 200 }));
}

#[test]
fn a_search_of_the_whole_system_names_the_permitted_types() {
    let types = BTreeMap::from([
        (of("Observation"), TypeNarrowing::new(Arc::new(Elements::Whole), vec![])),
        (of("Patient"), TypeNarrowing::new(Arc::new(Elements::Whole), vec![])),
    ]);
    let narrowing = Narrowing { types, total: TotalRule::Absent };
    let limits = Limits::default();
    let frame = Frame {
        public_base: "p",
        upstream_base: "u",
        post_search: true,
        declares: false,
        part: Some(0),
        limits: &limits,
    };
    let call = frame.search(&Within::System, &Query::default(), &narrowing).unwrap();
    assert_eq!(call.address, "?_type=Observation%2CPatient");
}
