//! Sessions: who is signed in, with which token. In memory only, each with an end, all of them bounded.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oauth2::CsrfToken;

/// Bytes of chance in a session's key.
const KEY_BYTES: u32 = 32;

/// What a person agreed that the portal may write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct May {
    /// Messages to the care team.
    pub(super) write_messages: bool,
    /// Cancel appointments.
    pub(super) cancel_appointments: bool,
}

/// What is known of somebody who is signed in.
#[derive(Clone)]
pub(super) struct Session {
    /// The access token.
    pub(super) token: String,
    /// Id of the Patient whose record is shown; empty in the chart, which shows many.
    pub(super) patient: String,
    /// What the person agreed that the portal may write.
    pub(super) may: May,
    /// Where to revoke the token.
    pub(super) revocation_url: Option<String>,
    /// When the token ends.
    pub(super) ends: Instant,
}

struct Kept {
    session: Session,
    used: Instant,
}

/// All sessions.
pub(super) struct Sessions {
    kept: Mutex<HashMap<String, Kept>>,
    idle: Duration,
    sessions_max: usize,
}

impl Sessions {
    pub(super) fn new(idle_seconds: u64, sessions_max: usize) -> Self {
        Self { kept: Mutex::default(), idle: Duration::from_secs(idle_seconds), sessions_max: sessions_max.max(1) }
    }

    /// Keeps a session; its new key is the answer.
    pub(super) fn begin(&self, session: Session, now: Instant) -> String {
        let mut kept = self.lock();
        kept.retain(|_, entry| self.lives(entry, now));
        while kept.len() >= self.sessions_max {
            let oldest = kept.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            kept.remove(&oldest);
        }
        let key = CsrfToken::new_random_len(KEY_BYTES).into_secret();
        kept.insert(key.clone(), Kept { session, used: now });
        key
    }

    /// The session of that key, which is used by this.
    pub(super) fn find(&self, key: &str, now: Instant) -> Option<Session> {
        let mut kept = self.lock();
        let entry = kept.get_mut(key)?;
        if self.lives(entry, now) {
            entry.used = now;
            return Some(entry.session.clone());
        }
        kept.remove(key);
        None
    }

    /// Ends a session.
    pub(super) fn end(&self, key: &str) -> Option<Session> {
        self.lock().remove(key).map(|entry| entry.session)
    }

    fn lives(&self, entry: &Kept, now: Instant) -> bool {
        now < entry.session.ends && now.duration_since(entry.used) < self.idle
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(now: Instant, token: &str) -> Session {
        let ends = now + Duration::from_secs(3600);
        Session { token: token.into(), patient: "p0001".into(), may: May::default(), revocation_url: None, ends }
    }

    #[test]
    fn a_session_ends_when_it_is_not_used() {
        let (sessions, now) = (Sessions::new(60, 10), Instant::now());
        let key = sessions.begin(session(now, "t"), now);
        assert!(sessions.find(&key, now + Duration::from_secs(59)).is_some());
        assert!(sessions.find(&key, now + Duration::from_secs(118)).is_some());
        assert!(sessions.find(&key, now + Duration::from_secs(178)).is_none());
    }

    #[test]
    fn a_session_never_outlives_its_token() {
        let (sessions, now) = (Sessions::new(7200, 10), Instant::now());
        let key = sessions.begin(session(now, "t"), now);
        assert!(sessions.find(&key, now + Duration::from_secs(3600)).is_none());
    }

    #[test]
    fn the_session_unused_longest_gives_way() {
        let (sessions, now) = (Sessions::new(60, 2), Instant::now());
        let first = sessions.begin(session(now, "1"), now);
        let second = sessions.begin(session(now, "2"), now + Duration::from_secs(1));
        assert!(sessions.find(&first, now + Duration::from_secs(2)).is_some());
        let third = sessions.begin(session(now, "3"), now + Duration::from_secs(3));
        let later = now + Duration::from_secs(4);
        assert!(sessions.find(&second, later).is_none());
        assert!(sessions.find(&first, later).is_some() && sessions.find(&third, later).is_some());
    }

    #[test]
    fn an_ended_session_is_gone() {
        let (sessions, now) = (Sessions::new(60, 2), Instant::now());
        let key = sessions.begin(session(now, "t"), now);
        assert_eq!(sessions.end(&key).map(|session| session.token), Some("t".into()));
        assert!(sessions.find(&key, now).is_none());
    }
}
