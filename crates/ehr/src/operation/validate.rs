//! `$validate`: what a write would say, without writing.

use bascule_fhir::{Level, ResourceType};
use http::StatusCode;
use serde_json::Value;

use super::parameters::Given;
use crate::ask::{Answer, Ask, Verb};
use crate::error::outcome;
use crate::server::Server;
use crate::store::{Method, current};
use crate::{Issue, Refusal, validate};

/// Validates the resource that came, or the one that is named.
pub(super) async fn validate(server: &Server, mut ask: Ask) -> Result<Answer, Refusal> {
    let given = Given::read(&mut ask)?;
    let Verb::Operation { on, .. } = &ask.verb else { return Err(super::unknown()) };
    let (resource, value) = match (on, given.resource.clone()) {
        (Level::Type(resource) | Level::Instance(resource, _), Some(value)) => (*resource, value),
        (Level::Instance(resource, id), None) => (*resource, stored(server, *resource, id.as_str()).await?),
        _ => return Err(Refusal::invalid("$validate needs a resource: as the body, or as the parameter `resource`")),
    };
    let mut issues = match value.get("resourceType").and_then(Value::as_str) {
        Some(name) if name == resource.name() => validate::issues(resource, &value),
        _ => vec![Issue::error("invalid", format!("resourceType must be {resource}")).at("resourceType")],
    };
    if given.first("profile").is_some() {
        issues.push(Issue::warning("not-supported", "profiles are not validated here; the base definition was"));
    }
    if issues.is_empty() {
        let text = "valid against FHIR R4 (4.0.1)".to_owned();
        issues.push(Issue { severity: "information", code: "informational", text, expression: None });
    }
    Ok(Answer::json(StatusCode::OK, outcome(&issues).to_string()))
}

async fn stored(server: &Server, resource: ResourceType, id: &str) -> Result<Value, Refusal> {
    let (own, id) = (server.clone(), id.to_owned());
    let body = server
        .store
        .read(move |connection| {
            let found = current(connection, &own.store.codes, resource, &id)?
                .filter(|version| version.method != Method::Delete);
            found.map(|version| version.body).ok_or_else(|| Refusal::not_found(format!("there is no {resource}/{id}")))
        })
        .await?;
    serde_json::from_str(&body).map_err(|cause| Refusal::fault(&cause))
}
