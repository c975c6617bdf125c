//! The delivery queue: messages that were acknowledged and are on their way into the chart.
//!
//! A file of its own beside the records, since its load is not theirs. A message is on the disk when [`Queue::put`] returns, and
//! only then acknowledged; its bytes are sealed under a key that is derived from the shelf's, and are gone once it is delivered
//! and its time is over. Who can rewrite the file can lose or repeat messages, and read none without the key; the daily
//! reconciliation against the senders' counts shows a loss.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bascule_crypto::{Secret, aead};
use bascule_fhir::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior};

use crate::{StoreError, random};

/// Messages listed by one call.
const LISTED_MAX: u32 = 1_000;

const SHAPE: &str = "
CREATE TABLE IF NOT EXISTS delivery (
  number INTEGER PRIMARY KEY AUTOINCREMENT, partner TEXT NOT NULL, control_id TEXT NOT NULL, kind TEXT NOT NULL,
  subject BLOB NOT NULL, digest BLOB NOT NULL, received INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
  due INTEGER NOT NULL, said TEXT NOT NULL, ended INTEGER, nonce BLOB, sealed BLOB) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS delivery_once ON delivery (partner, control_id, digest);
CREATE INDEX IF NOT EXISTS delivery_waiting ON delivery (partner, number) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS delivery_order ON delivery (partner, subject, number) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS delivery_state ON delivery (state, number);
CREATE INDEX IF NOT EXISTS delivery_day ON delivery (received);
";

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Who sent it.
    pub partner: String,
    /// The sender's number for it.
    pub control_id: String,
    /// What it is, as in `ORU^R01`.
    pub kind: String,
    /// A blind name of the patient: messages of one keep their order.
    pub subject: [u8; 32],
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
    /// When it came.
    pub received: Timestamp,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What became of a message that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is kept.
    Kept,
    /// The very same came before: it is acknowledged, and not delivered twice.
    SentAgain,
    /// Another message came under its control id.
    OtherContent,
    /// The queue holds as many as it may: the sender must keep it.
    Full,
}

/// Where a message is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// To be delivered.
    Waiting,
    /// In the chart.
    Delivered,
    /// It needs a person: mended or linked, it is sent again.
    Dead,
    /// A person decided that it is not delivered.
    Discarded,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Discarded => "discarded",
        }
    }

    fn read(word: &str) -> Self {
        match word {
            "delivered" => Self::Delivered,
            "dead" => Self::Dead,
            "discarded" => Self::Discarded,
            _ => Self::Waiting,
        }
    }
}

/// A message of the queue, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number in the queue.
    pub number: i64,
    /// Who sent it.
    pub partner: String,
    /// The sender's number for it.
    pub control_id: String,
    /// What it is.
    pub kind: String,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// When it came.
    pub received: Timestamp,
    /// Where it is.
    pub state: State,
    /// How often delivery was tried.
    pub attempts: u32,
    /// When it is tried next, while it waits.
    pub due: Timestamp,
    /// What the last attempt said; no value of the message.
    pub said: String,
    /// When it was delivered or discarded.
    pub ended: Option<Timestamp>,
}

/// What a day's messages of one partner came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// The partner.
    pub partner: String,
    /// Messages that were acknowledged.
    pub received: u64,
    /// Of them, in the chart.
    pub delivered: u64,
    /// Of them, still on the way.
    pub waiting: u64,
    /// Of them, waiting for a person.
    pub dead: u64,
    /// Of them, discarded by a person.
    pub discarded: u64,
}

/// The queue. Each call is one short transaction.
pub struct Queue {
    connection: Mutex<Connection>,
    key: Secret,
    waiting_max: u64,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Queue {
    /// Opens the queue at `path`, or makes it. `waiting_max` bounds the messages that are not delivered.
    ///
    /// # Errors
    /// [`StoreError::Open`] or [`StoreError::Database`].
    pub fn open(path: &Path, key: Secret, waiting_max: u64) -> Result<Self, StoreError> {
        let fail = |reason: String| StoreError::Open { path: path.display().to_string(), reason };
        let connection = Connection::open(path).map_err(|error| fail(error.to_string()))?;
        crate::database::restrict(path)?;
        crate::database::prepare(&connection).map_err(|error| fail(error.to_string()))?;
        connection.execute_batch(SHAPE)?;
        Ok(Self { connection: Mutex::new(connection), key, waiting_max })
    }

    /// Keeps messages, all in one flush; when this returns they outlive a power loss.
    ///
    /// # Errors
    /// [`StoreError::Database`]: nothing of them is kept, and nothing may be acknowledged.
    pub fn put(&self, messages: &[NewDelivery]) -> Result<Vec<Put>, StoreError> {
        self.write(|transaction| {
            let waiting: u64 = count(transaction, "SELECT count(*) FROM delivery WHERE state IN ('waiting', 'dead')")?;
            let mut room = self.waiting_max.saturating_sub(waiting);
            messages.iter().map(|message| self.put_one(transaction, message, &mut room)).collect()
        })
    }

    fn put_one(&self, transaction: &Transaction<'_>, message: &NewDelivery, room: &mut u64) -> Result<Put, StoreError> {
        let known =
            "SELECT digest FROM delivery WHERE partner = ?1 AND control_id = ?2 ORDER BY digest = ?3 DESC LIMIT 1";
        let mut statement = transaction.prepare_cached(known)?;
        let key = (&message.partner, &message.control_id, &message.digest);
        let digest: Option<Vec<u8>> = statement.query_row(key, |row| row.get(0)).optional()?;
        match digest {
            Some(digest) if digest == message.digest => return Ok(Put::SentAgain),
            Some(_) => return Ok(Put::OtherContent),
            None if *room == 0 => return Ok(Put::Full),
            None => *room = room.saturating_sub(1),
        }
        let nonce = random::bytes::<{ aead::NONCE_BYTES }>()?;
        let sealed = aead::seal(&self.key, nonce, &message.digest, &message.bytes);
        let sealed = sealed.map_err(|error| StoreError::Key(error.to_string()))?;
        let insert = "INSERT INTO delivery (partner, control_id, kind, subject, digest, received, state, attempts, due, said, nonce, sealed)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', 0, ?6, '', ?7, ?8)";
        transaction.prepare_cached(insert)?.execute((
            &message.partner,
            &message.control_id,
            &message.kind,
            message.subject,
            message.digest,
            message.received.micros(),
            nonce,
            sealed,
        ))?;
        Ok(Put::Kept)
    }

    /// Messages of `partner` that are due, at most one of each patient: the eldest. Those of `under_way` are left out, with what
    /// stands behind them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn due(
        &self,
        partner: &str,
        now: Timestamp,
        under_way: &[i64],
        most: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let select = format!(
            "{COLUMNS} WHERE state = 'waiting' AND partner = ?1 AND due <= ?2 AND NOT EXISTS (
               SELECT 1 FROM delivery e WHERE e.state = 'waiting' AND e.partner = delivery.partner
                 AND e.subject = delivery.subject AND e.number < delivery.number)
             ORDER BY number LIMIT ?3"
        );
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&select)?;
        let most = most.saturating_add(under_way.len());
        let rows = statement.query_map((partner, now.micros(), i64::try_from(most).unwrap_or(i64::MAX)), read)?;
        let all = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(all.into_iter().filter(|delivery| !under_way.contains(&delivery.number)).collect())
    }

    /// The bytes of a message, `None` if they are gone.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if they are not what was sealed.
    pub fn bytes(&self, number: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let select = "SELECT nonce, sealed, digest FROM delivery WHERE number = ?1";
        type Sealed = (Option<[u8; aead::NONCE_BYTES]>, Option<Vec<u8>>, Vec<u8>);
        let connection = self.lock();
        let row = connection
            .prepare_cached(select)?
            .query_row([number], |row| Ok::<Sealed, _>((row.get(0)?, row.get(1)?, row.get(2)?)));
        let Some((Some(nonce), Some(sealed), digest)) = row.optional()? else { return Ok(None) };
        let damaged = |reason: String| StoreError::Damaged { what: "message", id: number.to_string(), reason };
        aead::open(&self.key, nonce, &digest, &sealed).map(Some).map_err(|error| damaged(error.to_string()))
    }

    /// The message is in the chart.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn delivered(&self, number: i64, now: Timestamp) -> Result<(), StoreError> {
        let update = "UPDATE delivery SET state = 'delivered', attempts = attempts + 1, said = '', ended = ?2
            WHERE number = ?1 AND state = 'waiting'";
        self.change(update, (number, now.micros())).map(drop)
    }

    /// It could not be delivered yet: it is tried again at `due`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn later(&self, number: i64, due: Timestamp, said: &str) -> Result<(), StoreError> {
        let update =
            "UPDATE delivery SET attempts = attempts + 1, due = ?2, said = ?3 WHERE number = ?1 AND state = 'waiting'";
        self.change(update, (number, due.micros(), said)).map(drop)
    }

    /// It cannot be delivered as it is: a person must look.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn dead(&self, number: i64, said: &str) -> Result<(), StoreError> {
        let update = "UPDATE delivery SET state = 'dead', attempts = attempts + 1, said = ?2 WHERE number = ?1 AND state = 'waiting'";
        self.change(update, (number, said)).map(drop)
    }

    /// A person sends it again, with mended bytes if they give any. `false` if it is not dead or its bytes are gone.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Key`].
    pub fn replay(&self, number: i64, mended: Option<&[u8]>, now: Timestamp) -> Result<bool, StoreError> {
        self.write(|transaction| {
            if let Some(bytes) = mended {
                let digest: Option<Vec<u8>> = transaction
                    .query_row("SELECT digest FROM delivery WHERE number = ?1", [number], |row| row.get(0))
                    .optional()?;
                let Some(digest) = digest else { return Ok(false) };
                let nonce = random::bytes::<{ aead::NONCE_BYTES }>()?;
                let sealed = aead::seal(&self.key, nonce, &digest, bytes).map_err(|error| StoreError::Key(error.to_string()))?;
                let update = "UPDATE delivery SET nonce = ?2, sealed = ?3 WHERE number = ?1 AND state = 'dead'";
                transaction.execute(update, (number, nonce, sealed))?;
            }
            let update = "UPDATE delivery SET state = 'waiting', due = ?2 WHERE number = ?1 AND state = 'dead' AND sealed IS NOT NULL";
            Ok(transaction.execute(update, (number, now.micros()))? == 1)
        })
    }

    /// A person decides that it is not delivered; its bytes go at once. `false` if it is not dead.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn discard(&self, number: i64, why: &str, now: Timestamp) -> Result<bool, StoreError> {
        let update = "UPDATE delivery SET state = 'discarded', said = ?2, ended = ?3, nonce = NULL, sealed = NULL
            WHERE number = ?1 AND state = 'dead'";
        Ok(self.change(update, (number, why, now.micros()))? == 1)
    }

    /// The messages in a state, the eldest first, at most 1,000.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn list(&self, state: State) -> Result<Vec<Delivery>, StoreError> {
        let select = format!("{COLUMNS} WHERE state = ?1 ORDER BY number LIMIT {LISTED_MAX}");
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&select)?;
        let rows = statement.query_map([state.word()], read)?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    }

    /// What came from `from` and before `until`, by partner: the source's side of the reconciliation.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn tally(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Tally>, StoreError> {
        let select = "SELECT partner, count(*), sum(state = 'delivered'), sum(state = 'waiting'), sum(state = 'dead'),
              sum(state = 'discarded')
            FROM delivery WHERE received >= ?1 AND received < ?2 GROUP BY partner ORDER BY partner";
        let connection = self.lock();
        let mut statement = connection.prepare_cached(select)?;
        let rows = statement.query_map((from.micros(), until.micros()), |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            Ok(Tally {
                partner: row.get(0)?,
                received: number(1)?,
                delivered: number(2)?,
                waiting: number(3)?,
                dead: number(4)?,
                discarded: number(5)?,
            })
        })?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    }

    /// Takes away the bytes of what was delivered before `before`, and the rows of what ended before `forget`: until then a
    /// message that is sent again is known again.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn sweep(&self, before: Timestamp, forget: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let bytes = "UPDATE delivery SET nonce = NULL, sealed = NULL WHERE state = 'delivered' AND ended < ?1 AND sealed IS NOT NULL";
            transaction.execute(bytes, [before.micros()])?;
            let rows = "DELETE FROM delivery WHERE state IN ('delivered', 'discarded') AND ended < ?1";
            transaction.execute(rows, [forget.micros()])?;
            Ok(())
        })
    }

    fn change(&self, statement: &str, parameters: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.write(|transaction| Ok(transaction.prepare_cached(statement)?.execute(parameters)?))
    }

    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const COLUMNS: &str =
    "SELECT number, partner, control_id, kind, digest, received, state, attempts, due, said, ended FROM delivery";

fn read(row: &Row<'_>) -> Result<Delivery, rusqlite::Error> {
    let state: String = row.get(6)?;
    let ended: Option<i64> = row.get(10)?;
    Ok(Delivery {
        number: row.get(0)?,
        partner: row.get(1)?,
        control_id: row.get(2)?,
        kind: row.get(3)?,
        digest: row.get(4)?,
        received: Timestamp::from_micros(row.get(5)?),
        state: State::read(&state),
        attempts: row.get(7)?,
        due: Timestamp::from_micros(row.get(8)?),
        said: row.get(9)?,
        ended: ended.map(Timestamp::from_micros),
    })
}

fn count(transaction: &Transaction<'_>, select: &str) -> Result<u64, StoreError> {
    Ok(transaction.prepare_cached(select)?.query_row([], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn queue(waiting_max: u64) -> (tempfile::TempDir, Queue) {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(&folder.path().join("deliveries.db"), Secret::new([7; 32]), waiting_max).unwrap();
        (folder, queue)
    }

    fn message(control_id: &str, subject: u8, bytes: &str) -> NewDelivery {
        NewDelivery {
            partner: "lab".into(),
            control_id: control_id.into(),
            kind: "ORU^R01".into(),
            subject: [subject; 32],
            digest: bascule_crypto::digest::sha256(bytes.as_bytes()),
            received: NOW,
            bytes: bytes.as_bytes().to_vec(),
        }
    }

    fn due(queue: &Queue, under_way: &[i64]) -> Vec<String> {
        queue.due("lab", NOW, under_way, 9).unwrap().into_iter().map(|delivery| delivery.control_id).collect()
    }

    #[test]
    fn what_is_sent_again_is_kept_once() {
        let (_folder, queue) = queue(9);
        assert_eq!(queue.put(&[message("1", 1, "a"), message("1", 1, "a")]).unwrap(), [Put::Kept, Put::SentAgain]);
        assert_eq!(queue.put(&[message("1", 1, "b")]).unwrap(), [Put::OtherContent]);
        assert_eq!(queue.bytes(1).unwrap().unwrap(), b"a");
    }

    #[test]
    fn a_patients_messages_keep_their_order_and_others_do_not_wait() {
        let (_folder, queue) = queue(9);
        queue.put(&[message("1", 1, "a"), message("2", 1, "b"), message("3", 2, "c")]).unwrap();
        assert_eq!(due(&queue, &[]), ["1", "3"]);
        assert_eq!(due(&queue, &[1]), ["3"]);
        queue.later(1, NOW.plus_seconds(60), "the chart is away").unwrap();
        assert_eq!(due(&queue, &[]), ["3"], "the second waits behind the first");
        queue.delivered(1, NOW).unwrap();
        assert_eq!(due(&queue, &[]), ["2", "3"]);
        queue.dead(2, "no such patient").unwrap();
        assert_eq!(due(&queue, &[]), ["3"]);
    }

    #[test]
    fn a_dead_message_is_mended_and_sent_again_or_discarded() {
        let (_folder, queue) = queue(9);
        queue.put(&[message("1", 1, "a"), message("2", 2, "b")]).unwrap();
        assert!(!queue.replay(1, None, NOW).unwrap(), "it is not dead");
        queue.dead(1, "a fault").unwrap();
        queue.dead(2, "a fault").unwrap();
        assert!(queue.replay(1, Some(b"mended"), NOW).unwrap());
        assert_eq!(queue.bytes(1).unwrap().unwrap(), b"mended");
        assert!(queue.discard(2, "a test message", NOW).unwrap());
        assert_eq!(queue.bytes(2).unwrap(), None);
        assert!(!queue.replay(2, None, NOW).unwrap(), "its bytes are gone");
        let day = queue.tally(NOW, NOW.plus_seconds(1)).unwrap();
        assert_eq!((day[0].received, day[0].waiting, day[0].discarded), (2, 1, 1));
    }

    #[test]
    fn a_full_queue_leaves_the_message_with_its_sender() {
        let (_folder, queue) = queue(1);
        assert_eq!(queue.put(&[message("1", 1, "a"), message("2", 2, "b")]).unwrap(), [Put::Kept, Put::Full]);
        queue.delivered(1, NOW).unwrap();
        assert_eq!(queue.put(&[message("2", 2, "b")]).unwrap(), [Put::Kept]);
    }

    #[test]
    fn nothing_of_a_message_lies_open_on_the_disk_and_its_bytes_go_after_their_time() {
        let (folder, queue) = queue(9);
        queue.put(&[message("1", 1, "PID|1||SECRET-MRN")]).unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(10).any(|window| window == b"SECRET-MRN"));
        }
        queue.delivered(1, NOW).unwrap();
        queue.sweep(NOW.plus_seconds(1), NOW).unwrap();
        assert_eq!(queue.bytes(1).unwrap(), None);
        assert_eq!(queue.put(&[message("1", 1, "PID|1||SECRET-MRN")]).unwrap(), [Put::SentAgain]);
        queue.sweep(NOW.plus_seconds(1), NOW.plus_seconds(1)).unwrap();
        assert_eq!(queue.put(&[message("1", 1, "PID|1||SECRET-MRN")]).unwrap(), [Put::Kept]);
    }

    #[test]
    fn bytes_that_were_changed_on_the_disk_are_not_delivered() {
        let (folder, queue) = queue(9);
        queue.put(&[message("1", 1, "a"), message("2", 2, "b")]).unwrap();
        let other = Connection::open(folder.path().join("deliveries.db")).unwrap();
        other
            .execute("UPDATE delivery SET sealed = (SELECT sealed FROM delivery WHERE number = 2) WHERE number = 1", [])
            .unwrap();
        assert!(matches!(queue.bytes(1), Err(StoreError::Damaged { .. })));
    }
}
