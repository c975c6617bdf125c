//! TXA: documents (MDM) as DocumentReferences, with the text or the file that the message brings.

use bascule_hl7::{Message, Segment};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::code::concept_of;
use super::draft::Draft;
use super::fault::{MapFault, content};
use super::identifier::{Identifier, of_ei};
use super::object::Object;
use super::person::{date_time, encounter, practitioner};
use super::result::{all_text, order_of};
use super::walk::Known;

/// The document of a message.
pub(crate) fn map(
    message: &Message<'_>,
    subject: &Value,
    known: &Known,
    draft: &mut Draft<'_>,
) -> Result<(), MapFault> {
    let txa = message.first("TXA").ok_or(content("TXA", "the message has no TXA segment; say which document it is"))?;
    let partner = draft.partner;
    let number = of_ei(txa.field(12), partner, "document");
    let identity = number.ok_or(content("TXA-12", "no document number; send the unique number of the document"))?;
    let attachments = attachments(message, txa);
    message.segments().iter().filter(|segment| segment.name() == "OBX").for_each(|_| draft.took("OBX"));
    let context = Object::default()
        .list("encounter", message.first("PV1").and_then(|pv1| encounter(pv1.field(19), partner)))
        .list("related", order_of(message, known, partner));
    let replaced = of_ei(txa.field(13), partner, "document").filter(|parent| *parent != identity);
    let resource = Object::resource("DocumentReference")
        .with("masterIdentifier", identity.to_json())
        .list("identifier", [identity.to_json()])
        .with("status", Value::from(status(message, txa)))
        .with("docStatus", completion(txa).map(Value::from))
        .with("type", concept_of(txa.field(2).first(), partner, Some("HL70270")))
        .with("subject", subject.clone())
        .list("author", [9, 5].into_iter().filter_map(|field| practitioner(txa.field(field).first(), partner)).take(1))
        .with("authenticator", practitioner(txa.field(22).first(), partner))
        .list("relatesTo", replaced.map(|parent| relation(message, &parent)))
        .list("content", attachments.into_iter().map(|attachment| json!({ "attachment": attachment })))
        .with("context", context.some());
    let dated = match date_time(txa.text(6, 1).or_else(|| txa.text(7, 1)).or_else(|| txa.text(4, 1)), partner) {
        Some(Value::String(time)) if time.contains('T') => resource.with("date", Value::from(time)),
        _ => resource,
    };
    draft.took("TXA");
    draft.put(dated.done(), &identity);
    Ok(())
}

fn relation(message: &Message<'_>, parent: &Identifier) -> Value {
    let code = if matches!(message.header(9, 2).as_deref(), Some("T09" | "T10")) { "replaces" } else { "appends" };
    json!({ "code": code, "target": { "type": "DocumentReference", "identifier": parent.to_json() } })
}

fn status(message: &Message<'_>, txa: &Segment<'_>) -> &'static str {
    match (message.header(9, 2).as_deref(), txa.text(19, 1).as_deref()) {
        (Some("T11"), _) | (_, Some("CA")) => "entered-in-error",
        (_, Some("OB")) => "superseded",
        _ => "current",
    }
}

fn completion(txa: &Segment<'_>) -> Option<&'static str> {
    match txa.text(17, 1)?.as_str() {
        "DI" | "IP" | "IN" | "PA" => Some("preliminary"),
        "AU" | "DO" | "LA" => Some("final"),
        _ => None,
    }
}

/// What the document is made of: files inside the message, else its text, else the name of a file that lies elsewhere.
fn attachments(message: &Message<'_>, txa: &Segment<'_>) -> Vec<Value> {
    let observations = message.segments().iter().filter(|segment| segment.name() == "OBX");
    let mut files: Vec<Value> = observations.filter_map(embedded).collect();
    if let Some(text) = all_text(message) {
        files.push(json!({ "contentType": "text/plain; charset=utf-8", "data": STANDARD.encode(text) }));
    }
    if files.is_empty() {
        let title =
            txa.text(16, 1).unwrap_or_else(|| "the sender announced the document and sent no content".to_owned());
        files.push(json!({ "title": title }));
    }
    files
}

/// OBX-5 of type ED as an Attachment: type, subtype, encoding, data. Data that is not base64 as it says is kept as text.
pub(crate) fn embedded(obx: &Segment<'_>) -> Option<Value> {
    if obx.text(2, 1).as_deref() != Some("ED") {
        return None;
    }
    let ed = obx.field(5).first();
    let data = ed.text(5)?;
    let packed: String = data.split_whitespace().collect();
    let kind = content_type(ed.text(2).as_deref(), ed.text(3).as_deref());
    let attachment = Object::default().text("title", obx.text(3, 2));
    let is_packed = ed.text(4).is_none_or(|encoding| encoding.eq_ignore_ascii_case("base64"));
    match STANDARD.decode(&packed) {
        Ok(bytes) if is_packed && !bytes.is_empty() => {
            attachment.with("contentType", Value::from(kind)).with("data", Value::from(packed)).some()
        }
        _ => attachment
            .with("contentType", Value::from("text/plain; charset=utf-8"))
            .with("data", Value::from(STANDARD.encode(data)))
            .some(),
    }
}

fn content_type(kind: Option<&str>, subtype: Option<&str>) -> String {
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+.".contains(&byte))
    };
    let subtype = subtype.unwrap_or_default().to_ascii_lowercase();
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    match (kind.as_str(), subtype.as_str()) {
        (_, "pdf") | ("pdf", _) => "application/pdf".to_owned(),
        ("application" | "image" | "text" | "audio" | "video", subtype) if is_name(subtype) => {
            format!("{kind}/{subtype}")
        }
        ("im" | "image", "jpeg" | "png" | "gif" | "tiff") => format!("image/{subtype}"),
        ("text" | "tx", _) => "text/plain".to_owned(),
        (_, "rtf") => "application/rtf".to_owned(),
        (_, "html") => "text/html".to_owned(),
        _ => "application/octet-stream".to_owned(),
    }
}
