//! The clock of this door.

use bascule_fhir::Timestamp;

/// Now, as the system says. Everything further in gets it as an argument.
#[expect(clippy::disallowed_methods, reason = "a door reads the clock and hands `now` inward")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
