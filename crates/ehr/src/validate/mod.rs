//! Whether a resource is valid R4: every element known, of its type, as often as it may be, with codes from its list.

mod at;
mod narrative;
mod primitive;
mod walk;

use bascule_fhir::ResourceType;
use serde_json::Value;

use crate::server::Validation;
use crate::{Issue, Refusal};

/// Faults that are told at once.
const ISSUES_MAX: usize = 100;

/// Refuses what the setting does not let in; returns what is to be remarked.
pub(crate) fn check(validation: Validation, resource: ResourceType, value: &Value) -> Result<Vec<Issue>, Refusal> {
    let issues = issues(resource, value);
    let is_fault = |issue: &Issue| issue.severity == "error";
    match validation {
        Validation::Strict if issues.iter().any(is_fault) => Err(Refusal::unprocessable(issues)),
        Validation::Strict => Ok(issues),
        Validation::Lenient => Ok(issues.into_iter().map(|issue| Issue { severity: "warning", ..issue }).collect()),
    }
}

/// Everything that is wrong with it.
pub(crate) fn issues(resource: ResourceType, value: &Value) -> Vec<Issue> {
    let mut issues = Vec::new();
    walk::resource(resource, value, &mut issues);
    issues.truncate(ISSUES_MAX);
    issues
}
