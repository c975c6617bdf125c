//! The body of a hold (164.524(a)).

use bascule_fhir::{Id, Timestamp};
use bascule_policy::record::{Hold, Period};
use serde_json::{Value, json};

use super::text;
use crate::user::parse_reference;

pub(super) fn body(record: &Hold) -> Value {
    let (kind, id) = &record.item;
    json!({
        "item": format!("{kind}/{id}"),
        "ground": record.ground,
        "by": record.by,
        "review": record.review.micros(),
    })
}

/// A hold without an end is not one: its row is damaged.
pub(super) fn of_body(id: &str, patient: Id, period: Period, body: &Value) -> Option<Hold> {
    Some(Hold {
        id: id.to_owned(),
        patient,
        item: parse_reference(body.get("item")?.as_str()?)?,
        ground: text(body, "ground")?,
        by: text(body, "by")?,
        from: period.from,
        until: period.until?,
        review: Timestamp::from_micros(body.get("review")?.as_i64()?),
    })
}
