//! `[sign_in]`: how people prove themselves, how long that counts, how often anything may be tried, and whom a directory feeds.

use std::collections::BTreeMap;

use bascule_gateway::smart::SmartLimits;
use bascule_policy::read::{Reader, Section};

use super::ask::number;

/// `[sign_in]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignIn {
    /// Seconds without use after which a session ends.
    pub(crate) session_idle_seconds: i64,
    /// Seconds after which a session ends in any case.
    pub(crate) session_seconds: i64,
    /// Seconds for which a second factor is fresh.
    pub(crate) step_up_seconds: i64,
    /// Roles whose holders get no token without a second factor, and who administer over HTTP.
    pub(crate) second_factor_roles: Vec<String>,
    /// Whether strangers may ask to be registered (RFC 7591).
    pub(crate) registration: bool,
    /// Which groups of a directory (SCIM) give which roles.
    pub(crate) groups: BTreeMap<String, Vec<String>>,
    /// How often things may be tried.
    pub(crate) limits: SmartLimits,
}

impl Default for SignIn {
    fn default() -> Self {
        Self {
            session_idle_seconds: 1_800,
            session_seconds: 12 * 3_600,
            step_up_seconds: 600,
            second_factor_roles: vec!["administrator".to_owned()],
            registration: false,
            groups: BTreeMap::new(),
            limits: SmartLimits::default(),
        }
    }
}

/// Reads the section; without it, or a key of it, the default holds.
pub(super) fn read(top: &mut Section<'_>, reader: &mut Reader<'_>) -> SignIn {
    let mut read = SignIn::default();
    let Some(mut section) = top.section("sign_in", reader) else { return read };
    let mut seconds = |key, field: &mut i64, unit: i64, high: u64| {
        let default = u64::try_from(*field / unit).unwrap_or(1);
        let asked = number(&mut section, key, default, 1..=high, reader);
        *field = i64::try_from(asked).unwrap_or(1) * unit;
    };
    seconds("session_idle_minutes", &mut read.session_idle_seconds, 60, 1_440);
    seconds("session_hours", &mut read.session_seconds, 3_600, 168);
    seconds("step_up_minutes", &mut read.step_up_seconds, 60, 1_440);
    let limits = &mut read.limits;
    for (key, field) in [
        ("sign_ins_per_minute", &mut limits.sign_ins_per_minute),
        ("address_sign_ins_per_minute", &mut limits.address_sign_ins_per_minute),
        ("client_requests_per_minute", &mut limits.client_requests_per_minute),
        ("client_failures_per_minute", &mut limits.client_failures_per_minute),
        ("authorizations_per_minute", &mut limits.authorizations_per_minute),
        ("user_tokens_per_minute", &mut limits.user_tokens_per_minute),
    ] {
        let asked = number(&mut section, key, u64::from(*field), 1..=1_000_000, reader);
        *field = u32::try_from(asked).unwrap_or(*field);
    }
    if let Some(registration) = section.flag("registration", reader) {
        read.registration = registration;
    }
    if let Some(roles) = section.words("second_factor_roles", reader) {
        read.second_factor_roles = roles.into_iter().map(|word| word.text).collect();
    }
    if let Some(groups) = section.section("groups", reader) {
        let named = groups.named_words(reader).into_iter();
        read.groups =
            named.map(|(group, roles)| (group.text, roles.into_iter().map(|role| role.text).collect())).collect();
    }
    section.finish(reader);
    read
}
