//! Which elements of a resource leave: many small texts.

use super::support::{filter, grants, in_compartment, left, left_of};
use crate::reply::Shape;

#[track_caller]
fn check(paths: &str, body: &str, expected: &str) {
    assert_eq!(left_of(paths, body), expected);
}

#[test]
fn only_named_elements_leave_and_the_rest_is_tagged_away() {
    check(
        "name",
        r#"{"resourceType":"Patient","id":"1","birthDate":"1980-01-02","name":[{"family":"Chalmers","given":["Peter","James"]}],"gender":"male"}"#,
        r#"{"resourceType":"Patient","id":"1","name":[{"family":"Chalmers","given":["Peter","James"]}],TAG}"#,
    );
    check("", r#"{"resourceType":"Patient","birthDate":"1980-01-02"}"#, r#"{"resourceType":"Patient",TAG}"#);
    check(
        "name.given",
        r#"{ "resourceType" : "Patient" , "name" : [ { "family" : "x" , "given" : [ "y" ] } ] }"#,
        r#"{ "resourceType" : "Patient" , "name" : [ {"given" : [ "y" ] } ],TAG}"#,
    );
}

#[test]
fn what_is_whole_leaves_to_the_byte() {
    let body = r#"{ "id":"1","birthDate" :"1980","zebra":{"x":[1.0e10,-0.00, null,{}, []]},"resourceType":"Patient","text":{"div":"<div>A\u00e9\/</div>"}}"#;
    check("*", body, body);
}

#[test]
fn display_copies_leave_only_if_named() {
    let body = r##"{"resourceType":"Observation","text":{"status":"generated","div":"<div>HIV</div>"},"contained":[{"resourceType":"Patient","id":"p"}],"extension":[{"url":"u","valueString":"HIV"}],"modifierExtension":[{"url":"u","valueString":"HIV"}],"status":"final","code":{"text":"HIV","coding":[{"system":"s","code":"c","display":"HIV"}]},"subject":{"reference":"Patient/1","display":"Peter"}}"##;
    check(
        "status code subject",
        body,
        r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"s","code":"c"}]},"subject":{"reference":"Patient/1"},TAG}"#,
    );
    check(
        "status code code.text code.coding.display subject subject.display",
        body,
        r#"{"resourceType":"Observation","status":"final","code":{"text":"HIV","coding":[{"system":"s","code":"c","display":"HIV"}]},"subject":{"reference":"Patient/1","display":"Peter"},TAG}"#,
    );
    check(
        "status code.coding.code text extension",
        body,
        r#"{"resourceType":"Observation","text":{"status":"generated","div":"<div>HIV</div>"},"extension":[{"url":"u","valueString":"HIV"}],"status":"final","code":{"coding":[{"code":"c"}]},TAG}"#,
    );
}

#[test]
fn a_required_element_that_is_withheld_is_masked() {
    check(
        "id",
        r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"HIV"}}"#,
        r#"{"resourceType":"Observation","id":"1",TAG,"_status":{MASKED},"code":{MASKED}}"#,
    );
    check(
        "id",
        r#"{"resourceType":"Observation","id":"1","_status":{"extension":[{"url":"u"}]},"code":{"text":"HIV"}}"#,
        r#"{"resourceType":"Observation","id":"1",TAG,"_status":{MASKED},"code":{MASKED}}"#,
    );
    check(
        "start",
        r#"{"resourceType":"Appointment","status":"booked","start":"2020-01-01T00:00:00Z","participant":[{"status":"accepted"},{"status":"declined"}]}"#,
        r#"{"resourceType":"Appointment","start":"2020-01-01T00:00:00Z",TAG,"_status":{MASKED},"participant":[{MASKED,"type":[{MASKED}],"_status":{MASKED}}],"_end":{MASKED}}"#,
    );
    check(
        "status participant.actor.reference",
        r#"{"resourceType":"Appointment","status":"booked","participant":[{"status":"accepted","actor":{"reference":"Patient/1","display":"P"}},{"status":"declined"}]}"#,
        r#"{"resourceType":"Appointment","status":"booked","participant":[{"actor":{"reference":"Patient/1"},"_status":{MASKED}}],TAG}"#,
    );
    check(
        "status",
        r#"{"resourceType":"MedicationRequest","status":"active","medicationReference":{"reference":"Medication/1"}}"#,
        r#"{"resourceType":"MedicationRequest","status":"active",TAG,"medicationCodeableConcept":{MASKED}}"#,
    );
}

#[test]
fn choices_are_named_by_either_name() {
    let body = r#"{"resourceType":"Observation","valueQuantity":{"value":6.30,"unit":"mmol/L"},"_valueString":{"id":"a"},"component":[{"valueString":"x"}]}"#;
    check("value[x]", body, r#"{"resourceType":"Observation","valueQuantity":{"value":6.30,"unit":"mmol/L"},TAG}"#);
    check(
        "valueQuantity",
        body,
        r#"{"resourceType":"Observation","valueQuantity":{"value":6.30,"unit":"mmol/L"},TAG}"#,
    );
    check("value[x].unit", body, r#"{"resourceType":"Observation","valueQuantity":{"unit":"mmol/L"},TAG}"#);
    check("valueString", body, r#"{"resourceType":"Observation",TAG}"#);
}

#[test]
fn siblings_of_primitives_follow_the_naming_of_extensions() {
    let body = r#"{"resourceType":"Patient","birthDate":"1980","_birthDate":{"id":"b","extension":[{"url":"u","valueDateTime":"1980-01-01T01:02:03Z"}]},"name":[{"given":["a","b"],"_given":[null,{"extension":[{"url":"v","valueCode":"c"}]}]}]}"#;
    check("birthDate name", body, r#"{"resourceType":"Patient","birthDate":"1980","name":[{"given":["a","b"]}],TAG}"#);
    check(
        "birthDate birthDate.extension name.given name.given.extension",
        body,
        r#"{"resourceType":"Patient","birthDate":"1980","_birthDate":{"id":"b","extension":[{"url":"u","valueDateTime":"1980-01-01T01:02:03Z"}]},"name":[{"given":["a","b"],"_given":[null,{"extension":[{"url":"v","valueCode":"c"}]}]}],TAG}"#,
    );
    check(
        "birthDate.extension",
        body,
        r#"{"resourceType":"Patient","_birthDate":{"extension":[{"url":"u","valueDateTime":"1980-01-01T01:02:03Z"}]},TAG}"#,
    );
    check(
        "name.given.id name.given",
        r#"{"resourceType":"Patient","name":[{"given":["a","b"],"_given":[{"extension":[{"url":"v"}]},{"id":"x","extension":[{"url":"v"}]}]}]}"#,
        r#"{"resourceType":"Patient","name":[{"given":["a","b"],"_given":[null,{"id":"x"}]}],TAG}"#,
    );
}

#[test]
fn places_of_siblings_count_only_beside_values() {
    let body = r#"{"resourceType":"Patient","name":[{"given":["a","b"],"_given":[null,{"id":"x"}]}]}"#;
    check("name.given.id", body, r#"{"resourceType":"Patient","name":[{"_given":[{"id":"x"}]}],TAG}"#);
}

#[test]
fn the_address_of_an_extension_does_not_leave_alone() {
    let body = r#"{"resourceType":"Patient","extension":[{"url":"u","valueCode":"c"},{"url":"v","extension":[{"url":"w","valueCode":"c"}]}]}"#;
    check("extension.url", body, r#"{"resourceType":"Patient",TAG}"#);
    check(
        "extension.extension.valueCode",
        body,
        r#"{"resourceType":"Patient","extension":[{"url":"v","extension":[{"url":"w","valueCode":"c"}]}],TAG}"#,
    );
}

#[test]
fn what_an_invariant_of_r4_asks_for_has_something_in_its_place() {
    check(
        "contact.relationship.coding.code",
        r#"{"resourceType":"Patient","contact":[{"name":{"family":"SECRET"},"telecom":[],"relationship":[{"coding":[{"code":"E"}]}]}]}"#,
        r#"{"resourceType":"Patient","contact":[{"relationship":[{"coding":[{"code":"E"}]}],"name":{MASKED}}],TAG}"#,
    );
    check(
        "description",
        r#"{"resourceType":"Appointment","start":"2026"}"#,
        r#"{"resourceType":"Appointment",TAG,"_start":{MASKED}}"#,
    );
    let condition =
        r#"{"resourceType":"Condition","clinicalStatus":{"coding":[{"code":"resolved"}]},"abatementString":"x"}"#;
    check("abatement[x]", condition, r#"{"resourceType":"Condition",TAG,"clinicalStatus":{MASKED}}"#);
    check(
        "abatement[x] clinicalStatus",
        condition,
        r#"{"resourceType":"Condition","clinicalStatus":{"coding":[{"code":"resolved"}]},"abatementString":"x",TAG}"#,
    );
    check(
        "name",
        r#"{"resourceType":"Group","actual":true,"type":"person"}"#,
        r#"{"resourceType":"Group","actual":true,TAG,"_type":{MASKED}}"#,
    );
}

#[test]
fn elements_that_r4_does_not_know_stay_unless_the_resource_is_whole() {
    check(
        "name",
        r#"{"resourceType":"Patient","nam":"x","name":[{"zzz":1,"family":"f"}],"NAME":2}"#,
        r#"{"resourceType":"Patient","name":[{"family":"f"}],TAG}"#,
    );
}

#[test]
fn what_is_not_what_r4_says_it_is_stays() {
    check(
        "name birthDate maritalStatus.coding.code",
        r#"{"resourceType":"Patient","name":"Peter","birthDate":{"x":"y"},"maritalStatus":"secret","deceasedBoolean":null}"#,
        r#"{"resourceType":"Patient",TAG}"#,
    );
    check(
        "name birthDate",
        r#"{"resourceType":"Patient","name":[["Peter"],7,{"family":"f"}],"birthDate":["1980",{"x":1}]}"#,
        r#"{"resourceType":"Patient","name":[{"family":"f"}],TAG}"#,
    );
}

#[test]
fn empty_objects_and_arrays_do_not_leave() {
    check(
        "name contact.name.family",
        r#"{"resourceType":"Patient","name":[],"contact":[{"gender":"male"},{"name":{"family":"f"}},{}]}"#,
        r#"{"resourceType":"Patient","contact":[{"name":{"family":"f"}}],TAG}"#,
    );
}

#[test]
fn meta_is_granted_like_any_other_and_tagged() {
    let body = r#"{"resourceType":"Patient","meta":{"versionId":"3","tag":[{"system":"s","code":"c","display":"d"}],"lastUpdated":"2020-01-01T00:00:00Z"}}"#;
    let tag = r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#;
    check("meta.versionId", body, &format!(r#"{{"resourceType":"Patient","meta":{{"versionId":"3","tag":[{tag}]}}}}"#));
    check(
        "meta",
        body,
        &format!(
            r#"{{"resourceType":"Patient","meta":{{"versionId":"3","tag":[{{"system":"s","code":"c"}},{tag}],"lastUpdated":"2020-01-01T00:00:00Z"}}}}"#
        ),
    );
    check("name", body, r#"{"resourceType":"Patient",TAG}"#);
    check(
        "meta",
        r#"{"resourceType":"Patient","meta":{"tag":[{"code":"SUBSETTED"}]}}"#,
        r#"{"resourceType":"Patient","meta":{"tag":[{"code":"SUBSETTED"}]}}"#,
    );
    check("meta", r#"{"resourceType":"Patient","meta":7}"#, r#"{"resourceType":"Patient",TAG}"#);
    check("meta", r#"{"resourceType":"Patient","meta":{"tag":{"code":"x"}}}"#, r#"{"resourceType":"Patient",TAG}"#);
}

#[test]
fn the_version_and_the_patient_are_known_even_if_they_do_not_leave() {
    let body = r#"{"resourceType":"Observation","id":"o","meta":{"versionId":"7"},"subject":{"reference":"http://ehr.internal/fhir/Patient/p"},"performer":[{"reference":"Patient/q"}],"status":"final"}"#;
    let released = filter(&grants(&[("Observation", "status")]), Shape::Resource, body.as_bytes()).unwrap();
    let [resource] = released.resources() else { panic!("{:?}", released.resources()) };
    assert_eq!((resource.id.as_deref(), resource.version.as_deref()), (Some("o"), Some("7")));
    assert_eq!(released.patients(), ["p", "q"]);
    assert_eq!(released.withheld_elements(), ["Observation.meta", "Observation.subject", "Observation.performer"]);
}

#[test]
fn what_decides_is_seen_beside_what_leaves() {
    let body = r#"{"resourceType":"Observation","id":"o","meta":{"versionId":"7","lastUpdated":"2020"},"subject":{"reference":"http://ehr.internal/fhir/Patient/p","type":"Patient"}}"#;
    let narrowing = in_compartment(grants(&[("Observation", "meta.lastUpdated subject.type")]), "Patient", &["p"]);
    let released = filter(&narrowing, Shape::Resource, body.as_bytes()).unwrap();
    assert_eq!(released.resources()[0].version.as_deref(), Some("7"));
    assert_eq!(released.patients(), ["p"]);
    let left = String::from_utf8(released.into_body()).unwrap();
    assert!(
        left.contains(r#""subject":{"type":"Patient"}"#) && !left.contains("Patient/p") && !left.contains("versionId"),
        "{left}"
    );
}

#[test]
fn contained_resources_leave_if_named_and_as_their_own_type_may() {
    let body = r##"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p","birthDate":"1980","name":[{"family":"f"}]},{"resourceType":"Device","id":"d"}],"status":"final","code":{}}"##;
    let narrowing = grants(&[("Observation", "status code contained"), ("Patient", "name")]);
    let left = left(&narrowing, Shape::Resource, body);
    assert!(
        left.contains(r#""name":[{"family":"f"}]"#) && !left.contains("1980") && !left.contains("Device"),
        "{left}"
    );
    let whole = r##"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p","birthDate":"1980"},{"resourceType":"Zebra"},7],"status":"final"}"##;
    check("*", whole, whole);
}

#[test]
fn a_contained_patient_is_nobody_in_the_record() {
    let body = r##"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}}"##;
    for narrowing in [grants(&[("Observation", "contained"), ("Patient", "*")]), grants(&[("Observation", "*")])] {
        let released = filter(&narrowing, Shape::Resource, body.as_bytes()).unwrap();
        assert_eq!((released.resources().len(), released.patients().len()), (1, 0));
    }
}

#[test]
fn escaped_keys_are_the_keys_they_read() {
    check(
        "name",
        r#"{"resourceTyp\u0065":"Patient","n\u0061me":[{"f\u0061mily":"f"}],"birthD\u0061te":"1980"}"#,
        r#"{"resourceTyp\u0065":"Patient","n\u0061me":[{"f\u0061mily":"f"}],TAG}"#,
    );
}

#[test]
fn addresses_below_the_upstream_become_ours() {
    check(
        "*",
        r#"{"resourceType":"Observation","subject":{"reference":"http://ehr.internal/fhir/Patient/1"},"note":[{"text":"http://ehr.internal/fhir/Patient/1"}]}"#,
        r#"{"resourceType":"Observation","subject":{"reference":"https://bridge.example/ehr/Patient/1"},"note":[{"text":"http://ehr.internal/fhir/Patient/1"}]}"#,
    );
    check(
        "subject",
        r#"{"resourceType":"Observation","subject":{"reference":"http:\/\/ehr.internal\/fhir\/Patient\/1"}}"#,
        r#"{"resourceType":"Observation","subject":{"reference":"https://bridge.example/ehr/Patient/1"},TAG}"#,
    );
    check(
        "content.attachment.url",
        r#"{"resourceType":"DocumentReference","content":[{"attachment":{"url":"http://ehr.internal/fhir/Binary/1","title":"t"}}]}"#,
        r#"{"resourceType":"DocumentReference","content":[{"attachment":{"url":"https://bridge.example/ehr/Binary/1"}}],TAG}"#,
    );
    check(
        "subject",
        r#"{"resourceType":"Observation","subject":{"reference":"http://elsewhere.example/fhir/Patient/1"}}"#,
        r#"{"resourceType":"Observation","subject":{"reference":"http://elsewhere.example/fhir/Patient/1"},TAG}"#,
    );
}

#[test]
fn outcomes_lose_what_the_upstream_wrote_about_data() {
    let body = r#"{"resourceType":"OperationOutcome","text":{"div":"<div>Peter</div>"},"issue":[{"severity":"error","code":"not-found","details":{"text":"Peter"},"diagnostics":"Patient Peter not found","expression":["Patient.name"]}]}"#;
    let expected = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}"#;
    assert_eq!(left(&grants(&[]), Shape::Resource, body), expected);
    assert_eq!(left(&grants(&[]), Shape::Bundle, body), expected);
}

#[test]
fn parameters_bring_only_resources_that_may_leave() {
    let body = r#"{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":true},{"name":"match","part":[{"name":"resource","resource":{"resourceType":"Patient","id":"1","birthDate":"1980"}},{"name":"why","valueString":"Peter"}]},{"name":"other","resource":{"resourceType":"Device"}}]}"#;
    let left = left(&grants(&[("Patient", "name")]), Shape::Resource, body);
    assert!(
        left.contains(r#"{"name":"match","part":[{"name":"resource","resource":{"resourceType":"Patient","id":"1""#),
        "{left}"
    );
    assert!(
        !left.contains("Peter") && !left.contains("1980") && !left.contains("other") && !left.contains("result"),
        "{left}"
    );
}

#[test]
fn a_type_without_a_grant_does_not_leave() {
    let body = r#"{"resourceType":"Patient","id":"1"}"#;
    assert_eq!(left(&grants(&[("Observation", "*")]), Shape::Resource, body), "NotGranted");
    assert_eq!(left(&grants(&[("Observation", "*")]), Shape::Resource, r#"{"resourceType":"Zebra"}"#), "UnknownType");
    assert_eq!(left(&grants(&[("Observation", "*")]), Shape::Resource, r#"{"id":"1"}"#), "UnknownType");
}

#[test]
fn what_cannot_be_read_stays_whole() {
    let whole = grants(&[("Patient", "*")]);
    for (body, expected) in [
        ("", "Malformed"),
        ("null", "Malformed"),
        (r#""Patient""#, "Malformed"),
        (r#"{"resourceType":"Patient""#, "Malformed"),
        (r#"{"resourceType":"Patient"}}"#, "Malformed"),
        (r#"{"resourceType":"Patient"}{}"#, "Malformed"),
        (r#"{"resourceType":"Patient",}"#, "Malformed"),
        (r#"{"resourceType":"Patient","a":}"#, "Malformed"),
        (r#"{"resourceType":"Patient","a" "b"}"#, "Malformed"),
        (r#"{"resourceType":"Patient","a":1 2}"#, "Malformed"),
        (r#"{"resourceType":"Patient","a":01}"#, "Malformed"),
        (r#"{"resourceType":"Patient","a":tru}"#, "Malformed"),
        (r#"{"resourceType":"Patient","a":"b"c}"#, "Malformed"),
        (r#"{"resourceType":"Patient","a":"\q"}"#, "Malformed"),
        (r#"{"resourceType":"Patient","a":"\ud800"}"#, "Malformed"),
        (r#"{"resourceType":"Patient","a":"\udc00\ud800"}"#, "Malformed"),
        ("{\"resourceType\":\"Patient\",\"a\":\"\n\"}", "Malformed"),
        (r#"{"resourceType":"Patient","a":[1,]}"#, "Malformed"),
        (r#"{"resourceType":"Patient","a":[1}"#, "Malformed"),
        (r#"{"resourceType":"Patient",7:1}"#, "Malformed"),
        ("\u{feff}{\"resourceType\":\"Patient\"}", "Malformed"),
        (r#"{"resourceType":"Patient","a":1,"a":2}"#, "DuplicateKey"),
        (r#"{"resourceType":"Patient","id":"1","i\u0064":"2"}"#, "DuplicateKey"),
        (r#"{"resourceType":"Patient","a":{"b":{"x":1,"y":2,"x":3}}}"#, "DuplicateKey"),
        (r#"{"resourceType":"Patient","resourceType":"Observation"}"#, "DuplicateKey"),
    ] {
        for narrowing in [&whole, &grants(&[("Patient", "name")])] {
            let found = left(narrowing, Shape::Resource, body);
            assert!(found.starts_with(expected), "{body}: {found}");
        }
    }
    assert_eq!(
        filter(&whole, Shape::Resource, b"{\"resourceType\":\"Patient\",\"a\":\"\xff\"}").unwrap_err().to_string(),
        "the answer of the upstream is not UTF-8"
    );
}

#[test]
fn depth_is_bounded() {
    let nested =
        |depth: usize| format!(r#"{{"resourceType":"Patient","a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let whole = grants(&[("Patient", "*")]);
    assert_eq!(left(&whole, Shape::Resource, &nested(100)), nested(100));
    assert_eq!(left(&whole, Shape::Resource, &nested(128)), "TooDeep");
    assert_eq!(left(&grants(&[("Patient", "name")]), Shape::Resource, &nested(100_000)), "TooDeep");
}
