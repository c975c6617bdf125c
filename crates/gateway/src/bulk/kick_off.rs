//! The kick-off of an export, before it goes upstream: its headers, its parameters, and the types that it is narrowed to.

use bascule_fhir::{Interaction, Level, Parameter, Query, Timestamp};
use bascule_policy::Permit;
use bytes::Bytes;
use http::Method;
use http::header::ACCEPT;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::ask;
use crate::headers::PREFER;
use crate::narrow::encoded;
use crate::record::Visit;
use crate::refuse::Refusal;
use crate::upstream::Fetch;

/// The formats of `_outputFormat`; all are one.
const FORMATS: [&str; 3] = ["application/fhir+ndjson", "application/ndjson", "ndjson"];

/// Whether a permit is for the kick-off of an export.
pub(crate) fn is_kick_off(permit: &Permit) -> bool {
    matches!(&permit.asked().interaction, Interaction::Operation { name, .. } if name == "export")
}

/// What was asked, as it is decided anew, if the request is whole.
///
/// # Errors
/// [`Refusal::KickOff`], with what is missing.
pub(super) fn check(visit: &Visit, permit: &Permit, now: Timestamp) -> Result<String, Refusal> {
    let query = query(permit)?;
    if visit.held_only {
        return Err(Refusal::KickOff { what: "an export is no entry of a batch: ask for it by itself" });
    }
    let prefers = visit.head.headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let prefers = prefers.flat_map(|line| line.split([',', ';'])).any(|one| one.trim() == "respond-async");
    if !prefers {
        return Err(Refusal::KickOff { what: "an export is asked for with `Prefer: respond-async`" });
    }
    if !visit.head.headers.contains_key(ACCEPT) {
        return Err(Refusal::KickOff {
            what: "say with `Accept: application/fhir+json` what errors shall be written in",
        });
    }
    if query.named("_outputFormat").any(|format| !FORMATS.contains(&format.value.replace(' ', "+").as_str())) {
        return Err(Refusal::KickOff { what: "`_outputFormat` is application/fhir+ndjson" });
    }
    let since = |text: &str| OffsetDateTime::parse(text, &Rfc3339).is_ok_and(|at| at.unix_timestamp() <= now.seconds());
    if query.named("_since").any(|one| !since(&one.value.replace(' ', "+"))) {
        return Err(Refusal::KickOff { what: "`_since` is an instant with its offset, and not in the future" });
    }
    ask::said(&permit.asked().interaction).ok_or(Refusal::Fault { at: "an export" })
}

/// What the upstream is asked: the parameters as they are, and the types that are granted where none is named. Patients
/// are named in a body only (Bulk Data 2.0, query parameters).
pub(super) fn call(permit: &Permit) -> Result<Fetch, Refusal> {
    let Interaction::Operation { on, .. } = &permit.asked().interaction else {
        return Err(Refusal::Fault { at: "an export" });
    };
    let mut query = query(permit)?.clone();
    query.parameters.retain(|parameter| parameter.name != "_outputFormat");
    if query.named("_type").next().is_none() {
        let types: Vec<_> = permit.narrowing().types.keys().map(|resource| resource.name()).collect();
        query.parameters.push(Parameter { name: "_type".to_owned(), value: types.join(",") });
    }
    let path = match on {
        Level::System => String::new(),
        Level::Type(resource) => format!("/{resource}"),
        Level::Instance(resource, id) => format!("/{resource}/{id}"),
    };
    let call = |address: String| Fetch { prefer: Some("respond-async"), ..Fetch::get(address) };
    if query.named("patient").next().is_none() {
        return Ok(call(format!("{path}/$export?{}", encoded(&query))));
    }
    let body = Bytes::from(parameters(&query).to_string());
    Ok(Fetch { method: Method::POST, body, ..call(format!("{path}/$export")) })
}

/// The parameters as a body.
fn parameters(query: &Query) -> Value {
    let all = query.parameters.iter().flat_map(|parameter| {
        let Parameter { name, value } = parameter;
        match name.as_str() {
            "patient" => value
                .split(',')
                .map(|one| json!({ "name": name, "valueReference": { "reference": one } }))
                .collect::<Vec<_>>(),
            "_since" => vec![json!({ "name": name, "valueInstant": value.replace(' ', "+") })],
            _ => vec![json!({ "name": name, "valueString": value })],
        }
    });
    json!({ "resourceType": "Parameters", "parameter": all.collect::<Vec<_>>() })
}

fn query(permit: &Permit) -> Result<&Query, Refusal> {
    match &permit.asked().interaction {
        Interaction::Operation { query, .. } => Ok(query),
        _ => Err(Refusal::Fault { at: "an export" }),
    }
}
