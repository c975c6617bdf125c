//! What is said about an access: the entry, its sealed parts, and what is read out of them.
//!
//! An [`Entry`] is values; [`seal`] makes of it the bytes that the log keeps: compact JSON whose clear part names no
//! person, with one sealed part about who asked and one per patient. The other files say the same thing in other
//! forms: FHIR AuditEvent, accounting of disclosures, who looked at my record, syslog.

pub mod accounting;
pub mod clear;
pub mod entry;
pub mod event;
pub mod looked;
pub mod opened;
pub mod parts;
pub mod record;
pub mod seal;
pub mod syslog;
pub mod system;

pub use clear::{Clear, Decision, Inner, Kind, Outcome};
pub use entry::{AccessFacts, Entry};
pub use opened::{Opened, Position};
pub use parts::{AgentPart, Digests, PatientPart, Recipient, ResourceVersion};
pub use record::Record;
pub use seal::{EntryId, KeyId, PartKeys, Sealed, enclose, seal};
pub use system::SystemEvent;

/// The version of the entry's schema.
pub const SCHEMA_VERSION: u64 = 1;
/// Patients that one entry carries; more go into continuation entries.
pub const ENTRY_PATIENTS_MAX: usize = 100;

/// Why an entry could not be sealed or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The bytes are not an entry of a schema that is known here.
    #[error("not an audit entry: {0}")]
    Malformed(String),
    /// The key of a sealed part is not at hand: never given, or destroyed.
    #[error("the {0} part cannot be opened: its key is not at hand or was destroyed")]
    NoKey(&'static str),
    /// A sealed part does not belong to this entry, or was changed.
    #[error("the {0} part does not belong to this entry")]
    Broken(&'static str),
    /// More bytes than an entry can hold.
    #[error("an entry of {0} bytes is longer than a log can hold")]
    TooLong(usize),
    /// A key has the wrong form.
    #[error(transparent)]
    Crypto(#[from] bascule_crypto::CryptoError),
}
