//! The body of a restriction (164.522(a)).

use bascule_fhir::Id;
use bascule_policy::record::{Period, Restriction};
use serde_json::{Value, json};

use super::{labels, names, texts, types, words};

pub(super) fn body(record: &Restriction) -> Value {
    json!({
        "towards": record.towards,
        "health-plans": record.health_plans,
        "purposes": record.purposes,
        "types": names(&record.types),
        "labels": words(&record.labels),
    })
}

pub(super) fn of_body(id: &str, patient: Id, period: Period, body: &Value) -> Option<Restriction> {
    Some(Restriction {
        id: id.to_owned(),
        patient,
        towards: texts(body, "towards")?,
        health_plans: body.get("health-plans")?.as_bool()?,
        purposes: texts(body, "purposes")?,
        types: types(body, "types")?,
        labels: labels(body, "labels")?,
        period,
    })
}
