//! What a person may ask of the policy, as values that cross `admin.sock`, and how the person proves who asks.

use serde::{Deserialize, Serialize};

/// One act of change control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum PolicyAct {
    /// Proposes files; in an emergency they act at once.
    Propose {
        /// By name and text.
        files: Vec<(String, String)>,
        reason: String,
        emergency: bool,
        /// Seconds from 1970, if it is for later.
        from: Option<i64>,
    },
    /// Proposes to go back to the policy before.
    Rollback { reason: String, emergency: bool },
    /// Another person approves a proposal.
    Approve { number: i64 },
    /// Takes back what waits.
    Withdraw { number: i64 },
    /// Another person has looked at a change that acted without approval.
    Review { number: i64, note: String },
    /// Every change.
    Changes,
    /// What is in force, since when, by whom.
    Status,
    /// The files of a policy that was in force, by the beginning of its hash or a day; without either, of the one in force.
    Files { which: Option<String> },
}

impl PolicyAct {
    /// Whether it only looks.
    pub(crate) const fn looks(&self) -> bool {
        matches!(self, Self::Changes | Self::Status | Self::Files { .. })
    }
}

/// Name, password and one-time password of the person who acts. It prints nothing of the latter two.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signed {
    pub(crate) login: String,
    pub(crate) password: String,
    pub(crate) code: Option<String>,
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signed").field("login", &self.login).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        let signed = Signed { login: "amal".into(), password: "hidden-word".into(), code: Some("123456".into()) };
        let printed = format!("{signed:?}");
        assert!(printed.contains("amal") && !printed.contains("hidden-word") && !printed.contains("123456"));
    }
}
