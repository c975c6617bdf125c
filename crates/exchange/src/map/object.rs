//! A JSON object under construction, which holds no empty element: FHIR has none.

use serde_json::{Map, Value};

/// An object of which only what was said is written.
#[derive(Debug, Default)]
pub(crate) struct Object(Map<String, Value>);

impl Object {
    pub(crate) fn resource(kind: &str) -> Self {
        Self::default().with("resourceType", Value::from(kind))
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Option<Value>>) -> Self {
        if let Some(value) = value.into().filter(|value| !is_empty(value)) {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    /// A string, trimmed; nothing if nothing is left.
    pub(crate) fn text(self, name: &str, text: Option<String>) -> Self {
        let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        self.with(name, text.map(Value::from))
    }

    pub(crate) fn list(self, name: &str, values: impl IntoIterator<Item = Value>) -> Self {
        let values: Vec<Value> = values.into_iter().filter(|value| !is_empty(value)).collect();
        self.with(name, Value::from(values))
    }

    /// The object, or nothing if nothing was said.
    pub(crate) fn some(self) -> Option<Value> {
        (!self.0.is_empty()).then_some(Value::Object(self.0))
    }

    pub(crate) fn done(self) -> Value {
        Value::Object(self.0)
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A FHIR `code` out of what a sender wrote: white space inside becomes one blank; `None` if nothing is left.
pub(crate) fn token(text: &str) -> Option<String> {
    let token = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!token.is_empty()).then_some(token)
}
