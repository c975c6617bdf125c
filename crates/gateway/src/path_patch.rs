//! FHIRPath Patch (FHIR R4, section 3.1.0.8.2), as far as it must be read to know what it touches. A path names elements
//! one below the other, with indices at most: a function in it could ask about what is hidden.

use bascule_fhir::element::{Element, Type};
use bascule_fhir::{Id, ResourceType};
use serde_json::Value;

use crate::patch::Touched;

/// Operations of one patch.
const OPERATIONS_MAX: usize = 1_000;
/// `part` in `part`, at most.
const PARTS_MAX: usize = 16;

/// Reads the Parameters; `None` if they are no FHIRPath Patch of that type, or one that cannot be told apart.
pub(crate) fn touched(resource: ResourceType, parameters: &Value) -> Option<Touched> {
    if parameters.get("resourceType").and_then(Value::as_str) != Some("Parameters") {
        return None;
    }
    let operations = parameters.get("parameter")?.as_array().filter(|all| all.len() <= OPERATIONS_MAX)?;
    let mut touched = Touched::default();
    for operation in operations {
        if operation.get("name").and_then(Value::as_str) != Some("operation") {
            return None;
        }
        Operation(operation.get("part")?.as_array()?).reads_into(resource, &mut touched)?;
    }
    Some(touched)
}

struct Operation<'a>(&'a [Value]);

impl Operation<'_> {
    fn part(&self, name: &str) -> Option<&Value> {
        let mut found = self.0.iter().filter(|part| part.get("name").and_then(Value::as_str) == Some(name));
        let part = found.next()?;
        found.next().is_none().then_some(part)
    }

    fn text(&self, name: &str) -> Option<&str> {
        plain(self.part(name)?)?.1.as_str()
    }

    fn reads_into(&self, resource: ResourceType, touched: &mut Touched) -> Option<()> {
        let places = places(resource, self.text("path")?)?;
        match self.text("type")? {
            "add" => {
                let (part, name) = (self.part("value")?, self.text("name")?);
                for place in places {
                    let path = join(&place.path, added(place.kind, name, part)?.name);
                    touched.sets(path, &value(part, 0)?);
                }
            }
            "insert" | "replace" => {
                let value = value(self.part("value")?, 0)?;
                places.into_iter().filter_not_root()?.for_each(|path| touched.sets(path, &value));
            }
            "delete" | "move" => places.into_iter().filter_not_root()?.for_each(|path| touched.names(path)),
            _ => return None,
        }
        Some(())
    }
}

/// Where a path may lead: dotted JSON names, and the type there.
struct Place {
    path: String,
    kind: &'static Type,
}

trait NotRoot {
    /// The paths, unless one is the resource itself.
    fn filter_not_root(self) -> Option<std::vec::IntoIter<String>>;
}

impl<I: Iterator<Item = Place>> NotRoot for I {
    fn filter_not_root(self) -> Option<std::vec::IntoIter<String>> {
        let paths: Vec<String> = self.map(|place| place.path).collect();
        (!paths.iter().any(String::is_empty)).then(|| paths.into_iter())
    }
}

/// `Patient.name[0].given`, `Observation.value`: every JSON path that it may mean.
fn places(resource: ResourceType, path: &str) -> Option<Vec<Place>> {
    let mut steps = path.split('.').peekable();
    if steps.peek() == Some(&resource.name()) {
        steps.next();
    }
    let mut places = vec![Place { path: String::new(), kind: Type::of(resource)? }];
    for step in steps {
        let name = step_name(step)?;
        let mut further = Vec::new();
        for place in &places {
            for element in named(place.kind, name) {
                further.push(Place { path: join(&place.path, element.name), kind: element.kind()? });
            }
        }
        places = further;
    }
    (!places.is_empty()).then_some(places)
}

/// `name` of `name` and `name[3]`; nothing else is a step.
fn step_name(step: &str) -> Option<&str> {
    let name = match step.split_once('[') {
        None => step,
        Some((name, index)) => {
            let digits = index.strip_suffix(']')?;
            (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)?
        }
    };
    Id::parse(name).map(|_| name)
}

/// The element of that name, or every form of the choice of that stem.
fn named<'k>(kind: &'k Type, name: &str) -> Vec<&'k Element> {
    kind.child(name).map_or_else(|| kind.forms(name).iter().collect(), |element| vec![element])
}

/// The element that an `add` gives: `value` with a `valueQuantity` is `valueQuantity`.
fn added<'k>(kind: &'k Type, name: &str, part: &Value) -> Option<&'k Element> {
    kind.child(name).or_else(|| {
        let (form, _) = plain(part)?;
        kind.child(&format!("{name}{form}"))
    })
}

/// The form and value of `value[x]`, if there is just one.
fn plain(part: &Value) -> Option<(&str, &Value)> {
    let mut values = part.as_object()?.iter().filter_map(|(key, value)| Some((key.strip_prefix("value")?, value)));
    let found = values.next()?;
    values.next().is_none().then_some(found)
}

/// The value as JSON: `value[x]`, or parts that are its fields.
fn value(part: &Value, depth: usize) -> Option<Value> {
    if depth > PARTS_MAX || part.get("resource").is_some() {
        return None;
    }
    let Some(parts) = part.get("part") else { return plain(part).map(|(_, value)| value.clone()) };
    if plain(part).is_some() {
        return None;
    }
    let mut fields = serde_json::Map::new();
    for inner in parts.as_array()? {
        let name = inner.get("name")?.as_str()?;
        let value = value(inner, depth + 1)?;
        let values = fields.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        values.as_array_mut()?.push(value);
    }
    Some(Value::Object(fields))
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn operation(parts: Value) -> Value {
        json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": parts }] })
    }

    fn check(resource: ResourceType, parts: Value, named: Option<&[&str]>) {
        let found = touched(resource, &operation(parts.clone()));
        assert_eq!(found.as_ref().map(Touched::paths), named.map(<[_]>::to_vec), "{parts}");
    }

    fn replace(path: &str, value: Value) -> Value {
        let mut value = value;
        value["name"] = json!("value");
        json!([{ "name": "type", "valueCode": "replace" }, { "name": "path", "valueString": path }, value])
    }

    #[test]
    fn a_path_names_elements_one_below_the_other() {
        let date = || json!({ "valueDate": "1990-01-01" });
        check(ResourceType::PATIENT, replace("Patient.birthDate", date()), Some(&["birthDate"]));
        check(
            ResourceType::PATIENT,
            replace("Patient.name[0].given[1]", json!({ "valueString": "x" })),
            Some(&["name.given"]),
        );
        for path in
            ["Patient", "Patient.name.where(use='old').given", "Patient.nothing", "name[x]", "Patient.name|x", ""]
        {
            check(ResourceType::PATIENT, replace(path, date()), None);
        }
    }

    #[test]
    fn a_choice_is_each_of_its_forms_or_the_one_that_is_added() {
        let found = touched(
            ResourceType::parse("Observation").unwrap(),
            &operation(replace("Observation.value", json!({ "valueString": "x" }))),
        );
        assert!(found.unwrap().paths().contains(&"valueQuantity"));
        let add = json!([{ "name": "type", "valueCode": "add" }, { "name": "path", "valueString": "Observation" },
            { "name": "name", "valueString": "value" }, { "name": "value", "valueQuantity": { "value": 1 } }]);
        check(ResourceType::parse("Observation").unwrap(), add, Some(&["valueQuantity"]));
    }

    #[test]
    fn a_value_in_parts_is_seen_whole() {
        let contact = json!([{ "name": "type", "valueCode": "add" }, { "name": "path", "valueString": "Patient" },
            { "name": "name", "valueString": "contact" }, { "name": "value", "part": [
                { "name": "gender", "valueCode": "male" }, { "name": "name", "valueHumanName": { "text": "x" } } ] }]);
        let found = touched(ResourceType::PATIENT, &operation(contact)).unwrap();
        assert_eq!(found.leaves(), ["contact.gender", "contact.name.text"]);
    }

    #[test]
    fn what_is_not_understood_is_no_patch() {
        for parameters in [
            json!({ "resourceType": "Parameters" }),
            json!({ "resourceType": "Patient", "parameter": [] }),
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "other" }] }),
            operation(
                json!([{ "name": "type", "valueCode": "erase" }, { "name": "path", "valueString": "Patient.name" }]),
            ),
            operation(
                json!([{ "name": "type", "valueCode": "delete" }, { "name": "path", "valueString": "Patient.name" },
                { "name": "path", "valueString": "Patient.birthDate" }]),
            ),
        ] {
            assert!(touched(ResourceType::PATIENT, &parameters).is_none(), "{parameters}");
        }
    }
}
