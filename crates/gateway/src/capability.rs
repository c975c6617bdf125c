//! The CapabilityStatement: what the bridge lets through for somebody, made of its own tables and the policy in force.
//!
//! It is public, so the upstream is never asked for it: what it says would be the upstream's, and its versions and
//! addresses are nobody's business out here.

use std::collections::{BTreeMap, BTreeSet};

use bascule_fhir::{InteractionKind, ResourceType, Timestamp, search};
use bascule_policy::Policy;
use serde_json::{Value, json};

const OAUTH_URIS: &str = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";
const SECURITY_SERVICE: &str = "http://terminology.hl7.org/CodeSystem/restful-security-service";

/// What policy grants to anybody on a type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The interactions of any grant.
    pub(crate) interactions: BTreeSet<InteractionKind>,
    /// The search parameters of any grant, as bare names; `None` is every parameter of the type.
    pub(crate) search: Option<BTreeSet<String>>,
    /// The operations of any grant, by name without `$`.
    pub(crate) operations: BTreeSet<String>,
}

/// What is offered, by type.
pub(crate) type Offers = BTreeMap<ResourceType, Offer>;

/// What any role is granted on an API.
pub(crate) fn offers(policy: &Policy, api: &str) -> Offers {
    let mut offers = Offers::new();
    let grants = policy.roles().flat_map(|role| &role.grants);
    for grant in grants.filter(|grant| grant.apis.iter().any(|name| name == api)) {
        for resource in grant.elements.keys() {
            let fresh = Offer { search: Some(BTreeSet::new()), ..Offer::default() };
            let offer = offers.entry(*resource).or_insert(fresh);
            offer.interactions.extend(&grant.interactions);
            offer.operations.extend(grant.operations.iter().cloned());
            match (&mut offer.search, &grant.search) {
                (Some(names), Some(granted)) => names.extend(granted.iter().cloned()),
                (search, None) => *search = None,
                (None, Some(_)) => {}
            }
        }
    }
    offers
}

/// The statement of an API.
pub(crate) fn statement(name: &str, base: &str, public_url: &str, offers: &Offers, at: Timestamp) -> Value {
    let resources: Vec<Value> = offers.iter().map(|(resource, offer)| entry(*resource, offer)).collect();
    let mut statement = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": at.to_instant(),
        "kind": "instance",
        "software": { "name": "Bascule", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": format!("Bascule in front of `{name}`"), "url": base },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "patchFormat": ["application/json-patch+json", "application/fhir+json"],
        "rest": [{
            "mode": "server",
            "security": security(public_url),
            "resource": resources,
            "interaction": [{ "code": "batch" }, { "code": "transaction" }],
        }],
    });
    let exports = offers.values().any(|offer| offer.exports("export-system"));
    if let Some(rest) = statement.pointer_mut("/rest/0").and_then(Value::as_object_mut).filter(|_| exports) {
        rest.insert("operation".to_owned(), json!([export("export")]));
    }
    statement
}

/// The operation of the Bulk Data guide.
fn export(definition: &str) -> Value {
    let base = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition";
    json!({ "name": "export", "definition": format!("{base}/{definition}") })
}

/// What may be called on a type.
fn operations(resource: ResourceType, offer: &Offer) -> Vec<Value> {
    let mut all = Vec::new();
    match resource.name() {
        "Patient" if offer.exports("export-patients") => all.push(export("patient-export")),
        "Group" if offer.exports("export-group") => all.push(export("group-export")),
        _ => {}
    }
    if offer.operations.contains("everything") && matches!(resource.name(), "Patient" | "Encounter") {
        let definition = format!("http://hl7.org/fhir/OperationDefinition/{resource}-everything");
        all.push(json!({ "name": "everything", "definition": definition }));
    }
    all
}

impl Offer {
    /// Whether types of it are exported at that level.
    fn exports(&self, level: &str) -> bool {
        self.operations.contains("export") || self.operations.contains(level)
    }
}

fn security(public_url: &str) -> Value {
    let uri = |name: &str| json!({ "url": name, "valueUri": format!("{public_url}/oauth/{name}") });
    let uris = ["authorize", "token", "introspect", "revoke"].map(uri);
    json!({
        "cors": false,
        "extension": [{
            "url": OAUTH_URIS,
            "extension": uris,
        }],
        "service": [{ "coding": [{ "system": SECURITY_SERVICE, "code": "SMART-on-FHIR" }] }],
    })
}

fn entry(resource: ResourceType, offer: &Offer) -> Value {
    let codes = offer.interactions.iter().filter_map(|kind| code(*kind));
    let interactions: Vec<Value> = codes.map(|code| json!({ "code": code })).collect();
    let mut entry = json!({
        "type": resource.name(),
        "interaction": interactions,
        "versioning": "versioned",
    });
    let operations = operations(resource, offer);
    if let Some(fields) = entry.as_object_mut().filter(|_| !operations.is_empty()) {
        fields.insert("operation".to_owned(), Value::Array(operations));
    }
    let parameters = parameters(resource, offer);
    if let Some(fields) = entry.as_object_mut().filter(|_| !parameters.is_empty()) {
        fields.insert("searchParam".to_owned(), Value::Array(parameters));
    }
    entry
}

/// The word of `TypeRestfulInteraction`.
const fn code(kind: InteractionKind) -> Option<&'static str> {
    match kind {
        InteractionKind::Read => Some("read"),
        InteractionKind::Vread => Some("vread"),
        InteractionKind::History => Some("history-instance"),
        InteractionKind::Search => Some("search-type"),
        InteractionKind::Create => Some("create"),
        InteractionKind::Update => Some("update"),
        InteractionKind::Patch => Some("patch"),
        InteractionKind::Delete => Some("delete"),
        InteractionKind::Capabilities
        | InteractionKind::Operation
        | InteractionKind::Batch
        | InteractionKind::Transaction => None,
    }
}

fn parameters(resource: ResourceType, offer: &Offer) -> Vec<Value> {
    if !offer.interactions.contains(&InteractionKind::Search) {
        return Vec::new();
    }
    let granted = |code: &str| offer.search.as_ref().is_none_or(|names| names.contains(code));
    search::parameters(resource)
        .filter(|parameter| granted(parameter.code))
        .map(|parameter| {
            json!({
                "name": parameter.code,
                "definition": parameter.definition(),
                "type": parameter.kind.name(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers() -> Offers {
        let offer = Offer {
            interactions: [InteractionKind::Read, InteractionKind::Search].into(),
            search: Some(["date".to_owned(), "status".to_owned()].into()),
            ..Offer::default()
        };
        let unsearched = Offer { interactions: [InteractionKind::Read].into(), search: None, ..Offer::default() };
        BTreeMap::from([(ResourceType::APPOINTMENT, offer), (ResourceType::PATIENT, unsearched)])
    }

    #[test]
    fn says_what_is_granted_and_no_more() {
        let at = Timestamp::from_seconds(1_700_000_000);
        let said = statement("ehr", "https://b/fhir", "https://b", &offers(), at);
        let appointment = said.pointer("/rest/0/resource/0").unwrap();
        assert_eq!(appointment["type"], "Appointment");
        assert_eq!(appointment["interaction"], json!([{ "code": "read" }, { "code": "search-type" }]));
        let names: Vec<_> = appointment["searchParam"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["date", "status"]);
        let patient = said.pointer("/rest/0/resource/1").unwrap();
        assert!(patient.get("searchParam").is_none(), "a type that is not searched has no parameters");
        assert!(said.pointer("/rest/0/resource/2").is_none());
    }

    #[test]
    fn names_the_endpoints_of_authorization() {
        let said = statement("ehr", "https://b/fhir", "https://b", &offers(), Timestamp::from_seconds(0));
        let uris = said.pointer("/rest/0/security/extension/0/extension").unwrap();
        assert_eq!(uris[0], json!({ "url": "authorize", "valueUri": "https://b/oauth/authorize" }));
        assert_eq!(uris[1], json!({ "url": "token", "valueUri": "https://b/oauth/token" }));
    }
}
