//! Identity links: which ids of which APIs are the same person. Unlinked is unmatched, never guessed.
//!
//! A person is Bascule's own id; each row says that a patient of an API is that person, since when, and who says so. A
//! merge ends one row and begins another; an unmerge marks a row as wrong: it never was so.
//!
//! Whoever can rewrite these rows can give one patient's record to another: they are trusted as they stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use bascule_fhir::{Id, Timestamp};
use bascule_policy::record::{Link, Links, Period};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};

use crate::{Store, StoreError, random};

/// Ids of one person at most: more would be a fault of the table that was imported.
pub const IDS_OF_A_PERSON_MAX: usize = 5_000;

/// A patient of an API.
pub type PatientOf = (String, Id);

/// One row: a patient of an API is that person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Bascule's id of the person.
    pub person: String,
    /// The API.
    pub api: String,
    /// The patient's id there.
    pub patient: Id,
    /// The identifier by which they were matched: its system and value.
    pub identifier: Option<(String, String)>,
    /// Who says so: a registrar, an imported table.
    pub source: String,
    /// Since when, until when.
    pub period: Period,
    /// It never was so.
    pub wrong: bool,
    /// Who entered it.
    pub filed_by: String,
    /// Why it ended.
    pub ended_because: Option<String>,
}

/// A row of an imported table: a person's identifier, and a patient of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// System and value of the person's identifier; the same pair is the same person.
    pub identifier: (String, String),
    /// The API.
    pub api: String,
    /// The patient's id there.
    pub patient: Id,
}

/// What came of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Links that are new.
    pub added: usize,
    /// Links that the table no longer has, or has otherwise.
    pub ended: usize,
    /// Links as before.
    pub unchanged: usize,
}

/// Everything that is known of one patient's identity: the rows of every person that the patient is or was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identities {
    /// The patient's own rows.
    own: Vec<Identity>,
    /// Rows of other patients of the same persons.
    others: Vec<Identity>,
}

impl Identities {
    /// The links to other ids, each with the time in which both rows hold.
    #[must_use]
    pub fn links(&self) -> Links {
        let mut links: BTreeMap<String, Vec<Link>> = BTreeMap::new();
        for (own, other) in self.pairs() {
            let Some(period) = own.period.common(other.period) else { continue };
            let source = other.source.clone();
            links.entry(other.api.clone()).or_default().push(Link { id: other.patient.clone(), source, period });
        }
        Links(links)
    }

    /// Every other id of the person, with the time in which the link holds. One that was never wrong is named even after
    /// it has ended, without a time: what a patient keeps back follows it.
    pub fn ever(&self) -> impl Iterator<Item = (&str, &Id, Option<Period>)> {
        self.pairs().map(|(own, other)| (other.api.as_str(), &other.patient, own.period.common(other.period)))
    }

    fn pairs(&self) -> impl Iterator<Item = (&Identity, &Identity)> {
        let right = |identity: &&Identity| !identity.wrong;
        self.own.iter().filter(right).flat_map(move |own| {
            let same = move |other: &&Identity| other.person == own.person && !other.wrong;
            self.others.iter().filter(same).map(move |other| (own, other))
        })
    }
}

const COLUMNS: &str = "SELECT person, api, patient, system, identifier, source, from_at, until_at, wrong, filed_by,
    ended_because FROM identity";

impl Store {
    /// Says that two patients are the same person. If one of them is a person already, the other becomes that person;
    /// if both are, the second's person is merged into the first's.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if they are linked already, or the person would have too many ids.
    pub fn link(
        &self,
        one: &PatientOf,
        other: &PatientOf,
        identifier: Option<&(String, String)>,
        source: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let fresh = random::id()?;
        self.change_identities(|transaction| {
            let (mine, theirs) = (person_of(transaction, one)?, person_of(transaction, other)?);
            if mine.is_some() && mine == theirs {
                return Err(StoreError::Invalid("they are linked already".to_owned()));
            }
            let mut touched = cluster(transaction, one)?;
            touched.extend(cluster(transaction, other)?);
            let person = mine.clone().unwrap_or(fresh);
            let row = |patient: &PatientOf| Identity {
                person: person.clone(),
                api: patient.0.clone(),
                patient: patient.1.clone(),
                identifier: identifier.cloned(),
                source: source.to_owned(),
                period: Period { from: now, until: None },
                wrong: false,
                filed_by: by.to_owned(),
                ended_because: None,
            };
            if mine.is_none() {
                insert(transaction, &row(one))?;
            }
            let moved = match &theirs {
                None => vec![row(other)],
                Some(theirs) => in_force(transaction, theirs)?
                    .into_iter()
                    .map(|before| Identity {
                        period: Period { from: now, until: None },
                        ..row(&(before.api, before.patient))
                    })
                    .collect(),
            };
            if let Some(theirs) = &theirs {
                let because = format!("merged into {person}");
                let end =
                    "UPDATE identity SET until_at = ?2, ended_because = ?3 WHERE person = ?1 AND until_at IS NULL";
                transaction.execute(end, (theirs, now.micros(), because))?;
            }
            moved.iter().try_for_each(|row| insert(transaction, row))?;
            if in_force(transaction, &person)?.len() > IDS_OF_A_PERSON_MAX {
                return Err(StoreError::Invalid(format!("a person has {IDS_OF_A_PERSON_MAX} ids at most")));
            }
            Ok(touched)
        })
    }

    /// Takes a patient out of the person that it is: from now on, or, if the link was `wrong`, as if it never was so.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the patient is linked to nobody.
    pub fn unlink(&self, patient: &PatientOf, wrong: bool, because: &str, now: Timestamp) -> Result<(), StoreError> {
        self.change_identities(|transaction| {
            let touched = cluster(transaction, patient)?;
            let end = "UPDATE identity SET until_at = ?3, wrong = ?4, ended_because = ?5
                WHERE api = ?1 AND patient = ?2 AND until_at IS NULL";
            let rows = transaction.execute(end, (&patient.0, patient.1.as_str(), now.micros(), wrong, because))?;
            let id = || format!("{}/{}", patient.0, patient.1);
            StoreError::unless_found(rows, "link of", &id())?;
            Ok(touched)
        })
    }

    /// Makes the links of a source those of its table, all at once: what the table no longer has is ended.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn import_identities(
        &self,
        table: &[Told],
        source: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<Imported, StoreError> {
        let mut imported = Imported::default();
        let done = self.write(|transaction| {
            let mut before: BTreeMap<(String, String, Id), ()> = BTreeMap::new();
            let text = format!("{COLUMNS} WHERE source = ?1 AND until_at IS NULL");
            for row in transaction.prepare(&text)?.query_map([source], read)? {
                let row = row?;
                before.insert((row.person, row.api, row.patient), ());
            }
            for told in table {
                let (system, value) = &told.identifier;
                let person = format!("{system}|{value}");
                if before.remove(&(person.clone(), told.api.clone(), told.patient.clone())).is_some() {
                    imported.unchanged += 1;
                    continue;
                }
                let row = Identity {
                    person,
                    api: told.api.clone(),
                    patient: told.patient.clone(),
                    identifier: Some(told.identifier.clone()),
                    source: source.to_owned(),
                    period: Period { from: now, until: None },
                    wrong: false,
                    filed_by: by.to_owned(),
                    ended_because: None,
                };
                insert(transaction, &row)?;
                imported.added += 1;
            }
            let end = "UPDATE identity SET until_at = ?4, ended_because = 'the table no longer has it'
                WHERE person = ?1 AND api = ?2 AND patient = ?3 AND until_at IS NULL";
            for (person, api, patient) in before.keys() {
                transaction.execute(end, (person, api, patient.as_str(), now.micros()))?;
                imported.ended += 1;
            }
            Ok(())
        });
        self.facts.identities.forget_all();
        done.map(|()| imported)
    }

    /// What is known of a patient's identity. Kept in memory.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn identities_of(&self, patient: &PatientOf) -> Result<Arc<Identities>, StoreError> {
        self.facts.identities.or_look_up(patient, || {
            self.read(|connection| {
                let (own, others) = rows_of(connection, patient)?
                    .into_iter()
                    .partition(|row| row.api == patient.0 && row.patient == patient.1);
                Ok(Identities { own, others })
            })
        })
    }

    /// Moves with every change of an identity.
    #[must_use]
    pub fn identity_changes(&self) -> u64 {
        self.facts.identities.changes()
    }

    /// Every row, by person, ended ones too.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn identities(&self) -> Result<Vec<Identity>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached(&format!("{COLUMNS} ORDER BY person, api, patient, from_at"))?;
            Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
        })
    }

    /// Changes rows and forgets exactly the patients whose persons were touched.
    fn change_identities(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<Vec<PatientOf>, StoreError>,
    ) -> Result<(), StoreError> {
        match self.write(work) {
            Ok(touched) => {
                self.facts.identities.forget(&touched);
                Ok(())
            }
            Err(error) => {
                self.facts.identities.forget_all();
                Err(error)
            }
        }
    }
}

/// The rows of every person that the patient is or was.
fn rows_of(connection: &Connection, (api, patient): &PatientOf) -> Result<Vec<Identity>, StoreError> {
    let text = format!(
        "{COLUMNS} WHERE person IN (SELECT person FROM identity WHERE api = ?1 AND patient = ?2)
         ORDER BY api, patient, from_at"
    );
    let mut statement = connection.prepare_cached(&text)?;
    Ok(statement.query_map((api, patient.as_str()), read)?.collect::<Result<_, _>>()?)
}

/// The patient, and every other of its persons.
fn cluster(connection: &Connection, patient: &PatientOf) -> Result<Vec<PatientOf>, StoreError> {
    let rows = rows_of(connection, patient)?.into_iter().map(|row| (row.api, row.patient));
    Ok(std::iter::once(patient.clone()).chain(rows).collect())
}

fn person_of(connection: &Connection, (api, patient): &PatientOf) -> Result<Option<String>, StoreError> {
    let text = "SELECT person FROM identity WHERE api = ?1 AND patient = ?2 AND until_at IS NULL";
    Ok(connection.prepare_cached(text)?.query_row((api, patient.as_str()), |row| row.get(0)).optional()?)
}

fn in_force(connection: &Connection, person: &str) -> Result<Vec<Identity>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE person = ?1 AND until_at IS NULL"))?;
    Ok(statement.query_map([person], read)?.collect::<Result<_, _>>()?)
}

fn insert(transaction: &Transaction<'_>, row: &Identity) -> Result<(), StoreError> {
    let (system, identifier) = row.identifier.clone().unzip();
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO identity (person, api, patient, system, identifier, source, from_at, until_at,
             wrong, filed_by, ended_because) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute((
            &row.person,
            &row.api,
            row.patient.as_str(),
            system,
            identifier,
            &row.source,
            row.period.from.micros(),
            row.period.until.map(Timestamp::micros),
            row.wrong,
            &row.filed_by,
            &row.ended_because,
        ))?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Identity> {
    let identifier = match (row.get(3)?, row.get(4)?) {
        (Some(system), Some(value)) => Some((system, value)),
        _ => None,
    };
    Ok(Identity {
        person: row.get(0)?,
        api: row.get(1)?,
        patient: crate::relation::id(row, 2)?,
        identifier,
        source: row.get(5)?,
        period: Period {
            from: Timestamp::from_micros(row.get(6)?),
            until: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_micros),
        },
        wrong: row.get(8)?,
        filed_by: row.get(9)?,
        ended_because: row.get(10)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    fn of(api: &str, id: &str) -> PatientOf {
        (api.to_owned(), Id::parse(id).unwrap())
    }

    fn linked(store: &Store, api: &str, id: &str, to: &str, now: Timestamp) -> Vec<String> {
        let found = store.identities_of(&of(api, id)).unwrap();
        let links = found.links();
        links.ids_in(to, now).map(ToString::to_string).collect()
    }

    fn link(store: &Store, one: PatientOf, other: PatientOf, at: i64) {
        store.link(&one, &other, None, "registrar", "uid 0", NOW.plus_seconds(at)).unwrap();
    }

    #[test]
    fn a_link_goes_both_ways_and_the_same_id_elsewhere_is_somebody_else() {
        let (_folder, store) = store();
        assert!(linked(&store, "ehr", "p1", "lab", NOW).is_empty());
        link(&store, of("ehr", "p1"), of("lab", "p3"), 0);
        assert_eq!(linked(&store, "ehr", "p1", "lab", NOW), ["p3"]);
        assert_eq!(linked(&store, "lab", "p3", "ehr", NOW), ["p1"]);
        assert!(linked(&store, "lab", "p1", "ehr", NOW).is_empty());
        assert!(store.link(&of("lab", "p3"), &of("ehr", "p1"), None, "x", "y", NOW).is_err());
        linked(&store, "ehr", "p1", "lab", NOW);
        let queries = store.queries();
        linked(&store, "ehr", "p1", "lab", NOW);
        assert_eq!(store.queries(), queries, "kept in memory");
    }

    #[test]
    fn a_merge_and_an_unmerge_act_on_the_next_question() {
        let (_folder, store) = store();
        link(&store, of("ehr", "p1"), of("lab", "l1"), 0);
        link(&store, of("ehr", "p2"), of("lab", "l2"), 1);
        let later = NOW.plus_seconds(10);
        assert_eq!(linked(&store, "ehr", "p1", "lab", later), ["l1"]);
        link(&store, of("ehr", "p1"), of("ehr", "p2"), 2);
        assert_eq!(linked(&store, "ehr", "p1", "lab", later), ["l1", "l2"]);
        assert_eq!(linked(&store, "lab", "l2", "ehr", later), ["p1", "p2"]);
        store.unlink(&of("lab", "l2"), true, "another person", NOW.plus_seconds(3)).unwrap();
        assert_eq!(linked(&store, "ehr", "p1", "lab", later), ["l1"]);
        assert!(linked(&store, "lab", "l2", "ehr", later).is_empty());
        assert!(store.unlink(&of("lab", "l2"), true, "again", NOW).is_err());
    }

    #[test]
    fn what_ended_is_remembered_and_what_was_wrong_is_not() {
        let (_folder, store) = store();
        link(&store, of("ehr", "p1"), of("lab", "l1"), 0);
        let ever = |store: &Store| store.identities_of(&of("ehr", "p1")).unwrap().ever().count();
        store.unlink(&of("lab", "l1"), false, "moved away", NOW.plus_seconds(5)).unwrap();
        assert_eq!(ever(&store), 1);
        assert!(linked(&store, "ehr", "p1", "lab", NOW.plus_seconds(5)).is_empty());
        assert_eq!(linked(&store, "ehr", "p1", "lab", NOW.plus_seconds(4)), ["l1"]);
        link(&store, of("ehr", "p1"), of("lab", "l9"), 6);
        store.unlink(&of("lab", "l9"), true, "another person", NOW.plus_seconds(7)).unwrap();
        assert_eq!(ever(&store), 1);
    }

    #[test]
    fn a_table_replaces_the_earlier_one_of_its_source() {
        let (_folder, store) = store();
        let told = |value: &str, api: &str, id: &str| Told {
            identifier: ("urn:oid:2.999.1".to_owned(), value.to_owned()),
            api: api.to_owned(),
            patient: Id::parse(id).unwrap(),
        };
        let first = [told("1", "ehr", "p1"), told("1", "lab", "l1"), told("2", "ehr", "p2")];
        let import =
            |table: &[Told], at: i64| store.import_identities(table, "mpi", "uid 0", NOW.plus_seconds(at)).unwrap();
        assert_eq!(import(&first, 0), Imported { added: 3, ended: 0, unchanged: 0 });
        assert_eq!(linked(&store, "ehr", "p1", "lab", NOW), ["l1"]);
        link(&store, of("ehr", "p7"), of("lab", "l7"), 0);
        let second = [told("1", "ehr", "p1"), told("2", "lab", "l1"), told("2", "ehr", "p2")];
        assert_eq!(import(&second, 5), Imported { added: 1, ended: 1, unchanged: 2 });
        let later = NOW.plus_seconds(6);
        assert!(linked(&store, "ehr", "p1", "lab", later).is_empty());
        assert_eq!(linked(&store, "ehr", "p2", "lab", later), ["l1"]);
        assert_eq!(linked(&store, "ehr", "p7", "lab", later), ["l7"], "another source's link");
    }
}
