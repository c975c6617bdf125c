//! `$docref` (US Core): the documents of a patient; without dates, the newest.

use bascule_fhir::{Parameter, Query, ResourceType, Within};

use super::parameters::Given;
use crate::ask::{Answer, Ask, Verb};
use crate::server::Server;
use crate::{Refusal, act};

/// Answers as the search that it stands for.
pub(super) async fn docref(server: &Server, mut ask: Ask) -> Result<Answer, Refusal> {
    let given = Given::read(&mut ask)?;
    let resource = ResourceType::parse("DocumentReference").ok_or_else(super::unknown)?;
    let patient = given.first("patient").ok_or_else(|| Refusal::invalid("$docref needs `patient`"))?;
    let mut parameters = Vec::new();
    let mut add = |name: &str, value: String| parameters.push(Parameter { name: name.to_owned(), value });
    add("patient", patient.to_owned());
    if let Some(kind) = given.first("type") {
        add("type", token(kind));
    }
    if let Some(start) = given.first("start") {
        add("period", format!("ge{start}"));
    }
    if let Some(end) = given.first("end") {
        add("period", format!("le{end}"));
    }
    add("_sort", "-date".to_owned());
    if given.first("start").is_none() && given.first("end").is_none() {
        add("_count", "1".to_owned());
        add("_total", "none".to_owned());
    }
    let search = Ask { verb: Verb::Search(Within::Type(resource)), query: Query { parameters }, ..ask };
    let own = server.clone();
    server.store.read(move |connection| act::look(&own, &own.scope(connection), &search)).await
}

/// A type comes as a token, or, in Parameters, as a coding or concept.
fn token(text: &str) -> String {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { return text.to_owned() };
    let coding = value.pointer("/coding/0").unwrap_or(&value);
    match (coding.get("system").and_then(|one| one.as_str()), coding.get("code").and_then(|one| one.as_str())) {
        (Some(system), Some(code)) => format!("{system}|{code}"),
        (None, Some(code)) => code.to_owned(),
        _ => text.to_owned(),
    }
}
