//! Clauses that follow references: `subject:Patient.name`, `_has:Observation:patient:code`.

use std::cell::Cell;

use bascule_fhir::{ResourceType, SearchKind};

use super::clause::Clause;
use super::parse::Scope;
use crate::Refusal;
use crate::index::Indexed;

/// References that one chain may follow.
pub(crate) const CHAIN_MAX: usize = 6;
/// Types that one parameter may lead to, each time that it does.
const TYPES_MAX: usize = 500;

impl Scope<'_> {
    /// `reference[:Type].rest`; `None` if the resource has no such reference or no end has the rest.
    pub(super) fn chain(
        &self,
        resource: ResourceType,
        head: &str,
        rest: &str,
        value: &str,
        trail: Trail<'_>,
    ) -> Result<Option<Clause>, Refusal> {
        let (name, narrowed) = head.split_once(':').map_or((head, None), |(name, target)| (name, Some(target)));
        let Some(indexed) = self.definitions.named(resource, name) else { return Ok(None) };
        if indexed.parameter.kind != SearchKind::Reference {
            return Err(Refusal::invalid(format!("`{name}` is no reference, so nothing can follow it")));
        }
        let trail = trail.further()?;
        let mut ends = Vec::new();
        for target in targets(indexed, narrowed)? {
            if let Some(clause) = self.clause(target, rest, value, trail)? {
                ends.push((target, vec![clause]));
            }
        }
        if ends.is_empty() {
            return Ok(None);
        }
        Ok(Some(Clause::Chain { reference: indexed.code, ends }))
    }

    /// What follows `_has:`, i.e. `Observation:patient:code`.
    pub(super) fn has(
        &self,
        resource: ResourceType,
        rest: &str,
        value: &str,
        trail: Trail<'_>,
    ) -> Result<Option<Clause>, Refusal> {
        let mut parts = rest.splitn(3, ':');
        let (Some(owner), Some(reference), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Refusal::invalid("`_has` reads _has:Type:reference:parameter"));
        };
        let owner = ResourceType::parse(owner)
            .ok_or_else(|| Refusal::invalid("`_has` names something that is no resource type of R4"))?;
        let Some(indexed) = self.definitions.named(owner, reference) else {
            return Err(Refusal::invalid(format!("`_has`: {owner} has no search parameter `{reference}`")));
        };
        if indexed.parameter.kind != SearchKind::Reference || !indexed.parameter.targets.contains(&resource) {
            return Err(Refusal::invalid(format!("`_has`: {owner}'s `{reference}` does not point at a {resource}")));
        }
        let trail = trail.further()?;
        let clause = self.clause(owner, rest, value, trail)?;
        Ok(clause.map(|clause| Clause::Has { owner, reference: indexed.code, clauses: vec![clause] }))
    }
}

/// How far a parameter has been followed, and how much that has cost.
#[derive(Clone, Copy)]
pub(super) struct Trail<'a> {
    depth: usize,
    /// Types that were looked at, over all branches of the parameter.
    looked_at: &'a Cell<usize>,
}

impl<'a> Trail<'a> {
    /// At the beginning of a parameter.
    pub(super) const fn new(looked_at: &'a Cell<usize>) -> Self {
        Self { depth: 0, looked_at }
    }

    fn further(self) -> Result<Self, Refusal> {
        if self.depth < CHAIN_MAX {
            return Ok(Self { depth: self.depth + 1, ..self });
        }
        Err(Refusal::unsupported(format!("a chain follows at most {CHAIN_MAX} references")))
    }

    /// Counts a type; references that may point at anything multiply with each step.
    pub(super) fn look(self) -> Result<(), Refusal> {
        self.looked_at.set(self.looked_at.get() + 1);
        if self.looked_at.get() <= TYPES_MAX {
            return Ok(());
        }
        let mend = "say which type each reference leads to, as in subject:Patient.name";
        Err(Refusal::unsupported(format!("the chain leads to more than {TYPES_MAX} types: {mend}")))
    }
}

fn targets(indexed: &Indexed, narrowed: Option<&str>) -> Result<Vec<ResourceType>, Refusal> {
    let name = indexed.parameter.code;
    let Some(narrowed) = narrowed else { return Ok(indexed.parameter.targets.clone()) };
    let target = ResourceType::parse(narrowed)
        .ok_or_else(|| Refusal::invalid(format!("`{name}:{narrowed}`: `{narrowed}` is no resource type of R4")))?;
    if !indexed.parameter.targets.contains(&target) {
        return Err(Refusal::invalid(format!("`{name}` does not point at a {target}")));
    }
    Ok(vec![target])
}
