//! Whose records a person may open: the own ones, and those of whom they represent now. The record of the representation
//! is the only source; when it ends, is suspended, or the patient comes of age, the choice is gone.

use bascule_fhir::Timestamp;
use bascule_store::StoreError;
use bascule_store::filed::Record;
use bascule_store::user::{User, UserPatient};

use super::state::SmartState;

/// Patients of an API, the own one first.
///
/// # Errors
/// [`StoreError`]: then nobody can choose.
pub(super) fn patients(state: &SmartState, user: &User, api: &str) -> Result<Vec<UserPatient>, StoreError> {
    let own = user.patients.iter().filter(|patient| patient.api == api && patient.kind == "self");
    let mut all: Vec<UserPatient> = own.cloned().collect();
    let (store, now) = (state.store(), state.now());
    let records = store.filed_memory()?;
    for filed in records.of_user(&user.id) {
        let Record::Representation(represented) = &filed.record else { continue };
        let record = &represented.record;
        let acts = |now: Timestamp| represented.period_at(state.majority_years()).holds_at(now) && !record.suspended;
        if !acts(now) {
            continue;
        }
        let mut add = |patient: &bascule_fhir::Id| {
            if all.iter().any(|known| known.patient == *patient) {
                return;
            }
            all.push(UserPatient {
                api: api.to_owned(),
                patient: patient.clone(),
                label: represented.label.clone(),
                kind: record.basis.clone(),
            });
        };
        if filed.api == api {
            add(&record.patient);
        } else {
            let links = store.identities_of(&(filed.api.clone(), record.patient.clone()))?.links();
            links.ids_in(api, now).for_each(&mut add);
        }
    }
    Ok(all)
}
