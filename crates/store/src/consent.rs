//! What a person allowed an app, remembered so that they are not asked the same again.

use bascule_fhir::{Id, Timestamp};
use bascule_smart::Scopes;
use rusqlite::OptionalExtension as _;

use crate::{Store, StoreError};

/// An app's consent from a person, for one API and patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthConsent {
    /// Who consented.
    pub user: String,
    /// To which client.
    pub client: String,
    /// For which API.
    pub api: String,
    /// About which patient, if about one.
    pub patient: Option<Id>,
    /// To what.
    pub scopes: Scopes,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Remembers a consent; the newest word counts.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn put_consent(&self, consent: &OauthConsent) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO consent (user, client, api, patient, scopes, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (user, client, api, patient)
                 DO UPDATE SET scopes = excluded.scopes, at = excluded.at, ended = NULL",
                (
                    &consent.user,
                    &consent.client,
                    &consent.api,
                    consent.patient.as_ref().map_or("", Id::as_str),
                    consent.scopes.to_string(),
                    consent.at.micros(),
                ),
            )?;
            Ok(())
        })
    }

    /// What was last allowed and not ended.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn consent(
        &self,
        user: &str,
        client: &str,
        api: &str,
        patient: Option<&Id>,
    ) -> Result<Option<OauthConsent>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT scopes, at FROM consent
                 WHERE user = ?1 AND client = ?2 AND api = ?3 AND patient = ?4 AND ended IS NULL",
            )?;
            let row: Option<(String, i64)> = statement
                .query_row((user, client, api, patient.map_or("", Id::as_str)), |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            Ok(row.and_then(|(scopes, at)| {
                Some(OauthConsent {
                    user: user.to_owned(),
                    client: client.to_owned(),
                    api: api.to_owned(),
                    patient: patient.cloned(),
                    scopes: scopes.parse().ok()?,
                    at: Timestamp::from_micros(at),
                })
            }))
        })
    }

    /// Forgets what a person allowed an app; they will be asked again.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn end_consents(&self, user: &str, client: &str, now: Timestamp) -> Result<usize, StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE consent SET ended = ?3 WHERE user = ?1 AND client = ?2 AND ended IS NULL";
            Ok(transaction.execute(statement, (user, client, now.micros()))?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn the_newest_consent_counts_until_it_is_ended() {
        let (_folder, store) = store();
        let consent = |scopes: &str| OauthConsent {
            user: "u".into(),
            client: "app".into(),
            api: "ehr".into(),
            patient: Id::parse("p1"),
            scopes: scopes.parse().unwrap(),
            at: NOW,
        };
        store.put_consent(&consent("patient/*.rs")).unwrap();
        store.put_consent(&consent("patient/Patient.r")).unwrap();
        let found = |patient: &str| store.consent("u", "app", "ehr", Id::parse(patient).as_ref()).unwrap();
        assert_eq!(found("p1"), Some(consent("patient/Patient.r")));
        assert_eq!(found("p2"), None);
        store.end_consents("u", "app", NOW).unwrap();
        assert_eq!(found("p1"), None);
        store.put_consent(&consent("patient/*.rs")).unwrap();
        assert!(found("p1").is_some());
    }
}
