//! Immunizations: children by their schedule, adults each autumn, and some once.

use serde_json::json;
use time::{Date, Month};

use super::super::chart::Chart;
use super::super::code::{Code, cvx, refer_named, snomed};
use super::super::house::NURSE;
use super::super::moment::{Moment, age_in_years, plus_days, working_day};

/// What a child gets, and at how many months.
static SCHEDULE: [(Code, &[i64]); 9] = [
    (cvx("08", "Hepatitis B vaccine, child"), &[0, 1, 6]),
    (cvx("116", "Rotavirus vaccine"), &[2, 4, 6]),
    (cvx("20", "Diphtheria, tetanus and pertussis vaccine"), &[2, 4, 6, 15, 48]),
    (cvx("10", "Polio vaccine"), &[2, 4, 6, 48]),
    (cvx("133", "Pneumococcal vaccine"), &[2, 4, 6, 12]),
    (cvx("03", "Measles, mumps and rubella vaccine"), &[12, 48]),
    (cvx("21", "Chickenpox vaccine"), &[12, 48]),
    (cvx("83", "Hepatitis A vaccine, child"), &[12, 18]),
    (cvx("115", "Tetanus, diphtheria and pertussis booster"), &[132]),
];

const FLU: Code = cvx("150", "Influenza vaccine");
const SHINGLES: Code = cvx("187", "Shingles vaccine");

pub(super) fn tell(chart: &mut Chart<'_>) {
    let person = chart.person;
    if person.age_on(chart.anchor) < 18 {
        for (vaccine, months) in &SCHEDULE {
            for (month, dose) in months.iter().zip(1_u32..) {
                give(chart, *vaccine, plus_days(person.birth, month * 30 + 3), dose);
            }
        }
    }
    let year = chart.anchor.year();
    for year in [year - 3, year - 2, year - 1, year] {
        let autumn = Date::from_calendar_date(year, Month::October, 9).unwrap_or(chart.anchor);
        if chart.dice.chance(62) && chart.open_on(autumn) && plus_days(person.birth, 200) < autumn {
            let day = working_day(plus_days(autumn, chart.dice.between(0, 9)));
            influenza(chart, day);
        }
    }
    if person.age_on(chart.anchor) >= 52 {
        let first = plus_days(chart.anchor, -700);
        give(chart, SHINGLES, working_day(first), 1);
        give(chart, SHINGLES, working_day(plus_days(first, 90)), 2);
    }
}

/// Some say no this year, and the chart says that too.
fn influenza(chart: &mut Chart<'_>, day: Date) {
    if chart.dice.chance(12) && chart.open_on(day) {
        let body = json!({
            "profile": "us-core-immunization",
            "status": "not-done",
            "statusReason": super::super::code::hl7("v3-ActReason", "PATOBJ", "patient objection"),
            "vaccineCode": FLU.concept(),
            "patient": chart.subject(),
            "occurrenceDateTime": Moment::at(day, 11, 0).text(),
            "primarySource": true,
        });
        chart.add("Immunization", body);
    } else {
        give(chart, FLU, day, 1);
    }
}

fn give(chart: &mut Chart<'_>, vaccine: Code, day: Date, dose: u32) {
    let alive_then = day >= chart.person.birth && day < chart.person.last_day(chart.anchor);
    if !alive_then {
        return;
    }
    let arm = if age_in_years(chart.person.birth, day) < 3 {
        snomed("61396006", "Left thigh")
    } else {
        snomed("368208006", "Left upper arm")
    };
    let lot = chart.dice.number() % 100_000;
    let body = json!({
        "profile": "us-core-immunization",
        "identifier": [chart.identifier("immunization")],
        "status": "completed",
        "vaccineCode": vaccine.concept(),
        "patient": chart.subject(),
        "occurrenceDateTime": Moment::at(day, 10, 30).text(),
        "primarySource": true,
        "location": refer_named("Location/clinic", "Mercy family clinic"),
        "lotNumber": format!("V{lot:05}"),
        "site": arm.concept(),
        "doseQuantity": super::super::code::quantity(0.5, 1, "mL"),
        "performer": [{"actor": NURSE.refer()}],
        "protocolApplied": [{"doseNumberPositiveInt": dose}],
    });
    chart.add("Immunization", body);
}
