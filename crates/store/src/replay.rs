//! Identifiers that may be used once: `jti` of client assertions and DPoP proofs, steps of one-time passwords.

use bascule_fhir::Timestamp;

use crate::{Store, StoreError};

/// Whether an identifier is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Never seen (within its lifetime); it is remembered now.
    First,
    /// Seen before.
    Replayed,
}

impl Store {
    /// Remembers that `issuer` used `identifier`, until `until`. Two callers with the same one: exactly one is first.
    ///
    /// # Errors
    /// [`StoreError::Database`]; the caller must refuse then.
    pub fn use_once(
        &self,
        issuer: &str,
        identifier: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Use, StoreError> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO replay (issuer, identifier, until_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (issuer, identifier) DO UPDATE SET until_at = excluded.until_at
                 WHERE replay.until_at < ?4",
            )?;
            let rows = statement.execute((issuer, identifier, until.micros(), now.micros()))?;
            Ok(if rows == 1 { Use::First } else { Use::Replayed })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn an_identifier_is_first_once_for_each_issuer() {
        let (_folder, store) = store();
        let until = NOW.plus_seconds(300);
        assert_eq!(store.use_once("a", "1", until, NOW).unwrap(), Use::First);
        assert_eq!(store.use_once("a", "1", until, NOW).unwrap(), Use::Replayed);
        assert_eq!(store.use_once("a", "1", until, until).unwrap(), Use::Replayed);
        assert_eq!(store.use_once("b", "1", until, NOW).unwrap(), Use::First);
        assert_eq!(store.use_once("a", "1", until, until.plus_seconds(1)).unwrap(), Use::First);
    }

    #[test]
    fn of_many_at_once_exactly_one_is_first() {
        let (_folder, store) = store();
        let firsts = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| store.use_once("a", "1", NOW.plus_seconds(1), NOW).unwrap() == Use::First))
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|first| *first).count()
        });
        assert_eq!(firsts, 1);
    }
}
