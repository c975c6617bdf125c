//! Food that does not reach to the end of the month: asked, noted, and helped with.

use serde_json::{Value, json};
use time::Date;

use super::super::chart::{Chart, Kind, Visit};
use super::super::code::{Code, hl7, icd, loinc, refer, snomed};
use super::super::moment::{date, plus_days, working_day};
use super::care::task;

const HUNGER: (Code, Code) = (snomed("733423003", "Not enough food"), icd("Z59.41", "Not enough food"));
/// The two questions, and what both together say.
const QUESTIONS: [Code; 2] =
    [loinc("88122-7", "Worried that food would run out"), loinc("88123-5", "Food did not last, and no money for more")];
const AT_RISK: Code = loinc("88124-3", "Risk of not having enough food");

pub(super) fn tell(chart: &mut Chart<'_>) {
    let adult = chart.person.age_on(chart.anchor) >= 20;
    let day = working_day(plus_days(chart.person.last_day(chart.anchor), -chart.dice.between(60, 400)));
    if !adult || !chart.dice.chance(14) || !chart.open_on(day) {
        return;
    }
    let start = chart.office_hour(day);
    let visit = chart.visit(Kind::FollowUp, chart.physician(), start, HUNGER);
    let risk = screening(chart, &visit);
    let problem = problem(chart, &visit, &risk);
    goal(chart, &problem, day);
    help(chart, &visit);
}

fn screening(chart: &mut Chart<'_>, visit: &Visit) -> String {
    let often = loinc("LA28397-0", "Often true").concept();
    let answers: Vec<Value> =
        QUESTIONS.iter().map(|question| refer(&answer(chart, visit, *question, &often, &[]))).collect();
    answer(chart, visit, AT_RISK, &loinc("LA19952-3", "At risk").concept(), &answers)
}

fn answer(chart: &mut Chart<'_>, visit: &Visit, question: Code, answer: &Value, members: &[Value]) -> String {
    let sdoh = json!({"coding": [{
        "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-category", "code": "sdoh", "display": "Social needs",
    }]});
    let body = json!({
        "profile": "us-core-observation-screening-assessment",
        "status": "final",
        "category": [hl7("observation-category", "survey", "Survey"), sdoh],
        "code": question.concept(),
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "effectiveDateTime": visit.during(),
        "performer": [visit.with.refer()],
        "valueCodeableConcept": answer,
        "hasMember": (!members.is_empty()).then_some(members),
    });
    chart.add("Observation", body)
}

fn problem(chart: &mut Chart<'_>, visit: &Visit, evidence: &str) -> String {
    let concern = json!({"coding": [{
        "system": "http://hl7.org/fhir/us/core/CodeSystem/condition-category", "code": "health-concern", "display": "Health concern",
    }]});
    let sdoh = json!({"coding": [{
        "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-category", "code": "sdoh", "display": "Social needs",
    }]});
    let body = json!({
        "profile": "us-core-condition-problems-health-concerns",
        "clinicalStatus": hl7("condition-clinical", "active", "Active"),
        "verificationStatus": hl7("condition-ver-status", "confirmed", "Confirmed"),
        "category": [concern, sdoh],
        "code": {"coding": [HUNGER.0.coding(), HUNGER.1.coding()], "text": HUNGER.0.say},
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "onsetDateTime": date(visit.start.day),
        "recordedDate": date(visit.start.day),
        "recorder": refer(&visit.with.reference()),
        "evidence": [{"detail": [refer(evidence)]}],
    });
    chart.add("Condition", body)
}

fn goal(chart: &mut Chart<'_>, problem: &str, since: Date) {
    let body = json!({
        "profile": "us-core-goal",
        "lifecycleStatus": if chart.person.death.is_some() { "cancelled" } else { "active" },
        "description": {"text": "Enough food in the house every day"},
        "subject": chart.subject(),
        "startDate": date(since),
        "target": [{"measure": AT_RISK.concept(), "dueDate": date(plus_days(chart.anchor, 90))}],
        "addresses": [refer(problem)],
    });
    chart.add("Goal", body);
}

fn help(chart: &mut Chart<'_>, visit: &Visit) {
    let order = chart.order(visit, snomed("710925007", "Food provided"), snomed("410606002", "Social service"));
    task(chart, visit, &order, "Register at the food pantry of Harbor Falls", true);
}
