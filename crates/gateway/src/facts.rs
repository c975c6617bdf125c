//! Gathers exactly the facts that policy says it needs. What the shelf cannot say is `Unknown`, never a guess. On a warm
//! cache no fact asks the database; every change is seen by the next request.

mod about_all;
mod about_patient;

use std::collections::BTreeMap;

use bascule_audit::Recipient;
use bascule_fhir::{Id, Timestamp};
use bascule_policy::party::Relation;
use bascule_policy::record::{Links, Period, Representation};
use bascule_policy::rules::Settings;
use bascule_policy::{Fact, Facts, Needs};
use bascule_smart::Principal;
use bascule_store::filed::Record;
use bascule_store::relation::Seen;
use bascule_store::user::Status;
use bascule_store::{Store, StoreError};

pub(crate) use about_all::AboutAll;
use about_patient::About;

/// A relation that was not seen for longer is not one: 30 days.
const RELATION_SECONDS_MAX: i64 = 30 * 86_400;

/// Consents of an API that are read from its upstream: for how many seconds they are relied on.
pub(crate) type ConsentFeeds = BTreeMap<String, i64>;

/// Where facts come from.
#[derive(Clone, Copy)]
pub(crate) struct Shelf<'a> {
    pub(crate) store: &'a Store,
    pub(crate) about_all: &'a AboutAll,
    pub(crate) feeds: &'a ConsentFeeds,
}

/// Of whom is asked, and when.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The API asked.
    pub(crate) api: &'a str,
    /// The API in which the ids of the token count: the first that it is for.
    pub(crate) home: &'a str,
    /// What the policy says beside its roles.
    pub(crate) settings: &'a Settings,
    pub(crate) now: Timestamp,
}

impl<'a> Question<'a> {
    pub(crate) fn new(api: &'a str, principal: &'a Principal, settings: &'a Settings, now: Timestamp) -> Self {
        Self { api, home: principal.apis().first().map_or(api, String::as_str), settings, now }
    }
}

/// The facts of a decision.
pub(crate) fn gather(shelf: &Shelf<'_>, needs: &Needs, question: &Question<'_>) -> Facts {
    let store = shelf.store;
    let mut facts = Facts::nothing_on_file();
    if let Some(organization) = &needs.organization {
        match store.party(organization) {
            Ok(party) => {
                facts.organization = Fact::Known(party.organization.clone());
                facts.agreements = Fact::Known(party.agreements.clone());
            }
            Err(error) => {
                said(&error, "organization and agreements");
                (facts.organization, facts.agreements) = (Fact::Unknown, Fact::Unknown);
            }
        }
    }
    if let Some(practitioner) = &needs.relations_of {
        facts.relations = fact(relations(store, practitioner, question), "relations");
        facts.relations_as_of = match store.relations_as_of(question.home) {
            Ok(Some(seen)) => Fact::Known(seen),
            Ok(None) | Err(_) => Fact::Unknown,
        };
    }
    if let Some(patient) = &needs.care_team_of {
        facts.care_team = fact(care_team(store, patient, question), "care team");
    }
    if let Some(user) = &needs.emergencies_of {
        facts.emergencies = fact(store.emergencies_of(user, question.api, question.now), "emergency access");
    }
    if let Some(user) = &needs.reasons_of {
        facts.reasons = fact(store.reasons_of(user, question.api, question.now), "reasons");
    }
    if let Some((home, patient)) = &needs.links_of {
        let links = store.identities_of(&(home.clone(), patient.clone())).map(|known| known.links());
        facts.links = fact(links, "identity links");
    }
    if let Some((user, patient)) = &needs.representations_of {
        facts.representations = fact(representations(store, user, patient, question), "representations");
    }
    if let Some(patient) = &needs.holds_of {
        facts.holds = fact(holds(store, patient, question), "holds");
    }
    about(shelf, needs, question, &mut facts);
    facts
}

/// Consents, restrictions and authorizations.
fn about(shelf: &Shelf<'_>, needs: &Needs, question: &Question<'_>, facts: &mut Facts) {
    let found = if needs.consents_of_all {
        shelf.about_all.about(shelf, question)
    } else {
        about_patient::about(shelf, &needs.consents_of, question).map(std::sync::Arc::new)
    };
    match found {
        Ok(about) => {
            let About { consents, restrictions, authorizations, apis } = about.as_ref();
            facts.consents = if apis.iter().all(|api| consents_are_known(shelf, api, question.now)) {
                Fact::Known(consents.clone())
            } else {
                Fact::Unknown
            };
            facts.restrictions = Fact::Known(restrictions.clone());
            facts.authorizations = Fact::Known(authorizations.clone());
        }
        Err(error) => {
            said(&error, "consents, restrictions and authorizations");
            facts.consents = Fact::Unknown;
            facts.restrictions = Fact::Unknown;
            facts.authorizations = Fact::Unknown;
        }
    }
}

/// Whether the consents of an API are read from its upstream and are fresh, or are not read from there at all.
fn consents_are_known(shelf: &Shelf<'_>, api: &str, now: Timestamp) -> bool {
    let Some(seconds_max) = shelf.feeds.get(api) else { return true };
    match shelf.store.feed(&crate::consents::feed(api)) {
        Ok(Some(as_of)) => now <= as_of.plus_seconds(*seconds_max),
        Ok(None) => false,
        Err(error) => {
            said(&error, "feed of consents");
            false
        }
    }
}

/// The practitioner's patients by their ids in the API asked: a relation in the home API is followed over identity links.
fn relations(store: &Store, practitioner: &Id, question: &Question<'_>) -> Result<Vec<Relation>, StoreError> {
    let seen_since = question.now.plus_seconds(-RELATION_SECONDS_MAX);
    let told = store.relations_of(question.home, practitioner)?;
    let fresh = told.iter().filter(|seen| seen.seen >= seen_since);
    if question.api == question.home {
        return Ok(fresh.map(|seen| seen.relation.clone()).collect());
    }
    let mut relations = Vec::new();
    for Seen { relation, .. } in fresh {
        let links = links_of(store, question.home, &relation.patient)?;
        for link in links.0.get(question.api).into_iter().flatten() {
            let told = Period { from: relation.from, until: relation.until };
            let Some(period) = told.common(link.period) else { continue };
            let patient = link.id.clone();
            relations.push(Relation { patient, from: period.from, until: period.until, ..relation.clone() });
        }
    }
    Ok(relations)
}

fn links_of(store: &Store, api: &str, patient: &Id) -> Result<Links, StoreError> {
    Ok(store.identities_of(&(api.to_owned(), patient.clone()))?.links())
}

/// The ids of the patient in context in the API asked.
fn ids_here(store: &Store, patient: &Id, question: &Question<'_>) -> Result<Vec<Id>, StoreError> {
    let mut ids = if question.api == question.home { vec![patient.clone()] } else { Vec::new() };
    ids.extend(links_of(store, question.home, patient)?.ids_in(question.api, question.now).cloned());
    Ok(ids)
}

/// Whom a patient may write to: practitioners with a care team's relation now, as references of the API asked.
fn care_team(store: &Store, patient: &Id, question: &Question<'_>) -> Result<Vec<String>, StoreError> {
    let seen_since = question.now.plus_seconds(-RELATION_SECONDS_MAX);
    let mut team = Vec::new();
    for id in ids_here(store, patient, question)? {
        let told = store.relations_to(question.api, &id)?;
        let holds = |seen: &&Seen| {
            seen.seen >= seen_since && seen.relation.kind == "care-team" && seen.relation.holds_at(question.now)
        };
        team.extend(told.iter().filter(holds).map(|seen| format!("Practitioner/{}", seen.relation.practitioner)));
    }
    team.sort_unstable();
    team.dedup();
    Ok(team)
}

/// In which the user stands for the patient in context; each ends, if it is one of a minor's parent, at the age that the
/// policy sets.
fn representations(
    store: &Store,
    user: &str,
    patient: &Id,
    question: &Question<'_>,
) -> Result<Vec<Representation>, StoreError> {
    let records = store.filed_memory()?;
    let mut found = Vec::new();
    for filed in records.of_user(user) {
        let Record::Representation(represented) = &filed.record else { continue };
        let mut record = represented.record.clone();
        record.period = represented.period_at(question.settings.majority_years);
        if filed.api == question.home && record.patient == *patient {
            found.push(record);
            continue;
        }
        for link in links_of(store, &filed.api, &record.patient)?.0.get(question.home).into_iter().flatten() {
            if let Some(period) = record.period.common(link.period).filter(|_| link.id == *patient) {
                found.push(Representation { patient: patient.clone(), period, ..record.clone() });
            }
        }
    }
    Ok(found)
}

/// Holds name an item of one API, so they act in that API alone.
fn holds(
    store: &Store,
    patient: &Id,
    question: &Question<'_>,
) -> Result<Vec<bascule_policy::record::Hold>, StoreError> {
    let records = store.filed_memory()?;
    let mut held = Vec::new();
    for id in ids_here(store, patient, question)? {
        held.extend(records.of_patient(question.api, &id).iter().filter_map(|filed| match &filed.record {
            Record::Hold(hold) => Some(hold.clone()),
            _ => None,
        }));
    }
    Ok(held)
}

/// What is on file about an organization that something is to be disclosed to. One that is not active is not on file.
pub(crate) fn of_organization(store: &Store, id: &str) -> Facts {
    let active = |(organization, status)| (status == Status::Active).then_some(organization);
    let found = store.organization(id).map(|found| found.and_then(active));
    Facts {
        organization: fact(found, "organization"),
        agreements: fact(store.agreements_of(id), "agreements"),
        ..Facts::nothing_on_file()
    }
}

fn fact<T>(found: Result<T, StoreError>, what: &'static str) -> Fact<T> {
    found.map_or_else(
        |error| {
            said(&error, what);
            Fact::Unknown
        },
        Fact::Known,
    )
}

fn said(error: &StoreError, what: &'static str) {
    tracing::error!(%error, what, "a fact cannot be looked up");
}

/// To whom it goes, as the accounting of disclosures must tell it later.
pub(crate) fn recipient(facts: &Facts) -> Option<Recipient> {
    let organization = facts.organization.known()?.as_ref()?;
    Some(Recipient { name: organization.name.clone(), address: organization.address.clone() })
}

#[cfg(test)]
mod tests;
