//! PATCH (RFC 7644 section 3.5.2), on the resource as it is shown; what comes of it is then read like a PUT.

use serde_json::{Map, Value};

use super::error::ScimError;
use super::filter::Filter;

/// Operations in one request.
const OPERATIONS_MAX: usize = 1_000;

/// Applies a request to a resource.
pub(super) fn apply(resource: &mut Value, request: &Value) -> Result<(), ScimError> {
    let operations = member(request, "Operations").and_then(Value::as_array);
    let operations = operations.ok_or_else(|| ScimError::syntax("`Operations` is a list"))?;
    if operations.is_empty() || operations.len() > OPERATIONS_MAX {
        return Err(ScimError::syntax(format!("`Operations` holds 1 to {OPERATIONS_MAX}")));
    }
    operations.iter().try_for_each(|operation| perform(resource, operation))
}

fn perform(resource: &mut Value, operation: &Value) -> Result<(), ScimError> {
    let op = member(operation, "op").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let path = member(operation, "path").and_then(Value::as_str);
    let value = member(operation, "value");
    match (op.as_str(), path, value) {
        ("add" | "replace", None, Some(Value::Object(members))) => {
            members.iter().try_for_each(|(name, value)| set(resource, &Path::parse(name)?, value.clone(), op == "add"))
        }
        ("add" | "replace", Some(path), Some(value)) => set(resource, &Path::parse(path)?, value.clone(), op == "add"),
        ("remove", Some(path), value) => remove(resource, &Path::parse(path)?, value),
        ("remove", None, _) => Err(ScimError::path("`remove` needs a path")),
        ("add" | "replace", _, _) => Err(ScimError::value("a value is missing, or is no object without a path")),
        _ => Err(ScimError::syntax("`op` is add, replace or remove")),
    }
}

/// A member whatever the case of its name, as SCIM has it.
fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.as_object()?.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// `emails[type eq "work"].value`, with the schema before it.
struct Path {
    schema: Option<String>,
    attribute: Option<String>,
    filter: Option<Filter>,
    sub: Option<String>,
}

impl Path {
    fn parse(text: &str) -> Result<Self, ScimError> {
        let malformed = || ScimError::path(format!("`{}` is not a path", text.chars().take(100).collect::<String>()));
        let (schema, rest) = match text.to_ascii_lowercase().starts_with("urn:") {
            false => (None, text),
            true if text.eq_ignore_ascii_case(super::schema::EXTENSION) => (Some(text.to_owned()), ""),
            true => {
                let open = text.find('[').unwrap_or(text.len());
                let at = text.get(..open).and_then(|head| head.rfind(':')).ok_or_else(malformed)?;
                (text.get(..at).map(str::to_owned), text.get(at + 1..).unwrap_or_default())
            }
        };
        // The core schemas' attributes stand at the top.
        let schema = schema.filter(|schema| !schema.to_ascii_lowercase().contains(":core:2.0:"));
        let (attribute, filter, after) = match rest.split_once('[') {
            None => {
                let (attribute, sub) = rest.split_once('.').map_or((rest, ""), |(attribute, sub)| (attribute, sub));
                (attribute, None, sub)
            }
            Some((attribute, inner)) => {
                let (filter, after) = inner.split_once(']').ok_or_else(malformed)?;
                (attribute, Some(Filter::parse(filter)?), after.strip_prefix('.').unwrap_or(after))
            }
        };
        let plain =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'-' | b'_'));
        if !plain(attribute) || !plain(after) || (attribute.is_empty() && schema.is_none()) {
            return Err(malformed());
        }
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Self { schema, attribute: some(attribute), filter, sub: some(after) })
    }
}

/// The slot of that name, made if it is not there.
fn slot<'v>(members: &'v mut Map<String, Value>, name: &str) -> &'v mut Value {
    let known = members.keys().find(|known| known.eq_ignore_ascii_case(name)).cloned();
    members.entry(known.unwrap_or_else(|| name.to_owned())).or_insert(Value::Null)
}

fn object<'v>(value: &'v mut Value, what: &str) -> Result<&'v mut Map<String, Value>, ScimError> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().ok_or_else(|| ScimError::path(format!("`{what}` has no parts")))
}

fn set(resource: &mut Value, path: &Path, value: Value, add: bool) -> Result<(), ScimError> {
    let mut members = object(resource, "the resource")?;
    if let Some(schema) = &path.schema {
        members = object(slot(members, schema), schema)?;
    }
    let Some(attribute) = &path.attribute else {
        merge(members, value)?;
        return Ok(());
    };
    let place = slot(members, attribute);
    match (&path.filter, &path.sub) {
        (None, None) => put(place, value, add),
        (None, Some(sub)) => match place {
            Value::Array(list) => list.iter_mut().try_for_each(|one| put_in(one, sub, value.clone())),
            place => put_in(place, sub, value),
        },
        (Some(filter), sub) => {
            if place.is_null() {
                *place = Value::Array(Vec::new());
            }
            let list = place.as_array_mut().ok_or_else(|| ScimError::path(format!("`{attribute}` is no list")))?;
            let mut chosen = list.iter_mut().filter(|one| filter.holds(one)).peekable();
            if chosen.peek().is_none() {
                return Err(ScimError::path("nothing in the list is what the path names"));
            }
            chosen.try_for_each(|one| match sub {
                Some(sub) => put_in(one, sub, value.clone()),
                None => {
                    one.clone_from(&value);
                    Ok(())
                }
            })
        }
    }
}

fn put(place: &mut Value, value: Value, add: bool) -> Result<(), ScimError> {
    match (place, value) {
        (Value::Array(list), value) if add => {
            let more = if let Value::Array(more) = value { more } else { vec![value] };
            for one in more {
                if !list.contains(&one) {
                    list.push(one);
                }
            }
            Ok(())
        }
        (Value::Object(members), value @ Value::Object(_)) => merge(members, value),
        (place, value) => {
            *place = value;
            Ok(())
        }
    }
}

fn merge(members: &mut Map<String, Value>, value: Value) -> Result<(), ScimError> {
    let Value::Object(more) = value else { return Err(ScimError::value("an object is needed")) };
    for (name, value) in more {
        *slot(members, &name) = value;
    }
    Ok(())
}

fn put_in(place: &mut Value, sub: &str, value: Value) -> Result<(), ScimError> {
    *slot(object(place, sub)?, sub) = value;
    Ok(())
}

fn remove(resource: &mut Value, path: &Path, value: Option<&Value>) -> Result<(), ScimError> {
    let mut members = object(resource, "the resource")?;
    if let Some(schema) = &path.schema {
        members = object(slot(members, schema), schema)?;
    }
    let Some(attribute) = &path.attribute else {
        members.clear();
        return Ok(());
    };
    let place = slot(members, attribute);
    match (&path.filter, &path.sub, place) {
        (Some(filter), None, Value::Array(list)) => list.retain(|one| !filter.holds(one)),
        (Some(filter), Some(sub), Value::Array(list)) => {
            for one in list.iter_mut().filter(|one| filter.holds(one)) {
                *slot(object(one, sub)?, sub) = Value::Null;
            }
        }
        // Some directories name the members to be removed as a value.
        (None, None, Value::Array(list)) if value.is_some_and(Value::is_array) => {
            let named: Vec<&Value> =
                value.and_then(Value::as_array).into_iter().flatten().filter_map(|one| one.get("value")).collect();
            list.retain(|one| !one.get("value").is_some_and(|value| named.contains(&value)));
        }
        (None, None, place) => *place = Value::Null,
        (None, Some(sub), Value::Object(members)) => *slot(members, sub) = Value::Null,
        (_, _, Value::Null) => {}
        _ => return Err(ScimError::path("the path does not fit the resource")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(operations: Value, expected: Value) {
        let mut resource = json!({
            "userName": "amal", "active": true, "name": {"familyName": "Noor"},
            "emails": [{"value": "a@x.example", "type": "work"}], "members": [{"value": "1"}, {"value": "2"}],
        });
        let request = json!({"Operations": operations});
        match apply(&mut resource, &request) {
            Ok(()) => {
                for (name, value) in expected.as_object().unwrap() {
                    assert_eq!(resource.get(name).unwrap_or(&Value::Null), value, "{name} after {request}");
                }
            }
            Err(error) => assert_eq!(expected, json!("refused"), "{error:?}"),
        }
    }

    #[test]
    fn what_directories_send_is_done() {
        check(json!([{"op": "replace", "path": "active", "value": false}]), json!({"active": false}));
        check(
            json!([{"op": "Replace", "value": {"active": false, "name.familyName": "N"}}]),
            json!({"active": false, "name": {"familyName": "N"}}),
        );
        check(
            json!([{"op": "Add", "path": "name.givenName", "value": "Amal"}]),
            json!({"name": {"familyName": "Noor", "givenName": "Amal"}}),
        );
        check(
            json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "b@x.example"}]),
            json!({"emails": [{"value": "b@x.example", "type": "work"}]}),
        );
        check(
            json!([{"op": "add", "path": "members", "value": [{"value": "3"}, {"value": "1"}]}]),
            json!({"members": [{"value": "1"}, {"value": "2"}, {"value": "3"}]}),
        );
        check(json!([{"op": "remove", "path": "members[value eq \"1\"]"}]), json!({"members": [{"value": "2"}]}));
        check(
            json!([{"op": "Remove", "path": "members", "value": [{"value": "2"}]}]),
            json!({"members": [{"value": "1"}]}),
        );
        check(json!([{"op": "remove", "path": "members"}]), json!({"members": null}));
        check(
            json!([{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:active", "value": false}]),
            json!({"active": false}),
        );
        let own = super::super::schema::EXTENSION;
        let path = format!("{own}:fhirUser");
        check(
            json!([{"op": "add", "path": path, "value": "Practitioner/d1"}]),
            json!({own: {"fhirUser": "Practitioner/d1"}}),
        );
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for operations in [
            json!([]),
            json!("x"),
            json!([{"op": "move", "path": "active"}]),
            json!([{"op": "remove"}]),
            json!([{"op": "add", "path": "active"}]),
            json!([{"op": "add", "value": 1}]),
            json!([{"op": "replace", "path": "a b", "value": 1}]),
            json!([{"op": "replace", "path": "emails[type eq", "value": 1}]),
            json!([{"op": "replace", "path": "emails[type eq \"home\"].value", "value": "x"}]),
            json!([{"op": "add", "path": "userName.first", "value": "x"}]),
        ] {
            check(operations, json!("refused"));
        }
    }
}
