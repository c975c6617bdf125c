//! What is on file: consents, restrictions, representation, holds and identity links; each passes once and is
//! turned away once.

use std::collections::BTreeMap;

use bascule_fhir::Timestamp;
use bascule_smart::TokenRecord;
use expect_test::expect;

use super::support::*;
use crate::Api;
use crate::decision::Duty;
use crate::facts::{Fact, Facts};
use crate::party::Consent;
use crate::record::{Authorization, Hold, Link, Links, Representation, Restriction};

#[test]
fn a_consent_that_denies_acts_on_the_next_request() {
    let denied = Facts { consents: vec![consent("a", false)].into(), ..facts() };
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
        let facts = Facts { consents: vec![other].into(), ..facts() };
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

/// What a role under that profile says to a recipient of that class with agreements of these kinds.
fn under(profile: &str, class: &str, kinds: &[&str]) -> String {
    let text = format!(
        "[role.study]\ntitle = \"S\"\npurpose = [\"HOPERAT\"]\napi = \"ehr\"\n[consent.ehr]\ndefault = [\"HOPERAT\"]\n[[role.study.grant]]\nresource = \"Patient\"\ninteractions = [\"read\", \"search\"]\nelements = [\"gender\", \"birthDate\"]\nprofile = \"{profile}\"\n"
    );
    let agreements = Fact::Known(kinds.iter().map(|kind| agreement(kind, &["HOPERAT"])).collect());
    let facts = Facts { agreements, ..recipient(class) };
    said(&decide(&policy(&text), token("study", "system/*.rs"), "GET Patient", &facts))
}

#[test]
fn a_profile_asks_for_what_its_clause_asks_for_whatever_the_class() {
    for (profile, kinds, kind) in [
        ("limited-data-set", &[][..], "data-use"),
        ("limited-data-set", &["expert-determination"], "data-use"),
        ("expert", &["data-use"], "expert-determination"),
    ] {
        let refused = format!("refuse {profile}: agreement: an agreement of kind `{kind}` in force");
        assert!(under(profile, "payer", kinds).starts_with(&refused), "{profile} {kinds:?}");
    }
    for (profile, kinds) in
        [("limited-data-set", &["data-use"][..]), ("expert", &["expert-determination"]), ("safe-harbor", &[])]
    {
        let permitted = format!("permit study.grant[0] under {profile}: Patient under {profile} (45 CFR 164.514");
        assert!(under(profile, "payer", kinds).starts_with(&permitted), "{profile} {kinds:?}");
    }
}

#[test]
fn a_profile_is_not_lifted_for_a_treating_provider() {
    let said = under("safe-harbor", "treating-provider", &[]);
    assert!(said.contains("Patient under safe-harbor") && said.contains("birthDate, gender"), "{said}");
}

#[test]
fn research_needs_a_consent_on_file() {
    let researcher = || token("researcher", "system/*.rs");
    let use_agreement = || Fact::Known(vec![agreement("data-use", &["HRESCH"])]);
    let without = Facts { agreements: use_agreement(), ..recipient("researcher") };
    check(researcher(), "GET Observation", &without, &expect!["refuse no consent on file: consent"]);
    let with = Facts { consents: vec![consent("a", true), consent("b", true)].into(), ..without.clone() };
    check(
        researcher(),
        "GET Observation",
        &with,
        &expect![
            "permit researcher.grant[1] under limited-data-set: Observation under limited-data-set (45 CFR 164.514(e)): category.coding, code.coding.code, code.coding.system, component, effectiveDateTime, effectiveInstant, effectivePeriod, effectiveTiming, id, interpretation.coding, issued, meta.lastUpdated, meta.versionId, referenceRange, specimen.reference, status, subject.reference, valueBoolean, valueCodeableConcept, valueDateTime, valueInteger, valuePeriod, valueQuantity, valueRange, valueRatio, valueSampledData, valueString, valueTime if Patient/a,b and not(sensitive)"
        ],
    );
    check(researcher(), "GET Observation?patient=c", &with, &expect!["refuse no consent on file: consent"]);
}

#[test]
fn a_part_2_label_passes_with_a_consent_that_names_it() {
    let named = Consent { labels: vec![sud()], ..consent("a", true) };
    let facts = Facts { consents: vec![named].into(), ..facts() };
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
    let with = |one| Facts { authorizations: vec![one].into(), ..facts() };
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
    let with = |class| Facts { restrictions: vec![paid.clone()].into(), ..recipient(class) };
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
        &expect!["permit personal-representative.grant[0]: Patient whole if Patient/child and not(sensitive)"],
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
    // Nothing of it is for who stands for an adult, nor where somebody stands for the patient otherwise too.
    let proxy = Representation { basis: "health-care-proxy".to_owned(), ..representation() };
    for records in [vec![proxy.clone()], vec![representation(), proxy]] {
        let with = Facts { representations: Fact::Known(records), ..facts() };
        expect!["permit personal-representative.grant[0]: Observation whole if Patient/child, total"]
            .assert_eq(&said(&decide(&policy, representative(), "GET Observation", &with)));
    }
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
