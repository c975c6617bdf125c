//! What was filed about every patient, for requests that span patients. Worked out anew when a record or a link has
//! changed since, and only then.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bascule_fhir::Timestamp;
use bascule_store::StoreError;
use bascule_store::filed::Filed;

use super::about_patient::{About, Link};
use super::{Question, Shelf};

/// For how long it is relied on at most, in seconds: what has ended meanwhile is taken out.
const AGE_SECONDS_MAX: i64 = 3_600;

/// By API, as of a version of the records and of the links.
#[derive(Default)]
pub(crate) struct AboutAll(Mutex<HashMap<String, Known>>);

struct Known {
    records: u64,
    identities: u64,
    at: Timestamp,
    about: Arc<About>,
}

impl AboutAll {
    pub(super) fn about(&self, shelf: &Shelf<'_>, question: &Question<'_>) -> Result<Arc<About>, StoreError> {
        let records = shelf.store.filed_memory()?;
        let identities = shelf.store.identity_changes();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = known.get(question.api).filter(|known| {
            known.records == records.version()
                && known.identities == identities
                && known.at <= question.now
                && question.now <= known.at.plus_seconds(AGE_SECONDS_MAX)
        });
        if let Some(fresh) = fresh {
            return Ok(Arc::clone(&fresh.about));
        }
        let mut about = About { apis: every_feed(shelf, question), ..About::default() };
        for (api, patient) in records.patients() {
            let filed = records.of_patient(api, patient);
            if filed.iter().all(|filed| is_over(filed, question.now)) {
                continue;
            }
            let acting = || filed.iter().filter(|filed| !is_over(filed, question.now));
            if api == question.api {
                acting().for_each(|filed| about.add(filed, patient, Link::Same));
            }
            let identities = shelf.store.identities_of(&(api.to_owned(), patient.clone()))?;
            for (_, here, period) in identities.ever().filter(|(to, ..)| *to == question.api) {
                acting().for_each(|filed| about.add(filed, here, period.map_or(Link::Ended, Link::Holds)));
            }
        }
        let about = Arc::new(about);
        let entry = Known { records: records.version(), identities, at: question.now, about: Arc::clone(&about) };
        known.insert(question.api.to_owned(), entry);
        drop(known);
        Ok(about)
    }
}

fn every_feed(shelf: &Shelf<'_>, question: &Question<'_>) -> BTreeSet<String> {
    shelf.feeds.keys().cloned().chain([question.api.to_owned()]).collect()
}

/// A record that is over acts no more, and a request that spans patients need not carry it.
fn is_over(filed: &Filed, now: Timestamp) -> bool {
    filed.record.period().until.is_some_and(|until| until <= now)
}
