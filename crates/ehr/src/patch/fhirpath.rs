//! FHIRPath Patch: add, insert, delete, replace and move at the element that a FHIRPath expression finds.

use bascule_fhir::fhirpath::{Expression, select_within};
use bascule_fhir::{Element, ResourceType, Type};
use http::StatusCode;
use serde_json::Value;

use crate::{Issue, Refusal};

/// Operations of one patch.
const OPERATIONS_MAX: usize = 1_000;
/// Steps that the paths of one operation may take through the resource.
const STEPS_MAX: usize = 200_000;

/// Applies the Parameters' operations in order.
pub(super) fn apply(resource: ResourceType, value: &mut Value, parameters: &Value) -> Result<(), Refusal> {
    let operations = parameters.get("parameter").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if operations.len() > OPERATIONS_MAX {
        return Err(Refusal::invalid(format!("a patch has at most {OPERATIONS_MAX} operations")));
    }
    for (at, operation) in operations.iter().enumerate() {
        if operation.get("name").and_then(Value::as_str) != Some("operation") {
            return Err(Refusal::invalid("a FHIRPath Patch has parameters of the name `operation`"));
        }
        Operation::read(operation, at)?.apply(resource, value)?;
    }
    Ok(())
}

struct Operation<'a> {
    parts: &'a [Value],
    place: String,
}

impl<'a> Operation<'a> {
    fn read(operation: &'a Value, at: usize) -> Result<Self, Refusal> {
        let parts = operation.get("part").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Ok(Self { parts, place: format!("Parameters.parameter[{at}]") })
    }

    fn part(&self, name: &str) -> Option<&'a Value> {
        self.parts.iter().find(|part| part.get("name").and_then(Value::as_str) == Some(name))
    }

    fn text(&self, name: &str) -> Result<&'a str, Refusal> {
        let found = self.part(name).and_then(any_value).and_then(Value::as_str);
        found.ok_or_else(|| self.invalid(&format!("needs the part `{name}`")))
    }

    fn number(&self, name: &str) -> Result<usize, Refusal> {
        let found =
            self.part(name).and_then(any_value).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
        found.ok_or_else(|| self.invalid(&format!("needs the part `{name}`, a number from 0")))
    }

    fn invalid(&self, text: &str) -> Refusal {
        Refusal::invalid(format!("the patch operation {text}")).at(self.place.clone())
    }

    fn unprocessable(&self, text: &str) -> Refusal {
        let issue = Issue::error("processing", format!("the patch operation {text}")).at(self.place.clone());
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, issue)
    }

    fn apply(&self, resource: ResourceType, value: &mut Value) -> Result<(), Refusal> {
        let kind = self.text("type")?;
        let path = self.text("path")?;
        let expression = Expression::parse(strip_type(path, resource))
            .map_err(|cause| self.invalid(&format!("has a path that is not understood: {cause}")))?;
        match kind {
            "add" => {
                let found = self.one(value, &expression)?;
                self.add(value, &found, self.text("name")?)
            }
            "replace" => {
                let found = self.one(value, &expression)?;
                self.replace(value, &found)
            }
            "delete" => match self.found(value, &expression)?.as_slice() {
                [] => Ok(()),
                [one] => delete(value, &one.clone()).ok_or_else(|| self.unprocessable("cannot delete that")),
                _ => Err(self.unprocessable("must find one element to delete, not several")),
            },
            "insert" => {
                let new = self.value()?;
                let at = self.number("index")?;
                let items = self.list(value, &expression)?;
                if at > items.len() {
                    return Err(self.unprocessable("has an index beyond the list's end"));
                }
                items.insert(at, new);
                Ok(())
            }
            "move" => {
                let (from, to) = (self.number("source")?, self.number("destination")?);
                let items = self.list(value, &expression)?;
                if from >= items.len() || to >= items.len() {
                    return Err(self.unprocessable("has a source or destination beyond the list's end"));
                }
                let moved = items.remove(from);
                items.insert(to, moved);
                Ok(())
            }
            _ => Err(self.invalid("has a type that is none of add, insert, delete, replace and move")),
        }
    }

    /// The first two: whoever asks wants one, or to know that there are several.
    fn found(&self, value: &Value, expression: &Expression) -> Result<Vec<Place>, Refusal> {
        let found = select_within(value, expression, STEPS_MAX)
            .map_err(|cause| self.unprocessable(&format!("has a path that asks for too much: {cause}")))?;
        Ok(found.iter().filter_map(|found| place_of(value, found.value, found.type_name())).take(2).collect())
    }

    fn one(&self, value: &Value, expression: &Expression) -> Result<Place, Refusal> {
        match self.found(value, expression)?.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(self.unprocessable("finds no element at its path")),
            _ => Err(self.unprocessable("must find one element at its path, not several")),
        }
    }

    /// The array that the path's elements are in.
    fn list<'v>(&self, value: &'v mut Value, expression: &Expression) -> Result<&'v mut Vec<Value>, Refusal> {
        let first = self.found(value, expression)?.into_iter().next();
        let parent = first.and_then(|place| place.parent());
        let items = parent.and_then(|pointer| value.pointer_mut(&pointer)).and_then(Value::as_array_mut);
        items.ok_or_else(|| self.unprocessable("finds no list at its path"))
    }

    fn add(&self, value: &mut Value, place: &Place, name: &str) -> Result<(), Refusal> {
        let kind = place.type_name.and_then(Type::find);
        let part = self.part("value").ok_or_else(|| self.invalid("needs the part `value`"))?;
        let element = kind.and_then(|kind| element_of(kind, name, part));
        let element =
            element.ok_or_else(|| self.unprocessable(&format!("names `{name}`, which is no element there")))?;
        let new = self.value()?;
        let target = value.pointer_mut(&place.pointer).and_then(Value::as_object_mut);
        let target = target.ok_or_else(|| self.unprocessable("cannot add to what it finds"))?;
        if element.is_array() {
            let list = target.entry(element.name).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut().ok_or_else(|| self.unprocessable("finds no list to add to"))?.push(new);
        } else if target.insert(element.name.to_owned(), new).is_some() {
            return Err(self.unprocessable("adds what is there already; use replace"));
        }
        Ok(())
    }

    fn replace(&self, value: &mut Value, place: &Place) -> Result<(), Refusal> {
        let new = self.value()?;
        let there =
            value.pointer_mut(&place.pointer).ok_or_else(|| self.unprocessable("finds no element at its path"))?;
        *there = new;
        Ok(())
    }

    /// A datatype in `value[x]`, or parts that are the fields of an element without a name of its own.
    fn value(&self) -> Result<Value, Refusal> {
        let part = self.part("value").ok_or_else(|| self.invalid("needs the part `value`"))?;
        value_of(part).ok_or_else(|| self.invalid("has a `value` without a value"))
    }
}

fn value_of(part: &Value) -> Option<Value> {
    if let Some(value) = any_value(part) {
        return Some(value.clone());
    }
    if let Some(resource) = part.get("resource") {
        return Some(resource.clone());
    }
    let mut fields = serde_json::Map::new();
    for inner in part.get("part")?.as_array()? {
        let name = inner.get("name")?.as_str()?;
        let value = value_of(inner)?;
        match fields.get_mut(name) {
            Some(Value::Array(items)) => items.push(value),
            Some(there) => *there = Value::Array(vec![there.take(), value]),
            None => drop(fields.insert(name.to_owned(), value)),
        }
    }
    Some(Value::Object(fields))
}

fn any_value(part: &Value) -> Option<&Value> {
    part.as_object()?.iter().find(|(name, _)| name.starts_with("value")).map(|(_, value)| value)
}

/// `value` may mean `valueQuantity`: which form, the parameter's own `value[x]` tells.
fn element_of(kind: &'static Type, name: &str, part: &Value) -> Option<&'static Element> {
    if let Some(element) = kind.child(name) {
        return Some(element);
    }
    let form = part.as_object()?.keys().find_map(|key| key.strip_prefix("value"))?;
    kind.child(&format!("{name}{form}"))
}

/// `Patient.name` stands on the resource as `name` does.
fn strip_type(path: &str, resource: ResourceType) -> &str {
    match path.strip_prefix(resource.name()) {
        Some("") => "$this",
        Some(rest) => rest.strip_prefix('.').unwrap_or(path),
        None => path,
    }
}

/// Where an element is.
#[derive(Clone)]
struct Place {
    pointer: String,
    type_name: Option<&'static str>,
}

impl Place {
    fn parent(&self) -> Option<String> {
        self.pointer.rsplit_once('/').map(|(parent, _)| parent.to_owned())
    }
}

/// What was found is borrowed from the resource; its address says where.
fn place_of(root: &Value, found: &Value, type_name: Option<&'static str>) -> Option<Place> {
    pointer_to(root, found, String::new()).map(|pointer| Place { pointer, type_name })
}

fn pointer_to(at: &Value, found: &Value, pointer: String) -> Option<String> {
    if std::ptr::eq(at, found) {
        return Some(pointer);
    }
    match at {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            pointer_to(value, found, format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")))
        }),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(at, value)| pointer_to(value, found, format!("{pointer}/{at}")))
        }
        _ => None,
    }
}

/// Takes the element out; a list that becomes empty goes with it.
fn delete(value: &mut Value, place: &Place) -> Option<()> {
    let (parent, last) = place.pointer.rsplit_once('/')?;
    let last = last.replace("~1", "/").replace("~0", "~");
    let emptied = match value.pointer_mut(parent)? {
        Value::Object(fields) => {
            fields.shift_remove(&last)?;
            false
        }
        Value::Array(items) => {
            let at: usize = last.parse().ok()?;
            if at >= items.len() {
                return None;
            }
            items.remove(at);
            items.is_empty()
        }
        _ => return None,
    };
    if emptied {
        return delete(value, &Place { pointer: parent.to_owned(), type_name: None });
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn operation(parts: &[(&str, &str, Value)]) -> Value {
        let parts: Vec<_> = parts.iter().map(|(name, form, value)| json!({ "name": name, *form: value })).collect();
        json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": parts }] })
    }

    fn check(parts: &[(&str, &str, Value)], expect: Result<Value, u16>) {
        let mut value = json!({ "resourceType": "Patient", "name": [{ "family": "A" }, { "family": "B" }], "gender": "male", "active": true });
        let done = apply(ResourceType::PATIENT, &mut value, &operation(parts));
        assert_eq!(done.map(|()| value).map_err(|refusal| refusal.status.as_u16()), expect);
    }

    #[test]
    fn every_operation_of_the_specification() {
        let path = |path: &str| ("path", "valueString", json!(path));
        let kind = |kind: &str| ("type", "valueCode", json!(kind));
        check(
            &[kind("replace"), path("Patient.gender"), ("value", "valueCode", json!("female"))],
            Ok(
                json!({ "resourceType": "Patient", "name": [{ "family": "A" }, { "family": "B" }], "gender": "female", "active": true }),
            ),
        );
        check(
            &[
                kind("add"),
                path("Patient"),
                ("name", "valueString", json!("birthDate")),
                ("value", "valueDate", json!("1970")),
            ],
            Ok(
                json!({ "resourceType": "Patient", "name": [{ "family": "A" }, { "family": "B" }], "gender": "male", "active": true, "birthDate": "1970" }),
            ),
        );
        check(
            &[
                kind("add"),
                path("Patient"),
                ("name", "valueString", json!("deceased")),
                ("value", "valueBoolean", json!(true)),
            ],
            Ok(
                json!({ "resourceType": "Patient", "name": [{ "family": "A" }, { "family": "B" }], "gender": "male", "active": true, "deceasedBoolean": true }),
            ),
        );
        check(
            &[kind("delete"), path("Patient.name.where(family = 'A')")],
            Ok(json!({ "resourceType": "Patient", "name": [{ "family": "B" }], "gender": "male", "active": true })),
        );
        check(
            &[
                kind("move"),
                path("Patient.name"),
                ("source", "valueInteger", json!(1)),
                ("destination", "valueInteger", json!(0)),
            ],
            Ok(
                json!({ "resourceType": "Patient", "name": [{ "family": "B" }, { "family": "A" }], "gender": "male", "active": true }),
            ),
        );
        check(
            &[
                kind("insert"),
                path("Patient.name"),
                ("index", "valueInteger", json!(1)),
                ("value", "valueHumanName", json!({ "family": "C" })),
            ],
            Ok(
                json!({ "resourceType": "Patient", "name": [{ "family": "A" }, { "family": "C" }, { "family": "B" }], "gender": "male", "active": true }),
            ),
        );
    }

    #[test]
    fn a_path_that_asks_for_endless_work_is_refused() {
        let names: Vec<_> = (0..500).map(|number| json!({ "family": format!("F{number}") })).collect();
        let mut value = json!({ "resourceType": "Patient", "name": names });
        let path = "Patient.name.where(%resource.name.where(%resource.name.where(family = 'x').exists()).exists())";
        let parts = [("type", "valueCode", json!("delete")), ("path", "valueString", json!(path))];
        let refusal = apply(ResourceType::PATIENT, &mut value, &operation(&parts)).unwrap_err();
        assert_eq!(refusal.status, 422);
        assert!(refusal.text().contains("steps"), "{}", refusal.text());
    }

    #[test]
    fn what_cannot_be_done_is_told() {
        let path = |path: &str| ("path", "valueString", json!(path));
        check(
            &[
                ("type", "valueCode", json!("replace")),
                path("Patient.birthDate"),
                ("value", "valueDate", json!("1970")),
            ],
            Err(422),
        );
        check(&[("type", "valueCode", json!("delete")), path("Patient.name")], Err(422));
        check(&[("type", "valueCode", json!("jump")), path("Patient.name")], Err(400));
        check(&[("type", "valueCode", json!("delete")), path("Patient.(")], Err(400));
        check(
            &[
                ("type", "valueCode", json!("add")),
                path("Patient"),
                ("name", "valueString", json!("nam")),
                ("value", "valueString", json!("x")),
            ],
            Err(422),
        );
    }
}
