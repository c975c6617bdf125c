//! JSON Patch: add, remove, replace, move, copy, test over JSON Pointers.

use http::StatusCode;
use serde_json::Value;

use crate::{Issue, Refusal};

/// Operations of one patch.
const OPERATIONS_MAX: usize = 1_000;

/// Applies all operations in order.
pub(super) fn apply(value: &mut Value, operations: &[Value]) -> Result<(), Refusal> {
    if operations.len() > OPERATIONS_MAX {
        return Err(Refusal::invalid(format!("a patch has at most {OPERATIONS_MAX} operations")));
    }
    for (at, operation) in operations.iter().enumerate() {
        one(value, operation).map_err(|fault| fault.refusal(at))?;
    }
    Ok(())
}

enum Fault {
    Shape(&'static str),
    Missing,
    Differs,
}

impl Fault {
    fn refusal(self, at: usize) -> Refusal {
        match self {
            Self::Shape(text) => Refusal::invalid(format!("patch operation {at}: {text}")),
            Self::Missing => unprocessable(format!("patch operation {at}: there is nothing at that path")),
            Self::Differs => unprocessable(format!("patch operation {at}: the test failed, so nothing was changed")),
        }
    }
}

fn unprocessable(text: String) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, Issue::error("processing", text))
}

fn one(value: &mut Value, operation: &Value) -> Result<(), Fault> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    let path = text("path").ok_or(Fault::Shape("needs a path"))?;
    let given = || operation.get("value").cloned().ok_or(Fault::Shape("needs a value"));
    let from = || text("from").ok_or(Fault::Shape("needs from"));
    match text("op") {
        Some("add") => add(value, path, given()?),
        Some("remove") => remove(value, path).map(|_removed| ()),
        Some("replace") => {
            value.pointer_mut(path).map(|there| given().map(|new| *there = new)).ok_or(Fault::Missing)?
        }
        Some("test") => {
            if value.pointer(path).ok_or(Fault::Missing)? == &given()? {
                Ok(())
            } else {
                Err(Fault::Differs)
            }
        }
        Some("copy") => {
            let copied = value.pointer(from()?).cloned().ok_or(Fault::Missing)?;
            add(value, path, copied)
        }
        Some("move") => {
            let from = from()?;
            if path.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
                return Err(Fault::Shape("cannot move a value into itself"));
            }
            let moved = remove(value, from)?;
            add(value, path, moved)
        }
        _ => Err(Fault::Shape("op is add, remove, replace, move, copy or test")),
    }
}

/// The parent's pointer and the last name.
fn split(path: &str) -> Result<(&str, String), Fault> {
    let (parent, last) = path.rsplit_once('/').ok_or(Fault::Shape("a path begins with /"))?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(value: &mut Value, path: &str, new: Value) -> Result<(), Fault> {
    let (parent, last) = split(path)?;
    match value.pointer_mut(parent).ok_or(Fault::Missing)? {
        Value::Object(fields) => {
            fields.insert(last, new);
            Ok(())
        }
        Value::Array(items) if last == "-" => {
            items.push(new);
            Ok(())
        }
        Value::Array(items) => {
            let at = index(&last, items.len())?;
            items.insert(at, new);
            Ok(())
        }
        _ => Err(Fault::Missing),
    }
}

fn remove(value: &mut Value, path: &str) -> Result<Value, Fault> {
    let (parent, last) = split(path)?;
    match value.pointer_mut(parent).ok_or(Fault::Missing)? {
        Value::Object(fields) => fields.shift_remove(&last).ok_or(Fault::Missing),
        Value::Array(items) => {
            let at = index(&last, items.len().checked_sub(1).ok_or(Fault::Missing)?)?;
            Ok(items.remove(at))
        }
        _ => Err(Fault::Missing),
    }
}

fn index(text: &str, last: usize) -> Result<usize, Fault> {
    let leading_zero = text.len() > 1 && text.starts_with('0');
    let at: usize = text.parse().map_err(|_| Fault::Shape("an array is indexed by a number or `-`"))?;
    if leading_zero || at > last { Err(Fault::Missing) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(operations: Value, expect: Result<Value, u16>) {
        let mut value = json!({ "a": [1, 2], "b": { "c/d": "x" } });
        let done = apply(&mut value, operations.as_array().unwrap());
        assert_eq!(done.map(|()| value).map_err(|refusal| refusal.status.as_u16()), expect, "{operations}");
    }

    #[test]
    fn every_operation_of_the_rfc() {
        check(json!([{ "op": "add", "path": "/a/1", "value": 9 }]), Ok(json!({ "a": [1, 9, 2], "b": { "c/d": "x" } })));
        check(json!([{ "op": "add", "path": "/a/-", "value": 9 }]), Ok(json!({ "a": [1, 2, 9], "b": { "c/d": "x" } })));
        check(json!([{ "op": "remove", "path": "/a/0" }]), Ok(json!({ "a": [2], "b": { "c/d": "x" } })));
        check(
            json!([{ "op": "replace", "path": "/b/c~1d", "value": "y" }]),
            Ok(json!({ "a": [1, 2], "b": { "c/d": "y" } })),
        );
        check(
            json!([{ "op": "move", "from": "/a/0", "path": "/e" }]),
            Ok(json!({ "a": [2], "b": { "c/d": "x" }, "e": 1 })),
        );
        check(
            json!([{ "op": "copy", "from": "/a/0", "path": "/a/2" }]),
            Ok(json!({ "a": [1, 2, 1], "b": { "c/d": "x" } })),
        );
        check(json!([{ "op": "test", "path": "/a/0", "value": 1 }]), Ok(json!({ "a": [1, 2], "b": { "c/d": "x" } })));
    }

    #[test]
    fn what_cannot_be_done_is_told() {
        check(json!([{ "op": "test", "path": "/a/0", "value": 2 }]), Err(422));
        check(json!([{ "op": "remove", "path": "/x" }]), Err(422));
        check(json!([{ "op": "add", "path": "/a/5", "value": 1 }]), Err(422));
        check(json!([{ "op": "replace", "path": "/x", "value": 1 }]), Err(422));
        check(json!([{ "op": "jump", "path": "/a" }]), Err(400));
        check(json!([{ "op": "add", "path": "/a/0" }]), Err(400));
        check(json!([{ "op": "move", "from": "/b", "path": "/b/c" }]), Err(400));
    }
}
