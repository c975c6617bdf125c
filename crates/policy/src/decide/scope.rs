//! What the token's scopes let do: the outer bound of every role.

use std::sync::Arc;

use bascule_fhir::{Id, InteractionKind, ResourceType};
use bascule_smart::Principal;
use bascule_smart::scope::{Context, Rights, Scope};

use super::No;
use crate::decision::{Condition, DenialReason};
use crate::schema;

/// The scopes of one kind of context that cover a type and interaction.
#[derive(Debug, Clone)]
pub(super) struct Covering<'a> {
    /// `patient/`: only the patient in context.
    pub(super) patient: bool,
    /// The granular parts, any one of which suffices; empty is all of the type.
    any_of: Vec<&'a [(String, String)]>,
}

/// The covering scopes, those of `user/` and `system/` first.
pub(super) fn covering(
    principal: &Principal,
    resource: ResourceType,
    kind: InteractionKind,
) -> Result<Vec<Covering<'_>>, No> {
    let mut found: Vec<Covering<'_>> = Vec::with_capacity(1);
    for patient in [false, true] {
        let mut any_of = Vec::new();
        let mut whole = false;
        for scope in &principal.scopes().0 {
            let Scope::Resource { context, resource: of, rights, narrowing, .. } = scope else { continue };
            let fits = (*context == Context::Patient) == patient
                && of.is_none_or(|of| of == resource)
                && covers(*rights, kind);
            if fits && narrowing.is_empty() {
                whole = true;
            } else if fits {
                any_of.push(narrowing.as_slice());
            }
        }
        if whole {
            any_of.clear();
        }
        if whole || !any_of.is_empty() {
            found.push(Covering { patient, any_of });
        }
    }
    if found.is_empty() {
        let reason = DenialReason::ScopeMissing { wanted: wanted(principal, resource, kind) };
        return Err(No::because(reason, "scope"));
    }
    Ok(found)
}

impl Covering<'_> {
    /// What the scope asks of each resource. `own` is the patient in context.
    pub(super) fn conditions(&self, resource: ResourceType, own: &Result<Arc<[Id]>, No>) -> Result<Vec<Condition>, No> {
        let mut conditions = Vec::new();
        if self.patient && schema::in_patient_compartment(resource) {
            conditions.push(Condition::InCompartment { of: ResourceType::PATIENT, ids: own.clone()? });
        }
        if !self.any_of.is_empty() {
            conditions.push(Condition::Matches { any_of: self.any_of.iter().map(|pairs| pairs.to_vec()).collect() });
        }
        Ok(conditions)
    }
}

/// Whether the letters let do it. A history of one resource reads; an operation reads.
const fn covers(rights: Rights, kind: InteractionKind) -> bool {
    match kind {
        InteractionKind::Read | InteractionKind::Vread | InteractionKind::Operation => rights.read,
        InteractionKind::History => rights.read,
        InteractionKind::Search => rights.search,
        InteractionKind::Create => rights.create,
        InteractionKind::Update | InteractionKind::Patch => rights.update,
        InteractionKind::Delete => rights.delete,
        InteractionKind::Capabilities | InteractionKind::Batch | InteractionKind::Transaction => true,
    }
}

/// The scope that would cover it, in the context that the token has.
fn wanted(principal: &Principal, resource: ResourceType, kind: InteractionKind) -> String {
    let context = match (principal.patient(), principal.user()) {
        (Some(_), _) => "patient",
        (None, Some(_)) => "user",
        (None, None) => "system",
    };
    let letter = match kind {
        InteractionKind::Search => "s",
        InteractionKind::Create => "c",
        InteractionKind::Update | InteractionKind::Patch => "u",
        InteractionKind::Delete => "d",
        _ => "r",
    };
    format!("{context}/{resource}.{letter}")
}
