//! Diabetes, type 2: half-yearly HbA1c, metformin, kidneys, and once a year the eyes.

use serde_json::json;

use super::super::chart::{Chart, Kind, Visit};
use super::super::code::{Code, icd, refer, snomed};
use super::super::house::OPHTHALMOLOGIST;
use super::super::labs;
use super::super::moment::{Moment, plus_days, working_day};
use super::care::{Aim, plan};
use super::documents::{CONSULTATION, PROGRESS, note};
use super::imaging::{EYE_PHOTOGRAPH, Picture, picture};
use super::medicine::{Course, METFORMIN, prescribe};

const DIABETES: (Code, Code) =
    (snomed("44054006", "Type 2 diabetes"), icd("E11.9", "Type 2 diabetes without complications"));
const EYES: (Code, Code) =
    (snomed("44054006", "Type 2 diabetes"), icd("E11.9", "Type 2 diabetes: examination of the eyes"));

pub(super) fn tell(chart: &mut Chart<'_>) {
    let Some(since) = chart.person.problems.diabetes else { return };
    let problem = chart.problem(DIABETES.0, since, None);
    let days = chart.days(since.max(chart.person.first_day(chart.anchor)), 182, 12);
    let mut level = 8.4;
    for (day, nth) in days.iter().zip(0_u32..) {
        level = (level - 0.25_f64).max(6.5);
        let measured = chart.dice.about(level, 0.4);
        let visit = follow_up(chart, *day, measured);
        if nth == 0 {
            prescribe(chart, &visit, &METFORMIN, Course::Lasting);
        }
        if nth % 2 == 0 {
            eyes(chart, *day);
        }
    }
    let aim = Aim { say: "Keep HbA1c below 7 %", measure: labs::HBA1C.code, below: (7.0, 1, "%") };
    let steps = [
        "Take metformin every day",
        "Measure HbA1c twice a year",
        "Have the eyes looked at every year",
        "Walk half an hour on most days",
    ];
    plan(chart, &problem, "Living with diabetes", since, &aim, &steps);
}

fn follow_up(chart: &mut Chart<'_>, day: time::Date, level: f64) -> Visit {
    let start = chart.office_hour(day);
    let visit = chart.visit(Kind::FollowUp, chart.physician(), start, DIABETES);
    chart.vitals(&visit);
    let glucose = chart.dice.about(28.7 * level - 46.7, 15.0);
    let creatinine = chart.dice.about(0.95, 0.25);
    let filtration = chart.dice.about(82.0, 18.0);
    let albumin = chart.dice.about(24.0, 20.0);
    let results = [
        (labs::HBA1C, level),
        (labs::GLUCOSE, glucose),
        (labs::CREATININE, creatinine),
        (labs::EGFR, filtration),
        (labs::ALBUMIN_RATIO, albumin),
    ];
    chart.panel(&visit, labs::DIABETES_PANEL, &results);
    let words = if level < 7.0 {
        "The long-term sugar value is in the range we agreed on."
    } else {
        "The long-term sugar value is above what we agreed on; we spoke about meals and walking."
    };
    note(chart, &visit, PROGRESS, words);
    visit
}

/// The yearly examination of the eyes, some weeks after the visit that asked for it.
fn eyes(chart: &mut Chart<'_>, asked: time::Date) {
    let day = working_day(plus_days(asked, 20));
    if !chart.open_on(day) {
        return;
    }
    let visit = chart.visit(Kind::FollowUp, &OPHTHALMOLOGIST, Moment::at(day, 14, 0), EYES);
    let body = json!({
        "profile": "us-core-procedure",
        "status": "completed",
        "category": snomed("103693007", "Diagnostic procedure").concept(),
        "code": snomed("308110009", "Examination of the retina with widened pupils").concept(),
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "performedDateTime": visit.during(),
        "performer": [{"actor": OPHTHALMOLOGIST.refer()}],
        "reasonReference": [refer(&visit.diagnosis)],
    });
    chart.add("Procedure", body);
    let fundus = Picture {
        what: snomed("314971001", "Photographs of the retina"),
        modality: ("OP", "Ophthalmic photography"),
        class: EYE_PHOTOGRAPH,
        site: snomed("5665001", "Retina"),
        images: 4,
    };
    picture(chart, &visit, &fundus, "Both retinas without signs of damage by diabetes. Again in a year.");
    note(
        chart,
        &visit,
        CONSULTATION,
        "Retinas examined after drops. No signs of damage by diabetes. Next examination in twelve months.",
    );
}
