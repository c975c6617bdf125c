//! Recipients, exempt lanes, consents, restrictions, representation, holds, identity links, relations, emergency,
//! observe: each passes once and is turned away once.

use std::collections::BTreeMap;

use bascule_fhir::{ResourceType, Timestamp};
use bascule_smart::TokenRecord;
use expect_test::{Expect, expect};

use super::support::*;
use crate::decision::{Duty, Exemption};
use crate::facts::{Fact, Facts};
use crate::label::Label;
use crate::party::{Agreement, Consent, Organization, Relation};
use crate::record::{AccessReason, Authorization, Emergency, Hold, Link, Links, Period, Representation, Restriction};
use crate::{Api, Exposure, Mode};

fn check(token: TokenRecord, asked: &str, facts: &Facts, expected: &Expect) {
    expected.assert_eq(&said(&decide(shipped(), token, asked, facts)));
}

const ALWAYS: Period = Period { from: Timestamp::from_seconds(0), until: None };
const PAST: Period = Period { from: Timestamp::from_seconds(0), until: Some(NOW) };

fn recipient(class: &str) -> Facts {
    let organization = Organization { class: Some(class.to_owned()), ..house() };
    Facts { organization: Fact::Known(Some(organization)), ..facts() }
}

fn agreement(kind: &str, purposes: &[&str]) -> Agreement {
    Agreement {
        id: "agreement-1".to_owned(),
        organization: "house".to_owned(),
        kind: kind.to_owned(),
        from: Timestamp::from_seconds(0),
        until: None,
        purposes: purposes.iter().map(|purpose| (*purpose).to_owned()).collect(),
        citation: None,
    }
}

fn sud() -> Label {
    Label::parse("http://terminology.hl7.org/CodeSystem/v3-ActCode|SUD").unwrap()
}

fn consent(patient: &str, permit: bool) -> Consent {
    Consent {
        patient: id(patient),
        permit,
        actors: Vec::new(),
        from: Timestamp::from_seconds(0),
        until: None,
        types: Vec::new(),
        purposes: Vec::new(),
        labels: Vec::new(),
    }
}

#[test]
fn an_unclassified_recipient_is_refused() {
    let nobody = Facts { organization: Fact::Known(Some(Organization { class: None, ..house() })), ..facts() };
    check(
        token("physician", "user/*.rs"),
        "GET Patient/a",
        &nobody,
        &expect!["refuse recipient: agreement: a class for the organization: an unclassified recipient is refused"],
    );
    check(
        token("physician", "user/*.rs"),
        "GET Patient/a",
        &recipient("friend"),
        &expect!["refuse recipient: agreement: a class for the organization: an unclassified recipient is refused"],
    );
    let unknown = Facts { organization: Fact::Unknown, ..facts() };
    check(
        token("physician", "user/*.rs"),
        "GET Patient/a",
        &unknown,
        &expect!["refuse unknown denies: unknown: the client's organization"],
    );
    let none = TokenRecord { organization: None, ..token("physician", "user/*.rs") };
    check(
        none,
        "GET Patient/a",
        &facts(),
        &expect!["refuse recipient: agreement: an organization that owns the client"],
    );
}

#[test]
fn an_agreement_is_asked_only_of_classes_that_need_one() {
    let vendor = || TokenRecord { patient: Some(id("a")), ..token("telehealth", "patient/*.rs") };
    check(
        vendor(),
        "GET Patient/a",
        &recipient("business-associate"),
        &expect!["refuse recipient: agreement: an agreement of kind `baa` in force with the organization"],
    );
    let signed =
        Facts { agreements: Fact::Known(vec![agreement("baa", &["TREAT"])]), ..recipient("business-associate") };
    check(
        vendor(),
        "GET Patient/a",
        &signed,
        &expect![
            "permit telehealth.grant[0]: Patient active birthDate deceasedBoolean deceasedDateTime gender id identifier meta.lastUpdated meta.versionId name telecom if Patient/a and not(sensitive)"
        ],
    );
    let other =
        Facts { agreements: Fact::Known(vec![agreement("baa", &["HPAYMT"])]), ..recipient("business-associate") };
    check(vendor(), "GET Patient/a", &other, &expect!["refuse agreement agreement-1: purpose TREAT"]);
    let ended = Agreement { until: Some(NOW), ..agreement("baa", &["TREAT"]) };
    let ended = Facts { agreements: Fact::Known(vec![ended]), ..recipient("business-associate") };
    check(
        vendor(),
        "GET Patient/a",
        &ended,
        &expect!["refuse recipient: agreement: an agreement of kind `baa` in force with the organization"],
    );
    // A patient's app is never asked for one.
    check(
        token("patient", "patient/*.rs"),
        "GET Patient/a",
        &recipient("patient-app"),
        &expect!["permit patient.grant[0]: Patient whole if Patient/a"],
    );
}

#[test]
fn an_api_serves_no_recipient_less_trusted_than_its_exposure() {
    let internal = Api { exposure: Exposure::Internal, ..api() };
    let ask_for = |facts: &Facts| {
        said(&shipped().decide(principal(token("payer", "system/*.rs")), ask("GET Claim/1"), facts, &internal, NOW))
    };
    expect!["refuse recipient: agreement: an api that serves the class payer: `ehr` is internal"]
        .assert_eq(&ask_for(&recipient("payer")));
    expect!["permit payer.grant[0]: Claim whole if not(sensitive)"].assert_eq(&ask_for(&facts()));
}

#[test]
fn a_verified_treating_provider_is_exempt_and_an_asserted_purpose_is_not() {
    let outside = || token("outside-provider", "system/*.rs");
    check(
        outside(),
        "GET Condition/1",
        &recipient("treating-provider"),
        &expect![
            "permit outside-provider.grant[2]: Condition clinicalStatus code.coding.code code.coding.system id meta.lastUpdated meta.versionId onsetAge onsetDateTime onsetPeriod onsetRange onsetString recordedDate subject.reference verificationStatus if not(sensitive)"
        ],
    );
    let verified = Organization {
        class: Some("treating-provider".to_owned()),
        verified: Some(Timestamp::from_seconds(1)),
        ..house()
    };
    let verified = Facts { organization: Fact::Known(Some(verified)), ..facts() };
    check(
        outside(),
        "GET Condition/1",
        &verified,
        &expect!["permit outside-provider.grant[2]: Condition whole if not(sensitive)"],
    );
    // The role still says what may be asked for, and Part 2 labels still act.
    check(outside(), "GET Claim/1", &verified, &expect!["refuse default: read Claim not granted"]);
    // `TREAT` asserted by a scheduler changes nothing.
    let asserted = TokenRecord { purpose: Some("TREAT".to_owned()), ..token("scheduler", "system/*.rs") };
    check(asserted, "GET Patient/a", &facts(), &expect!["refuse scheduler.grant[3]: purpose TREAT"]);
}

#[test]
fn an_authorization_lifts_minimum_necessary_for_whom_it_names() {
    let authorization = |patient: &str, period| Authorization {
        id: "authorization-1".to_owned(),
        patient: id(patient),
        recipient: "house".to_owned(),
        psychotherapy_notes: false,
        period,
    };
    let with = |one| Facts { authorizations: Fact::Known(vec![one]), ..recipient("payer") };
    let payer = || token("payer", "system/*.rs");
    check(
        payer(),
        "GET Patient/a",
        &with(authorization("a", ALWAYS)),
        &expect!["permit payer.grant[1]: Patient whole if not(sensitive)"],
    );
    check(
        payer(),
        "GET Patient/a",
        &with(authorization("b", ALWAYS)),
        &expect![
            "permit payer.grant[1]: Patient birthDate gender id identifier meta.lastUpdated meta.versionId name if not(sensitive)"
        ],
    );
    check(
        payer(),
        "GET Patient/a",
        &with(authorization("a", PAST)),
        &expect![
            "permit payer.grant[1]: Patient birthDate gender id identifier meta.lastUpdated meta.versionId name if not(sensitive)"
        ],
    );
}

#[test]
fn required_by_law_needs_its_citation() {
    let cited = Agreement { citation: Some("a statute".to_owned()), ..agreement("required-by-law", &["PUBHLTH"]) };
    let with = |one| Facts { agreements: Fact::Known(vec![one]), ..recipient("public-authority") };
    let authority = || token("public-health", "system/*.rs");
    check(
        authority(),
        "GET Condition/1",
        &with(cited),
        &expect!["permit public-health.grant[2]: Condition whole if not(sensitive)"],
    );
    check(
        authority(),
        "GET Condition/1",
        &with(agreement("required-by-law", &["PUBHLTH"])),
        &expect!["refuse recipient: agreement: the citation of the law that requires it"],
    );
}

#[test]
fn a_consent_that_denies_acts_on_the_next_request() {
    let denied = Facts { consents: Fact::Known(vec![consent("a", false)]), ..facts() };
    let physician = || token("physician", "user/*.rs");
    check(
        physician(),
        "GET Patient/a",
        &facts(),
        &expect!["permit physician.grant[0]: Patient whole if not(sensitive)"],
    );
    check(physician(), "GET Patient/a", &denied, &expect!["refuse consent or restriction: consent"]);
    check(
        physician(),
        "GET Observation",
        &denied,
        &expect!["permit physician.grant[0]: Observation whole if not(Patient/a) and not(sensitive)"],
    );
    // For somebody else, for something else, or over: it does not act.
    for other in [
        Consent { actors: vec!["another".to_owned()], ..consent("a", false) },
        Consent { purposes: vec!["HRESCH".to_owned()], ..consent("a", false) },
        Consent { types: vec![kind("Observation")], ..consent("a", false) },
        Consent { until: Some(NOW), ..consent("a", false) },
        Consent { from: NOW.plus_seconds(1), ..consent("a", false) },
    ] {
        let facts = Facts { consents: Fact::Known(vec![other]), ..facts() };
        assert!(decide(shipped(), physician(), "GET Patient/a", &facts).is_ok());
    }
    // Nobody's consent stands between a patient and the own record.
    check(
        token("patient", "patient/*.rs"),
        "GET Patient/a",
        &denied,
        &expect!["permit patient.grant[0]: Patient whole if Patient/a"],
    );
    let unknown = Facts { consents: Fact::Unknown, ..facts() };
    check(
        physician(),
        "GET Patient/a",
        &unknown,
        &expect!["refuse unknown denies: unknown: the consents of the patients"],
    );
}

#[test]
fn research_needs_a_consent_on_file() {
    let researcher = || token("researcher", "system/*.rs");
    let use_agreement = || Fact::Known(vec![agreement("data-use", &["HRESCH"])]);
    let without = Facts { agreements: use_agreement(), ..recipient("researcher") };
    check(researcher(), "GET Observation", &without, &expect!["refuse no consent on file: consent"]);
    let with = Facts { consents: Fact::Known(vec![consent("a", true), consent("b", true)]), ..without.clone() };
    check(
        researcher(),
        "GET Observation",
        &with,
        &expect![
            "permit researcher.grant[1]: Observation category.coding code.coding.code code.coding.system component effectiveDateTime effectiveInstant effectivePeriod effectiveTiming id interpretation.coding issued meta.lastUpdated meta.versionId referenceRange specimen.reference status subject.reference valueBoolean valueCodeableConcept valueDateTime valueInteger valuePeriod valueQuantity valueRange valueRatio valueSampledData valueString valueTime if Patient/a,b and not(sensitive)"
        ],
    );
    check(researcher(), "GET Observation?patient=c", &with, &expect!["refuse no consent on file: consent"]);
}

#[test]
fn a_part_2_label_passes_with_a_consent_that_names_it() {
    let named = Consent { labels: vec![sud()], ..consent("a", true) };
    let facts = Facts { consents: Fact::Known(vec![named]), ..facts() };
    let permit = decide(shipped(), token("physician", "user/*.rs"), "GET Observation?patient=a", &facts).unwrap();
    let shown = narrowing(permit.narrowing());
    assert!(shown.contains("not(SUD and not(Patient/a))"), "{shown}");
    assert!(shown.contains("not(sensitive)"), "{shown}");
    assert!(permit.duties().iter().any(|duty| matches!(duty, Duty::Part2Notice { .. })));
}

#[test]
fn psychotherapy_notes_pass_with_their_own_authorization_only() {
    let notes = |psychotherapy_notes| Authorization {
        id: "authorization-1".to_owned(),
        patient: id("a"),
        recipient: "house".to_owned(),
        psychotherapy_notes,
        period: ALWAYS,
    };
    let with = |one| Facts { authorizations: Fact::Known(vec![one]), ..facts() };
    let shown = |facts: &Facts| {
        narrowing(
            decide(shipped(), token("physician", "user/*.rs"), "GET Observation?patient=a", facts).unwrap().narrowing(),
        )
    };
    assert!(shown(&with(notes(true))).contains("not(PSYTHPN and not(Patient/a))"));
    assert!(!shown(&with(notes(false))).contains("not(Patient/a)"));
}

#[test]
fn a_restriction_is_kept_towards_health_plans() {
    let paid = Restriction {
        id: "restriction-1".to_owned(),
        patient: id("a"),
        towards: Vec::new(),
        health_plans: true,
        purposes: Vec::new(),
        types: vec![kind("Claim")],
        labels: Vec::new(),
        period: ALWAYS,
    };
    let with = |class| Facts { restrictions: Fact::Known(vec![paid.clone()]), ..recipient(class) };
    check(
        token("payer", "system/*.rs"),
        "GET Claim?patient=a",
        &with("payer"),
        &expect!["refuse consent or restriction: consent"],
    );
    check(
        token("payer", "system/*.rs"),
        "GET Coverage?patient=a",
        &with("payer"),
        &expect!["permit payer.grant[0]: Coverage whole if not(sensitive)"],
    );
    check(
        token("biller", "user/*.rs"),
        "GET Claim?patient=a",
        &with("workforce"),
        &expect!["permit biller.grant[0]: Claim whole if not(sensitive)"],
    );
}

fn representative() -> TokenRecord {
    TokenRecord {
        patient: Some(id("child")),
        fhir_user: Some((kind("RelatedPerson"), id("r1"))),
        user: Some("parent".to_owned()),
        ..token("personal-representative", "patient/*.rs")
    }
}

fn representation() -> Representation {
    Representation {
        id: "representation-1".to_owned(),
        user: "parent".to_owned(),
        patient: id("child"),
        basis: "parent".to_owned(),
        document: "document-1".to_owned(),
        scope: Vec::new(),
        period: ALWAYS,
        verified_by: "desk".to_owned(),
        suspended: false,
    }
}

#[test]
fn a_representation_is_a_record_that_ends_and_can_be_suspended() {
    let with = |one: Representation| Facts { representations: Fact::Known(vec![one]), ..facts() };
    check(
        representative(),
        "GET Patient/child",
        &with(representation()),
        &expect!["permit personal-representative.grant[0]: Patient whole if Patient/child"],
    );
    check(representative(), "GET Observation", &facts(), &expect!["refuse representation: outside"]);
    check(
        representative(),
        "GET Observation",
        &with(Representation { period: PAST, ..representation() }),
        &expect!["refuse representation: outside"],
    );
    check(
        representative(),
        "GET Observation",
        &with(Representation { suspended: true, ..representation() }),
        &expect!["refuse representation: outside"],
    );
    check(
        representative(),
        "GET Observation",
        &with(Representation { scope: vec![kind("Appointment")], ..representation() }),
        &expect!["refuse representation: outside"],
    );
    check(representative(), "GET Patient/another", &with(representation()), &expect!["refuse compartment: outside"]);
    // A patient's own role does not stand for another.
    let own = TokenRecord { patient: Some(id("child")), ..token("patient", "patient/*.rs") };
    check(own, "GET Observation", &with(representation()), &expect!["refuse own record: outside"]);
}

#[test]
fn what_a_minor_consented_to_alone_is_hidden_from_who_represents() {
    let mut files = crate::shipped::files();
    files.push(crate::PolicyFile {
        name: "policy/site.toml".to_owned(),
        text: "[labels]\nminor-consented = [\"https://mercy.example/labels|minor-consented\"]\n".to_owned(),
    });
    let policy = crate::Policy::load(&files).unwrap();
    let with = Facts { representations: Fact::Known(vec![representation()]), ..facts() };
    expect!["permit personal-representative.grant[0]: Observation whole if Patient/child and not(minor-consented)"]
        .assert_eq(&said(&decide(&policy, representative(), "GET Observation", &with)));
}

#[test]
fn a_hold_keeps_one_item_from_the_patients_lane() {
    let hold = Hold {
        id: "hold-1".to_owned(),
        patient: id("a"),
        item: (kind("DiagnosticReport"), id("d1")),
        ground: "164.524(a)(3)(i)".to_owned(),
        by: "dr".to_owned(),
        from: Timestamp::from_seconds(0),
        until: NOW.plus_seconds(60),
        review: NOW.plus_seconds(30),
    };
    let with = |one: Hold| Facts { holds: Fact::Known(vec![one]), ..facts() };
    let patient = || token("patient", "patient/*.rs");
    check(
        patient(),
        "GET DiagnosticReport",
        &with(hold.clone()),
        &expect!["permit patient.grant[0]: DiagnosticReport whole if Patient/a and not(is d1)"],
    );
    check(
        patient(),
        "GET Observation",
        &with(hold.clone()),
        &expect!["permit patient.grant[0]: Observation whole if Patient/a, total"],
    );
    check(
        patient(),
        "GET DiagnosticReport",
        &with(Hold { until: NOW, ..hold.clone() }),
        &expect!["permit patient.grant[0]: DiagnosticReport whole if Patient/a, total"],
    );
    check(
        token("physician", "user/*.rs"),
        "GET DiagnosticReport/d1",
        &with(hold),
        &expect!["permit physician.grant[0]: DiagnosticReport whole if not(sensitive)"],
    );
}

#[test]
fn another_api_is_reached_by_an_identity_link_only() {
    let pacs = Api { name: "pacs".to_owned(), ..api() };
    let policy = policy(
        "[role.patient]\ntitle = \"P\"\npurpose = [\"PATRQT\"]\napi = [\"ehr\", \"pacs\"]\npatients = \"own\"\n[[role.patient.grant]]\nresource = \"ImagingStudy\"\ninteractions = [\"search\"]\nelements = \"*\"\n",
    );
    let token = || TokenRecord { apis: vec!["ehr".to_owned(), "pacs".to_owned()], ..token("patient", "patient/*.rs") };
    let ask_for = |text: &str, facts: &Facts| {
        let asked = crate::Asked { api: "pacs".to_owned(), ..ask(text) };
        said(&policy.decide(principal(token()), asked, facts, &pacs, NOW))
    };
    let linked = |period| {
        let link = Link { id: id("77"), source: "pix table of 2026-01-01".to_owned(), period };
        Facts { links: Fact::Known(Links(BTreeMap::from([("pacs".to_owned(), vec![link])]))), ..facts() }
    };
    // The same id `a` means another person there.
    expect!["refuse no identity link to this api: outside"].assert_eq(&ask_for("GET ImagingStudy", &facts()));
    expect!["refuse compartment: outside"].assert_eq(&ask_for("GET ImagingStudy?patient=a", &linked(ALWAYS)));
    expect!["permit patient.grant[0]: ImagingStudy whole if Patient/77, total"]
        .assert_eq(&ask_for("GET ImagingStudy", &linked(ALWAYS)));
    // An unmerge takes effect on the next request.
    expect!["refuse no identity link to this api: outside"].assert_eq(&ask_for("GET ImagingStudy", &linked(PAST)));
    expect!["refuse unknown denies: unknown: the identity links of the patient in context"]
        .assert_eq(&ask_for("GET ImagingStudy", &Facts { links: Fact::Unknown, ..facts() }));
}

fn with_panel(no_relation: &str) -> crate::Policy {
    policy(&format!(
        "[role.doctor]\ntitle = \"D\"\npurpose = [\"TREAT\"]\napi = \"ehr\"\nno-relation = \"{no_relation}\"\ntreating = true\n[[role.doctor.grant]]\nresource = [\"Patient\", \"Observation\"]\npatients = \"related\"\nrelations = [\"care-team\"]\ninteractions = [\"read\", \"search\"]\nelements = \"*\"\n[[role.doctor.emergency]]\nresource = [\"Patient\", \"Observation\"]\ninteractions = [\"read\", \"search\"]\nelements = \"*\"\npurpose = [\"ETREAT\"]\n"
    ))
}

fn related(kind: &str, as_of: Timestamp) -> Facts {
    let relation = Relation {
        patient: id("a"),
        practitioner: id("p1"),
        kind: kind.to_owned(),
        from: Timestamp::from_seconds(0),
        until: None,
    };
    Facts { relations: Fact::Known(vec![relation]), relations_as_of: Fact::Known(as_of), ..facts() }
}

#[test]
fn a_soft_panel_asks_or_reviews_and_never_walls_in() {
    let doctor = || token("doctor", "user/*.rs");
    let fresh = || related("care-team", NOW);
    let asks = with_panel("ask");
    expect!["permit doctor.grant[0]: Patient whole if not(sensitive)"].assert_eq(&said(&decide(
        &asks,
        doctor(),
        "GET Patient/a",
        &fresh(),
    )));
    expect!["refuse doctor.grant[0]: reason asked for b"].assert_eq(&said(&decide(
        &asks,
        doctor(),
        "GET Patient/b",
        &fresh(),
    )));
    let reason =
        AccessReason { user: "amal".to_owned(), patient: id("b"), reason: "consult".to_owned(), period: ALWAYS };
    let given = Facts { reasons: Fact::Known(vec![reason]), ..fresh() };
    let permit = decide(&asks, doctor(), "GET Patient/b", &given).unwrap();
    assert!(matches!(permit.duties(), [Duty::Review { .. }]));
    // What cannot be told beforehand is looked at afterwards.
    let permit = decide(&asks, doctor(), "GET Observation/o1", &fresh()).unwrap();
    assert!(matches!(permit.duties(), [Duty::ReviewUnlessRelated { related }] if related == &[id("a")]));
    let permit = decide(&with_panel("review"), doctor(), "GET Patient/b", &fresh()).unwrap();
    assert!(matches!(permit.duties(), [Duty::Review { .. }]));
    // Another kind of relation does not count.
    expect!["refuse doctor.grant[0]: reason asked for a"].assert_eq(&said(&decide(
        &asks,
        doctor(),
        "GET Patient/a",
        &related("order", NOW),
    )));
    // A stale feed is not known: the reason is asked for, nobody is walled in.
    let stale = related("care-team", NOW.plus_seconds(-30 * 86_400));
    expect!["refuse doctor.grant[0]: reason asked for b"].assert_eq(&said(&decide(
        &asks,
        doctor(),
        "GET Patient/b",
        &stale,
    )));
    let permit = decide(&asks, doctor(), "GET Observation", &stale).unwrap();
    assert!(matches!(permit.duties(), [Duty::Review { .. }]));
}

#[test]
fn a_hard_panel_is_suspended_while_its_feed_is_stale() {
    let doctor = || token("doctor", "user/*.rs");
    let hard = with_panel("refuse");
    expect!["permit doctor.grant[0]: Observation whole if Patient/a and not(sensitive)"].assert_eq(&said(&decide(
        &hard,
        doctor(),
        "GET Observation",
        &related("care-team", NOW),
    )));
    expect!["refuse compartment: outside"].assert_eq(&said(&decide(
        &hard,
        doctor(),
        "GET Patient/b",
        &related("care-team", NOW),
    )));
    let stale = related("care-team", NOW.plus_seconds(-30 * 86_400));
    let permit = decide(&hard, doctor(), "GET Patient/b", &stale).unwrap();
    assert!(matches!(permit.duties(), [Duty::Review { why }] if why.contains("suspended")));
}

#[test]
fn emergency_access_opens_for_who_treats_and_ends() {
    let emergency = |patient: Option<&str>, until| Emergency {
        id: "emergency-1".to_owned(),
        user: "amal".to_owned(),
        patient: patient.map(id),
        reason: "unconscious".to_owned(),
        stepped_up: false,
        from: Timestamp::from_seconds(0),
        until,
    };
    let hard = with_panel("refuse");
    let doctor = || token("doctor", "user/*.rs");
    let open = |one| Facts {
        emergencies: Fact::Known(vec![one]),
        consents: Fact::Known(vec![consent("b", false)]),
        ..related("care-team", NOW)
    };
    let permit = decide(&hard, doctor(), "GET Patient/b", &open(emergency(Some("b"), NOW.plus_seconds(60)))).unwrap();
    expect!["Patient whole if Patient/b and not(sensitive and not(Patient/b))"]
        .assert_eq(&narrowing(permit.narrowing()));
    assert_eq!(permit.duties().first(), Some(&Duty::Emergency { id: "emergency-1".to_owned(), stepped_up: false }));
    assert_eq!(permit.purpose(), "ETREAT");
    // For another patient, or over: not.
    expect!["refuse compartment: outside"].assert_eq(&said(&decide(
        &hard,
        doctor(),
        "GET Patient/c",
        &open(emergency(Some("b"), NOW.plus_seconds(60))),
    )));
    expect!["refuse compartment: outside"].assert_eq(&said(&decide(
        &hard,
        doctor(),
        "GET Patient/b",
        &open(emergency(Some("b"), NOW)),
    )));
    // A patient who is not identified yet.
    expect!["permit doctor.grant[0]+doctor.emergency[0]: Patient whole, total"].assert_eq(&said(&decide(
        &hard,
        doctor(),
        "GET Patient?name=x",
        &open(emergency(None, NOW.plus_seconds(60))),
    )));
}

#[test]
fn observing_relaxes_role_element_and_purpose_rules_and_nothing_else() {
    let observing = |clients: &[&str]| Api {
        mode: Mode::Observe {
            until: NOW.plus_seconds(60),
            owner: "o".to_owned(),
            reason: "roll-out".to_owned(),
            clients: clients.iter().map(|client| (*client).to_owned()).collect(),
        },
        ..api()
    };
    let ask_for =
        |api: &Api, token: TokenRecord, text: &str| shipped().decide(principal(token), ask(text), &facts(), api, NOW);
    let named = observing(&["app"]);
    let permit = ask_for(&named, token("scheduler", "system/*.rs"), "GET Observation?code=x").unwrap();
    expect!["Observation whole if not(sensitive)"].assert_eq(&narrowing(permit.narrowing()));
    expect!["search Observation not granted"].assert_eq(&permit.would_refuse().map(reason).unwrap_or_default());
    let permit = ask_for(&named, token("scheduler", "system/*.rs"), "GET Appointment/1").unwrap();
    expect!["Appointment whole if not(sensitive)"].assert_eq(&narrowing(permit.narrowing()));
    assert!(permit.would_refuse().is_none() && permit.would_narrow().is_some());
    // Neither scopes, nor another patient's data, nor a client that was not named.
    expect!["refuse scope: scope system/Observation.s"].assert_eq(&said(&ask_for(
        &named,
        token("scheduler", "system/Appointment.rs"),
        "GET Observation",
    )));
    expect!["refuse compartment: outside"].assert_eq(&said(&ask_for(
        &named,
        token("patient", "patient/*.rs"),
        "GET Patient/b",
    )));
    expect!["refuse default: parameter _has:Observation:patient:code"].assert_eq(&said(&ask_for(
        &named,
        token("patient", "patient/*.rs"),
        "GET Patient?_has:Observation:patient:code=x",
    )));
    expect!["permit observe: Group whole if Patient/a"].assert_eq(&said(&ask_for(
        &named,
        token("patient", "patient/*.rs"),
        "GET Group",
    )));
    expect!["refuse default: search Observation not granted"].assert_eq(&said(&ask_for(
        &observing(&["other"]),
        token("scheduler", "system/*.rs"),
        "GET Observation",
    )));
    let over = Api {
        mode: Mode::Observe {
            until: NOW.plus_seconds(-1),
            owner: String::new(),
            reason: String::new(),
            clients: vec!["app".to_owned()],
        },
        ..api()
    };
    expect!["refuse default: search Observation not granted"].assert_eq(&said(&ask_for(
        &over,
        token("scheduler", "system/*.rs"),
        "GET Observation",
    )));
}

#[test]
fn a_canary_enforces_for_some() {
    let canary = |enforced: &[&str], percent| Api {
        mode: Mode::Canary {
            until: NOW.plus_seconds(60),
            owner: String::new(),
            reason: String::new(),
            clients: vec!["app".to_owned()],
            enforced: enforced.iter().map(|client| (*client).to_owned()).collect(),
            percent,
        },
        ..api()
    };
    let passes = |api: &Api| {
        shipped()
            .decide(principal(token("scheduler", "system/*.rs")), ask("GET Observation"), &facts(), api, NOW)
            .is_ok()
    };
    assert!(passes(&canary(&[], 0)));
    assert!(!passes(&canary(&[], 100)));
    assert!(!passes(&canary(&["app"], 0)));
}

#[test]
fn several_roles_are_joined_and_a_deny_of_one_wins() {
    let both = || TokenRecord {
        roles: vec!["scheduler".to_owned(), "front-desk".to_owned()],
        ..token("scheduler", "system/*.rs")
    };
    check(
        both(),
        "GET Patient/a",
        &facts(),
        &expect![
            "permit scheduler.grant[3]+front-desk.grant[0]: Patient active address birthDate communication contact deceasedBoolean deceasedDateTime gender generalPractitioner.reference id identifier meta.lastUpdated meta.versionId name telecom if not(sensitive)"
        ],
    );
    check(
        both(),
        "GET Patient?birthdate=1980&name=x",
        &facts(),
        &expect![
            "permit front-desk.grant[0]: Patient active address birthDate communication contact deceasedBoolean deceasedDateTime gender generalPractitioner.reference id identifier meta.lastUpdated meta.versionId name telecom if not(sensitive)"
        ],
    );
    let denied = || TokenRecord {
        roles: vec!["physician".to_owned(), "administrator".to_owned()],
        ..token("physician", "user/*.rs")
    };
    check(denied(), "GET Patient/a", &facts(), &expect!["refuse administrator.deny[0]: read Patient not granted"]);
    check(
        denied(),
        "GET Location/l1",
        &facts(),
        &expect!["permit physician.grant[1]+administrator.grant[0]: Location whole"],
    );
}

#[test]
fn lanes_with_different_conditions_are_kept_apart() {
    let policy = policy(
        "[role.a]\ntitle = \"A\"\npurpose = [\"TREAT\"]\napi = \"ehr\"\n[[role.a.grant]]\nresource = \"Patient\"\ninteractions = [\"read\", \"search\"]\nelements = [\"name\"]\n[[role.a.grant]]\nresource = \"Patient\"\npatients = \"in-context\"\ninteractions = [\"read\", \"search\"]\nelements = [\"name\", \"birthDate\"]\n",
    );
    let token = || TokenRecord { patient: Some(id("a")), ..token("a", "user/*.rs") };
    expect!["permit a.grant[0]+a.grant[1]: Patient name if not(sensitive) and 1 lanes"].assert_eq(&said(&decide(
        &policy,
        token(),
        "GET Patient?name=x",
        &facts(),
    )));
    // A search by what one lane only shows is answered from that lane.
    expect!["permit a.grant[1]: Patient birthDate name if Patient/a and not(sensitive)"].assert_eq(&said(&decide(
        &policy,
        token(),
        "GET Patient?birthdate=1980",
        &facts(),
    )));
}

#[test]
fn granular_scopes_of_one_type_are_alternatives() {
    let scopes = "patient/Observation.rs?category=laboratory patient/Observation.rs?category=vital-signs";
    check(
        token("patient", scopes),
        "GET Observation",
        &facts(),
        &expect![[
            r#"permit patient.grant[0]: Observation whole if Patient/a and matches [[("category", "laboratory")], [("category", "vital-signs")]]"#
        ]],
    );
    check(
        token("patient", "patient/Observation.c"),
        "GET Observation",
        &facts(),
        &expect!["refuse scope: scope patient/Observation.s"],
    );
    let mixed = TokenRecord {
        patient: Some(id("a")),
        ..token("physician", "patient/Observation.rs user/Observation.rs?category=laboratory")
    };
    check(
        mixed,
        "GET Observation",
        &facts(),
        &expect![[
            r#"permit physician.grant[0]: Observation whole if not(sensitive) and (matches [[("category", "laboratory")]] or Patient/a)"#
        ]],
    );
    let nobody = TokenRecord { patient: None, ..token("physician", "patient/Observation.rs") };
    check(nobody, "GET Observation", &facts(), &expect!["refuse no patient in context: outside"]);
}

#[test]
fn a_patient_writes_what_is_theirs_to_write() {
    let patient = || token("patient", "patient/*.cruds");
    let team = Facts { care_team: Fact::Known(vec!["Practitioner/p1".to_owned()]), ..facts() };
    let writes = |asked: &str, facts: &Facts| {
        let permit = decide(shipped(), patient(), asked, facts).map_err(|denial| reason(&denial.reason))?;
        let write = permit.writes().first().unwrap().clone();
        Ok::<_, String>(format!(
            "{} | {:?} | {:?} | {:?}",
            elements(&write.elements),
            write.values,
            write.references,
            write.conditions
        ))
    };
    expect![[
        r#"cancelationReason status | {"status": ["cancelled"]} | {} | [InCompartment { of: Patient, ids: [Id("a")] }]"#
    ]]
    .assert_eq(&writes("PATCH Appointment/1", &facts()).unwrap());
    expect![[r#"about category inResponseTo payload recipient sender sent status subject topic | {"status": ["in-progress", "completed"]} | {"recipient": ["Practitioner/p1"], "sender": ["Patient/a"], "subject": ["Patient/a"]} | [InCompartment { of: Patient, ids: [Id("a")] }]"#]].assert_eq(&writes("POST Communication", &team).unwrap());
    let unknown = Facts { care_team: Fact::Unknown, ..facts() };
    expect!["unknown: the patient's care team"].assert_eq(&writes("POST Communication", &unknown).unwrap_err());
    expect!["update Patient not granted"].assert_eq(&writes("PUT Patient/a", &facts()).unwrap_err());
    expect!["delete Appointment not granted"].assert_eq(&writes("DELETE Appointment/1", &facts()).unwrap_err());
    expect!["a conditional write would tell of resources that may not be seen: name the resource by its id"]
        .assert_eq(&writes("POST Appointment?identifier=x", &facts()).unwrap_err());
}

#[test]
fn an_exemption_is_said_on_the_permit() {
    let permit = decide(shipped(), token("patient", "patient/*.rs"), "GET Patient/a", &facts()).unwrap();
    assert_eq!(permit.exemption(), Some(&Exemption::Individual));
    assert_eq!(permit.agreement(), "not-required");
    assert_eq!(permit.purpose(), "PATRQT");
    let own = decide(shipped(), token("physician", "user/*.rs"), "GET Patient/a", &facts()).unwrap();
    assert_eq!(own.exemption(), None);
    assert_eq!(own.narrowing().types.keys().copied().collect::<Vec<_>>(), [ResourceType::PATIENT]);
}
