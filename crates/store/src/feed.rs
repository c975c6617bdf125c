//! Feeds: when what an upstream tells was last known to be complete. A feed that is too old is not known.

use bascule_fhir::Timestamp;
use rusqlite::OptionalExtension as _;

use crate::{Store, StoreError};

impl Store {
    /// Says that a feed is complete as of that instant, or, with `None`, that nobody knows.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn set_feed(&self, name: &str, as_of: Option<Timestamp>) -> Result<(), StoreError> {
        let done = self.write(|transaction| {
            let text = "INSERT OR REPLACE INTO feed (name, as_of) VALUES (?1, ?2)";
            transaction.execute(text, (name, as_of.map(Timestamp::micros)))?;
            Ok(())
        });
        self.facts.feeds.forget([&name.to_owned()]);
        done
    }

    /// As of when a feed is complete. Kept in memory.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn feed(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let found = self.facts.feeds.or_look_up(&name.to_owned(), || {
            self.read(|connection| {
                let mut statement = connection.prepare_cached("SELECT as_of FROM feed WHERE name = ?1")?;
                let as_of: Option<Option<i64>> = statement.query_row([name], |row| row.get(0)).optional()?;
                Ok::<_, StoreError>(as_of.flatten().map(Timestamp::from_micros))
            })
        });
        found.map(|found| *found)
    }
}

#[cfg(test)]
mod tests {
    use crate::database::tests::{NOW, store};

    #[test]
    fn a_feed_is_known_as_of_its_last_word() {
        let (_folder, store) = store();
        assert_eq!(store.feed("consents of ehr").unwrap(), None);
        store.set_feed("consents of ehr", Some(NOW)).unwrap();
        assert_eq!(store.feed("consents of ehr").unwrap(), Some(NOW));
        let queries = store.queries();
        store.feed("consents of ehr").unwrap();
        assert_eq!(store.queries(), queries);
        store.set_feed("consents of ehr", None).unwrap();
        assert_eq!(store.feed("consents of ehr").unwrap(), None);
    }
}
