//! Looking before anything hurts: the bowel from fifty on, with what the pathologist says of what was found.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use time::Date;

use super::super::chart::{Chart, Kind, Visit};
use super::super::code::{Code, icd, loinc, refer, refer_named, snomed};
use super::super::house::{HOSPITALIST, PATHOLOGIST};
use super::super::moment::{Moment, plus_days, working_day};
use super::documents::{PROCEDURE, note};

const LOOK: (Code, Code) =
    (icd("Z12.11", "Look at the bowel before it hurts"), icd("Z12.11", "Look at the bowel before it hurts"));
const PATHOLOGY: Code = loinc("11526-1", "What the pathologist saw");

pub(super) fn tell(chart: &mut Chart<'_>) {
    let age = chart.person.age_on(chart.anchor);
    let day = working_day(plus_days(chart.person.last_day(chart.anchor), -chart.dice.between(40, 650)));
    if !(50..=76).contains(&age) || !chart.dice.chance(45) || !chart.open_on(day) {
        return;
    }
    let visit = chart.visit(Kind::FollowUp, &HOSPITALIST, Moment::at(day, 11, 0), LOOK);
    look(chart, &visit);
    if chart.dice.chance(50) {
        pathology(chart, &visit, day);
    }
    note(chart, &visit, PROCEDURE, "The whole bowel was seen. What little was found was taken out and sent on.");
}

fn look(chart: &mut Chart<'_>, visit: &Visit) {
    let body = json!({
        "profile": "us-core-procedure",
        "status": "completed",
        "category": snomed("103693007", "Diagnostic procedure").concept(),
        "code": snomed("73761001", "Look into the bowel").concept(),
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "performedPeriod": {"start": visit.start.text(), "end": visit.start.later(25).text()},
        "performer": [{"actor": visit.with.refer()}],
        "reasonReference": [refer(&visit.diagnosis)],
    });
    chart.add("Procedure", body);
}

fn pathology(chart: &mut Chart<'_>, visit: &Visit, day: Date) {
    let specimen = json!({
        "profile": "us-core-specimen",
        "identifier": [chart.identifier("specimen")],
        "status": "available",
        "type": snomed("119376003", "Tissue").concept(),
        "subject": chart.subject(),
        "collection": {"collectedDateTime": visit.during()},
    });
    let specimen = chart.add("Specimen", specimen);
    let text = "One small polyp. No cancer. Look again in seven years.";
    let category = loinc("LP7839-6", "Pathology");
    let body = json!({
        "profile": "us-core-diagnosticreport-note",
        "identifier": [chart.identifier("report")],
        "status": "final",
        "category": [category.concept()],
        "code": PATHOLOGY.concept(),
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "effectiveDateTime": visit.during(),
        "issued": Moment::at(plus_days(day, 5), 15, 30).text(),
        "performer": [refer_named("Organization/cedar-lab", "Cedar Reference Laboratory")],
        "resultsInterpreter": [PATHOLOGIST.refer()],
        "specimen": [refer(&specimen)],
        "conclusion": text,
        "presentedForm": [{
            "contentType": "text/plain; charset=utf-8", "data": STANDARD.encode(text), "title": PATHOLOGY.say,
        }],
    });
    chart.add("DiagnosticReport", body);
}
