//! What a permit asks for beside letting through: reviews of access without a relation, of emergency access, and the
//! notice that travels with records of substance use treatment.

use std::time::Duration;

use bascule_crypto::digest::{Sha256, sha256};
use bascule_fhir::Timestamp;
use bascule_policy::{Duty, Permit};
use bascule_store::alert::NewAlert;
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

/// Raises what has to be looked at later. Care comes first: a queue that cannot be written is told to the operator and
/// stops nothing, since the entry of the access itself is kept.
pub(crate) fn review(gateway: &Gateway, permit: &Permit, patients: &[&str], request_id: &str, now: Timestamp) {
    for (rule, severity, why) in permit.duties().iter().filter_map(|duty| due(duty, patients)) {
        let principal = permit.principal();
        let who = principal.user().unwrap_or_else(|| principal.client());
        if !gateway.raised().is_new(&format!("{rule} {who} {}", patients.join(" "))) {
            continue;
        }
        let alert = NewAlert {
            at: now,
            rule: rule.to_owned(),
            severity: severity.to_owned(),
            client: Some(principal.client().to_owned()),
            user: principal.user().map(ToOwned::to_owned),
            api: Some(permit.asked().api.clone()),
            said: format!("request {request_id}: {why}"),
        };
        if let Err(error) = gateway.store().raise_alert(&alert) {
            tracing::error!(request = request_id, rule, %error, "an alert cannot be raised");
        }
    }
}

fn due<'d>(duty: &'d Duty, patients: &[&str]) -> Option<(&'static str, &'static str, &'d str)> {
    match duty {
        Duty::Review { why } => Some(("access-to-review", "medium", why)),
        Duty::ReviewUnlessRelated { related } => {
            let unrelated = patients.iter().any(|patient| related.iter().all(|id| id.as_str() != *patient));
            unrelated.then_some(("access-without-relation", "medium", "a patient without a known relation was seen"))
        }
        Duty::Emergency { stepped_up: true, .. } => Some(("emergency-access", "medium", "emergency access was used")),
        Duty::Emergency { stepped_up: false, .. } => {
            Some(("emergency-access", "high", "emergency access was used without a second proof of identity"))
        }
        Duty::Part2Notice { .. } => None,
    }
}

/// Adds the notice if anything in the body bears one of its labels; of a stream, whose body is not known yet, always.
pub(crate) fn notice(headers: &mut HeaderMap, permit: &Permit, body: Option<&[u8]>) {
    let bears =
        |code: &str| body.is_none_or(|body| memchr::memmem::find(body, format!("\"{code}\"").as_bytes()).is_some());
    let due = permit.duties().iter().any(|duty| match duty {
        Duty::Part2Notice { labels } => labels.iter().any(|label| bears(&label.code)),
        Duty::Review { .. } | Duty::ReviewUnlessRelated { .. } | Duty::Emergency { .. } => false,
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
        assert!(due(&duty, &["a"]).is_none());
        assert!(due(&duty, &[]).is_none());
        assert_eq!(due(&duty, &["a", "b"]).unwrap().0, "access-without-relation");
    }

    #[test]
    fn emergency_access_is_always_seen() {
        let emergency = |stepped_up| Duty::Emergency { id: "e".into(), stepped_up };
        assert_eq!(due(&emergency(true), &[]).unwrap().1, "medium");
        assert_eq!(due(&emergency(false), &[]).unwrap().1, "high");
    }
}
