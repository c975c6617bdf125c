//! Back-off against guessing passwords and one-time passwords, which does not let a stranger lock a person out.
//!
//! Failures are counted where they come from: with one login, from one address, or in one browser in which the person
//! has signed in before. After a few, each further one doubles the wait. Failures with one login from many strange places are
//! counted together too, since a password must not be guessed by many; that slows only places where the person was
//! never seen, and only people without a second factor, whom a guessed password alone would open.

use std::time::Duration;

use bascule_fhir::Timestamp;
use moka::sync::Cache;

use super::throttle::TryAfter;

/// Failures in one place that cost nothing.
const NEAR_FREE: u32 = 5;
/// The longest wait in one place, in seconds.
const NEAR_SECONDS_MAX: i64 = 900;
/// Failures from all strange places together that cost nothing.
const FAR_FREE: u32 = 50;
/// The longest wait in strange places, in seconds.
const FAR_SECONDS_MAX: i64 = 60;
/// A place without a failure for so long starts anew.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);
/// Places that are remembered.
const PLACES_MAX: u64 = 100_000;

/// Where somebody tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A browser in which this person has signed in before.
    Known(String),
    /// Anywhere else, by address.
    Strange(String),
}

#[derive(Debug, Clone, Copy, Default)]
struct Tries {
    failures: u32,
    until: i64,
}

/// The counts. They live as long as the process: reading the configuration again does not reset them.
pub(crate) struct Guesses {
    near: Cache<String, Tries>,
    far: Cache<String, Tries>,
}

impl Guesses {
    pub(crate) fn new() -> Self {
        let cache = || Cache::builder().max_capacity(PLACES_MAX).time_to_idle(FORGOTTEN_AFTER).build();
        Self { near: cache(), far: cache() }
    }

    /// Whether `what` (a login) may be tried here now. `guarded` are people whom a guess alone does not open.
    ///
    /// # Errors
    /// [`TryAfter`].
    pub(crate) fn may_try(&self, what: &str, place: &Place, guarded: bool, now: Timestamp) -> Result<(), TryAfter> {
        waits(self.near.get(&near(what, place)), now)?;
        match place {
            Place::Strange(_) if !guarded => waits(self.far.get(&folded(what)), now),
            _ => Ok(()),
        }
    }

    /// A try failed. Whether so many have failed that somebody should be told: once, when the count is reached.
    pub(crate) fn failed(&self, what: &str, place: &Place, now: Timestamp) -> bool {
        add(&self.near, near(what, place), NEAR_FREE, NEAR_SECONDS_MAX, now);
        match place {
            Place::Known(_) => false,
            Place::Strange(_) => add(&self.far, folded(what), FAR_FREE, FAR_SECONDS_MAX, now) == FAR_FREE + 1,
        }
    }

    /// A try held: this place starts anew. What strangers did elsewhere stays counted.
    pub(crate) fn held(&self, what: &str, place: &Place) {
        self.near.invalidate(&near(what, place));
    }
}

fn folded(what: &str) -> String {
    what.trim().to_lowercase().chars().take(256).collect()
}

fn near(what: &str, place: &Place) -> String {
    match place {
        Place::Known(browser) => format!("{}|browser {browser}", folded(what)),
        Place::Strange(address) => format!("{}|address {address}", folded(what)),
    }
}

fn waits(tries: Option<Tries>, now: Timestamp) -> Result<(), TryAfter> {
    match tries {
        Some(tries) if tries.until > now.seconds() => {
            Err(TryAfter(u64::try_from(tries.until - now.seconds()).unwrap_or(1)))
        }
        _ => Ok(()),
    }
}

fn add(cache: &Cache<String, Tries>, key: String, free: u32, seconds_max: i64, now: Timestamp) -> u32 {
    let entry = cache.entry(key).and_upsert_with(|before| {
        let failures = before.map_or(0, |before| before.into_value().failures).saturating_add(1);
        let doublings = failures.saturating_sub(free);
        let wait = if doublings == 0 { 0 } else { 1_i64 << doublings.min(20) };
        Tries { failures, until: now.seconds() + wait.min(seconds_max) }
    });
    entry.into_value().failures
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn strange(number: u32) -> Place {
        Place::Strange(format!("203.0.{}.{}", number / 256, number % 256))
    }

    #[test]
    fn each_failure_after_a_few_doubles_the_wait_in_that_place() {
        let guesses = Guesses::new();
        for _ in 0..5 {
            guesses.may_try("maria", &strange(1), false, NOW).unwrap();
            guesses.failed("maria", &strange(1), NOW);
        }
        guesses.may_try("maria", &strange(1), false, NOW).unwrap();
        for wait in [2, 4, 8, 16] {
            guesses.failed("Maria ", &strange(1), NOW);
            assert_eq!(guesses.may_try("maria", &strange(1), false, NOW), Err(TryAfter(wait)));
        }
        guesses.may_try("maria", &strange(2), false, NOW).unwrap();
        guesses.may_try("maria", &strange(1), false, NOW.plus_seconds(16)).unwrap();
        for _ in 0..40 {
            guesses.failed("maria", &strange(1), NOW);
        }
        assert_eq!(guesses.may_try("maria", &strange(1), false, NOW), Err(TryAfter(900)), "the wait has a bound");
        guesses.held("maria", &strange(1));
        guesses.may_try("maria", &strange(1), false, NOW).unwrap();
    }

    #[test]
    fn many_strangers_together_are_slowed_and_the_person_is_not() {
        let guesses = Guesses::new();
        let told = (0..300).filter(|number| guesses.failed("maria", &strange(*number), NOW)).count();
        assert_eq!(told, 1, "somebody is told once");
        assert_eq!(guesses.may_try("maria", &strange(999), false, NOW), Err(TryAfter(60)), "the 301st stranger");
        guesses.may_try("maria", &Place::Known("b".into()), false, NOW).unwrap();
        guesses.may_try("maria", &strange(999), true, NOW).unwrap();
        guesses.may_try("joana", &strange(999), false, NOW).unwrap();
    }
}
