//! From "the one with this identifier" to "this one, at this version": conditional updates become updates of what the chart has,
//! or creations. Not every chart knows conditional updates, and the bridge's policy tells a change from a creation.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::chart::{Chart, Trouble};
use crate::map::{Identifier, Mapped};

/// Identifiers asked for at once.
const ASKED_MAX: usize = 10;

/// The transaction as it is sent. Whoever writes one of these resources meanwhile makes it fail whole, and it is tried again.
///
/// # Errors
/// [`Trouble`]; `Refused` if two resources of the chart bear one identity.
pub(crate) async fn resolve(chart: &Chart, mapped: &Mapped) -> Result<Value, Trouble> {
    let mut by_kind: BTreeMap<&str, Vec<Identifier>> = BTreeMap::new();
    for identity in &mapped.identities {
        by_kind.entry(&identity.kind).or_default().push(identity.identifier.clone());
    }
    let mut found: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (kind, identifiers) in by_kind {
        for some in identifiers.chunks(ASKED_MAX) {
            found.entry(kind).or_default().extend(chart.find(kind, some).await?);
        }
    }
    let mut bundle = mapped.bundle.clone();
    let mut entries = bundle.get_mut("entry").and_then(Value::as_array_mut);
    for identity in &mapped.identities {
        let Some(entry) = entries.as_mut().and_then(|entries| entries.get_mut(identity.place)) else { continue };
        let known = found.get(identity.kind.as_str()).map(Vec::as_slice).unwrap_or_default();
        aim(entry, &identity.kind, &identity.identifier, known)?;
    }
    Ok(bundle)
}

fn aim(entry: &mut Value, kind: &str, identifier: &Identifier, known: &[Value]) -> Result<(), Trouble> {
    let mut bearing = known.iter().filter(|resource| bears(resource, identifier));
    let (first, second) = (bearing.next(), bearing.next());
    if second.is_some() {
        return Err(Trouble::Refused(format!(
            "two resources of type {kind} bear one number of this message; mend the chart"
        )));
    }
    let Some(entry) = entry.as_object_mut() else { return Ok(()) };
    let request =
        match first.and_then(|resource| resource.get("id")?.as_str().map(|id| (id.to_owned(), version(resource)))) {
            None => json!({ "method": "POST", "url": kind, "ifNoneExist": identifier.criterion() }),
            Some((id, version)) => {
                if let Some(resource) = entry.get_mut("resource").and_then(Value::as_object_mut) {
                    resource.insert("id".to_owned(), Value::from(id.clone()));
                }
                let mut request = json!({ "method": "PUT", "url": format!("{kind}/{id}") });
                if let (Some(version), Some(request)) = (version, request.as_object_mut()) {
                    request.insert("ifMatch".to_owned(), Value::from(format!("W/\"{version}\"")));
                }
                request
            }
        };
    entry.insert("request".to_owned(), request);
    Ok(())
}

fn bears(resource: &Value, identifier: &Identifier) -> bool {
    let all = resource.get("identifier").and_then(Value::as_array).into_iter().flatten();
    let is = |value: &Value, name: &str, text: &str| value.get(name).and_then(Value::as_str) == Some(text);
    all.into_iter().any(|one| is(one, "system", &identifier.system) && is(one, "value", &identifier.value))
}

fn version(resource: &Value) -> Option<String> {
    resource.get("meta")?.get("versionId")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier() -> Identifier {
        Identifier { system: "http://lab.example/observation".into(), value: "f1/718-7/".into() }
    }

    fn resource(id: &str) -> Value {
        json!({ "resourceType": "Observation", "id": id, "meta": { "versionId": "3" }, "identifier": [identifier_json()] })
    }

    fn identifier_json() -> Value {
        json!({ "system": "http://lab.example/observation", "value": "f1/718-7/" })
    }

    fn aimed(known: &[Value]) -> Result<Value, Trouble> {
        let mut entry = json!({ "resource": { "resourceType": "Observation" }, "request": { "method": "PUT", "url": "Observation?x" } });
        aim(&mut entry, "Observation", &identifier(), known).map(|()| entry)
    }

    #[test]
    fn what_the_chart_has_is_changed_at_the_version_that_was_seen() {
        let entry = aimed(&[resource("o1")]).unwrap();
        assert_eq!(entry["request"], json!({ "method": "PUT", "url": "Observation/o1", "ifMatch": "W/\"3\"" }));
        assert_eq!(entry["resource"]["id"], "o1");
    }

    #[test]
    fn what_it_lacks_is_created_once() {
        let other = json!({ "resourceType": "Observation", "id": "o2", "identifier": [{ "system": "x", "value": "f1/718-7/" }] });
        let entry = aimed(&[other]).unwrap();
        assert_eq!(entry["request"]["method"], "POST");
        assert!(entry["request"]["ifNoneExist"].as_str().unwrap().starts_with("identifier=http%3A"));
    }

    #[test]
    fn two_of_one_identity_need_a_person() {
        assert!(matches!(aimed(&[resource("o1"), resource("o2")]), Err(Trouble::Refused(_))));
    }
}
