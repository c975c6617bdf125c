//! `_summary` and `_elements`: a resource with less in it, marked as such.

use bascule_fhir::{Query, ResourceType, Type};
use serde_json::{Map, Value, json};

use crate::Refusal;
use crate::search::Summary;

/// How resources are shown.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) summary: Summary,
    pub(crate) elements: Vec<String>,
}

impl Shape {
    /// As a read's query asks.
    pub(crate) fn of(query: &Query) -> Result<Self, Refusal> {
        let mut shape = Self { summary: Summary::Whole, elements: Vec::new() };
        for parameter in &query.parameters {
            match (parameter.name.as_str(), parameter.value.as_str()) {
                ("_elements", value) => shape.elements.extend(value.split(',').map(|name| name.trim().to_owned())),
                ("_summary", "true") => shape.summary = Summary::Elements,
                ("_summary", "text") => shape.summary = Summary::Text,
                ("_summary", "data") => shape.summary = Summary::Data,
                ("_summary", "false") | ("_format" | "_pretty", _) => {}
                ("_summary", _) => {
                    return Err(Refusal::invalid("`_summary` of one resource is true, text, data or false"));
                }
                (name, _) => {
                    let text =
                        format!("`{name}` is not a parameter of a read; _elements, _summary, _format and _pretty are");
                    return Err(Refusal::unsupported(text));
                }
            }
        }
        Ok(shape)
    }

    /// Whether resources leave as they are stored.
    pub(crate) fn is_whole(&self) -> bool {
        self.summary == Summary::Whole && self.elements.is_empty()
    }

    /// The body in this shape.
    pub(crate) fn apply(&self, resource: ResourceType, body: &str) -> Result<String, Refusal> {
        if self.is_whole() {
            return Ok(body.to_owned());
        }
        let mut value: Value = serde_json::from_str(body).map_err(|cause| Refusal::fault(&cause))?;
        if let (Some(fields), Some(kind)) = (value.as_object_mut(), Type::of(resource)) {
            fields.retain(|name, _| self.keeps(kind, name));
            if self.summary == Summary::Elements && self.elements.is_empty() {
                summarize(fields, kind);
            }
            mark(fields);
        }
        Ok(value.to_string())
    }

    fn keeps(&self, kind: &Type, name: &str) -> bool {
        if matches!(name, "resourceType" | "id" | "meta") {
            return true;
        }
        let bare = name.trim_start_matches('_');
        let element = kind.child(bare);
        let mandatory = element.is_some_and(|element| element.min > 0 || element.modifier);
        if !self.elements.is_empty() {
            return mandatory
                || self.elements.iter().any(|asked| is_asked(kind, element.and_then(|one| one.choice), asked, bare));
        }
        match self.summary {
            Summary::Elements => element.is_some_and(|element| element.summary),
            Summary::Text => bare == "text" || mandatory,
            Summary::Data => bare != "text",
            Summary::Whole | Summary::Count => true,
        }
    }
}

/// `name`, `Patient.name`, `value` for `valueQuantity`.
fn is_asked(kind: &Type, choice: Option<&str>, asked: &str, name: &str) -> bool {
    let asked = asked.strip_prefix(kind.name).and_then(|rest| rest.strip_prefix('.')).unwrap_or(asked);
    let first = asked.split('.').next().unwrap_or(asked).trim_end_matches("[x]");
    first == name || choice == Some(first)
}

/// Inside backbone elements, too, only what is marked as summary stays.
fn summarize(fields: &mut Map<String, Value>, kind: &Type) {
    for (name, value) in fields.iter_mut() {
        let Some(inner) =
            kind.child(name).and_then(bascule_fhir::Element::kind).filter(|inner| inner.name.contains('.'))
        else {
            continue;
        };
        match value {
            Value::Object(fields) => summarize_one(fields, inner),
            Value::Array(items) => {
                items.iter_mut().filter_map(Value::as_object_mut).for_each(|fields| summarize_one(fields, inner));
            }
            _ => {}
        }
    }
}

fn summarize_one(fields: &mut Map<String, Value>, kind: &Type) {
    let keeps =
        |name: &str| kind.child(name.trim_start_matches('_')).is_some_and(|element| element.summary || element.min > 0);
    fields.retain(|name, _| name == "id" || keeps(name));
    summarize(fields, kind);
}

/// A client that writes it back must see that it is not all.
fn mark(fields: &mut Map<String, Value>) {
    let meta = fields.entry("meta").or_insert_with(|| json!({}));
    let Some(tags) = meta.as_object_mut().map(|meta| meta.entry("tag").or_insert_with(|| json!([]))) else { return };
    if let Some(tags) = tags.as_array_mut() {
        tags.push(
            json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED" }),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expect: &str) {
        let body = r#"{"resourceType":"Observation","id":"1","text":{"status":"generated","div":"<div/>"},"status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50},"note":[{"text":"n"}]}"#;
        let shape = Shape::of(&crate::ask::query(query)).unwrap();
        let shaped = shape.apply(ResourceType::parse("Observation").unwrap(), body).unwrap();
        let value: Value = serde_json::from_str(&shaped).unwrap();
        let names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names.join(" "), expect, "{query}");
    }

    #[test]
    fn what_is_shown_is_what_was_asked_and_what_must_be() {
        check("", "resourceType id text status code valueQuantity note");
        check("_elements=value", "resourceType id status code valueQuantity meta");
        check("_elements=Observation.note", "resourceType id status code note meta");
        check("_summary=true", "resourceType id status code valueQuantity meta");
        check("_summary=text", "resourceType id text status code meta");
        check("_summary=data", "resourceType id status code valueQuantity note meta");
    }
}
