//! Looking entries up: the index finds, the log proves. What is acknowledged and not yet published is published first.

use std::sync::Arc;

use bascule_audit::Opened;
use bascule_store::log::LogError;
use bascule_store::log::index::{Index, Search};
use bascule_store::log::read::LogReader;

use super::index_file;
use crate::gateway::Gateway;
use crate::refuse::Refusal;

/// The hits of each search together, the newest first, each once, each proved; at most `limit`.
pub(super) async fn find(gateway: &Gateway, searches: Vec<Search>, limit: usize) -> Result<Vec<Opened>, Refusal> {
    gateway.log().flush().await.map_err(Refusal::audit)?;
    let (folder, keys, index) =
        (gateway.log().settings().folder.clone(), Arc::clone(gateway.log().keys()), index_file(gateway));
    let look = move || -> Result<Vec<Opened>, LogError> {
        let reader = LogReader::open(&folder, keys)?;
        let mut index = Index::open(&index)?;
        index.catch_up(&reader)?;
        let mut hits = Vec::new();
        for search in searches {
            hits.extend(index.search(&search, &reader)?.into_iter().map(|(opened, _)| opened));
        }
        let place = |entry: &Opened| (entry.about().at, entry.position.origin.clone(), entry.position.index);
        hits.sort_by_key(|entry| std::cmp::Reverse(place(entry)));
        hits.dedup_by_key(|entry| place(entry));
        hits.truncate(limit);
        Ok(hits)
    };
    match tokio::task::spawn_blocking(look).await {
        Ok(Ok(hits)) => Ok(hits),
        Ok(Err(error)) => {
            tracing::error!(%error, "the log cannot be read");
            Err(Refusal::AuditUnavailable)
        }
        Err(error) => {
            tracing::error!(%error, "a reading of the log ended in a fault of ours");
            Err(Refusal::Fault { at: "reading" })
        }
    }
}
