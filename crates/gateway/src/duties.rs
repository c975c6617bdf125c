//! What a permit asks for beside letting through: reviews of access without a relation, of emergency access, and the
//! notice that travels with records of substance use treatment.

use std::time::Duration;

use bascule_crypto::digest::{Sha256, sha256};
use bascule_fhir::Timestamp;
use bascule_policy::{Duty, Permit};
use bascule_store::alert::NewAlert;
use bascule_store::care::{NewReview, ReviewKind};
use http::{HeaderMap, HeaderName, HeaderValue};
use moka::sync::Cache;

use crate::gateway::Gateway;

/// The same access by the same person raises one alert in so long; each one has its entry.
const RAISED_ONCE_IN: Duration = Duration::from_secs(3_600);
/// Alerts that are remembered.
const RAISED_MAX: u64 = 100_000;

/// 42 CFR 2.32(a)(2).
const PART2_NOTICE: HeaderValue =
    HeaderValue::from_static("42 CFR part 2 prohibits unauthorized use or disclosure of these records.");
const NOTICE: HeaderName = HeaderName::from_static("disclosure-notice");

/// What was raised a short while ago.
pub(crate) struct Raised(Cache<Sha256, ()>);

impl Raised {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(RAISED_MAX).time_to_live(RAISED_ONCE_IN).build())
    }

    pub(crate) fn is_new(&self, what: &str) -> bool {
        self.0.entry(sha256(what.as_bytes())).or_insert(()).is_fresh()
    }
}

/// Patients of one answer that are queued by name; beyond them one row says how many.
const QUEUED_PATIENTS_MAX: usize = 32;

/// Queues what has to be looked at later. Care comes first: a queue that cannot be written is told to the operator and
/// stops nothing, since the entry of the access itself is kept.
pub(crate) fn review(gateway: &Gateway, permit: &Permit, patients: &[&str], request_id: &str, now: Timestamp) {
    for due in permit.duties().iter().flat_map(|duty| due(duty, patients)) {
        let principal = permit.principal();
        let who = principal.user().unwrap_or_else(|| principal.client());
        let patient = due.patient.as_deref().unwrap_or_default();
        if !gateway.raised().is_new(&format!("{} {who} {} {patient}", due.kind.name(), permit.asked().api)) {
            continue;
        }
        let review = NewReview {
            kind: due.kind,
            user: who.to_owned(),
            client: principal.client().to_owned(),
            api: permit.asked().api.clone(),
            patient: due.patient,
            why: due.why,
            request: request_id.to_owned(),
            flagged: due.flagged,
        };
        if let Err(error) = gateway.store().raise_review(&review, now) {
            tracing::error!(request = request_id, %error, "an access cannot be queued for review");
        }
    }
    if permit.duties().contains(&Duty::PanelSuspended) && gateway.raised().is_new("panel-suspended") {
        suspended(gateway, permit, request_id, now);
    }
}

/// A panel that does not act is an alert: whoever keeps the feed must mend it.
fn suspended(gateway: &Gateway, permit: &Permit, request_id: &str, now: Timestamp) {
    let alert = NewAlert {
        at: now,
        rule: "panel-suspended".to_owned(),
        severity: "high".to_owned(),
        client: None,
        user: None,
        api: Some(permit.asked().api.clone()),
        said: format!(
            "request {request_id}: the panel of role {} does not act, since the feed of relations is stale",
            permit.role()
        ),
    };
    if let Err(error) = gateway.store().raise_alert(&alert) {
        tracing::error!(request = request_id, %error, "an alert cannot be raised");
    }
}

/// A row of the queue.
struct Due {
    kind: ReviewKind,
    patient: Option<String>,
    why: String,
    flagged: bool,
}

fn due(duty: &Duty, patients: &[&str]) -> Vec<Due> {
    match duty {
        Duty::Review { why } => each(ReviewKind::NoRelation, patients, why, false),
        Duty::PanelSuspended => each(ReviewKind::NoRelation, patients, "the panel is suspended", false),
        Duty::ReviewUnlessRelated { related } => {
            let strangers: Vec<&str> =
                patients.iter().copied().filter(|patient| related.iter().all(|id| id.as_str() != *patient)).collect();
            if strangers.is_empty() {
                return Vec::new();
            }
            each(ReviewKind::NoRelation, &strangers, "no relation is known", false)
        }
        Duty::Emergency { stepped_up, .. } => {
            each(ReviewKind::Emergency, patients, "emergency access was used", !stepped_up)
        }
        Duty::Part2Notice { .. } => Vec::new(),
    }
}

/// One row a patient; if none is known, one for the access.
fn each(kind: ReviewKind, patients: &[&str], why: &str, flagged: bool) -> Vec<Due> {
    let row = |patient: Option<&str>, why: String| Due { kind, patient: patient.map(ToOwned::to_owned), why, flagged };
    let mut rows: Vec<Due> =
        patients.iter().take(QUEUED_PATIENTS_MAX).map(|patient| row(Some(patient), why.to_owned())).collect();
    let more = patients.len().saturating_sub(QUEUED_PATIENTS_MAX);
    if more > 0 {
        rows.push(row(None, format!("{why}: {more} more patients, see the entry of the request")));
    } else if rows.is_empty() {
        rows.push(row(None, why.to_owned()));
    }
    rows
}

/// Adds the notice if anything in the body bears one of its labels; of a stream, whose body is not known yet, always.
pub(crate) fn notice(headers: &mut HeaderMap, permit: &Permit, body: Option<&[u8]>) {
    let bears =
        |code: &str| body.is_none_or(|body| memchr::memmem::find(body, format!("\"{code}\"").as_bytes()).is_some());
    let due = permit.duties().iter().any(|duty| match duty {
        Duty::Part2Notice { labels } => labels.iter().any(|label| bears(&label.code)),
        Duty::Review { .. } | Duty::PanelSuspended | Duty::ReviewUnlessRelated { .. } | Duty::Emergency { .. } => false,
    });
    if due {
        headers.insert(NOTICE, PART2_NOTICE);
    }
}

#[cfg(test)]
mod tests {
    use bascule_fhir::Id;

    use super::*;

    #[test]
    fn seeing_a_patient_without_a_relation_is_reviewed_and_one_with_is_not() {
        let duty = Duty::ReviewUnlessRelated { related: vec![Id::parse("a").unwrap()] };
        assert!(due(&duty, &["a"]).is_empty());
        assert!(due(&duty, &[]).is_empty());
        let rows = due(&duty, &["a", "b"]);
        assert_eq!((rows.len(), rows[0].patient.as_deref()), (1, Some("b")));
    }

    #[test]
    fn emergency_access_is_always_queued_and_flagged_without_a_second_proof() {
        let emergency = |stepped_up| Duty::Emergency { id: "e".into(), stepped_up };
        assert!(!due(&emergency(true), &[])[0].flagged);
        assert!(due(&emergency(false), &["a"])[0].flagged);
    }

    #[test]
    fn many_patients_are_counted_not_forgotten() {
        let ids: Vec<String> = (0..40).map(|number| format!("p{number}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let rows = due(&Duty::Review { why: "x".into() }, &ids);
        assert_eq!(rows.len(), QUEUED_PATIENTS_MAX + 1);
        assert!(rows.last().unwrap().why.contains("8 more patients"));
    }
}
