//! The policy as it is shipped, as tables that are committed: a changed line is a decision.
//!
//! After a change that is meant: `UPDATE_EXPECT=1 cargo test -p bascule-policy --test shipped`.

use bascule_policy::who_may::Question;
use bascule_policy::{Label, Policy, PolicyFile};
use expect_test::expect_file;

fn shipped() -> Policy {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policy");
    let mut files: Vec<PolicyFile> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| PolicyFile {
            name: format!("policy/{}", path.file_name().unwrap().to_string_lossy()),
            text: std::fs::read_to_string(&path).unwrap(),
        })
        .collect();
    files.sort_by(|left, right| left.name.cmp(&right.name));
    Policy::load(&files).unwrap_or_else(|faults| panic!("{}", bascule_policy::fault::render(&faults, "")))
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
