//! The body of an operation (FHIR R4, operations, section 3.2.0.2): its plain values become parameters of the query, which
//! policy then judges by name like those of a URL; so does a reference to a `patient` of an export, as the literal it is.
//! Resources and parts do not pass: nobody could say what is in them.

use bascule_fhir::{Interaction, Parameter, json};
use bytes::Bytes;
use serde_json::Value;

use crate::ask::Read;
use crate::refuse::Refusal;

/// Parameters of one operation.
const PARAMETERS_MAX: usize = 100;

/// The request with the plain values of an operation's body in its query. A body of plain values alone is gone then.
///
/// # Errors
/// [`Refusal::NotJson`] for a body that is no Parameters, or holds what does not pass.
pub(crate) fn folded(mut read: Read) -> Result<Read, Refusal> {
    let Interaction::Operation { query, name: operation, .. } = &mut read.interaction else { return Ok(read) };
    let exports = operation == "export";
    if read.body.is_empty() {
        return Ok(read);
    }
    let body = json::parse(&read.body).map_err(|_| Refusal::NotJson { what: "the Parameters cannot be read" })?;
    if body.get("resourceType").and_then(Value::as_str) != Some("Parameters") {
        return Err(Refusal::NotJson { what: "an operation takes a Parameters resource" });
    }
    let all = body.get("parameter").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if all.len() > PARAMETERS_MAX {
        return Err(Refusal::NotJson { what: "an operation takes at most 100 parameters" });
    }
    let mut is_plain = true;
    for parameter in all {
        match value(parameter)? {
            (name, Some(value)) => query.parameters.push(Parameter { name, value }),
            (name, None) if exports => query.parameters.push(Parameter { value: literal(parameter)?, name }),
            (_, None) => is_plain = false,
        }
    }
    if is_plain {
        read.body = Bytes::new();
    }
    Ok(read)
}

/// The literal reference that a parameter of an export holds: whatever else it may hold would be left out unheard.
fn literal(parameter: &Value) -> Result<String, Refusal> {
    let reference = parameter.get("valueReference").and_then(|reference| reference.get("reference"));
    let literal = reference.and_then(Value::as_str).map(ToOwned::to_owned);
    literal.ok_or(Refusal::NotJson { what: "an export takes plain values and literal references" })
}

/// Name and plain value; `None` for a value that has parts of its own (a reference, a coding).
fn value(parameter: &Value) -> Result<(String, Option<String>), Refusal> {
    let fields = parameter.as_object().ok_or(Refusal::NotJson { what: "a parameter is an object" })?;
    let name = fields.get("name").and_then(Value::as_str);
    let name = name.ok_or(Refusal::NotJson { what: "a parameter has a name" })?.to_owned();
    let mut values = fields.iter().filter(|(key, _)| *key != "name");
    let (Some((key, value)), None) = (values.next(), values.next()) else {
        return Err(Refusal::NotJson { what: "a parameter has one value" });
    };
    if !key.starts_with("value") {
        return Err(Refusal::NotJson { what: "an operation takes values here, no resources and no parts" });
    }
    let plain = match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Object(_) => None,
        Value::Null | Value::Array(_) => return Err(Refusal::NotJson { what: "a parameter has one value" }),
    };
    Ok((name, plain))
}

#[cfg(test)]
mod tests {
    use bascule_fhir::{Level, Query};
    use serde_json::json;

    use super::*;

    fn check(body: &Value, expect: Result<(&str, bool), ()>) {
        check_of("everything", body, expect);
    }

    fn check_of(name: &str, body: &Value, expect: Result<(&str, bool), ()>) {
        let interaction =
            Interaction::Operation { on: Level::System, name: name.into(), query: Query::parse("a=1").unwrap() };
        let read = folded(Read { interaction, body: Bytes::from(body.to_string()) });
        let told = read.map_err(|_| ()).map(|read| match read.interaction {
            Interaction::Operation { query, .. } => (crate::narrow::encoded(&query), read.body.is_empty()),
            _ => (String::new(), false),
        });
        assert_eq!(told, expect.map(|(query, gone)| (query.to_owned(), gone)), "{body}");
    }

    #[test]
    fn plain_values_become_parameters_of_the_query() {
        let parameter = json!([{ "name": "_type", "valueString": "Patient" }, { "name": "n", "valueInteger": 3 }]);
        check(&json!({ "resourceType": "Parameters", "parameter": parameter }), Ok(("a=1&_type=Patient&n=3", true)));
        let reference = json!([{ "name": "patient", "valueReference": { "reference": "Patient/1" } }]);
        let body = json!({ "resourceType": "Parameters", "parameter": reference });
        check(&body, Ok(("a=1", false)));
        check_of("export", &body, Ok(("a=1&patient=Patient%2F1", true)));
        let logical = json!([{ "name": "patient", "valueReference": { "identifier": { "value": "1" } } }]);
        check_of("export", &json!({ "resourceType": "Parameters", "parameter": logical }), Err(()));
    }

    #[test]
    fn resources_and_parts_do_not_pass() {
        for parameter in [
            json!({ "name": "resource", "resource": { "resourceType": "Patient" } }),
            json!({ "name": "x", "part": [] }),
            json!({ "name": "x", "valueString": "a", "valueCode": "b" }),
            json!({ "name": "x" }),
            json!({ "valueString": "a" }),
            json!("x"),
        ] {
            check(&json!({ "resourceType": "Parameters", "parameter": [parameter] }), Err(()));
        }
        check(&json!({ "resourceType": "Patient" }), Err(()));
    }
}
