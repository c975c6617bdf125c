//! A broken bone: the emergency department, a picture, and what is done about it.

use serde_json::{Value, json};
use time::Date;

use super::super::chart::{Chart, Kind, Visit};
use super::super::code::{Code, icd, refer, snomed};
use super::super::house::{EMERGENCY_PHYSICIAN, HOSPITALIST};
use super::super::moment::{Moment, date, plus_days, plus_years, working_day};
use super::super::person::Bone;
use super::care::task;
use super::documents::{DISCHARGE, PROCEDURE, note};
use super::imaging::{DIGITAL_XRAY, Picture, picture};
use super::medicine::{ACETAMINOPHEN, Course, IBUPROFEN, prescribe};

const HEALED_AFTER_DAYS: i64 = 84;

struct Break {
    reason: (Code, Code),
    site: Code,
    treatment: Code,
    reading: &'static str,
}

fn of(bone: Bone) -> Break {
    match bone {
        Bone::Forearm => Break {
            reason: (snomed("65966004", "Broken forearm"), icd("S52.501A", "Broken forearm")),
            site: snomed("14975008", "Forearm"),
            treatment: snomed("274474001", "Bone set without opening the skin"),
            reading: "Break of the radius near the wrist, not displaced.",
        },
        Bone::Ankle => Break {
            reason: (snomed("16114001", "Broken ankle"), icd("S82.899A", "Broken ankle")),
            site: snomed("70258002", "Ankle"),
            treatment: snomed("274474001", "Bone set without opening the skin"),
            reading: "Break of the outer ankle, joint in place.",
        },
        Bone::Hip => Break {
            reason: (snomed("5913000", "Broken hip"), icd("S72.001A", "Broken hip")),
            site: snomed("24136001", "Hip"),
            treatment: snomed("52734007", "New hip joint"),
            reading: "Break of the neck of the femur, displaced.",
        },
    }
}

pub(super) fn tell(chart: &mut Chart<'_>) {
    let Some((bone, day)) = chart.person.problems.fracture else { return };
    if !chart.open_on(day) {
        return;
    }
    let broken = of(bone);
    let healed = plus_days(day, HEALED_AFTER_DAYS);
    chart.problem(broken.reason.0, day, (healed < chart.person.last_day(chart.anchor)).then_some(healed));
    let visit = chart.visit(Kind::Emergency, &EMERGENCY_PHYSICIAN, Moment::at(day, 18, 40), broken.reason);
    chart.ill_vitals(&visit, false);
    xray(chart, &visit, &broken);
    if bone == Bone::Hip {
        new_hip(chart, day, &broken)
    } else {
        cast(chart, &visit, &broken)
    }
    control(chart, day, &broken);
}

fn xray(chart: &mut Chart<'_>, visit: &Visit, broken: &Break) {
    let views = Picture {
        what: snomed("168537006", "X-ray of the bone"),
        modality: ("DX", "Digital radiography"),
        class: DIGITAL_XRAY,
        site: broken.site,
        images: 2,
    };
    picture(chart, visit, &views, broken.reading);
}

fn procedure(chart: &mut Chart<'_>, visit: &Visit, broken: &Break, used: Option<&str>) {
    let devices: Option<Vec<Value>> = used.map(|device| vec![json!({
        "action": {"coding": [{"system": "http://hl7.org/fhir/device-action", "code": "implanted", "display": "Implanted"}]},
        "manipulated": refer(device),
    })]);
    let body = json!({
        "profile": "us-core-procedure",
        "status": "completed",
        "category": snomed("387713003", "Surgical procedure").concept(),
        "code": broken.treatment.concept(),
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "performedPeriod": {"start": visit.start.later(60).text(), "end": visit.start.later(150).text()},
        "performer": [{"actor": visit.with.refer()}],
        "reasonReference": [refer(&visit.diagnosis)],
        "bodySite": [broken.site.concept()],
        "focalDevice": devices,
    });
    chart.add("Procedure", body);
}

fn cast(chart: &mut Chart<'_>, visit: &Visit, broken: &Break) {
    procedure(chart, visit, broken, None);
    let problems = &chart.person.problems;
    let strained = problems.hypertension.is_some() || problems.heart_failure.is_some() || problems.pregnancy.is_some();
    let against_pain = if strained { &ACETAMINOPHEN } else { &IBUPROFEN };
    let order = prescribe(chart, visit, against_pain, Course::Short);
    task(chart, visit, &order, "Call the patient after two days about pain", true);
    note(
        chart,
        visit,
        DISCHARGE,
        "The bone was set and a cast was made. Keep it dry. Come back when fingers or toes grow numb.",
    );
}

fn new_hip(chart: &mut Chart<'_>, day: Date, broken: &Break) {
    let next = plus_days(day, 1);
    if !chart.open_on(plus_days(next, 4)) {
        return;
    }
    let visit = chart.visit(Kind::Inpatient, &HOSPITALIST, Moment::at(next, 7, 30), broken.reason);
    let device = hip(chart, next);
    procedure(chart, &visit, broken, Some(&device));
    prescribe(chart, &visit, &ACETAMINOPHEN, Course::Short);
    note(chart, &visit, PROCEDURE, "The broken joint was replaced. No complications. First steps on the day after.");
}

/// The new joint, with the identifier that stands on its package.
fn hip(chart: &mut Chart<'_>, day: Date) -> String {
    let serial = chart.dice.number() % 1_000_000_000;
    let made = plus_days(day, -200);
    let identifier = "00844588003288";
    let body = json!({
        "profile": "us-core-implantable-device",
        "udiCarrier": [{
            "deviceIdentifier": identifier,
            "carrierHRF": format!("(01){identifier}(21){serial:09}"),
        }],
        "status": "active",
        "distinctIdentifier": format!("HIP-{serial:09}"),
        "manufactureDate": date(made), "expirationDate": date(plus_years(made, 10)),
        "lotNumber": format!("L{:05}", serial % 100_000), "serialNumber": format!("{serial:09}"),
        "type": snomed("304120007", "Hip joint prosthesis").concept(),
        "patient": chart.subject(),
        "owner": refer("Organization/mercy"),
    });
    chart.add("Device", body)
}

fn control(chart: &mut Chart<'_>, day: Date, broken: &Break) {
    let later = working_day(plus_days(day, 42));
    if chart.open_on(later) {
        let start = chart.office_hour(later);
        let visit = chart.visit(Kind::FollowUp, chart.physician(), start, broken.reason);
        chart.vitals(&visit);
    }
}
