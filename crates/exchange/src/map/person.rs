//! People and places: XPN, XAD, XTN, XCN, XON and PL.

use bascule_hl7::{Field, Repetition, Timestamp};
use serde_json::{Value, json};

use super::identifier::{Identifier, one_cx};
use super::object::Object;
use super::partner::Partner;

/// HumanNames of a field of type XPN.
pub(crate) fn names(field: Field<'_>) -> Vec<Value> {
    field.repetitions().filter_map(name).collect()
}

fn name(xpn: Repetition<'_>) -> Option<Value> {
    let given = [xpn.text(2), xpn.text(3)].into_iter().flatten().map(Value::from);
    let usage = xpn.text(7).and_then(|code| {
        Some(match code.as_str() {
            "L" => "official",
            "D" => "usual",
            "M" => "maiden",
            "N" => "nickname",
            "S" => "anonymous",
            "T" => "temp",
            _ => return None,
        })
    });
    Object::default()
        .with("use", usage.map(Value::from))
        .text("family", xpn.text(1))
        .list("given", given)
        .list("prefix", xpn.text(5).map(Value::from))
        .list("suffix", [xpn.text(4), xpn.text(6)].into_iter().flatten().map(Value::from))
        .some()
}

/// Addresses of a field of type XAD.
pub(crate) fn addresses(field: Field<'_>) -> Vec<Value> {
    field.repetitions().filter_map(address).collect()
}

fn address(xad: Repetition<'_>) -> Option<Value> {
    let (usage, kind) = match xad.text(7).as_deref() {
        Some("H" | "P") => (Some("home"), None),
        Some("B" | "O") => (Some("work"), None),
        Some("C") => (Some("temp"), None),
        Some("BA") => (Some("old"), None),
        Some("M") => (None, Some("postal")),
        _ => (None, None),
    };
    let lines = [xad.text(1), xad.text(2)].into_iter().flatten().map(Value::from);
    Object::default()
        .with("use", usage.map(Value::from))
        .with("type", kind.map(Value::from))
        .list("line", lines)
        .text("city", xad.text(3))
        .text("district", xad.text(9))
        .text("state", xad.text(4))
        .text("postalCode", xad.text(5))
        .text("country", xad.text(6))
        .some()
}

/// ContactPoints of a field of type XTN; `usage` if the sender does not say.
pub(crate) fn telecoms(field: Field<'_>, usage: &str) -> Vec<Value> {
    field.repetitions().filter_map(|xtn| telecom(xtn, usage)).collect()
}

fn telecom(xtn: Repetition<'_>, usage: &str) -> Option<Value> {
    let equipment = xtn.text(3).unwrap_or_default();
    let is_mail = matches!(equipment.as_str(), "Internet" | "X.400") || xtn.text(2).as_deref() == Some("NET");
    let value = if is_mail { xtn.text(4) } else { None }
        .or_else(|| xtn.text(12))
        .or_else(|| xtn.text(1))
        .or_else(|| dialled(xtn));
    let value = value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())?;
    let system = match equipment.as_str() {
        _ if is_mail => "email",
        "FX" => "fax",
        "BP" => "pager",
        _ => "phone",
    };
    let usage = match (xtn.text(2).as_deref(), equipment.as_str()) {
        (_, "CP") | (Some("PRS"), _) => "mobile",
        (Some("WPN"), _) => "work",
        (Some("PRN" | "VHN"), _) => "home",
        _ => usage,
    };
    Some(json!({ "system": system, "value": value, "use": usage }))
}

fn dialled(xtn: Repetition<'_>) -> Option<String> {
    let number = xtn.text(7)?;
    let country = xtn.text(5).map(|country| format!("+{country} ")).unwrap_or_default();
    let area = xtn.text(6).map(|area| format!("({area}) ")).unwrap_or_default();
    let extension = xtn.text(8).map(|extension| format!(" x{extension}")).unwrap_or_default();
    Some(format!("{country}{area}{number}{extension}"))
}

/// A practitioner by number and name (XCN): a logical reference, since a message is no place to found a practitioner.
pub(crate) fn practitioner(xcn: Repetition<'_>, partner: &Partner) -> Option<Value> {
    let identifier = xcn.text(1).map(|value| practitioner_number(xcn, &value, partner));
    let parts = [xcn.text(6), xcn.text(3), xcn.text(4), xcn.text(2), xcn.text(5)];
    let display = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let known = Object::default()
        .with("identifier", identifier.map(|identifier| identifier.to_json()))
        .text("display", Some(display))
        .some()?;
    let mut known = known;
    if let Some(object) = known.as_object_mut() {
        object.insert("type".to_owned(), Value::from("Practitioner"));
    }
    Some(known)
}

fn practitioner_number(xcn: Repetition<'_>, value: &str, partner: &Partner) -> Identifier {
    let (namespace, id, kind) = (xcn.sub(9, 1), xcn.sub(9, 2), xcn.sub(9, 3));
    let system = match (&namespace, &id) {
        _ if xcn.text(13).as_deref() == Some("NPI") => super::code::system("NPI", partner),
        (None, None) => partner.own("practitioner"),
        _ => partner.authority(namespace.as_deref(), id.as_deref(), kind.as_deref()),
    };
    Identifier { system, value: value.trim().to_owned() }
}

/// An organization by name and number (XON): a logical reference.
pub(crate) fn organization(xon: Repetition<'_>, partner: &Partner) -> Option<Value> {
    let number = xon.text(10).or_else(|| xon.text(3)).map(|value| {
        let (namespace, id, kind) = (xon.sub(6, 1), xon.sub(6, 2), xon.sub(6, 3));
        let system = match (&namespace, &id) {
            (None, None) => partner.own("organization"),
            _ => partner.authority(namespace.as_deref(), id.as_deref(), kind.as_deref()),
        };
        Identifier { system, value }.to_json()
    });
    Object::default().with("identifier", number).text("display", xon.text(1)).some()
}

/// A place (PL) as a reference that is only shown: point of care, room, bed, facility.
pub(crate) fn place(pl: Repetition<'_>) -> Option<Value> {
    let parts = [pl.sub(4, 1), pl.text(8), pl.text(7), pl.text(1), pl.text(2), pl.text(3)];
    let display = parts.into_iter().flatten().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
    Object::default().text("display", Some(display.collect::<Vec<_>>().join(", "))).some()
}

/// A time in a field as a FHIR dateTime.
pub(crate) fn date_time(text: Option<String>, partner: &Partner) -> Option<Value> {
    text.and_then(|text| Timestamp::read(text.trim()))
        .map(|time| Value::from(time.to_date_time(partner.offset_minutes)))
}

/// A time in a field as a FHIR date.
pub(crate) fn date(text: Option<String>) -> Option<Value> {
    text.and_then(|text| Timestamp::read(text.trim())).map(|time| Value::from(time.to_date()))
}

/// A visit number as a logical reference to an encounter.
pub(crate) fn encounter(field: Field<'_>, partner: &Partner) -> Option<Value> {
    one_cx(field.first(), partner).map(|number| json!({ "type": "Encounter", "identifier": number.to_json() }))
}
