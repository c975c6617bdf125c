//! Passkeys: the public halves of what people sign in with. Who can read them can sign in as nobody.

use bascule_fhir::Timestamp;
use rusqlite::{OptionalExtension as _, Row};

use crate::{Store, StoreError};

/// Passkeys of one person.
pub const PASSKEYS_MAX: usize = 16;
/// Characters of the name that a person gives to one.
pub const NAME_CHARACTERS_MAX: usize = 64;

/// A passkey of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// The credential's id, base64url.
    pub id: String,
    /// Whose.
    pub user: String,
    /// What the person calls it.
    pub name: String,
    /// Public key and counter, in the words of the WebAuthn library.
    pub credential: String,
    /// When it was set up.
    pub created: Timestamp,
    /// When it was last used.
    pub used: Option<Timestamp>,
    /// Since when it is refused, because its counter ran backwards: somebody may hold a copy.
    pub blocked: Option<Timestamp>,
}

const COLUMNS: &str = "SELECT id, user, name, credential, created, used, blocked FROM passkey";

impl Store {
    /// Keeps a new passkey.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if that credential is known, of whomever; [`StoreError::Invalid`] beyond
    /// [`PASSKEYS_MAX`] or without a name.
    pub fn add_passkey(&self, passkey: &Passkey) -> Result<(), StoreError> {
        let characters = passkey.name.trim().chars().count();
        if characters == 0 || characters > NAME_CHARACTERS_MAX {
            return Err(StoreError::Invalid(format!("a passkey's name has 1 to {NAME_CHARACTERS_MAX} characters")));
        }
        self.write(|transaction| {
            let have: i64 =
                transaction
                    .query_row("SELECT count(*) FROM passkey WHERE user = ?1", [&passkey.user], |row| row.get(0))?;
            if have >= i64::try_from(PASSKEYS_MAX).unwrap_or(i64::MAX) {
                return Err(StoreError::Invalid(format!("a person has at most {PASSKEYS_MAX} passkeys: remove one")));
            }
            let Passkey { id, user, name, credential, created, .. } = passkey;
            transaction
                .execute(
                    "INSERT INTO passkey (id, user, name, credential, created) VALUES (?1, ?2, ?3, ?4, ?5)",
                    (id, user, name.trim(), credential, created.micros()),
                )
                .map_err(|error| StoreError::or_exists(error, "passkey", id))?;
            Ok(())
        })
    }

    /// A passkey by its credential's id.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn passkey(&self, id: &str) -> Result<Option<Passkey>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
            Ok(statement.query_row([id], read).optional()?)
        })
    }

    /// All passkeys of a user, the blocked ones too, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn passkeys_of(&self, user: &str) -> Result<Vec<Passkey>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached(&format!("{COLUMNS} WHERE user = ?1 ORDER BY created, id"))?;
            Ok(statement.query_map([user], read)?.collect::<Result<_, _>>()?)
        })
    }

    /// Notes a use, with the credential as it is afterwards (its counter went on). Of two uses that saw the same
    /// counter, one is noted.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it is gone, blocked, or was used in between.
    pub fn use_passkey(&self, before: &Passkey, after: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let rows = transaction.execute(
                "UPDATE passkey SET credential = ?3, used = ?4 WHERE id = ?1 AND credential = ?2 AND blocked IS NULL",
                (&before.id, &before.credential, after, now.micros()),
            )?;
            StoreError::unless_found(rows, "usable passkey", &before.id)
        })
    }

    /// Refuses a passkey from now on.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn block_passkey(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE passkey SET blocked = coalesce(blocked, ?2) WHERE id = ?1";
            StoreError::unless_found(transaction.execute(statement, (id, now.micros()))?, "passkey", id)
        })
    }

    /// Forgets a passkey of a user.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the user has none of that id.
    pub fn remove_passkey(&self, user: &str, id: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            let statement = "DELETE FROM passkey WHERE user = ?1 AND id = ?2";
            StoreError::unless_found(transaction.execute(statement, (user, id))?, "passkey", id)
        })
    }

    /// Forgets all passkeys of a user and the one-time passwords too: a reset follows a loss.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn remove_second_factors(&self, user: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM passkey WHERE user = ?1", [user])?;
            let statement = "UPDATE user SET second_factor = NULL, second_factor_step = NULL WHERE id = ?1";
            transaction.execute(statement, [user])?;
            Ok(())
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Passkey> {
    let time = |column: usize| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
    };
    Ok(Passkey {
        id: row.get(0)?,
        user: row.get(1)?,
        name: row.get(2)?,
        credential: row.get(3)?,
        created: Timestamp::from_micros(row.get(4)?),
        used: time(5)?,
        blocked: time(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};
    use crate::user::NewUser;

    fn house() -> (tempfile::TempDir, Store, Passkey) {
        let (folder, store) = store();
        let user = NewUser { login: "amal".into(), ..NewUser::default() };
        let user = store.add_user(&user, None, NOW).unwrap().id;
        let passkey = Passkey {
            id: "c1".into(),
            user,
            name: "Telephone".into(),
            credential: "{\"counter\":1}".into(),
            created: NOW,
            used: None,
            blocked: None,
        };
        (folder, store, passkey)
    }

    #[test]
    fn a_passkey_is_a_second_factor_until_it_is_removed() {
        let (_folder, store, passkey) = house();
        assert!(!store.user(&passkey.user).unwrap().unwrap().second_factor);
        store.add_passkey(&passkey).unwrap();
        assert!(store.user(&passkey.user).unwrap().unwrap().second_factor);
        assert_eq!(store.passkeys_of(&passkey.user).unwrap(), std::slice::from_ref(&passkey));
        assert!(store.remove_passkey("somebody", "c1").is_err(), "only its owner");
        store.remove_passkey(&passkey.user, "c1").unwrap();
        assert!(!store.user(&passkey.user).unwrap().unwrap().second_factor);
    }

    #[test]
    fn a_credential_belongs_to_one_person() {
        let (_folder, store, passkey) = house();
        store.add_passkey(&passkey).unwrap();
        let other = NewUser { login: "joana".into(), ..NewUser::default() };
        let other = store.add_user(&other, None, NOW).unwrap().id;
        assert!(store.add_passkey(&Passkey { user: other, ..passkey }).is_err());
    }

    #[test]
    fn of_two_uses_of_one_counter_one_counts_and_a_blocked_one_never() {
        let (_folder, store, passkey) = house();
        store.add_passkey(&passkey).unwrap();
        store.use_passkey(&passkey, "{\"counter\":2}", NOW).unwrap();
        assert!(store.use_passkey(&passkey, "{\"counter\":2}", NOW).is_err(), "the same state twice");
        let now = store.passkey("c1").unwrap().unwrap();
        store.block_passkey("c1", NOW).unwrap();
        assert!(store.use_passkey(&now, "{\"counter\":3}", NOW).is_err(), "blocked");
        assert!(store.passkey("c1").unwrap().unwrap().blocked.is_some());
    }

    #[test]
    fn there_is_a_bound_and_a_name() {
        let (_folder, store, passkey) = house();
        for number in 0..PASSKEYS_MAX {
            store.add_passkey(&Passkey { id: format!("c{number}"), ..passkey.clone() }).unwrap();
        }
        assert!(store.add_passkey(&Passkey { id: "one more".into(), ..passkey.clone() }).is_err());
        store.remove_second_factors(&passkey.user).unwrap();
        assert!(store.passkeys_of(&passkey.user).unwrap().is_empty());
        assert!(store.add_passkey(&Passkey { name: " ".into(), ..passkey }).is_err());
    }
}
