//! The last days of those who die: a stay on the ward, and nothing after.

use super::super::chart::{Chart, Kind};
use super::super::code::{Code, icd, snomed};
use super::super::house::HOSPITALIST;
use super::super::moment::{Moment, plus_days};
use super::documents::{DISCHARGE, note};

const LAST: (Code, Code) = (snomed("233604007", "Pneumonia"), icd("J18.9", "Pneumonia"));
/// The stay ends before the day of death.
const DAYS_BEFORE: i64 = 6;

pub(super) fn tell(chart: &mut Chart<'_>) {
    let Some(death) = chart.person.death else { return };
    let day = plus_days(death, -DAYS_BEFORE);
    if !chart.open_on(day) {
        return;
    }
    let visit = chart.visit(Kind::Inpatient, &HOSPITALIST, Moment::at(day, 9, 0), LAST);
    chart.ill_vitals(&visit, true);
    note(
        chart,
        &visit,
        DISCHARGE,
        "Comfort was what was wished for, and comfort was given. The family was there. Home with hospice.",
    );
}
