//! What the law protects specially: HIV, and treatment of substance use under 42 CFR Part 2.

use serde_json::json;
use time::Date;

use super::super::chart::{Chart, Kind, Label};
use super::super::code::{Code, hl7, hl7_coding, icd, identifier, loinc, refer, snomed};
use super::super::house::INFECTIOLOGIST;
use super::super::labs;
use super::super::moment::{Moment, plus_days, plus_years};
use super::documents::{CONSULTATION, PROGRESS, note};
use super::medicine::{BUPRENORPHINE, Course, DOLUTEGRAVIR, EMTRICITABINE_TENOFOVIR, prescribe};

const HIV: (Code, Code) = (snomed("86406008", "HIV infection"), icd("B20", "HIV disease"));
const OPIOIDS: (Code, Code) = (snomed("75544000", "Opioid dependence"), icd("F11.20", "Opioid dependence"));

pub(super) fn tell(chart: &mut Chart<'_>) {
    if let Some(since) = chart.person.problems.hiv {
        chart.under(Label::Hiv, |chart| hiv(chart, since));
    }
    if let Some(since) = chart.person.problems.opioids {
        chart.under(Label::SubstanceUse, |chart| opioids(chart, since));
    }
}

fn hiv(chart: &mut Chart<'_>, since: Date) {
    chart.problem(HIV.0, since, None);
    let days = chart.days(since.max(chart.person.first_day(chart.anchor)), 182, 10);
    for (day, nth) in days.into_iter().zip(0_u32..) {
        let start = chart.office_hour(day);
        let visit = chart.visit(Kind::FollowUp, &INFECTIOLOGIST, start, HIV);
        let cells = chart.dice.about(520.0 + 30.0 * f64::from(nth), 90.0);
        chart.panel(
            &visit,
            labs::HIV_PANEL,
            &[(labs::CD4, cells), (labs::HIV_COPIES, if nth == 0 { 180.0 } else { 19.0 })],
        );
        if nth == 0 {
            prescribe(chart, &visit, &DOLUTEGRAVIR, Course::Lasting);
            prescribe(chart, &visit, &EMTRICITABINE_TENOFOVIR, Course::Lasting);
        }
        note(
            chart,
            &visit,
            CONSULTATION,
            "The virus is held down by the treatment. Keep taking both tablets every day.",
        );
    }
}

fn opioids(chart: &mut Chart<'_>, since: Date) {
    chart.problem(OPIOIDS.0, since, None);
    consent(chart, since);
    let days = chart.days(since.max(plus_days(chart.anchor, -500)), 90, 8);
    for (day, nth) in days.into_iter().zip(0_u32..) {
        let start = chart.office_hour(day);
        let visit = chart.visit(Kind::FollowUp, chart.physician(), start, OPIOIDS);
        if nth == 0 {
            prescribe(chart, &visit, &BUPRENORPHINE, Course::Lasting);
        }
        let none = snomed("260385009", "Negative").concept();
        chart.asked(&visit, "us-core-observation-lab", "laboratory", loinc("19295-5", "Opioids in urine"), &none);
        note(
            chart,
            &visit,
            PROGRESS,
            "Eight weeks without use. The medicine is well borne. Next group meeting on Thursday.",
        );
    }
}

/// The written consent without which nothing of this may be passed on: to the pharmacy, for treatment, for a year.
fn consent(chart: &mut Chart<'_>, since: Date) {
    let day = since.max(plus_days(chart.anchor, -300)).min(chart.person.last_day(chart.anchor));
    let body = json!({
        "identifier": [identifier("consent-part2", &chart.person.id())],
        "status": "active",
        "scope": hl7("consentscope", "patient-privacy", "Privacy consent"),
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0", "display": "Consent document"}]}],
        "patient": chart.subject(),
        "dateTime": Moment::at(day, 10, 0).text(),
        "performer": [chart.subject()],
        "organization": [refer("Organization/mercy")],
        "policyRule": hl7("v3-ActCode", "42CFRPart2", "42 CFR Part 2"),
        "provision": {
            "type": "permit",
            "period": {"start": super::super::moment::date(day), "end": super::super::moment::date(plus_years(day, 1))},
            "actor": [{"role": hl7("v3-ParticipationType", "PRCP", "recipient"), "reference": refer("Organization/corner-pharmacy")}],
            "securityLabel": [hl7_coding("v3-ActCode", "ETH", "substance abuse information")],
            "purpose": [hl7_coding("v3-ActReason", "TREAT", "treatment")],
        },
    });
    chart.add("Consent", body);
}
