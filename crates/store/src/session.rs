//! Sessions of people at the gateway's own pages.

use bascule_crypto::digest::Sha256;
use bascule_fhir::Timestamp;
use rusqlite::OptionalExtension as _;

use crate::{Store, StoreError};

/// A session, kept under the digest of its cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// A name for it that is not the cookie.
    pub id: String,
    /// Whose.
    pub user: String,
    /// When it began.
    pub created: Timestamp,
    /// When it was last used.
    pub seen: Timestamp,
    /// When the user last proved who they are.
    pub authenticated: Timestamp,
    /// Whether with a second factor.
    pub second_factor: bool,
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Seconds without use.
    pub idle_seconds: i64,
    /// Seconds in all.
    pub absolute_seconds: i64,
}

/// Uses closer together than this are not written down.
const SEEN_GRAIN_SECONDS: i64 = 30;

impl Store {
    /// Begins a session.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn begin_session(&self, cookie: &Sha256, session: &Session) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO session (digest, id, user, created, seen, authenticated, second_factor)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (
                    cookie,
                    &session.id,
                    &session.user,
                    session.created.micros(),
                    session.seen.micros(),
                    session.authenticated.micros(),
                    session.second_factor,
                ),
            )?;
            Ok(())
        })
    }

    /// The session of that cookie, if it stands; it counts as used now.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn session(
        &self,
        cookie: &Sha256,
        limits: SessionLimits,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let found = self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT s.id, s.user, s.created, s.seen, s.authenticated, s.second_factor
                 FROM session s JOIN user u ON u.id = s.user AND u.status = 'active'
                 WHERE s.digest = ?1 AND s.ended IS NULL AND s.seen > ?2 AND s.created > ?3",
            )?;
            let idle = now.plus_seconds(-limits.idle_seconds).micros();
            let absolute = now.plus_seconds(-limits.absolute_seconds).micros();
            let session = statement.query_row((cookie, idle, absolute), |row| {
                Ok(Session {
                    id: row.get(0)?,
                    user: row.get(1)?,
                    created: Timestamp::from_micros(row.get(2)?),
                    seen: Timestamp::from_micros(row.get(3)?),
                    authenticated: Timestamp::from_micros(row.get(4)?),
                    second_factor: row.get(5)?,
                })
            });
            Ok(session.optional()?)
        })?;
        if let Some(session) = &found
            && session.seen.plus_seconds(SEEN_GRAIN_SECONDS) <= now
        {
            self.write(|transaction| {
                transaction.execute("UPDATE session SET seen = ?2 WHERE digest = ?1", (cookie, now.micros()))?;
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// The user of a session proved themselves once more, now with a second factor.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it has ended.
    pub fn step_up_session(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let statement =
                "UPDATE session SET authenticated = ?2, seen = ?2, second_factor = 1 WHERE id = ?1 AND ended IS NULL";
            StoreError::unless_found(transaction.execute(statement, (id, now.micros()))?, "session", id)
        })
    }

    /// Ends a session (logout), and with it what lives only while it does: grants without `offline_access`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn end_session(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE session SET ended = ?2 WHERE id = ?1 AND ended IS NULL";
            transaction.execute(statement, (id, now.micros()))?;
            transaction.execute(
                "UPDATE grant_record SET ended = ?2, ended_because = 'logout'
                 WHERE session = ?1 AND ended IS NULL AND ' ' || scopes || ' ' NOT LIKE '% offline_access %'",
                (id, now.micros()),
            )?;
            Ok(())
        })
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn end_sessions_of(&self, user: &str, now: Timestamp) -> Result<usize, StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE session SET ended = ?2 WHERE user = ?1 AND ended IS NULL";
            Ok(transaction.execute(statement, (user, now.micros()))?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};
    use crate::user::{NewUser, Status};

    const LIMITS: SessionLimits = SessionLimits { idle_seconds: 100, absolute_seconds: 250 };

    fn begin(store: &Store) -> String {
        let user = NewUser { login: "amal".into(), ..NewUser::default() };
        let user = store.add_user(&user, None, NOW).unwrap().id;
        let session = Session {
            id: "s1".into(),
            user: user.clone(),
            created: NOW,
            seen: NOW,
            authenticated: NOW,
            second_factor: false,
        };
        store.begin_session(&[1; 32], &session).unwrap();
        user
    }

    #[test]
    fn a_session_ends_when_idle_and_at_its_absolute_limit() {
        let (_folder, store) = store();
        begin(&store);
        let at = |seconds| store.session(&[1; 32], LIMITS, NOW.plus_seconds(seconds)).unwrap().is_some();
        assert!(at(99), "before idle");
        assert!(at(198), "used in between");
        assert!(!at(250), "absolute");
        assert!(store.session(&[2; 32], LIMITS, NOW).unwrap().is_none(), "another cookie");
    }

    #[test]
    fn an_unused_session_is_idle() {
        let (_folder, store) = store();
        begin(&store);
        assert!(store.session(&[1; 32], LIMITS, NOW.plus_seconds(100)).unwrap().is_none());
    }

    #[test]
    fn logout_and_a_disabled_user_end_it_at_once() {
        let (_folder, store) = store();
        let user = begin(&store);
        store.set_user_status(&user, Status::Disabled, NOW).unwrap();
        assert!(store.session(&[1; 32], LIMITS, NOW).unwrap().is_none());
        store.set_user_status(&user, Status::Active, NOW).unwrap();
        assert!(store.session(&[1; 32], LIMITS, NOW).unwrap().is_none(), "it does not come back");
    }
}
