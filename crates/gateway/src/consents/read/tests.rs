//! Consents as charts write them, and what is made of each. What cannot be understood closes.

use serde_json::json;

use super::*;

fn origin<'a>(organizations: &'a BTreeMap<String, String>, groups: &'a Groups) -> Origin<'a> {
    Origin { api: "ehr", bases: &["https://ehr.internal/fhir"], organizations, groups }
}

/// A Consent about privacy of patient `p1`, with this provision.
fn consent(provision: Value) -> Value {
    json!({
        "resourceType": "Consent", "id": "c1", "status": "active",
        "scope": { "coding": [{ "code": "patient-privacy" }] },
        "patient": { "reference": "Patient/p1" },
        "provision": provision,
    })
}

fn says(resource: &Value) -> Vec<Consent> {
    let organizations = BTreeMap::from([
        ("Organization/77".to_owned(), "farsight".to_owned()),
        ("urn:npi|123".to_owned(), "eastside".to_owned()),
    ]);
    let member = |reference: &str| json!({ "reference": reference });
    let groups = Groups::from([
        ("CareTeam/7".to_owned(), vec![member("Practitioner/17"), member("Organization/77")]),
        ("Group/8".to_owned(), vec![member("Practitioner/18"), member("CareTeam/7")]),
        ("Group/9".to_owned(), Vec::new()),
    ]);
    read(resource, &origin(&organizations, &groups)).unwrap().says
}

fn one(provision: Value) -> Consent {
    let mut all = says(&consent(provision));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn none(provision: Value) {
    let all = says(&consent(provision));
    assert!(all.is_empty(), "{all:?}");
}

fn act_code(code: &str) -> Value {
    json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code })
}

#[test]
fn every_criterion_of_a_provision_is_read() {
    let read = one(json!({
        "type": "deny",
        "period": { "start": "2026-01-01", "end": "2026-12-31" },
        "actor": [
            { "reference": { "reference": "Organization/77" } },
            { "reference": { "reference": "https://ehr.internal/fhir/Practitioner/d1" } },
            { "reference": { "identifier": { "system": "urn:npi", "value": "123" } } },
        ],
        "securityLabel": [act_code("SUD")],
        "purpose": [{ "system": ACT_REASON, "code": "HPAYMT" }],
        "class": [{ "system": RESOURCE_TYPES, "code": "Observation" }],
        "data": [{ "meaning": "instance", "reference": { "reference": "Observation/o1" } }],
    }));
    assert_eq!((read.permit, read.patient.as_str()), (false, "p1"));
    assert_eq!(read.actors, ["farsight", "ehr/Practitioner/d1", "eastside"]);
    assert!(read.from.to_instant().starts_with("2026-01-01"));
    assert!(read.until.unwrap().to_instant().starts_with("2027-01-01"));
    assert_eq!(read.labels.iter().map(|label| label.code.as_str()).collect::<Vec<_>>(), ["SUD"]);
    assert_eq!(read.purposes, ["HPAYMT"]);
    assert_eq!(read.types.iter().map(|kind| kind.name()).collect::<Vec<_>>(), ["Observation"]);
    assert_eq!(read.items[0].1.as_str(), "o1");
}

#[test]
fn only_an_active_consent_about_privacy_says_anything() {
    let with = |name: &str, value: Value| {
        let mut resource = consent(json!({ "type": "deny" }));
        resource[name] = value;
        says(&resource).len()
    };
    assert_eq!(with("status", json!("active")), 1);
    for status in ["draft", "proposed", "rejected", "inactive", "entered-in-error"] {
        assert_eq!(with("status", json!(status)), 0, "{status}");
    }
    assert_eq!(with("scope", json!({ "coding": [{ "code": "adr" }] })), 0);
    assert_eq!(with("scope", json!({ "coding": [{ "code": "treatment" }] })), 0);
}

#[test]
fn a_scope_that_nobody_knows_denies_and_permits_nothing() {
    let of_scope = |kind: &str| {
        let mut resource = consent(json!({ "type": kind }));
        resource["scope"] = json!({ "text": "house rules" });
        says(&resource).len()
    };
    assert_eq!((of_scope("deny"), of_scope("permit")), (1, 0));
}

#[test]
fn consent_to_research_permits_research_alone() {
    let mut resource = consent(json!({ "type": "permit" }));
    resource["scope"] = json!({ "coding": [{ "code": "research" }] });
    assert_eq!(says(&resource)[0].purposes, ["HRESCH"]);
}

#[test]
fn where_the_root_says_nothing_the_policy_rule_does_or_each_provision_stands_for_itself() {
    let nested = json!([
        { "type": "deny", "class": [{ "code": "Observation" }] },
        { "type": "permit", "period": { "end": "2020" } },
    ]);
    let of_rule = |rule: Option<&str>| {
        let mut resource = consent(json!({ "period": { "end": "2030" }, "provision": nested }));
        if let Some(rule) = rule {
            resource["policyRule"] = json!({ "coding": [act_code(rule)] });
        }
        says(&resource)
    };
    let apart = of_rule(None);
    assert_eq!(apart.iter().map(|one| one.permit).collect::<Vec<_>>(), [false, true]);
    assert!(apart[0].until.unwrap().to_instant().starts_with("2031"), "no longer than the root");
    assert!(apart[1].until.unwrap().to_instant().starts_with("2021"));
    let opted_out = of_rule(Some("OPTOUT"));
    assert_eq!((opted_out.len(), opted_out[0].permit), (1, false));
    assert_eq!(opted_out[0].exceptions.len(), 1, "what permits within a denial");
    let opted_in = of_rule(Some("OPTIN"));
    assert_eq!((opted_in.len(), opted_in[0].permit, opted_in[0].exceptions.len()), (1, true, 1));
}

#[test]
fn a_permit_that_asks_for_what_cannot_be_told_is_none() {
    for criterion in [
        json!({ "code": [{ "coding": [{ "code": "4548-4" }] }] }),
        json!({ "dataPeriod": { "start": "2020" } }),
        json!({ "period": { "end": "soon" } }),
        json!({ "action": [{ "coding": [{ "code": "collect" }] }] }),
        json!({ "class": [{ "system": "urn:other", "code": "x" }] }),
        json!({ "purpose": [{ "system": "urn:other", "code": "x" }] }),
        json!({ "actor": [{ "reference": { "reference": "CareTeam/1" } }] }),
        json!({ "securityLabel": [{ "code": "SUD" }] }),
        json!({ "data": [{ "meaning": "related", "reference": { "reference": "Observation/o1" } }] }),
    ] {
        let mut provision = criterion.clone();
        provision["type"] = json!("permit");
        none(provision);
        let mut provision = criterion;
        provision["type"] = json!("deny");
        let read = one(provision.clone());
        let open = Consent { from: read.from, until: read.until, ..open(&read) };
        assert_eq!(read, open, "a denial loses the part that cannot be told: {provision}");
    }
}

#[test]
fn of_several_values_a_permit_keeps_what_is_understood_and_a_denial_grows() {
    let class = json!([{ "code": "Observation" }, { "system": "urn:other", "code": "x" }]);
    assert_eq!(one(json!({ "type": "permit", "class": class })).types.len(), 1);
    assert!(one(json!({ "type": "deny", "class": class })).types.is_empty());
}

#[test]
fn confidentiality_is_a_mark_on_a_scale() {
    let label = json!([{ "system": CONFIDENTIALITY, "code": "R" }]);
    let codes = |kind: &str| {
        let read = one(json!({ "type": kind, "securityLabel": label }));
        read.labels.iter().map(|label| label.code.clone()).collect::<Vec<_>>().join("")
    };
    assert_eq!((codes("permit").as_str(), codes("deny").as_str()), ("ULMNR", "RV"));
}

#[test]
fn nested_provisions_say_otherwise_and_one_without_a_type_denies() {
    let read = one(json!({ "type": "permit", "provision": [
        { "class": [{ "code": "Observation" }] },
        { "type": "permit", "class": [{ "code": "Condition" }], "provision": [
            { "type": "deny", "securityLabel": [act_code("PSY")] } ] },
    ]}));
    let shown: Vec<_> = read
        .exceptions
        .iter()
        .map(|exception| (exception.permit, exception.types[0].name(), exception.labels.len()))
        .collect();
    assert_eq!(shown, [(false, "Observation", 0), (false, "Condition", 1)]);
}

#[test]
fn what_is_nested_too_deep_lets_nothing_in() {
    let mut provision = json!({ "type": "permit" });
    for depth in 0..10 {
        let kind = if depth % 2 == 0 { "deny" } else { "permit" };
        provision = json!({ "type": kind, "provision": [provision] });
    }
    let read = one(provision);
    let mut deepest = &read;
    let mut depth = 0;
    while let Some(next) = deepest.exceptions.first() {
        (deepest, depth) = (next, depth + 1);
    }
    assert!(depth <= DEPTH_MAX, "{depth}");
    assert!(!deepest.permit, "the innermost that is understood denies");
}

#[test]
fn what_is_no_consent_of_a_patient_here_is_not_read() {
    let organizations = BTreeMap::new();
    let with = |name: &str, value: Value| {
        let mut resource = consent(json!({ "type": "deny" }));
        resource[name] = value;
        read(&resource, &origin(&organizations, &Groups::new()))
    };
    assert_eq!(with("resourceType", json!("Patient")), None);
    assert_eq!(with("id", json!("not an id")), None);
    assert_eq!(with("patient", json!({ "reference": "https://elsewhere.example/Patient/p1" })), None);
    assert_eq!(with("patient", json!({ "reference": "Practitioner/p1" })), None);
}

#[test]
fn a_care_team_is_all_of_its_members_and_nobody_is_not_anybody() {
    let actors = |reference: &str, kind: &str| {
        let actor = json!([{ "reference": { "reference": reference } }]);
        let all = says(&consent(json!({ "type": kind, "actor": actor })));
        all.first().map(|consent| consent.actors.clone())
    };
    let members = || Some(vec!["ehr/Practitioner/17".to_owned(), "farsight".to_owned()]);
    assert_eq!(actors("CareTeam/7", "permit"), members());
    assert_eq!(actors("CareTeam/7", "deny"), members());
    // A team within a group, a group of nobody, one that is not there: a permit is none, a denial is of everybody.
    for unknown in ["Group/8", "Group/9", "CareTeam/404"] {
        assert_eq!(actors(unknown, "permit"), None, "{unknown}");
        assert_eq!(actors(unknown, "deny"), Some(Vec::new()), "{unknown}");
    }
}
