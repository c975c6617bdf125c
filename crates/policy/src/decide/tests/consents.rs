//! Consents with nested provisions: within what a provision says, its exceptions say otherwise.

use super::support::*;
use crate::facts::{Fact, Facts};
use crate::label::Label;
use crate::party::Consent;

fn label(code: &str) -> Label {
    Label::parse(&format!("http://terminology.hl7.org/CodeSystem/v3-ActCode|{code}")).unwrap()
}

fn on_file(consent: Consent) -> Facts {
    Facts { consents: vec![consent].into(), ..facts() }
}

/// What a physician's search for observations is narrowed to, or why it is refused.
fn observations(facts: &Facts) -> String {
    match decide(shipped(), token("physician", "user/*.rs"), "GET Observation?patient=a", facts) {
        Ok(permit) => narrowing(permit.narrowing()),
        Err(denial) => format!("refuse {}", denial.rule),
    }
}

/// Nobody but those whom the exception names.
fn nobody_but(exception: Consent) -> Facts {
    on_file(Consent { exceptions: vec![exception], ..consent("a", false) })
}

#[test]
fn an_exception_for_an_actor_lets_that_actor_in_and_nobody_else() {
    let may = |actor: &str| observations(&nobody_but(Consent { actors: vec![actor.to_owned()], ..consent("a", true) }));
    assert_eq!(may("someone-else"), "refuse consent or restriction");
    assert_eq!(may("Organization/elsewhere"), "refuse consent or restriction");
    assert_eq!(may("Practitioner/another"), "refuse consent or restriction");
    assert_eq!(may("lab/Practitioner/p1"), "refuse consent or restriction");
    for actor in ["house", "Organization/house", "amal", "Practitioner/p1", "ehr/Practitioner/p1"] {
        assert!(may(actor).starts_with("Observation"), "{actor}: {}", may(actor));
    }
}

#[test]
fn an_exception_for_a_type_a_purpose_or_a_time_opens_no_more_than_that() {
    let only = |exception: Consent| observations(&nobody_but(exception));
    let open = consent("a", true);
    assert!(only(Consent { types: vec![kind("Observation")], ..open.clone() }).starts_with("Observation"));
    assert_eq!(only(Consent { types: vec![kind("Condition")], ..open.clone() }), "refuse consent or restriction");
    assert!(only(Consent { purposes: vec!["TREAT".into()], ..open.clone() }).starts_with("Observation"));
    assert_eq!(only(Consent { purposes: vec!["HPAYMT".into()], ..open.clone() }), "refuse consent or restriction");
    assert_eq!(only(Consent { until: Some(NOW), ..open }), "refuse consent or restriction");
}

#[test]
fn an_exception_for_a_label_leaves_what_bears_no_such_label_back() {
    let shown = observations(&nobody_but(Consent { labels: vec![label("VIP")], ..consent("a", true) }));
    assert!(shown.contains("not(not(VIP) and Patient/a)"), "{shown}");
}

#[test]
fn a_denied_label_within_a_permit_is_kept_back_and_the_rest_is_not() {
    let denied = Consent { labels: vec![label("PSY")], ..consent("a", false) };
    let shown = observations(&on_file(Consent { exceptions: vec![denied], ..consent("a", true) }));
    assert!(shown.contains("not(PSY and Patient/a)"), "{shown}");
    // An exception to a provision that does not act for us does not act either.
    let denied = Consent { labels: vec![label("PSY")], ..consent("a", false) };
    let elsewhere = Consent { actors: vec!["elsewhere".into()], exceptions: vec![denied], ..consent("a", true) };
    assert!(!observations(&on_file(elsewhere)).contains("PSY"));
}

#[test]
fn an_exception_to_an_exception_is_kept() {
    let notes = Consent { labels: vec![label("PSY")], ..consent("a", false) };
    let house = Consent { actors: vec!["house".into()], exceptions: vec![notes], ..consent("a", true) };
    let shown = observations(&nobody_but(house));
    assert!(shown.contains("not(PSY and Patient/a)"), "{shown}");
}

#[test]
fn a_denied_item_is_kept_back_alone() {
    let item = Consent { items: vec![(kind("Observation"), id("o1"))], ..consent("a", false) };
    let shown = observations(&on_file(item.clone()));
    assert!(shown.contains("not(is o1 and Patient/a)"), "{shown}");
    assert!(decide(shipped(), token("physician", "user/*.rs"), "GET Patient/a", &on_file(item)).is_ok());
}

#[test]
fn no_consent_lets_psychotherapy_notes_pass() {
    let named = Consent { labels: vec![label("PSYTHPN"), label("SUD")], ..consent("a", true) };
    let shown = observations(&on_file(named));
    assert!(shown.contains("not(SUD and not(Patient/a))"), "{shown}");
    assert!(!shown.contains("PSYTHPN and not"), "{shown}");
}

#[test]
fn consents_that_are_not_known_deny_unless_the_policy_lets_the_purpose_go_on_under_review() {
    let unknown = Facts { consents: Fact::Unknown, ..facts() };
    assert_eq!(observations(&unknown), "refuse unknown denies");
    let mut files = crate::shipped::files();
    files.push(crate::PolicyFile {
        name: "policy/site.toml".into(),
        text: "[consent.ehr]\nwithout-consents = [\"TREAT\"]\n".into(),
    });
    let policy = crate::Policy::load(&files).unwrap();
    let permit = decide(&policy, token("physician", "user/*.rs"), "GET Observation?patient=a", &unknown).unwrap();
    assert!(permit.duties().iter().any(|duty| matches!(duty, crate::decision::Duty::Review { .. })));
    let restrictions = Facts { restrictions: Fact::Unknown, ..unknown };
    assert!(decide(&policy, token("physician", "user/*.rs"), "GET Observation?patient=a", &restrictions).is_err());
}
