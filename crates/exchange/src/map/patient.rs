//! PID: the patient, whom only an admission may found or change.

use bascule_hl7::{Message, Segment};
use serde_json::{Value, json};

use super::code::{concept_of, fixed};
use super::draft::{Draft, overlay};
use super::fault::{MapFault, content};
use super::identifier::{cx_json, of_cx};
use super::object::{Object, token};
use super::partner::Partner;
use super::person::{addresses, date, names, telecoms};
use super::walk::Known;

const OMB: &str = "urn:oid:2.16.840.1.113883.6.238";
const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition";

/// The patient of a message that may admit: changed if the chart has them, founded if not.
pub(crate) fn admitted(message: &Message<'_>, known: &Known, draft: &mut Draft<'_>) -> Result<Value, MapFault> {
    let pid = message.first("PID").ok_or(content("PID", "the message has no PID segment; say whom it concerns"))?;
    draft.took("PID");
    let said = resource(pid, draft.partner);
    if let Some(current) = &known.patient {
        return Ok(draft.replace(overlay(current, said)));
    }
    let numbers = of_cx(pid.field(3), draft.partner);
    let number = numbers.first().ok_or(content("PID-3", "no identifier; send the patient's number and who gave it"))?;
    Ok(draft.put(said, number))
}

/// The patient of any other message: one whom the chart has.
pub(crate) fn referred(message: &Message<'_>, known: &Known, draft: &mut Draft<'_>) -> Result<Value, MapFault> {
    draft.took("PID");
    if message.first("PV1").is_some_and(|pv1| !pv1.field(19).is_empty()) {
        draft.took("PV1");
    }
    let id = known.patient.as_ref().and_then(|patient| patient.get("id")).and_then(Value::as_str);
    id.map(|id| json!({ "reference": format!("Patient/{id}") })).ok_or(MapFault::UnknownPatient)
}

fn resource(pid: &Segment<'_>, partner: &Partner) -> Value {
    let identifiers = pid.field(3).repetitions().filter_map(|cx| cx_json(cx, partner));
    let account = pid.field(18).repetitions().filter_map(|cx| cx_json(cx, partner));
    let telecom = telecoms(pid.field(13), "home").into_iter().chain(telecoms(pid.field(14), "work"));
    Object::resource("Patient")
        .list("extension", [race(pid), ethnicity(pid)].into_iter().flatten())
        .list("identifier", identifiers.chain(account))
        .list("name", names(pid.field(5)))
        .list("telecom", telecom)
        .with("gender", pid.text(8, 1).map(|code| Value::from(gender(&code))))
        .with("birthDate", date(pid.text(7, 1)))
        .with(death(pid).0, death(pid).1)
        .list("address", addresses(pid.field(11)))
        .with("maritalStatus", marital(pid, partner))
        .with(birth(pid).0, birth(pid).1)
        .list("communication", language(pid, partner))
        .done()
}

fn gender(code: &str) -> &'static str {
    match code {
        "F" => "female",
        "M" => "male",
        "O" | "A" | "N" => "other",
        _ => "unknown",
    }
}

fn death(pid: &Segment<'_>) -> (&'static str, Option<Value>) {
    match (date(pid.text(29, 1)), pid.text(30, 1).as_deref()) {
        (Some(day), _) => ("deceasedDateTime", Some(day)),
        (None, Some("Y")) => ("deceasedBoolean", Some(Value::from(true))),
        (None, Some("N")) => ("deceasedBoolean", Some(Value::from(false))),
        _ => ("deceasedBoolean", None),
    }
}

fn birth(pid: &Segment<'_>) -> (&'static str, Option<Value>) {
    let order = pid.text(25, 1).and_then(|text| text.trim().parse::<u32>().ok()).filter(|order| *order > 0);
    match (order, pid.text(24, 1).as_deref()) {
        (Some(order), _) => ("multipleBirthInteger", Some(Value::from(order))),
        (None, Some("Y")) => ("multipleBirthBoolean", Some(Value::from(true))),
        (None, Some("N")) => ("multipleBirthBoolean", Some(Value::from(false))),
        _ => ("multipleBirthBoolean", None),
    }
}

fn marital(pid: &Segment<'_>, partner: &Partner) -> Option<Value> {
    let code = match pid.text(16, 1)?.as_str() {
        "A" | "E" => "L",
        "D" => "D",
        "M" => "M",
        "S" | "B" => "S",
        "W" => "W",
        "C" => "C",
        "P" | "G" | "R" => "T",
        "N" => "A",
        "I" => "I",
        _ => return concept_of(pid.field(16).first(), partner, Some("HL70002")),
    };
    Some(fixed("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", code))
}

fn language(pid: &Segment<'_>, partner: &Partner) -> Option<Value> {
    let code = token(&pid.text(15, 1)?)?;
    let is_tag = code.len() <= 8 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let language = if is_tag {
        Object::default()
            .list("coding", [json!({ "system": "urn:ietf:bcp:47", "code": code })])
            .text("text", pid.text(15, 2))
            .some()
    } else {
        concept_of(pid.field(15).first(), partner, Some("HL70296"))
    };
    language.map(|language| json!({ "language": language }))
}

fn race(pid: &Segment<'_>) -> Option<Value> {
    omb(pid, 10, "us-core-race")
}

fn ethnicity(pid: &Segment<'_>) -> Option<Value> {
    omb(pid, 22, "us-core-ethnicity")
}

/// US Core's race and ethnicity: the categories by code where the sender gave one, and always a text.
fn omb(pid: &Segment<'_>, field: usize, name: &str) -> Option<Value> {
    let stated: Vec<_> = pid.field(field).repetitions().collect();
    let texts: Vec<String> = stated.iter().filter_map(|coded| coded.text(2).or_else(|| coded.text(1))).collect();
    if texts.is_empty() {
        return None;
    }
    let categories = stated.iter().filter_map(|coded| {
        let code = coded.text(1).filter(|code| is_omb(code))?;
        let coding = Object::default()
            .with("system", Value::from(OMB))
            .with("code", Value::from(code))
            .text("display", coded.text(2));
        Some(json!({ "url": "ombCategory", "valueCoding": coding.done() }))
    });
    let text = json!({ "url": "text", "valueString": texts.join(", ") });
    Some(json!({ "url": format!("{US_CORE}/{name}"), "extension": categories.chain([text]).collect::<Vec<_>>() }))
}

fn is_omb(code: &str) -> bool {
    let bytes = code.as_bytes();
    bytes.len() == 6
        && bytes.get(4) == Some(&b'-')
        && bytes.iter().enumerate().all(|(place, byte)| place == 4 || byte.is_ascii_digit())
}
