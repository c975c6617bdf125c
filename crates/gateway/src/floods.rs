//! Refusals of callers whom nobody knows, and of sign-ins and tokens: the first few of one caller and cause in a minute have an
//! entry each; the rest of that minute is counted, and one entry says how many there were. So a flood from outside cannot fill the
//! log, and is still told.
//!
//! Nothing of a patient is in such a refusal, and its answer does not wait. A crash loses the count of at most a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bascule_audit::{AccessFacts, Entry};
use bascule_fhir::Timestamp;
use bascule_store::log::{Log, LogError};

/// Refusals of one caller and cause in a minute that have an entry each.
const SAID_EACH_MAX: u64 = 10;
/// Callers that are counted apart; those beyond are counted together.
const COUNTED_MAX: usize = 10_000;
/// How long one count runs.
const WINDOW: Duration = Duration::from_secs(60);
/// The address under which the many are counted.
const MANY: &str = "many addresses";

/// Who and why.
type Key = (String, String);

/// The counts that are under way. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Floods(Arc<Mutex<HashMap<Key, Count>>>);

#[derive(Debug)]
struct Count {
    since: Timestamp,
    said: u64,
    untold: u64,
    facts: AccessFacts,
}

/// What to do with a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    /// It has an entry of its own.
    Each,
    /// It is counted; the first that is begins a count, to be written when its window ends.
    Counted {
        /// The count to be written.
        begins: Option<Key>,
    },
}

impl Floods {
    /// Whether the refusal is one of so many of `who` that it is counted only. If not, it wants an entry of its own.
    pub(crate) fn counts(&self, log: &Log, who: &str, facts: &AccessFacts, now: Timestamp) -> bool {
        match self.take(who, facts.cause.as_deref().unwrap_or_default(), facts, now) {
            Told::Each => false,
            Told::Counted { begins } => {
                begins.into_iter().for_each(|key| self.tell_later(log, key));
                true
            }
        }
    }

    /// Records a refusal of `who`: in an entry of its own, or in a count.
    ///
    /// # Errors
    /// [`LogError`]: the answer must not leave.
    pub async fn refuse(&self, log: &Log, who: &str, facts: AccessFacts, now: Timestamp) -> Result<(), LogError> {
        if self.counts(log, who, &facts, now) {
            return Ok(());
        }
        log.append(Entry::refusal(facts, now), None).await.map(drop)
    }

    /// Writes every count down, at a stop.
    pub async fn tell_all(&self, log: &Log) {
        for entry in self.end_all(crate::gateway::now()) {
            tell(log, entry).await;
        }
    }

    /// Writes a count down when its window ends.
    fn tell_later(&self, log: &Log, key: Key) {
        let (floods, log) = (self.clone(), log.clone());
        tokio::spawn(async move {
            tokio::time::sleep(WINDOW).await;
            if let Some(entry) = floods.end(&key, crate::gateway::now()) {
                tell(&log, entry).await;
            }
        });
    }

    /// Takes a refusal in.
    fn take(&self, who: &str, cause: &str, facts: &AccessFacts, now: Timestamp) -> Told {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |count: &Count| now >= count.since.plus_seconds(60) && count.untold == 0;
        let mut key = (who.to_owned(), cause.to_owned());
        if !counts.contains_key(&key) && counts.len() >= COUNTED_MAX {
            counts.retain(|_, count| !over(count));
            if counts.len() >= COUNTED_MAX {
                key.0 = MANY.to_owned();
            }
        }
        let fresh = || Count { since: now, said: 0, untold: 0, facts: facts.clone() };
        let count = counts.entry(key.clone()).or_insert_with(fresh);
        if over(count) {
            *count = fresh();
        }
        if count.said < SAID_EACH_MAX && key.0 != MANY {
            count.said += 1;
            return Told::Each;
        }
        count.untold += 1;
        Told::Counted { begins: (count.untold == 1).then_some(key) }
    }

    /// Ends a count: the entry that tells of it.
    fn end(&self, key: &Key, now: Timestamp) -> Option<Entry> {
        let count = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key)?;
        (count.untold > 0).then(|| entry(key, count, now))
    }

    fn end_all(&self, now: Timestamp) -> Vec<Entry> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        counts.into_iter().filter(|(_, count)| count.untold > 0).map(|(key, count)| entry(&key, count, now)).collect()
    }
}

fn entry(key: &Key, count: Count, now: Timestamp) -> Entry {
    let length = now.micros().saturating_sub(count.since.micros());
    let mut facts = AccessFacts { times: count.untold, duration_us: u64::try_from(length).unwrap_or(0), ..count.facts };
    if key.0 == MANY {
        facts.agent.address = Some(MANY.to_owned());
    }
    Entry::refusal(facts, count.since)
}

async fn tell(log: &Log, entry: Entry) {
    if let Err(error) = log.append(entry, None).await {
        tracing::error!(%error, "a count of refusals cannot be kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn take(floods: &Floods, address: &str, seconds: i64) -> Told {
        floods.take(address, "token-missing", &AccessFacts::default(), at(seconds))
    }

    #[test]
    fn the_first_few_are_said_each_and_the_rest_is_counted_in_one_entry() {
        let floods = Floods::default();
        for _ in 0..SAID_EACH_MAX {
            assert_eq!(take(&floods, "a", 100), Told::Each);
        }
        let key = ("a".to_owned(), "token-missing".to_owned());
        assert_eq!(take(&floods, "a", 101), Told::Counted { begins: Some(key.clone()) });
        assert_eq!(take(&floods, "a", 102), Told::Counted { begins: None });
        assert_eq!(take(&floods, "b", 102), Told::Each, "another address is another matter");
        let entry = floods.end(&key, at(160)).unwrap();
        assert_eq!((entry.clear().times, entry.at()), (2, at(100)));
        assert!(floods.end(&key, at(160)).is_none());
        assert_eq!(take(&floods, "a", 161), Told::Each);
    }

    #[test]
    fn addresses_beyond_the_bound_are_counted_together() {
        let floods = Floods::default();
        for number in 0..COUNTED_MAX {
            assert_eq!(take(&floods, &number.to_string(), 100), Told::Each);
        }
        assert!(matches!(take(&floods, "one more", 100), Told::Counted { begins: Some((many, _)) } if many == MANY));
        assert_eq!(floods.0.lock().unwrap().len(), COUNTED_MAX + 1);
        // A minute later the old ones make room.
        assert_eq!(take(&floods, "later", 161), Told::Each);
        assert_eq!(floods.end_all(at(200)).len(), 1);
    }
}
