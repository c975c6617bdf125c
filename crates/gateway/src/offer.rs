//! What the refusal of a clinician offers: a page where a reason is given, or emergency access opened, with one button.

use bascule_fhir::{Id, Timestamp};
use bascule_policy::DenialReason;
use bascule_policy::explain::patients;
use bascule_store::random;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::record::Visit;
use crate::refuse::Refusal;
use crate::smart::Ask;

/// Where the extension's meaning is written: docs/policy.md.
const REASON: &str = "urn:bascule:fhir:StructureDefinition:access-reason";
const EMERGENCY: &str = "urn:bascule:fhir:StructureDefinition:emergency-access";

/// The addresses that a refusal carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Where a reason is given; only if one was asked for.
    reason: Option<String>,
    /// Where emergency access is opened.
    emergency: String,
}

impl Offer {
    /// What may be offered: to a user of a treating role, if the patient is what stands in the way.
    pub(crate) fn of(gateway: &Gateway, visit: &Visit, refusal: &Refusal, now: Timestamp) -> Option<Self> {
        let Refusal::Denied(denial) = refusal else { return None };
        let principal = visit.principal.as_ref()?;
        let policy = gateway.policy();
        if !principal.roles().iter().any(|role| policy.role(role).is_some_and(|role| role.treating)) {
            return None;
        }
        let asked = &visit.asked.as_ref()?.interaction;
        let patient: Option<Id> = match &denial.reason {
            DenialReason::ReasonAsked { patient } => Some(patient.clone()),
            DenialReason::OutsideCompartment | DenialReason::Consent => patients(asked).into_iter().next(),
            _ => return None,
        };
        let ask = Ask { user: principal.user()?.to_owned(), api: visit.api.clone(), patient };
        let token = gateway.care_links().seal(&ask, random::bytes().ok()?, now)?;
        let address = |page: &str| format!("{}/oauth/{page}?ask={token}", gateway.public_url());
        let reason = matches!(denial.reason, DenialReason::ReasonAsked { .. }).then(|| address("access"));
        Some(Self { reason, emergency: address("emergency") })
    }

    /// Adds it to the one issue of an outcome.
    pub(crate) fn add_to(&self, outcome: &mut Value) {
        let Some(issue) = outcome.pointer_mut("/issue/0").and_then(Value::as_object_mut) else { return };
        let pair = |url: &str, address: &str| json!({ "url": url, "valueUrl": address });
        let reason = self.reason.iter().map(|address| pair(REASON, address));
        let all = reason.chain([pair(EMERGENCY, &self.emergency)]).collect::<Vec<_>>();
        issue.insert("extension".to_owned(), Value::Array(all));
        let first = self.reason.as_ref().unwrap_or(&self.emergency);
        let before = issue.get("diagnostics").and_then(Value::as_str).unwrap_or_default().to_owned();
        issue.insert("diagnostics".to_owned(), format!("{before}; open {first}").into());
    }
}
