//! `GET /audit/looked`: who has looked at my record, for the patient in the token's context or who stands for them.
//!
//! It shows less than the log on purpose. What a viewer may not see now (a result that is held back, a confidential visit) is not
//! told by its look either; recipients whose disclosures are suspended (45 CFR 164.528(a)(2)) are left out.

use std::collections::HashSet;

use bascule_audit::accounting::Suspension;
use bascule_audit::looked::{Look, LookedRequest, looks};
use bascule_audit::{Entry, Opened, PatientPart};
use bascule_fhir::{Interaction, Query, ResourceType, Timestamp};
use bascule_smart::authenticate;
use bascule_store::log::index::Search;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::{AUDIT_API, look_up, visible};
use crate::answer::Response;
use crate::gateway::Gateway;
use crate::keep;
use crate::record::Visit;
use crate::refuse::Refusal;
use crate::walk;

/// Entries that are shown, the newest.
const ENTRIES_MAX: usize = 200;
/// Purposes for which a patient, or who stands for them, asks.
const OWN_PURPOSES: [&str; 3] = ["PATRQT", "FAMRQT", "PWATRNY"];
/// How such a reading is called in its entry.
const LOOKED: &str = "looked";

#[derive(Serialize)]
struct Answer<'a> {
    patient: &'a str,
    looks: Vec<Look>,
    /// Whether there are older ones that are not shown.
    more: bool,
}

pub(super) async fn serve(gateway: &Gateway, visit: &mut Visit, now: Timestamp) -> Result<Response, Refusal> {
    let credentials = gateway.credentials(None, &visit.head, now).await?;
    let tried = gateway.api_names().into_iter().filter(|api| api != AUDIT_API);
    let mut found = Err(Refusal::NoSuchApi);
    for api in tried {
        found = authenticate(credentials.clone(), &api, now).map_err(Refusal::Unauthenticated).map(|who| (api, who));
        if found.is_ok() {
            break;
        }
    }
    let (api, principal) = found?;
    visit.principal = Some(principal.clone());
    visit.api.clone_from(&api);
    let served = gateway.served(&api).ok_or(Refusal::NoSuchApi)?;
    let patient = principal.patient().cloned().ok_or(Refusal::NoPatient)?;
    // Who may read the patient's own record may ask who has read it; policy says who that is.
    let read = Interaction::Read { resource: ResourceType::PATIENT, id: patient.clone(), query: Query::default() };
    let permit = walk::decide(gateway, &served, visit, principal.clone(), walk::asked(&served, read), now)?;
    if !OWN_PURPOSES.contains(&permit.purpose()) {
        return Err(Refusal::NoPatient);
    }
    let reference = format!("Patient/{}", patient.as_str());
    let entries = found_entries(gateway, &api, &reference).await?;
    let more = entries.len() > ENTRIES_MAX;
    let own = principal.fhir_user().is_some_and(|(kind, id)| *kind == ResourceType::PATIENT && *id == patient);
    let named = entries.iter().flat_map(|entry| named(entry, &reference)).collect::<HashSet<_>>();
    let seen = visible::visible(gateway, &served, &principal, visit, named, now).await;
    let entries: Vec<Opened> = entries
        .into_iter()
        .take(ENTRIES_MAX)
        .filter(|entry| entry.about().interaction.as_deref() != Some(LOOKED))
        .filter_map(|entry| shown(entry, &reference, &seen, own))
        .map(|entry| in_words(gateway, entry))
        .collect();
    let suspensions = suspensions(gateway)?;
    let looks = {
        let request = LookedRequest {
            patient: &reference,
            viewer: principal.user(),
            roles_only: !gateway.reading().staff_by_name,
            suspensions: &suspensions,
            // What is not to be seen was taken out of the entries above.
            hidden: &|_| false,
            now,
        };
        looks(&request, entries.iter())
    };
    let answer = Answer { patient: &reference, looks, more };
    let body = serde_json::to_vec(&answer).map_err(|_| Refusal::Fault { at: "looked" })?;
    visit.written = vec![PatientPart { reference: reference.clone(), ..PatientPart::default() }];
    let mut facts = visit.facts(200);
    facts.interaction = LOOKED.to_owned();
    facts.resource = Some("AuditEvent".to_owned());
    let receipt = keep::append(gateway, visit, Entry::disclosure(facts, now), now).await?;
    Ok(Response::told(body, &receipt).with(StatusCode::OK, HeaderMap::new()))
}

/// The newest entries about a patient: accesses to the record, and readings of the log about it.
async fn found_entries(gateway: &Gateway, api: &str, reference: &str) -> Result<Vec<Opened>, Refusal> {
    let search = |api: &str| Search {
        patient: Some((api.to_owned(), reference.to_owned())),
        limit: ENTRIES_MAX as u64 + 1,
        ..Search::default()
    };
    look_up::find(gateway, vec![search(api), search(AUDIT_API)], ENTRIES_MAX + 1).await
}

fn named(entry: &Opened, patient: &str) -> Vec<String> {
    let own = entry.patients.iter().flatten().filter(|part| part.reference == patient);
    let resources = own.flat_map(|part| &part.resources).map(|resource| resource.reference.clone());
    resources.filter(|reference| !reference.starts_with("AuditEvent/")).collect()
}

/// The entry with only those resources that the viewer may see. Without any, a patient still learns that somebody looked, and
/// nobody else learns anything.
fn shown(mut entry: Opened, patient: &str, seen: &HashSet<String>, own: bool) -> Option<Opened> {
    let mut any = false;
    for part in entry.patients.iter_mut().flatten().filter(|part| part.reference == patient) {
        let unnamed = part.resources_unnamed > 0;
        part.resources.retain(|resource| seen.contains(&resource.reference));
        any |= !part.resources.is_empty() && (own || !unnamed);
    }
    if !any && !own {
        return None;
    }
    if !any {
        entry.clear.resource = None;
        if let Some(asked) = &mut entry.asked {
            asked.resource = None;
        }
    }
    Some(entry)
}

/// Roles by the title that policy gives them; people by their name, where the house shows it.
fn in_words(gateway: &Gateway, mut entry: Opened) -> Opened {
    let policy = gateway.policy();
    let role = entry.about().role.clone();
    let Some(agent) = &mut entry.agent else { return entry };
    let role = agent.roles.first().cloned().or(role);
    if let Some(title) = role.and_then(|role| policy.role(&role).map(|role| role.title.clone())) {
        agent.roles = vec![title];
    }
    if gateway.reading().staff_by_name
        && let Some(user) = agent.subject.as_deref().and_then(|subject| gateway.store().user(subject).ok().flatten())
    {
        agent.name = Some(user.name).filter(|name| !name.is_empty());
    }
    entry
}

/// The suspensions on file. What cannot be read stops the answer: it might show what an agency asked to be silent about.
fn suspensions(gateway: &Gateway) -> Result<Vec<Suspension>, Refusal> {
    gateway.store().suspensions().map_err(|error| {
        tracing::error!(%error, "the suspensions cannot be read");
        Refusal::StoreUnavailable
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bascule_audit::{AccessFacts, Position, ResourceVersion};

    fn entry(resources: &[&str]) -> Opened {
        let part = PatientPart {
            reference: "Patient/1".into(),
            resources: resources
                .iter()
                .map(|reference| ResourceVersion { reference: (*reference).into(), version: None })
                .collect(),
            ..PatientPart::default()
        };
        let facts = AccessFacts { status: 200, resource: Some("Encounter".into()), ..AccessFacts::default() };
        let clear = Entry::disclosure(facts, Timestamp::from_seconds(1)).clear().clone();
        Opened { position: Position::default(), clear, asked: None, agent: None, patients: vec![Some(part)] }
    }

    fn check(resources: &[&str], own: bool, kept: Option<(usize, Option<&str>)>) {
        let seen = HashSet::from(["Observation/open".to_owned()]);
        let shown = shown(entry(resources), "Patient/1", &seen, own);
        let found = shown
            .as_ref()
            .map(|entry| (entry.patients[0].as_ref().unwrap().resources.len(), entry.clear.resource.as_deref()));
        assert_eq!(found, kept, "{resources:?}");
    }

    #[test]
    fn a_confidential_visit_is_hidden_from_who_stands_for_the_patient_and_unnamed_for_the_patient() {
        check(&["Observation/open"], false, Some((1, Some("Encounter"))));
        check(&["Encounter/confidential"], false, None);
        check(&["Encounter/confidential", "Observation/open"], false, Some((1, Some("Encounter"))));
        check(&["Encounter/held"], true, Some((0, None)));
        check(&[], false, None);
    }
}
