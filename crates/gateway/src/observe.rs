//! What an observed request used, for the report and the draft: the names of its parameters and of the elements that
//! left, never a value. Kept beside the answer; an answer does not wait for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bascule_fhir::Timestamp;
use bascule_policy::Permit;
use bascule_policy::observed::{Observed, is_observed};
use serde_json::Value;

use crate::apis::Served;
use crate::gateway::Gateway;
use crate::mode;

/// Element paths of one answer that are told.
const PATHS_MAX: usize = 512;
/// What is told as a whole: its inner names say nothing that a grant could name.
const WHOLE: [&str; 4] = ["extension", "modifierExtension", "contained", "text"];

/// Tells of a request whose rules are only observed; `body` is what left, if it is known.
pub(crate) fn tell(gateway: &Gateway, served: &Served, permit: &Permit, body: Option<&[u8]>, now: Timestamp) {
    if !is_observed(&mode::in_force(gateway.store(), &served.api), permit.principal(), now) {
        return;
    }
    let elements = body.map(|body| elements(permit, body)).unwrap_or_default();
    let Some(seen) = Observed::of(permit, elements) else { return };
    let store = Arc::clone(gateway.shared_store());
    tokio::task::spawn_blocking(move || {
        if let Err(error) = store.observe(&seen, now) {
            tracing::error!(%error, "an observed request could not be counted");
        }
    });
}

/// The paths of the asked type's elements in an answer.
fn elements(permit: &Permit, body: &[u8]) -> Vec<String> {
    let Some(resource) = permit.asked().interaction.resource() else { return Vec::new() };
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let inner = answer.get("entry").and_then(Value::as_array).into_iter().flatten();
    let all = std::iter::once(&answer).chain(inner.filter_map(|entry| entry.get("resource")));
    // Of an answer that holds nothing, nothing but its being found was of use: an empty list would mean "not told".
    let mut paths = BTreeSet::from(["id".to_owned()]);
    for one in all.filter(|one| one.get("resourceType").and_then(Value::as_str) == Some(resource.name())) {
        gather(one, "", &mut paths);
    }
    paths.into_iter().collect()
}

fn gather(value: &Value, path: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                if name == "resourceType" || name.starts_with('_') {
                    continue;
                }
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if WHOLE.contains(&name.as_str()) {
                    paths.insert(below);
                } else if paths.len() < PATHS_MAX {
                    gather(inner, &below, paths);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, path, paths)),
        _ => {
            paths.insert(path.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_told_and_no_value_is() {
        let body = json!({"resourceType": "Appointment", "status": "booked", "_status": {"extension": []},
            "participant": [{"actor": {"reference": "Patient/x"}}, {"status": "accepted"}],
            "extension": [{"url": "secret", "valueString": "y"}]});
        let mut paths = BTreeSet::new();
        gather(&body, "", &mut paths);
        let paths = paths.into_iter().collect::<Vec<_>>();
        assert_eq!(paths, ["extension", "participant.actor.reference", "participant.status", "status"]);
    }
}
