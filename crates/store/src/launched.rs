//! Tokens that an EHR gave when it launched an app through the bridge: what the bridge shows to that EHR for the accesses of
//! that session and patient. They lie encrypted, and go with the session.

use bascule_crypto::Secret;
use bascule_fhir::{Id, Timestamp};
use rusqlite::OptionalExtension as _;

use crate::{Store, StoreError};

/// A launch at an EHR, and what it gave.
#[derive(Debug, Clone)]
pub struct Launched {
    /// Our session.
    pub session: String,
    /// The EHR, by the name of its provider.
    pub provider: String,
    /// The patient in context.
    pub patient: Option<Id>,
    /// The encounter in context.
    pub encounter: Option<Id>,
    /// The EHR's access token.
    pub access: Secret,
    /// When it stops.
    pub expires: Timestamp,
    /// The EHR's refresh token, if it gave one.
    pub refresh: Option<Secret>,
}

fn label(session: &str, what: &str) -> String {
    format!("{what} token of launch in session {session}")
}

/// The columns of a row, still encrypted.
type Row = (String, String, String, Option<String>, Vec<u8>, i64, Option<Vec<u8>>);

const COLUMNS: &str =
    "SELECT l.session, l.provider, l.patient, l.encounter, l.access, l.expires, l.refresh FROM launched l";

impl Store {
    /// Keeps what an EHR gave; it replaces what it gave before for the same session and patient.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn put_launched(&self, launched: &Launched, now: Timestamp) -> Result<(), StoreError> {
        let seal = |what: &str, token: &Secret| self.key.seal(&label(&launched.session, what), token.expose());
        let access = seal("access", &launched.access)?;
        let refresh = launched.refresh.as_ref().map(|token| seal("refresh", token)).transpose()?;
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO launched (session, provider, patient, encounter, access, expires, refresh, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                (
                    &launched.session,
                    &launched.provider,
                    launched.patient.as_ref().map(Id::as_str).unwrap_or_default(),
                    launched.encounter.as_ref().map(Id::as_str),
                    access,
                    launched.expires.micros(),
                    refresh,
                    now.micros(),
                ),
            )?;
            Ok(())
        })
    }

    /// The EHR's token behind one of our access tokens: of the session in which it was granted, and for the patient that it is
    /// about.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Key`].
    pub fn launched_token(&self, token_id: &str, provider: &str, now: Timestamp) -> Result<Option<Secret>, StoreError> {
        let text = format!(
            "{COLUMNS} JOIN access_token t ON t.id = ?1 JOIN grant_record g ON g.id = t.grant_id
             WHERE l.session = g.session AND l.provider = ?2 AND l.patient = coalesce(g.patient, '') AND l.expires > ?3"
        );
        let found = self.launched_row(&text, &[&token_id, &provider, &now.micros()])?;
        Ok(found.map(|launched| launched.access))
    }

    /// The newest launch of a session at an EHR: whose patient a standalone launch is about.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Key`].
    pub fn launched_in(&self, session: &str, provider: &str) -> Result<Option<Launched>, StoreError> {
        let text = format!("{COLUMNS} WHERE l.session = ?1 AND l.provider = ?2 ORDER BY l.at DESC LIMIT 1");
        self.launched_row(&text, &[&session, &provider])
    }

    /// Launches whose token ends before `until` and that can be renewed, at most `number_max`.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Key`].
    pub fn launched_ending(&self, until: Timestamp, number_max: usize) -> Result<Vec<Launched>, StoreError> {
        let number_max = i64::try_from(number_max).unwrap_or(i64::MAX);
        let rows: Vec<Row> = self.read(|connection| {
            let text = format!(
                "{COLUMNS} JOIN session s ON s.id = l.session AND s.ended IS NULL
                 WHERE l.refresh IS NOT NULL AND l.expires < ?1 ORDER BY l.expires LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&text)?;
            let rows = statement.query_map((until.micros(), number_max), row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        rows.into_iter().map(|row| self.opened(row)).collect()
    }

    /// Ends a launch: the EHR no longer renews it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn end_launched(&self, launched: &Launched) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "DELETE FROM launched WHERE session = ?1 AND provider = ?2 AND patient = ?3",
                (&launched.session, &launched.provider, launched.patient.as_ref().map(Id::as_str).unwrap_or_default()),
            )?;
            Ok(())
        })
    }

    fn launched_row(&self, text: &str, by: &[&dyn rusqlite::ToSql]) -> Result<Option<Launched>, StoreError> {
        let found: Option<Row> =
            self.read(|connection| Ok(connection.prepare_cached(text)?.query_row(by, row).optional()?))?;
        found.map(|row| self.opened(row)).transpose()
    }

    fn opened(&self, row: Row) -> Result<Launched, StoreError> {
        let (session, provider, patient, encounter, access, expires, refresh) = row;
        let access = self.key.unseal(&label(&session, "access"), &access)?;
        let refresh = refresh.map(|sealed| self.key.unseal(&label(&session, "refresh"), &sealed)).transpose()?;
        Ok(Launched {
            session,
            provider,
            patient: Id::parse(&patient),
            encounter: encounter.as_deref().and_then(Id::parse),
            access,
            expires: Timestamp::from_micros(expires),
            refresh,
        })
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
}

#[cfg(test)]
mod tests {
    use bascule_smart::{Grant, LaunchContext};

    use super::*;
    use crate::database::tests::{NOW, store};
    use crate::grant::tests::grant;
    use crate::token::tests::tokens;

    fn launched(patient: &str, token: &str) -> Launched {
        Launched {
            session: "s1".into(),
            provider: "ehr".into(),
            patient: Id::parse(patient),
            encounter: None,
            access: Secret::new(token),
            expires: NOW.plus_seconds(100),
            refresh: Some(Secret::new("refresh-of-the-ehr")),
        }
    }

    fn token(store: &Store, seconds: i64) -> Option<String> {
        let found = store.launched_token("t1", "ehr", NOW.plus_seconds(seconds)).unwrap();
        found.map(|token| String::from_utf8(token.expose().to_vec()).unwrap())
    }

    #[test]
    fn a_token_of_ours_leads_to_the_token_of_its_own_session_and_patient() {
        let (folder, store) = store();
        let context = LaunchContext { patient: Id::parse("p1"), ..LaunchContext::default() };
        let given = Grant { session: Some("s1".into()), context, binding: None, ..grant() };
        store.issue(&given, tokens("", 1), NOW).unwrap();
        assert_eq!(token(&store, 0), None);
        store.put_launched(&launched("p2", "of-another-patient"), NOW).unwrap();
        store.put_launched(&Launched { session: "s2".into(), ..launched("p1", "of-another-session") }, NOW).unwrap();
        assert_eq!(token(&store, 0), None);
        store.put_launched(&launched("p1", "of-the-ehr"), NOW).unwrap();
        assert_eq!(token(&store, 0).as_deref(), Some("of-the-ehr"));
        assert_eq!(token(&store, 100), None, "it has ended");
        assert!(store.launched_token("t1", "other", NOW).unwrap().is_none());
        for file in ["bascule.db", "bascule.db-wal"] {
            let bytes = std::fs::read(folder.path().join(file)).unwrap();
            assert!(!bytes.windows(10).any(|window| window == b"of-the-ehr"), "{file}");
        }
    }
}
