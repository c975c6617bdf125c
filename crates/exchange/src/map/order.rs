//! ORC and OBR: orders as ServiceRequests (ORM, OML, OMG).

use bascule_hl7::{Message, Segment};
use serde_json::Value;

use super::admission::beside;
use super::code::{concept, concepts, fixed};
use super::draft::Draft;
use super::fault::{MapFault, content};
use super::identifier::{Identifier, of_ei, typed};
use super::note;
use super::object::Object;
use super::partner::Partner;
use super::person::{date_time, encounter, practitioner};

/// An order's two numbers: the one who ordered gave the placer's, the one who carries out the filler's.
pub(crate) struct Numbers {
    pub(crate) placer: Option<Identifier>,
    pub(crate) filler: Option<Identifier>,
}

impl Numbers {
    /// Of OBR, or of the ORC before it where OBR says nothing.
    pub(crate) fn of(obr: Option<&Segment<'_>>, orc: Option<&Segment<'_>>, partner: &Partner) -> Self {
        let number = |field, name| {
            let of =
                |segment: Option<&Segment<'_>>| segment.and_then(|segment| of_ei(segment.field(field), partner, name));
            of(obr).or_else(|| of(orc))
        };
        Self { placer: number(2, "placer"), filler: number(3, "filler") }
    }

    pub(crate) fn to_json(&self) -> impl Iterator<Item = Value> {
        let placer = self.placer.as_ref().map(|number| typed(number, "PLAC"));
        let filler = self.filler.as_ref().map(|number| typed(number, "FILL"));
        placer.into_iter().chain(filler)
    }
}

/// Orders of a message.
pub(crate) fn map(message: &Message<'_>, subject: &Value, draft: &mut Draft<'_>) -> Result<(), MapFault> {
    let mut orc = None;
    for (place, segment) in message.segments().iter().enumerate() {
        match segment.name() {
            "ORC" => {
                draft.took("ORC");
                orc = Some(segment);
            }
            "OBR" => order(message, place, orc.take(), subject, draft)?,
            _ => {}
        }
    }
    if draft.is_empty() {
        return Err(content("OBR", "the message has no OBR segment; say what is ordered"));
    }
    let visit = message.first("PV1").and_then(|pv1| encounter(pv1.field(19), draft.partner));
    beside(message, &["AL1", "DG1", "OBX"], subject, visit.as_ref(), draft);
    Ok(())
}

fn order(
    message: &Message<'_>,
    place: usize,
    orc: Option<&Segment<'_>>,
    subject: &Value,
    draft: &mut Draft<'_>,
) -> Result<(), MapFault> {
    let Some(obr) = message.segments().get(place) else { return Ok(()) };
    let numbers = Numbers::of(Some(obr), orc, draft.partner);
    let identity = numbers.placer.clone().or_else(|| numbers.filler.clone());
    let identity = identity.ok_or(content("ORC-2", "no order number; send the placer's or the filler's"))?;
    let number = identity;
    let identity = draft.free("ServiceRequest", number.clone());
    let (notes, count) = note::after(message, place);
    let request = request(message, obr, orc, draft.partner).with("subject", subject.clone()).list("note", notes);
    let shared = (identity != number).then(|| number.to_json());
    let identifiers: Vec<Value> = match &shared {
        None => numbers.to_json().collect(),
        Some(_) => vec![identity.to_json()],
    };
    let request = request.with("requisition", shared);
    draft.took("OBR");
    (0..count).for_each(|_| draft.took("NTE"));
    draft.put(request.list("identifier", identifiers).done(), &identity);
    Ok(())
}

fn request(message: &Message<'_>, obr: &Segment<'_>, orc: Option<&Segment<'_>>, partner: &Partner) -> Object {
    let requester = orc.and_then(|orc| practitioner(orc.field(12).first(), partner));
    let requester = requester.or_else(|| practitioner(obr.field(16).first(), partner));
    let ordered = orc.and_then(|orc| date_time(orc.text(9, 1), partner)).or_else(|| date_time(obr.text(6, 1), partner));
    let visit = message.first("PV1").and_then(|pv1| encounter(pv1.field(19), partner));
    Object::resource("ServiceRequest")
        .with("status", Value::from(status(orc)))
        .with("intent", Value::from("order"))
        .with("priority", priority(message, obr).map(Value::from))
        .with("code", concept(obr.field(4).first(), partner))
        .with("encounter", visit)
        .with("occurrenceDateTime", date_time(obr.text(7, 1), partner))
        .with("authoredOn", ordered)
        .with("requester", requester)
        .list("reasonCode", concepts(obr.field(31), partner, None))
}

fn status(orc: Option<&Segment<'_>>) -> &'static str {
    let Some(orc) = orc else { return "active" };
    match (orc.text(1, 1).as_deref(), orc.text(5, 1).as_deref()) {
        (Some("CA" | "OC" | "CR"), _) | (_, Some("CA")) => "revoked",
        (Some("DC" | "OD" | "DR"), _) | (_, Some("DC")) => "revoked",
        (Some("HD" | "OH" | "HR"), _) | (_, Some("HD")) => "on-hold",
        (_, Some("CM")) => "completed",
        (_, Some("ER")) => "entered-in-error",
        _ => "active",
    }
}

fn priority(message: &Message<'_>, obr: &Segment<'_>) -> Option<&'static str> {
    let stated =
        message.first("TQ1").and_then(|tq1| tq1.text(9, 1)).or_else(|| obr.text(5, 1)).or_else(|| obr.text(27, 6))?;
    match stated.as_str() {
        "S" => Some("stat"),
        "A" => Some("asap"),
        "R" => Some("routine"),
        "C" | "P" | "T" => Some("urgent"),
        _ => None,
    }
}

/// An order that a result answers: the one that the chart has, else its number alone.
pub(crate) fn answered(numbers: &Numbers, known: &super::walk::Known) -> Option<Value> {
    let all = [&numbers.placer, &numbers.filler];
    let mut both = all.into_iter().flatten();
    let found = both.clone().find_map(|number| known.orders.get(number));
    if let Some(reference) = found {
        return Some(serde_json::json!({ "reference": reference }));
    }
    both.next().map(|number| serde_json::json!({ "type": "ServiceRequest", "identifier": number.to_json() }))
}

/// A fixed concept of the order's own category.
pub(crate) fn section(obr: &Segment<'_>) -> Option<Value> {
    let code = obr.text(24, 1)?;
    let known = code.len() <= 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    known.then(|| fixed("http://terminology.hl7.org/CodeSystem/v2-0074", &code))
}
