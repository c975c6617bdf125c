//! Limits on trying. Each bucket belongs to who tries, never to whom it is tried upon alone: a stranger who guesses at a
//! person's password uses up his own address's bucket for that login, and the person signs in from elsewhere undisturbed.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::guesses::Guesses;
use super::state::SmartLimits;

/// Keys of one limiter, after which idle ones are dropped.
const KEYS_MAX: usize = 50_000;

/// Seconds to wait before the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TryAfter(pub u64);

struct Limit<K: Hash + Eq + Clone> {
    number: NonZeroU32,
    limiter: Arc<DefaultKeyedRateLimiter<K>>,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    fn per_minute(number: u32) -> Self {
        let number = NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let limiter = Arc::new(RateLimiter::keyed(Quota::per_minute(number)));
        Self { number, limiter, clock: DefaultClock::default() }
    }

    /// The same with another number; what was used of an unchanged one stays used.
    fn renewed(&self, number: u32) -> Self {
        let Self { number: before, limiter, clock } = self;
        if before.get() == number {
            return Self { number: *before, limiter: Arc::clone(limiter), clock: clock.clone() };
        }
        Self::per_minute(number)
    }

    fn take(&self, key: &K) -> Result<(), TryAfter> {
        if self.limiter.len() > KEYS_MAX {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).map_err(|until| TryAfter(until.wait_time_from(self.clock.now()).as_secs() + 1))
    }
}

/// All limits of the endpoints.
pub struct Throttles {
    sign_in: Limit<(String, String)>,
    address_sign_in: Limit<String>,
    client: Limit<(String, String)>,
    client_failure: Limit<String>,
    authorization: Limit<String>,
    user: Limit<String>,
    guesses: Arc<Guesses>,
}

impl Throttles {
    /// Nobody has tried anything yet.
    #[must_use]
    pub fn new(limits: SmartLimits) -> Self {
        Self {
            sign_in: Limit::per_minute(limits.sign_ins_per_minute),
            address_sign_in: Limit::per_minute(limits.address_sign_ins_per_minute),
            client: Limit::per_minute(limits.client_requests_per_minute),
            client_failure: Limit::per_minute(limits.client_failures_per_minute),
            authorization: Limit::per_minute(limits.authorizations_per_minute),
            user: Limit::per_minute(limits.user_tokens_per_minute),
            guesses: Arc::new(Guesses::new()),
        }
    }

    /// The same under other limits: reading the configuration again forgives nobody.
    #[must_use]
    pub fn renewed(&self, limits: SmartLimits) -> Self {
        Self {
            sign_in: self.sign_in.renewed(limits.sign_ins_per_minute),
            address_sign_in: self.address_sign_in.renewed(limits.address_sign_ins_per_minute),
            client: self.client.renewed(limits.client_requests_per_minute),
            client_failure: self.client_failure.renewed(limits.client_failures_per_minute),
            authorization: self.authorization.renewed(limits.authorizations_per_minute),
            user: self.user.renewed(limits.user_tokens_per_minute),
            guesses: Arc::clone(&self.guesses),
        }
    }

    /// The back-off against guessing.
    pub(crate) fn guesses(&self) -> &Guesses {
        &self.guesses
    }

    /// Anything that costs us work, from one address: a passkey, a code on paper.
    ///
    /// # Errors
    /// [`TryAfter`].
    pub(crate) fn address(&self, address: &str) -> Result<(), TryAfter> {
        self.address_sign_in.take(&address.to_owned())
    }

    /// Tokens for one person, by whatever app.
    ///
    /// # Errors
    /// [`TryAfter`].
    pub(crate) fn user(&self, user: &str) -> Result<(), TryAfter> {
        self.user.take(&user.to_owned())
    }

    /// A try to sign in, from an address; `place` is that address, or a browser that the person has used before.
    ///
    /// # Errors
    /// [`TryAfter`].
    pub(crate) fn sign_in(&self, login: &str, address: &str, place: &str) -> Result<(), TryAfter> {
        self.address_sign_in.take(&address.to_owned())?;
        self.sign_in.take(&(login.trim().to_lowercase().chars().take(256).collect(), place.to_owned()))
    }

    /// A request of a client.
    ///
    /// # Errors
    /// [`TryAfter`].
    pub(crate) fn client(&self, client: &str, address: &str) -> Result<(), TryAfter> {
        self.client.take(&(client.chars().take(256).collect(), address.to_owned()))
    }

    /// A client authentication that was refused.
    ///
    /// # Errors
    /// [`TryAfter`].
    pub(crate) fn client_failure(&self, address: &str) -> Result<(), TryAfter> {
        self.client_failure.take(&address.to_owned())
    }

    /// An authorization request.
    ///
    /// # Errors
    /// [`TryAfter`].
    pub(crate) fn authorization(&self, address: &str) -> Result<(), TryAfter> {
        self.authorization.take(&address.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_lock_a_person_out() {
        let throttles = Throttles::new(SmartLimits::default());
        let tries = (0..100).filter(|_| throttles.sign_in("maria", "203.0.113.9", "203.0.113.9").is_ok()).count();
        assert_eq!(tries, 8);
        assert!(throttles.sign_in("maria", "198.51.100.1", "198.51.100.1").is_ok());
        let TryAfter(seconds) = throttles.sign_in("MARIA ", "203.0.113.9", "203.0.113.9").unwrap_err();
        assert!((1..=60).contains(&seconds), "{seconds}");
    }

    #[test]
    fn other_limits_forgive_nobody_who_used_up_an_unchanged_one() {
        let throttles = Throttles::new(SmartLimits::default());
        while throttles.sign_in("maria", "203.0.113.9", "203.0.113.9").is_ok() {}
        let same = throttles.renewed(SmartLimits { authorizations_per_minute: 7, ..SmartLimits::default() });
        assert!(same.sign_in("maria", "203.0.113.9", "203.0.113.9").is_err());
        assert_eq!((0..100).filter(|_| same.authorization("203.0.113.9").is_ok()).count(), 7);
    }

    #[test]
    fn one_address_cannot_try_many_logins_without_end() {
        let throttles = Throttles::new(SmartLimits::default());
        let tries =
            (0..500).filter(|n| throttles.sign_in(&format!("user{n}"), "203.0.113.9", "203.0.113.9").is_ok()).count();
        assert_eq!(tries, 120);
    }
}
