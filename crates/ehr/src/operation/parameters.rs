//! What an operation was given: by its URL, or by a Parameters resource.

use serde_json::Value;

use crate::Refusal;
use crate::ask::Ask;

/// Names and values, in order; a complex value is its JSON.
pub(super) struct Given {
    pub(super) values: Vec<(String, String)>,
    /// The resource that came as a parameter, or as the whole body.
    pub(super) resource: Option<Value>,
}

impl Given {
    /// Reads URL and body.
    pub(super) fn read(ask: &mut Ask) -> Result<Self, Refusal> {
        let mut values: Vec<_> =
            ask.query.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.value.clone())).collect();
        let body = match ask.value.take() {
            Some(body) => Some(body),
            None if ask.body.is_empty() => None,
            None => Some(
                serde_json::from_slice::<Value>(&ask.body)
                    .map_err(|cause| Refusal::invalid(format!("the body is not JSON: {cause}")))?,
            ),
        };
        let Some(body) = body else { return Ok(Self { values, resource: None }) };
        if body.get("resourceType").and_then(Value::as_str) != Some("Parameters") {
            return Ok(Self { values, resource: Some(body) });
        }
        let mut resource = None;
        for parameter in body.get("parameter").and_then(Value::as_array).into_iter().flatten() {
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Some(inner) = parameter.get("resource") {
                resource = Some(inner.clone());
            } else if let Some((_, value)) =
                parameter.as_object().into_iter().flatten().find(|(name, _)| name.starts_with("value"))
            {
                let text = match value {
                    Value::String(text) => text.clone(),
                    // A reference parameter is meant by what it points at.
                    other => {
                        other.get("reference").and_then(Value::as_str).map_or_else(|| other.to_string(), str::to_owned)
                    }
                };
                values.push((name, text));
            }
        }
        Ok(Self { values, resource })
    }

    /// The first value of that name.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
