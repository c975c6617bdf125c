//! `[dangerous]`: settings that weaken the house. Each is repeated at every start.

use bascule_policy::read::{Reader, Section};
use bascule_store::log::Durability;

use super::settings::Audit;

/// What stands there.
#[derive(Debug, Default)]
pub(super) struct Dangerous {
    audit_async: bool,
    /// What is on, in words.
    pub(super) named: Vec<&'static str>,
}

/// Reads the section, if there is one.
pub(super) fn read(top: &mut Section<'_>, reader: &mut Reader<'_>) -> Dangerous {
    let mut found = Dangerous::default();
    if let Some(mut section) = top.section("dangerous", reader) {
        found.audit_async = section.flag("audit_async", reader).unwrap_or(false);
        section.finish(reader);
    }
    if found.audit_async {
        found.named.push("audit_async: answers leave before their entries are on the disk; a crash loses entries");
    }
    found
}

/// The settings of the log with what is dangerous applied.
pub(super) fn weaken(audit: Audit, dangerous: &Dangerous) -> Audit {
    if dangerous.audit_async { Audit { durability: Durability::Async, ..audit } } else { audit }
}
