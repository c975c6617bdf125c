//! Who receives: classes, agreements, exposure and the exempt lanes; each passes once and is turned away once.

use bascule_fhir::Timestamp;
use bascule_smart::TokenRecord;
use expect_test::expect;

use super::support::*;
use crate::facts::{Fact, Facts};
use crate::party::{Agreement, Organization};
use crate::record::Authorization;
use crate::{Api, Exposure};

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
    let with = |one| Facts { authorizations: vec![one].into(), ..recipient("payer") };
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
