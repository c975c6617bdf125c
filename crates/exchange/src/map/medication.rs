//! RXO, RXE, RXR and RXD: prescriptions (RDE) as MedicationRequests, what was handed out (RDS) as MedicationDispenses.

use bascule_hl7::{Message, Segment};
use serde_json::{Value, json};

use super::code::{concept, concept_of};
use super::draft::Draft;
use super::fault::{MapFault, content};
use super::identifier::{Identifier, of_ei};
use super::object::Object;
use super::partner::Partner;
use super::person::{date_time, encounter, practitioner};
use super::value::decimal;

/// One order of a message: ORC and the RX segments up to the next ORC.
struct Group<'m> {
    orc: &'m Segment<'m>,
    rest: Vec<&'m Segment<'m>>,
}

impl<'m> Group<'m> {
    fn first(&self, name: &str) -> Option<&'m Segment<'m>> {
        self.rest.iter().copied().find(|segment| segment.name() == name)
    }

    fn took(&self, names: &[&str], draft: &mut Draft<'_>) {
        draft.took("ORC");
        for name in names {
            if self.first(name).is_some() {
                draft.took(name);
            }
        }
    }
}

fn groups<'m>(message: &'m Message<'_>) -> Vec<Group<'m>> {
    let mut all: Vec<Group<'m>> = Vec::new();
    for segment in message.segments() {
        match (segment.name(), all.last_mut()) {
            ("ORC", _) => all.push(Group { orc: segment, rest: Vec::new() }),
            (_, Some(group)) => group.rest.push(segment),
            _ => {}
        }
    }
    all
}

/// The prescriptions of a message.
pub(crate) fn requests(message: &Message<'_>, subject: &Value, draft: &mut Draft<'_>) -> Result<(), MapFault> {
    let visit = message.first("PV1").and_then(|pv1| encounter(pv1.field(19), draft.partner));
    for group in groups(message) {
        let partner = draft.partner;
        let medication = medication(&group, partner).ok_or(content("RXE-2", "no medication; send its code"))?;
        let identity = number(&group, partner)?;
        let identity = draft.free("MedicationRequest", identity);
        let resource = Object::resource("MedicationRequest")
            .list("identifier", [identity.to_json()])
            .with("status", Value::from(status(group.orc)))
            .with("intent", Value::from("order"))
            .with("medicationCodeableConcept", medication)
            .with("subject", subject.clone())
            .with("encounter", visit.clone())
            .with("authoredOn", date_time(group.orc.text(9, 1), partner))
            .with("requester", practitioner(group.orc.field(12).first(), partner))
            .list("dosageInstruction", dosage(&group, partner))
            .with("dispenseRequest", supply(&group));
        group.took(&["RXE", "RXO", "RXR"], draft);
        draft.put(resource.done(), &identity);
    }
    if draft.is_empty() {
        Err(content("ORC", "the message has no ORC segment; say what is prescribed"))
    } else {
        Ok(())
    }
}

/// What a message says was handed out.
pub(crate) fn dispenses(message: &Message<'_>, subject: &Value, draft: &mut Draft<'_>) -> Result<(), MapFault> {
    for group in groups(message) {
        let partner = draft.partner;
        let Some(rxd) = group.first("RXD") else { continue };
        let medication =
            concept(rxd.field(2).first(), partner).ok_or(content("RXD-2", "no medication; send its code"))?;
        let order = number(&group, partner)?;
        let key = format!("{}/{}", order.value, rxd.text(1, 1).unwrap_or_default());
        let identity = draft.free("MedicationDispense", Identifier { system: order.system.clone(), value: key });
        let prescription = json!({ "type": "MedicationRequest", "identifier": order.to_json() });
        let resource = Object::resource("MedicationDispense")
            .list("identifier", [identity.to_json()])
            .with("status", Value::from("completed"))
            .with("medicationCodeableConcept", medication)
            .with("subject", subject.clone())
            .list("performer", practitioner(rxd.field(10).first(), partner).map(|actor| json!({ "actor": actor })))
            .list("authorizingPrescription", [prescription])
            .with("quantity", amount(rxd, 4, 5))
            .with("whenHandedOver", date_time(rxd.text(3, 1), partner))
            .list("dosageInstruction", dosage(&group, partner));
        group.took(&["RXD", "RXR"], draft);
        draft.put(resource.done(), &identity);
    }
    if draft.is_empty() {
        Err(content("RXD", "the message has no RXD segment; say what was handed out"))
    } else {
        Ok(())
    }
}

fn number(group: &Group<'_>, partner: &Partner) -> Result<Identifier, MapFault> {
    let number = of_ei(group.orc.field(2), partner, "placer").or_else(|| of_ei(group.orc.field(3), partner, "filler"));
    number.ok_or(content("ORC-2", "no order number; send the placer's or the filler's"))
}

fn medication(group: &Group<'_>, partner: &Partner) -> Option<Value> {
    let encoded = group.first("RXE").and_then(|rxe| concept(rxe.field(2).first(), partner));
    encoded.or_else(|| group.first("RXO").and_then(|rxo| concept(rxo.field(1).first(), partner)))
}

fn status(orc: &Segment<'_>) -> &'static str {
    match orc.text(1, 1).as_deref() {
        Some("CA" | "OC" | "CR") => "cancelled",
        Some("DC" | "OD" | "DR") => "stopped",
        Some("HD" | "OH" | "HR") => "on-hold",
        Some("CM") => "completed",
        _ => "active",
    }
}

/// The instruction: words, route and the dose where it is one number.
fn dosage(group: &Group<'_>, partner: &Partner) -> Option<Value> {
    let (rxe, rxo) = (group.first("RXE"), group.first("RXO"));
    let words = |segment: Option<&Segment<'_>>, field| {
        let lines: Vec<String> = segment
            .map(|segment| {
                segment.field(field).repetitions().filter_map(|line| line.text(2).or_else(|| line.text(1))).collect()
            })
            .unwrap_or_default();
        (!lines.is_empty()).then(|| lines.join("\n"))
    };
    let text = words(rxe, 7).or_else(|| words(rxo, 7)).or_else(|| words(group.first("RXD"), 9));
    let dose = rxe.and_then(|rxe| amount(rxe, 3, 5)).or_else(|| rxo.and_then(|rxo| amount(rxo, 2, 4)));
    let route = group.first("RXR").and_then(|rxr| concept_of(rxr.field(1).first(), partner, Some("HL70162")));
    Object::default()
        .text("text", text)
        .with("route", route)
        .list("doseAndRate", dose.map(|dose| json!({ "doseQuantity": dose })))
        .some()
}

fn supply(group: &Group<'_>) -> Option<Value> {
    let (rxe, rxo) = (group.first("RXE"), group.first("RXO"));
    let refills = rxe.and_then(|rxe| rxe.text(12, 1)).or_else(|| rxo.and_then(|rxo| rxo.text(13, 1)));
    let refills = refills.and_then(|text| text.trim().parse::<u32>().ok());
    let quantity = rxe.and_then(|rxe| amount(rxe, 10, 11)).or_else(|| rxo.and_then(|rxo| amount(rxo, 11, 12)));
    Object::default().with("numberOfRepeatsAllowed", refills.map(Value::from)).with("quantity", quantity).some()
}

fn amount(segment: &Segment<'_>, number: usize, unit: usize) -> Option<Value> {
    let value = segment.text(number, 1).and_then(|text| decimal(&text))?;
    Object::default().with("value", value).text("unit", segment.text(unit, 2).or_else(|| segment.text(unit, 1))).some()
}
