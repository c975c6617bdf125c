//! SCH, AIS, AIG, AIL, AIP: appointments (SIU).

use bascule_hl7::{Message, Segment, Timestamp};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::code::{concept, concept_of};
use super::draft::Draft;
use super::fault::{MapFault, content};
use super::identifier::{Identifier, of_ei};
use super::note;
use super::object::Object;
use super::partner::Partner;
use super::person::{place, practitioner};

/// The appointment of a message.
pub(crate) fn map(message: &Message<'_>, subject: &Value, draft: &mut Draft<'_>) -> Result<(), MapFault> {
    let sch =
        message.first("SCH").ok_or(content("SCH", "the message has no SCH segment; say which appointment it is"))?;
    let partner = draft.partner;
    let placer = of_ei(sch.field(1), partner, "appointment-placer");
    let filler = of_ei(sch.field(2), partner, "appointment");
    let identity = filler.clone().or_else(|| placer.clone());
    let identity = identity.ok_or(content("SCH-2", "no appointment number; send the filler's or the placer's"))?;
    let status = status(message, sch);
    let (start, end) = times(message, sch, partner)?;
    let identifiers = [filler, placer].into_iter().flatten().map(|number| Identifier::to_json(&number));
    let patient = json!({ "actor": subject, "status": "accepted" });
    let comments: Vec<String> =
        message.segments().iter().filter(|segment| segment.name() == "NTE").filter_map(note::text).collect();
    let resource = Object::resource("Appointment")
        .list("identifier", identifiers)
        .with("status", Value::from(status))
        .list("serviceType", services(message, partner))
        .with("appointmentType", concept_of(sch.field(8).first(), partner, Some("HL70277")))
        .list("reasonCode", concept_of(sch.field(7).first(), partner, Some("HL70276")))
        .with("start", Value::from(start))
        .with("end", Value::from(end))
        .with("minutesDuration", minutes(sch, 9, 10).map(Value::from))
        .text("comment", Some(comments.join("\n")))
        .list("participant", [patient].into_iter().chain(participants(message, partner)));
    for segment in message.segments() {
        if matches!(segment.name(), "SCH" | "AIS" | "AIG" | "AIL" | "AIP" | "NTE" | "RGS" | "TQ1") {
            draft.took(segment.name());
        }
    }
    draft.put(resource.done(), &identity);
    Ok(())
}

fn status(message: &Message<'_>, sch: &Segment<'_>) -> &'static str {
    match message.header(9, 2).as_deref() {
        Some("S15" | "S16") => return "cancelled",
        Some("S17") => return "entered-in-error",
        Some("S26") => return "noshow",
        _ => {}
    }
    let stated = sch.text(25, 1).unwrap_or_default().to_ascii_uppercase();
    match stated.as_str() {
        "CANCELLED" | "CANCELED" | "DELETED" | "DC" => "cancelled",
        "COMPLETE" => "fulfilled",
        "NOSHOW" => "noshow",
        "STARTED" => "arrived",
        "PENDING" => "pending",
        "WAITLIST" => "waitlist",
        _ => "booked",
    }
}

fn services(message: &Message<'_>, partner: &Partner) -> Vec<Value> {
    let services = message.segments().iter().filter(|segment| segment.name() == "AIS");
    services.filter_map(|ais| concept(ais.field(3).first(), partner)).collect()
}

/// Start and end as instants: out of TQ1, SCH-11 or the first service, resource or place that says when.
fn times(message: &Message<'_>, sch: &Segment<'_>, partner: &Partner) -> Result<(String, String), MapFault> {
    let instant = |text: Option<String>| {
        text.and_then(|text| Timestamp::read(text.trim())).and_then(|time| instant(&time, partner))
    };
    let tq1 = message.first("TQ1");
    let booked = |name| message.segments().iter().find(move |segment| segment.name() == name);
    let part = [("AIS", 4), ("AIG", 8), ("AIL", 6), ("AIP", 6)].into_iter().find_map(|(name, field)| {
        booked(name).filter(|segment| segment.text(field, 1).is_some()).map(|segment| (segment, field))
    });
    let start = instant(tq1.and_then(|tq1| tq1.text(7, 1)))
        .or_else(|| instant(sch.text(11, 4)))
        .or_else(|| part.and_then(|(segment, field)| instant(segment.text(field, 1))));
    let start = start.ok_or(content("SCH-11.4", "no start of the appointment; send a day and an hour"))?;
    let end = instant(tq1.and_then(|tq1| tq1.text(8, 1))).or_else(|| instant(sch.text(11, 5)));
    let length = minutes(sch, 9, 10).or_else(|| {
        part.and_then(|(segment, field)| minutes(segment, field.saturating_add(3), field.saturating_add(4)))
    });
    let end =
        end.filter(|end| *end > start).or_else(|| start.checked_add(Duration::minutes(i64::from(length.unwrap_or(0)))));
    let written = |moment: OffsetDateTime| moment.format(&Rfc3339).ok();
    let both = written(start).zip(end.and_then(written));
    both.ok_or(content("SCH-11", "the end lies outside the calendar; send the appointment's real length"))
}

fn minutes(segment: &Segment<'_>, number: usize, unit: usize) -> Option<u32> {
    let length: u32 = segment.text(number, 1)?.trim().parse().ok()?;
    match segment.text(unit, 1).unwrap_or_default().to_ascii_lowercase().as_str() {
        "s" | "sec" => Some(length / 60),
        "h" | "hr" => length.checked_mul(60),
        _ => Some(length),
    }
    .filter(|minutes| *minutes > 0 && *minutes < 100_000)
}

fn participants(message: &Message<'_>, partner: &Partner) -> Vec<Value> {
    let actor = |segment: &Segment<'_>| match segment.name() {
        "AIP" => practitioner(segment.field(3).first(), partner),
        "AIL" => place(segment.field(3).first()),
        "AIG" => segment.text(3, 2).or_else(|| segment.text(3, 1)).map(|display| json!({ "display": display })),
        _ => None,
    };
    let booked = message.segments().iter().filter_map(actor);
    booked.map(|actor| json!({ "actor": actor, "status": "accepted" })).collect()
}

fn instant(time: &Timestamp, partner: &Partner) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&time.to_date_time(partner.offset_minutes), &Rfc3339).ok()
}
