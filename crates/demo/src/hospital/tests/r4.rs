//! Every resource against the definitions of R4: names, cardinality, choice, codes, targets of references.

use bascule_fhir::element::{Element, children};
use bascule_fhir::{ResourceType, codes};
use serde_json::{Map, Value};

use super::hospital;

#[test]
fn every_resource_is_valid_r4() {
    let mut faults: Vec<String> = Vec::new();
    for body in hospital(7, 36) {
        let kind = body["resourceType"].as_str().unwrap();
        object(kind, body.as_object().unwrap(), kind, &mut faults);
    }
    assert!(faults.is_empty(), "{} faults: {:#?}", faults.len(), &faults[..faults.len().min(10)]);
}

#[test]
fn a_resource_that_is_not_valid_is_found() {
    const SOUND: &str = r#"{"schedule":{"reference":"Schedule/a"},"status":"free","start":"2026-01-01T08:00:00-07:00","end":"2026-01-01T09:00:00-07:00"}"#;
    let faults = |text: &str| {
        let body: Value = serde_json::from_str(text).unwrap();
        let mut faults = Vec::new();
        object("Slot", body.as_object().unwrap(), "Slot", &mut faults);
        faults
    };
    assert_eq!(faults(SOUND), Vec::<String>::new());
    for (this, that) in [
        (r#""free""#, r#""empty""#),
        ("Schedule/a", "Patient/a"),
        (r#""start""#, r#""begin""#),
        (r#"{"reference":"Schedule/a"}"#, r#"[{"reference":"Schedule/a"}]"#),
        ("2026-01-01T08:00:00-07:00", "today"),
    ] {
        assert!(!faults(&SOUND.replace(this, that)).is_empty(), "{that}");
    }
}

fn object(type_name: &str, map: &Map<String, Value>, path: &str, faults: &mut Vec<String>) {
    let Some(elements) = children(type_name) else {
        faults.push(format!("{path}: no type {type_name}"));
        return;
    };
    for (key, value) in map.iter().filter(|(key, _)| *key != "resourceType") {
        match elements.iter().find(|element| element.name == key) {
            Some(element) => member(element, value, &format!("{path}.{key}"), faults),
            None => faults.push(format!("{path}: unknown `{key}`")),
        }
    }
    for element in elements.iter().filter(|element| element.min > 0 && element.choice.is_none()) {
        if !map.contains_key(element.name) {
            faults.push(format!("{path}: lacks `{}`", element.name));
        }
    }
    for choice in elements.iter().filter(|element| element.choice.is_some()) {
        let forms =
            elements.iter().filter(|element| element.choice == choice.choice && map.contains_key(element.name)).count();
        if forms > 1 || (forms == 0 && choice.min > 0) {
            faults.push(format!("{path}: {forms} forms of `{}`", choice.defined_name()));
        }
    }
}

fn member(element: &Element, value: &Value, path: &str, faults: &mut Vec<String>) {
    match (element.is_array(), value) {
        (true, Value::Array(values)) if !values.is_empty() => {
            values.iter().for_each(|value| one(element, value, path, faults))
        }
        (false, Value::Array(_)) | (true, _) => faults.push(format!("{path}: array or not")),
        (false, value) => one(element, value, path, faults),
    }
}

fn one(element: &Element, value: &Value, path: &str, faults: &mut Vec<String>) {
    if let Some(list) = element.required_value_set().as_deref().and_then(codes::list)
        && let Value::String(code) = value
        && !list.has(code)
    {
        faults.push(format!("{path}: `{code}` is not one of its codes"));
    }
    match value {
        Value::Object(map) if !element.is_primitive() => {
            if element.type_name == "Reference" {
                target(element, map, path, faults);
            }
            object(element.type_name, map, path, faults);
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) if element.is_primitive() => {
            primitive(element.type_name, value, path, faults)
        }
        _ => faults.push(format!("{path}: {value} is no {}", element.type_name)),
    }
}

fn primitive(type_name: &str, value: &Value, path: &str, faults: &mut Vec<String>) {
    let fits = match type_name {
        "boolean" => value.is_boolean(),
        "integer" | "unsignedInt" | "positiveInt" => value.is_i64() || value.is_u64(),
        "decimal" => value.is_number(),
        "date" => value.as_str().is_some_and(|text| text.len() == 10),
        "dateTime" => value.as_str().is_some_and(|text| text.len() == 10 || text.len() == 25),
        "instant" => value.as_str().is_some_and(|text| text.len() == 25),
        _ => value.as_str().is_some_and(|text| !text.trim().is_empty()),
    };
    if !fits {
        faults.push(format!("{path}: {value} is no {type_name}"));
    }
}

fn target(element: &Element, map: &Map<String, Value>, path: &str, faults: &mut Vec<String>) {
    let Some(Value::String(reference)) = map.get("reference") else { return };
    let kind = reference.split('/').next().and_then(ResourceType::parse);
    if !kind.is_some_and(|kind| element.may_point_at(kind)) {
        faults.push(format!("{path}: may not point at {reference}"));
    }
}
