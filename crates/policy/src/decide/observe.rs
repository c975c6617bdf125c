//! Observe mode: for named existing flows, until a date, role, element and purpose rules are recorded and not enforced.
//! Scopes, other patients' data, agreements, consents and audit are never relaxed.

use std::sync::Arc;

use bascule_fhir::{Interaction, InteractionKind, ResourceType, Timestamp, Within};
use bascule_smart::Principal;

use super::scope::covering;
use super::way::compartment;
use super::{Ask, No, Yes};
use crate::decision::{Condition, DenialReason, Narrowing, TotalRule, TypeNarrowing};
use crate::search::{Use, usage};
use crate::write::WriteNarrowing;
use crate::{Api, Elements, Mode, schema};

/// Whether the principal's flow is one whose rules are only observed now.
pub(crate) fn covers(api: &Api, principal: &Principal, now: Timestamp) -> bool {
    match &api.mode {
        Mode::Enforce => false,
        Mode::Observe { until, clients, .. } => {
            now <= *until && clients.iter().any(|client| client == principal.client())
        }
        Mode::Canary { until, clients, enforced, percent, .. } => {
            let client = principal.client();
            now <= *until
                && clients.iter().any(|one| one == client)
                && !enforced.iter().any(|one| one == client)
                && share(principal.user().unwrap_or(client)) >= u64::from(*percent)
        }
    }
}

/// A number from 0 to 99 that is always the same for the same name (FNV-1a).
fn share(name: &str) -> u64 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash % 100
}

/// Whether a reason is one of a role's, element's or purpose's rules.
pub(super) const fn may_be_relaxed(reason: &DenialReason) -> bool {
    matches!(
        reason,
        DenialReason::NotGranted { .. }
            | DenialReason::ParameterNotGranted { .. }
            | DenialReason::ElementNotGranted { .. }
            | DenialReason::Purpose { .. }
            | DenialReason::ReasonAsked { .. }
    )
}

impl Ask<'_> {
    /// What observing makes of what the rules say.
    pub(super) fn observed(&self, outcome: Result<Yes, No>) -> Result<Yes, No> {
        match outcome {
            Ok(yes) => Ok(widened(yes)),
            Err(no) if may_be_relaxed(&no.reason) => self.relaxed(no),
            Err(no) => Err(no),
        }
    }

    fn relaxed(&self, no: No) -> Result<Yes, No> {
        let Some(resource) = self.asked.interaction.resource() else { return Err(no) };
        // Who gets data under a profile gets nothing outside of it, whatever is being tried out.
        if self.is_profiled() {
            return Err(no);
        }
        let own = self.is_bound_to_patient();
        // Whoever may see one patient only could learn of others by what is searched for.
        if own && matches!(no.reason, DenialReason::ParameterNotGranted { .. }) {
            return Err(no);
        }
        let kind = self.asked.interaction.kind();
        let mut types = std::collections::BTreeMap::new();
        for one in std::iter::once(resource).chain(self.brought()) {
            let as_kind = if one == resource { kind } else { InteractionKind::Read };
            types.insert(one, TypeNarrowing::new(Arc::new(Elements::Whole), self.still_enforced(one, as_kind, own)?));
        }
        let conditions = types.get(&resource).map(|narrowing| narrowing.conditions.clone()).unwrap_or_default();
        let mut yes = self.frame(&[], TotalRule::Absent);
        if matches!(
            kind,
            InteractionKind::Create | InteractionKind::Update | InteractionKind::Patch | InteractionKind::Delete
        ) {
            yes.writes = vec![WriteNarrowing {
                targets: Arc::default(),
                elements: Arc::new(Elements::Whole),
                values: Arc::default(),
                references: std::collections::BTreeMap::new(),
                conditions,
            }];
        }
        yes.narrowing = Narrowing { types, total: TotalRule::Absent };
        yes.rule = "observe".into();
        yes.role = self.principal.roles().first().map_or_else(|| "".into(), |role| role.as_str().into());
        yes.purpose = self.principal.purpose().unwrap_or_default().into();
        yes.would_refuse = Some(no.reason);
        Ok(yes)
    }

    /// Scopes, the patient's compartment, consents, restrictions and labels.
    pub(super) fn still_enforced(
        &self,
        resource: ResourceType,
        kind: InteractionKind,
        own: bool,
    ) -> Result<Vec<Condition>, No> {
        let scopes = covering(self.principal, resource, kind)?;
        let context = self.context();
        let alternatives: Vec<Vec<Condition>> =
            scopes.iter().map(|scope| scope.conditions(resource, &context)).collect::<Result<_, _>>()?;
        let mut conditions = match alternatives.as_slice() {
            [only] => only.clone(),
            several if several.iter().any(Vec::is_empty) => Vec::new(),
            several => vec![Condition::AnyOf(several.to_vec())],
        };
        if own && schema::in_patient_compartment(resource) {
            let condition = compartment(context?);
            if !conditions.contains(&condition) {
                conditions.push(condition);
            }
        }
        for condition in &conditions {
            if let Condition::InCompartment { ids, .. } = condition {
                self.within(ids)?;
            }
        }
        if !own && schema::in_patient_compartment(resource) {
            self.objections(
                false,
                resource,
                self.principal.purpose().unwrap_or("TREAT"),
                &mut conditions,
                &mut Vec::new(),
            )?;
        }
        Ok(conditions)
    }

    /// Whether any role of the principal is about one patient only.
    pub(super) fn is_bound_to_patient(&self) -> bool {
        let mut roles = self.principal.roles().iter().filter_map(|name| self.policy.role(name));
        roles.any(|role| {
            let calls = role.calls.iter().map(|grant| &grant.terms);
            role.grants.iter().map(|grant| &grant.terms).chain(calls).any(|terms| terms.patients.needs_context())
        })
    }

    /// Whether any role of the principal lets out under a profile of de-identification.
    fn is_profiled(&self) -> bool {
        let roles = self.principal.roles().iter().filter_map(|name| self.policy.role(name));
        let mut elements = roles.flat_map(|role| &role.grants).flat_map(|grant| grant.elements.values());
        elements.any(|elements| elements.profile().is_some())
    }

    /// Types that includes bring.
    fn brought(&self) -> Vec<ResourceType> {
        let Interaction::Search { within: Within::Type(_) | Within::Compartment { .. }, query } =
            &self.asked.interaction
        else {
            return Vec::new();
        };
        let mut types = Vec::new();
        for parameter in &query.parameters {
            if let Use::Include { reverse, source, reference, target } = usage(parameter) {
                let known = schema::parameter(source, reference).map(|known| known.targets.clone()).unwrap_or_default();
                types.extend(if reverse { vec![source] } else { target.map_or(known, |target| vec![target]) });
            }
        }
        types
    }
}

/// The permit with every element, and what enforcing would have left.
fn widened(mut yes: Yes) -> Yes {
    let whole = Arc::new(Elements::Whole);
    let enforced = yes.narrowing.clone();
    for narrowing in yes.narrowing.types.values_mut() {
        let profiled = |elements: &Elements| elements.profile().is_some();
        if profiled(&narrowing.elements) || narrowing.lanes.iter().any(|lane| profiled(&lane.elements)) {
            continue;
        }
        narrowing.elements = Arc::clone(&whole);
        narrowing.lanes.clear();
    }
    for write in &mut yes.writes {
        write.elements = Arc::clone(&whole);
    }
    yes.would_narrow = (enforced != yes.narrowing).then_some(enforced);
    yes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_stable_and_spread() {
        assert_eq!(share("user-1"), share("user-1"));
        let low = (0..1_000).filter(|number| share(&format!("user-{number}")) < 10).count();
        assert!((50..=150).contains(&low), "{low}");
    }
}
