//! The policy as it is shipped, as tables that are committed: a changed line is a decision.
//!
//! After a change that is meant: `UPDATE_EXPECT=1 cargo test -p bascule-policy --test shipped`.

use bascule_policy::who_may::Question;
use bascule_policy::{Label, Policy};
use expect_test::expect_file;

#[cfg(test)]
fn shipped() -> Policy {
    bascule_policy::shipped::policy().unwrap()
}

#[test]
fn the_whole_table_is_committed() {
    expect_file!["./who_may.txt"].assert_eq(&shipped().table());
}

/// Elements that a compliance officer asks about first.
const ASKED: [&str; 14] = [
    "Patient.birthDate",
    "Patient.name",
    "Patient.address",
    "Observation.valueQuantity",
    "Condition.code",
    "Condition.code.text",
    "Appointment.start",
    "Appointment.reasonCode",
    "Appointment.participant.actor.display",
    "MedicationRequest.medicationCodeableConcept",
    "DocumentReference.content",
    "Claim.diagnosis",
    "ImagingStudy.series.uid",
    "AuditEvent.agent",
];

#[test]
fn who_may_see_what_is_committed() {
    let policy = shipped();
    let mut all = String::new();
    for path in ASKED {
        all.push_str(&policy.who_may(path, &Question::default()).unwrap().to_string());
        all.push('\n');
    }
    let label = Label::parse("http://terminology.hl7.org/CodeSystem/v3-ActCode|SUD");
    let question = Question { label, ..Question::default() };
    all.push_str("labelled SUD: ");
    all.push_str(&policy.who_may("DocumentReference.content", &question).unwrap().to_string());
    expect_file!["./who_may_elements.txt"].assert_eq(&all);
}

#[test]
fn a_wrong_path_says_what_was_meant() {
    let policy = shipped();
    let wrong = |path: &str| policy.who_may(path, &Question::default()).unwrap_err();
    assert!(wrong("Obsrvation.value").contains("`Observation`"));
    assert!(wrong("Patient.birthdate").contains("birthDate"));
}
