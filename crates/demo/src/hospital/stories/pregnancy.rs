//! A pregnancy: visits, an ultrasound, and, forty weeks after it began, a birth that ends it.

use serde_json::json;
use time::Date;

use super::super::chart::{Chart, Kind, Visit};
use super::super::code::{Code, icd, loinc, refer, snomed};
use super::super::house::OBSTETRICIAN;
use super::super::labs;
use super::super::moment::{Moment, date, plus_days, working_day};
use super::documents::{DISCHARGE, note};
use super::imaging::{Picture, ULTRASOUND, picture};
use super::medicine::{Course, IRON, prescribe};

/// From its beginning to the birth.
const DAYS: i64 = 280;

const PREGNANT: (Code, Code) = (snomed("77386006", "Pregnancy"), icd("Z34.90", "Supervision of a pregnancy"));
const BIRTH: (Code, Code) = (snomed("77386006", "Pregnancy"), icd("O80", "Birth without complications"));

pub(super) fn tell(chart: &mut Chart<'_>) {
    let Some(began) = chart.person.problems.pregnancy else { return };
    let birth = plus_days(began, DAYS);
    let ended = birth < chart.anchor;
    chart.problem(PREGNANT.0, plus_days(began, 35), ended.then_some(birth));
    for (week, nth) in [8, 16, 20, 28, 34, 38].into_iter().zip(0_u32..) {
        let day = working_day(plus_days(began, week * 7));
        if chart.open_on(day) {
            prenatal(chart, day, began, nth);
        }
    }
    if ended && chart.open_on(birth) {
        born(chart, birth);
    }
}

fn prenatal(chart: &mut Chart<'_>, day: Date, began: Date, nth: u32) {
    let start = chart.office_hour(day);
    let visit = chart.visit(Kind::Prenatal, &OBSTETRICIAN, start, PREGNANT);
    chart.vitals(&visit);
    pregnant(chart, &visit, began);
    let iron = chart.dice.about(11.8, 0.9);
    let white = chart.dice.about(8.4, 1.9);
    let platelets = chart.dice.about(240.0, 60.0);
    let counts = [(labs::HEMOGLOBIN, iron), (labs::WHITE_CELLS, white), (labs::PLATELETS, platelets)];
    match nth {
        0 => {
            chart.panel(&visit, labs::BLOOD_COUNT, &counts);
            prescribe(chart, &visit, &IRON, Course::Short);
        }
        2 => scan(chart, &visit),
        3 => {
            chart.panel(&visit, labs::BLOOD_COUNT, &counts);
        }
        _ => {}
    }
}

fn pregnant(chart: &mut Chart<'_>, visit: &Visit, began: Date) {
    let yes = snomed("77386006", "Pregnant").concept();
    let status = chart.asked(
        visit,
        "us-core-observation-pregnancystatus",
        "social-history",
        loinc("82810-3", "Pregnancy status"),
        &yes,
    );
    let body = json!({
        "profile": "us-core-simple-observation",
        "status": "final",
        "category": [super::super::code::hl7("observation-category", "social-history", "Social history")],
        "code": loinc("11778-8", "Expected day of birth").concept(),
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "effectiveDateTime": visit.during(),
        "performer": [visit.with.refer()],
        "valueDateTime": date(plus_days(began, DAYS)),
        "hasMember": [refer(&status)],
    });
    chart.add("Observation", body);
}

fn scan(chart: &mut Chart<'_>, visit: &Visit) {
    let womb = Picture {
        what: loinc("11525-3", "Ultrasound of the child in the womb"),
        modality: ("US", "Ultrasound"),
        class: ULTRASOUND,
        site: snomed("35039007", "Uterus"),
        images: 12,
    };
    picture(chart, visit, &womb, "One child, growing as expected for the week. The heart beats regularly.");
}

fn born(chart: &mut Chart<'_>, birth: Date) {
    let visit = chart.visit(Kind::Inpatient, &OBSTETRICIAN, Moment::at(birth, 3, 15), BIRTH);
    let body = json!({
        "profile": "us-core-procedure",
        "status": "completed",
        "category": snomed("387713003", "Surgical procedure").concept(),
        "code": snomed("177184002", "Birth, without instruments").concept(),
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "performedPeriod": {"start": visit.start.later(200).text(), "end": visit.start.later(560).text()},
        "performer": [{"actor": OBSTETRICIAN.refer()}],
        "reasonReference": [refer(&visit.diagnosis)],
    });
    chart.add("Procedure", body);
    let no = snomed("60001007", "Not pregnant").concept();
    chart.asked(
        &visit,
        "us-core-observation-pregnancystatus",
        "social-history",
        loinc("82810-3", "Pregnancy status"),
        &no,
    );
    note(
        chart,
        &visit,
        DISCHARGE,
        "A healthy child was born. Mother and child went home together. Check-up in six weeks.",
    );
}
