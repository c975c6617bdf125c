//! Small settings that change while running, and who accepted which policy.

use bascule_fhir::Timestamp;
use rusqlite::OptionalExtension as _;

use crate::{Store, StoreError};

/// Somebody answered for a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyAcceptance {
    /// Hex SHA-256 of the policy bundle.
    pub policy_hash: String,
    /// The user.
    pub accepted_by: String,
    /// What they said.
    pub note: String,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// The value of a setting, if it was ever set.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT value FROM setting WHERE name = ?1")?;
            Ok(statement.query_row([name], |row| row.get(0)).optional()?)
        })
    }

    /// Sets it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn set_setting(&self, name: &str, value: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO setting (name, value, at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at",
                (name, value, now.micros()),
            )?;
            Ok(())
        })
    }

    /// Keeps that somebody accepted a policy; the first time counts.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn accept_policy(&self, acceptance: &PolicyAcceptance) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR IGNORE INTO policy_acceptance (policy_hash, accepted_by, note, at) VALUES (?1, ?2, ?3, ?4)",
                (&acceptance.policy_hash, &acceptance.accepted_by, &acceptance.note, acceptance.at.micros()),
            )?;
            Ok(())
        })
    }

    /// Who accepted policies, newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn policy_acceptances(&self) -> Result<Vec<PolicyAcceptance>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT policy_hash, accepted_by, note, at FROM policy_acceptance ORDER BY at DESC")?;
            let rows = statement.query_map([], |row| {
                Ok(PolicyAcceptance {
                    policy_hash: row.get(0)?,
                    accepted_by: row.get(1)?,
                    note: row.get(2)?,
                    at: Timestamp::from_micros(row.get(3)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn a_setting_is_what_was_last_set() {
        let (_folder, store) = store();
        assert_eq!(store.setting("a").unwrap(), None);
        store.set_setting("a", "1", NOW).unwrap();
        store.set_setting("a", "2", NOW).unwrap();
        assert_eq!(store.setting("a").unwrap().as_deref(), Some("2"));
    }

    #[test]
    fn the_first_acceptance_of_a_policy_counts() {
        let (_folder, store) = store();
        for note in ["first", "second"] {
            let acceptance =
                PolicyAcceptance { policy_hash: "h".into(), accepted_by: "u".into(), note: note.into(), at: NOW };
            store.accept_policy(&acceptance).unwrap();
        }
        let kept = store.policy_acceptances().unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].note, "first");
    }
}
