//! ADT A34 and A40: two numbers turn out to be one person.

use bascule_hl7::Message;
use serde_json::{Value, json};

use super::draft::Draft;
use super::fault::{MapFault, content};
use super::walk::Known;

/// The prior record says that it was replaced and is no longer active; the surviving one says what it replaces. Nothing is moved
/// or deleted: what was written under the prior number is reached through the link.
pub(crate) fn map(message: &Message<'_>, known: &Known, draft: &mut Draft<'_>) -> Result<(), MapFault> {
    if message.first("MRG").is_none() {
        return Err(content("MRG", "the message has no MRG segment; say which number is merged into PID-3"));
    }
    let (Some(surviving), Some(prior)) = (&known.patient, &known.merged) else { return Err(MapFault::UnknownPatient) };
    let (kept, gone) = (id(surviving), id(prior));
    if kept == gone {
        return Err(content("MRG-1", "both numbers are of one record already; nothing is left to merge"));
    }
    for name in ["MRG", "EVN"] {
        if message.first(name).is_some() {
            draft.took(name);
        }
    }
    draft.replace(linked(surviving, "replaces", gone));
    let mut replaced = linked(prior, "replaced-by", kept);
    if let Some(object) = replaced.as_object_mut() {
        object.insert("active".to_owned(), Value::from(false));
    }
    draft.replace(replaced);
    Ok(())
}

fn id(patient: &Value) -> &str {
    patient.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn linked(patient: &Value, kind: &str, other: &str) -> Value {
    let mut patient = patient.clone();
    let link = json!({ "other": { "reference": format!("Patient/{other}") }, "type": kind });
    if let Some(object) = patient.as_object_mut() {
        let links = object.entry("link").or_insert_with(|| json!([]));
        if let Some(links) = links.as_array_mut().filter(|links| !links.contains(&link)) {
            links.push(link);
        }
    }
    patient
}
