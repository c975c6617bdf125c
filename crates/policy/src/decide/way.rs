//! A way to a type: one reach of one role under one kind of scope, with what it lets out and what it asks for.

use std::sync::Arc;

use bascule_fhir::{Id, InteractionKind, ResourceType};

use super::group::{Group, Held, grouped};
use super::patients::outside;
use super::scope::{Covering, covering};
use super::{Ask, No};
use crate::decision::{Condition, DenialReason, Duty, Exemption};
use crate::facts::Fact;
use crate::label::Label;
use crate::party::Agreement;
use crate::policy::{Cell, Reach, Searchable};
use crate::record::{Emergency, Representation};
use crate::rules::{NoRelation, Patients};
use crate::{Elements, Profile, schema};

/// One way, open.
#[derive(Debug, Clone)]
pub(super) struct Way<'a> {
    pub(super) reach: Held<'a>,
    /// Reaches of other roles under the same terms.
    pub(super) also: Vec<Held<'a>>,
    pub(super) elements: Arc<Elements>,
    pub(super) conditions: Vec<Condition>,
    pub(super) duties: Vec<Duty>,
    pub(super) exemption: Option<Exemption>,
    pub(super) purpose: Arc<str>,
}

impl Way<'_> {
    /// What may be searched and sorted by, reach by reach.
    pub(super) fn searchables(&self) -> impl Iterator<Item = &Searchable> {
        let lifted = self.exemption.is_some();
        let reaches = std::iter::once(&self.reach).chain(&self.also);
        reaches.map(move |reach| if lifted { reach.search_lifted.as_ref() } else { reach.search.as_ref() })
    }

    pub(super) fn searches_by(&self, code: &str) -> bool {
        self.searchables().any(|one| one.plain.contains(code))
    }

    pub(super) fn sorts_by(&self, code: &str) -> bool {
        self.searchables().any(|one| one.sorts.contains(code))
    }

    /// The rules that make it.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.reach).chain(&self.also).map(|reach| &reach.rule)
    }

    /// Whether an id is not excluded by name.
    pub(super) fn admits_id(&self, id: &Id) -> bool {
        self.conditions.iter().all(|condition| match condition {
            Condition::IsOneOf(ids) => ids.contains(id),
            _ => true,
        })
    }
}

impl<'a> Ask<'a> {
    /// Every open way to the type, or why there is none.
    pub(super) fn ways(&self, resource: ResourceType, kind: InteractionKind) -> Result<Vec<Way<'a>>, No> {
        let scopes = covering(self.principal, resource, kind)?;
        let groups = self.reaches(resource, kind)?;
        let own = self.context();
        let mut open = Vec::with_capacity(groups.len() * scopes.len());
        let mut refused = None;
        for group in groups {
            let mut last = Some(group);
            for (at, scope) in scopes.iter().enumerate() {
                let group = if at + 1 == scopes.len() { last.take() } else { last.clone() };
                match group.map(|group| self.way(group, scope, resource, kind, &own)) {
                    Some(Ok(way)) => open.push(way),
                    Some(Err(no)) => refused = Some(more_telling(refused, no)),
                    None => {}
                }
            }
        }
        if open.is_empty() { Err(refused.unwrap_or_else(|| self.not_granted(Some(resource)))) } else { Ok(open) }
    }

    /// Whether any role reaches the type at all, by that interaction.
    pub(super) fn is_reached(&self, resource: ResourceType, kind: InteractionKind) -> bool {
        let at_api = self.policy.at_api(&self.api.name);
        self.principal.roles().iter().any(|role| at_api.cell(role, resource, kind).is_some())
    }

    /// What the roles reach, less what any of them denies.
    fn reaches(&self, resource: ResourceType, kind: InteractionKind) -> Result<Vec<Group<'a>>, No> {
        let roles = self.principal.roles();
        let mut found = Vec::with_capacity(roles.len());
        let at_api = self.policy.at_api(&self.api.name);
        for role in roles {
            match at_api.cell(role, resource, kind) {
                Some(Cell::Granted(reaches)) => found.extend(reaches.iter().map(|reach| Held::Table(reach))),
                Some(Cell::Denied(rule)) => return Err(self.denied(resource, kind, rule)),
                None => {}
            }
        }
        if found.is_empty() {
            let mut no = self.not_granted(Some(resource));
            if let DenialReason::NotGranted { interaction, .. } = &mut no.reason {
                kind.name().clone_into(interaction);
            }
            return Err(no);
        }
        if roles.len() > 1 && self.policy.any_role_denies() {
            found = self.less_denied(found, resource, kind)?;
        }
        Ok(grouped(found))
    }

    /// A deny of one role takes away from what another grants.
    fn less_denied(
        &self,
        mut found: Vec<Held<'a>>,
        resource: ResourceType,
        kind: InteractionKind,
    ) -> Result<Vec<Held<'a>>, No> {
        for role in self.principal.roles() {
            for deny in self.policy.denies_of(role).filter(|deny| deny.is_about(&self.api.name, resource, kind)) {
                if deny.what == crate::rules::Denied::Interaction {
                    return Err(self.denied(resource, kind, &deny.id));
                }
                for reach in found.iter_mut().filter(|reach| *reach.role != **role) {
                    *reach = Held::Less(Arc::new(reach.less(deny, resource)));
                }
            }
        }
        Ok(found)
    }

    fn denied(&self, resource: ResourceType, kind: InteractionKind, rule: &Arc<str>) -> No {
        let reason = DenialReason::NotGranted { interaction: kind.name().to_owned(), resource: resource.to_string() };
        No { reason, rule: Arc::clone(rule) }
    }

    pub(super) fn way(
        &self,
        group: Group<'a>,
        scope: &Covering<'_>,
        resource: ResourceType,
        kind: InteractionKind,
        own: &Result<Arc<[Id]>, No>,
    ) -> Result<Way<'a>, No> {
        let reach = &*group.first;
        let purpose = self.purpose(reach)?;
        self.circumstances(reach, resource, kind)?;
        let mut duties = Vec::new();
        let mut conditions = scope.conditions(resource, own)?;
        let narrow = self.patients_of(reach, resource, own, &mut duties)?;
        if let Some(condition) = narrow.filter(|condition| !conditions.contains(condition)) {
            conditions.push(condition);
        }
        for condition in &conditions {
            if let Condition::InCompartment { of, ids } = condition
                && *of == ResourceType::PATIENT
            {
                self.within(ids)?;
            }
        }
        if let Some(labels) = &reach.labels_denied {
            conditions.push(without_labels(labels));
        }
        if reach.terms.patients.is_individual() {
            self.individual(reach, resource, own, &mut conditions)?;
        } else if !reach.terms.only_count
            && schema::in_patient_compartment(resource)
            && reach.terms.patients != Patients::Myself
        {
            self.objections(reach.terms.emergency, resource, &purpose, &mut conditions, &mut duties)?;
        }
        let exemption = self.exemption(reach).filter(|_| !reach.terms.only_count);
        let elements =
            group.elements(if exemption.is_some() { |reach| &reach.elements_lifted } else { |reach| &reach.elements });
        if let Some(profile) = elements.profile() {
            self.covered(profile, &purpose)?;
        }
        Ok(Way { reach: group.first, also: group.also, elements, conditions, duties, exemption, purpose })
    }

    /// The purpose of this access: what the client asserts, if the grant and the agreement allow it; else the grant's
    /// first.
    fn purpose(&self, reach: &Reach) -> Result<Arc<str>, No> {
        let purposes = &reach.terms.purposes;
        let refused = |asserted: &str| No {
            reason: DenialReason::Purpose { asserted: asserted.to_owned() },
            rule: Arc::clone(&reach.rule),
        };
        let purpose = match self.principal.purpose() {
            Some(asserted) => {
                purposes.iter().find(|purpose| purpose.as_ref() == asserted).ok_or_else(|| refused(asserted))?
            }
            None => purposes.first().ok_or_else(|| refused(""))?,
        };
        match self.recipient.purposes {
            Some(allowed) if !allowed.iter().any(|one| one.as_str() == purpose.as_ref()) => {
                let reason = DenialReason::Purpose { asserted: purpose.to_string() };
                Err(No { reason, rule: format!("agreement {}", self.recipient.agreement).into() })
            }
            _ => Ok(Arc::clone(purpose)),
        }
    }

    /// Whether what the profile asks of the recipient is in force: a data use agreement, a determination.
    fn covered(&self, profile: Profile, purpose: &str) -> Result<(), No> {
        let Some(kind) = profile.agreement_kind() else { return Ok(()) };
        let Fact::Known(agreements) = &self.facts.agreements else {
            return Err(No::unknown("the agreements of the organization"));
        };
        let covers = |agreement: &Agreement| {
            agreement.organization == self.recipient.organization.id
                && agreement.kind == kind
                && agreement.in_force_at(self.now)
                && agreement.purposes.iter().any(|one| one == purpose)
        };
        if agreements.iter().any(covers) {
            return Ok(());
        }
        let missing = format!("an agreement of kind `{kind}` in force with the organization, for {}", profile.name());
        Err(No::because(DenialReason::Agreement { missing }, profile.name()))
    }

    /// Organization, exposure, hours and dates.
    fn circumstances(&self, reach: &Reach, resource: ResourceType, kind: InteractionKind) -> Result<(), No> {
        let stands = reach.terms.stand(&self.recipient.organization.id, self.api.exposure, self.now);
        if stands { Ok(()) } else { Err(self.denied(resource, kind, &reach.rule)) }
    }

    /// Whose data, as a condition; `None` is everybody's.
    fn patients_of(
        &self,
        reach: &Reach,
        resource: ResourceType,
        own: &Result<Arc<[Id]>, No>,
        duties: &mut Vec<Duty>,
    ) -> Result<Option<Condition>, No> {
        if reach.terms.emergency {
            return self.emergency(reach, duties);
        }
        match reach.terms.patients {
            Patients::Everyone => Ok(None),
            Patients::Own => {
                self.is_own_patient()?;
                Ok(Some(compartment(own.clone()?)))
            }
            Patients::Context => Ok(Some(compartment(own.clone()?))),
            Patients::Represented => {
                self.represents(resource)?;
                Ok(Some(compartment(own.clone()?)))
            }
            Patients::Related => self.related(reach, duties),
            Patients::Myself => match self.principal.fhir_user() {
                Some((kind, id)) if *kind == resource => Ok(Some(Condition::IsOneOf(vec![id.clone()]))),
                _ => Err(outside("fhirUser")),
            },
        }
    }

    /// A patient's user has no other patient in context: that would be representation.
    fn is_own_patient(&self) -> Result<(), No> {
        match (self.principal.fhir_user(), self.principal.patient()) {
            (Some((kind, id)), Some(patient)) if *kind == ResourceType::PATIENT && id != patient => {
                Err(outside("own record"))
            }
            _ => Ok(()),
        }
    }

    /// A record says that the user stands for the patient in context, now, in this.
    fn represents(&self, resource: ResourceType) -> Result<(), No> {
        if self.facts.representations.known().is_none() {
            return Err(No::unknown("the representation"));
        }
        if self.standing(resource).next().is_some() { Ok(()) } else { Err(outside("representation")) }
    }

    /// The representations that stand now, in this.
    fn standing(&self, resource: ResourceType) -> impl Iterator<Item = &'a Representation> {
        let records = self.facts.representations.known().map_or(&[][..], Vec::as_slice);
        let (user, patient, now) = (self.principal.user(), self.principal.patient(), self.now);
        records.iter().filter(move |record| {
            Some(record.user.as_str()) == user
                && Some(&record.patient) == patient
                && !record.suspended
                && record.period.holds_at(now)
                && (record.scope.is_empty() || record.scope.contains(&resource))
        })
    }

    /// What acts even in the patient's own lane: holds, and what a minor consented to alone.
    fn individual(
        &self,
        reach: &Reach,
        resource: ResourceType,
        own: &Result<Arc<[Id]>, No>,
        conditions: &mut Vec<Condition>,
    ) -> Result<(), No> {
        let Fact::Known(holds) = &self.facts.holds else { return Err(No::unknown("the holds on the patient's items")) };
        let held: Vec<Id> = holds
            .iter()
            .filter(|hold| hold.from <= self.now && self.now < hold.until && hold.item.0 == resource)
            .filter(|hold| own.as_ref().is_ok_and(|own| own.contains(&hold.patient)))
            .map(|hold| hold.item.1.clone())
            .collect();
        if !held.is_empty() {
            conditions.push(Condition::Not([Condition::IsOneOf(held)].into()));
        }
        let hidden = &self.policy.settings().minor_consented;
        let of_minor = |record: &Representation| record.is_of_minor();
        if reach.terms.patients == Patients::Represented && !hidden.is_empty() && self.standing(resource).all(of_minor)
        {
            conditions.push(self.policy.unlabelled().minor_consented.clone());
        }
        Ok(())
    }

    /// Patients with a relation now. An unknown relation means what the role says of it: a hard panel is suspended, a
    /// soft one asks or reviews as if there were none.
    fn related(&self, reach: &Reach, duties: &mut Vec<Duty>) -> Result<Option<Condition>, No> {
        let known = self.relations(reach);
        if reach.no_relation == NoRelation::Refuse {
            if known.is_none() {
                duties.push(Duty::PanelSuspended);
            }
            return Ok(known.map(compartment));
        }
        let is_known = known.is_some();
        let related = known.unwrap_or_default();
        let Some(named) = &self.patients else {
            duties.push(if is_known {
                Duty::ReviewUnlessRelated { related }
            } else {
                Duty::Review { why: "relations are not known".to_owned() }
            });
            return Ok(None);
        };
        if let Some(stranger) = named.iter().find(|id| !related.contains(id)) {
            if reach.no_relation == NoRelation::Ask && !self.gave_reason(stranger) {
                let reason = DenialReason::ReasonAsked { patient: stranger.clone() };
                return Err(No { reason, rule: Arc::clone(&reach.rule) });
            }
            let why = if is_known { "no relation is known" } else { "relations are not known" };
            duties.push(Duty::Review { why: why.to_owned() });
        }
        Ok(None)
    }

    /// `None` if relations are not known, or not fresh enough to be relied on.
    fn relations(&self, reach: &Reach) -> Option<Vec<Id>> {
        let relations = self.facts.relations.known()?;
        let as_of = self.facts.relations_as_of.known()?;
        let minutes = i64::try_from(self.policy.settings().relations_age_minutes_max).unwrap_or(i64::MAX);
        if as_of.plus_seconds(minutes.saturating_mul(60)) < self.now {
            return None;
        }
        let practitioner = self.principal.fhir_user().map(|(_, id)| id);
        let kinds = &reach.terms.relations;
        let counts = |kind: &String| kinds.is_empty() || kinds.contains(kind);
        let held = relations.iter().filter(|relation| relation.holds_at(self.now) && counts(&relation.kind));
        Some(
            held.filter(|relation| Some(&relation.practitioner) == practitioner)
                .map(|relation| relation.patient.clone())
                .collect(),
        )
    }

    fn gave_reason(&self, patient: &Id) -> bool {
        let Fact::Known(reasons) = &self.facts.reasons else { return false };
        reasons.iter().any(|reason| {
            Some(reason.user.as_str()) == self.principal.user()
                && reason.patient == *patient
                && reason.period.holds_at(self.now)
        })
    }

    /// Emergency access that this user opened: for one patient, or for whoever is new or not identified yet.
    fn emergency(&self, reach: &Reach, duties: &mut Vec<Duty>) -> Result<Option<Condition>, No> {
        let Fact::Known(_) = &self.facts.emergencies else { return Err(No::unknown("emergency access")) };
        let open: Vec<&Emergency> = self.open_emergencies().collect();
        if open.is_empty() {
            return Err(No { reason: DenialReason::OutsideCompartment, rule: Arc::clone(&reach.rule) });
        }
        for record in &open {
            duties.push(Duty::Emergency { id: record.id.clone(), stepped_up: record.stepped_up });
        }
        let ids: Option<Vec<Id>> = open.iter().map(|record| record.patient.clone()).collect();
        Ok(ids.map(compartment))
    }

    pub(super) fn open_emergencies(&self) -> impl Iterator<Item = &'a Emergency> {
        let user = self.principal.user();
        let now = self.now;
        let treats = self.principal.roles().iter().any(|role| self.policy.role(role).is_some_and(|role| role.treating));
        let records = self.facts.emergencies.known().map_or(&[][..], Vec::as_slice);
        records.iter().filter(move |record| {
            treats && Some(record.user.as_str()) == user && record.from <= now && now < record.until
        })
    }

    /// Why minimum necessary does not act on this way.
    fn exemption(&self, reach: &Reach) -> Option<Exemption> {
        if reach.terms.patients.is_individual() {
            return Some(Exemption::Individual);
        }
        self.recipient.exemption.clone().or_else(|| self.authorized())
    }

    /// An authorization on file, of every patient whom the request names.
    fn authorized(&self) -> Option<Exemption> {
        let named = self.patients.as_ref()?;
        let records = self.facts.authorizations.known()?;
        let recipient = [self.recipient.organization.id.as_str(), self.principal.client()];
        let of = |patient: &Id| {
            records.iter().find(|record| {
                record.patient == *patient
                    && recipient.contains(&record.recipient.as_str())
                    && record.period.holds_at(self.now)
            })
        };
        let first = of(named.first()?)?;
        named.iter().all(|patient| of(patient).is_some()).then(|| Exemption::Authorization { id: first.id.clone() })
    }
}

pub(super) fn compartment(ids: impl Into<Arc<[Id]>>) -> Condition {
    Condition::InCompartment { of: ResourceType::PATIENT, ids: ids.into() }
}

pub(super) fn without_labels(labels: &Arc<[Label]>) -> Condition {
    Condition::Not([Condition::HasLabel(Arc::clone(labels))].into())
}

/// Of two reasons, the one that tells the asker more: a reason asked for before a patient outside, that before the rest.
pub(super) fn more_telling(before: Option<No>, now: No) -> No {
    let weight = |no: &No| match no.reason {
        DenialReason::ReasonAsked { .. } => 5,
        DenialReason::OutsideCompartment => 2,
        DenialReason::NotGranted { .. } => 1,
        _ => 3,
    };
    match before {
        Some(before) if weight(&before) >= weight(&now) => before,
        _ => now,
    }
}
