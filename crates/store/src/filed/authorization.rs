//! The body of an authorization (164.508).

use bascule_fhir::Id;
use bascule_policy::record::{Authorization, Period};
use serde_json::{Value, json};

use super::text;

pub(super) fn body(record: &Authorization) -> Value {
    json!({ "recipient": record.recipient, "psychotherapy-notes": record.psychotherapy_notes })
}

pub(super) fn of_body(id: &str, patient: Id, period: Period, body: &Value) -> Option<Authorization> {
    Some(Authorization {
        id: id.to_owned(),
        patient,
        recipient: text(body, "recipient")?,
        psychotherapy_notes: body.get("psychotherapy-notes")?.as_bool()?,
        period,
    })
}
