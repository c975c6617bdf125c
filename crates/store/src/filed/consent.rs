//! The body of a consent: its provision, with the provisions nested in it.

use bascule_fhir::{Id, Timestamp};
use bascule_policy::party::Consent;
use bascule_policy::record::Period;
use serde_json::{Value, json};

use super::{labels, names, texts, types, words};
use crate::user::parse_reference;

/// Provisions nested in each other at most.
pub const DEPTH_MAX: usize = 8;

pub(super) fn body(consent: &Consent) -> Value {
    let items: Vec<String> = consent.items.iter().map(|(kind, id)| format!("{kind}/{id}")).collect();
    json!({
        "permit": consent.permit,
        "actors": consent.actors,
        "types": names(&consent.types),
        "items": items,
        "purposes": consent.purposes,
        "labels": words(&consent.labels),
        "exceptions": consent.exceptions.iter().map(nested).collect::<Vec<_>>(),
    })
}

fn nested(consent: &Consent) -> Value {
    let mut value = body(consent);
    if let Some(members) = value.as_object_mut() {
        members.insert("from".to_owned(), consent.from.micros().into());
        members.insert("until".to_owned(), json!(consent.until.map(Timestamp::micros)));
    }
    value
}

pub(super) fn of_body(patient: Id, period: Period, body: &Value) -> Option<Consent> {
    of_depth(&patient, period, body, 0)
}

fn of_depth(patient: &Id, period: Period, body: &Value, depth: usize) -> Option<Consent> {
    if depth > DEPTH_MAX {
        return None;
    }
    let exceptions = body.get("exceptions")?.as_array()?.iter().map(|one| {
        let until = match one.get("until")? {
            Value::Null => None,
            until => Some(Timestamp::from_micros(until.as_i64()?)),
        };
        let period = Period { from: Timestamp::from_micros(one.get("from")?.as_i64()?), until };
        of_depth(patient, period, one, depth + 1)
    });
    Some(Consent {
        patient: patient.clone(),
        permit: body.get("permit")?.as_bool()?,
        actors: texts(body, "actors")?,
        from: period.from,
        until: period.until,
        types: types(body, "types")?,
        items: texts(body, "items")?.iter().map(|text| parse_reference(text)).collect::<Option<_>>()?,
        purposes: texts(body, "purposes")?,
        labels: labels(body, "labels")?,
        exceptions: exceptions.collect::<Option<_>>()?,
    })
}
