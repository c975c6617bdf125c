//! A bulk export (Bulk Data 2.0): of which types, and what of each may leave. The files are filtered line by line like
//! any other answer.

use std::sync::Arc;

use bascule_fhir::{Id, InteractionKind, Level, Query, ResourceType, compartment};
use bascule_smart::scope::{Context, Scope};

use super::way::Way;
use super::{Ask, No, Yes, combine, query};
use crate::decision::{Condition, DenialReason, TotalRule};
use crate::search;

/// Parameters of the kick-off.
const PARAMETERS: [&str; 5] = ["_outputFormat", "_since", "_type", "_typeFilter", "patient"];

/// What a grant names to permit an export at that level; `export` is all three.
const LEVELS: [&str; 3] = ["export-system", "export-patients", "export-group"];

impl Ask<'_> {
    /// An export is decided type by type; one that is asked for and not granted refuses it all.
    pub(super) fn export(&self, on: &Level, query: &Query) -> Result<Yes, No> {
        let word = word(on)?;
        let unknown = query.parameters.iter().find(|parameter| !PARAMETERS.contains(&parameter.name.as_str()));
        if let Some(parameter) = unknown {
            let reason = DenialReason::ParameterNotGranted { parameter: parameter.name.clone() };
            return Err(No::because(reason, "default"));
        }
        self.is_backend()?;
        if let Some(of) = on.resource() {
            self.exported(of, word)?;
        }
        let asked = asked(query)?;
        let mut all: Vec<(ResourceType, Vec<Way<'_>>)> = Vec::new();
        let mut refusal = None;
        for resource in if asked.is_empty() { ResourceType::all().collect() } else { asked.clone() } {
            match self.exported(resource, word) {
                Ok(ways) => all.push((resource, ways)),
                Err(no) if asked.is_empty() => refusal = refusal.or(Some(no)),
                Err(no) => return Err(no),
            }
        }
        for parameter in query.named("_typeFilter") {
            for (resource, filter) in filters(&parameter.value)? {
                let slot = all.iter_mut().find(|(one, _)| *one == resource);
                let (_, ways) = slot.ok_or_else(|| self.not_exported(resource))?;
                *ways = query::check(self, resource, std::mem::take(ways), &filter)?.ways;
            }
        }
        let named = patients(on, query)?;
        let Some((_, first)) = all.first() else {
            return Err(refusal.unwrap_or_else(|| self.not_granted(None)));
        };
        let mut yes = self.frame(first, TotalRule::Absent);
        for (resource, ways) in &all {
            let mut narrowing = combine::narrowing(ways);
            // Whatever the upstream makes of the names: of these patients only.
            if let Some(ids) = named.as_ref().filter(|_| of_patients(*resource)) {
                narrowing.conditions.push(Condition::InCompartment { of: ResourceType::PATIENT, ids: Arc::clone(ids) });
            }
            yes.narrowing.types.insert(*resource, narrowing);
            for duty in ways.iter().flat_map(|way| &way.duties) {
                if !yes.duties.contains(duty) {
                    yes.duties.push(duty.clone());
                }
            }
        }
        Ok(yes)
    }

    /// An export is for systems: a token without a person, under a scope of `system/`.
    fn is_backend(&self) -> Result<(), No> {
        let system = |scope: &Scope| matches!(scope, Scope::Resource { context: Context::System, .. });
        if self.principal.user().is_none() && self.principal.scopes().0.iter().any(system) {
            return Ok(());
        }
        let reason = DenialReason::ScopeMissing { wanted: "system/*.rs".to_owned() };
        Err(No::because(reason, "scope"))
    }

    /// The ways by which a type may be exported at that level.
    fn exported(&self, resource: ResourceType, word: &str) -> Result<Vec<Way<'_>>, No> {
        let mut ways = self.ways(resource, InteractionKind::Operation)?;
        ways.retain(|way| {
            let mut reaches = std::iter::once(&way.reach).chain(&way.also);
            !way.reach.terms.only_count
                && reaches.any(|reach| reach.operations.contains("export") || reach.operations.contains(word))
        });
        if ways.is_empty() { Err(self.not_exported(resource)) } else { Ok(ways) }
    }

    fn not_exported(&self, resource: ResourceType) -> No {
        let reason = DenialReason::NotGranted { interaction: "$export".to_owned(), resource: resource.to_string() };
        No::because(reason, "default")
    }
}

fn word(on: &Level) -> Result<&'static str, No> {
    let [system, patients, group] = LEVELS;
    match on {
        Level::System => Ok(system),
        Level::Type(ResourceType::PATIENT) => Ok(patients),
        Level::Instance(of, _) if of.name() == "Group" => Ok(group),
        _ => Err(No::not_supported("export the system, `Patient`, or one `Group`")),
    }
}

/// The patients that are named; `None` if none is, and so all are meant. A name that cannot be read refuses.
fn patients(on: &Level, query: &Query) -> Result<Option<Arc<[Id]>>, No> {
    let refused = || {
        let reason = DenialReason::ParameterNotGranted { parameter: "patient".to_owned() };
        No::because(reason, "default")
    };
    let mut ids = Vec::new();
    for value in query.named("patient").flat_map(|parameter| parameter.value.split(',')) {
        if *on == Level::System {
            return Err(refused());
        }
        let id = search::patient_ids(value, false).next().and_then(Id::parse).ok_or_else(refused)?;
        ids.push(id);
    }
    Ok((!ids.is_empty()).then(|| ids.into()))
}

/// Whether resources of that type lie in the records of patients.
fn of_patients(resource: ResourceType) -> bool {
    resource == ResourceType::PATIENT || !compartment::paths(ResourceType::PATIENT, resource).is_empty()
}

fn asked(query: &Query) -> Result<Vec<ResourceType>, No> {
    let mut all = Vec::new();
    for parameter in query.named("_type") {
        for name in parameter.value.split(',') {
            let refused = || DenialReason::ParameterNotGranted { parameter: "_type".to_owned() };
            let resource = ResourceType::parse(name.trim()).ok_or_else(|| No::because(refused(), "default"))?;
            if !all.contains(&resource) {
                all.push(resource);
            }
        }
    }
    Ok(all)
}

/// `Observation?code=a,b&status=final,Condition?code=c`: a comma before `Type?` begins the next filter.
fn filters(value: &str) -> Result<Vec<(ResourceType, Query)>, No> {
    let mut texts: Vec<(ResourceType, String)> = Vec::new();
    let refused = || {
        let reason = DenialReason::ParameterNotGranted { parameter: "_typeFilter".to_owned() };
        No::because(reason, "default")
    };
    for piece in value.split(',') {
        match piece.split_once('?').and_then(|(name, rest)| Some((ResourceType::parse(name.trim())?, rest))) {
            Some((resource, rest)) => texts.push((resource, rest.to_owned())),
            None => {
                let (_, last) = texts.last_mut().ok_or_else(refused)?;
                last.push(',');
                last.push_str(piece);
            }
        }
    }
    texts.into_iter().map(|(resource, text)| Ok((resource, Query::parse(&text).map_err(|_| refused())?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_divides_filters_only_before_a_type() {
        let found = filters("Observation?code=a,b&status=final,Condition?code=c").unwrap();
        let told: Vec<_> = found.iter().map(|(resource, query)| (resource.name(), query.parameters.len())).collect();
        assert_eq!(told, [("Observation", 2), ("Condition", 1)]);
        assert!(filters("code=a").is_err());
    }
}
