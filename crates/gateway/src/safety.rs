//! What who treats must know even where it may not be seen: that something of a safety type is withheld. The Bundle says so
//! in an OperationOutcome of the code `suppressed`, without saying what or how much, unless the label of what is withheld
//! forbids even that.

use bascule_fhir::{ResourceType, json};
use bascule_policy::rules::Role;
use bascule_policy::{Condition, Permit, Policy};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::apis::Served;
use crate::gateway::Gateway;
use crate::judge::{Bases, holds};
use crate::members::{Members, is_match};
use crate::refill::shows;

/// The entry that says it.
const NOTE: &str = r#"{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"suppressed"}]},"search":{"mode":"outcome"}}"#;

/// Whether a permit is somebody's who treats.
pub(crate) fn treats(policy: &Policy, permit: &Permit) -> bool {
    let roles = std::iter::once(permit.role()).chain(permit.principal().roles().iter().map(String::as_str));
    roles.filter_map(|name| policy.role(name)).any(|role: &Role| role.treating)
}

/// The Bundle with the note, if something is withheld of which it must be said; still to be filtered.
pub(crate) fn noted(gateway: &Gateway, served: &Served, permit: &Permit, body: &[u8]) -> Option<Vec<u8>> {
    let members = Members::read(body)?;
    let note: Box<RawValue> = serde_json::from_str(NOTE).ok()?;
    let policy = gateway.policy();
    let is_told = |entry: &RawValue| {
        let value = json::parse(entry.get().as_bytes()).ok();
        value
            .as_ref()
            .and_then(|entry| entry.get("resource"))
            .is_some_and(|one| is_told_of(&policy, served, permit, one))
    };
    let withheld = |entry: &&&RawValue| is_match(entry) && !shows(gateway, served, permit, entry.get());
    members.entries().iter().filter(withheld).find(|entry| is_told(entry))?;
    let mut entries = members.entries().to_vec();
    entries.push(&note);
    Some(members.with(&entries, members.link("next")))
}

/// Whether it must be said that this one is withheld: it is of a safety type that was asked for, of the patients that were
/// asked for, and no label protects even the fact.
fn is_told_of(policy: &Policy, served: &Served, permit: &Permit, resource: &Value) -> bool {
    let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
    let asked = ResourceType::parse(kind).and_then(|kind| permit.narrowing().types.get(&kind));
    let Some(asked) = asked.filter(|_| bascule_policy::SAFETY_TYPES.contains(&kind)) else { return false };
    let bases = Bases { public: &served.public_base, upstream: served.upstream.base() };
    let settings = policy.settings();
    // What a minor consented to alone is protected from who stands for the minor, and from nobody who treats.
    let from_parents = Condition::Not([Condition::HasLabel(settings.minor_consented.clone())].into());
    let hidden = asked.conditions.contains(&from_parents).then_some(&settings.minor_consented);
    let protected = [&settings.part2, &settings.psychotherapy].into_iter().chain(hidden);
    let is_protected =
        protected.into_iter().any(|labels| holds(&Condition::HasLabel(labels.clone()), resource, &bases));
    // Whose it is, and what was searched for; what is left is consent, restriction, label or size.
    let of_whom = asked.conditions.iter().filter(|one| {
        matches!(one, Condition::InCompartment { .. } | Condition::IsOneOf(_) | Condition::Matches { .. })
    });
    !is_protected && of_whom.into_iter().all(|condition| holds(condition, resource, &bases))
}
