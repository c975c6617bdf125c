//! What was kept as evidence when access was ended for cause.

use bascule_fhir::Timestamp;

use crate::{Store, StoreError};

/// A case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preserved {
    /// Its number; given when it is kept.
    pub number: i64,
    /// `client`, `user`, `organization`.
    pub kind: String,
    /// Its id.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// Who ended it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What is held, as JSON: matter, months, how many patients and entries.
    pub held: String,
}

impl Store {
    /// Keeps a case; its number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn preserve(&self, case: &Preserved) -> Result<i64, StoreError> {
        self.write(|transaction| {
            let Preserved { kind, subject, reason, by, at, held, .. } = case;
            transaction.execute(
                "INSERT INTO preserved (kind, subject, reason, by_whom, at, held) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (kind, subject, reason, by, at.micros(), held),
            )?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// The cases, newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn preserved(&self) -> Result<Vec<Preserved>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT number, kind, subject, reason, by_whom, at, held FROM preserved ORDER BY number DESC LIMIT 1000",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(Preserved {
                    number: row.get(0)?,
                    kind: row.get(1)?,
                    subject: row.get(2)?,
                    reason: row.get(3)?,
                    by: row.get(4)?,
                    at: Timestamp::from_micros(row.get(5)?),
                    held: row.get(6)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn a_case_is_read_as_it_was_kept() {
        let (_folder, store) = store();
        let case = Preserved {
            number: 1,
            kind: "client".into(),
            subject: "app".into(),
            reason: "took too much".into(),
            by: "uid 0".into(),
            at: NOW,
            held: "{}".into(),
        };
        assert_eq!(store.preserve(&case).unwrap(), 1);
        assert_eq!(store.preserved().unwrap(), [case]);
    }
}
