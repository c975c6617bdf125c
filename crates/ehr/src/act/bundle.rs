//! batch and transaction.

use http::StatusCode;
use serde_json::Value;

use super::entry::{Entry, answered};
use super::transaction::Transaction;
use crate::Refusal;
use crate::ask::{Answer, Ask, Returns, Verb};
use crate::bundle::Bundle;
use crate::server::Server;
use crate::store::now;

/// Entries of one Bundle.
const ENTRIES_MAX: usize = 20_000;

/// Does what the entries ask: one by one, or all or nothing.
pub(crate) async fn bundle(server: &Server, ask: Ask) -> Result<Answer, Refusal> {
    let mut bundle: Value = serde_json::from_slice(&ask.body)
        .map_err(|cause| Refusal::invalid(format!("a Bundle was expected as the body: {cause}")))?;
    if bundle.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
        return Err(Refusal::invalid("a Bundle was expected as the body").at("resourceType"));
    }
    let kind = bundle.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let entries = match bundle.get_mut("entry").map(Value::take) {
        None => Vec::new(),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(Refusal::invalid("Bundle.entry must be an array").at("Bundle.entry")),
    };
    if entries.len() > ENTRIES_MAX {
        let text = format!("a Bundle may ask at most {ENTRIES_MAX} entries; split it");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, crate::Issue::error("too-long", text)));
    }
    match kind.as_str() {
        "batch" => batch(server, &ask, entries).await,
        "transaction" => transaction(server, &ask, entries).await,
        _ => Err(Refusal::invalid(
            "only a Bundle of type batch or transaction can be posted here; others are stored at /Bundle",
        )
        .at("Bundle.type")),
    }
}

async fn batch(server: &Server, ask: &Ask, entries: Vec<Value>) -> Result<Answer, Refusal> {
    let mut bundle = Bundle::new("batch-response");
    let mut prefer = ask.conditions.prefer;
    prefer.returns.get_or_insert(Returns::Minimal);
    for (index, entry) in entries.into_iter().enumerate() {
        let answer = match Entry::read(entry, index, server.base(), prefer) {
            Ok(Entry { ask, .. }) if ask.verb == Verb::Bundle => Err(Refusal::invalid("a batch cannot hold a batch")),
            // Boxed, because an entry's answer may in turn be anything but a batch.
            Ok(Entry { ask, .. }) => Box::pin(server.answer(ask)).await,
            Err(refusal) => Err(refusal),
        };
        bundle.entry(answered(server.base(), &answer.unwrap_or_else(Answer::from)));
    }
    Ok(Answer::json(StatusCode::OK, bundle.write(now())))
}

async fn transaction(server: &Server, ask: &Ask, entries: Vec<Value>) -> Result<Answer, Refusal> {
    let transaction = Transaction::read(server, entries, ask.conditions.prefer)?;
    let own = server.clone();
    let answers = server.store.write(move |session| transaction.make(&own, session)).await?;
    let mut bundle = Bundle::new("transaction-response");
    answers.iter().for_each(|answer| bundle.entry(answered(server.base(), answer)));
    Ok(Answer::json(StatusCode::OK, bundle.write(now())))
}
