//! What the bridge itself reads from the chart, so that decisions can rest on it: Consents, and who cares for whom. Each
//! reading is in the audit log before anything of it is used, and is relied on no longer than the configuration says.
//!
//! A Consent that is written through the bridge is read back before its writer is answered, and so acts on the next
//! request. What is changed in the chart itself acts when it is next polled.

mod consents;
mod pages;
mod relations;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bascule_audit::{Entry, SystemEvent};
use bascule_fhir::Timestamp;
use bascule_store::StoreError;

use crate::apis::Served;
use crate::gateway::Gateway;
use crate::upstream::UpstreamFault;

pub(crate) use consents::written;

/// Who reads, in the log.
const BRIDGE: &str = "the bridge";

/// Why a feed could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedFault {
    /// The upstream did not answer as it should.
    #[error("the upstream {0}")]
    Upstream(#[from] UpstreamFault),
    /// It refused.
    #[error("the upstream answered {0}")]
    Refused(u16),
    /// Its answer is no Bundle, too large, or without an end.
    #[error("the upstream's answer {0}")]
    Unreadable(&'static str),
    /// The reading could not be logged, so nothing of it is used.
    #[error("the reading could not be logged: {0}")]
    Log(String),
    /// The shelf.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// When each feed is read next, and who reads it now.
#[derive(Default)]
pub(crate) struct Feeds {
    next: Mutex<HashMap<String, Timestamp>>,
    reading: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Feeds {
    /// Whether a feed is due; if so, the next time is `seconds` away.
    fn is_due(&self, name: &str, seconds: i64, now: Timestamp) -> bool {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.get(name).is_some_and(|next| now < *next) {
            return false;
        }
        next.insert(name.to_owned(), now.plus_seconds(seconds));
        true
    }

    /// Held while a feed is read, so that an older reading never comes after a newer one.
    fn turn(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(reading.entry(name.to_owned()).or_default())
    }
}

impl Gateway {
    /// Reads every feed that is due. Whoever runs the gateway calls this every second; a feed that nobody reads grows old,
    /// and what grows old is not known.
    pub async fn poll(&self, now: Timestamp) {
        for served in self.apis() {
            let feeds = &served.feeds;
            if let Some(feed) = feeds.consents {
                let name = crate::consents::feed(&served.api.name);
                if self.feeds().is_due(&name, feed.poll_seconds, now) {
                    said(&name, consents::sync(self, &served, now).await);
                }
            }
            if let Some(feed) = feeds.relations {
                let name = format!("relations of {}", served.api.name);
                if self.feeds().is_due(&name, feed.poll_seconds, now) {
                    said(&name, relations::sync(self, &served, now).await);
                }
            }
        }
    }
}

fn said(feed: &str, read: Result<(), FeedFault>) {
    if let Err(error) = read {
        tracing::error!(feed, %error, "a feed could not be read; what it told is relied on until it is too old");
    }
}

/// Says in the log that the bridge read. Without that entry, nothing of it is used.
async fn log_reading(
    gateway: &Gateway,
    served: &Served,
    what: &str,
    shown: usize,
    now: Timestamp,
) -> Result<(), FeedFault> {
    let act = format!("{what} of {}", served.api.name);
    let shown = u64::try_from(shown).unwrap_or(u64::MAX);
    let event = SystemEvent::Read { act, shown, by: BRIDGE.to_owned() };
    let kept = gateway.log().append(Entry::system(&event, now), None).await;
    kept.map(drop).map_err(|error| FeedFault::Log(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_is_due_at_once_and_then_when_its_time_has_come() {
        let feeds = Feeds::default();
        let at = Timestamp::from_seconds;
        assert!(feeds.is_due("a", 60, at(0)));
        assert!(!feeds.is_due("a", 60, at(59)));
        assert!(feeds.is_due("b", 60, at(59)));
        assert!(feeds.is_due("a", 60, at(60)));
    }
}
