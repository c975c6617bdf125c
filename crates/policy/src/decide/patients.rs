//! Which patients a request names, and which patient the principal has in context.

use std::sync::Arc;

use bascule_fhir::{Id, Interaction, Level, Query, ResourceType, Target, Within};

use super::{Ask, No};
use crate::decision::DenialReason;
use crate::facts::Fact;
use crate::{schema, search};

/// The patients that the request itself names; `None` if it names none.
pub(crate) fn named(interaction: &Interaction) -> Option<Vec<Id>> {
    match interaction {
        Interaction::Read { resource, id, .. }
        | Interaction::Vread { resource, id, .. }
        | Interaction::History { on: Level::Instance(resource, id), .. }
        | Interaction::Operation { on: Level::Instance(resource, id), .. }
        | Interaction::Update { resource, target: Target::Instance(id) }
        | Interaction::Patch { resource, target: Target::Instance(id) }
        | Interaction::Delete { resource, target: Target::Instance(id) }
            if *resource == ResourceType::PATIENT =>
        {
            Some(vec![id.clone()])
        }
        Interaction::Search { within: Within::Compartment { of, id, resource }, query }
            if *of == ResourceType::PATIENT =>
        {
            let mut ids = vec![id.clone()];
            ids.extend(resource.and_then(|resource| in_query(resource, query)).unwrap_or_default());
            Some(ids)
        }
        Interaction::Search {
            within: Within::Type(resource) | Within::Compartment { resource: Some(resource), .. },
            query,
        } => in_query(*resource, query),
        _ => None,
    }
}

/// The patients that the compartment's parameters name.
fn in_query(resource: ResourceType, query: &Query) -> Option<Vec<Id>> {
    let mut ids: Vec<Id> = Vec::new();
    for parameter in &query.parameters {
        let (code, modifier) =
            parameter.name.split_once(':').map_or((parameter.name.as_str(), ""), |(code, rest)| (code, rest));
        if resource == ResourceType::PATIENT && parameter.name == "_id" {
            ids.extend(parameter.value.split(',').filter_map(Id::parse));
            continue;
        }
        let leads = code == "patient" || code == "subject" || schema::patient_parameters(resource).contains(&code);
        let Some(known) = schema::parameter(resource, code).filter(|known| leads && schema::points_at_patient(known))
        else {
            continue;
        };
        let only_patients = known.targets.len() == 1 || modifier == "Patient";
        ids.extend(search::patient_ids(&parameter.value, only_patients).filter_map(Id::parse));
    }
    (!ids.is_empty()).then_some(ids)
}

impl Ask<'_> {
    /// The patient in context, by the ids of this API. An id of another API is reached by an identity link only.
    pub(super) fn context(&self) -> Result<Arc<[Id]>, No> {
        let Some(patient) = self.principal.patient() else {
            return Err(outside("no patient in context"));
        };
        let home = self.principal.apis().first().is_none_or(|first| *first == self.api.name);
        let links = match &self.facts.links {
            Fact::Known(links) => links,
            Fact::Unknown if home => return Ok([patient.clone()].into()),
            Fact::Unknown => return Err(No::unknown("the identity links of the patient in context")),
        };
        let mut ids: Vec<Id> = if home { vec![patient.clone()] } else { Vec::new() };
        for id in links.ids_in(&self.api.name, self.now) {
            if !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        if ids.is_empty() { Err(outside("no identity link to this api")) } else { Ok(ids.into()) }
    }

    /// Refuses if the request names a patient who is not one of these.
    pub(super) fn within(&self, ids: &[Id]) -> Result<(), No> {
        match &self.patients {
            Some(named) if named.iter().any(|id| !ids.contains(id)) => Err(outside("compartment")),
            _ => Ok(()),
        }
    }
}

pub(super) fn outside(rule: &str) -> No {
    No::because(DenialReason::OutsideCompartment, rule)
}
