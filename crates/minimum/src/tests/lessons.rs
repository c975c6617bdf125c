//! What others got wrong, each as a test with the number that the list of lessons gives it. The rest of the list
//! concerns other rooms.

use std::sync::Arc;

use bascule_fhir::Id;
use bascule_policy::label::Label;
use bascule_policy::{Condition, Lane, Narrowing, TotalRule};

use super::support::{elements, filter, grants, in_compartment, kind, left};
use crate::reply::Shape;
use crate::withheld::Withheld;

fn bundle(resources: &[&str]) -> String {
    let entries: Vec<String> = resources.iter().map(|one| format!(r#"{{"resource":{one}}}"#)).collect();
    format!(
        r#"{{"resourceType":"Bundle","type":"searchset","total":{},"entry":[{}]}}"#,
        resources.len(),
        entries.join(",")
    )
}

/// The ids of the resources that leave.
fn ids(narrowing: &Narrowing, resources: &[&str]) -> Vec<String> {
    let released = filter(narrowing, Shape::Bundle, bundle(resources).as_bytes()).unwrap();
    assert_eq!(released.resources().len() as u64 + released.withheld_resources(), resources.len() as u64);
    released.resources().iter().filter_map(|one| one.id.clone()).collect()
}

fn with(mut narrowing: Narrowing, conditions: Vec<Condition>) -> Narrowing {
    for narrowing in narrowing.types.values_mut() {
        narrowing.conditions.extend(conditions.clone());
    }
    narrowing
}

fn compartment(of: &str, ids: &[&str]) -> Condition {
    Condition::InCompartment { of: kind(of), ids: ids.iter().filter_map(|id| Id::parse(id)).collect() }
}

#[test]
fn lesson_02_what_an_include_brings_stays_inside_compartment_and_grant() {
    let narrowing =
        in_compartment(grants(&[("Observation", "*"), ("Patient", "*"), ("Encounter", "*")]), "Patient", &["a"]);
    let found = ids(
        &narrowing,
        &[
            r#"{"resourceType":"Observation","id":"1","subject":{"reference":"Patient/a"}}"#,
            r#"{"resourceType":"Patient","id":"a"}"#,
            r#"{"resourceType":"Patient","id":"b"}"#,
            r#"{"resourceType":"Encounter","id":"2","subject":{"reference":"Patient/b"}}"#,
            r#"{"resourceType":"Practitioner","id":"3"}"#,
        ],
    );
    assert_eq!(found, ["1", "a"]);
}

#[test]
fn lesson_04_resources_of_several_actors_keep_every_condition() {
    let appointment = |id: &str, actors: &[&str]| {
        let actors: Vec<String> =
            actors.iter().map(|one| format!(r#"{{"actor":{{"reference":"{one}"}},"status":"accepted"}}"#)).collect();
        format!(r#"{{"resourceType":"Appointment","id":"{id}","participant":[{}]}}"#, actors.join(","))
    };
    let both = with(
        grants(&[("Appointment", "*")]),
        vec![compartment("Patient", &["a"]), compartment("Practitioner", &["dr"])],
    );
    let all = [
        appointment("1", &["Patient/a", "Practitioner/dr"]),
        appointment("2", &["Patient/a", "Practitioner/other"]),
        appointment("3", &["Patient/b", "Practitioner/dr"]),
        appointment("4", &["Practitioner/dr", "Location/l", "Patient/b", "Patient/a"]),
        appointment("5", &["Practitioner/a", "Patient/dr"]),
    ];
    assert_eq!(ids(&both, &all.each_ref().map(String::as_str)), ["1", "4"]);
    // The elements that decide do not have to leave.
    let narrow = with(
        grants(&[("Appointment", "start")]),
        vec![compartment("Patient", &["a"]), compartment("Practitioner", &["dr"])],
    );
    assert_eq!(ids(&narrow, &all.each_ref().map(String::as_str)), ["1", "4"]);
}

#[test]
fn lesson_05_references_decide_alike_in_all_their_forms() {
    let narrowing = in_compartment(grants(&[("Observation", "status")]), "Patient", &["1"]);
    let observation =
        |subject: &str| format!(r#"{{"resourceType":"Observation","id":"o","status":"final","subject":{subject}}}"#);
    for inside in [
        r#"{"reference":"Patient/1"}"#,
        r#"{"reference":"Patient/1/_history/2"}"#,
        r#"{"reference":"http://ehr.internal/fhir/Patient/1"}"#,
        r#"{"reference":"http:\/\/ehr.internal\/fhir\/Patient\/1\/_history\/2"}"#,
        r#"{"reference":"https://bridge.example/ehr/Patient/1"}"#,
        r#"{"display":"x","type":"Patient","ref\u0065rence":"Patient\/\u0031"}"#,
    ] {
        assert_eq!(ids(&narrowing, &[&observation(inside)]), ["o"], "{inside}");
    }
    for outside in [
        r#"{"reference":"Patient/11"}"#,
        r#"{"reference":"Practitioner/1"}"#,
        r#"{"reference":"http://elsewhere.example/fhir/Patient/1"}"#,
        r#"{"reference":"http://ehr.internal/fhir/../Patient/1"}"#,
        r#"{"type":"Patient","identifier":{"system":"s","value":"1"}}"#,
        r##"{"reference":"#1"}"##,
        r#"{"display":"Patient/1"}"#,
        "{}",
    ] {
        assert!(ids(&narrowing, &[&observation(outside)]).is_empty(), "{outside}");
    }
}

#[test]
fn lesson_06_several_patients_are_allowed_and_thousands() {
    let allowed: Vec<String> = (0..20_000).map(|number| format!("p{}", number * 2)).collect();
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    let narrowing = in_compartment(grants(&[("Observation", "status")]), "Patient", &allowed);
    let all: Vec<String> = (0..200)
        .map(|number| {
            format!(r#"{{"resourceType":"Observation","id":"{number}","subject":{{"reference":"Patient/p{number}"}}}}"#)
        })
        .collect();
    let found = ids(&narrowing, &all.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(found.len(), 100);
    assert!(found.iter().all(|id| id.parse::<u32>().unwrap() % 2 == 0));
}

#[test]
fn lesson_09_granular_scopes_of_one_type_are_alternatives() {
    let pair = |value: &str| vec![("category".to_owned(), value.to_owned())];
    let any = |any_of: Vec<Vec<(String, String)>>| {
        with(grants(&[("Observation", "status")]), vec![Condition::Matches { any_of }])
    };
    let observation = |category: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"{category}","category":[{{"coding":[{{"system":"c","code":"{category}"}}]}}]}}"#
        )
    };
    let all = ["laboratory", "vital-signs", "social-history"].map(observation);
    let all = all.each_ref().map(String::as_str);
    assert_eq!(ids(&any(vec![pair("c|laboratory"), pair("c|vital-signs")]), &all), ["laboratory", "vital-signs"]);
    assert_eq!(ids(&any(vec![[pair("c|laboratory"), pair("c|vital-signs")].concat()]), &all), [""; 0]);
    assert_eq!(ids(&any(vec![vec![("no-such-parameter".to_owned(), "x".to_owned())]]), &all), [""; 0]);
    assert_eq!(ids(&any(Vec::new()), &all), [""; 0]);
}

#[test]
fn lesson_10_what_cannot_be_filtered_does_not_leave() {
    let sound = r#"{"resourceType":"Patient","id":"1","name":[{"family":"f"}]}"#;
    let narrowing = grants(&[("Patient", "name")]);
    for (body, expected) in [
        (bundle(&[sound, r#"{"resourceType":"Patient","name":[{"family":"f"}],"name":[]}"#]), Withheld::DuplicateKey),
        (
            bundle(&[sound, sound]).trim_end_matches('}').to_owned(),
            Withheld::Malformed { what: "the body ends before its value does" },
        ),
        (format!("<html>{sound}</html>"), Withheld::Malformed { what: "not an object" }),
        (
            format!(r#"<Patient xmlns="http://hl7.org/fhir">{sound}</Patient>"#),
            Withheld::Malformed { what: "not an object" },
        ),
    ] {
        assert_eq!(filter(&narrowing, Shape::Bundle, body.as_bytes()).unwrap_err(), expected, "{body}");
    }
    let large = sound.replace("\"f\"", &format!("\"{}\"", "f".repeat(2 << 20)));
    assert_eq!(filter(&narrowing, Shape::Resource, large.as_bytes()).unwrap_err(), Withheld::TooLarge);
    assert_eq!(ids(&narrowing, &[sound, &large]), ["1"]);
}

#[test]
fn lesson_11_copies_of_hidden_values_are_hidden_on_every_road() {
    let resource = r##"{"resourceType":"Appointment","id":"1","meta":{"tag":[{"code":"x","display":"SECRET"}]},"text":{"div":"<div>SECRET</div>"},"contained":[{"resourceType":"Patient","id":"p","name":[{"family":"SECRET"}]}],"extension":[{"url":"u","valueString":"SECRET"}],"modifierExtension":[{"url":"u","valueReference":{"display":"SECRET"}}],"status":"booked","_status":{"extension":[{"url":"u","valueString":"SECRET"}]},"serviceType":[{"coding":[{"code":"c","display":"SECRET"}],"text":"SECRET"}],"reasonCode":[{"text":"SECRET"}],"description":"SECRET","comment":"SECRET","start":"2020-01-01T00:00:00Z","_start":{"id":"SECRET"},"SECRET":"SECRET","participant":[{"actor":{"reference":"Patient/p","display":"SECRET","extension":[{"url":"SECRET"}]},"extension":[{"url":"SECRET"}],"status":"accepted"}]}"##;
    let narrowing = grants(&[("Appointment", "meta.tag status start participant serviceType"), ("Patient", "name")]);
    for (shape, body) in [
        (Shape::Resource, resource.to_owned()),
        (Shape::Bundle, bundle(&[resource])),
        (Shape::BatchResponse, bundle(&[&bundle(&[resource])])),
        (Shape::Ndjson, format!("{resource}\n{resource}\n")),
        (Shape::Bundle, bundle(&[resource]).replace("searchset", "history").replace(r#"{"resource""#, r#"{"request":{"method":"PUT","url":"Appointment/1","ifMatch":"SECRET"},"response":{"status":"200","extension":[{"url":"SECRET"}]},"SECRET":1,"resource""#)),
        (Shape::Resource, format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"return","resource":{resource}}},{{"name":"note","valueString":"SECRET"}}]}}"#)),
    ] {
        let released = filter(&narrowing, shape, body.as_bytes()).unwrap();
        assert!(!format!("{released:?} {:?}", released.withheld_elements()).contains("SECRET"));
        let left = String::from_utf8(released.into_body()).unwrap();
        assert!(left.contains("Patient/p") && left.contains("2020-01-01"), "{left}");
        assert!(!left.contains("SECRET"), "{left}");
    }
}

#[test]
fn lesson_13_a_total_is_right_or_absent() {
    let all = [
        r#"{"resourceType":"Observation","id":"1","subject":{"reference":"Patient/a"}}"#,
        r#"{"resourceType":"Observation","id":"2","subject":{"reference":"Patient/b"}}"#,
    ];
    let narrowing = |ids: &[&str], total| Narrowing {
        total,
        ..in_compartment(grants(&[("Observation", "status")]), "Patient", ids)
    };
    assert!(left(&narrowing(&["a", "b"], TotalRule::Exact), Shape::Bundle, &bundle(&all)).contains(r#""total":2"#));
    assert!(!left(&narrowing(&["a"], TotalRule::Exact), Shape::Bundle, &bundle(&all)).contains("total"));
    assert!(!left(&narrowing(&["a", "b"], TotalRule::Absent), Shape::Bundle, &bundle(&all)).contains("total"));
}

#[test]
fn labels_hold_resources_back() {
    let label = |code: &str| Label::parse(&format!("http://labels|{code}")).unwrap();
    let labelled = |id: &str, security: &str| {
        format!(
            r#"{{"resourceType":"Condition","id":"{id}","meta":{{"security":{security}}},"subject":{{"reference":"Patient/a"}}}}"#
        )
    };
    let all = [
        labelled("none", "[]"),
        labelled("other", r#"[{"system":"http://labels","code":"N"}]"#),
        labelled("hit", r#"[{"system":"http://labels","code":"N"},{"system":"http://labels","code":"R"}]"#),
        labelled("escaped", r#"[{"system":"http:\/\/labels","cod\u0065":"R"}]"#),
        labelled("unclear", r#"[{"code":"R"}]"#),
        r#"{"resourceType":"Condition","id":"plain"}"#.to_owned(),
        r#"{"resourceType":"Condition","id":"inside","contained":[{"resourceType":"Basic","meta":{"security":[{"system":"http://labels","code":"R"}]}}]}"#.to_owned(),
        labelled("key", "[]").replace("security", r"s\u0065curity").replace("[]", r#"[{"system":"http://labels","code":"R"}]"#),
    ];
    let all = all.each_ref().map(String::as_str);
    let without = with(
        grants(&[("Condition", "code")]),
        vec![Condition::Not([Condition::HasLabel(vec![label("R")].into())].into())],
    );
    assert_eq!(ids(&without, &all), ["none", "other", "plain"]);
    let only = with(grants(&[("Condition", "code")]), vec![Condition::HasLabel(vec![label("R")].into())]);
    assert_eq!(ids(&only, &all), ["hit", "escaped", "inside", "key"]);
}

#[test]
fn what_is_not_known_to_be_elsewhere_counts_as_held_back() {
    let not_b = with(grants(&[("Observation", "code")]), vec![Condition::Not([compartment("Patient", &["b"])].into())]);
    let found = ids(
        &not_b,
        &[
            r#"{"resourceType":"Observation","id":"1","subject":{"reference":"Patient/a"}}"#,
            r#"{"resourceType":"Observation","id":"2","subject":{"reference":"Patient/b"}}"#,
            r#"{"resourceType":"Observation","id":"3","subject":{"identifier":{"value":"b"}}}"#,
            r#"{"resourceType":"Observation","id":"4"}"#,
        ],
    );
    assert_eq!(found, ["1", "4"]);
    let either = with(
        grants(&[("Observation", "code")]),
        vec![Condition::AnyOf(vec![
            vec![compartment("Patient", &["a"])],
            vec![Condition::IsOneOf(vec![Id::parse("2").unwrap()]), compartment("Patient", &["b"])],
        ])],
    );
    assert_eq!(
        ids(
            &either,
            &[
                r#"{"resourceType":"Observation","id":"1","subject":{"reference":"Patient/a"}}"#,
                r#"{"resourceType":"Observation","id":"2","subject":{"reference":"Patient/b"}}"#,
                r#"{"resourceType":"Observation","id":"3","subject":{"reference":"Patient/b"}}"#,
            ]
        ),
        ["1", "2"]
    );
}

#[test]
fn further_lanes_let_more_out_of_what_meets_their_conditions() {
    let mut narrowing = grants(&[("Observation", "status")]);
    let lane = |paths: &str, id: &str| Lane {
        elements: Arc::new(elements(paths)),
        conditions: vec![compartment("Patient", &[id])],
    };
    narrowing.types.get_mut(&kind("Observation")).unwrap().lanes =
        vec![lane("issued", "a"), lane("*", "b"), lane("method", "none")];
    let observation = |id: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","issued":"2020","method":{{"text":"m"}},"subject":{{"reference":"Patient/{id}"}}}}"#
        )
    };
    let leaves = |id: &str| left(&narrowing, Shape::Resource, &observation(id));
    assert!(leaves("a").contains("2020") && !leaves("a").contains("subject") && leaves("a").contains("SUBSETTED"));
    assert_eq!(leaves("b"), observation("b"));
    assert!(!leaves("c").contains("2020"));
    let released = filter(&narrowing, Shape::Resource, observation("a").as_bytes()).unwrap();
    assert_eq!(released.withheld_elements(), ["Observation.method", "Observation.subject"]);
    assert_eq!(released.resources().len(), 1);
}
