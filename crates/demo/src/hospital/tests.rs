//! What holds for every hospital, whatever its seed.

use std::collections::{BTreeMap, BTreeSet};

use bascule_fhir::ResourceType;
use serde_json::Value;
use time::macros::date;

use super::*;

mod codes;
mod r4;

const ANCHOR: Date = date!(2026 - 11 - 24);

fn hospital(seed: u64, patients: u32) -> Vec<Value> {
    Hospital::generate(Seed::new(seed), patients, ANCHOR).collect()
}

fn text<'a>(body: &'a Value, path: &str) -> &'a str {
    body.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn reference_of(body: &Value) -> String {
    format!("{}/{}", text(body, "/resourceType"), text(body, "/id"))
}

fn of<'a>(all: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    all.iter().filter(move |body| body["resourceType"] == kind)
}

/// Whether the CodeableConcept at `path` has this code.
fn coded(body: &Value, path: &str, code: &str) -> bool {
    body.pointer(path)
        .and_then(|concept| concept["coding"].as_array())
        .is_some_and(|codings| codings.iter().any(|coding| coding["code"] == code))
}

/// Those of a type that belong to a patient.
fn about<'a>(all: &'a [Value], kind: &'a str, patient: &'a str) -> impl Iterator<Item = &'a Value> {
    of(all, kind)
        .filter(move |body| text(body, "/subject/reference") == patient || text(body, "/patient/reference") == patient)
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get("reference") {
                found.push(target.clone());
            }
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| hospital(seed, 40).iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let first = bytes(4);
    assert!(first == bytes(4));
    assert!(first != bytes(5));
}

#[test]
fn more_patients_never_change_the_first_ones() {
    let few = hospital(4, 20);
    let many: BTreeMap<String, Value> = hospital(4, 30).into_iter().map(|body| (reference_of(&body), body)).collect();
    for body in few.iter().filter(|body| {
        text(body, "/id").starts_with("p00")
            && body["resourceType"] != "RelatedPerson"
            && body["resourceType"] != "Provenance"
    }) {
        let patient: u32 = text(body, "/id").get(1..5).and_then(|digits| digits.parse().ok()).unwrap();
        // The last household may be cut in two by the end of the smaller hospital.
        if patient <= 16 {
            assert_eq!(many.get(&reference_of(body)), Some(body));
        }
    }
}

#[test]
fn no_reference_dangles_and_no_id_is_used_twice() {
    let all = hospital(1, 60);
    let there: BTreeSet<String> = all.iter().map(reference_of).collect();
    assert_eq!(there.len(), all.len());
    for body in &all {
        let mut found = Vec::new();
        references(body, &mut found);
        for target in found {
            assert!(there.contains(&target), "{} points at {target}, which is not there", reference_of(body));
        }
    }
}

#[test]
fn every_type_is_of_r4_and_every_id_sound() {
    for body in hospital(2, 30) {
        assert!(ResourceType::parse(text(&body, "/resourceType")).is_some());
        assert!(bascule_fhir::Id::parse(text(&body, "/id")).is_some(), "{}", reference_of(&body));
    }
}

#[test]
fn every_service_of_the_hospital_is_there() {
    let all = hospital(1, 12);
    for kind in [
        "Patient",
        "Medication",
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "Location",
        "Encounter",
        "Condition",
        "Observation",
        "Specimen",
        "DiagnosticReport",
        "ImagingStudy",
        "ServiceRequest",
        "MedicationRequest",
        "MedicationDispense",
        "AllergyIntolerance",
        "Immunization",
        "Procedure",
        "CarePlan",
        "Goal",
        "CareTeam",
        "Coverage",
        "Claim",
        "ExplanationOfBenefit",
        "Schedule",
        "Slot",
        "Appointment",
        "Communication",
        "DocumentReference",
        "Binary",
        "Consent",
        "Group",
        "RelatedPerson",
        "Task",
        "Provenance",
        "Device",
        "QuestionnaireResponse",
    ] {
        assert!(of(&all, kind).next().is_some(), "no {kind}");
    }
}

#[test]
fn a_diabetic_has_hba1c_metformin_and_eyes_looked_at() {
    let all = hospital(1, 50);
    let diabetics: Vec<&str> = of(&all, "Condition")
        .filter(|body| coded(body, "/code", "44054006") && coded(body, "/category/0", "problem-list-item"))
        .map(|body| text(body, "/subject/reference"))
        .collect();
    assert!(diabetics.len() >= 3);
    for patient in diabetics {
        let visits = about(&all, "Encounter", patient).filter(|body| coded(body, "/reasonCode/0", "44054006")).count();
        if visits == 0 {
            continue; // found so recently, or so shortly before the end, that no visit came
        }
        assert!(
            about(&all, "Observation", patient).any(|body| coded(body, "/code", "4548-4")),
            "{patient} has no HbA1c"
        );
        assert!(
            about(&all, "MedicationRequest", patient).any(|body| coded(body, "/medicationCodeableConcept", "861007")),
            "{patient} takes no metformin"
        );
        if visits > 1 {
            assert!(
                about(&all, "Procedure", patient).any(|body| coded(body, "/code", "308110009")),
                "{patient}: nobody looked at the eyes"
            );
        }
    }
}

#[test]
fn a_pregnancy_ends_within_forty_two_weeks() {
    let all = hospital(1, 60);
    let oldest = moment::date(moment::plus_days(ANCHOR, -42 * 7));
    let pregnancies: Vec<&Value> = of(&all, "Condition")
        .filter(|body| coded(body, "/code", "77386006") && coded(body, "/category/0", "problem-list-item"))
        .collect();
    assert!(!pregnancies.is_empty());
    for body in pregnancies {
        assert!(
            !text(body, "/abatementDateTime").is_empty() || text(body, "/onsetDateTime") > oldest.as_str(),
            "{body}"
        );
    }
}

#[test]
fn nothing_happens_to_the_dead() {
    let all = hospital(1, 60);
    let dead: Vec<(&Value, &str)> = of(&all, "Patient")
        .filter(|body| body.get("deceasedDateTime").is_some())
        .map(|body| (body, text(body, "/deceasedDateTime")))
        .collect();
    assert!(dead.len() >= 2);
    for (patient, death) in dead {
        let who = reference_of(patient);
        for body in about(&all, "Encounter", &who) {
            assert!(text(body, "/period/end") < death, "{body}");
        }
        let booked = of(&all, "Appointment").filter(|body| {
            body["participant"]
                .as_array()
                .is_some_and(|all| all.iter().any(|part| text(part, "/actor/reference") == who))
        });
        for body in booked {
            assert!(text(body, "/start") < death, "{body}");
        }
        for body in about(&all, "MedicationRequest", &who) {
            assert_eq!(body["status"], "completed");
        }
    }
}

#[test]
fn a_child_of_two_has_been_vaccinated_against_measles() {
    let all = hospital(1, 12);
    assert!(about(&all, "Immunization", "Patient/p0008").any(|body| coded(body, "/vaccineCode", "03")));
}

#[test]
fn nobody_allergic_to_penicillin_is_given_amoxicillin() {
    let all = hospital(1, 60);
    let allergic: Vec<&str> = of(&all, "AllergyIntolerance")
        .filter(|body| coded(body, "/code", "70618"))
        .map(|body| text(body, "/patient/reference"))
        .collect();
    assert!(!allergic.is_empty());
    for patient in allergic {
        assert!(!about(&all, "MedicationRequest", patient).any(|body| coded(
            body,
            "/medicationCodeableConcept",
            "308191"
        )));
    }
}

#[test]
fn nothing_happens_before_birth_or_after_today() {
    let all = hospital(3, 60);
    let births: BTreeMap<String, &str> =
        of(&all, "Patient").map(|body| (reference_of(body), text(body, "/birthDate"))).collect();
    let today = moment::date(ANCHOR);
    for body in of(&all, "Encounter") {
        let start = text(body, "/period/start");
        assert!(births.get(text(body, "/subject/reference")).is_some_and(|birth| start >= *birth), "{body}");
        assert!(start < today.as_str(), "{body}");
    }
}

#[test]
fn what_the_law_protects_is_labelled() {
    let all = hospital(1, 60);
    let label = |body: &Value, code: &str| {
        body.pointer("/meta/security")
            .and_then(Value::as_array)
            .is_some_and(|all| all.iter().any(|label| label["code"] == code))
    };
    for (kind, path, code, wanted) in [
        ("Condition", "/code", "86406008", "HIV"),
        ("Observation", "/code", "20447-9", "HIV"),
        ("MedicationRequest", "/medicationCodeableConcept", "351267", "ETH"),
        ("Condition", "/code", "75544000", "42CFRPart2"),
        ("Claim", "/item/0/productOrService", "351267", "ETH"),
        ("QuestionnaireResponse", "", "", "PSY"),
    ] {
        let found: Vec<&Value> = of(&all, kind).filter(|body| path.is_empty() || coded(body, path, code)).collect();
        assert!(!found.is_empty(), "no {kind} {code}");
        assert!(found.iter().all(|body| label(body, wanted)), "{kind} {code} without {wanted}");
    }
    assert!(of(&all, "DocumentReference").any(|body| label(body, "PSYTHPN")));
    assert!(all.iter().filter(|body| text(body, "/id").starts_with("p0003")).all(|body| label(body, "EMP")));
}

#[test]
fn no_slot_is_taken_twice() {
    let all = hospital(1, 90);
    let mut taken = BTreeSet::new();
    for body in of(&all, "Slot") {
        assert!(taken.insert((text(body, "/schedule/reference"), text(body, "/start"))), "{body}");
    }
}

#[test]
fn names_come_in_many_scripts() {
    let all = Hospital::new(Seed::new(1), PATIENTS_DEFAULT, ANCHOR);
    let names: String = (0..PATIENTS_DEFAULT).map(|number| all.patient(number).1).collect();
    for (script, low, high) in [
        ("Cyrillic", '\u{400}', '\u{4ff}'),
        ("Greek", '\u{370}', '\u{3ff}'),
        ("Arabic", '\u{600}', '\u{6ff}'),
        ("Hebrew", '\u{590}', '\u{5ff}'),
        ("Devanagari", '\u{900}', '\u{97f}'),
        ("Tamil", '\u{b80}', '\u{bff}'),
        ("Han", '\u{4e00}', '\u{9fff}'),
        ("Hangul", '\u{ac00}', '\u{d7a3}'),
        ("Latin with marks", '\u{c0}', '\u{17f}'),
    ] {
        assert!(names.chars().any(|letter| (low..=high).contains(&letter)), "no {script}");
    }
}

#[test]
fn every_bill_is_of_a_visit_or_a_dispense_and_was_answered() {
    let all = hospital(1, 30);
    assert_eq!(of(&all, "Claim").count(), of(&all, "ExplanationOfBenefit").count());
    assert_eq!(of(&all, "Claim").count(), of(&all, "Encounter").count() + of(&all, "MedicationDispense").count());
}

#[test]
fn nobody_with_child_is_given_lisinopril() {
    let all = hospital(1, 60);
    let pregnant: BTreeSet<&str> = of(&all, "Condition")
        .filter(|body| coded(body, "/code", "77386006"))
        .map(|body| text(body, "/subject/reference"))
        .collect();
    assert!(!pregnant.is_empty());
    for patient in pregnant {
        assert!(
            !about(&all, "MedicationRequest", patient).any(|body| coded(body, "/medicationCodeableConcept", "314076")),
            "{patient}"
        );
    }
}

#[test]
fn a_child_is_insured_with_a_parent() {
    let all = hospital(1, 12);
    let coverage = of(&all, "Coverage").find(|body| body["id"] == "p0007-coverage").unwrap();
    assert_eq!(text(coverage, "/subscriber/reference"), "Patient/p0006");
    assert_eq!(text(coverage, "/beneficiary/reference"), "Patient/p0007");
}

#[test]
fn a_new_story_elsewhere_never_changes_who_the_patients_are() {
    let names = |patients| {
        let hospital = Hospital::new(Seed::new(4), patients, ANCHOR);
        (0..20).map(|number| hospital.patient(number)).collect::<Vec<_>>()
    };
    assert_eq!(names(20), names(200));
}
