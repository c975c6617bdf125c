//! Identifiers: CX, EI and HD become FHIR identifiers.

use bascule_hl7::{Field, Repetition, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::object::Object;
use super::partner::Partner;

const TYPES: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";

/// A system and a value in it: the one thing by which a resource is found again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// The URI of whoever gave the value.
    pub system: String,
    /// The value.
    pub value: String,
}

impl Identifier {
    /// An identifier of the partner's own numbering.
    pub(crate) fn own(partner: &Partner, name: &str, value: &str) -> Self {
        Self { system: partner.own(name), value: value.trim().to_owned() }
    }

    /// As a search parameter's value, still to be percent-encoded in a URL.
    #[must_use]
    pub fn token(&self) -> String {
        format!("{}|{}", escaped(&self.system), escaped(&self.value))
    }

    /// As the criterion of a conditional write: `identifier=…`, percent-encoded.
    pub(crate) fn criterion(&self) -> String {
        format!("identifier={}", utf8_percent_encode(&self.token(), NON_ALPHANUMERIC))
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "system": self.system, "value": self.value })
    }
}

/// The characters that a search value gives a meaning to (R4 3.1.1.4.0.1).
fn escaped(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '|' | ',' | '$') {
            written.push('\\');
        }
        written.push(letter);
    }
    written
}

/// The identifiers of a field of type CX, in the sender's order.
pub(crate) fn of_cx(field: Field<'_>, partner: &Partner) -> Vec<Identifier> {
    field.repetitions().filter_map(|cx| one_cx(cx, partner)).collect()
}

pub(crate) fn one_cx(cx: Repetition<'_>, partner: &Partner) -> Option<Identifier> {
    let value = cx.text(1).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())?;
    let (namespace, id, kind) = (cx.sub(4, 1), cx.sub(4, 2), cx.sub(4, 3));
    Some(Identifier { system: partner.authority(namespace.as_deref(), id.as_deref(), kind.as_deref()), value })
}

/// A CX as a FHIR identifier with its type, period and assigner.
pub(crate) fn cx_json(cx: Repetition<'_>, partner: &Partner) -> Option<Value> {
    let identifier = one_cx(cx, partner)?;
    let date =
        |component| cx.text(component).and_then(|text| Timestamp::read(&text)).map(|time| Value::from(time.to_date()));
    let period = Object::default().with("start", date(7)).with("end", date(8)).some();
    let kind = cx.text(5).and_then(|code| super::object::token(&code));
    Object::default()
        .with("type", kind.map(|code| json!({ "coding": [{ "system": TYPES, "code": code }] })))
        .with("system", Value::from(identifier.system))
        .with("value", Value::from(identifier.value))
        .with("period", period)
        .with("assigner", Object::default().text("display", cx.text(6)).some())
        .some()
}

/// A field of type EI: an entity's number with the one who gave it.
pub(crate) fn of_ei(field: Field<'_>, partner: &Partner, otherwise: &str) -> Option<Identifier> {
    let ei = field.first();
    let value = ei.text(1).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())?;
    let (namespace, id, kind) = (ei.text(2), ei.text(3), ei.text(4));
    let system = match (&namespace, &id) {
        (None, None) => partner.own(otherwise),
        _ => partner.authority(namespace.as_deref(), id.as_deref(), kind.as_deref()),
    };
    Some(Identifier { system, value })
}

/// An identifier with a type of table 0203.
pub(crate) fn typed(identifier: &Identifier, code: &str) -> Value {
    json!({
        "type": { "coding": [{ "system": TYPES, "code": code }] },
        "system": identifier.system,
        "value": identifier.value,
    })
}
