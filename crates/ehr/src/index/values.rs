//! A FHIR value, as the search kind of its parameter compares it (R4, 3.1.1.5: the tables under each kind).
//!
//! The datatype is told by its shape: within one kind the shapes are distinct, but for a ContactPoint and an Identifier.

use bascule_fhir::search::SearchKind;
use bascule_fhir::ucum;
use serde_json::{Map, Value};

use super::decimal;
use super::moment;
use super::reference::{Target, target};
use super::row::{Real, RowValue};

type Fields = Map<String, Value>;

/// The rows of one value under a kind; several for a CodeableConcept or a name, none for what it does not compare.
pub(crate) fn rows(kind: SearchKind, value: &Value, type_name: Option<&str>, base: &str, rows: &mut Vec<RowValue>) {
    match kind {
        SearchKind::Token => tokens(value, type_name == Some("ContactPoint"), rows),
        SearchKind::String => texts(value, rows),
        SearchKind::Reference => rows.extend(reference(value, base)),
        SearchKind::Uri => rows.extend(value.as_str().map(|text| RowValue::Uri(text.to_owned()))),
        SearchKind::Date => rows.extend(moment::of(value).map(|span| RowValue::Date(span.low, span.high))),
        SearchKind::Number => rows.extend(number(value)),
        SearchKind::Quantity => rows.extend(quantity(value)),
        SearchKind::Composite | SearchKind::Special => {}
    }
}

fn text_of<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn tokens(value: &Value, is_contact_point: bool, rows: &mut Vec<RowValue>) {
    match value {
        Value::String(code) => rows.push(token("", code, "")),
        Value::Bool(truth) => rows.push(token("", if *truth { "true" } else { "false" }, "")),
        Value::Number(number) => rows.push(token("", number.as_str(), "")),
        Value::Object(fields) => {
            let before = rows.len();
            token_of(fields, is_contact_point, rows);
            // Nothing to compare, and yet not missing.
            if rows.len() == before {
                rows.push(token("", "", ""));
            }
        }
        Value::Array(_) | Value::Null => {}
    }
}

fn token(system: &str, code: &str, display: &str) -> RowValue {
    RowValue::Token { system: system.to_owned(), code: code.to_owned(), display: super::fold::fold(display) }
}

fn token_of(fields: &Fields, is_contact_point: bool, rows: &mut Vec<RowValue>) {
    if let Some(codings) = fields.get("coding").and_then(Value::as_array) {
        codings.iter().filter_map(Value::as_object).for_each(|coding| rows.extend(coding_of(coding)));
    }
    // Only an Identifier has a type; it may stand without its value.
    let is_value = fields.contains_key("value") || fields.contains_key("type") || fields.contains_key("assigner");
    if is_value {
        // `ContactPoint.system` is a word for the medium, not a name space.
        let system = if is_contact_point { "" } else { text_of(fields, "system") };
        let display = fields.get("type").and_then(|kind| kind.get("text")).and_then(Value::as_str).unwrap_or_default();
        rows.push(token(system, text_of(fields, "value"), display));
    } else if fields.contains_key("code") || fields.contains_key("display") || fields.contains_key("system") {
        rows.extend(coding_of(fields));
    }
    let text = text_of(fields, "text");
    if !is_value && !text.is_empty() {
        rows.push(token("", "", text));
    }
}

fn coding_of(coding: &Fields) -> Option<RowValue> {
    let (system, code, display) = (text_of(coding, "system"), text_of(coding, "code"), text_of(coding, "display"));
    (!(system.is_empty() && code.is_empty() && display.is_empty())).then(|| token(system, code, display))
}

/// The rows of `:of-type`: the identifier's type, and `code|value` of it.
pub(crate) fn typed_identifier(value: &Value, rows: &mut Vec<RowValue>) {
    let Some(fields) = value.as_object() else { return };
    let codings = fields.get("type").and_then(|kind| kind.get("coding")).and_then(Value::as_array);
    for coding in codings.into_iter().flatten().filter_map(Value::as_object) {
        let code = format!("{}|{}", text_of(coding, "code"), text_of(fields, "value"));
        rows.push(token(text_of(coding, "system"), &code, ""));
    }
}

/// The rows of `:identifier` on a reference.
pub(crate) fn reference_identifier(value: &Value, rows: &mut Vec<RowValue>) {
    if let Some(identifier) = value.get("identifier").and_then(Value::as_object) {
        rows.push(token(text_of(identifier, "system"), text_of(identifier, "value"), ""));
    }
}

/// Parts of a HumanName and an Address that a string search looks at.
const NAMED: [&str; 12] = [
    "family",
    "given",
    "prefix",
    "suffix",
    "text",
    "line",
    "city",
    "district",
    "state",
    "postalCode",
    "country",
    "name",
];

fn texts(value: &Value, rows: &mut Vec<RowValue>) {
    match value {
        Value::String(text) if !text.is_empty() => rows.push(RowValue::Text(text.clone())),
        Value::Object(fields) => {
            for part in NAMED.iter().filter_map(|name| fields.get(*name)) {
                match part {
                    Value::Array(items) => items.iter().for_each(|item| texts(item, rows)),
                    Value::String(_) => texts(part, rows),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Nothing can be asked for by the empty URI: it says that there is a reference, though to nothing that a search can name (a
/// contained resource, an identifier, words), so that it is not missing.
fn reference(value: &Value, base: &str) -> Option<RowValue> {
    let found = match value {
        Value::String(uri) => target(uri, base),
        // A resource that stands in a Bundle is its own reference.
        Value::Object(fields) if fields.contains_key("resourceType") => {
            target(&format!("{}/{}", text_of(fields, "resourceType"), text_of(fields, "id")), base)
        }
        Value::Object(fields) => match fields.get("reference").and_then(Value::as_str) {
            Some(reference) => target(reference, base),
            None => Target::Contained,
        },
        _ => return None,
    };
    match found {
        Target::Here(resource, id) => Some(RowValue::Reference(resource, id)),
        Target::Elsewhere(uri) => Some(RowValue::Uri(uri)),
        Target::Contained => Some(RowValue::Uri(String::new())),
    }
}

fn real(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Number(number) => decimal::parse(number.as_str()).map(|decimal| decimal.value),
        _ => None,
    }
}

fn number(value: &Value) -> Option<RowValue> {
    match value {
        Value::Object(fields) => {
            let (low, high) = bounds(fields)?;
            Some(RowValue::Number(Real(low), Real(high)))
        }
        _ => real(Some(value)).map(|point| RowValue::Number(Real(point), Real(point))),
    }
}

/// Of a Quantity or a Range.
fn bounds(fields: &Fields) -> Option<(f64, f64)> {
    if let Some(point) = real(fields.get("value")) {
        return Some(match text_of(fields, "comparator") {
            "<" | "<=" => (f64::MIN, point),
            ">" | ">=" => (point, f64::MAX),
            _ => (point, point),
        });
    }
    let side = |name: &str| real(fields.get(name).and_then(|quantity| quantity.get("value")));
    let (low, high) = (side("low"), side("high"));
    if low.is_none() && high.is_none() { None } else { Some((low.unwrap_or(f64::MIN), high.unwrap_or(f64::MAX))) }
}

/// The code system of a currency.
const CURRENCIES: &str = "urn:iso:std:iso:4217";

fn quantity(value: &Value) -> Option<RowValue> {
    let fields = value.as_object()?;
    let (low, high) = bounds(fields)?;
    let side = || fields.get("low").or_else(|| fields.get("high")).and_then(Value::as_object);
    let unit = if fields.contains_key("value") { fields } else { side()? };
    let currency = text_of(unit, "currency");
    let (system, code) =
        if currency.is_empty() { (text_of(unit, "system"), text_of(unit, "code")) } else { (CURRENCIES, currency) };
    Some(RowValue::Quantity {
        low: Real(low),
        high: Real(high),
        system: system.to_owned(),
        code: code.to_owned(),
        unit: text_of(unit, "unit").to_owned(),
    })
}

/// The quantity in the base units of UCUM, if its unit is one that converts.
pub(crate) fn canonical(value: &Value) -> Option<RowValue> {
    let RowValue::Quantity { system, code, .. } = quantity(value)? else { return None };
    if system != ucum::SYSTEM {
        return None;
    }
    let ucum::Canonical { shift, factor, unit } = ucum::canonical(&code)?;
    let fields = value.as_object()?;
    let point = |quantity: Option<&Value>| match quantity?.get("value")? {
        Value::Number(number) => decimal::scaled(number.as_str(), shift, factor).map(|decimal| decimal.value),
        _ => None,
    };
    let (low, high) = if fields.contains_key("value") {
        let point = point(Some(value))?;
        match text_of(fields, "comparator") {
            "<" | "<=" => (f64::MIN, point),
            ">" | ">=" => (point, f64::MAX),
            _ => (point, point),
        }
    } else {
        let side = |name: &str| fields.get(name).filter(|side| side.get("code").and_then(Value::as_str) == Some(&code));
        (point(side("low")).unwrap_or(f64::MIN), point(side("high")).unwrap_or(f64::MAX))
    };
    Some(RowValue::Quantity { low: Real(low), high: Real(high), system, code: unit, unit: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(kind: SearchKind, value: Value) -> Vec<RowValue> {
        let mut found = Vec::new();
        let type_name = value.get("rank").map(|_| "ContactPoint");
        rows(kind, &value, type_name, "http://ehr", &mut found);
        found
    }

    fn pairs(value: Value) -> Vec<String> {
        of(SearchKind::Token, value)
            .into_iter()
            .map(|row| match row {
                RowValue::Token { system, code, display } => format!("{system}|{code} {display}"),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn every_token_datatype_has_its_pair() {
        assert_eq!(pairs(json!("male")), ["|male "]);
        assert_eq!(pairs(json!(true)), ["|true "]);
        assert_eq!(pairs(json!({ "system": "s", "code": "c", "display": "Shown" })), ["s|c shown"]);
        assert_eq!(pairs(json!({ "coding": [{ "system": "s", "code": "c" }], "text": "Free" })), ["s|c ", "| free"]);
        assert_eq!(pairs(json!({ "system": "s", "value": "42", "type": { "text": "MRN" } })), ["s|42 mrn"]);
        assert_eq!(pairs(json!({ "system": "s", "type": { "text": "MRN" } })), ["s| mrn"]);
        assert_eq!(pairs(json!({ "system": "phone", "value": "555", "rank": 1 })), ["|555 "]);
        assert_eq!(pairs(json!({ "use": "official" })), ["| "]);
    }

    #[test]
    fn a_name_is_each_of_its_parts() {
        let name = json!({ "use": "official", "family": "van den Berg", "given": ["Anna", "Maria"] });
        let parts =
            [RowValue::Text("van den Berg".into()), RowValue::Text("Anna".into()), RowValue::Text("Maria".into())];
        assert_eq!(of(SearchKind::String, name), parts);
    }

    #[test]
    fn a_quantity_below_detection_reaches_down() {
        let found = of(SearchKind::Quantity, json!({ "value": 5, "comparator": "<", "unit": "mg", "code": "mg" }));
        assert!(
            matches!(found.as_slice(), [RowValue::Quantity { low: Real(low), high: Real(5.0), .. }] if *low == f64::MIN)
        );
    }

    #[test]
    fn money_is_a_quantity_of_its_currency() {
        let found = of(SearchKind::Quantity, json!({ "value": 12.5, "currency": "USD" }));
        assert!(matches!(found.as_slice(), [RowValue::Quantity { code, .. }] if code == "USD"));
    }
}
