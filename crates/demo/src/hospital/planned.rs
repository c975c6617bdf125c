//! What is still to come: schedules, free and taken slots, appointments of the living.

use serde_json::{Value, json};
use time::Date;

use super::chart::Chart;
use super::code::{Code, hl7, refer, refer_named, snomed};
use super::house::{self, FAMILY_PHYSICIANS, OPHTHALMOLOGIST, Staff, THERAPIST};
use super::moment::{Moment, plus_days, working_day};

/// How far ahead schedules reach.
const AHEAD_DAYS: i64 = 60;
/// Working days with free slots, counted from tomorrow.
const FREE_DAYS: i64 = 12;
/// Minutes of a slot.
const SLOT_MINUTES: u32 = 30;
/// Slots of a morning that patients have taken; the afternoon from 15:00 is free.
const MORNING_SLOTS: u32 = 8;

/// A Schedule and its free Slots for everybody whom patients can book.
pub(super) fn schedules(anchor: Date) -> Vec<Value> {
    FAMILY_PHYSICIANS.iter().chain([&OPHTHALMOLOGIST, &THERAPIST]).flat_map(|person| schedule(person, anchor)).collect()
}

fn schedule(person: &'static Staff, anchor: Date) -> Vec<Value> {
    let tomorrow = plus_days(anchor, 1);
    let mut all = vec![json!({
        "resourceType": "Schedule", "id": format!("{}-schedule", person.id),
        "active": true,
        "serviceCategory": [hl7("service-category", "17", "General practice")],
        "actor": [person.refer(), refer_named(&format!("Location/{}", person.location), house::location_name(person.location))],
        "planningHorizon": {"start": Moment::at(tomorrow, 0, 0).text(), "end": Moment::at(plus_days(anchor, AHEAD_DAYS), 0, 0).text()},
    })];
    for ahead in 1..=FREE_DAYS {
        let day = plus_days(anchor, ahead);
        if working_day(day) != day {
            continue;
        }
        for nth in 0..4 {
            let start = Moment::at(day, 15, 0).later(nth * SLOT_MINUTES);
            all.push(slot(person, &format!("{}-free-{ahead}-{nth}", person.id), "free", start));
        }
    }
    all
}

fn slot(person: &Staff, id: &str, status: &str, start: Moment) -> Value {
    json!({
        "resourceType": "Slot", "id": id,
        "serviceCategory": [hl7("service-category", "17", "General practice")],
        "schedule": refer(&format!("Schedule/{}-schedule", person.id)),
        "status": status,
        "start": start.text(), "end": start.later(SLOT_MINUTES).text(),
    })
}

/// The next appointments of a patient who lives.
pub(super) fn appointments(chart: &mut Chart<'_>) {
    if chart.person.death.is_some() {
        return;
    }
    let physician = chart.physician();
    let reason = snomed("390906007", "Follow-up visit");
    book(chart, physician, (2, rank(chart.person.number)), reason);
    if chart.person.problems.diabetes.is_some() {
        book(
            chart,
            &OPHTHALMOLOGIST,
            (28, chart.person.number),
            snomed("308110009", "Examination of the retina with widened pupils"),
        );
    }
    if chart.person.problems.depression.is_some() {
        book(chart, &THERAPIST, (14, chart.person.number), snomed("448337001", "Video visit"));
    }
}

/// The place of a patient among those of the same physician, so that no slot is taken twice.
fn rank(number: u32) -> u32 {
    number / u32::try_from(FAMILY_PHYSICIANS.len()).unwrap_or(1)
}

/// The `rank`-th slot of the mornings from `from` on, counted in working days.
fn morning(from: Date, rank: u32) -> Moment {
    let (weeks, day) = ((rank / MORNING_SLOTS) / 5, (rank / MORNING_SLOTS) % 5);
    let mut date = plus_days(from, i64::from(weeks) * 7);
    for _ in 0..=day {
        date = working_day(plus_days(date, 1));
    }
    Moment::at(date, 8, 0).later((rank % MORNING_SLOTS) * SLOT_MINUTES)
}

/// Books the slot of that rank in the mornings that begin `ahead` days from today.
fn book(chart: &mut Chart<'_>, with: &'static Staff, (ahead, rank): (i64, u32), what: Code) {
    let start = morning(plus_days(chart.anchor, ahead), rank);
    let busy = slot(with, "", "busy", start);
    let slot = chart.add("Slot", busy);
    let waiting = chart.dice.chance(10);
    let (status, answer) = if waiting { ("pending", "needs-action") } else { ("booked", "accepted") };
    let place = refer_named(&format!("Location/{}", with.location), house::location_name(with.location));
    let body = json!({
        "status": status,
        "serviceCategory": [hl7("service-category", "17", "General practice")],
        "serviceType": [what.concept()],
        "appointmentType": hl7("v2-0276", "FOLLOWUP", "Follow-up"),
        "reasonCode": [what.concept()],
        "priority": 5,
        "description": format!("{} with {}", what.say, with.name()),
        "start": start.text(), "end": start.later(SLOT_MINUTES).text(),
        "minutesDuration": SLOT_MINUTES,
        "slot": [refer(&slot)],
        "created": Moment::at(plus_days(chart.anchor, -9), 13, 40).text(),
        "comment": "Please bring a list of your medicines.",
        "participant": [
            {"actor": chart.subject(), "required": "required", "status": answer},
            {"actor": with.refer(), "required": "required", "status": "accepted"},
            {"actor": place, "required": "required", "status": "accepted"},
        ],
    });
    chart.add("Appointment", body);
}
