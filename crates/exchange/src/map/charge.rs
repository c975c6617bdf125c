//! FT1: charges (DFT) as ChargeItems.

use bascule_hl7::{Message, Segment};
use serde_json::{Value, json};

use super::code::{concept, concepts};
use super::draft::Draft;
use super::fault::{MapFault, content};
use super::identifier::{Identifier, of_ei};
use super::object::Object;
use super::person::{date_time, encounter, practitioner};
use super::value::decimal;

/// The charges of a message.
pub(crate) fn map(message: &Message<'_>, subject: &Value, draft: &mut Draft<'_>) -> Result<(), MapFault> {
    let charges: Vec<&Segment<'_>> = message.segments().iter().filter(|segment| segment.name() == "FT1").collect();
    if charges.is_empty() {
        return Err(content("FT1", "the message has no FT1 segment; say what is charged"));
    }
    let visit = message.first("PV1").and_then(|pv1| encounter(pv1.field(19), draft.partner));
    for ft1 in charges {
        charge(message, ft1, subject, visit.clone(), draft)?;
    }
    Ok(())
}

fn charge(
    message: &Message<'_>,
    ft1: &Segment<'_>,
    subject: &Value,
    visit: Option<Value>,
    draft: &mut Draft<'_>,
) -> Result<(), MapFault> {
    let partner = draft.partner;
    let code = [25, 7].into_iter().find_map(|field| concept(ft1.field(field).first(), partner));
    let code = code.ok_or(content("FT1-7", "no code of the charge; send what was done or supplied"))?;
    let number = of_ei(ft1.field(2), partner, "charge");
    let otherwise = || format!("{}/{}", message.control_id().unwrap_or_default(), ft1.text(1, 1).unwrap_or_default());
    let identity = draft.free("ChargeItem", number.unwrap_or_else(|| Identifier::own(partner, "charge", &otherwise())));
    let performers =
        ft1.field(20).repetitions().filter_map(|xcn| practitioner(xcn, partner)).map(|actor| json!({ "actor": actor }));
    let quantity = ft1.text(10, 1).and_then(|text| decimal(&text)).map(|value| json!({ "value": value }));
    let resource = Object::resource("ChargeItem")
        .list("identifier", [identity.to_json()])
        .with("status", Value::from(status(ft1)))
        .with("code", code)
        .with("subject", subject.clone())
        .with("context", visit)
        .with("occurrenceDateTime", date_time(ft1.text(4, 1), partner))
        .list("performer", performers)
        .with("quantity", quantity)
        .with("priceOverride", price(ft1))
        .with("enteredDate", date_time(ft1.text(5, 1), partner))
        .list("reason", concepts(ft1.field(19), partner, None));
    draft.took("FT1");
    draft.put(resource.done(), &identity);
    Ok(())
}

/// FT1-6: a charge may be billed, a credit takes one back.
fn status(ft1: &Segment<'_>) -> &'static str {
    match ft1.text(6, 1).as_deref() {
        Some("CG" | "CO" | "PY") => "billable",
        Some("CD") => "aborted",
        _ => "unknown",
    }
}

/// FT1-11, the extended amount: a CP whose first component is the amount and its currency.
fn price(ft1: &Segment<'_>) -> Option<Value> {
    let amount =
        [11, 22].into_iter().find_map(|field| ft1.field(field).first().sub(1, 1).and_then(|text| decimal(&text)))?;
    let stated = [11, 22].into_iter().find_map(|field| ft1.field(field).first().sub(1, 2));
    let currency = stated.filter(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()));
    Object::default().with("value", amount).with("currency", currency.map(Value::from)).some()
}
