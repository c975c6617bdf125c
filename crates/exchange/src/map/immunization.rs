//! RXA: vaccinations (VXU) as Immunizations, with the observations that belong to each.

use bascule_hl7::{Message, Segment};
use serde_json::{Value, json};

use super::code::{concept, concept_of};
use super::draft::Draft;
use super::fault::{MapFault, content};
use super::identifier::{Identifier, of_ei};
use super::object::{Object, token};
use super::partner::Partner;
use super::person::{date, date_time, place, practitioner};
use super::value::decimal;

const ELIGIBILITY: &str = "64994-7";
const FUNDING: &str = "30963-3";

/// The vaccinations of a message.
pub(crate) fn map(message: &Message<'_>, subject: &Value, draft: &mut Draft<'_>) -> Result<(), MapFault> {
    let mut orc = None;
    for (place, segment) in message.segments().iter().enumerate() {
        match segment.name() {
            "ORC" => orc = Some(segment),
            "RXA" => {
                vaccination(message, place, orc.take(), subject, draft)?;
            }
            _ => {}
        }
    }
    if draft.is_empty() { Err(content("RXA", "the message has no RXA segment; say what was given")) } else { Ok(()) }
}

fn vaccination(
    message: &Message<'_>,
    place_of: usize,
    orc: Option<&Segment<'_>>,
    subject: &Value,
    draft: &mut Draft<'_>,
) -> Result<(), MapFault> {
    let Some(rxa) = message.segments().get(place_of) else { return Ok(()) };
    let partner = draft.partner;
    let code = concept(rxa.field(5).first(), partner).ok_or(content("RXA-5", "no vaccine; send its code"))?;
    let when = date_time(rxa.text(3, 1), partner).ok_or(content("RXA-3", "no time; send when it was given"))?;
    let number =
        orc.and_then(|orc| of_ei(orc.field(3), partner, "filler").or_else(|| of_ei(orc.field(2), partner, "placer")));
    let key = format!("{}/{}", rxa.text(3, 1).unwrap_or_default(), rxa.text(5, 1).unwrap_or_default());
    let patient = subject.get("reference").and_then(Value::as_str).unwrap_or_default();
    let identity = number.unwrap_or_else(|| Identifier::own(partner, "immunization", &format!("{patient}/{key}")));
    let identity = draft.free("Immunization", identity);
    let rest: Vec<&Segment<'_>> = following(message, place_of);
    let rxr = rest.iter().find(|segment| segment.name() == "RXR");
    let observed =
        |loinc: &str| rest.iter().find(|obx| obx.name() == "OBX" && obx.text(3, 1).as_deref() == Some(loinc));
    let resource = Object::resource("Immunization")
        .list("identifier", [identity.to_json()])
        .with("status", Value::from(status(rxa)))
        .with("statusReason", refusal(rxa, partner))
        .with("vaccineCode", code)
        .with("patient", subject.clone())
        .with("occurrenceDateTime", when)
        .with("primarySource", rxa.text(9, 1).map(|source| Value::from(source == "00")))
        .with(
            "reportOrigin",
            concept(rxa.field(9).first(), partner).filter(|_| rxa.text(9, 1).as_deref() != Some("00")),
        )
        .with("location", place_of_administration(rxa))
        .with(
            "manufacturer",
            rxa.text(17, 2).or_else(|| rxa.text(17, 1)).map(|display| json!({ "display": display.trim() })),
        )
        .text("lotNumber", rxa.text(15, 1))
        .with("expirationDate", date(rxa.text(16, 1)).filter(|date| date.as_str().is_some_and(|date| date.len() == 10)))
        .with("site", rxr.and_then(|rxr| concept_of(rxr.field(2).first(), partner, Some("HL70163"))))
        .with("route", rxr.and_then(|rxr| concept_of(rxr.field(1).first(), partner, Some("HL70162"))))
        .with("doseQuantity", dose(rxa, partner))
        .list(
            "performer",
            rxa.field(10)
                .repetitions()
                .filter_map(|xcn| practitioner(xcn, partner))
                .map(|actor| json!({ "actor": actor })),
        )
        .list("programEligibility", observed(ELIGIBILITY).and_then(|obx| concept(obx.field(5).first(), partner)))
        .with("fundingSource", observed(FUNDING).and_then(|obx| concept(obx.field(5).first(), partner)));
    draft.took("RXA");
    orc.iter().for_each(|_| draft.took("ORC"));
    rxr.iter().for_each(|_| draft.took("RXR"));
    [ELIGIBILITY, FUNDING].iter().filter(|loinc| observed(loinc).is_some()).for_each(|_| draft.took("OBX"));
    draft.put(resource.done(), &identity);
    Ok(())
}

/// The segments up to the next vaccination.
fn following<'m>(message: &'m Message<'_>, place: usize) -> Vec<&'m Segment<'m>> {
    let rest = message.segments().iter().skip(place.saturating_add(1));
    rest.take_while(|segment| !matches!(segment.name(), "ORC" | "RXA")).collect()
}

fn status(rxa: &Segment<'_>) -> &'static str {
    match (rxa.text(21, 1).as_deref(), rxa.text(20, 1).as_deref()) {
        (Some("D"), _) => "entered-in-error",
        (_, Some("NA" | "RE")) => "not-done",
        _ => "completed",
    }
}

fn refusal(rxa: &Segment<'_>, partner: &Partner) -> Option<Value> {
    concept(rxa.field(18).first(), partner).filter(|_| status(rxa) == "not-done")
}

/// RXA-11: an LA2, whose fourth component is the facility.
fn place_of_administration(rxa: &Segment<'_>) -> Option<Value> {
    place(rxa.field(11).first())
}

/// RXA-6; 999 means that it is not known.
fn dose(rxa: &Segment<'_>, partner: &Partner) -> Option<Value> {
    let number = rxa.text(6, 1).filter(|text| text.trim() != "999").and_then(|text| decimal(&text))?;
    let unit = rxa.field(7).first();
    let is_ucum = unit.text(3).is_some_and(|name| super::code::system(&name, partner) == "http://unitsofmeasure.org");
    let code = unit.text(1).and_then(|code| token(&code)).filter(|_| is_ucum);
    let quantity = Object::default().with("value", number).text("unit", unit.text(2).or_else(|| unit.text(1)));
    match code {
        Some(code) => {
            quantity.with("system", Value::from("http://unitsofmeasure.org")).with("code", Value::from(code)).some()
        }
        None => quantity.some(),
    }
}
