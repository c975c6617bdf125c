//! Where it comes from: one Provenance over all that a message wrote.

use bascule_hl7::{Message, Timestamp};
use serde_json::{Value, json};

use super::draft::Draft;
use super::fault::{MapFault, content};
use super::identifier::Identifier;
use super::object::Object;
use super::partner::Partner;

/// The message's number and digest as the source, its sender as the author.
pub(crate) fn write(message: &Message<'_>, draft: &mut Draft<'_>) -> Result<(), MapFault> {
    draft.took("MSH");
    let partner = draft.partner;
    let number = Identifier::own(partner, "message", &message.control_id()?);
    let hex = hex::encode(draft.digest());
    let kind = message.kind()?;
    let resource = Object::resource("Provenance")
        .list("target", draft.targets())
        .with("recorded", Value::from(recorded(message, partner)?))
        .with("activity", json!({ "text": format!("HL7 v2 {kind}") }))
        .list("agent", [json!({ "type": { "text": "sender" }, "who": sender(message, partner) })])
        .list("entity", [json!({ "role": "source", "what": { "identifier": number.to_json(), "display": format!("sha256:{hex}") } })]);
    draft.post(resource.done(), &number);
    Ok(())
}

fn recorded(message: &Message<'_>, partner: &Partner) -> Result<String, MapFault> {
    let missing = content("MSH-7", "no time of the message; send when it was made");
    let time = message.header(7, 1).and_then(|text| Timestamp::read(text.trim())).ok_or(missing)?;
    let text = time.to_date_time(partner.offset_minutes);
    if text.contains('T') { Ok(text) } else { Ok(format!("{}T00:00:00Z", whole_day(&text))) }
}

/// A day, if only a month or a year was said: the first of it.
fn whole_day(date: &str) -> String {
    match date.len() {
        4 => format!("{date}-01-01"),
        7 => format!("{date}-01"),
        _ => date.to_owned(),
    }
}

fn sender(message: &Message<'_>, partner: &Partner) -> Value {
    let facility = message.header(4, 1).or_else(|| message.header(3, 1)).unwrap_or_else(|| partner.name.clone());
    json!({ "identifier": Identifier::own(partner, "facility", &facility).to_json(), "display": partner.name })
}
