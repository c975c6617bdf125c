//! Limits on trying. Each bucket belongs to who tries, never to whom it is tried upon alone: a stranger who guesses at a
//! person's password uses up his own address's bucket for that login, and the person signs in from elsewhere undisturbed.

use std::hash::Hash;
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::state::SmartLimits;

/// Keys of one limiter, after which idle ones are dropped.
const KEYS_MAX: usize = 50_000;

/// Seconds to wait before the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TryAfter(pub u64);

struct Limit<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    fn per_minute(number: u32) -> Self {
        let number = NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self { limiter: RateLimiter::keyed(Quota::per_minute(number)), clock: DefaultClock::default() }
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
}

impl Throttles {
    pub(crate) fn new(limits: SmartLimits) -> Self {
        Self {
            sign_in: Limit::per_minute(limits.sign_ins_per_minute),
            address_sign_in: Limit::per_minute(limits.address_sign_ins_per_minute),
            client: Limit::per_minute(limits.client_requests_per_minute),
            client_failure: Limit::per_minute(limits.client_failures_per_minute),
            authorization: Limit::per_minute(limits.authorizations_per_minute),
        }
    }

    /// A try to sign in.
    ///
    /// # Errors
    /// [`TryAfter`].
    pub(crate) fn sign_in(&self, login: &str, address: &str) -> Result<(), TryAfter> {
        self.address_sign_in.take(&address.to_owned())?;
        self.sign_in.take(&(login.trim().to_lowercase().chars().take(256).collect(), address.to_owned()))
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
        let tries = (0..100).filter(|_| throttles.sign_in("maria", "203.0.113.9").is_ok()).count();
        assert_eq!(tries, 8);
        assert!(throttles.sign_in("maria", "198.51.100.1").is_ok());
        let TryAfter(seconds) = throttles.sign_in("MARIA ", "203.0.113.9").unwrap_err();
        assert!((1..=60).contains(&seconds), "{seconds}");
    }

    #[test]
    fn one_address_cannot_try_many_logins_without_end() {
        let throttles = Throttles::new(SmartLimits::default());
        let tries = (0..500).filter(|n| throttles.sign_in(&format!("user{n}"), "203.0.113.9").is_ok()).count();
        assert_eq!(tries, 120);
    }
}
