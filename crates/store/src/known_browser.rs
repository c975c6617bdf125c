//! Browsers in which a person has signed in before: guessing by strangers never slows these down.

use bascule_crypto::digest::Sha256;
use bascule_fhir::Timestamp;

use crate::{Store, StoreError};

/// Browsers remembered for one person; the one unseen for longest goes first.
const BROWSERS_MAX: i64 = 32;
/// Days after which a browser that did not come back is a stranger again.
const REMEMBERED_DAYS: i64 = 180;

impl Store {
    /// Remembers that this user signed in in this browser (the digest of its cookie).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn remember_browser(&self, user: &str, browser: &Sha256, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO known_browser (user, browser, seen) VALUES (?1, ?2, ?3)
                 ON CONFLICT (user, browser) DO UPDATE SET seen = excluded.seen",
                (user, browser, now.micros()),
            )?;
            transaction.execute(
                "DELETE FROM known_browser WHERE user = ?1 AND browser NOT IN
                 (SELECT browser FROM known_browser WHERE user = ?1 ORDER BY seen DESC LIMIT ?2)",
                (user, BROWSERS_MAX),
            )?;
            Ok(())
        })
    }

    /// Whether somebody with this login has signed in in this browser before.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn knows_browser(&self, login: &str, browser: &Sha256, now: Timestamp) -> Result<bool, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT 1 FROM known_browser b JOIN user u ON u.id = b.user
                 WHERE u.login = ?1 AND b.browser = ?2 AND b.seen > ?3",
            )?;
            let since = now.plus_seconds(-REMEMBERED_DAYS * 86_400).micros();
            Ok(statement.exists((login.trim(), browser, since))?)
        })
    }

    /// Forgets the browsers of a user, after a reset.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn forget_browsers(&self, user: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM known_browser WHERE user = ?1", [user])?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};
    use crate::user::NewUser;

    #[test]
    fn a_browser_is_known_for_one_person_and_for_a_time() {
        let (_folder, store) = store();
        let user = store.add_user(&NewUser { login: "amal".into(), ..NewUser::default() }, None, NOW).unwrap().id;
        store.add_user(&NewUser { login: "joana".into(), ..NewUser::default() }, None, NOW).unwrap();
        store.remember_browser(&user, &[1; 32], NOW).unwrap();
        let knows = |login, browser: u8, days| {
            store.knows_browser(login, &[browser; 32], NOW.plus_seconds(days * 86_400)).unwrap()
        };
        assert!(knows("AMAL ", 1, 1));
        assert!(!knows("joana", 1, 1), "another person");
        assert!(!knows("amal", 2, 1), "another browser");
        assert!(!knows("amal", 1, REMEMBERED_DAYS), "too long ago");
        store.forget_browsers(&user).unwrap();
        assert!(!knows("amal", 1, 1), "forgotten");
    }

    #[test]
    fn no_more_are_kept_than_the_bound() {
        let (_folder, store) = store();
        let user = store.add_user(&NewUser { login: "amal".into(), ..NewUser::default() }, None, NOW).unwrap().id;
        for number in 0..40_u8 {
            store.remember_browser(&user, &[number; 32], NOW.plus_seconds(i64::from(number))).unwrap();
        }
        assert!(!store.knows_browser("amal", &[0; 32], NOW.plus_seconds(60)).unwrap());
        assert!(store.knows_browser("amal", &[39; 32], NOW.plus_seconds(60)).unwrap());
    }
}
