//! The decision: token scopes ∩ role ∩ agreement ∩ consent ∩ mode. Deny by default; a deny wins; every decision
//! carries the rule that made it.

mod call;
mod combine;
mod consent;
mod disclose;
mod export;
mod group;
mod needs;
mod observe;
mod operation;
mod patients;
mod query;
mod recipient;
mod scope;
mod way;
mod write;

use std::collections::btree_map::Entry;
use std::sync::Arc;

use bascule_fhir::{Id, Interaction, InteractionKind, Level, Query, ResourceType, Timestamp, Within};
use bascule_smart::Principal;

use crate::decision::{Asked, Denial, DenialReason, Duty, Exemption, Narrowing, Permit, TotalRule, TypeNarrowing};
use crate::facts::{Facts, Needs};
use crate::policy::Policy;
use crate::write::WriteNarrowing;
use crate::{Api, Elements};

pub use disclose::Disclosure;
pub(crate) use operation::is_unfiltered;
use recipient::Recipient;
use way::Way;

pub(crate) use observe::covers as is_observed;
pub(crate) use patients::named as patients_named;

impl Policy {
    /// Which facts [`Policy::decide`] needs for this; the door gathers exactly these.
    #[must_use]
    pub fn needs(&self, principal: &Principal, asked: &Asked) -> Needs {
        needs::needs(self, principal, asked)
    }

    /// Yes, with what may pass, or no, with the reason.
    ///
    /// The entries of a batch or transaction are decided one by one, each as its own `Asked`; a page is decided as the
    /// search that it continues.
    ///
    /// # Errors
    /// A [`Denial`] with principal, what was asked, the reason and the rule.
    pub fn decide(
        &self,
        principal: Principal,
        asked: Asked,
        facts: &Facts,
        api: &Api,
        now: Timestamp,
    ) -> Result<Permit, Box<Denial>> {
        match Ask::decide(self, &principal, &asked, facts, api, now) {
            Ok(yes) => Ok(Permit {
                principal,
                asked,
                narrowing: yes.narrowing,
                rule: yes.rule,
                role: yes.role,
                purpose: yes.purpose,
                policy_hash: Arc::clone(self.shared_hash()),
                agreement: yes.agreement,
                would_refuse: yes.would_refuse,
                would_narrow: yes.would_narrow,
                exemption: yes.exemption,
                duties: yes.duties,
                writes: yes.writes,
                exposure: api.exposure,
            }),
            Err(no) => Err(Box::new(Denial {
                principal,
                asked,
                reason: no.reason,
                rule: no.rule.to_string(),
                policy_hash: self.hash().to_owned(),
            })),
        }
    }
}

/// One question, with all that is known.
struct Ask<'a> {
    policy: &'a Policy,
    principal: &'a Principal,
    asked: &'a Asked,
    facts: &'a Facts,
    api: &'a Api,
    now: Timestamp,
    recipient: Recipient<'a>,
    /// The patients that the request itself names, if it names any.
    patients: Option<Vec<Id>>,
}

/// A permit without its principal.
struct Yes {
    narrowing: Narrowing,
    rule: Arc<str>,
    role: Arc<str>,
    purpose: Arc<str>,
    agreement: Arc<str>,
    would_refuse: Option<DenialReason>,
    would_narrow: Option<Narrowing>,
    exemption: Option<Exemption>,
    duties: Vec<Duty>,
    writes: Vec<WriteNarrowing>,
}

/// A denial without its principal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct No {
    reason: DenialReason,
    rule: Arc<str>,
}

impl No {
    fn because(reason: DenialReason, rule: &str) -> Self {
        Self { reason, rule: rule.into() }
    }

    fn unknown(fact: &str) -> Self {
        Self::because(DenialReason::FactUnknown { fact: fact.to_owned() }, "unknown denies")
    }

    fn not_supported(mend: &str) -> Self {
        Self::because(DenialReason::NotSupported { mend: mend.to_owned() }, "default")
    }
}

impl<'a> Ask<'a> {
    fn decide(
        policy: &'a Policy,
        principal: &'a Principal,
        asked: &'a Asked,
        facts: &'a Facts,
        api: &'a Api,
        now: Timestamp,
    ) -> Result<Yes, No> {
        if asked.api != api.name {
            return Err(No::unknown("the api"));
        }
        // Never relaxed by `observe`: it is about who asks, not about what.
        if policy.settings().sender_constrained.contains(&api.exposure) && !principal.is_sender_constrained() {
            let exposure = api.exposure.name().to_owned();
            return Err(No::because(DenialReason::NotSenderConstrained { exposure }, "tokens.sender-constrained"));
        }
        let recipient = Recipient::of(principal, facts, api, now)?;
        let patients = patients::named(&asked.interaction);
        let ask = Self { policy, principal, asked, facts, api, now, recipient, patients };
        let outcome = ask.enforced();
        if observe::covers(api, principal, now) { ask.observed(outcome) } else { outcome }
    }

    /// What the rules say.
    fn enforced(&self) -> Result<Yes, No> {
        match &self.asked.interaction {
            Interaction::Capabilities => self.envelope("capabilities"),
            Interaction::Batch { .. } => self.envelope("each entry is decided by itself"),
            Interaction::Bulk { .. } => Err(No::not_supported("an export's state is decided as the export itself")),
            Interaction::Page { .. } => Err(No::not_supported("a page is decided as the search that it continues")),
            Interaction::Read { resource, query, .. } => self.read(*resource, InteractionKind::Read, query),
            Interaction::Vread { resource, .. } => self.read(*resource, InteractionKind::Vread, &Query::default()),
            Interaction::History { on, query } => self.history(on, query),
            Interaction::Search { within, query } => self.search(within, query),
            Interaction::Operation { on, name, query } => self.operation(on, name, query),
            Interaction::Create { resource, .. }
            | Interaction::Update { resource, .. }
            | Interaction::Patch { resource, .. }
            | Interaction::Delete { resource, .. } => self.write(*resource),
        }
    }

    /// Lets nothing of a resource out by itself: the CapabilityStatement, the envelope of a batch. Needs any grant.
    fn envelope(&self, rule: &str) -> Result<Yes, No> {
        let role = self
            .principal
            .roles()
            .iter()
            .find_map(|name| self.policy.role(name))
            .ok_or_else(|| self.not_granted(None))?;
        let narrowing = Narrowing { types: std::collections::BTreeMap::new(), total: TotalRule::Absent };
        let purpose = role.purposes.first().map_or_else(|| "".into(), Arc::clone);
        Ok(Yes {
            narrowing,
            rule: rule.into(),
            role: Arc::clone(&role.name),
            purpose,
            agreement: Arc::clone(&self.recipient.agreement),
            would_refuse: None,
            would_narrow: None,
            exemption: None,
            duties: Vec::new(),
            writes: Vec::new(),
        })
    }

    fn read(&self, resource: ResourceType, kind: InteractionKind, query: &Query) -> Result<Yes, No> {
        query::only_controls(query, &[])?;
        let ways = self.ways(resource, kind)?;
        Ok(self.yes(resource, ways, TotalRule::Absent))
    }

    fn history(&self, on: &Level, query: &Query) -> Result<Yes, No> {
        query::only_controls(query, &crate::search::HISTORY)?;
        match on {
            Level::System => Err(No::not_supported("ask for the history of one type or one resource")),
            Level::Instance(resource, _) => {
                let ways = self.ways(*resource, InteractionKind::History)?;
                Ok(self.yes(*resource, ways, TotalRule::Absent))
            }
            Level::Type(resource) => {
                let ways = self.ways(*resource, InteractionKind::History)?;
                Ok(self.yes(*resource, ways, TotalRule::Absent))
            }
        }
    }

    fn search(&self, within: &Within, query: &Query) -> Result<Yes, No> {
        match within {
            Within::Type(resource) => self.search_type(*resource, query),
            Within::Compartment { of, id, resource: Some(resource) } => {
                self.compartment(*of, id)?;
                self.search_type(*resource, query)
            }
            Within::Compartment { of, id, resource: None } => {
                self.compartment(*of, id)?;
                self.search_types(query)
            }
            Within::System => self.search_types(query),
        }
    }

    /// A compartment is searched only by whom its owner may be read.
    fn compartment(&self, of: ResourceType, id: &Id) -> Result<(), No> {
        if of == ResourceType::PATIENT {
            return Ok(()); // The patient is among those named, and each way checks it.
        }
        let ways = self.ways(of, InteractionKind::Read)?;
        if ways.iter().any(|way| way.admits_id(id)) {
            Ok(())
        } else {
            Err(No::because(DenialReason::OutsideCompartment, "compartment"))
        }
    }

    fn search_type(&self, resource: ResourceType, query: &Query) -> Result<Yes, No> {
        let ways = self.ways(resource, InteractionKind::Search)?;
        let found = query::check(self, resource, ways, query)?;
        let narrowing = combine::narrowing(&found.ways);
        let total = if found.only_count { TotalRule::Only } else { combine::total(&narrowing) };
        if found.asks_count && total == TotalRule::Absent {
            return Err(No::not_supported("a count cannot be given, because some of what matches may be withheld"));
        }
        let mut yes = self.frame(&found.ways, total);
        yes.narrowing.types.insert(resource, narrowing);
        for (included, ways) in found.included {
            let narrowing = combine::narrowing(&ways);
            match yes.narrowing.types.entry(included) {
                Entry::Vacant(slot) => drop(slot.insert(narrowing)),
                Entry::Occupied(mut slot) if *slot.get() != narrowing => {
                    let wider = combine::wider(slot.get(), &narrowing);
                    slot.insert(wider);
                }
                Entry::Occupied(_) => {}
            }
        }
        Ok(yes)
    }

    /// A search over several types: each is named by `_type` and granted.
    fn search_types(&self, query: &Query) -> Result<Yes, No> {
        let types = query::types(query)?;
        let mut whole: Option<Yes> = None;
        for resource in types {
            let yes = self.search_type(resource, query)?;
            match &mut whole {
                None => whole = Some(yes),
                Some(first) => {
                    for (resource, narrowing) in yes.narrowing.types {
                        first.narrowing.types.entry(resource).or_insert(narrowing);
                    }
                    if yes.narrowing.total != first.narrowing.total {
                        first.narrowing.total = TotalRule::Absent;
                    }
                    first.duties.extend(yes.duties);
                }
            }
        }
        whole.ok_or_else(|| No::not_supported("name the types with `_type`"))
    }

    /// An operation brings what the principal may read.
    fn operation(&self, on: &Level, name: &str, query: &Query) -> Result<Yes, No> {
        operation::passes(self.principal, name)?;
        if name == "export" {
            return self.export(on, query);
        }
        let resource = match on {
            Level::Type(resource) | Level::Instance(resource, _) => *resource,
            Level::System => return Err(No::not_supported("ask for an operation on a type or on one resource")),
        };
        query::only_controls(query, &["start", "end", "_since", "_type", "max", "code", "category", "patient"])?;
        let mut ways = self.ways(resource, InteractionKind::Operation)?;
        ways.retain(|way| std::iter::once(&way.reach).chain(&way.also).any(|reach| reach.operations.contains(name)));
        if ways.is_empty() {
            let reason = DenialReason::NotGranted { interaction: format!("${name}"), resource: resource.to_string() };
            return Err(No::because(reason, "default"));
        }
        let mut yes = self.yes(resource, ways, TotalRule::Absent);
        for other in ResourceType::all() {
            if let Ok(ways) = self.ways(other, InteractionKind::Read) {
                yes.narrowing.types.insert(other, combine::narrowing(&ways));
            }
        }
        Ok(yes)
    }

    /// The permit of one type's ways.
    fn yes(&self, resource: ResourceType, ways: Vec<Way<'_>>, total: TotalRule) -> Yes {
        let narrowing = combine::narrowing(&ways);
        let mut yes = self.frame(&ways, total);
        yes.narrowing.types.insert(resource, narrowing);
        yes
    }

    /// Rule, role, purpose and duties of the ways, and no type yet.
    fn frame(&self, ways: &[Way<'_>], total: TotalRule) -> Yes {
        let first = ways.first();
        let mut duties: Vec<Duty> = Vec::new();
        for duty in ways.iter().flat_map(|way| &way.duties) {
            if !duties.contains(duty) {
                duties.push(duty.clone());
            }
        }
        Yes {
            narrowing: Narrowing { types: std::collections::BTreeMap::new(), total },
            rule: combine::rule(ways),
            role: first.map_or_else(|| "".into(), |way| Arc::clone(&way.reach.role)),
            purpose: first.map_or_else(|| "".into(), |way| Arc::clone(&way.purpose)),
            agreement: Arc::clone(&self.recipient.agreement),
            would_refuse: None,
            would_narrow: None,
            exemption: first.and_then(|way| way.exemption.clone()),
            duties,
            writes: Vec::new(),
        }
    }

    fn not_granted(&self, resource: Option<ResourceType>) -> No {
        let reason = DenialReason::NotGranted {
            interaction: self.asked.interaction.kind().name().to_owned(),
            resource: resource.map_or_else(|| "*".to_owned(), |resource| resource.to_string()),
        };
        No::because(reason, "default")
    }
}

/// A type of which nothing leaves.
fn nothing() -> TypeNarrowing {
    TypeNarrowing::new(nothing_named(), Vec::new())
}

fn nothing_named() -> Arc<Elements> {
    Arc::new(Elements::Only(std::collections::BTreeSet::new()))
}

#[cfg(test)]
mod tests;
