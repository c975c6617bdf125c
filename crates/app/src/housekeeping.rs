//! What a running house does by itself: forget what has expired, keep signing keys young, destroy those of ended logs.
//!
//! A chore that fails is said and tried again soon; it never stops the doors.

use std::sync::Arc;
use std::time::Duration;

use bascule_fhir::Timestamp;
use bascule_gateway::smart::{Caller, Record, ensure_signing_keys};
use bascule_smart::server::Lifetimes;
use bascule_store::Store;
use bascule_store::filed::Kind;
use bascule_store::log::Log;
use bascule_store::log::retire::RetireRule;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock;

/// How long after a failure a chore is tried again, unless its own turn comes earlier.
const RETRY: Duration = Duration::from_secs(300);

/// Something to be done again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chore {
    /// Forget expired codes, sessions, tokens and replays.
    Sweep,
    /// Make the next signing key of the authorization server when the present one ages.
    SigningKeys,
    /// Destroy the signing keys of logs whose quarter is over.
    RetireLogKeys,
    /// Carry over into the log what the emergency reserve holds.
    CarryOver,
    /// Tell the privacy officer that there is something in the digest.
    Digest,
}

impl Chore {
    const ALL: [Self; 5] = [Self::Sweep, Self::SigningKeys, Self::RetireLogKeys, Self::CarryOver, Self::Digest];

    /// How often it is done.
    const fn every(self) -> Duration {
        match self {
            Self::Sweep => Duration::from_secs(300),
            Self::CarryOver => Duration::from_secs(5),
            Self::SigningKeys | Self::RetireLogKeys | Self::Digest => Duration::from_secs(86_400),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::SigningKeys => "signing-keys",
            Self::RetireLogKeys => "retire-log-keys",
            Self::Digest => "digest",
            Self::CarryOver => "carry-over",
        }
    }
}

/// When each chore is due, in time that only runs forward, counted from the opening of the house.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Schedule(Vec<(Chore, Duration)>);

impl Schedule {
    /// Everything is due at once: nobody knows how long the house was closed.
    fn new(chores: &[Chore]) -> Self {
        Self(chores.iter().map(|chore| (*chore, Duration::ZERO)).collect())
    }

    /// What is due by `now`, in the order of its time.
    fn due(&self, now: Duration) -> Vec<Chore> {
        let mut due: Vec<_> = self.0.iter().filter(|(_, at)| *at <= now).collect();
        due.sort_by_key(|(_, at)| *at);
        due.into_iter().map(|(chore, _)| *chore).collect()
    }

    /// Plans the next turn after one that ended at `now`. Turns that were missed are not made up for.
    fn done(&mut self, chore: Chore, now: Duration, went_well: bool) {
        let wait = if went_well { chore.every() } else { chore.every().min(RETRY) };
        for (planned, at) in &mut self.0 {
            if *planned == chore {
                *at = now.saturating_add(wait);
            }
        }
    }

    /// When the next one is due; `None` if there is nothing to do, ever.
    fn next(&self) -> Option<Duration> {
        self.0.iter().map(|(_, at)| *at).min()
    }
}

/// What the chores need of the house.
pub(crate) struct Housekeeper {
    pub(crate) store: Arc<Store>,
    pub(crate) log: Log,
    pub(crate) record: Record,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) retire: RetireRule,
}

impl Housekeeper {
    /// Keeps house until the house stops. A chore under way is finished.
    pub(crate) async fn run(self, mut stopped: watch::Receiver<bool>) {
        let opened = Instant::now();
        let mut schedule = Schedule::new(&Chore::ALL);
        while let Some(next) = schedule.next() {
            tokio::select! {
                _stopped = stopped.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep_until(opened + next) => {}
            }
            for chore in schedule.due(opened.elapsed()) {
                let outcome = self.perform(chore).await;
                if let Err(error) = &outcome {
                    tracing::error!(chore = chore.name(), error, "housekeeping failed; it is tried again");
                }
                schedule.done(chore, opened.elapsed(), outcome.is_ok());
            }
        }
    }

    async fn perform(&self, chore: Chore) -> Result<(), String> {
        match chore {
            Chore::Sweep => self.sweep().await,
            Chore::SigningKeys => self.signing_keys().await,
            Chore::RetireLogKeys => self.retire_log_keys().await,
            Chore::Digest => self.digest(),
            Chore::CarryOver => self.carry_over().await,
        }
    }

    /// One alert a day, if there was emergency access or a review waits.
    fn digest(&self) -> Result<(), String> {
        let now = clock::now();
        let text = |error: bascule_store::StoreError| error.to_string();
        let emergencies = self.store.emergencies_since(now.plus_seconds(-86_400)).map_err(text)?.len();
        let waiting = self.store.reviews(true).map_err(text)?.len();
        self.holds_to_review(now).map_err(text)?;
        if emergencies == 0 && waiting == 0 {
            return Ok(());
        }
        let alert = bascule_store::alert::NewAlert {
            at: now,
            rule: "privacy-digest".to_owned(),
            severity: "low".to_owned(),
            client: None,
            user: None,
            api: None,
            said: format!(
                "emergency access in a day: {emergencies}; reviews that wait: {waiting}: `bascule review digest`"
            ),
        };
        self.store.raise_alert(&alert).map(drop).map_err(text)
    }

    /// An alert a day for every hold whose day of review has come, until it is ended or ends (164.524(a)(4)).
    fn holds_to_review(&self, now: Timestamp) -> Result<(), bascule_store::StoreError> {
        for filed in self.store.filed(Kind::Hold)? {
            let Some(hold) = filed.hold_to_review(now) else { continue };
            let alert = bascule_store::alert::NewAlert {
                at: now,
                rule: "hold-review".to_owned(),
                severity: "medium".to_owned(),
                client: None,
                user: None,
                api: Some(filed.api.clone()),
                said: format!(
                    "hold `{}` ({}) was to be looked at again on {}: end it with `bascule hold end`, or file another; it ends by itself on {}",
                    filed.id,
                    hold.ground,
                    hold.review.to_instant(),
                    hold.until.to_instant()
                ),
            };
            self.store.raise_alert(&alert)?;
        }
        Ok(())
    }

    async fn sweep(&self) -> Result<(), String> {
        let store = Arc::clone(&self.store);
        let swept = tokio::task::spawn_blocking(move || store.sweep(clock::now())).await;
        let gone = swept.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        tracing::debug!(gone, "swept");
        Ok(())
    }

    async fn signing_keys(&self) -> Result<(), String> {
        let made =
            ensure_signing_keys(&self.store, &self.lifetimes, clock::now()).map_err(|error| error.to_string())?;
        for event in made {
            (self.record)(event, house_itself()).await?;
        }
        Ok(())
    }

    /// While the log takes nothing, this fails every few seconds, and says so.
    async fn carry_over(&self) -> Result<(), String> {
        match self.log.carry_over(clock::now()).await {
            Ok(0) => Ok(()),
            Ok(entries) => {
                tracing::warn!(
                    entries,
                    "the log takes entries again; those of the emergency reserve were carried over"
                );
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn retire_log_keys(&self) -> Result<(), String> {
        let retired = self.log.retire_keys(&self.retire, clock::now()).await.map_err(|error| error.to_string())?;
        for origin in retired {
            tracing::info!(origin, "the signing key of an ended log was destroyed");
        }
        Ok(())
    }
}

/// Who asks when nobody does.
pub(crate) fn house_itself() -> Caller {
    Caller { address: "housekeeping".to_owned(), ..Caller::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn everything_is_due_when_the_house_opens() {
        assert_eq!(Schedule::new(&Chore::ALL).due(Duration::ZERO), Chore::ALL);
    }

    #[test]
    fn a_chore_done_comes_again_after_its_interval_and_not_before() {
        let mut schedule = Schedule::new(&[Chore::Sweep]);
        schedule.done(Chore::Sweep, seconds(10), true);
        assert_eq!(schedule.next(), Some(seconds(310)));
        assert_eq!(schedule.due(seconds(309)), []);
        assert_eq!(schedule.due(seconds(310)), [Chore::Sweep]);
    }

    #[test]
    fn a_failed_daily_chore_is_tried_again_within_minutes() {
        let mut schedule = Schedule::new(&[Chore::SigningKeys]);
        schedule.done(Chore::SigningKeys, seconds(0), false);
        assert_eq!(schedule.next(), Some(RETRY));
        schedule.done(Chore::SigningKeys, RETRY, true);
        assert_eq!(schedule.next(), Some(RETRY + seconds(86_400)));
    }

    #[test]
    fn missed_turns_are_not_made_up_for() {
        let mut schedule = Schedule::new(&[Chore::Sweep]);
        assert_eq!(schedule.due(seconds(100_000)), [Chore::Sweep]);
        schedule.done(Chore::Sweep, seconds(100_000), true);
        assert_eq!(schedule.due(seconds(100_000)), []);
    }

    #[test]
    fn what_waited_longest_is_done_first() {
        let mut schedule = Schedule::new(&[Chore::SigningKeys, Chore::Sweep]);
        schedule.done(Chore::SigningKeys, seconds(1_000), true);
        schedule.done(Chore::Sweep, seconds(0), true);
        assert_eq!(schedule.due(seconds(200_000)), [Chore::Sweep, Chore::SigningKeys]);
    }
}
