//! Records that are filed about a patient and decide: consents, restrictions, authorizations, representations, holds.
//! They share one table and one life (filed, ended, never deleted); each subject says in its own file what its body is.
//!
//! Whoever can rewrite them can open what a patient closed: they are trusted as they stand. What was filed and ended,
//! and by whom, stands in the log as well.

mod authorization;
mod consent;
mod hold;
mod memory;
mod representation;
mod restriction;

use bascule_fhir::{Id, ResourceType, Timestamp};
use bascule_policy::Label;
use bascule_policy::party::Consent;
use bascule_policy::record::{Authorization, Hold, Period, Restriction};
use rusqlite::{Row, Transaction};
use serde_json::Value;

use crate::{Store, StoreError};

pub use consent::DEPTH_MAX;
pub(crate) use memory::Memory;
pub use memory::Records;
pub use representation::{Born, Represented};

/// Records on file at most: they are held in memory, some 400 bytes each.
pub const FILED_MAX: usize = 500_000;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A consent, or a refusal.
    Consent,
    /// A restriction that was granted (164.522(a)).
    Restriction,
    /// An authorization (164.508).
    Authorization,
    /// Somebody stands for a patient (164.502(g)).
    Representation,
    /// An item withheld from the patient's own lane (164.524(a)).
    Hold,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Consent, Self::Restriction, Self::Authorization, Self::Representation, Self::Hold];

    /// The word in the table, in commands and in sentences.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Restriction => "restriction",
            Self::Authorization => "authorization",
            Self::Representation => "representation",
            Self::Hold => "hold",
        }
    }
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A consent, or a refusal.
    Consent(Consent),
    /// A restriction.
    Restriction(Restriction),
    /// An authorization.
    Authorization(Authorization),
    /// A representation.
    Representation(Represented),
    /// A hold.
    Hold(Hold),
}

/// A record as it is filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// Its id, among those of its kind.
    pub id: String,
    /// The API in which the patient's id counts.
    pub api: String,
    /// What it says.
    pub record: Record,
    /// Who says so: a registrar, an imported file, `upstream`.
    pub source: String,
    /// Who filed it.
    pub filed_by: String,
    /// When.
    pub filed_at: Timestamp,
    /// Who ended it, when and why.
    pub ended: Option<Ended>,
}

impl Filed {
    /// The hold of it that is due to be looked at again: its day has come, and it still withholds.
    #[must_use]
    pub fn hold_to_review(&self, now: Timestamp) -> Option<&Hold> {
        match &self.record {
            Record::Hold(hold) if self.ended.is_none() && hold.review <= now && now < hold.until => Some(hold),
            _ => None,
        }
    }
}

/// The end of a record by somebody's act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub because: String,
}

impl Record {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Consent(_) => Kind::Consent,
            Self::Restriction(_) => Kind::Restriction,
            Self::Authorization(_) => Kind::Authorization,
            Self::Representation(_) => Kind::Representation,
            Self::Hold(_) => Kind::Hold,
        }
    }

    /// Whose.
    #[must_use]
    pub const fn patient(&self) -> &Id {
        match self {
            Self::Consent(record) => &record.patient,
            Self::Restriction(record) => &record.patient,
            Self::Authorization(record) => &record.patient,
            Self::Representation(record) => &record.record.patient,
            Self::Hold(record) => &record.patient,
        }
    }

    /// When it acts.
    #[must_use]
    pub const fn period(&self) -> Period {
        match self {
            Self::Consent(record) => Period { from: record.from, until: record.until },
            Self::Restriction(record) => record.period,
            Self::Authorization(record) => record.period,
            Self::Representation(record) => record.record.period,
            Self::Hold(record) => Period { from: record.from, until: Some(record.until) },
        }
    }

    /// Makes it end no later than at that instant.
    fn end_by(&mut self, at: Timestamp) {
        let sooner = |until: Option<Timestamp>| Some(until.map_or(at, |until| until.min(at)));
        match self {
            Self::Consent(record) => record.until = sooner(record.until),
            Self::Restriction(record) => record.period.until = sooner(record.period.until),
            Self::Authorization(record) => record.period.until = sooner(record.period.until),
            Self::Representation(record) => record.record.period.until = sooner(record.record.period.until),
            Self::Hold(record) => record.until = record.until.min(at),
        }
    }

    fn body(&self) -> Value {
        match self {
            Self::Consent(record) => consent::body(record),
            Self::Restriction(record) => restriction::body(record),
            Self::Authorization(record) => authorization::body(record),
            Self::Representation(record) => representation::body(record),
            Self::Hold(record) => hold::body(record),
        }
    }

    fn of(kind: Kind, id: &str, patient: Id, period: Period, body: &Value) -> Option<Self> {
        Some(match kind {
            Kind::Consent => Self::Consent(consent::of_body(patient, period, body)?),
            Kind::Restriction => Self::Restriction(restriction::of_body(id, patient, period, body)?),
            Kind::Authorization => Self::Authorization(authorization::of_body(id, patient, period, body)?),
            Kind::Representation => Self::Representation(representation::of_body(id, patient, period, body)?),
            Kind::Hold => Self::Hold(hold::of_body(id, patient, period, body)?),
        })
    }
}

const COLUMNS: &str = "SELECT kind, id, api, patient, from_at, until_at, body, source, filed_by, filed_at, ended_by,
    ended_at, ended_because FROM filed";

impl Store {
    /// Files a record.
    ///
    /// # Errors
    /// [`StoreError::Exists`]; [`StoreError::Invalid`] if [`FILED_MAX`] are on file.
    pub fn file(&self, filed: &Filed) -> Result<(), StoreError> {
        if self.filed_memory()?.len() >= FILED_MAX {
            return Err(StoreError::Invalid(format!("{FILED_MAX} records are on file: no more are taken")));
        }
        self.change_filed(std::slice::from_ref(filed), "INSERT")
    }

    /// Ends a record at that instant; one that is over stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Invalid`] if somebody ended it before.
    pub fn end_filed(&self, kind: Kind, id: &str, ended: &Ended) -> Result<Filed, StoreError> {
        let mut filed = self.filed_one(kind, id)?;
        if filed.ended.is_some() {
            return Err(StoreError::Invalid(format!("the {} `{id}` was ended before", kind.name())));
        }
        filed.record.end_by(ended.at);
        filed.ended = Some(ended.clone());
        self.change_filed(std::slice::from_ref(&filed), REPLACE)?;
        Ok(filed)
    }

    /// Replaces what a record says.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn amend_filed(&self, filed: &Filed) -> Result<(), StoreError> {
        self.filed_one(filed.record.kind(), &filed.id)?;
        self.change_filed(std::slice::from_ref(filed), REPLACE)
    }

    /// Makes the records of one kind and source those that are given, all at once: what is new is filed, what changed is
    /// replaced, what is no longer among them is ended. `whole` says that they are all that the source has.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if [`FILED_MAX`] would be exceeded.
    pub fn sync_filed(
        &self,
        kind: Kind,
        source: &str,
        told: &[Filed],
        gone: &Gone<'_>,
        now: Timestamp,
    ) -> Result<Synced, StoreError> {
        let records = self.filed_memory()?;
        if records.len() + told.len() > FILED_MAX {
            return Err(StoreError::Invalid(format!("{FILED_MAX} records are on file: no more are taken")));
        }
        let known = |id: &str| records.one(kind, id).filter(|known| known.source == source);
        let mut synced = Synced::default();
        let mut changed: Vec<Filed> = Vec::new();
        for filed in told {
            match known(&filed.id) {
                Some(before) if before.record == filed.record && before.ended.is_none() => {}
                Some(before) => {
                    synced.changed += 1;
                    changed.push(Filed { filed_at: before.filed_at, ..filed.clone() });
                }
                None => {
                    synced.added += 1;
                    changed.push(filed.clone());
                }
            }
        }
        let told: std::collections::HashSet<&str> = told.iter().map(|filed| filed.id.as_str()).collect();
        let is_gone = |filed: &Filed| match gone {
            Gone::AllOthersOf(api) => filed.api == *api && !told.contains(filed.id.as_str()),
            Gone::Nothing => false,
            Gone::OthersBelow(prefix) => filed.id.starts_with(prefix) && !told.contains(filed.id.as_str()),
        };
        for before in records.all(kind).filter(|filed| filed.source == source && filed.ended.is_none()) {
            if is_gone(before) {
                let mut filed = before.as_ref().clone();
                filed.record.end_by(now);
                let because = "the source no longer has it".to_owned();
                filed.ended = Some(Ended { by: source.to_owned(), at: now, because });
                synced.ended += 1;
                changed.push(filed);
            }
        }
        if !changed.is_empty() {
            self.change_filed(&changed, REPLACE)?;
        }
        Ok(synced)
    }

    /// Every record of a kind, by patient, ended ones too.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn filed(&self, kind: Kind) -> Result<Vec<Filed>, StoreError> {
        let records = self.filed_memory()?;
        let mut all: Vec<Filed> = records.all(kind).map(|filed| filed.as_ref().clone()).collect();
        all.sort_by(|left, right| {
            (&left.api, left.record.patient(), &left.id).cmp(&(&right.api, right.record.patient(), &right.id))
        });
        Ok(all)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn filed_one(&self, kind: Kind, id: &str) -> Result<Filed, StoreError> {
        let records = self.filed_memory()?;
        let found = records.one(kind, id).map(|filed| filed.as_ref().clone());
        found.ok_or_else(|| StoreError::Missing { what: kind.name(), id: id.to_owned() })
    }

    /// All that is on file, as of now. Asks the database only after a change.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`]: then nobody knows what is on file.
    pub fn filed_memory(&self) -> Result<std::sync::Arc<Records>, StoreError> {
        self.filed.or_load(|| {
            self.read(|connection| {
                let mut statement = connection.prepare_cached(COLUMNS)?;
                let rows = statement.query_map([], read)?;
                rows.map(|row| row?.ok_or_else(damaged)).collect()
            })
        })
    }

    /// Changes records on the disk, then in memory. If the disk does not say that it is done, they are read again.
    fn change_filed(&self, changed: &[Filed], how: &str) -> Result<(), StoreError> {
        let done = self.write(|transaction| changed.iter().try_for_each(|filed| put(transaction, filed, how)));
        match &done {
            Ok(()) => self.filed.apply(changed),
            Err(_) => self.filed.forget(),
        }
        done
    }
}

/// What a source no longer has.
#[derive(Debug, Clone, Copy)]
pub enum Gone<'a> {
    /// Nothing: it tells of some only.
    Nothing,
    /// Whatever of this API was not told.
    AllOthersOf(&'a str),
    /// Whatever was not told and has an id that begins so.
    OthersBelow(&'a str),
}

/// What came of bringing a source's records in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Synced {
    /// Filed.
    pub added: usize,
    /// Replaced.
    pub changed: usize,
    /// Ended.
    pub ended: usize,
}

fn damaged() -> StoreError {
    let reason = "a row of `filed` cannot be read; restore a backup".to_owned();
    StoreError::Damaged { what: "record", id: "filed".to_owned(), reason }
}

const REPLACE: &str = "INSERT OR REPLACE";

pub(crate) fn put(transaction: &Transaction<'_>, filed: &Filed, how: &str) -> Result<(), StoreError> {
    let text = format!(
        "{how} INTO filed (kind, id, api, patient, from_at, until_at, body, source, filed_by, filed_at, ended_by,
         ended_at, ended_because) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
    );
    let Filed { id, api, record, source, filed_by, filed_at, ended } = filed;
    let period = record.period();
    transaction
        .prepare_cached(&text)?
        .execute(rusqlite::params![
            record.kind().name(),
            id,
            api,
            record.patient().as_str(),
            period.from.micros(),
            period.until.map(Timestamp::micros),
            record.body().to_string(),
            source,
            filed_by,
            filed_at.micros(),
            ended.as_ref().map(|ended| &ended.by),
            ended.as_ref().map(|ended| ended.at.micros()),
            ended.as_ref().map(|ended| &ended.because),
        ])
        .map_err(|error| StoreError::or_exists(error, record.kind().name(), id))?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<Filed>> {
    let (kind, id, api): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let period = Period {
        from: Timestamp::from_micros(row.get(4)?),
        until: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_micros),
    };
    let body: String = row.get(6)?;
    let ended = match (row.get(10)?, row.get(11)?, row.get(12)?) {
        (Some(by), Some(at), Some(because)) => Some(Ended { by, at: Timestamp::from_micros(at), because }),
        _ => None,
    };
    let record = Kind::ALL.into_iter().find(|one| one.name() == kind).and_then(|kind| {
        let body = serde_json::from_str(&body).ok()?;
        Record::of(kind, &id, crate::relation::id(row, 3).ok()?, period, &body)
    });
    let (source, filed_by, filed_at) = (row.get(7)?, row.get(8)?, Timestamp::from_micros(row.get(9)?));
    Ok(record.map(|record| Filed { id, api, record, source, filed_by, filed_at, ended }))
}

/// A list of texts in a body; anything else in its place is damage.
fn texts(body: &Value, name: &str) -> Option<Vec<String>> {
    body.get(name)?.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

fn text(body: &Value, name: &str) -> Option<String> {
    body.get(name)?.as_str().map(str::to_owned)
}

fn types(body: &Value, name: &str) -> Option<Vec<ResourceType>> {
    texts(body, name)?.iter().map(|name| ResourceType::parse(name)).collect()
}

fn labels(body: &Value, name: &str) -> Option<Vec<Label>> {
    texts(body, name)?.iter().map(|text| Label::parse(text)).collect()
}

fn names(types: &[ResourceType]) -> Vec<&'static str> {
    types.iter().map(|kind| kind.name()).collect()
}

fn words(labels: &[Label]) -> Vec<String> {
    labels.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
