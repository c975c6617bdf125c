//! What patients said: consents, restrictions, and labels that need a record to be passed on.

use std::sync::Arc;

use bascule_fhir::{Id, ResourceType};

use super::way::compartment;
use super::{Ask, No};
use crate::decision::{Condition, DenialReason, Duty};
use crate::facts::Fact;
use crate::label::Label;
use crate::party::{Consent, RecipientClass};
use crate::record::Restriction;

/// What was said about one type, for one actor and purpose.
#[derive(Default)]
struct Said {
    /// Patients who let nothing of the type out.
    blocked: Vec<Id>,
    /// Whether it is asked who consented: not for a purpose that needs no consent on file.
    asks_permits: bool,
    /// Patients who consented to it.
    permitted: Vec<Id>,
    /// Patients who keep the resources back of which all of this is true.
    kept: Vec<(Vec<Condition>, Id)>,
    /// Labels that a patient's record lets pass.
    lifted: Vec<(Label, Id)>,
}

impl Said {
    /// The labels, together where the same patients let them pass.
    fn by_patients(&self, labels: &[Label]) -> Vec<(Vec<Label>, Vec<Id>)> {
        let mut groups: Vec<(Vec<Label>, Vec<Id>)> = Vec::new();
        for label in labels {
            let mut ids: Vec<Id> =
                self.lifted.iter().filter(|(lifted, _)| lifted == label).map(|(_, id)| id.clone()).collect();
            ids.sort_unstable();
            ids.dedup();
            match groups.iter_mut().find(|(_, known)| *known == ids) {
                Some((group, _)) => group.push(label.clone()),
                None => groups.push((vec![label.clone()], ids)),
            }
        }
        groups
    }
}

impl Ask<'_> {
    /// Adds to a way the conditions that consents, restrictions and labels make, or closes it.
    pub(super) fn objections(
        &self,
        emergency: bool,
        resource: ResourceType,
        purpose: &str,
        conditions: &mut Vec<Condition>,
        duties: &mut Vec<Duty>,
    ) -> Result<(), No> {
        let settings = self.policy.settings();
        let by_default = settings.consent_default(&self.api.name).iter().any(|one| one == purpose);
        let consents = self.consents(purpose, duties)?;
        let Fact::Known(restrictions) = &self.facts.restrictions else {
            return Err(No::unknown("the restrictions of the patients"));
        };
        let nothing_said = consents.is_empty() && restrictions.is_empty();
        if nothing_said
            && by_default
            && self.notes_authorized().is_empty()
            && self.facts.emergencies.known().is_none_or(Vec::is_empty)
        {
            conditions.push(self.policy.unlabelled().sensitive.clone());
            return Ok(());
        }
        let mut said = Said { asks_permits: !by_default, ..Said::default() };
        self.say(consents, restrictions, resource, purpose, &mut said);
        if emergency && self.lift_for_emergency(&mut said) {
            return Ok(());
        }
        if !by_default {
            self.only_permitted(&said, conditions)?;
        }
        self.not_blocked(&said, conditions)?;
        self.labels(&said, conditions, duties);
        Ok(())
    }

    fn say(
        &self,
        consents: &[Consent],
        restrictions: &[Restriction],
        resource: ResourceType,
        purpose: &str,
        said: &mut Said,
    ) {
        for consent in consents {
            self.provision(consent, resource, purpose, &[], said);
        }
        for restriction in restrictions.iter().filter(|restriction| self.is_restricted(restriction, resource, purpose))
        {
            if restriction.labels.is_empty() {
                said.blocked.push(restriction.patient.clone());
            } else {
                said.kept.push((vec![has_label(&restriction.labels)], restriction.patient.clone()));
            }
        }
        said.lifted.extend(self.notes_authorized());
    }

    /// The consents, or that there are none where the policy says that not knowing them stops this purpose not.
    fn consents(&self, purpose: &str, duties: &mut Vec<Duty>) -> Result<&[Consent], No> {
        match &self.facts.consents {
            Fact::Known(consents) => Ok(consents.as_slice()),
            Fact::Unknown if self.policy.settings().goes_on_without_consents(&self.api.name, purpose) => {
                duties.push(Duty::Review { why: "the consents of the patients are not known".to_owned() });
                Ok(&[])
            }
            Fact::Unknown => Err(No::unknown("the consents of the patients")),
        }
    }

    /// What a provision says, and what its exceptions say of what it is about (`within`).
    fn provision(
        &self,
        consent: &Consent,
        resource: ResourceType,
        purpose: &str,
        within: &[Condition],
        said: &mut Said,
    ) {
        if !self.is_meant(consent, resource, purpose) {
            return;
        }
        let patient = &consent.patient;
        let mut about = within.to_vec();
        about.extend(own_region(consent, resource));
        match (consent.permit, about.as_slice()) {
            (true, []) if !said.asks_permits => {}
            (true, []) => said.permitted.push(patient.clone()),
            (true, _) => said.lifted.extend(self.liftable(&consent.labels).map(|label| (label, patient.clone()))),
            (false, _) => match self.but_for_exceptions(consent, resource, purpose, about.clone()) {
                None => {}
                Some(region) if region.is_empty() => said.blocked.push(patient.clone()),
                Some(region) => said.kept.push((region, patient.clone())),
            },
        }
        for exception in consent.exceptions.iter().filter(|exception| exception.permit != consent.permit) {
            self.provision(exception, resource, purpose, &about, said);
        }
    }

    /// The region of a provision less those of its exceptions; `None` if nothing is left of it.
    fn but_for_exceptions(
        &self,
        consent: &Consent,
        resource: ResourceType,
        purpose: &str,
        mut region: Vec<Condition>,
    ) -> Option<Vec<Condition>> {
        let says_otherwise =
            |exception: &&Consent| exception.permit != consent.permit && self.is_meant(exception, resource, purpose);
        for exception in consent.exceptions.iter().filter(says_otherwise) {
            let own = own_region(exception, resource);
            match self.but_for_exceptions(exception, resource, purpose, own) {
                None => {}
                Some(all) if all.is_empty() => return None,
                Some(some) => region.push(Condition::Not(some.into())),
            }
        }
        Some(region)
    }

    /// A consent lets labels of 42 CFR Part 2 pass; psychotherapy notes need their own authorization (164.508(a)(2)).
    fn liftable<'l>(&'l self, labels: &'l [Label]) -> impl Iterator<Item = Label> + 'l {
        let notes = &self.policy.settings().psychotherapy;
        labels.iter().filter(|label| !notes.contains(label)).cloned()
    }

    fn is_meant(&self, consent: &Consent, resource: ResourceType, purpose: &str) -> bool {
        consent.acts_at(self.now)
            && self.is_one_of(&consent.actors)
            && (consent.types.is_empty() || consent.types.contains(&resource))
            && (consent.items.is_empty() || consent.items.iter().any(|(kind, _)| *kind == resource))
            && (consent.purposes.is_empty() || consent.purposes.iter().any(|one| one == purpose))
    }

    /// A restriction is kept towards whom it names, and towards every payer where the patient paid in full.
    fn is_restricted(&self, restriction: &Restriction, resource: ResourceType, purpose: &str) -> bool {
        let towards = if restriction.health_plans {
            self.recipient.class == RecipientClass::Payer
                || (!restriction.towards.is_empty() && self.is_one_of(&restriction.towards))
        } else {
            self.is_one_of(&restriction.towards)
        };
        towards
            && restriction.period.holds_at(self.now)
            && (restriction.types.is_empty() || restriction.types.contains(&resource))
            && (restriction.purposes.is_empty() || restriction.purposes.iter().any(|one| one == purpose))
    }

    /// Whether the client, its organization or the user is named, by Bascule's id or by a reference of the chart; an
    /// empty list names everybody.
    fn is_one_of(&self, actors: &[String]) -> bool {
        actors.is_empty() || actors.iter().any(|actor| self.is_named(actor))
    }

    /// `Practitioner/17` is the user's own resource in the API asked, `ehr/Practitioner/17` the one in that API: both
    /// count where the token is first for it.
    fn is_named(&self, actor: &str) -> bool {
        let (user, client) = (self.principal.user(), self.principal.client());
        let organization = self.recipient.organization.id.as_str();
        let home = self.principal.apis().first().map_or(self.api.name.as_str(), String::as_str);
        let own = |api: &str, kind: &str, id: &str| {
            let own = self.principal.fhir_user().filter(|_| api == home);
            own.is_some_and(|(resource, own)| resource.name() == kind && own.as_str() == id)
        };
        match *actor.split('/').collect::<Vec<_>>() {
            [id] => id == client || id == organization || Some(id) == user,
            ["Organization", id] => id == organization,
            ["Device", id] => id == client,
            [kind, id] => own(&self.api.name, kind, id),
            [api, kind, id] => own(api, kind, id),
            _ => false,
        }
    }

    /// Psychotherapy notes pass with their own authorization only (164.508(a)(2)).
    fn notes_authorized(&self) -> Vec<(Label, Id)> {
        let records = self.facts.authorizations.known().map_or(&[][..], |all| all.as_slice());
        let recipient = [self.recipient.organization.id.as_str(), self.principal.client()];
        let stands = records.iter().filter(|record| {
            record.psychotherapy_notes
                && recipient.contains(&record.recipient.as_str())
                && record.period.holds_at(self.now)
        });
        let labels = &self.policy.settings().psychotherapy;
        stands.flat_map(|record| labels.iter().map(|label| (label.clone(), record.patient.clone()))).collect()
    }

    /// Emergency access lifts what the patient in question said (164.522(a)(1)(iii), 42 CFR 2.51); `true` if it lifts
    /// all, because the patient is not identified yet.
    fn lift_for_emergency(&self, said: &mut Said) -> bool {
        let settings = self.policy.settings();
        for record in self.open_emergencies() {
            let Some(patient) = &record.patient else { return true };
            said.blocked.retain(|id| id != patient);
            said.kept.retain(|(_, id)| id != patient);
            said.permitted.push(patient.clone());
            said.lifted.extend(settings.sensitive.iter().map(|label| (label.clone(), patient.clone())));
        }
        false
    }

    /// Where the purpose needs a consent: only patients who gave one.
    fn only_permitted(&self, said: &Said, conditions: &mut Vec<Condition>) -> Result<(), No> {
        if said.permitted.is_empty() {
            return Err(refused("no consent on file"));
        }
        if let Some(named) = &self.patients
            && named.iter().any(|id| !said.permitted.contains(id))
        {
            return Err(refused("no consent on file"));
        }
        conditions.push(compartment(said.permitted.as_slice()));
        Ok(())
    }

    fn not_blocked(&self, said: &Said, conditions: &mut Vec<Condition>) -> Result<(), No> {
        if said.blocked.is_empty() {
            return Ok(());
        }
        if let Some(named) = &self.patients
            && named.iter().any(|id| said.blocked.contains(id))
        {
            return Err(refused("consent or restriction"));
        }
        conditions.push(Condition::Not([compartment(said.blocked.as_slice())].into()));
        Ok(())
    }

    /// Labels that need a record pass for the patients who have one; what a patient keeps back stays.
    fn labels(&self, said: &Said, conditions: &mut Vec<Condition>, duties: &mut Vec<Duty>) {
        let settings = self.policy.settings();
        if said.lifted.is_empty() {
            conditions.push(self.policy.unlabelled().sensitive.clone());
        } else {
            for (labels, ids) in said.by_patients(&settings.sensitive) {
                let mut both = vec![Condition::HasLabel(labels.into())];
                if !ids.is_empty() {
                    both.push(Condition::Not([compartment(ids)].into()));
                }
                conditions.push(Condition::Not(both.into()));
            }
            if said.lifted.iter().any(|(label, _)| settings.part2.contains(label)) {
                duties.push(Duty::Part2Notice { labels: Arc::clone(&settings.part2) });
            }
        }
        for (region, patient) in &said.kept {
            let mut kept = region.clone();
            kept.push(compartment([patient.clone()]));
            conditions.push(Condition::Not(kept.into()));
        }
    }
}

/// What a provision is about, beside type, actor, purpose and time, which are known before anything is read.
fn own_region(consent: &Consent, resource: ResourceType) -> Vec<Condition> {
    let mut region = Vec::new();
    if !consent.labels.is_empty() {
        region.push(has_label(&consent.labels));
    }
    if !consent.items.is_empty() {
        let of_type = consent.items.iter().filter(|(kind, _)| *kind == resource);
        region.push(Condition::IsOneOf(of_type.map(|(_, id)| id.clone()).collect()));
    }
    region
}

fn has_label(labels: &[Label]) -> Condition {
    Condition::HasLabel(labels.into())
}

fn refused(rule: &str) -> No {
    No::because(DenialReason::Consent, rule)
}
