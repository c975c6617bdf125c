//! Grants: what a person or administrator gave to a client. All tokens made under a grant end with it.

use bascule_fhir::{Id, Timestamp};
use bascule_smart::{Binding, Grant, LaunchContext};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde_json::{Value, json};

use crate::user::{list, texts};
use crate::{Store, StoreError};

/// A grant on the shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRecord {
    /// Its id.
    pub id: String,
    /// What was given.
    pub grant: Grant,
    /// When it was given.
    pub created: Timestamp,
    /// When a token was last made under it.
    pub used: Timestamp,
    /// When and why it ended.
    pub ended: Option<(Timestamp, String)>,
}

const COLUMNS: &str = "SELECT id, client, user, apis, scopes, patient, encounter, context, purpose, session,
    authenticated, nonce, binding, created, used, ended, ended_because FROM grant_record";

impl Store {
    /// One of them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn grant(&self, id: &str) -> Result<Option<GrantRecord>, StoreError> {
        self.read(|connection| find(connection, id))
    }

    /// What a user gave and has not ended, newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn grants_of_user(&self, user: &str) -> Result<Vec<GrantRecord>, StoreError> {
        self.read(|connection| {
            let text = format!("{COLUMNS} WHERE user = ?1 AND ended IS NULL ORDER BY created DESC");
            Ok(connection.prepare_cached(&text)?.query_map([user], read)?.collect::<Result<_, _>>()?)
        })
    }

    /// Ends one grant; its tokens are worth nothing from the next request on.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn end_grant(&self, id: &str, because: &str, now: Timestamp) -> Result<usize, StoreError> {
        self.end_grants("id = ?1", &[&id], because, now)
    }

    /// Ends all grants of a user.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn end_grants_of_user(&self, user: &str, because: &str, now: Timestamp) -> Result<usize, StoreError> {
        self.end_grants("user = ?1", &[&user], because, now)
    }

    /// Ends all grants of a client.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn end_grants_of_client(&self, client: &str, because: &str, now: Timestamp) -> Result<usize, StoreError> {
        self.end_grants("client = ?1", &[&client], because, now)
    }

    /// Ends all that one user gave to one client.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn end_grants_between(
        &self,
        user: &str,
        client: &str,
        because: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.end_grants("user = ?1 AND client = ?2", &[&user, &client], because, now)
    }

    /// Ends all grants of an organization's clients.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn end_grants_of_organization(
        &self,
        organization: &str,
        because: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let condition = "client IN (SELECT id FROM client WHERE organization = ?1)";
        self.end_grants(condition, &[&organization], because, now)
    }

    fn end_grants(
        &self,
        condition: &str,
        by: &[&dyn rusqlite::ToSql],
        because: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.write(|transaction| {
            let text = format!(
                "UPDATE grant_record SET ended = ?{}, ended_because = ?{} WHERE ended IS NULL AND ({condition})",
                by.len() + 1,
                by.len() + 2
            );
            let at = now.micros();
            let mut parameters = by.to_vec();
            parameters.push(&at);
            parameters.push(&because);
            Ok(transaction.prepare_cached(&text)?.execute(parameters.as_slice())?)
        })
    }
}

pub(crate) fn insert(connection: &Connection, id: &str, grant: &Grant, now: Timestamp) -> Result<(), StoreError> {
    let context = &grant.context;
    connection.execute(
        "INSERT INTO grant_record (id, client, user, apis, scopes, patient, encounter, context, purpose, session,
         authenticated, nonce, binding, created, used, second_factor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14,
         coalesce((SELECT s.second_factor FROM session s WHERE s.id = ?10), 0))",
        (
            id,
            &grant.client,
            &grant.user,
            list(&grant.apis),
            grant.scopes.to_string(),
            context.patient.as_ref().map(Id::as_str),
            context.encounter.as_ref().map(Id::as_str),
            context_json(context).to_string(),
            &grant.purpose,
            &grant.session,
            grant.authenticated.map(Timestamp::micros),
            &grant.nonce,
            grant.binding.as_ref().map(binding_text),
            now.micros(),
        ),
    )?;
    Ok(())
}

/// Sets to what all tokens of the grant are bound.
pub(crate) fn bind(connection: &Connection, id: &str, binding: Option<&Binding>) -> Result<(), StoreError> {
    let statement = "UPDATE grant_record SET binding = ?2 WHERE id = ?1";
    connection.execute(statement, (id, binding.map(binding_text)))?;
    Ok(())
}

pub(crate) fn find(connection: &Connection, id: &str) -> Result<Option<GrantRecord>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
    Ok(statement.query_row([id], read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<GrantRecord> {
    let scopes: String = row.get(4)?;
    let context: String = row.get(7)?;
    let context: Value = serde_json::from_str(&context).map_err(|error| damaged(7, error))?;
    let binding: Option<String> = row.get(12)?;
    let id = |column: usize| -> rusqlite::Result<Option<Id>> {
        Ok(row.get::<_, Option<String>>(column)?.as_deref().and_then(Id::parse))
    };
    let time = |column: usize| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
    };
    let grant = Grant {
        client: row.get(1)?,
        user: row.get(2)?,
        apis: texts(row, 3)?,
        scopes: scopes.parse().map_err(|error: bascule_smart::scope::ScopeError| damaged(4, error))?,
        context: LaunchContext { patient: id(5)?, encounter: id(6)?, ..context_of(&context) },
        purpose: row.get(8)?,
        session: row.get(9)?,
        authenticated: time(10)?,
        nonce: row.get(11)?,
        binding: binding.map(|text| binding_of(&text).ok_or_else(|| damaged(12, std::fmt::Error))).transpose()?,
    };
    let ended = match (time(15)?, row.get::<_, Option<String>>(16)?) {
        (Some(at), because) => Some((at, because.unwrap_or_default())),
        _ => None,
    };
    Ok(GrantRecord {
        id: row.get(0)?,
        grant,
        created: Timestamp::from_micros(row.get(13)?),
        used: Timestamp::from_micros(row.get(14)?),
        ended,
    })
}

fn damaged(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// The parts of a launch context that have no column of their own.
pub(crate) fn context_json(context: &LaunchContext) -> Value {
    json!({
        "fhirContext": context.fhir_context, "need_patient_banner": context.need_patient_banner,
        "intent": context.intent, "tenant": context.tenant,
    })
}

pub(crate) fn context_of(value: &Value) -> LaunchContext {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    LaunchContext {
        patient: None,
        encounter: None,
        fhir_context: value.get("fhirContext").and_then(Value::as_array).cloned().unwrap_or_default(),
        need_patient_banner: value.get("need_patient_banner").and_then(Value::as_bool),
        intent: text("intent"),
        tenant: text("tenant"),
    }
}

fn binding_text(binding: &Binding) -> String {
    match binding {
        Binding::DpopKey(thumbprint) => format!("jkt:{thumbprint}"),
        Binding::Certificate(digest) => format!("x5t:{}", hex::encode(digest)),
    }
}

/// The inverse of what was written; a binding that cannot be read is an error, never "not bound".
pub(crate) fn binding_of(text: &str) -> Option<Binding> {
    match text.split_once(':')? {
        ("jkt", thumbprint) => Some(Binding::DpopKey(thumbprint.to_owned())),
        ("x5t", digest) => {
            let mut bytes = [0; 32];
            hex::decode_to_slice(digest, &mut bytes).ok()?;
            Some(Binding::Certificate(bytes))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    pub(crate) fn grant() -> Grant {
        Grant {
            client: "portal".into(),
            user: Some("u1".into()),
            apis: vec!["ehr".into()],
            scopes: "openid patient/*.rs offline_access".parse().unwrap(),
            context: LaunchContext {
                patient: Id::parse("p1"),
                encounter: Id::parse("e1"),
                fhir_context: vec![json!({"reference": "ImagingStudy/1"})],
                need_patient_banner: Some(false),
                intent: Some("reconcile".into()),
                tenant: None,
            },
            purpose: Some("PATRQT".into()),
            session: Some("s1".into()),
            authenticated: Some(NOW),
            nonce: Some("n".into()),
            binding: Some(Binding::Certificate([9; 32])),
        }
    }

    #[test]
    fn a_grant_is_read_as_it_was_written() {
        let (_folder, store) = store();
        for (id, binding) in
            [("g1", Some(Binding::Certificate([9; 32]))), ("g2", Some(Binding::DpopKey("k".into()))), ("g3", None)]
        {
            let grant = Grant { binding, ..grant() };
            store.write(|transaction| insert(transaction, id, &grant, NOW)).unwrap();
            assert_eq!(store.grant(id).unwrap().unwrap().grant, grant);
        }
        assert_eq!(store.grants_of_user("u1").unwrap().len(), 3);
    }

    #[test]
    fn a_damaged_binding_is_an_error_and_not_a_bearer_token() {
        let (_folder, store) = store();
        store.write(|transaction| insert(transaction, "g1", &grant(), NOW)).unwrap();
        store.write(|transaction| Ok(transaction.execute("UPDATE grant_record SET binding = 'x5t:zz'", [])?)).unwrap();
        assert!(store.grant("g1").is_err());
    }

    #[test]
    fn grants_end_by_user_client_and_pair_and_only_once() {
        let (_folder, store) = store();
        for (id, user, client) in [("g1", "u1", "a"), ("g2", "u1", "b"), ("g3", "u2", "a")] {
            let grant = Grant { user: Some(user.into()), client: client.into(), ..grant() };
            store.write(|transaction| insert(transaction, id, &grant, NOW)).unwrap();
        }
        assert_eq!(store.end_grants_between("u1", "a", "person", NOW).unwrap(), 1);
        assert_eq!(store.end_grants_of_user("u1", "leaver", NOW).unwrap(), 1);
        assert_eq!(store.end_grants_of_client("a", "kill", NOW).unwrap(), 1);
        let ended = |id: &str| store.grant(id).unwrap().unwrap().ended.unwrap().1;
        assert_eq!((ended("g1"), ended("g2"), ended("g3")), ("person".into(), "leaver".into(), "kill".into()));
    }
}
