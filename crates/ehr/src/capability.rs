//! `metadata`: what this server can do, from the same tables by which it does it.

use bascule_fhir::search::parameters;
use bascule_fhir::{ResourceType, SearchKind, Timestamp};
use serde_json::{Value, json};

use crate::server::{Access, Server};

/// The CapabilityStatement.
pub(crate) fn statement(server: &Server, now: Timestamp) -> Value {
    let rest = json!({
        "mode": "server",
        "security": security(&server.settings.access),
        "resource": ResourceType::all().map(resource).collect::<Vec<_>>(),
        "interaction": codes(&["transaction", "batch", "history-system", "search-system"]),
        "searchParam": common(),
        "operation": [operation("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export")],
    });
    json!({
        "resourceType": "CapabilityStatement",
        "id": "bascule-ehr",
        "url": format!("{}/metadata", server.base()),
        "version": env!("CARGO_PKG_VERSION"),
        "name": "BasculeEhr",
        "title": "Bascule's embedded EHR",
        "status": "active",
        "date": now.to_instant(),
        "kind": "instance",
        "instantiates": ["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"],
        "software": { "name": "bascule-ehr", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": "An embedded FHIR R4 server", "url": server.base() },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "patchFormat": ["application/json-patch+json", "application/fhir+json"],
        "rest": [rest],
    })
}

fn security(access: &Access) -> Value {
    let text = match access {
        Access::Open => "No authentication: this server listens on loopback only.",
        Access::Bearer(_) => "One bearer token, which only the systems in front of this server hold.",
    };
    json!({ "cors": false, "description": text })
}

fn codes(codes: &[&str]) -> Vec<Value> {
    codes.iter().map(|code| json!({ "code": code })).collect()
}

fn operation(name: &str, definition: &str) -> Value {
    json!({ "name": name, "definition": definition })
}

fn resource(resource: ResourceType) -> Value {
    let own: Vec<_> = parameters(resource).filter(|parameter| parameter.code != "_query").collect();
    let references: Vec<_> = own.iter().filter(|parameter| parameter.kind == SearchKind::Reference).collect();
    let includes: Vec<_> = references.iter().map(|parameter| format!("{resource}:{}", parameter.code)).collect();
    let mut statement = json!({
        "type": resource.name(),
        "profile": format!("http://hl7.org/fhir/StructureDefinition/{resource}"),
        "interaction": codes(&[
            "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type",
        ]),
        "versioning": "versioned-update",
        "readHistory": true,
        "updateCreate": true,
        "conditionalCreate": true,
        "conditionalRead": "full-support",
        "conditionalUpdate": true,
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical", "local"],
        "searchParam": own.iter().map(|parameter| json!({
            "name": parameter.code,
            "definition": parameter.definition(),
            "type": parameter.kind.name(),
        })).collect::<Vec<_>>(),
        "operation": operations(resource),
    });
    if let (Some(fields), false) = (statement.as_object_mut(), includes.is_empty()) {
        fields.insert("searchInclude".to_owned(), json!(includes));
    }
    let reverse = reverse_includes(resource);
    if let (Some(fields), false) = (statement.as_object_mut(), reverse.is_empty()) {
        fields.insert("searchRevInclude".to_owned(), json!(reverse));
    }
    statement
}

/// References from other types; those that may point at anything are left out, since every type would list them.
fn reverse_includes(resource: ResourceType) -> Vec<String> {
    let points = |parameter: &&bascule_fhir::SearchParameter| {
        parameter.targets.contains(&resource) && parameter.targets.len() < ResourceType::COUNT
    };
    ResourceType::all()
        .flat_map(|owner| parameters(owner).filter(points).map(move |parameter| format!("{owner}:{}", parameter.code)))
        .collect()
}

fn operations(resource: ResourceType) -> Vec<Value> {
    let mut all = vec![operation("validate", "http://hl7.org/fhir/OperationDefinition/Resource-validate")];
    match resource.name() {
        "Patient" => {
            all.push(operation("everything", "http://hl7.org/fhir/OperationDefinition/Patient-everything"));
            all.push(operation("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export"));
        }
        "Encounter" => {
            all.push(operation("everything", "http://hl7.org/fhir/OperationDefinition/Encounter-everything"))
        }
        "Group" => all.push(operation("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export")),
        "DocumentReference" => {
            all.push(operation("docref", "http://hl7.org/fhir/us/core/OperationDefinition/docref"));
        }
        _ => {}
    }
    all
}

fn common() -> Vec<Value> {
    ["_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"]
        .into_iter()
        .filter_map(bascule_fhir::search::common)
        .map(|parameter| {
            json!({ "name": parameter.code, "definition": parameter.definition(), "type": parameter.kind.name() })
        })
        .collect()
}
