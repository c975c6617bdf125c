//! All records on file, in memory: by patient for a decision about one, whole for a decision that spans patients.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bascule_fhir::Id;

use super::{Filed, Kind, Record};
use crate::StoreError;

/// What is on file at one moment.
#[derive(Debug, Clone, Default)]
pub struct Records {
    version: u64,
    by_id: HashMap<(Kind, String), Arc<Filed>>,
    by_patient: HashMap<String, HashMap<Id, Vec<Arc<Filed>>>>,
    by_user: HashMap<String, Vec<Arc<Filed>>>,
}

impl Records {
    fn apply(&mut self, filed: Filed) {
        self.version += 1;
        let filed = Arc::new(filed);
        let key = (filed.record.kind(), filed.id.clone());
        let same = |other: &Arc<Filed>| other.id == filed.id && other.record.kind() == filed.record.kind();
        if let Some(before) = self.by_id.insert(key, Arc::clone(&filed)) {
            let patients = self.by_patient.get_mut(&before.api);
            if let Some(of_patient) = patients.and_then(|patients| patients.get_mut(before.record.patient())) {
                of_patient.retain(|other| !same(other));
            }
            let user = user_of(&before).and_then(|user| self.by_user.get_mut(user));
            if let Some(of_user) = user {
                of_user.retain(|other| !same(other));
            }
        }
        if let Some(user) = user_of(&filed) {
            self.by_user.entry(user.to_owned()).or_default().push(Arc::clone(&filed));
        }
        let patients = self.by_patient.entry(filed.api.clone()).or_default();
        patients.entry(filed.record.patient().clone()).or_default().push(filed);
    }

    /// Moves with every change: what was worked out from the records of the same version is still right.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn one(&self, kind: Kind, id: &str) -> Option<&Arc<Filed>> {
        self.by_id.get(&(kind, id.to_owned()))
    }

    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = &Arc<Filed>> {
        self.by_id.values().filter(move |filed| filed.record.kind() == kind)
    }

    /// Those of a patient of an API.
    #[must_use]
    pub fn of_patient(&self, api: &str, patient: &Id) -> &[Arc<Filed>] {
        self.by_patient.get(api).and_then(|patients| patients.get(patient)).map_or(&[], Vec::as_slice)
    }

    /// Every patient with a record, with the API in which the id counts.
    pub fn patients(&self) -> impl Iterator<Item = (&str, &Id)> {
        self.by_patient.iter().flat_map(|(api, patients)| patients.keys().map(move |id| (api.as_str(), id)))
    }

    /// The representations in which a user stands for somebody.
    #[must_use]
    pub fn of_user(&self, user: &str) -> &[Arc<Filed>] {
        self.by_user.get(user).map_or(&[], Vec::as_slice)
    }
}

fn user_of(filed: &Filed) -> Option<&str> {
    match &filed.record {
        Record::Representation(represented) => Some(&represented.record.user),
        _ => None,
    }
}

/// The records, once they are read; every change is made here too, before it is answered.
#[derive(Debug, Default)]
pub(crate) struct Memory(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Of the last records that were known, so that a version never comes twice.
    version: u64,
    records: Option<Arc<Records>>,
}

impl Memory {
    /// The records; `load` reads them if they are not known.
    pub(super) fn or_load(
        &self,
        load: impl FnOnce() -> Result<Vec<Filed>, StoreError>,
    ) -> Result<Arc<Records>, StoreError> {
        if let Some(records) = &self.0.read().unwrap_or_else(PoisonError::into_inner).records {
            return Ok(Arc::clone(records));
        }
        // Read with the lock held: a change that is made meanwhile waits here, and is applied to what was read.
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(records) = &known.records {
            return Ok(Arc::clone(records));
        }
        let mut records = Records { version: known.version + 1, ..Records::default() };
        for filed in load()? {
            records.apply(filed);
        }
        known.version = records.version;
        let records = Arc::new(records);
        known.records = Some(Arc::clone(&records));
        drop(known);
        Ok(records)
    }

    /// What is on the disk now.
    pub(crate) fn apply(&self, changed: &[Filed]) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(records) = &mut known.records {
            let records = Arc::make_mut(records);
            for filed in changed {
                records.apply(filed.clone());
            }
            known.version = known.records.as_ref().map_or(0, |records| records.version);
        }
    }

    /// Nobody knows what is on the disk now: it is read again.
    pub(crate) fn forget(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).records = None;
    }
}
