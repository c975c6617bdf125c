//! What patients said: consents, restrictions, and labels that need a record to be passed on.

use std::sync::Arc;

use bascule_fhir::{Id, ResourceType};

use super::way::{compartment, without_labels};
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
    /// Patients who consented to it.
    permitted: Vec<Id>,
    /// Patients who keep resources with these labels back.
    kept: Vec<(Arc<[Label]>, Id)>,
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
        let Fact::Known(consents) = &self.facts.consents else {
            return Err(No::unknown("the consents of the patients"));
        };
        let Fact::Known(restrictions) = &self.facts.restrictions else {
            return Err(No::unknown("the restrictions of the patients"));
        };
        let nothing_said = consents.is_empty() && restrictions.is_empty();
        if nothing_said
            && by_default
            && self.notes_authorized().is_empty()
            && self.facts.emergencies.known().is_none_or(Vec::is_empty)
        {
            conditions.push(without_labels(&settings.sensitive));
            return Ok(());
        }
        let mut said = self.said(consents, restrictions, resource, purpose);
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

    fn said(&self, consents: &[Consent], restrictions: &[Restriction], resource: ResourceType, purpose: &str) -> Said {
        let mut said = Said::default();
        for consent in consents.iter().filter(|consent| self.is_meant(consent, resource, purpose)) {
            match (consent.permit, consent.labels.is_empty()) {
                (true, true) => said.permitted.push(consent.patient.clone()),
                (true, false) => {
                    said.lifted.extend(consent.labels.iter().map(|label| (label.clone(), consent.patient.clone())))
                }
                (false, true) => said.blocked.push(consent.patient.clone()),
                (false, false) => said.kept.push((consent.labels.as_slice().into(), consent.patient.clone())),
            }
        }
        for restriction in restrictions.iter().filter(|restriction| self.is_restricted(restriction, resource, purpose))
        {
            if restriction.labels.is_empty() {
                said.blocked.push(restriction.patient.clone());
            } else {
                said.kept.push((restriction.labels.as_slice().into(), restriction.patient.clone()));
            }
        }
        said.lifted.extend(self.notes_authorized());
        said
    }

    fn is_meant(&self, consent: &Consent, resource: ResourceType, purpose: &str) -> bool {
        consent.acts_at(self.now)
            && self.is_one_of(&consent.actors)
            && (consent.types.is_empty() || consent.types.contains(&resource))
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

    /// Whether the client, its organization or the user is named; an empty list names everybody.
    fn is_one_of(&self, actors: &[String]) -> bool {
        let user = self.principal.user();
        let named = |actor: &String| {
            actor == self.principal.client() || *actor == self.recipient.organization.id || Some(actor.as_str()) == user
        };
        actors.is_empty() || actors.iter().any(named)
    }

    /// Psychotherapy notes pass with their own authorization only (164.508(a)(2)).
    fn notes_authorized(&self) -> Vec<(Label, Id)> {
        let records = self.facts.authorizations.known().map_or(&[][..], Vec::as_slice);
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
        conditions.push(compartment(said.permitted.clone()));
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
        conditions.push(Condition::Not(vec![compartment(said.blocked.clone())]));
        Ok(())
    }

    /// Labels that need a record pass for the patients who have one; what a patient keeps back stays.
    fn labels(&self, said: &Said, conditions: &mut Vec<Condition>, duties: &mut Vec<Duty>) {
        let settings = self.policy.settings();
        if said.lifted.is_empty() {
            conditions.push(without_labels(&settings.sensitive));
        } else {
            for (labels, ids) in said.by_patients(&settings.sensitive) {
                let mut both = vec![Condition::HasLabel(labels.into())];
                if !ids.is_empty() {
                    both.push(Condition::Not(vec![compartment(ids)]));
                }
                conditions.push(Condition::Not(both));
            }
            if said.lifted.iter().any(|(label, _)| settings.part2.contains(label)) {
                duties.push(Duty::Part2Notice { labels: Arc::clone(&settings.part2) });
            }
        }
        for (labels, patient) in &said.kept {
            conditions.push(Condition::Not(vec![
                Condition::HasLabel(Arc::clone(labels)),
                compartment(vec![patient.clone()]),
            ]));
        }
    }
}

fn refused(rule: &str) -> No {
    No::because(DenialReason::Consent, rule)
}
