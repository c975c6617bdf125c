//! Policies that were accepted, and how each came into force: proposed, approved, scheduled, put in force, reviewed.
//!
//! Who can rewrite this can put any policy in force at the next start. The log says what was in force when: every start
//! and every change names the hash, and a bundle that is not what its hash says is not taken.

use bascule_fhir::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::{Store, StoreError};

/// Changes returned by one call.
const CHANGES_MAX: u32 = 1_000;

/// The step of the schema that this subject needs.
pub(crate) const SHAPE: &str = "
CREATE TABLE policy_bundle (hash TEXT PRIMARY KEY, files TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE TABLE policy_change (
  number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, state TEXT NOT NULL, before TEXT NOT NULL,
  after TEXT NOT NULL, author TEXT NOT NULL, approver TEXT, reason TEXT NOT NULL, difference TEXT NOT NULL,
  proposed INTEGER NOT NULL, from_at INTEGER, decided INTEGER, review_by INTEGER, reviewed INTEGER,
  reviewed_by TEXT, review TEXT, overdue INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX policy_change_by_state ON policy_change (state);
CREATE TABLE policy_in_force (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL REFERENCES policy_bundle (hash),
  folder_hash TEXT NOT NULL, change INTEGER REFERENCES policy_change (number), earlier INTEGER,
  at INTEGER NOT NULL) STRICT;
";

/// How a change came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A person brought a folder.
    Apply,
    /// A person asked to go back.
    Rollback,
    /// The configured folder was other than before at a start or when it was read again.
    Folder,
}

/// How far a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeState {
    /// It waits for another person.
    Proposed,
    /// It was approved and waits for its time.
    Scheduled,
    /// It came into force.
    Done,
    /// It was taken back, or overtaken by another change.
    Withdrawn,
}

impl ChangeKind {
    /// As it is kept and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Rollback => "rollback",
            Self::Folder => "folder",
        }
    }
}

impl ChangeState {
    /// As it is kept and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Scheduled => "scheduled",
            Self::Done => "done",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A change to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChange {
    /// How it came up.
    pub kind: ChangeKind,
    /// Hash of the policy against which it was written.
    pub before: String,
    /// Hash of the policy that it brings.
    pub after: String,
    /// Who wrote it: a user's id, or `policy folder`.
    pub author: String,
    /// Why.
    pub reason: String,
    /// What exactly opens and closes.
    pub difference: String,
    /// From when, if not at once.
    pub from: Option<Timestamp>,
    /// By when another person must have looked at it, if it acts without approval.
    pub review_by: Option<Timestamp>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyChange {
    /// Its number.
    pub number: i64,
    /// What was asked.
    pub change: NewChange,
    /// How far it is.
    pub state: ChangeState,
    /// Who approved it: a user's id.
    pub approver: Option<String>,
    /// When it was proposed.
    pub proposed: Timestamp,
    /// When it was approved, withdrawn or put in force.
    pub decided: Option<Timestamp>,
    /// When, by whom and with which words it was reviewed.
    pub reviewed: Option<(Timestamp, String, String)>,
}

/// A policy in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Counts upward.
    pub sequence: i64,
    /// Its hash.
    pub hash: String,
    /// Hash of the configured folder then: as long as that stays as it was, this policy holds.
    pub folder_hash: String,
    /// The change that brought it; the first of a house has none.
    pub change: Option<i64>,
    /// To which of them a rollback goes.
    pub earlier: Option<i64>,
    /// Since when.
    pub at: Timestamp,
}

impl Store {
    /// Keeps the files of a policy, by name and text.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn keep_policy(&self, hash: &str, files: &[(String, String)], now: Timestamp) -> Result<(), StoreError> {
        let files = serde_json::to_string(files).map_err(|error| StoreError::Invalid(error.to_string()))?;
        self.write(|transaction| {
            let statement = "INSERT OR IGNORE INTO policy_bundle (hash, files, at) VALUES (?1, ?2, ?3)";
            transaction.execute(statement, (hash, files, now.micros()))?;
            Ok(())
        })
    }

    /// The files of a policy that was kept.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if none of that hash was; [`StoreError::Damaged`].
    pub fn kept_policy(&self, hash: &str) -> Result<Vec<(String, String)>, StoreError> {
        let found: Option<String> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT files FROM policy_bundle WHERE hash = ?1")?;
            Ok(statement.query_row([hash], |row| row.get(0)).optional()?)
        })?;
        let text = found.ok_or_else(|| StoreError::Missing { what: "policy", id: hash.to_owned() })?;
        serde_json::from_str(&text).map_err(|error| StoreError::Damaged {
            what: "policy",
            id: hash.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Keeps a change; its number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn propose_policy(&self, change: &NewChange, now: Timestamp) -> Result<i64, StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO policy_change (kind, state, before, after, author, reason, difference, proposed, from_at,
                   review_by) VALUES (?1, 'proposed', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                (
                    change.kind.name(),
                    &change.before,
                    &change.after,
                    &change.author,
                    &change.reason,
                    &change.difference,
                    now.micros(),
                    change.from.map(Timestamp::micros),
                    change.review_by.map(Timestamp::micros),
                ),
            )?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// A proposed change waits for its time, approved by that user.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if none of that number is proposed.
    pub fn schedule_policy(&self, number: i64, approver: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            decide(transaction, number, &["proposed"], ChangeState::Scheduled, Some(approver), now)
        })
    }

    /// A change is taken back before it acts.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if none of that number waits.
    pub fn withdraw_policy(&self, number: i64, now: Timestamp) -> Result<(), StoreError> {
        let waiting = ["proposed", "scheduled"];
        self.write(|transaction| decide(transaction, number, &waiting, ChangeState::Withdrawn, None, now))
    }

    /// Puts the policy of a change in force; `earlier` is to which a rollback would go.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if none of that number waits.
    pub fn put_policy_in_force(
        &self,
        change: &PolicyChange,
        approver: Option<&str>,
        folder_hash: &str,
        earlier: Option<i64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            let waiting = ["proposed", "scheduled"];
            decide(transaction, change.number, &waiting, ChangeState::Done, approver, now)?;
            insert(transaction, &change.change.after, folder_hash, Some(change.number), earlier, now)
        })
    }

    /// Keeps the first policy of a house, or that another folder holds the same policy.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn begin_policy(&self, hash: &str, folder_hash: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let earlier = latest(transaction)?.and_then(|latest| latest.earlier);
            insert(transaction, hash, folder_hash, None, earlier, now)
        })
    }

    /// The policy that was last put in force.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn policy_in_force(&self) -> Result<Option<InForce>, StoreError> {
        self.read(latest)
    }

    /// One of those that were in force.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn policy_in_force_at(&self, sequence: i64) -> Result<Option<InForce>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{IN_FORCE} WHERE sequence = ?1"))?;
            Ok(statement.query_row([sequence], read_in_force).optional()?)
        })
    }

    /// The hashes of all that were ever in force, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn policies_in_force(&self) -> Result<Vec<InForce>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{IN_FORCE} ORDER BY sequence DESC LIMIT ?1"))?;
            Ok(statement.query_map([CHANGES_MAX], read_in_force)?.collect::<Result<_, _>>()?)
        })
    }

    /// A change by its number.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn policy_change(&self, number: i64) -> Result<PolicyChange, StoreError> {
        let found = self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{CHANGE} WHERE number = ?1"))?;
            Ok(statement.query_row([number], read_change).optional()?)
        })?;
        found.ok_or_else(|| StoreError::Missing { what: "change of the policy", id: number.to_string() })
    }

    /// The changes, the newest first, at most a thousand.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn policy_changes(&self) -> Result<Vec<PolicyChange>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{CHANGE} ORDER BY number DESC LIMIT ?1"))?;
            Ok(statement.query_map([CHANGES_MAX], read_change)?.collect::<Result<_, _>>()?)
        })
    }

    /// The next scheduled change that is due.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn due_policy(&self, now: Timestamp) -> Result<Option<PolicyChange>, StoreError> {
        self.read(|connection| {
            let text = format!("{CHANGE} WHERE state = 'scheduled' AND from_at <= ?1 ORDER BY from_at, number LIMIT 1");
            Ok(connection.prepare_cached(&text)?.query_row([now.micros()], read_change).optional()?)
        })
    }

    /// Another person has looked at a change that acted without approval.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if none of that number waits for a review.
    pub fn review_policy(&self, number: i64, by: &str, words: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let rows = transaction.execute(
                "UPDATE policy_change SET reviewed = ?2, reviewed_by = ?3, review = ?4
                 WHERE number = ?1 AND review_by IS NOT NULL AND reviewed IS NULL AND state = 'done'",
                (number, now.micros(), by, words),
            )?;
            StoreError::unless_found(rows, "unreviewed change of the policy", &number.to_string())
        })
    }

    /// Changes whose review is overdue, each told once.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn take_overdue_policies(&self, now: Timestamp) -> Result<Vec<PolicyChange>, StoreError> {
        self.write(|transaction| {
            let overdue = "state = 'done' AND reviewed IS NULL AND overdue = 0 AND review_by < ?1";
            let text = format!("{CHANGE} WHERE {overdue} ORDER BY number");
            let found =
                transaction.prepare(&text)?.query_map([now.micros()], read_change)?.collect::<Result<Vec<_>, _>>()?;
            transaction.execute(&format!("UPDATE policy_change SET overdue = 1 WHERE {overdue}"), [now.micros()])?;
            Ok(found)
        })
    }
}

fn decide(
    connection: &Connection,
    number: i64,
    from: &[&str],
    to: ChangeState,
    approver: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows = connection.execute(
        "UPDATE policy_change SET state = ?2, decided = ?3, approver = coalesce(?4, approver)
         WHERE number = ?1 AND instr(?5, state) > 0",
        (number, to.name(), now.micros(), approver, from.join(" ")),
    )?;
    StoreError::unless_found(rows, "waiting change of the policy", &number.to_string())
}

fn insert(
    connection: &Connection,
    hash: &str,
    folder_hash: &str,
    change: Option<i64>,
    earlier: Option<i64>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let statement = "INSERT INTO policy_in_force (hash, folder_hash, change, earlier, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.execute(statement, (hash, folder_hash, change, earlier, now.micros()))?;
    Ok(())
}

fn latest(connection: &Connection) -> Result<Option<InForce>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{IN_FORCE} ORDER BY sequence DESC LIMIT 1"))?;
    Ok(statement.query_row([], read_in_force).optional()?)
}

const IN_FORCE: &str = "SELECT sequence, hash, folder_hash, change, earlier, at FROM policy_in_force";
const CHANGE: &str = "SELECT number, kind, state, before, after, author, approver, reason, difference, proposed,
    from_at, decided, review_by, reviewed, reviewed_by, review FROM policy_change";

fn read_in_force(row: &Row<'_>) -> rusqlite::Result<InForce> {
    Ok(InForce {
        sequence: row.get(0)?,
        hash: row.get(1)?,
        folder_hash: row.get(2)?,
        change: row.get(3)?,
        earlier: row.get(4)?,
        at: Timestamp::from_micros(row.get(5)?),
    })
}

fn read_change(row: &Row<'_>) -> rusqlite::Result<PolicyChange> {
    let time = |column: usize| row.get::<_, Option<i64>>(column).map(|at| at.map(Timestamp::from_micros));
    let kind = match row.get::<_, String>(1)?.as_str() {
        "apply" => ChangeKind::Apply,
        "rollback" => ChangeKind::Rollback,
        _ => ChangeKind::Folder,
    };
    let state = match row.get::<_, String>(2)?.as_str() {
        "proposed" => ChangeState::Proposed,
        "scheduled" => ChangeState::Scheduled,
        "done" => ChangeState::Done,
        _ => ChangeState::Withdrawn,
    };
    let reviewed = match (time(13)?, row.get(14)?, row.get(15)?) {
        (Some(at), Some(by), Some(words)) => Some((at, by, words)),
        _ => None,
    };
    let change = NewChange {
        kind,
        before: row.get(3)?,
        after: row.get(4)?,
        author: row.get(5)?,
        reason: row.get(7)?,
        difference: row.get(8)?,
        from: time(10)?,
        review_by: time(12)?,
    };
    Ok(PolicyChange {
        number: row.get(0)?,
        change,
        state,
        approver: row.get(6)?,
        proposed: Timestamp::from_micros(row.get(9)?),
        decided: time(11)?,
        reviewed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    fn change() -> NewChange {
        NewChange {
            kind: ChangeKind::Apply,
            before: "a".into(),
            after: "b".into(),
            author: "amal".into(),
            reason: "a new form".into(),
            difference: "opens: …".into(),
            from: Some(NOW.plus_seconds(60)),
            review_by: None,
        }
    }

    fn keep(store: &Store) {
        for hash in ["a", "b"] {
            store.keep_policy(hash, &[("x.toml".into(), format!("# {hash}"))], NOW).unwrap();
        }
        store.begin_policy("a", "f", NOW).unwrap();
    }

    #[test]
    fn a_scheduled_change_outlives_the_process_and_comes_due() {
        let (folder, store) = store();
        keep(&store);
        let number = store.propose_policy(&change(), NOW).unwrap();
        store.schedule_policy(number, "bo", NOW).unwrap();
        drop(store);
        let store = Store::open(&folder.path().join("bascule.db"), NOW).unwrap();
        assert!(store.due_policy(NOW.plus_seconds(59)).unwrap().is_none());
        let due = store.due_policy(NOW.plus_seconds(60)).unwrap().unwrap();
        assert_eq!((due.number, due.approver.as_deref()), (number, Some("bo")));
        store.put_policy_in_force(&due, None, "f", Some(1), NOW).unwrap();
        let now = store.policy_in_force().unwrap().unwrap();
        assert_eq!((now.hash.as_str(), now.change, now.earlier), ("b", Some(number), Some(1)));
        assert!(store.due_policy(NOW.plus_seconds(60)).unwrap().is_none());
        assert_eq!(store.policy_change(number).unwrap().approver.as_deref(), Some("bo"));
    }

    #[test]
    fn what_was_withdrawn_or_done_is_not_done_again() {
        let (_folder, store) = store();
        keep(&store);
        let number = store.propose_policy(&change(), NOW).unwrap();
        store.withdraw_policy(number, NOW).unwrap();
        let change = store.policy_change(number).unwrap();
        assert_eq!(change.state, ChangeState::Withdrawn);
        assert!(store.put_policy_in_force(&change, Some("bo"), "f", None, NOW).is_err());
        assert!(store.schedule_policy(number, "bo", NOW).is_err());
        assert_eq!(store.policy_in_force().unwrap().unwrap().hash, "a");
    }

    #[test]
    fn a_review_that_is_overdue_is_told_once() {
        let (_folder, store) = store();
        keep(&store);
        let alone = NewChange { from: None, review_by: Some(NOW.plus_seconds(10)), ..change() };
        let number = store.propose_policy(&alone, NOW).unwrap();
        let change = store.policy_change(number).unwrap();
        assert!(store.review_policy(number, "bo", "looked at", NOW).is_err(), "it does not act yet");
        store.put_policy_in_force(&change, None, "f", Some(1), NOW).unwrap();
        assert!(store.take_overdue_policies(NOW.plus_seconds(10)).unwrap().is_empty());
        assert_eq!(store.take_overdue_policies(NOW.plus_seconds(11)).unwrap().len(), 1);
        assert!(store.take_overdue_policies(NOW.plus_seconds(12)).unwrap().is_empty());
        store.review_policy(number, "bo", "looked at", NOW).unwrap();
        assert!(store.review_policy(number, "bo", "again", NOW).is_err());
        assert_eq!(store.policy_change(number).unwrap().reviewed.unwrap().2, "looked at");
    }

    #[test]
    fn a_policy_is_kept_whole() {
        let (_folder, store) = store();
        keep(&store);
        assert_eq!(store.kept_policy("a").unwrap(), [("x.toml".to_owned(), "# a".to_owned())]);
        assert!(store.kept_policy("c").is_err());
    }
}
