//! How the person behind a token had proved themselves when the grant was made: what step-up asks for (RFC 9470).

use bascule_crypto::digest::Sha256;
use bascule_fhir::Timestamp;
use rusqlite::{OptionalExtension as _, Row};

use crate::{Store, StoreError};

/// A proof of identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// When.
    pub at: Timestamp,
    /// Whether with a second factor, or a passkey that asked its owner.
    pub second_factor: bool,
}

impl Proof {
    /// Whether it was with a second factor and not more than `seconds` ago.
    #[must_use]
    pub fn is_fresh(self, seconds: i64, now: Timestamp) -> bool {
        self.second_factor && self.at.plus_seconds(seconds) >= now
    }
}

impl Store {
    /// The proof behind an access token; `None` if it is not known or no person stands behind it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn proof_of_token(&self, digest: &Sha256) -> Result<Option<Proof>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT g.authenticated, g.second_factor FROM access_token t JOIN grant_record g ON g.id = t.grant_id
                 WHERE t.digest = ?1",
            )?;
            Ok(statement.query_row([digest], read).optional()?.flatten())
        })
    }

    /// The proof behind a grant.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn proof_of_grant(&self, id: &str) -> Result<Option<Proof>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT authenticated, second_factor FROM grant_record WHERE id = ?1")?;
            Ok(statement.query_row([id], read).optional()?.flatten())
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<Proof>> {
    let at: Option<i64> = row.get(0)?;
    let second_factor = row.get(1)?;
    Ok(at.map(|at| Proof { at: Timestamp::from_micros(at), second_factor }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};
    use crate::grant::tests::grant;
    use crate::session::Session;
    use crate::token::tests::tokens;

    #[test]
    fn a_grant_keeps_the_proof_of_its_own_time() {
        let (_folder, store) = store();
        let session = Session {
            id: "s1".into(),
            user: "u1".into(),
            created: NOW,
            seen: NOW,
            authenticated: NOW,
            second_factor: false,
        };
        store.begin_session(&[9; 32], &session).unwrap();
        let id = store.issue(&grant(), tokens("", 1), NOW).unwrap();
        assert_eq!(store.proof_of_token(&[1; 32]).unwrap(), Some(Proof { at: NOW, second_factor: false }));
        let later = NOW.plus_seconds(60);
        store.step_up_session("s1", later).unwrap();
        assert!(!store.proof_of_grant(&id).unwrap().unwrap().second_factor, "what was given before stays as it was");
        let anew = bascule_smart::Grant { authenticated: Some(later), ..grant() };
        let id = store.issue(&anew, tokens("", 2), later).unwrap();
        let proof = store.proof_of_grant(&id).unwrap().unwrap();
        assert_eq!(proof, Proof { at: later, second_factor: true });
        assert!(proof.is_fresh(300, later.plus_seconds(300)));
        assert!(!proof.is_fresh(300, later.plus_seconds(301)));
        assert_eq!(store.proof_of_token(&[7; 32]).unwrap(), None);
        store.end_sessions_of("u1", later).unwrap();
        assert!(store.step_up_session("s1", later).is_err(), "an ended session steps nowhere");
    }

    #[test]
    fn one_factor_is_never_fresh_enough() {
        assert!(!Proof { at: NOW, second_factor: false }.is_fresh(300, NOW));
    }
}
