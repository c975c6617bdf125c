//! Sealed emergency accounts: their secret lies in a safe, works without any provider, and each use is an alarm.

use bascule_fhir::Timestamp;
use rusqlite::{OptionalExtension as _, Row};

use crate::{Store, StoreError};

/// Seconds after the announcement of a drill in which a use counts as that drill.
pub const DRILL_SECONDS: i64 = 3_600;

/// A sealed account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The user.
    pub user: String,
    /// When it was sealed with the secret that counts now.
    pub sealed: Timestamp,
    /// When a drill was last announced.
    pub drilled: Option<Timestamp>,
    /// Whether it was used since it was sealed: the secret has been seen, and must be replaced.
    pub broken: bool,
}

/// A use of a sealed account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its number.
    pub number: i64,
    /// The user.
    pub user: String,
    /// When.
    pub at: Timestamp,
    /// Whether it was an announced drill.
    pub drill: bool,
    /// When, by whom and with what words it was reviewed.
    pub reviewed: Option<(Timestamp, String, String)>,
}

impl Store {
    /// Seals an account; sealing it again follows a new secret.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn seal(&self, user: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO sealed_account (user, sealed) VALUES (?1, ?2)
                 ON CONFLICT (user) DO UPDATE SET sealed = excluded.sealed",
                (user, now.micros()),
            )?;
            Ok(())
        })
    }

    /// Announces a drill: a use within [`DRILL_SECONDS`] is one.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the account is not sealed.
    pub fn announce_drill(&self, user: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let rows =
                transaction.execute("UPDATE sealed_account SET drilled = ?2 WHERE user = ?1", (user, now.micros()))?;
            StoreError::unless_found(rows, "sealed account", user)
        })
    }

    /// Notes a use of the account, if it is a sealed one.
    ///
    /// # Errors
    /// [`StoreError::Database`]; nobody may go on then.
    pub fn break_seal(&self, user: &str, now: Timestamp) -> Result<Option<Broken>, StoreError> {
        self.write(|transaction| {
            let drilled: Option<Option<i64>> = transaction
                .query_row("SELECT drilled FROM sealed_account WHERE user = ?1", [user], |row| row.get(0))
                .optional()?;
            let Some(drilled) = drilled else { return Ok(None) };
            let drill = drilled
                .is_some_and(|at| Timestamp::from_micros(at).plus_seconds(DRILL_SECONDS).micros() >= now.micros());
            let statement = "INSERT INTO seal_broken (user, at, drill) VALUES (?1, ?2, ?3)";
            transaction.execute(statement, (user, now.micros(), drill))?;
            let number = transaction.last_insert_rowid();
            Ok(Some(Broken { number, user: user.to_owned(), at: now, drill, reviewed: None }))
        })
    }

    /// The sealed accounts.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn sealed_accounts(&self) -> Result<Vec<Sealed>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT s.user, s.sealed, s.drilled,
                 EXISTS (SELECT 1 FROM seal_broken b WHERE b.user = s.user AND b.at >= s.sealed)
                 FROM sealed_account s ORDER BY s.user",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(Sealed {
                    user: row.get(0)?,
                    sealed: Timestamp::from_micros(row.get(1)?),
                    drilled: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_micros),
                    broken: row.get(3)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The uses of sealed accounts, newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn broken_seals(&self) -> Result<Vec<Broken>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT number, user, at, drill, reviewed, reviewed_by, note FROM seal_broken ORDER BY number DESC
                 LIMIT 1000",
            )?;
            Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
        })
    }

    /// Somebody looked into a use; the first word counts.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none of that number that is still open.
    pub fn review_broken_seal(&self, number: i64, by: &str, note: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE seal_broken SET reviewed = ?2, reviewed_by = ?3, note = ?4
                WHERE number = ?1 AND reviewed IS NULL";
            let rows = transaction.execute(statement, (number, now.micros(), by, note))?;
            StoreError::unless_found(rows, "open use of a sealed account", &number.to_string())
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Broken> {
    let reviewed = match (row.get::<_, Option<i64>>(4)?, row.get::<_, Option<String>>(5)?) {
        (Some(at), Some(by)) => {
            Some((Timestamp::from_micros(at), by, row.get::<_, Option<String>>(6)?.unwrap_or_default()))
        }
        _ => None,
    };
    Ok(Broken {
        number: row.get(0)?,
        user: row.get(1)?,
        at: Timestamp::from_micros(row.get(2)?),
        drill: row.get(3)?,
        reviewed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};
    use crate::user::NewUser;

    #[test]
    fn a_use_breaks_the_seal_until_it_is_sealed_again() {
        let (_folder, store) = store();
        let user = store.add_user(&NewUser { login: "sealed-1".into(), ..NewUser::default() }, None, NOW).unwrap().id;
        assert_eq!(store.break_seal(&user, NOW).unwrap(), None, "an ordinary account");
        store.seal(&user, NOW).unwrap();
        assert!(!store.sealed_accounts().unwrap()[0].broken);
        let broken = store.break_seal(&user, NOW.plus_seconds(5)).unwrap().unwrap();
        assert!(!broken.drill);
        assert!(store.sealed_accounts().unwrap()[0].broken);
        store.review_broken_seal(broken.number, "officer", "the provider was down", NOW).unwrap();
        assert!(store.review_broken_seal(broken.number, "other", "", NOW).is_err());
        assert_eq!(store.broken_seals().unwrap()[0].reviewed.as_ref().unwrap().1, "officer");
        store.seal(&user, NOW.plus_seconds(10)).unwrap();
        assert!(!store.sealed_accounts().unwrap()[0].broken);
    }

    #[test]
    fn a_drill_is_a_drill_within_its_hour_only() {
        let (_folder, store) = store();
        let user = store.add_user(&NewUser { login: "sealed-1".into(), ..NewUser::default() }, None, NOW).unwrap().id;
        assert!(store.announce_drill(&user, NOW).is_err());
        store.seal(&user, NOW).unwrap();
        store.announce_drill(&user, NOW).unwrap();
        let drill = |seconds| store.break_seal(&user, NOW.plus_seconds(seconds)).unwrap().unwrap().drill;
        assert!(drill(DRILL_SECONDS));
        assert!(!drill(DRILL_SECONDS + 1));
    }
}
