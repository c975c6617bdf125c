//! Calls of APIs that do not speak FHIR: each passes once and is turned away once.

use std::collections::BTreeSet;

use expect_test::expect;

use super::support::*;
use crate::call::{Action, Call, CallDenial, CallPermit, Item, Names};
use crate::decision::{Duty, Exemption};
use crate::facts::{Fact, Facts};
use crate::party::Organization;
use crate::record::{Link, Links, Restriction};
use crate::{Api, ApiKind, Mode, Policy};

const TEXT: &str = r#"
[role.visits]
title = "Telehealth"
purpose = ["TREAT"]
patients = "in-context"
[[role.visits.rest]]
api = "visits"
operations = ["GET /visits", "GET /visits/{id}", "POST /visits"]
counts-as = "Appointment"
search = ["from"]
shows = ["id", "start", "patient.id"]
writes = ["start", "patient.id"]

[role.desk]
title = "Desk"
purpose = ["HOPERAT"]
[[role.desk.rest]]
api = "visits"
operations = ["GET /visits", "DELETE /visits/{id}"]
counts-as = "Appointment"
search = ["from", "name"]
shows = ["start"]

[role.reader]
title = "Radiologists"
purpose = ["TREAT"]
treating = true
[[role.reader.dicomweb]]
api = "pacs"
interactions = ["query", "metadata", "retrieve"]
search = ["PatientID", "StudyDate"]
shows = ["StudyInstanceUID", "PatientID", "(0008,0020)"]
opaque = ["application/dicom"]

[role.lab]
title = "Laboratory"
purpose = ["TREAT"]
[[role.lab.hl7v2]]
api = "adt"
sends = ["ORU^R01"]
receives = ["ADT^*"]
counts-as = "Patient"
shows = ["MSH", "PID-3", "PID-5"]
writes = ["MSH", "PID-3", "OBX"]

[role.nobody]
title = "No more"
purpose = ["TREAT"]
[[role.nobody.deny]]
api = "visits"
resource = "Appointment"
names = ["patient"]
[[role.nobody.deny]]
api = "pacs"
resource = "ImagingStudy"
interactions = ["search"]
"#;

fn at(kind: ApiKind, name: &str) -> Api {
    Api { name: name.to_owned(), kind, ..api() }
}

/// `visits GET /visits/{id}`, with who is named, what is asked by and said.
fn call(kind: ApiKind, name: &str, action: &str, patients: &[&str], searches: &[&str], says: &[&str]) -> Call {
    let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    Call {
        patients: (!patients.is_empty()).then(|| patients.iter().map(|patient| id(patient)).collect()),
        searches: all(searches),
        says: all(says),
        ..Call::new(name.to_owned(), Action::parse(kind, action).unwrap())
    }
}

fn decided(
    policy: &Policy,
    role: &str,
    patient: Option<&str>,
    call: Call,
    facts: &Facts,
) -> Result<CallPermit, Box<CallDenial>> {
    let kind = call.action.kind();
    let mut token = token(role, "user/*.cruds");
    token.apis = vec![call.api.clone()];
    token.patient = patient.map(id);
    let api = at(kind, &call.api);
    policy.decide_call(principal(token), call, facts, &api, NOW)
}

fn words(outcome: &Result<CallPermit, Box<CallDenial>>) -> String {
    match outcome {
        Ok(permit) => {
            let lanes: Vec<String> = permit
                .lanes()
                .iter()
                .map(|lane| format!("{} if {} conditions", lane.shows, lane.conditions.len()))
                .collect();
            format!("permit {}: {}", permit.rule(), lanes.join("; "))
        }
        Err(denial) => format!("refuse {}: {}", denial.rule, reason(&denial.reason)),
    }
}

fn rest(action: &str, patients: &[&str], searches: &[&str], says: &[&str]) -> Call {
    call(ApiKind::Rest, "visits", action, patients, searches, says)
}

fn of(patient: &str) -> Item {
    Item { patients: Some(vec![id(patient)]), labels: Vec::new() }
}

#[test]
fn an_operation_is_granted_by_its_name_and_shows_what_is_named() {
    let policy = policy(TEXT);
    let visits = |call| words(&decided(&policy, "visits", Some("a"), call, &facts()));
    expect!["permit visits.rest[0]: id, patient.id, start if 2 conditions"].assert_eq(&visits(rest(
        "GET /visits",
        &[],
        &["from"],
        &[],
    )));
    expect!["refuse default: DELETE /visits/{id} visits not granted"].assert_eq(&visits(rest(
        "DELETE /visits/{id}",
        &[],
        &[],
        &[],
    )));
    expect!["refuse visits.rest[0]: parameter name"].assert_eq(&visits(rest("GET /visits", &[], &["name"], &[])));
    expect!["refuse visits.rest[0]: element status"].assert_eq(&visits(rest(
        "POST /visits",
        &["a"],
        &[],
        &["start", "status"],
    )));
    expect!["refuse compartment: outside"].assert_eq(&visits(rest("GET /visits/{id}", &["b"], &[], &[])));
    expect!["refuse no patient in context: outside"].assert_eq(&words(&decided(
        &policy,
        "visits",
        None,
        rest("GET /visits", &[], &[], &[]),
        &facts(),
    )));
    let permit = decided(&policy, "visits", Some("a"), rest("GET /visits", &[], &[], &[]), &facts()).unwrap();
    assert_eq!(permit.bound_to(), Some([id("a")].into()));
    assert!(permit.shows(&of("a")).is_some());
    assert_eq!(permit.shows(&of("b")), None);
    assert_eq!(permit.shows(&Item::default()), None, "whose it is cannot be told");
    let labelled = Item { labels: vec![sud()], ..of("a") };
    assert_eq!(permit.shows(&labelled), None, "substance use, without a consent");
}

#[test]
fn a_call_of_another_kind_or_api_is_not_decided_here() {
    let policy = policy(TEXT);
    let asked = rest("GET /visits", &[], &[], &[]);
    let mut token = token("desk", "user/*.cruds");
    token.apis = vec!["visits".to_owned()];
    let refused = |api: &Api| {
        let mut own = token.clone();
        own.apis = vec![api.name.clone()];
        policy.decide_call(principal(own), asked.clone(), &facts(), api, NOW).is_err()
    };
    assert!(!refused(&at(ApiKind::Rest, "visits")));
    assert!(refused(&at(ApiKind::Fhir, "visits")));
    assert!(refused(&at(ApiKind::Rest, "visits-2")));
}

#[test]
fn several_roles_are_lanes_and_a_deny_of_any_wins() {
    let policy = policy(TEXT);
    let both = decided(&policy, "desk+visits", Some("a"), rest("GET /visits", &[], &["from"], &[]), &facts()).unwrap();
    let shown = |item: &Item| both.shows(item).map(|names| names.to_string());
    assert_eq!(shown(&of("b")).as_deref(), Some("start"), "the desk sees when, of everybody");
    assert_eq!(shown(&of("a")).as_deref(), Some("id, patient.id, start"));
    assert_eq!(both.bound_to(), None);
    let asked = rest("GET /visits", &[], &["from"], &[]);
    expect!["permit visits.rest[0]: id, start if 2 conditions"].assert_eq(&words(&decided(
        &policy,
        "visits+nobody",
        Some("a"),
        asked,
        &facts(),
    )));
    let query = call(ApiKind::Dicomweb, "pacs", "query", &[], &[], &[]);
    expect!["refuse nobody.deny[1]: query pacs not granted"].assert_eq(&words(&decided(
        &policy,
        "reader+nobody",
        None,
        query,
        &facts(),
    )));
}

#[test]
fn a_study_is_searched_and_shown_by_its_attributes() {
    let policy = policy(TEXT);
    let pacs = |action, searches: &[&str]| {
        words(&decided(
            &policy,
            "reader",
            None,
            call(ApiKind::Dicomweb, "pacs", action, &["a"], searches, &[]),
            &facts(),
        ))
    };
    expect!["permit reader.dicomweb[0]: PatientID, StudyDate, StudyInstanceUID if 1 conditions"]
        .assert_eq(&pacs("query", &["StudyDate"]));
    expect!["refuse reader.dicomweb[0]: parameter PatientName"].assert_eq(&pacs("query", &["PatientName"]));
    expect!["refuse default: store pacs not granted"].assert_eq(&pacs("store", &[]));
    let mut whole = call(ApiKind::Dicomweb, "pacs", "retrieve", &["a"], &[], &[]);
    whole.opaque.insert("application/dicom".to_owned());
    let permit = decided(&policy, "reader", None, whole.clone(), &facts()).unwrap();
    assert!(permit.passes(&of("a"), "application/dicom") && !permit.passes(&of("a"), "image/jpeg"));
    whole.opaque.insert("image/jpeg".to_owned());
    expect!["refuse reader.dicomweb[0]: element image/jpeg"].assert_eq(&words(&decided(
        &policy,
        "reader",
        None,
        whole,
        &facts(),
    )));
}

#[test]
fn a_message_is_shown_and_said_by_segments_and_fields() {
    let policy = policy(TEXT);
    let adt = |action, says: &[&str]| {
        words(&decided(&policy, "lab", None, call(ApiKind::Hl7v2, "adt", action, &["a"], &[], says), &facts()))
    };
    expect!["permit lab.hl7v2[0]: MSH, PID-3, PID-5 if 1 conditions"].assert_eq(&adt("receives ADT^A08", &[]));
    expect!["refuse default: receives ORU^R01 adt not granted"].assert_eq(&adt("receives ORU^R01", &[]));
    expect!["permit lab.hl7v2[0]: MSH, PID-3, PID-5 if 1 conditions"]
        .assert_eq(&adt("sends ORU^R01", &["PID-3.1", "OBX-5"]));
    expect!["refuse lab.hl7v2[0]: element PID-19"].assert_eq(&adt("sends ORU^R01", &["PID-19"]));
}

#[test]
fn scopes_restrictions_links_and_unknown_facts_close() {
    let policy = policy(TEXT);
    let asked = || rest("GET /visits", &["a"], &[], &[]);
    let mut narrow = token("desk", "user/Observation.rs");
    narrow.apis = vec!["visits".to_owned()];
    let api = at(ApiKind::Rest, "visits");
    expect!["refuse scope: scope user/Appointment.s"].assert_eq(&words(&policy.decide_call(
        principal(narrow),
        asked(),
        &facts(),
        &api,
        NOW,
    )));
    let restricted = Restriction {
        id: "r".to_owned(),
        patient: id("a"),
        towards: Vec::new(),
        health_plans: false,
        types: vec![kind("Appointment")],
        purposes: Vec::new(),
        labels: Vec::new(),
        period: ALWAYS,
    };
    let kept = Facts { restrictions: vec![restricted].into(), ..facts() };
    expect!["refuse consent or restriction: consent"].assert_eq(&words(&decided(
        &policy,
        "desk",
        None,
        asked(),
        &kept,
    )));
    let unnamed = decided(&policy, "desk", None, rest("GET /visits", &[], &[], &[]), &kept).unwrap();
    assert!(
        unnamed.shows(&of("b")).is_some()
            && unnamed.shows(&of("a")).is_none()
            && unnamed.shows(&Item::default()).is_none()
    );
    for (lost, said) in [
        (Facts { consents: Fact::Unknown, ..facts() }, "the consents of the patients"),
        (Facts { restrictions: Fact::Unknown, ..facts() }, "the restrictions of the patients"),
        (Facts { organization: Fact::Unknown, ..facts() }, "the client's organization"),
    ] {
        assert_eq!(
            words(&decided(&policy, "desk", None, asked(), &lost)),
            format!("refuse unknown denies: unknown: {said}")
        );
    }
    // The patient in context is one of the first API of the token; here another id, by a link.
    let link = Link { id: id("v9"), source: "table".to_owned(), period: ALWAYS };
    let linked = Facts { links: Fact::Known(Links([("visits".to_owned(), vec![link])].into())), ..facts() };
    let mut elsewhere = token("visits", "user/*.cruds");
    elsewhere.apis = vec!["ehr".to_owned(), "visits".to_owned()];
    elsewhere.patient = Some(id("a"));
    let credentials = bascule_smart::Credentials {
        token: Some(elsewhere),
        presented: true,
        address: String::new(),
        user_agent: String::new(),
    };
    let who = || bascule_smart::authenticate(credentials.clone(), "visits", NOW).unwrap();
    let permit = policy.decide_call(who(), rest("GET /visits", &[], &[], &[]), &linked, &api, NOW).unwrap();
    assert_eq!(permit.bound_to(), Some([id("v9")].into()));
    let unlinked = policy.decide_call(who(), rest("GET /visits", &[], &[], &[]), &facts(), &api, NOW);
    expect!["refuse no identity link to this api: outside"].assert_eq(&words(&unlinked));
}

#[test]
fn a_verified_provider_is_exempt_and_observing_shows_what_enforcing_would_do() {
    let policy = policy(TEXT);
    let outside = Organization { class: Some("treating-provider".to_owned()), verified: Some(NOW), ..house() };
    let verified = Facts { organization: Fact::Known(Some(outside)), ..facts() };
    let permit = decided(&policy, "desk", None, rest("GET /visits", &["a"], &[], &[]), &verified).unwrap();
    assert!(matches!(permit.exemption(), Some(Exemption::TreatingProvider { .. })));
    assert_eq!(permit.shows(&of("a")), Some(Names::All));
    let mode = Mode::Observe {
        until: NOW.plus_seconds(60),
        owner: String::new(),
        reason: String::new(),
        clients: vec!["app".to_owned()],
    };
    let watched = Api { mode, ..at(ApiKind::Rest, "visits") };
    let mut own = token("desk", "user/*.cruds");
    own.apis = vec!["visits".to_owned()];
    let observed = |call| policy.decide_call(principal(own.clone()), call, &facts(), &watched, NOW);
    let permit = observed(rest("POST /visits", &[], &[], &["start"])).unwrap();
    assert!(permit.would_refuse().is_some() && permit.shows(&of("a")) == Some(Names::All));
    let permit = observed(rest("GET /visits", &[], &[], &[])).unwrap();
    assert_eq!(permit.would_narrow().map(|lanes| lanes[0].shows.to_string()).as_deref(), Some("start"));
    assert!(permit.duties().iter().all(|duty| !matches!(duty, Duty::PanelSuspended)));
}
