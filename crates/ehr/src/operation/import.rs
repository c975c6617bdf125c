//! `$import`: NDJSON as the body, each line a resource, stored under its own id. This server fetches nothing by itself.

use http::StatusCode;
use serde_json::{Value, json};

use super::jobs::{Running, begin};
use crate::ask::{Answer, Ask};
use crate::error::outcome;
use crate::load::{Bundles, Indexing, LoadItem, LoadSummary, load};
use crate::server::Server;
use crate::{Issue, Refusal};

/// Issues that an answer names.
const ISSUES_MAX: usize = 100;

/// Imports now, or as a job if that is preferred.
pub(super) async fn start(server: &Server, ask: Ask) -> Result<Answer, Refusal> {
    if ask.body.is_empty() || !ask.body.contains(&b'{') {
        return Err(Refusal::invalid("$import takes NDJSON as its body: a resource a line"));
    }
    if is_manifest(&ask.body) {
        return Err(Refusal::unsupported("this server fetches nothing: send the NDJSON itself as the body of $import"));
    }
    if ask.conditions.prefer.asynchronous {
        let request = format!("{}/$import", server.base());
        return begin(server, "import", request, move |server, _, running| {
            let summary = run(server, &ask.body, Some(running))?;
            Ok(json!({ "request": format!("{}/$import", server.base()), "output": counts(&summary), "error": faults(&summary) }))
        })
        .await;
    }
    let own = server.clone();
    let done = tokio::task::spawn_blocking(move || run(&own, &ask.body, None)).await;
    let summary = done.unwrap_or_else(|cause| Err(Refusal::fault(&cause)))?;
    let status = if summary.refused == 0 { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(Answer::json(status, outcome(&issues(&summary)).to_string()))
}

/// Parameters that name files elsewhere.
fn is_manifest(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body)
        .is_ok_and(|value| value.get("resourceType").and_then(Value::as_str).is_none_or(|name| name == "Parameters"))
}

fn run(server: &Server, body: &[u8], running: Option<&Running>) -> Result<LoadSummary, Refusal> {
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    let items = lines
        // Whoever gives the import up keeps what was written until then, and no line after it is read.
        .take_while(|_| running.is_none_or(|running| !running.is_cancelled()))
        .filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace))
        .map(|(at, line)| Ok(LoadItem { place: format!("line {}", at + 1), text: line.to_vec() }));
    let progress = |progress: crate::LoadProgress| {
        if let Some(running) = running {
            running.tell(format!("{} resources", progress.resources));
        }
    };
    load(server, items, Bundles::Keep, Indexing::AtOnce, progress).map_err(Refusal::from)
}

fn counts(summary: &LoadSummary) -> Value {
    json!({ "created": summary.created, "updated": summary.updated, "unchanged": summary.unchanged, "refused": summary.refused })
}

fn faults(summary: &LoadSummary) -> Vec<String> {
    summary.refusals.iter().take(ISSUES_MAX).map(|(place, reason)| format!("{place}: {reason}")).collect()
}

fn issues(summary: &LoadSummary) -> Vec<Issue> {
    let LoadSummary { created, updated, unchanged, refused, .. } = summary;
    let text = format!("{created} created, {updated} updated, {unchanged} unchanged, {refused} refused");
    let done = Issue { severity: "information", code: "informational", text, expression: None };
    std::iter::once(done).chain(faults(summary).into_iter().map(|text| Issue::error("invalid", text))).collect()
}
