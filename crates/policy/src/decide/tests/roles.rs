//! The roles of the first bridge: patient, scheduler, physician, auditor of counts.

use expect_test::{Expect, expect};

use super::support::{decide, facts, said, shipped, token};

fn check(role: &str, scopes: &str, asked: &str, expected: &Expect) {
    expected.assert_eq(&said(&decide(shipped(), token(role, scopes), asked, &facts())));
}

#[test]
fn a_patient_reads_the_own_record_whole() {
    check(
        "patient",
        "patient/*.rs",
        "GET Observation?category=laboratory",
        &expect!["permit patient.grant[0]: Observation whole if Patient/a, total"],
    );
    check("patient", "patient/*.rs", "GET Patient/a", &expect!["permit patient.grant[0]: Patient whole if Patient/a"]);
    check(
        "patient",
        "patient/*.rs",
        "GET Patient/a/Condition",
        &expect!["permit patient.grant[0]: Condition whole if Patient/a, total"],
    );
    check("patient", "patient/*.rs", "GET Patient/a/$everything", &expect!["permit patient.grant[0]: 76 types"]);
    check("patient", "patient/*.rs", "GET Practitioner/p1", &expect!["permit patient.grant[2]: Practitioner whole"]);
}

#[test]
fn a_patient_does_not_reach_another() {
    check("patient", "patient/*.rs", "GET Patient/b", &expect!["refuse compartment: outside"]);
    check("patient", "patient/*.rs", "GET Patient/b/_history/1", &expect!["refuse compartment: outside"]);
    check("patient", "patient/*.rs", "GET Patient/b/_history", &expect!["refuse compartment: outside"]);
    check("patient", "patient/*.rs", "GET Patient/b/Observation", &expect!["refuse compartment: outside"]);
    check("patient", "patient/*.rs", "GET Observation?patient=Patient/b", &expect!["refuse compartment: outside"]);
    check(
        "patient",
        "patient/*.rs",
        "GET Observation?subject=Patient/a,Patient/b",
        &expect!["refuse compartment: outside"],
    );
    check(
        "patient",
        "patient/*.rs",
        "GET Observation?subject:Patient.name=x",
        &expect!["refuse default: parameter subject:Patient.name"],
    );
    check(
        "patient",
        "patient/*.rs",
        "GET Patient?_has:Observation:patient:code=x",
        &expect!["refuse default: parameter _has:Observation:patient:code"],
    );
    check("patient", "patient/*.rs", "GET Patient?_id=b", &expect!["refuse compartment: outside"]);
    check(
        "patient",
        "patient/*.rs",
        "GET Observation?_include=Observation:subject",
        &expect![
            "permit patient.grant[0]: Device whole; Location whole; Observation whole if Patient/a; Patient whole if Patient/a, total"
        ],
    );
    check(
        "patient",
        "patient/*.rs",
        "GET Patient?_revinclude=Observation:subject",
        &expect!["permit patient.grant[0]: Observation whole if Patient/a; Patient whole if Patient/a, total"],
    );
    check("patient", "patient/*.rs", "GET Observation?_include=*", &expect!["refuse default: parameter _include=*"]);
}

#[test]
fn a_scheduler_sees_times_and_no_reason() {
    check(
        "scheduler",
        "system/*.rs",
        "GET Appointment?date=ge2026-01-01&_sort=date",
        &expect![
            "permit scheduler.grant[0]: Appointment end id meta.lastUpdated meta.versionId minutesDuration participant.actor.reference participant.status slot start status if not(sensitive)"
        ],
    );
    check(
        "scheduler",
        "system/*.rs",
        "GET Patient/a",
        &expect!["permit scheduler.grant[3]: Patient id name telecom if not(sensitive)"],
    );
    check(
        "scheduler",
        "system/*.rs",
        "GET Slot?start=ge2026-01-01",
        &expect![
            "permit scheduler.grant[2]: Slot end id meta.lastUpdated meta.versionId overbooked schedule.reference start status, total"
        ],
    );
    check(
        "scheduler",
        "system/*.rs",
        "GET Appointment?reason-code=x",
        &expect!["refuse default: parameter reason-code"],
    );
    check(
        "scheduler",
        "system/*.rs",
        "GET Appointment?_sort=reason-code",
        &expect!["refuse default: parameter _sort=reason-code"],
    );
    check(
        "scheduler",
        "system/*.rs",
        "GET Appointment?_include=Appointment:actor",
        &expect![
            "permit scheduler.grant[0]: Appointment end id meta.lastUpdated meta.versionId minutesDuration participant.actor.reference participant.status slot start status if not(sensitive); Patient id name telecom if not(sensitive)"
        ],
    );
    check(
        "scheduler",
        "system/*.rs",
        "GET Appointment?_include=Appointment:patient",
        &expect![
            "permit scheduler.grant[0]: Appointment end id meta.lastUpdated meta.versionId minutesDuration participant.actor.reference participant.status slot start status if not(sensitive); Patient id name telecom if not(sensitive)"
        ],
    );
    check(
        "scheduler",
        "system/*.rs",
        "GET Appointment?_include=Appointment:reason-reference",
        &expect!["refuse default: parameter _include=Appointment:reason-reference"],
    );
    check(
        "scheduler",
        "system/*.rs",
        "GET Appointment?patient.birthdate=1980",
        &expect!["refuse default: parameter patient.birthdate"],
    );
    check(
        "scheduler",
        "system/*.rs",
        "GET Appointment?patient:Patient.name=x",
        &expect!["refuse default: parameter patient:Patient.name"],
    );
    check("scheduler", "system/*.rs", "GET Patient?birthdate=1980", &expect!["refuse default: parameter birthdate"]);
    check(
        "scheduler",
        "system/*.rs",
        "GET Patient?_has:Condition:patient:code=x",
        &expect!["refuse default: parameter _has:Condition:patient:code"],
    );
    check("scheduler", "system/*.rs", "GET Patient?_filter=name eq x", &expect!["refuse default: parameter _filter"]);
    check("scheduler", "system/*.rs", "GET Patient?unheard=x", &expect!["refuse default: parameter unheard"]);
    check("scheduler", "system/*.rs", "GET Observation", &expect!["refuse default: search Observation not granted"]);
    check("scheduler", "system/Patient.rs", "GET Appointment", &expect!["refuse scope: scope system/Appointment.s"]);
    check("scheduler", "system/Appointment.r", "GET Appointment", &expect!["refuse scope: scope system/Appointment.s"]);
    check(
        "scheduler",
        "system/*.cruds",
        "PUT Appointment/1",
        &expect![
            "permit scheduler.grant[0]: Appointment end id meta.lastUpdated meta.versionId minutesDuration participant.actor.reference participant.status slot start status if not(sensitive)"
        ],
    );
    check(
        "scheduler",
        "system/*.cruds",
        "DELETE Appointment/1",
        &expect!["refuse default: delete Appointment not granted"],
    );
    check(
        "scheduler",
        "system/*.cruds",
        "POST Appointment?identifier=x",
        &expect!["refuse default: parameter identifier"],
    );
}

#[test]
fn a_physician_reads_clinical_types_of_every_patient() {
    check(
        "physician",
        "user/*.rs",
        "GET Observation?patient=a&code=x",
        &expect!["permit physician.grant[0]: Observation whole if not(sensitive)"],
    );
    check(
        "physician",
        "user/*.rs",
        "GET Condition/c1",
        &expect!["permit physician.grant[0]: Condition whole if not(sensitive)"],
    );
    check(
        "physician",
        "user/*.rs",
        "GET Patient?name=x",
        &expect!["permit physician.grant[0]: Patient whole if not(sensitive)"],
    );
    check("physician", "user/*.rs", "GET Claim", &expect!["refuse default: search Claim not granted"]);
    check("physician", "user/*.cruds", "POST Observation", &expect!["refuse default: create Observation not granted"]);
    check(
        "physician",
        "user/*.rs",
        "GET Observation?_summary=count",
        &expect!["refuse default: a count cannot be given, because some of what matches may be withheld"],
    );
}

#[test]
fn an_auditor_of_counts_gets_counts_and_nothing_else() {
    check(
        "auditor-counts",
        "system/*.rs",
        "GET Observation?_summary=count",
        &expect!["permit auditor-counts.grant[0]: Observation nothing, only the total"],
    );
    check(
        "auditor-counts",
        "system/*.rs",
        "GET Observation",
        &expect!["refuse default: search without `_summary=count` Observation not granted"],
    );
    check(
        "auditor-counts",
        "system/*.rs",
        "GET Observation?_summary=count&code=x",
        &expect!["refuse default: parameter code"],
    );
    check(
        "auditor-counts",
        "system/*.rs",
        "GET Observation/1",
        &expect!["refuse default: read Observation not granted"],
    );
}

#[test]
fn nobody_without_a_role_or_scope_gets_anything() {
    check("nobody", "user/*.cruds", "GET Patient/a", &expect!["refuse default: read Patient not granted"]);
    check("physician", "", "GET Patient/a", &expect!["refuse scope: scope user/Patient.r"]);
}
