//! Sessions that began at another provider: so that its logout, or its refusal to go on, ends ours too.

use bascule_crypto::Secret;
use bascule_fhir::Timestamp;
use bascule_smart::federation::Mapped;
use rusqlite::OptionalExtension as _;

use crate::user::{NewUser, User, UserPatient};
use crate::{Store, StoreError};

/// A session at a provider.
#[derive(Debug, Clone)]
pub struct ProviderSession {
    /// Our session.
    pub session: String,
    /// The provider's `iss`.
    pub issuer: String,
    /// The user's `sub` there.
    pub subject: String,
    /// The provider's own session, if it names one.
    pub sid: Option<String>,
    /// The provider's refresh token, if it gave one.
    pub refresh: Option<Secret>,
    /// When the provider last said that the user is still there.
    pub checked: Timestamp,
}

/// What was ended because a provider said so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Sessions.
    pub sessions: usize,
    /// Grants, with all their tokens.
    pub grants: usize,
}

/// The columns of a session that is due, its token still encrypted.
type Due = (String, String, Option<String>, Vec<u8>, i64);

fn label(session: &str) -> String {
    format!("provider's refresh token of session {session}")
}

impl Store {
    /// The user behind an identity at a provider, as its claims say now: made on the first sign-in, renewed at each. An
    /// account that exists here under the same login, but of another identity, is never taken over.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the login belongs to somebody else.
    pub fn put_external_user(
        &self,
        issuer: &str,
        subject: &str,
        mapped: &Mapped,
        now: Timestamp,
    ) -> Result<User, StoreError> {
        let patients: Vec<UserPatient> = mapped
            .patients
            .iter()
            .map(|one| UserPatient {
                api: one.api.clone(),
                patient: one.patient.clone(),
                label: one.label.clone(),
                kind: "self".to_owned(),
            })
            .collect();
        if let Some(user) = self.user_by_external(issuer, subject)? {
            // Whom a person stands for beside themselves is recorded here, and not the provider's to take away.
            let others = user.patients.iter().filter(|one| one.kind != "self").cloned();
            let patients: Vec<UserPatient> = patients.into_iter().chain(others).collect();
            self.update_user(&user.id, &mapped.roles, mapped.fhir_user.as_ref(), &patients)?;
            self.write(|transaction| {
                let statement = "UPDATE user SET name = ?2, email = ?3 WHERE id = ?1";
                transaction.execute(statement, (&user.id, &mapped.name, &mapped.email))?;
                Ok(())
            })?;
            return self.user(&user.id)?.ok_or(StoreError::Missing { what: "user", id: user.id });
        }
        let user = NewUser {
            id: None,
            login: mapped.login.clone(),
            name: mapped.name.clone(),
            email: mapped.email.clone(),
            roles: mapped.roles.clone(),
            fhir_user: mapped.fhir_user.clone(),
            patients,
            external: Some((issuer.to_owned(), subject.to_owned())),
        };
        self.add_user(&user, None, now)
    }

    /// Keeps where a session began.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn put_provider_session(&self, of: &ProviderSession) -> Result<(), StoreError> {
        let refresh =
            of.refresh.as_ref().map(|token| self.key.seal(&label(&of.session), token.expose())).transpose()?;
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO provider_session (session, issuer, subject, sid, refresh, checked)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (&of.session, &of.issuer, &of.subject, &of.sid, refresh, of.checked.micros()),
            )?;
            Ok(())
        })
    }

    /// Sessions at a provider that were last checked before `before`, and that can be: they have a refresh token, and they,
    /// or something granted in them, still stand. The longest unchecked first, at most `number_max`.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Key`].
    pub fn provider_sessions_due(
        &self,
        issuer: &str,
        before: Timestamp,
        number_max: usize,
    ) -> Result<Vec<ProviderSession>, StoreError> {
        let number_max = i64::try_from(number_max).unwrap_or(i64::MAX);
        let rows: Vec<Due> = self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT p.session, p.subject, p.sid, p.refresh, p.checked FROM provider_session p
                 WHERE p.issuer = ?1 AND p.checked < ?2 AND p.refresh IS NOT NULL
                   AND (EXISTS (SELECT 1 FROM session s WHERE s.id = p.session AND s.ended IS NULL)
                     OR EXISTS (SELECT 1 FROM grant_record g WHERE g.session = p.session AND g.ended IS NULL))
                 ORDER BY p.checked LIMIT ?3",
            )?;
            let rows = statement.query_map((issuer, before.micros(), number_max), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        rows.into_iter()
            .map(|(session, subject, sid, sealed, checked)| {
                let refresh = Some(self.key.unseal(&label(&session), &sealed)?);
                let checked = Timestamp::from_micros(checked);
                Ok(ProviderSession { session, issuer: issuer.to_owned(), subject, sid, refresh, checked })
            })
            .collect()
    }

    /// Our sessions that began in a session of the provider (`sid`), or in any of a user's (`sub`).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn sessions_at_provider(
        &self,
        issuer: &str,
        subject: Option<&str>,
        sid: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT session FROM provider_session WHERE issuer = ?1
                 AND (?2 IS NULL OR subject = ?2) AND (?3 IS NULL OR sid = ?3) AND (?2 IS NOT NULL OR ?3 IS NOT NULL)",
            )?;
            let rows = statement.query_map((issuer, subject, sid), |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Ends sessions and everything that was granted in them, from the next request on. What was granted to last beyond the
    /// session stands if `offline_stands`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn end_provider_sessions(
        &self,
        sessions: &[String],
        because: &str,
        offline_stands: bool,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let mut ended = Ended::default();
        for session in sessions {
            self.write(|transaction| {
                ended.sessions += transaction.execute(
                    "UPDATE session SET ended = ?2 WHERE id = ?1 AND ended IS NULL",
                    (session, now.micros()),
                )?;
                ended.grants += transaction.execute(
                    "UPDATE grant_record SET ended = ?2, ended_because = ?3 WHERE session = ?1 AND ended IS NULL
                     AND (?4 = 0 OR ' ' || scopes || ' ' NOT LIKE '% offline_access %')",
                    (session, now.micros(), because, offline_stands),
                )?;
                transaction.execute("UPDATE provider_session SET refresh = NULL WHERE session = ?1", [session])?;
                transaction.execute("DELETE FROM launched WHERE session = ?1", [session])?;
                Ok(())
            })?;
        }
        Ok(ended)
    }

    /// The provider's session of one of ours.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn provider_of_session(&self, session: &str) -> Result<Option<(String, String)>, StoreError> {
        self.read(|connection| {
            let statement = "SELECT issuer, subject FROM provider_session WHERE session = ?1";
            let mut statement = connection.prepare_cached(statement)?;
            Ok(statement.query_row([session], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
        })
    }
}

#[cfg(test)]
mod tests {
    use bascule_smart::Grant;

    use super::*;
    use crate::database::tests::{NOW, store};
    use crate::grant::tests::grant;
    use crate::session::{Session, SessionLimits};
    use crate::token::tests::tokens;
    use crate::user::Status;

    const LIMITS: SessionLimits = SessionLimits { idle_seconds: 100, absolute_seconds: 250 };
    const ISSUER: &str = "https://login.example";

    fn mapped(roles: &[&str]) -> Mapped {
        Mapped {
            login: "amal@mercy.example".into(),
            name: "Amal".into(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            ..Mapped::default()
        }
    }

    fn begin(store: &Store, name: &str, number: u8, sid: &str) {
        let user = store.put_external_user(ISSUER, "sub-1", &mapped(&["physician"]), NOW).unwrap();
        let session = Session {
            id: name.into(),
            user: user.id,
            created: NOW,
            seen: NOW,
            authenticated: NOW,
            second_factor: false,
        };
        store.begin_session(&[number; 32], &session).unwrap();
        let provider = ProviderSession {
            session: name.into(),
            issuer: ISSUER.into(),
            subject: "sub-1".into(),
            sid: Some(sid.into()),
            refresh: Some(Secret::new("refresh-at-the-provider")),
            checked: NOW,
        };
        store.put_provider_session(&provider).unwrap();
    }

    #[test]
    fn roles_follow_the_provider_at_each_sign_in() {
        let (_folder, store) = store();
        let first = store.put_external_user(ISSUER, "sub-1", &mapped(&["physician"]), NOW).unwrap();
        let again = store.put_external_user(ISSUER, "sub-1", &mapped(&["nurse"]), NOW).unwrap();
        assert_eq!((again.id, again.roles), (first.id, vec!["nurse".to_owned()]));
    }

    #[test]
    fn a_login_of_somebody_else_is_not_taken_over() {
        let (_folder, store) = store();
        let local = NewUser { login: "amal@mercy.example".into(), ..NewUser::default() };
        store.add_user(&local, None, NOW).unwrap();
        let taken = store.put_external_user(ISSUER, "sub-1", &mapped(&["physician"]), NOW);
        assert!(matches!(taken, Err(StoreError::Exists { .. })));
    }

    #[test]
    fn a_disabled_user_stays_disabled_whatever_the_provider_says() {
        let (_folder, store) = store();
        let user = store.put_external_user(ISSUER, "sub-1", &mapped(&["physician"]), NOW).unwrap();
        store.set_user_status(&user.id, Status::Disabled, NOW).unwrap();
        let again = store.put_external_user(ISSUER, "sub-1", &mapped(&["physician"]), NOW).unwrap();
        assert_eq!(again.status, Status::Disabled);
    }

    #[test]
    fn a_logout_there_ends_that_session_here_and_what_was_granted_in_it() {
        let (_folder, store) = store();
        begin(&store, "s1", 1, "sid-1");
        begin(&store, "s2", 2, "sid-2");
        let given = Grant { session: Some("s1".into()), binding: None, ..grant() };
        let id = store.issue(&given, tokens("", 1), NOW).unwrap();
        let sessions = store.sessions_at_provider(ISSUER, None, Some("sid-1")).unwrap();
        assert_eq!(sessions, ["s1"]);
        let ended = store.end_provider_sessions(&sessions, "logout at provider", false, NOW).unwrap();
        assert_eq!(ended, Ended { sessions: 1, grants: 1 });
        assert!(store.session(&[1; 32], LIMITS, NOW).unwrap().is_none());
        assert!(store.session(&[2; 32], LIMITS, NOW).unwrap().is_some());
        assert!(store.grant(&id).unwrap().unwrap().ended.is_some());
        assert_eq!(store.sessions_at_provider(ISSUER, Some("sub-1"), None).unwrap().len(), 2);
        assert!(store.sessions_at_provider(ISSUER, None, None).unwrap().is_empty(), "no name is nobody");
        assert!(store.sessions_at_provider("https://other.example", Some("sub-1"), None).unwrap().is_empty());
    }

    #[test]
    fn what_is_due_is_asked_for_until_it_has_ended() {
        let (folder, store) = store();
        begin(&store, "s1", 1, "sid-1");
        assert!(store.provider_sessions_due(ISSUER, NOW, 10).unwrap().is_empty());
        let due = store.provider_sessions_due(ISSUER, NOW.plus_seconds(1), 10).unwrap();
        assert!(due[0].refresh.as_ref().unwrap().matches(b"refresh-at-the-provider"));
        store.end_provider_sessions(&["s1".to_owned()], "gone", false, NOW).unwrap();
        assert!(store.provider_sessions_due(ISSUER, NOW.plus_seconds(1), 10).unwrap().is_empty());
        for file in ["bascule.db", "bascule.db-wal"] {
            let bytes = std::fs::read(folder.path().join(file)).unwrap();
            assert!(!bytes.windows(23).any(|window| window == b"refresh-at-the-provider"), "{file}");
        }
    }
}
