//! Relations: patient × practitioner with kind, time and source, in one API.

use std::sync::Arc;

use bascule_fhir::{Id, Timestamp};
use bascule_policy::party::Relation;
use rusqlite::{Row, Transaction, types::Type};

use crate::{Store, StoreError};

const COLUMNS: &str = "SELECT patient, practitioner, kind, from_at, until_at, seen, api, source FROM relation";

/// A relation as a source told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What was told.
    pub relation: Relation,
    /// When it was told last.
    pub seen: Timestamp,
    /// The API in which both ids count.
    pub api: String,
    /// Who told it.
    pub source: String,
}

impl Store {
    /// Keeps a relation as `source` tells it; a later word of the same source replaces the earlier.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn put_relation(&self, api: &str, relation: &Relation, source: &str, now: Timestamp) -> Result<(), StoreError> {
        let done = self.write(|transaction| put(transaction, api, relation, source, now));
        self.facts.relations.forget([&(api.to_owned(), relation.practitioner.clone())]);
        self.facts.relations_to.forget([&(api.to_owned(), relation.patient.clone())]);
        self.facts.relations_as_of.forget([&api.to_owned()]);
        done
    }

    /// Makes the relations of a source in an API those that are told, all at once; the others of that source are gone.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn sync_relations(
        &self,
        api: &str,
        relations: &[Relation],
        source: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let done = self.write(|transaction| {
            relations.iter().try_for_each(|relation| put(transaction, api, relation, source, now))?;
            let gone = "DELETE FROM relation WHERE api = ?1 AND source = ?2 AND seen < ?3";
            transaction.execute(gone, (api, source, now.micros()))?;
            let feed = "INSERT OR REPLACE INTO feed (name, as_of) VALUES (?1, ?2)";
            transaction.execute(feed, (format!("relations of {api}"), now.micros()))?;
            Ok(())
        });
        self.facts.relations.forget_all();
        self.facts.relations_to.forget_all();
        self.facts.relations_as_of.forget_all();
        done
    }

    /// Takes a source's relation back.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn end_relation(
        &self,
        api: &str,
        patient: &Id,
        practitioner: &Id,
        kind: &str,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let done = self.write(|transaction| {
            let text = "UPDATE relation SET until_at = min(coalesce(until_at, ?5), ?5)
                WHERE api = ?1 AND patient = ?2 AND practitioner = ?3 AND kind = ?4";
            let who = (api, patient.as_str(), practitioner.as_str(), kind, until.micros());
            StoreError::unless_found(transaction.execute(text, who)?, "relation", &format!("{patient}/{practitioner}"))
        });
        self.facts.relations.forget([&(api.to_owned(), practitioner.clone())]);
        self.facts.relations_to.forget([&(api.to_owned(), patient.clone())]);
        done
    }

    /// A practitioner's relations, each with when it was told; the caller says what is too stale to be one. Kept in
    /// memory.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn relations_of(&self, api: &str, practitioner: &Id) -> Result<Arc<Vec<Seen>>, StoreError> {
        self.facts.relations.or_look_up(&(api.to_owned(), practitioner.clone()), || {
            self.read(|connection| {
                let text = format!("{COLUMNS} WHERE api = ?1 AND practitioner = ?2 ORDER BY patient, kind");
                let mut statement = connection.prepare_cached(&text)?;
                let rows = statement.query_map((api, practitioner.as_str()), read)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
        })
    }

    /// When the relations of an API were last known to be complete: when its feed last ran, or, without a feed, when
    /// somebody last entered one; `None` if nobody ever did. Kept in memory.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn relations_as_of(&self, api: &str) -> Result<Option<Timestamp>, StoreError> {
        let found = self.facts.relations_as_of.or_look_up(&api.to_owned(), || {
            self.read(|connection| {
                let text = "SELECT coalesce((SELECT as_of FROM feed WHERE name = 'relations of ' || ?1),
                    (SELECT max(seen) FROM relation WHERE api = ?1))";
                let seen: Option<i64> = connection.prepare_cached(text)?.query_row([api], |row| row.get(0))?;
                Ok::<_, StoreError>(seen.map(Timestamp::from_micros))
            })
        });
        found.map(|found| *found)
    }

    /// A patient's relations, for the care team. Kept in memory.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn relations_to(&self, api: &str, patient: &Id) -> Result<Arc<Vec<Seen>>, StoreError> {
        self.facts.relations_to.or_look_up(&(api.to_owned(), patient.clone()), || {
            self.read(|connection| {
                let text = format!("{COLUMNS} WHERE api = ?1 AND patient = ?2 ORDER BY practitioner, kind");
                let mut statement = connection.prepare_cached(&text)?;
                let rows = statement.query_map((api, patient.as_str()), read)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
        })
    }

    /// All of them, by API and practitioner.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn relations(&self) -> Result<Vec<Seen>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached(&format!("{COLUMNS} ORDER BY api, practitioner, patient, kind"))?;
            Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
        })
    }
}

fn put(
    transaction: &Transaction<'_>,
    api: &str,
    relation: &Relation,
    source: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Relation { patient, practitioner, kind, from, until } = relation;
    let mut statement = transaction.prepare_cached(
        "INSERT INTO relation (api, practitioner, patient, kind, from_at, until_at, source, seen)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (api, practitioner, patient, kind, source)
         DO UPDATE SET from_at = excluded.from_at, until_at = excluded.until_at, seen = excluded.seen",
    )?;
    statement.execute((
        api,
        practitioner.as_str(),
        patient.as_str(),
        kind,
        from.micros(),
        until.map(Timestamp::micros),
        source,
        now.micros(),
    ))?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Seen> {
    let relation = Relation {
        patient: id(row, 0)?,
        practitioner: id(row, 1)?,
        kind: row.get(2)?,
        from: Timestamp::from_micros(row.get(3)?),
        until: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_micros),
    };
    Ok(Seen { relation, seen: Timestamp::from_micros(row.get(5)?), api: row.get(6)?, source: row.get(7)? })
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

    fn relation(patient: &str) -> Relation {
        Relation {
            patient: Id::parse(patient).unwrap(),
            practitioner: Id::parse("dr-1").unwrap(),
            kind: "care-team".into(),
            from: NOW,
            until: None,
        }
    }

    #[test]
    fn a_relation_holds_in_its_own_api_only_and_says_when_it_was_told() {
        let (_folder, store) = store();
        let practitioner = Id::parse("dr-1").unwrap();
        let of = |api| store.relations_of(api, &practitioner).unwrap();
        assert!(of("ehr").is_empty());
        store.put_relation("ehr", &relation("p-1"), "chart", NOW).unwrap();
        store.put_relation("ehr", &relation("p-1"), "chart", NOW.plus_seconds(1)).unwrap();
        assert_eq!((of("ehr").len(), of("lab").len()), (1, 0));
        assert_eq!(of("ehr")[0].seen, NOW.plus_seconds(1));
        assert_eq!(store.relations_as_of("ehr").unwrap(), Some(NOW.plus_seconds(1)));
        assert_eq!(store.relations_as_of("lab").unwrap(), None);
        let patient = Id::parse("p-1").unwrap();
        store.end_relation("ehr", &patient, &practitioner, "care-team", NOW.plus_seconds(2)).unwrap();
        assert_eq!(of("ehr")[0].relation.until, Some(NOW.plus_seconds(2)));
        assert!(store.end_relation("lab", &patient, &practitioner, "care-team", NOW).is_err());
    }

    #[test]
    fn a_feed_replaces_what_it_told_before_and_nothing_of_others() {
        let (_folder, store) = store();
        store.put_relation("ehr", &relation("by-hand"), "registrar", NOW).unwrap();
        store.sync_relations("ehr", &[relation("p-1"), relation("p-2")], "feed", NOW).unwrap();
        store.sync_relations("ehr", &[relation("p-2")], "feed", NOW.plus_seconds(60)).unwrap();
        let all = store.relations().unwrap();
        let patients: Vec<&str> = all.iter().map(|seen| seen.relation.patient.as_str()).collect();
        assert_eq!(patients, ["by-hand", "p-2"]);
        assert_eq!(store.relations_as_of("ehr").unwrap(), Some(NOW.plus_seconds(60)));
        assert_eq!(store.relations_to("ehr", &Id::parse("p-2").unwrap()).unwrap().len(), 1);
    }
}
