//! What a message is: MSH-9, code, trigger event and structure.

use std::fmt;

/// The kind of a message, as in `ADT^A01^ADT_A01`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageKind {
    /// MSH-9.1, as in `ADT`.
    pub code: String,
    /// MSH-9.2, as in `A01`; empty if the sender gave none.
    pub event: String,
}

impl MessageKind {
    /// Is it `code^event`?
    #[must_use]
    pub fn is(&self, code: &str, event: &str) -> bool {
        self.code == code && self.event == event
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.event.is_empty() {
            return formatter.write_str(&self.code);
        }
        write!(formatter, "{}^{}", self.code, self.event)
    }
}
