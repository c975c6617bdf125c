//! Blood pressure, lipids and a heart that grows weak.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::chart::{Chart, Kind, Visit};
use super::super::code::{Code, icd, loinc, refer, snomed};
use super::super::labs;
use super::care::{Aim, plan};
use super::documents::{PROGRESS, note};
use super::medicine::{ATORVASTATIN, Course, FUROSEMIDE, LISINOPRIL, Medicine, prescribe};

const PRESSURE: (Code, Code) = (snomed("59621000", "High blood pressure"), icd("I10", "High blood pressure"));
const LIPIDS: (Code, Code) = (snomed("55822004", "High cholesterol"), icd("E78.5", "High cholesterol"));
const HEART: (Code, Code) = (snomed("84114007", "Heart failure"), icd("I50.9", "Heart failure"));

pub(super) fn tell(chart: &mut Chart<'_>) {
    pressure(chart);
    lipids(chart);
    heart(chart);
}

fn pressure(chart: &mut Chart<'_>) {
    let Some(since) = chart.person.problems.hypertension else { return };
    let problem = chart.problem(PRESSURE.0, since, None);
    for visit in visits(chart, since, 300, PRESSURE, &LISINOPRIL) {
        chart.vitals(&visit);
        let potassium = chart.dice.about(4.4, 0.6);
        let creatinine = chart.dice.about(0.95, 0.25);
        chart.panel(
            &visit,
            loinc("51990-0", "Basic metabolic panel"),
            &[(labs::POTASSIUM, potassium), (labs::CREATININE, creatinine)],
        );
    }
    let aim = Aim {
        say: "Keep the upper blood pressure below 130",
        measure: loinc("8480-6", "Systolic blood pressure"),
        below: (130.0, 0, "mm[Hg]"),
    };
    plan(
        chart,
        &problem,
        "Bringing blood pressure down",
        since,
        &aim,
        &["Take lisinopril every morning", "Measure at home twice a week", "Eat less salt"],
    );
}

fn lipids(chart: &mut Chart<'_>) {
    let Some(since) = chart.person.problems.lipids else { return };
    chart.problem(LIPIDS.0, since, None);
    for visit in visits(chart, since, 365, LIPIDS, &ATORVASTATIN) {
        let low = chart.dice.about(124.0, 30.0);
        let high = chart.dice.about(48.0, 10.0);
        let fat = chart.dice.about(150.0, 50.0);
        let results = [
            (labs::CHOLESTEROL, low + high + fat / 5.0),
            (labs::HDL, high),
            (labs::LDL, low),
            (labs::TRIGLYCERIDES, fat),
        ];
        chart.panel(&visit, labs::LIPIDS, &results);
    }
}

fn heart(chart: &mut Chart<'_>) {
    let Some(since) = chart.person.problems.heart_failure else { return };
    chart.problem(HEART.0, since, None);
    for visit in visits(chart, since, 180, HEART, &FUROSEMIDE) {
        chart.vitals(&visit);
        let strain = chart.dice.about(1300.0, 700.0);
        let sodium = chart.dice.about(137.0, 5.0);
        chart.panel(&visit, labs::METABOLIC, &[(labs::NATRIURETIC, strain), (labs::SODIUM, sodium)]);
        electrocardiogram(chart, &visit);
        note(
            chart,
            &visit,
            PROGRESS,
            "Weight and ankles checked. Weigh yourself each morning, and call when two pounds come overnight.",
        );
    }
}

fn electrocardiogram(chart: &mut Chart<'_>, visit: &Visit) {
    let category = loinc("LP29708-2", "Cardiology");
    let text = "Regular rhythm, 74 beats a minute. No change since the last tracing.";
    let body = json!({
        "profile": "us-core-diagnosticreport-note",
        "identifier": [chart.identifier("report")],
        "status": "final",
        "category": [category.concept()],
        "code": loinc("11524-6", "Electrocardiogram").concept(),
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "effectiveDateTime": visit.during(),
        "issued": visit.start.later(20).text(),
        "performer": [visit.with.refer()],
        "conclusion": text,
        "presentedForm": [{"contentType": "text/plain; charset=utf-8", "data": STANDARD.encode(text), "title": "Electrocardiogram"}],
    });
    chart.add("DiagnosticReport", body);
}

/// Follow-up visits every `step` days; the medicine is ordered at the first.
fn visits(
    chart: &mut Chart<'_>,
    since: time::Date,
    step: i64,
    reason: (Code, Code),
    medicine: &Medicine,
) -> Vec<Visit> {
    let days = chart.days(since.max(chart.person.first_day(chart.anchor)), step, 15);
    let mut made = Vec::new();
    for day in days {
        let start = chart.office_hour(day);
        let visit = chart.visit(Kind::FollowUp, chart.physician(), start, reason);
        if made.is_empty() {
            prescribe(chart, &visit, medicine, Course::Lasting);
        }
        made.push(visit);
    }
    made
}
