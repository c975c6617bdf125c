//! What the door says to the audit log: ids and outcomes, never a value of a message.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Something that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The partner whose message it is.
    pub partner: String,
    /// `received`, `refused`, `delivered`, `held` (it waits for a person), `replayed`, `discarded`.
    pub act: &'static str,
    /// MSH-9, as in `ORU^R01`; `?` if it could not be read.
    pub kind: String,
    /// SHA-256 of the message's bytes, in hex.
    pub digest: String,
    /// Why, for what was refused or held.
    pub said: String,
}

/// Keeps an event in the log; an error means that it is not there, and nothing may be acknowledged.
pub type Record = Arc<dyn Fn(Event) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;
