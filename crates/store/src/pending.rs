//! Authorization requests that wait: for a person to sign in and consent, or (pushed, RFC 9126) for the browser.

use bascule_crypto::digest::Sha256;
use bascule_fhir::Timestamp;
use rusqlite::OptionalExtension as _;

use crate::{Store, StoreError};

/// What a waiting request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingKind {
    /// A person at the pages.
    Page,
    /// The browser, with its `request_uri`.
    Pushed,
    /// A one-time password, after a right password.
    SecondFactor,
    /// A browser that is away at another provider.
    Federated,
    /// A browser, to show or make a passkey.
    Passkey,
    /// A one-time password, which shows that a secret arrived.
    NewSecondFactor,
}

impl PendingKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Pushed => "pushed",
            Self::SecondFactor => "second-factor",
            Self::Federated => "federated",
            Self::Passkey => "passkey",
            Self::NewSecondFactor => "new-second-factor",
        }
    }
}

/// A waiting request, kept under the digest of its random name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Whose request.
    pub client: String,
    /// Its parameters, in the gateway's words.
    pub body: String,
    /// The digest of the browser's cookie, if it belongs to a browser.
    pub browser: Option<Sha256>,
    /// When it stops.
    pub expires: Timestamp,
}

impl Store {
    /// Keeps a waiting request, or replaces what is kept under that name.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn put_pending(&self, name: &Sha256, kind: PendingKind, pending: &Pending) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO pending (digest, kind, client, body, browser, expires)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (name, kind.name(), &pending.client, &pending.body, pending.browser, pending.expires.micros()),
            )?;
            Ok(())
        })
    }

    /// The waiting request of that name, if it still stands.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn pending(&self, name: &Sha256, kind: PendingKind, now: Timestamp) -> Result<Option<Pending>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT client, body, browser, expires FROM pending WHERE digest = ?1 AND kind = ?2 AND expires > ?3",
            )?;
            let pending = statement.query_row((name, kind.name(), now.micros()), |row| {
                Ok(Pending {
                    client: row.get(0)?,
                    body: row.get(1)?,
                    browser: row.get(2)?,
                    expires: Timestamp::from_micros(row.get(3)?),
                })
            });
            Ok(pending.optional()?)
        })
    }

    /// Takes a waiting request away; of two callers one gets it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn take_pending(
        &self,
        name: &Sha256,
        kind: PendingKind,
        now: Timestamp,
    ) -> Result<Option<Pending>, StoreError> {
        let found = self.pending(name, kind, now)?;
        let taken = self.write(|transaction| {
            Ok(transaction.execute("DELETE FROM pending WHERE digest = ?1 AND kind = ?2", (name, kind.name()))?)
        })?;
        Ok(found.filter(|_| taken == 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn a_waiting_request_is_taken_once_and_only_as_its_kind() {
        let (_folder, store) = store();
        let pending =
            Pending { client: "app".into(), body: "{}".into(), browser: Some([7; 32]), expires: NOW.plus_seconds(60) };
        store.put_pending(&[1; 32], PendingKind::Page, &pending).unwrap();
        assert_eq!(store.pending(&[1; 32], PendingKind::Pushed, NOW).unwrap(), None);
        assert_eq!(store.pending(&[1; 32], PendingKind::Page, NOW.plus_seconds(60)).unwrap(), None);
        assert_eq!(store.take_pending(&[1; 32], PendingKind::Page, NOW).unwrap(), Some(pending));
        assert_eq!(store.take_pending(&[1; 32], PendingKind::Page, NOW).unwrap(), None);
    }
}
