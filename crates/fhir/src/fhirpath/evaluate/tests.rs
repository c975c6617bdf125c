//! What expressions find.

use serde_json::json;

use super::*;

fn check(resource: &Value, expression: &str, expected: &[&str]) {
    let expression = Expression::parse(expression).unwrap();
    let found: Vec<String> = select(resource, &expression)
        .iter()
        .map(|one| format!("{} {}", one.type_name().unwrap_or("?"), one.value))
        .collect();
    assert_eq!(found, expected);
}

fn observation() -> Value {
    json!({
        "resourceType": "Observation", "id": "o",
        "contained": [{"resourceType": "Patient", "id": "p", "birthDate": "1970-01-01"}],
        "subject": {"reference": "#p"},
        "performer": [{"reference": "Practitioner/1"}, {"reference": "http://a/fhir/Organization/2/_history/3"},
                      {"type": "Patient", "identifier": {"value": "x"}}, {"reference": "urn:uuid:1"}],
        "valueQuantity": {"value": 6.3},
        "_issued": {"extension": [{"url": "http://e", "valueCode": "unknown"}]},
        "component": [{"valueString": "a"}, {"valueCodeableConcept": {"text": "b"}}]
    })
}

#[test]
fn a_choice_is_found_by_its_stem_and_knows_its_type() {
    let resource = observation();
    check(&resource, "value", &[r#"Quantity {"value":6.3}"#]);
    check(&resource, "Observation.value.ofType(Quantity).value", &["decimal 6.3"]);
    check(&resource, "value as string", &[]);
    check(&resource, "(Observation.component.value as CodeableConcept).text", &[r#"string "b""#]);
    check(&resource, "Patient.value", &[]);
    check(&resource, "Resource.id | DomainResource.contained.id", &[r#"id "o""#, r#"id "p""#]);
}

#[test]
fn references_tell_what_they_point_at() {
    let resource = observation();
    check(&resource, "performer.where(resolve() is Practitioner).reference", &[r#"string "Practitioner/1""#]);
    check(&resource, "performer.where(resolve() is Patient).identifier.value", &[r#"string "x""#]);
    check(
        &resource,
        "performer.where(resolve() is Organization).reference",
        &[r#"string "http://a/fhir/Organization/2/_history/3""#],
    );
    check(&resource, "subject.where(resolve() is Patient).reference", &[r##"string "#p""##]);
    check(&resource, "subject.resolve().birthDate", &[r#"date "1970-01-01""#]);
    check(&resource, "performer.where(resolve() is Device)", &[]);
}

#[test]
fn filters_and_indexes() {
    let patient = json!({"resourceType": "Patient", "telecom": [
        {"system": "phone", "value": "1"}, {"system": "email", "value": "2"}, {"system": "email", "value": "3"}],
        "name": [{"given": ["A", null], "_given": [null, {"id": "x"}]}]});
    check(&patient, "telecom.where(system='email').value", &[r#"string "2""#, r#"string "3""#]);
    check(&patient, "Patient.telecom[1].value", &[r#"string "2""#]);
    check(&patient, "telecom.where(system = 'email' and value != '2').value", &[r#"string "3""#]);
    check(&patient, "telecom.where(system = 'fax' or value = '1').system", &[r#"code "phone""#]);
    check(&patient, "telecom.exists(system='fax')", &["boolean false"]);
    check(&patient, "telecom.first().value | telecom.last().value", &[r#"string "1""#, r#"string "3""#]);
    check(&patient, "name.given", &[r#"string "A""#]);
    check(&patient, "name.given.id", &[r#"string "x""#]);
    check(&patient, "telecom.empty().not()", &["boolean true"]);
}

#[test]
fn deceased_is_true_for_a_date_and_for_true() {
    let expression = "Patient.deceased.exists() and Patient.deceased != false";
    check(&json!({"resourceType": "Patient", "deceasedDateTime": "2020"}), expression, &["boolean true"]);
    check(&json!({"resourceType": "Patient", "deceasedBoolean": false}), expression, &["boolean false"]);
    check(&json!({"resourceType": "Patient"}), expression, &["boolean false"]);
}

#[test]
fn extensions_are_found_on_elements_and_on_primitives_without_a_value() {
    let resource = observation();
    check(&resource, "issued", &[]);
    check(&resource, "issued.extension('http://e').value", &[r#"code "unknown""#]);
    check(&resource, "issued.extension('http://f').value", &[]);
    check(&resource, "issued.exists() and issued.hasValue().not()", &["boolean true"]);
}

#[test]
fn parts_of_a_composite_stand_on_its_result() {
    let resource = observation();
    let whole = Expression::parse("component").unwrap();
    let part = Expression::parse("value.ofType(string) | %resource.value.value").unwrap();
    let focus = select(&resource, &whole)[0];
    let found = select_from(&resource, focus, &part);
    assert_eq!(found.iter().map(|one| one.value.clone()).collect::<Vec<_>>(), [json!("a"), json!(6.3)]);
}

#[test]
fn unknown_elements_are_found_without_a_type() {
    check(&json!({"resourceType": "Strange", "a": [{"b": 1}, {"b": 2}]}), "a.b", &["? 1", "? 2"]);
    check(&json!({"resourceType": "Patient", "strange": 1}), "strange", &[]);
}

#[test]
fn work_has_a_bound_for_strangers() {
    let contained: Vec<Value> = (0..200).map(|id| json!({"resourceType": "Patient", "id": id.to_string()})).collect();
    let resource = json!({"resourceType": "Observation", "id": "o", "contained": contained});
    let nested = "%resource.contained.where(".repeat(6) + "id.exists()" + &").exists()".repeat(5) + ")";
    let nested = Expression::parse(&nested).unwrap();
    assert_eq!(select_within(&resource, &nested, 100_000).unwrap_err(), TooMuchWork { steps_max: 100_000 });
    let plain = Expression::parse("contained.id").unwrap();
    assert_eq!(select_within(&resource, &plain, 100_000).unwrap().len(), 200);
    assert!(select_within(&resource, &plain, 100).is_err());
}
