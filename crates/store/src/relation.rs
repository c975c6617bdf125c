//! Relations: patient × practitioner with kind, time and source.

use bascule_fhir::{Id, Timestamp};
use bascule_policy::party::Relation;
use rusqlite::{Row, types::Type};

use crate::{Store, StoreError};

const COLUMNS: &str = "SELECT patient, practitioner, kind, from_at, until_at FROM relation";

impl Store {
    /// Keeps a relation as `source` tells it; a later word of the same source replaces the earlier.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn put_relation(&self, relation: &Relation, source: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let Relation { patient, practitioner, kind, from, until } = relation;
            transaction.execute(
                "INSERT INTO relation (practitioner, patient, kind, from_at, until_at, source, seen)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (practitioner, patient, kind, source)
                 DO UPDATE SET from_at = excluded.from_at, until_at = excluded.until_at, seen = excluded.seen",
                (
                    practitioner.as_str(),
                    patient.as_str(),
                    kind,
                    from.micros(),
                    until.map(Timestamp::micros),
                    source,
                    now.micros(),
                ),
            )?;
            Ok(())
        })
    }

    /// A practitioner's relations that some source told of since `seen_since`; what is staler is unknown.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn relations_of(&self, practitioner: &Id, seen_since: Timestamp) -> Result<Vec<Relation>, StoreError> {
        self.read(|connection| {
            let text = format!("{COLUMNS} WHERE practitioner = ?1 AND seen >= ?2 ORDER BY patient, kind");
            let mut statement = connection.prepare_cached(&text)?;
            let rows = statement.query_map((practitioner.as_str(), seen_since.micros()), read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Who treats a patient now, as references, as far as some source told of it since `seen_since`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn care_team_of(&self, patient: &Id, seen_since: Timestamp, now: Timestamp) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT practitioner FROM relation WHERE patient = ?1 AND seen >= ?2 AND from_at <= ?3
                 AND (until_at IS NULL OR until_at > ?3) AND kind = 'care-team' ORDER BY practitioner",
            )?;
            let rows = statement.query_map((patient.as_str(), seen_since.micros(), now.micros()), |row| {
                Ok(format!("Practitioner/{}", row.get::<_, String>(0)?))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// When the feed of relations last said anything; `None` if it never did.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn relations_as_of(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT max(seen) FROM relation")?;
            let seen: Option<i64> = statement.query_row([], |row| row.get(0))?;
            Ok(seen.map(Timestamp::from_micros))
        })
    }

    /// All of them, by practitioner.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn relations(&self) -> Result<Vec<Relation>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached(&format!("{COLUMNS} ORDER BY practitioner, patient, kind"))?;
            Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Relation> {
    Ok(Relation {
        patient: id(row, 0)?,
        practitioner: id(row, 1)?,
        kind: row.get(2)?,
        from: Timestamp::from_micros(row.get(3)?),
        until: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_micros),
    })
}

/// A FHIR id out of a column.
pub(crate) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<Id> {
    let text: String = row.get(column)?;
    Id::parse(&text).ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, "not an id".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn a_relation_is_known_while_it_is_fresh() {
        let (_folder, store) = store();
        let practitioner = Id::parse("dr-1").unwrap();
        let relation = Relation {
            patient: Id::parse("p-1").unwrap(),
            practitioner: practitioner.clone(),
            kind: "care-team".into(),
            from: NOW,
            until: None,
        };
        store.put_relation(&relation, "chart", NOW).unwrap();
        store.put_relation(&relation, "chart", NOW).unwrap();
        assert_eq!(store.relations().unwrap(), std::slice::from_ref(&relation));
        assert_eq!(store.relations_of(&practitioner, NOW).unwrap(), [relation]);
        assert!(store.relations_of(&practitioner, NOW.plus_seconds(1)).unwrap().is_empty());
    }
}
