//! Keeping records of a walk: in the log, or, for clinical care while the log cannot be written, in the emergency reserve
//! (45 CFR 164.312(a)(2)(ii)). Whatever neither takes does not happen.

use bascule_audit::{Entry, PatientPart};
use bascule_fhir::Timestamp;
use bascule_policy::Permit;
use bascule_store::alert::NewAlert;
use bascule_store::log::{Intent, Log, Receipt};

use crate::gateway::Gateway;
use crate::record::Visit;
use crate::refuse::Refusal;

/// Purposes of clinical care (HL7 v3 PurposeOfUse): for these the reserve is there.
const CARE: [&str; 5] = ["TREAT", "ETREAT", "BTG", "CAREMGT", "COC"];

/// Whether a permit is for clinical care.
pub(crate) fn is_care(permit: Option<&Permit>) -> bool {
    permit.is_some_and(|permit| CARE.contains(&permit.purpose()))
}

/// Records that a request is about to go upstream.
pub(crate) async fn intend(gateway: &Gateway, visit: &Visit, now: Timestamp) -> Result<Intent, Refusal> {
    let mut facts = visit.facts(0);
    // If nobody closes it, the patient must still find that somebody may have looked.
    if facts.patients.is_empty() {
        let named = visit
            .named_patient()
            .map(|id| PatientPart { reference: format!("Patient/{id}"), ..PatientPart::default() });
        facts.patients.extend(named);
    }
    let entry = Entry::intent(facts, now);
    let kept = match is_care(visit.permit.as_ref()) {
        true => gateway.log().intend_for_care(entry).await,
        false => gateway.log().intend(entry).await,
    };
    alarm(gateway, now);
    kept.map_err(Refusal::audit)
}

/// Records how a walk ends, and closes its intent.
pub(crate) async fn append(
    gateway: &Gateway,
    visit: &mut Visit,
    entry: Entry,
    now: Timestamp,
) -> Result<Receipt, Refusal> {
    let intent = visit.intent.take();
    let kept = append_of(gateway.log(), visit.permit.as_ref(), entry, intent).await;
    alarm(gateway, now);
    kept.map_err(Refusal::audit)
}

/// As [`append`], where the visit is over.
pub(crate) async fn append_of(
    log: &Log,
    permit: Option<&Permit>,
    entry: Entry,
    intent: Option<Intent>,
) -> Result<Receipt, bascule_store::log::LogError> {
    match is_care(permit) {
        true => log.append_for_care(entry, intent).await,
        false => log.append(entry, intent).await,
    }
}

/// Whoever watches the queue of alerts must know that the reserve is in use. Said once an hour.
fn alarm(gateway: &Gateway, now: Timestamp) {
    let Some(state) = gateway.log().emergency().filter(|state| state.bytes_used > 0) else { return };
    if !gateway.raised().is_new("emergency-reserve") {
        return;
    }
    let percent = state.bytes_used.saturating_mul(100) / state.bytes_max.max(1);
    let alert = NewAlert {
        at: now,
        rule: "emergency-reserve".to_owned(),
        severity: "high".to_owned(),
        client: None,
        user: None,
        api: None,
        said: format!(
            "the audit log cannot be written; clinical care is recorded in the emergency reserve ({} entries, {percent} % used), \
             everything else is refused",
            state.entries
        ),
    };
    if let Err(error) = gateway.store().raise_alert(&alert) {
        tracing::error!(%error, "the alert about the emergency reserve cannot be raised");
    }
}
