//! Care comes first: emergency access that was opened, reasons that were given for access without a relation, and the
//! queue of what somebody must look at afterwards.
//!
//! Who can rewrite this can open emergency access for a treating user, or hide a review; each access itself stands in
//! the log.

use bascule_fhir::{Id, Timestamp};
use bascule_policy::record::{AccessReason, Emergency, Period};
use rusqlite::{OptionalExtension as _, Row};

use crate::relation::id as id_of;
use crate::{Store, StoreError, random};

/// Reviews and emergencies returned by one call.
const ROWS_MAX: u32 = 10_000;

/// The step of the schema that this subject needs.
pub(crate) const SHAPE: &str = "
CREATE TABLE emergency (
  id TEXT PRIMARY KEY, user TEXT NOT NULL, api TEXT NOT NULL, patient TEXT, reason TEXT NOT NULL,
  stepped_up INTEGER NOT NULL, from_at INTEGER NOT NULL, until_at INTEGER NOT NULL) STRICT;
CREATE INDEX emergency_by_user ON emergency (user, until_at);
CREATE TABLE access_reason (
  user TEXT NOT NULL, api TEXT NOT NULL, patient TEXT NOT NULL, reason TEXT NOT NULL, from_at INTEGER NOT NULL,
  until_at INTEGER NOT NULL, PRIMARY KEY (user, api, patient)) STRICT;
CREATE TABLE review (
  number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, user TEXT NOT NULL, client TEXT NOT NULL,
  api TEXT NOT NULL, patient TEXT NOT NULL, why TEXT NOT NULL, request TEXT NOT NULL, first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL, times INTEGER NOT NULL, flagged INTEGER NOT NULL, closed INTEGER, closed_by TEXT,
  note TEXT) STRICT;
CREATE UNIQUE INDEX review_open ON review (kind, user, api, patient) WHERE closed IS NULL;
";

/// Why somebody must look at an access afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewKind {
    /// Emergency access was opened or used.
    Emergency,
    /// A patient without a known relation was seen, with or without a reason.
    NoRelation,
    /// Something else that the policy sends to review.
    Other,
}

impl ReviewKind {
    /// As it is kept and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::NoRelation => "no-relation",
            Self::Other => "other",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "emergency" => Self::Emergency,
            "no-relation" => Self::NoRelation,
            _ => Self::Other,
        }
    }
}

/// An access to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReview {
    /// Why.
    pub kind: ReviewKind,
    /// Who: a user's id, or a client's if there was no user.
    pub user: String,
    /// Through which client; empty if through a page of the bridge.
    pub client: String,
    /// The API.
    pub api: String,
    /// The patient's id there; `None` if none is known.
    pub patient: Option<String>,
    /// In a phrase, or the reason that the person gave.
    pub why: String,
    /// The request's id; empty if there was none.
    pub request: String,
    /// Whether it deserves the first look: emergency access without a second proof of identity.
    pub flagged: bool,
}

/// An access of the queue. The same access by the same person is one row, with how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Its number.
    pub number: i64,
    /// What was seen first.
    pub review: NewReview,
    /// When first.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
    /// How often.
    pub times: u64,
    /// When, by whom and with which words it was signed off.
    pub closed: Option<(Timestamp, String, String)>,
}

impl Store {
    /// Opens emergency access; the record's id. Without a patient it is for whoever is new or not identified yet.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn open_emergency(&self, api: &str, emergency: &Emergency) -> Result<String, StoreError> {
        let id = random::id()?;
        let Emergency { user, patient, reason, stepped_up, from, until, .. } = emergency;
        let done = self.write(|transaction| {
            transaction.execute(
                "INSERT INTO emergency (id, user, api, patient, reason, stepped_up, from_at, until_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                (&id, user, api, patient.as_ref().map(Id::as_str), reason, stepped_up, from.micros(), until.micros()),
            )?;
            Ok(())
        });
        self.facts.emergencies.forget([&(user.clone(), api.to_owned())]);
        done.map(|()| id)
    }

    /// Emergency access of a user at an API that is open now. Kept in memory.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn emergencies_of(&self, user: &str, api: &str, now: Timestamp) -> Result<Vec<Emergency>, StoreError> {
        let all = self.facts.emergencies.or_look_up(&(user.to_owned(), api.to_owned()), || {
            self.read(|connection| {
                let text = format!("{EMERGENCY} WHERE user = ?1 AND until_at > ?2 AND api = ?3 ORDER BY from_at");
                let mut statement = connection.prepare_cached(&text)?;
                let rows = statement.query_map((user, now.micros(), api), |row| Ok(read_emergency(row)?.1))?;
                Ok::<Vec<_>, StoreError>(rows.collect::<Result<_, _>>()?)
            })
        })?;
        Ok(all.iter().filter(|emergency| emergency.until > now).cloned().collect())
    }

    /// Emergency access that was opened since, at any API, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn emergencies_since(&self, since: Timestamp) -> Result<Vec<(String, Emergency)>, StoreError> {
        self.read(|connection| {
            let text = format!("{EMERGENCY} WHERE from_at >= ?1 ORDER BY from_at DESC LIMIT ?2");
            let mut statement = connection.prepare_cached(&text)?;
            Ok(statement.query_map((since.micros(), ROWS_MAX), read_emergency)?.collect::<Result<_, _>>()?)
        })
    }

    /// Ends emergency access of a user before its time.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the user has none of that id open.
    pub fn end_emergency(&self, id: &str, user: &str, now: Timestamp) -> Result<(), StoreError> {
        let done = self.write(|transaction| {
            let statement = "UPDATE emergency SET until_at = ?3 WHERE id = ?1 AND user = ?2 AND until_at > ?3";
            let rows = transaction.execute(statement, (id, user, now.micros()))?;
            StoreError::unless_found(rows, "open emergency access", id)
        });
        self.facts.emergencies.forget_all();
        done
    }

    /// Keeps why a user opens a record without a known relation; the last word counts.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn give_reason(&self, api: &str, reason: &AccessReason) -> Result<(), StoreError> {
        let done = self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO access_reason (user, api, patient, reason, from_at, until_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (
                    &reason.user,
                    api,
                    reason.patient.as_str(),
                    &reason.reason,
                    reason.period.from.micros(),
                    reason.period.until.map_or(i64::MAX, Timestamp::micros),
                ),
            )?;
            Ok(())
        });
        self.facts.reasons.forget([&(reason.user.clone(), api.to_owned())]);
        done
    }

    /// The reasons of a user at an API that serve now. Kept in memory.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn reasons_of(&self, user: &str, api: &str, now: Timestamp) -> Result<Vec<AccessReason>, StoreError> {
        let all = self.facts.reasons.or_look_up(&(user.to_owned(), api.to_owned()), || {
            self.read(|connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT user, patient, reason, from_at, until_at FROM access_reason
                     WHERE user = ?1 AND api = ?2 AND until_at > ?3",
                )?;
                let rows = statement.query_map((user, api, now.micros()), |row| {
                    let until = Some(Timestamp::from_micros(row.get(4)?));
                    let period = Period { from: Timestamp::from_micros(row.get(3)?), until };
                    Ok(AccessReason { user: row.get(0)?, patient: id_of(row, 1)?, reason: row.get(2)?, period })
                })?;
                Ok::<Vec<_>, StoreError>(rows.collect::<Result<_, _>>()?)
            })
        })?;
        Ok(all.iter().filter(|reason| reason.period.until.is_none_or(|until| until > now)).cloned().collect())
    }

    /// Puts an access into the queue, or counts it to one that waits there; its number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn raise_review(&self, review: &NewReview, now: Timestamp) -> Result<i64, StoreError> {
        self.write(|transaction| {
            let NewReview { kind, user, client, api, patient, why, request, flagged } = review;
            let mut statement = transaction.prepare_cached(
                "INSERT INTO review (kind, user, client, api, patient, why, request, first_at, last_at, times, flagged)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 1, ?9)
                 ON CONFLICT (kind, user, api, patient) WHERE closed IS NULL DO UPDATE SET
                   last_at = excluded.last_at, times = times + 1, flagged = max(flagged, excluded.flagged)
                 RETURNING number",
            )?;
            let patient = patient.as_deref().unwrap_or_default();
            let row = (kind.name(), user, client, api, patient, why, request, now.micros(), flagged);
            Ok(statement.query_row(row, |row| row.get(0))?)
        })
    }

    /// The queue, what deserves the first look first; `open` is what nobody has signed off.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn reviews(&self, open: bool) -> Result<Vec<Review>, StoreError> {
        self.read(|connection| {
            let order = "ORDER BY flagged DESC, number DESC LIMIT ?2";
            let mut statement =
                connection.prepare_cached(&format!("{REVIEW} WHERE closed IS NULL OR ?1 = 0 {order}"))?;
            Ok(statement.query_map((open, ROWS_MAX), read_review)?.collect::<Result<_, _>>()?)
        })
    }

    /// One of the queue.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn review(&self, number: i64) -> Result<Review, StoreError> {
        let found = self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{REVIEW} WHERE number = ?1"))?;
            Ok(statement.query_row([number], read_review).optional()?)
        })?;
        found.ok_or_else(|| StoreError::Missing { what: "review", id: number.to_string() })
    }

    /// Signs one off; the first word counts.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if none of that number waits.
    pub fn close_review(&self, number: i64, by: &str, note: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let statement =
                "UPDATE review SET closed = ?2, closed_by = ?3, note = ?4 WHERE number = ?1 AND closed IS NULL";
            let rows = transaction.execute(statement, (number, now.micros(), by, note))?;
            StoreError::unless_found(rows, "open review", &number.to_string())
        })
    }
}

const EMERGENCY: &str = "SELECT id, user, api, patient, reason, stepped_up, from_at, until_at FROM emergency";
const REVIEW: &str = "SELECT number, kind, user, client, api, patient, why, request, flagged, first_at, last_at, times,
    closed, closed_by, note FROM review";

fn read_emergency(row: &Row<'_>) -> rusqlite::Result<(String, Emergency)> {
    let patient = if row.get::<_, Option<String>>(3)?.is_some() { Some(id_of(row, 3)?) } else { None };
    let emergency = Emergency {
        id: row.get(0)?,
        user: row.get(1)?,
        patient,
        reason: row.get(4)?,
        stepped_up: row.get(5)?,
        from: Timestamp::from_micros(row.get(6)?),
        until: Timestamp::from_micros(row.get(7)?),
    };
    Ok((row.get(2)?, emergency))
}

fn read_review(row: &Row<'_>) -> rusqlite::Result<Review> {
    let patient: String = row.get(5)?;
    let closed = match (row.get::<_, Option<i64>>(12)?, row.get(13)?, row.get(14)?) {
        (Some(at), Some(by), Some(note)) => Some((Timestamp::from_micros(at), by, note)),
        _ => None,
    };
    let review = NewReview {
        kind: ReviewKind::of(&row.get::<_, String>(1)?),
        user: row.get(2)?,
        client: row.get(3)?,
        api: row.get(4)?,
        patient: (!patient.is_empty()).then_some(patient),
        why: row.get(6)?,
        request: row.get(7)?,
        flagged: row.get(8)?,
    };
    Ok(Review {
        number: row.get(0)?,
        review,
        first: Timestamp::from_micros(row.get(9)?),
        last: Timestamp::from_micros(row.get(10)?),
        times: u64::try_from(row.get::<_, i64>(11)?).unwrap_or_default(),
        closed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    fn emergency(patient: Option<&str>) -> Emergency {
        Emergency {
            id: String::new(),
            user: "dr".into(),
            patient: patient.and_then(Id::parse),
            reason: "unconscious".into(),
            stepped_up: false,
            from: NOW,
            until: NOW.plus_seconds(3_600),
        }
    }

    #[test]
    fn emergency_access_ends_by_itself_and_earlier() {
        let (_folder, store) = store();
        let id = store.open_emergency("ehr", &emergency(Some("p1"))).unwrap();
        store.open_emergency("ehr", &emergency(None)).unwrap();
        let open = |at| store.emergencies_of("dr", "ehr", at).unwrap().len();
        assert_eq!((open(NOW), open(NOW.plus_seconds(3_599)), open(NOW.plus_seconds(3_600))), (2, 2, 0));
        assert!(store.emergencies_of("dr", "pacs", NOW).unwrap().is_empty(), "an id counts at its API only");
        assert!(store.emergencies_of("other", "ehr", NOW).unwrap().is_empty());
        assert!(store.end_emergency(&id, "other", NOW).is_err());
        store.end_emergency(&id, "dr", NOW.plus_seconds(60)).unwrap();
        assert_eq!(open(NOW.plus_seconds(60)), 1);
        assert_eq!(store.emergencies_since(NOW).unwrap().len(), 2);
    }

    #[test]
    fn a_reason_serves_for_its_time_its_patient_and_its_api() {
        let (_folder, store) = store();
        let period = Period { from: NOW, until: Some(NOW.plus_seconds(60)) };
        let patient = Id::parse("p1").unwrap();
        let reason = AccessReason { user: "dr".into(), patient, reason: "covering".into(), period };
        store.give_reason("ehr", &reason).unwrap();
        assert_eq!(store.reasons_of("dr", "ehr", NOW).unwrap(), [reason]);
        assert!(store.reasons_of("dr", "ehr", NOW.plus_seconds(60)).unwrap().is_empty());
        assert!(store.reasons_of("dr", "pacs", NOW).unwrap().is_empty());
    }

    #[test]
    fn the_same_access_is_one_row_until_it_is_signed_off() {
        let (_folder, store) = store();
        let review = NewReview {
            kind: ReviewKind::NoRelation,
            user: "dr".into(),
            client: "app".into(),
            api: "ehr".into(),
            patient: Some("p1".into()),
            why: "covering".into(),
            request: "r1".into(),
            flagged: false,
        };
        let number = store.raise_review(&review, NOW).unwrap();
        let flagged = NewReview { flagged: true, ..review.clone() };
        assert_eq!(store.raise_review(&flagged, NOW.plus_seconds(1)).unwrap(), number);
        let row = store.review(number).unwrap();
        assert_eq!((row.times, row.review.flagged, row.first), (2, true, NOW));
        store.close_review(number, "officer", "a colleague on call", NOW).unwrap();
        assert!(store.close_review(number, "other", "again", NOW).is_err());
        assert!(store.reviews(true).unwrap().is_empty());
        assert_ne!(store.raise_review(&review, NOW).unwrap(), number, "what comes after the sign-off waits anew");
        assert_eq!(store.reviews(false).unwrap().len(), 2);
    }
}
