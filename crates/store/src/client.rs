//! OAuth clients and the digests of their secrets.

use bascule_crypto::Secret;
use bascule_crypto::digest::sha256;
use bascule_fhir::Timestamp;
use bascule_smart::ClientMetadata;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row};

use crate::user::{Status, list};
use crate::{Store, StoreError, random};

/// Characters of a secret that an administrator brings; ours have 43.
pub const SECRET_CHARACTERS_MIN: usize = 32;

/// A client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// `client_id`
    pub id: String,
    /// The organization that owns it.
    pub organization: Option<String>,
    /// Its metadata.
    pub metadata: ClientMetadata,
    /// Whether it may act.
    pub status: Status,
    /// When it was registered.
    pub created: Timestamp,
}

const COLUMNS: &str = "SELECT id, organization, metadata, status, created FROM client";

impl Store {
    /// Registers a client.
    ///
    /// # Errors
    /// [`StoreError::Exists`]; [`StoreError::Missing`] if there is no such organization.
    pub fn add_client(&self, client: &Client) -> Result<(), StoreError> {
        self.write(|transaction| {
            if let Some(organization) = &client.organization {
                let known: Option<i64> = transaction
                    .query_row("SELECT 1 FROM organization WHERE id = ?1", [organization], |row| row.get(0))
                    .optional()?;
                if known.is_none() {
                    return Err(StoreError::Missing { what: "organization", id: organization.clone() });
                }
            }
            transaction
                .execute(
                    "INSERT INTO client (id, organization, metadata, roles, status, created)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    (
                        &client.id,
                        &client.organization,
                        serde_json::Value::Object(client.metadata.to_json()).to_string(),
                        list(&client.metadata.roles),
                        client.status.name(),
                        client.created.micros(),
                    ),
                )
                .map_err(|error| StoreError::or_exists(error, "client", &client.id))?;
            Ok(())
        })
    }

    /// Replaces a client's metadata. Tokens that go beyond the new scope keep what they have until they end; end the
    /// client's grants if they must not.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn update_client(&self, id: &str, metadata: &ClientMetadata) -> Result<(), StoreError> {
        self.write(|transaction| {
            let json = serde_json::Value::Object(metadata.to_json()).to_string();
            let statement = "UPDATE client SET metadata = ?2, roles = ?3 WHERE id = ?1";
            StoreError::unless_found(transaction.execute(statement, (id, json, list(&metadata.roles)))?, "client", id)
        })
    }

    /// Lets a client act, or stops it from the next request on: its grants end too.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn set_client_status(&self, id: &str, status: Status, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let rows = transaction.execute("UPDATE client SET status = ?2 WHERE id = ?1", (id, status.name()))?;
            StoreError::unless_found(rows, "client", id)
        })?;
        if status != Status::Active {
            self.end_grants_of_client(id, "client disabled", now)?;
        }
        Ok(())
    }

    /// Gives a client to an organization.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn set_client_organization(&self, id: &str, organization: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE client SET organization = ?2 WHERE id = ?1";
            StoreError::unless_found(transaction.execute(statement, (id, organization))?, "client", id)
        })
    }

    /// Makes a new secret and returns it, the only time that it is seen. Older secrets stop at `old_until`, so that
    /// a rotation needs no downtime.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn rotate_client_secret(&self, id: &str, old_until: Timestamp, now: Timestamp) -> Result<Secret, StoreError> {
        let secret = random::token()?;
        self.put_client_secret(id, &secret, old_until, now)?;
        Ok(secret)
    }

    /// Keeps the digest of a secret that was made elsewhere (a migration, a demo). Only the digest lies here, which is
    /// enough for a random secret and would not be for a word; hence the length.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if it is shorter than [`SECRET_CHARACTERS_MIN`]; [`StoreError::Missing`].
    pub fn put_client_secret(
        &self,
        id: &str,
        secret: &Secret,
        old_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if secret.expose().len() < SECRET_CHARACTERS_MIN {
            return Err(StoreError::Invalid(format!(
                "a client secret has at least {SECRET_CHARACTERS_MIN} characters"
            )));
        }
        if self.client(id)?.is_none() {
            return Err(StoreError::Missing { what: "client", id: id.to_owned() });
        }
        self.write(|transaction| {
            let until = old_until.micros();
            transaction.execute(
                "UPDATE client_secret SET until_at = ?2 WHERE client = ?1 AND (until_at IS NULL OR until_at > ?2)",
                (id, until),
            )?;
            transaction.execute(
                "INSERT INTO client_secret (client, digest, created, until_at) VALUES (?1, ?2, ?3, NULL)
                 ON CONFLICT (client, digest) DO UPDATE SET until_at = NULL",
                (id, sha256(secret.expose()), now.micros()),
            )?;
            Ok(())
        })
    }

    /// Whether this is a secret of the client that counts now. Only a digest is compared: who measures the time learns
    /// of the digest, which leads back to nothing.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn check_client_secret(&self, id: &str, secret: &Secret, now: Timestamp) -> Result<SecretCheck, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT 1 FROM client_secret WHERE client = ?1 AND digest = ?2 AND (until_at IS NULL OR until_at > ?3)",
            )?;
            let found = statement.exists((id, sha256(secret.expose()), now.micros()))?;
            Ok(if found { SecretCheck::Right } else { SecretCheck::Wrong })
        })
    }

    /// One of them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn client(&self, id: &str) -> Result<Option<Client>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
            Ok(statement.query_row([id], read).optional()?)
        })
    }

    /// All of them, by id.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn clients(&self) -> Result<Vec<Client>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY id"))?;
            Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
        })
    }
}

/// Whether a secret is the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretCheck {
    /// It is.
    Right,
    /// It is not, or no longer.
    Wrong,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Client> {
    let text: String = row.get(2)?;
    let damaged = |error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(2, Type::Text, error)
    };
    let value = serde_json::from_str(&text).map_err(|error| damaged(Box::new(error)))?;
    let metadata = ClientMetadata::parse(&value).map_err(|error| damaged(Box::new(error)))?;
    let status: String = row.get(3)?;
    Ok(Client {
        id: row.get(0)?,
        organization: row.get(1)?,
        metadata,
        status: Status::of(&status),
        created: Timestamp::from_micros(row.get(4)?),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::database::tests::{NOW, store};

    pub(crate) fn portal() -> Client {
        let metadata = json!({"client_name": "Portal", "redirect_uris": ["https://portal.example/back"],
            "grant_types": ["authorization_code", "refresh_token"], "scope": "openid patient/*.rs offline_access"});
        Client {
            id: "portal".into(),
            organization: None,
            metadata: ClientMetadata::parse(&metadata).unwrap(),
            status: Status::Active,
            created: NOW,
        }
    }

    #[test]
    fn a_client_is_read_as_it_was_written() {
        let (_folder, store) = store();
        store.add_client(&portal()).unwrap();
        assert_eq!(store.client("portal").unwrap(), Some(portal()));
        assert_eq!(store.clients().unwrap().len(), 1);
        assert!(matches!(store.add_client(&portal()), Err(StoreError::Exists { .. })));
        let orphan = Client { id: "orphan".into(), organization: Some("none".into()), ..portal() };
        assert!(matches!(store.add_client(&orphan), Err(StoreError::Missing { .. })));
    }

    #[test]
    fn a_rotated_secret_counts_and_the_old_one_until_its_day() {
        let (_folder, store) = store();
        store.add_client(&portal()).unwrap();
        let old = store.rotate_client_secret("portal", NOW, NOW).unwrap();
        let until = NOW.plus_seconds(60);
        let new = store.rotate_client_secret("portal", until, NOW).unwrap();
        let check = |secret: &Secret, at| store.check_client_secret("portal", secret, at).unwrap();
        assert_eq!(check(&old, NOW), SecretCheck::Right);
        assert_eq!(check(&new, NOW), SecretCheck::Right);
        assert_eq!(check(&old, until), SecretCheck::Wrong);
        assert_eq!(check(&new, until), SecretCheck::Right);
        assert_eq!(store.check_client_secret("other", &new, NOW).unwrap(), SecretCheck::Wrong);
    }

    #[test]
    fn a_guessable_secret_is_not_taken() {
        let (_folder, store) = store();
        store.add_client(&portal()).unwrap();
        let short = store.put_client_secret("portal", &Secret::new("secret"), NOW, NOW);
        assert!(matches!(short, Err(StoreError::Invalid(_))));
    }
}
