//! Days of being ill: a throat, a bladder, a cold.

use serde_json::json;
use time::Date;

use super::super::chart::{Chart, Kind, Visit};
use super::super::code::{Code, hl7, icd, loinc, refer, refer_named, snomed};
use super::super::moment::{plus_days, working_day};
use super::super::person::Sex;
use super::documents::{PROGRESS, note};
use super::medicine::{AMOXICILLIN, AZITHROMYCIN, Course, TRIMETHOPRIM, prescribe};

const THROAT: (Code, Code) = (snomed("43878008", "Strep throat"), icd("J02.0", "Strep throat"));
const BLADDER: (Code, Code) = (snomed("68566005", "Urinary infection"), icd("N39.0", "Urinary infection"));
const COLD: (Code, Code) = (snomed("54150009", "Cold"), icd("J06.9", "Cold"));

pub(super) fn tell(chart: &mut Chart<'_>) {
    let mut day = plus_days(chart.person.first_day(chart.anchor), chart.dice.between(20, 400));
    while chart.open_on(working_day(day)) {
        ill(chart, working_day(day));
        day = plus_days(day, chart.dice.between(250, 800));
    }
}

fn ill(chart: &mut Chart<'_>, day: Date) {
    let young = chart.person.age_on(day) < 25;
    match chart.dice.below(3) {
        0 if young => throat(chart, day),
        1 if !young && chart.person.sex == Sex::Female => bladder(chart, day),
        _ => cold(chart, day),
    }
}

fn throat(chart: &mut Chart<'_>, day: Date) {
    let visit = symptom(chart, day, THROAT, true);
    culture(chart, &visit, loinc("78012-2", "Rapid test for streptococci"), snomed("10828004", "Positive"));
    let medicine = if chart.person.problems.penicillin_allergy { &AZITHROMYCIN } else { &AMOXICILLIN };
    prescribe(chart, &visit, medicine, Course::Short);
}

fn bladder(chart: &mut Chart<'_>, day: Date) {
    let visit = symptom(chart, day, BLADDER, false);
    culture(chart, &visit, loinc("630-4", "Bacteria grown from urine"), snomed("112283007", "Escherichia coli"));
    prescribe(chart, &visit, &TRIMETHOPRIM, Course::Short);
}

fn cold(chart: &mut Chart<'_>, day: Date) {
    let visit = symptom(chart, day, COLD, false);
    note(chart, &visit, PROGRESS, "A cold. Rest, tea, and patience; come back when it is not better in ten days.");
}

fn symptom(chart: &mut Chart<'_>, day: Date, reason: (Code, Code), fever: bool) -> Visit {
    let start = chart.office_hour(day);
    let visit = chart.visit(Kind::Symptom, chart.physician(), start, reason);
    chart.ill_vitals(&visit, fever);
    visit
}

/// A laboratory answer in words.
fn culture(chart: &mut Chart<'_>, visit: &Visit, what: Code, answer: Code) {
    let order = chart.order(visit, what, snomed("108252007", "Laboratory procedure"));
    let body = json!({
        "profile": "us-core-observation-lab",
        "basedOn": [refer(&order)],
        "status": "final",
        "category": [hl7("observation-category", "laboratory", "Laboratory")],
        "code": what.concept(),
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "effectiveDateTime": visit.during(),
        "issued": visit.start.later(1440).text(),
        "performer": [refer_named("Organization/cedar-lab", "Cedar Reference Laboratory")],
        "valueCodeableConcept": answer.concept(),
        "interpretation": [hl7("v3-ObservationInterpretation", "A", "Abnormal")],
    });
    chart.add("Observation", body);
}
