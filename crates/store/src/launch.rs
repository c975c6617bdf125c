//! Launch contexts: what an EHR put ready for an app before it sent the browser there.

use bascule_crypto::digest::Sha256;
use bascule_fhir::{Id, Timestamp};
use bascule_smart::LaunchContext;
use rusqlite::OptionalExtension as _;
use serde_json::{Value, json};

use crate::grant::{context_json, context_of};
use crate::{Store, StoreError};

/// A launch, kept under the digest of its random `launch` value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The app it is for.
    pub client: String,
    /// The user who launched, if the EHR says so; nobody else may use it then.
    pub user: Option<String>,
    /// The API.
    pub api: String,
    /// The context.
    pub context: LaunchContext,
    /// When it stops.
    pub expires: Timestamp,
}

impl Store {
    /// Keeps a launch.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn put_launch(&self, name: &Sha256, launch: &Launch) -> Result<(), StoreError> {
        let mut body = context_json(&launch.context);
        if let Some(body) = body.as_object_mut() {
            body.insert("client".into(), json!(launch.client));
            body.insert("user".into(), json!(launch.user));
            body.insert("api".into(), json!(launch.api));
            body.insert("patient".into(), json!(launch.context.patient.as_ref().map(Id::as_str)));
            body.insert("encounter".into(), json!(launch.context.encounter.as_ref().map(Id::as_str)));
        }
        self.write(|transaction| {
            let statement = "INSERT INTO launch (digest, body, expires) VALUES (?1, ?2, ?3)";
            transaction.execute(statement, (name, body.to_string(), launch.expires.micros()))?;
            Ok(())
        })
    }

    /// The launch of that value, if it still stands and was not used.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn launch(&self, name: &Sha256, now: Timestamp) -> Result<Option<Launch>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT body, expires FROM launch WHERE digest = ?1 AND used IS NULL AND expires > ?2",
            )?;
            let row: Option<(String, i64)> =
                statement.query_row((name, now.micros()), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            Ok(row.and_then(|(body, expires)| read(&body, Timestamp::from_micros(expires))))
        })
    }

    /// Uses a launch up; a code was issued for it.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it was used already.
    pub fn use_launch(&self, name: &Sha256, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE launch SET used = ?2 WHERE digest = ?1 AND used IS NULL AND expires > ?2";
            StoreError::unless_found(transaction.execute(statement, (name, now.micros()))?, "launch", "unused")
        })
    }
}

fn read(body: &str, expires: Timestamp) -> Option<Launch> {
    let body: Value = serde_json::from_str(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = |name: &str| text(name).as_deref().and_then(Id::parse);
    Some(Launch {
        client: text("client")?,
        user: text("user"),
        api: text("api")?,
        context: LaunchContext { patient: id("patient"), encounter: id("encounter"), ..context_of(&body) },
        expires,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn a_launch_is_read_as_written_and_used_once() {
        let (_folder, store) = store();
        let launch = Launch {
            client: "app".into(),
            user: Some("dr".into()),
            api: "ehr".into(),
            context: LaunchContext {
                patient: Id::parse("p1"),
                encounter: Id::parse("e1"),
                fhir_context: vec![json!({"reference": "ImagingStudy/1"})],
                need_patient_banner: Some(true),
                intent: None,
                tenant: Some("north".into()),
            },
            expires: NOW.plus_seconds(60),
        };
        store.put_launch(&[1; 32], &launch).unwrap();
        assert_eq!(store.launch(&[1; 32], NOW).unwrap(), Some(launch));
        assert_eq!(store.launch(&[1; 32], NOW.plus_seconds(60)).unwrap(), None);
        store.use_launch(&[1; 32], NOW).unwrap();
        assert!(store.use_launch(&[1; 32], NOW).is_err());
        assert_eq!(store.launch(&[1; 32], NOW).unwrap(), None);
    }
}
