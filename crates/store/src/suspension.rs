//! Suspensions of an individual's right to an accounting (45 CFR 164.528(a)(2)): an agency has said that telling of a disclosure to
//! it would be reasonably likely to impede its activities, and until when.
//!
//! **Trust**: who can rewrite them can hide disclosures from accountings; each one that is made or ended stands in the log.

use bascule_audit::accounting::Suspension;
use bascule_fhir::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError};

const NAME: &str = "accounting.suspensions";

#[derive(Serialize, Deserialize)]
struct Kept {
    recipient: String,
    until: i64,
}

impl Store {
    /// Every suspension, those that are over too.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be told while it is not known what to be silent about.
    pub fn suspensions(&self) -> Result<Vec<Suspension>, StoreError> {
        let Some(text) = self.setting(NAME)? else { return Ok(Vec::new()) };
        let kept: Vec<Kept> = serde_json::from_str(&text).map_err(|_| StoreError::Damaged {
            what: "setting",
            id: NAME.to_owned(),
            reason: "not JSON".to_owned(),
        })?;
        let suspension =
            |kept: Kept| Suspension { recipient: kept.recipient, until: Timestamp::from_micros(kept.until) };
        Ok(kept.into_iter().map(suspension).collect())
    }

    /// Suspends what is told of a recipient until an instant; an instant that is past ends it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn suspend(&self, suspension: &Suspension, now: Timestamp) -> Result<(), StoreError> {
        let mut all = self.suspensions()?;
        all.retain(|one| one.recipient != suspension.recipient && one.until > now);
        if suspension.until > now {
            all.push(suspension.clone());
        }
        let kept: Vec<Kept> =
            all.into_iter().map(|one| Kept { recipient: one.recipient, until: one.until.micros() }).collect();
        self.set_setting(NAME, &serde_json::to_string(&kept).unwrap_or_default(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn a_suspension_holds_until_its_time_and_can_be_ended() {
        let (_folder, store) = store();
        let suspension = |days: i64| Suspension { recipient: "Agency".into(), until: NOW.plus_seconds(days * 86_400) };
        assert_eq!(store.suspensions().unwrap(), []);
        store.suspend(&suspension(30), NOW).unwrap();
        store.suspend(&suspension(60), NOW).unwrap();
        assert_eq!(store.suspensions().unwrap(), [suspension(60)]);
        store.suspend(&suspension(0), NOW).unwrap();
        assert_eq!(store.suspensions().unwrap(), []);
    }
}
