//! Clauses that follow references: `subject:Patient.name`, `_has:Observation:patient:code`.

use bascule_fhir::{ResourceType, SearchKind};

use super::clause::Clause;
use super::parse::Scope;
use crate::Refusal;
use crate::index::Indexed;

/// References that one chain may follow.
pub(crate) const CHAIN_MAX: usize = 6;

impl Scope<'_> {
    /// `reference[:Type].rest`; `None` if the resource has no such reference or no end has the rest.
    pub(super) fn chain(
        &self,
        resource: ResourceType,
        head: &str,
        rest: &str,
        value: &str,
        depth: usize,
    ) -> Result<Option<Clause>, Refusal> {
        let (name, narrowed) = head.split_once(':').map_or((head, None), |(name, target)| (name, Some(target)));
        let Some(indexed) = self.definitions.named(resource, name) else { return Ok(None) };
        if indexed.parameter.kind != SearchKind::Reference {
            return Err(Refusal::invalid(format!("`{name}` is no reference, so nothing can follow it")));
        }
        self.deep(depth)?;
        let mut ends = Vec::new();
        for target in targets(indexed, narrowed)? {
            if let Some(clause) = self.clause(target, rest, value, depth + 1)? {
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
        depth: usize,
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
        self.deep(depth)?;
        let clause = self.clause(owner, rest, value, depth + 1)?;
        Ok(clause.map(|clause| Clause::Has { owner, reference: indexed.code, clauses: vec![clause] }))
    }

    fn deep(&self, depth: usize) -> Result<(), Refusal> {
        if depth < CHAIN_MAX {
            return Ok(());
        }
        Err(Refusal::unsupported(format!("a chain follows at most {CHAIN_MAX} references")))
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
