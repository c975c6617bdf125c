//! IN1: insurance as Coverage.

use bascule_hl7::Segment;
use serde_json::{Value, json};

use super::code::concept_of;
use super::draft::Draft;
use super::identifier::Identifier;
use super::object::Object;
use super::person::date;

const CLASS: &str = "http://terminology.hl7.org/CodeSystem/coverage-class";

/// A patient's coverage. Its identity is the payer's number and the subscriber's, or the patient's if the message gives none.
pub(crate) fn coverage(in1: &Segment<'_>, subject: &Value, patient: &str, draft: &mut Draft<'_>) {
    let partner = draft.partner;
    let payer = in1.text(3, 1).or_else(|| in1.text(4, 1)).unwrap_or_else(|| "unnamed payer".to_owned());
    let subscriber = in1.text(49, 1).or_else(|| in1.text(36, 1));
    let key = format!("{}/{}", payer.trim(), subscriber.as_deref().unwrap_or(patient).trim());
    let identity = draft.free("Coverage", Identifier::own(partner, "coverage", &key));
    let period = Object::default().with("start", date(in1.text(12, 1))).with("end", date(in1.text(13, 1)));
    let name = in1.text(4, 1).unwrap_or_else(|| payer.clone());
    let classes = [(8, "group"), (35, "plan")];
    let classes = classes.into_iter().filter_map(|(field, code)| {
        let value = in1.text(field, 1)?;
        Some(json!({ "type": { "coding": [{ "system": CLASS, "code": code }] }, "value": value.trim() }))
    });
    let resource = Object::resource("Coverage")
        .list("identifier", [identity.to_json()])
        .with("status", Value::from("active"))
        .with("type", concept_of(in1.field(15).first(), partner, Some("HL70086")))
        .text("subscriberId", subscriber)
        .with("beneficiary", subject.clone())
        .with("relationship", concept_of(in1.field(17).first(), partner, Some("HL70063")))
        .with("period", period.some())
        .list("payor", [json!({ "display": name.trim() })])
        .list("class", classes);
    draft.took("IN1");
    draft.put(resource.done(), &identity);
}
