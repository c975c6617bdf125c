//! Small readers of FHIR datatypes.

use serde_json::Value;

use super::super::words::When;

/// The text at a JSON pointer.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

/// The date at a JSON pointer.
pub(super) fn when(value: &Value, pointer: &str) -> Option<When> {
    text(value, pointer).and_then(When::parse)
}

/// The first of several places that holds a date.
pub(super) fn first_when(value: &Value, pointers: &[&str]) -> Option<When> {
    pointers.iter().find_map(|pointer| when(value, pointer))
}

/// The list at a JSON pointer; empty if there is none.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What a CodeableConcept says: its text, or a display, or a code.
pub(super) fn concept(value: &Value, pointer: &str) -> Option<String> {
    let concept = value.pointer(pointer)?;
    let coded = |key: &str| list(concept, "/coding").iter().find_map(|coding| text(coding, key));
    text(concept, "/text").or_else(|| coded("/display")).or_else(|| coded("/code")).map(str::to_owned)
}

/// Whether a CodeableConcept has this code, whatever its system.
pub(super) fn coded(value: &Value, pointer: &str, code: &str) -> bool {
    value
        .pointer(pointer)
        .is_some_and(|concept| list(concept, "/coding").iter().any(|coding| text(coding, "/code") == Some(code)))
}

/// What a Reference is called.
pub(super) fn display(value: &Value, pointer: &str) -> Option<String> {
    text(value, &format!("{pointer}/display")).map(str::to_owned)
}

/// The number of a Quantity as it was written, and as a number.
pub(super) fn number(value: &Value, pointer: &str) -> Option<(String, f64)> {
    let Value::Number(number) = value.pointer(pointer)? else { return None };
    Some((number.to_string(), number.as_f64()?))
}

/// The id of a resource.
pub(super) fn id(value: &Value) -> String {
    text(value, "/id").unwrap_or_default().to_owned()
}
