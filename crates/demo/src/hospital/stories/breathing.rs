//! Asthma, and what somebody must not meet.

use serde_json::{Value, json};

use super::super::chart::{Chart, Kind};
use super::super::code::{Code, hl7, icd, loinc, quantity, refer, rxnorm, snomed};
use super::super::moment::date;
use super::documents::{PROGRESS, note};
use super::medicine::{ALBUTEROL, Course, prescribe};

const ASTHMA: (Code, Code) = (snomed("195967001", "Asthma"), icd("J45.909", "Asthma"));

/// AllergyIntolerance: penicillin, peanut, or that none is known.
pub(super) fn allergies(chart: &mut Chart<'_>) {
    let problems = &chart.person.problems;
    let (penicillin, peanut) = (problems.penicillin_allergy, problems.peanut_allergy);
    if penicillin {
        let reaction = reaction(snomed("126485001", "Hives"), "moderate");
        allergy(chart, rxnorm("70618", "Penicillin"), "medication", "high", Some(reaction));
    }
    if peanut {
        let reaction = reaction(snomed("39579001", "Anaphylaxis"), "severe");
        allergy(chart, snomed("762952008", "Peanut"), "food", "high", Some(reaction));
    }
    if !penicillin && !peanut {
        allergy(chart, snomed("716186003", "No known allergy"), "medication", "low", None);
    }
}

fn reaction(manifestation: Code, severity: &str) -> Value {
    json!([{"manifestation": [manifestation.concept()], "severity": severity}])
}

fn allergy(chart: &mut Chart<'_>, what: Code, category: &str, criticality: &str, reaction: Option<Value>) {
    let body = json!({
        "profile": "us-core-allergyintolerance",
        "identifier": [chart.identifier("allergy")],
        "clinicalStatus": hl7("allergyintolerance-clinical", "active", "Active"),
        "verificationStatus": hl7("allergyintolerance-verification", "confirmed", "Confirmed"),
        "type": reaction.is_some().then_some("allergy"),
        "category": reaction.is_some().then(|| vec![category]),
        "criticality": reaction.is_some().then_some(criticality),
        "code": what.concept(),
        "patient": chart.subject(),
        "recordedDate": date(chart.person.first_day(chart.anchor)),
        "recorder": refer(&chart.physician().reference()),
        "reaction": reaction,
    });
    chart.add("AllergyIntolerance", body);
}

pub(super) fn tell(chart: &mut Chart<'_>) {
    let Some(since) = chart.person.problems.asthma else { return };
    chart.problem(ASTHMA.0, since, None);
    let days = chart.days(since.max(chart.person.first_day(chart.anchor)), 365, 40);
    for (day, nth) in days.into_iter().zip(0_u32..) {
        let start = chart.office_hour(day);
        let visit = chart.visit(Kind::FollowUp, chart.physician(), start, ASTHMA);
        chart.ill_vitals(&visit, false);
        spirometry(chart, &visit);
        if nth == 0 {
            prescribe(chart, &visit, &ALBUTEROL, Course::Lasting);
        }
        note(chart, &visit, PROGRESS, "Breathing is easy at rest. We looked together at how the inhaler is used.");
    }
}

fn spirometry(chart: &mut Chart<'_>, visit: &super::super::chart::Visit) {
    let volume = chart.dice.about(86.0, 9.0);
    let body = json!({
        "profile": "us-core-observation-clinical-result",
        "status": "final",
        "category": [hl7("observation-category", "procedure", "Procedure")],
        "code": loinc("20152-5", "Breath in the first second, of what is expected").concept(),
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "effectiveDateTime": visit.during(),
        "performer": [visit.with.refer()],
        "valueQuantity": quantity(volume, 0, "%"),
        "referenceRange": [{"low": quantity(80.0, 0, "%"), "text": "80 or more"}],
    });
    chart.add("Observation", body);
}
