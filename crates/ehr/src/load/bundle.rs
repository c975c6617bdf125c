//! A JSON text as resources with stable names, the references between them already in place.

use std::collections::HashMap;

use bascule_fhir::{Id, ResourceType};
use serde_json::Value;

use super::Bundles;
use crate::fnv::Fnv;
use crate::index::reference::local;

/// A resource under its name.
pub(super) struct Named {
    pub(super) resource: ResourceType,
    pub(super) id: Id,
    pub(super) value: Value,
    /// Where in the item it stood.
    pub(super) place: String,
    /// Whether a reference is still a search (`Practitioner?identifier=…`).
    pub(super) is_open: bool,
}

/// The resources of an item; for those that have no name, why.
pub(super) fn resources(text: &[u8], bundles: Bundles) -> Vec<Result<Named, (String, String)>> {
    let value: Value = match serde_json::from_slice(text) {
        Ok(value) => value,
        Err(cause) => return vec![Err((String::new(), format!("is not JSON: {cause}")))],
    };
    let is_loaded = matches!(value.get("type").and_then(Value::as_str), Some("transaction" | "batch" | "collection"));
    match value.get("resourceType").and_then(Value::as_str) {
        Some("Bundle") if is_loaded && bundles == Bundles::Open => bundle(value),
        _ => vec![named(value, None, None, String::new())],
    }
}

fn bundle(mut bundle: Value) -> Vec<Result<Named, (String, String)>> {
    let Some(Value::Array(entries)) = bundle.get_mut("entry").map(Value::take) else { return Vec::new() };
    let mut names = HashMap::new();
    let mut all = Vec::with_capacity(entries.len());
    for (at, mut entry) in entries.into_iter().enumerate() {
        let Some(resource) = entry.get_mut("resource").map(Value::take) else { continue };
        let full_url = entry.get("fullUrl").and_then(Value::as_str).map(str::to_owned);
        let put = entry.pointer("/request/url").and_then(Value::as_str).and_then(local).map(|(_, id)| id);
        let named = named(resource, full_url.as_deref(), put, format!("entry {at}"));
        if let (Ok(named), Some(full_url)) = (&named, full_url) {
            let name = format!("{}/{}", named.resource, named.id);
            for condition in conditions(named) {
                names.insert(condition, name.clone());
            }
            names.insert(full_url, name);
        }
        all.push(named);
    }
    for named in all.iter_mut().flatten() {
        named.is_open = resolve(&mut named.value, &names);
    }
    all
}

/// The searches by which other entries may mean this one.
fn conditions(named: &Named) -> Vec<String> {
    let identifiers = named.value.get("identifier").and_then(Value::as_array);
    let text =
        |identifier: &Value, name: &str| identifier.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    identifiers
        .into_iter()
        .flatten()
        .map(|one| format!("{}?identifier={}|{}", named.resource, text(one, "system"), text(one, "value")))
        .collect()
}

fn named(value: Value, full_url: Option<&str>, put: Option<String>, place: String) -> Result<Named, (String, String)> {
    let fault = |text: &str| Err((place.clone(), text.to_owned()));
    let Some(name) = value.get("resourceType").and_then(Value::as_str) else {
        return fault("has no resourceType");
    };
    let Some(resource) = ResourceType::parse(name) else {
        return fault("has a resourceType that is none of R4");
    };
    let own = value.get("id").and_then(Value::as_str).map(str::to_owned);
    let from_url = || {
        let full_url = full_url?;
        full_url.strip_prefix("urn:uuid:").or_else(|| full_url.rsplit('/').next()).map(str::to_owned)
    };
    let digest = || Fnv::new().with(full_url.unwrap_or_default()).with(&value.to_string()).hex();
    let id = put.or(own).or_else(from_url).and_then(|id| Id::parse(&id));
    let Some(id) = id.or_else(|| value.get("id").is_none().then(|| Id::parse(&digest())).flatten()) else {
        return fault("has an id that is not 1 to 64 letters, digits, `-` and `.`");
    };
    Ok(Named { resource, id, value, place, is_open: false })
}

/// Puts names in place of what the Bundle calls its entries; tells whether searches remain.
fn resolve(value: &mut Value, names: &HashMap<String, String>) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |open, item| resolve(item, names) | open),
        Value::Object(fields) => fields.iter_mut().fold(false, |open, (name, value)| match value {
            Value::String(text) => {
                if let Some(known) =
                    names.get(text.as_str()).filter(|_| name == "reference" || text.starts_with("urn:"))
                {
                    known.clone_into(text);
                }
                open | (name == "reference" && is_search(text))
            }
            other => resolve(other, names) | open,
        }),
        Value::String(text) => {
            if let Some(known) = names.get(text.as_str()).filter(|_| text.starts_with("urn:")) {
                known.clone_into(text);
            }
            false
        }
        _ => false,
    }
}

fn is_search(text: &str) -> bool {
    searched(text).is_some()
}

/// The type that a reference searches, if it is a search.
fn searched(text: &str) -> Option<ResourceType> {
    text.split_once('?').and_then(|(name, _)| ResourceType::parse(name))
}

/// Whether a type is one that others name by a search: few, and loaded before those that name them.
pub(super) fn is_directory(resource: ResourceType) -> bool {
    matches!(
        resource.name(),
        "Practitioner"
            | "PractitionerRole"
            | "Organization"
            | "Location"
            | "HealthcareService"
            | "Device"
            | "Medication"
    )
}

/// A type outside the directories that a reference of the resource searches.
pub(super) fn searched_elsewhere(value: &Value) -> Option<ResourceType> {
    match value {
        Value::Array(items) => items.iter().find_map(searched_elsewhere),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| match value {
            Value::String(text) if name == "reference" => searched(text).filter(|resource| !is_directory(*resource)),
            other => searched_elsewhere(other),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(value: &Value, expect: &[&str]) {
        let found: Vec<_> = resources(value.to_string().as_bytes(), Bundles::Open)
            .into_iter()
            .map(|one| match one {
                Ok(named) => format!(
                    "{}/{} {}",
                    named.resource,
                    named.id,
                    named.value["subject"]["reference"].as_str().unwrap_or("")
                ),
                Err((_, reason)) => reason,
            })
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn entries_of_a_bundle_have_the_names_of_their_uuids() {
        check(
            &json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
                { "fullUrl": "urn:uuid:a", "resource": { "resourceType": "Patient", "identifier": [{ "system": "s", "value": "1" }] } },
                { "fullUrl": "urn:uuid:b", "resource": { "resourceType": "Observation", "id": "b", "subject": { "reference": "urn:uuid:a" } } },
                { "fullUrl": "urn:uuid:c", "resource": { "resourceType": "Observation", "subject": { "reference": "Patient?identifier=s|1" } } },
                { "request": { "method": "PUT", "url": "Observation/d" }, "resource": { "resourceType": "Observation" } },
            ] }),
            &["Patient/a ", "Observation/b Patient/a", "Observation/c Patient/a", "Observation/d "],
        );
    }

    #[test]
    fn a_document_is_a_resource_and_its_parts_are_not() {
        check(&json!({ "resourceType": "Bundle", "id": "x", "type": "document", "entry": [] }), &["Bundle/x "]);
    }

    #[test]
    fn what_has_no_name_gets_one_that_stays() {
        let once = resources(br#"{"resourceType":"Patient"}"#, Bundles::Open);
        let again = resources(br#"{"resourceType":"Patient"}"#, Bundles::Open);
        assert_eq!(once[0].as_ref().ok().unwrap().id, again[0].as_ref().ok().unwrap().id);
    }

    #[test]
    fn what_cannot_be_stored_is_told() {
        check(&json!({ "id": "1" }), &["has no resourceType"]);
        check(&json!({ "resourceType": "Nothing" }), &["has a resourceType that is none of R4"]);
        check(
            &json!({ "resourceType": "Patient", "id": "a b" }),
            &["has an id that is not 1 to 64 letters, digits, `-` and `.`"],
        );
    }
}
