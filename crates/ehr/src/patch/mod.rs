//! PATCH: JSON Patch (RFC 6902) and FHIRPath Patch (R4, 3.1.0.8); and, which R4 leaves open, JSON Merge Patch (RFC 7396), the
//! habit of clients that send the elements to change and nothing else.

mod fhirpath;
mod json;
mod merge;

use bascule_fhir::ResourceType;
use serde_json::Value;

use crate::Refusal;
use crate::ask::{Ask, Content};

/// The resource after the patch.
pub(crate) fn apply(ask: &Ask, resource: ResourceType, mut value: Value) -> Result<Value, Refusal> {
    let body = match &ask.value {
        Some(body) => body.clone(),
        None => serde_json::from_slice(&ask.body)
            .map_err(|cause| Refusal::invalid(format!("the patch is not JSON: {cause}")))?,
    };
    let kind = body.get("resourceType").and_then(Value::as_str);
    match (ask.content, kind, &body) {
        (Content::JsonPatch, _, Value::Array(operations)) => json::apply(&mut value, operations)?,
        (_, Some("Parameters"), _) => fhirpath::apply(resource, &mut value, &body)?,
        // In a Bundle a JSON Patch comes as a Binary.
        (_, Some("Binary"), _) => json::apply(&mut value, &binary(&body)?)?,
        (Content::PlainJson, kind, Value::Object(_)) if kind.is_none_or(|kind| kind == resource.name()) => {
            merge::apply(&mut value, body);
        }
        (Content::JsonPatch, ..) => return Err(Refusal::invalid("a JSON Patch is an array of operations")),
        _ => {
            let text = "a patch is a JSON Patch (application/json-patch+json), Parameters of a FHIRPath Patch, or a JSON Merge \
                        Patch (application/merge-patch+json)";
            return Err(Refusal::unsupported(text));
        }
    }
    Ok(value)
}

fn binary(body: &Value) -> Result<Vec<Value>, Refusal> {
    use base64::Engine;
    let data = body.get("data").and_then(Value::as_str).unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.decode(data).ok();
    let operations = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    operations.ok_or_else(|| Refusal::invalid("the Binary's data must be a JSON Patch in base64"))
}
