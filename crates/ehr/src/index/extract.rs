//! The index rows of a resource: each parameter's expression evaluated, each value put in the form of its kind.

use bascule_fhir::fhirpath::{Expression, Found, select, select_from};
use bascule_fhir::{ResourceType, SearchKind};
use serde_json::Value;

use super::definitions::{Definitions, Indexed};
use super::row::{Real, Row, RowValue};
use super::values;
use crate::EhrError;

/// Where a parameter's values lie; nowhere for those that are not read from an element.
pub(crate) type Path = Option<Expression>;

/// Reads an expression of the table.
pub(super) fn read_path(text: &str) -> Result<Path, EhrError> {
    if text.is_empty() {
        return Ok(None);
    }
    Expression::parse(text).map(Some).map_err(|cause| EhrError::Settings(format!("search parameter `{text}`: {cause}")))
}

/// The rows of a resource, sorted, each once.
pub(crate) fn extract(definitions: &Definitions, resource: ResourceType, value: &Value) -> Vec<Row> {
    let mut rows = Vec::with_capacity(32);
    for indexed in definitions.of(resource).iter().filter(|indexed| !is_kept_elsewhere(indexed.parameter.code)) {
        extract_one(indexed, value, &definitions.base, &mut rows);
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// `_id` and `_lastUpdated` are columns of the resource's own row.
fn is_kept_elsewhere(code: &str) -> bool {
    matches!(code, "_id" | "_lastUpdated")
}

fn extract_one(indexed: &Indexed, resource: &Value, base: &str, rows: &mut Vec<Row>) {
    let Some(path) = &indexed.path else { return };
    match indexed.parameter.kind {
        SearchKind::Composite if indexed.shares_rows => {}
        SearchKind::Composite => composite(indexed, path, resource, base, rows),
        SearchKind::Special => place(indexed, path, resource, rows),
        kind => {
            for found in select(resource, path) {
                keep(indexed.code, 0, rows, |values| values::rows(kind, found.value, found.type_name(), base, values));
                beside(indexed, &found, rows);
            }
        }
    }
}

/// The rows of `:of-type` and `:identifier`, and of quantities in base units.
fn beside(indexed: &Indexed, found: &Found<'_>, rows: &mut Vec<Row>) {
    match indexed.parameter.kind {
        SearchKind::Token => keep(indexed.beside, 0, rows, |values| values::typed_identifier(found.value, values)),
        SearchKind::Quantity => keep(indexed.beside, 0, rows, |values| values.extend(values::canonical(found.value))),
        SearchKind::Reference => {
            keep(indexed.beside, 0, rows, |values| values::reference_identifier(found.value, values))
        }
        _ => {}
    }
}

/// Each element that the composite stands on is a slot; its parts are found within it.
fn composite(indexed: &Indexed, path: &Expression, resource: &Value, base: &str, rows: &mut Vec<Row>) {
    for (slot, element) in (1_i64..).zip(select(resource, path)) {
        for part in &indexed.parts {
            let Some(path) = &part.path else { continue };
            for found in select_from(resource, element, path) {
                keep(part.code, slot, rows, |values| {
                    values::rows(part.kind, found.value, found.type_name(), base, values)
                });
                if part.kind == SearchKind::Quantity {
                    keep(part.beside, slot, rows, |values| values.extend(values::canonical(found.value)));
                }
            }
        }
    }
}

/// `Location.near`: latitude and longitude under the parameter's two numbers.
fn place(indexed: &Indexed, path: &Expression, resource: &Value, rows: &mut Vec<Row>) {
    for found in select(resource, path) {
        for (parameter, name) in [(indexed.code, "latitude"), (indexed.beside, "longitude")] {
            let degrees = found.value.get(name).and_then(Value::as_f64);
            rows.extend(degrees.map(|degrees| Row {
                parameter,
                slot: 0,
                value: RowValue::Number(Real(degrees), Real(degrees)),
            }));
        }
    }
}

fn keep(parameter: i64, slot: i64, rows: &mut Vec<Row>, fill: impl FnOnce(&mut Vec<RowValue>)) {
    let mut values = Vec::new();
    fill(&mut values);
    rows.extend(values.into_iter().map(|value| Row { parameter, slot, value }));
}
