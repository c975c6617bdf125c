//! Why a message does not become a transaction: whose hand must mend it, and where.

use bascule_hl7::Fault;
use thiserror::Error;

/// A message that is not taken into the chart.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MapFault {
    /// The message itself is at fault; the sender must mend it.
    #[error(transparent)]
    Message(#[from] Fault),
    /// No mapping is written for this kind of message.
    #[error("messages of kind {kind} are not taken; send ADT, ORM, OML, OMG, ORU, OUL, MDM, SIU, DFT, VXU, RDE or RDS")]
    Kind {
        /// MSH-9.
        kind: String,
    },
    /// A segment or field without which nothing can be written.
    #[error("{path}: {why}")]
    Content {
        /// The place, as in `PID-3`.
        path: &'static str,
        /// What is wrong, and the mend.
        why: &'static str,
    },
    /// The patient is not in the chart: the message waits on the work-list until a person has decided.
    #[error("no patient has the identifier that PID-3 gives; admit the patient first, or link the identifier by hand")]
    UnknownPatient,
}

/// A fault of content.
pub(crate) const fn content(path: &'static str, why: &'static str) -> MapFault {
    MapFault::Content { path, why }
}
