//! Which resources an export holds: of everybody, of every patient, or of a group's patients.

use std::collections::{BTreeSet, HashMap, HashSet};

use bascule_fhir::{Id, ResourceType, SearchKind, compartment};

use crate::Refusal;
use crate::act;
use crate::search::Scope;
use crate::store::{Method, current};

/// Whose data.
#[derive(Debug, Clone)]
pub(super) enum Whose {
    /// Everything.
    System,
    /// Every patient's.
    Patients,
    /// These patients'.
    Some(Vec<Id>),
    /// The patients of that group, and of the groups in it.
    Group(Id),
}

/// Keys by type, sorted.
pub(super) type Members = HashMap<ResourceType, BTreeSet<i64>>;

/// Groups within groups.
const GROUPS_MAX: usize = 1_000;

/// The keys of the resources, of the wanted types.
pub(super) fn members(scope: &Scope<'_>, whose: &Whose, wanted: &[ResourceType]) -> Result<Members, Refusal> {
    let patients = match whose {
        Whose::System => return everything(scope, wanted),
        Whose::Patients => None,
        Whose::Some(ids) => Some(of_ids(scope, ids)?),
        Whose::Group(id) => Some(of_group(scope, id)?),
    };
    let mut all = Members::new();
    let possible: Vec<_> = compartment::members(ResourceType::PATIENT).collect();
    for resource in act::stored_types(scope, &possible)? {
        let keys = match &patients {
            None => of_anybody(scope, resource)?,
            Some(patients) => of_these(scope, patients, resource)?,
        };
        all.insert(resource, keys);
    }
    shared(scope, &mut all)?;
    all.retain(|resource, _| wanted.is_empty() || wanted.contains(resource));
    Ok(all)
}

fn everything(scope: &Scope<'_>, wanted: &[ResourceType]) -> Result<Members, Refusal> {
    let possible: Vec<_> = if wanted.is_empty() { ResourceType::all().collect() } else { wanted.to_vec() };
    let mut all = Members::new();
    for resource in act::stored_types(scope, &possible)? {
        all.insert(resource, of_type(scope, resource)?);
    }
    Ok(all)
}

fn of_type(scope: &Scope<'_>, resource: ResourceType) -> Result<BTreeSet<i64>, Refusal> {
    let mut statement = scope.connection.prepare_cached("SELECT pk FROM resource WHERE type = ?1 AND live = 1")?;
    let rows = statement.query_map([scope.codes.of(resource)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn codes(scope: &Scope<'_>, resource: ResourceType) -> String {
    let codes: Vec<_> = compartment::parameters(ResourceType::PATIENT, resource)
        .iter()
        .filter_map(|name| scope.definitions.named(resource, name))
        .map(|indexed| indexed.code.to_string())
        .collect();
    codes.join(", ")
}

fn of_anybody(scope: &Scope<'_>, resource: ResourceType) -> Result<BTreeSet<i64>, Refusal> {
    if resource == ResourceType::PATIENT {
        return of_type(scope, resource);
    }
    let sql = format!(
        "SELECT s.pk FROM reference s JOIN resource t ON t.pk = s.target WHERE s.parameter IN ({}) AND t.type = ?1",
        codes(scope, resource)
    );
    let mut statement = scope.connection.prepare_cached(&sql)?;
    let rows = statement.query_map([scope.codes.of(ResourceType::PATIENT)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn of_these(scope: &Scope<'_>, patients: &BTreeSet<i64>, resource: ResourceType) -> Result<BTreeSet<i64>, Refusal> {
    if resource == ResourceType::PATIENT {
        return Ok(patients.clone());
    }
    let sql = format!("SELECT pk FROM reference WHERE parameter IN ({}) AND target = ?1", codes(scope, resource));
    let mut statement = scope.connection.prepare_cached(&sql)?;
    let mut keys = BTreeSet::new();
    for patient in patients {
        let rows = statement.query_map([patient], |row| row.get::<_, i64>(0))?;
        keys.extend(rows.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(keys)
}

fn of_ids(scope: &Scope<'_>, ids: &[Id]) -> Result<BTreeSet<i64>, Refusal> {
    let mut keys = BTreeSet::new();
    for id in ids {
        let found = current(scope.connection, scope.codes, ResourceType::PATIENT, id.as_str())?;
        let found = found.filter(|version| version.method != Method::Delete);
        keys.insert(found.ok_or_else(|| Refusal::not_found(format!("there is no Patient/{id}")))?.key);
    }
    Ok(keys)
}

fn of_group(scope: &Scope<'_>, id: &Id) -> Result<BTreeSet<i64>, Refusal> {
    let group = ResourceType::parse("Group").ok_or_else(super::unknown)?;
    let mut waiting = vec![id.as_str().to_owned()];
    let mut seen = HashSet::new();
    let mut keys = BTreeSet::new();
    while let Some(id) = waiting.pop().filter(|_| seen.len() < GROUPS_MAX) {
        let found = current(scope.connection, scope.codes, group, &id)?;
        let found = found.filter(|version| version.method != Method::Delete);
        // Only the group that is asked for must be there.
        let Some(found) = found else {
            if seen.is_empty() {
                return Err(Refusal::not_found(format!("there is no Group/{id}")));
            }
            continue;
        };
        if !seen.insert(found.key) {
            continue;
        }
        for (resource, id) in current_members(&found.body)? {
            if resource == group {
                waiting.push(id);
            } else if let Some(patient) = current(scope.connection, scope.codes, resource, &id)? {
                keys.extend((patient.method != Method::Delete).then_some(patient.key));
            }
        }
    }
    Ok(keys)
}

/// Patients and groups of a group, without those that have left it.
fn current_members(body: &str) -> Result<Vec<(ResourceType, String)>, Refusal> {
    let group: serde_json::Value = serde_json::from_str(body).map_err(|cause| Refusal::fault(&cause))?;
    let members = group.get("member").and_then(serde_json::Value::as_array);
    Ok(members
        .into_iter()
        .flatten()
        .filter(|member| member.get("inactive").and_then(serde_json::Value::as_bool) != Some(true))
        .filter_map(|member| crate::index::reference::local(member.pointer("/entity/reference")?.as_str()?))
        .filter(|(resource, _)| matches!(resource.name(), "Patient" | "Group"))
        .collect())
}

/// Adds what the members refer to and is never a patient's own: practitioners, organizations, places, medications.
fn shared(scope: &Scope<'_>, all: &mut Members) -> Result<(), Refusal> {
    let mut fresh: Vec<(ResourceType, i64)> =
        all.iter().flat_map(|(resource, keys)| keys.iter().map(|key| (*resource, *key))).collect();
    let sql = "SELECT DISTINCT r.type, r.pk FROM reference s JOIN resource r ON r.pk = s.target \
               WHERE s.parameter = ?1 AND s.pk = ?2 AND r.live = 1";
    let mut statement = scope.connection.prepare_cached(sql)?;
    while !fresh.is_empty() {
        let mut next = Vec::new();
        for (resource, key) in fresh {
            let references =
                scope.definitions.of(resource).iter().filter(|one| one.parameter.kind == SearchKind::Reference);
            for reference in references {
                let rows = statement
                    .query_map((reference.code, key), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
                for row in rows {
                    let (code, key) = row?;
                    let Some(target) = scope.codes.resource(code).filter(|target| is_shared(*target)) else { continue };
                    if all.entry(target).or_default().insert(key) {
                        next.push((target, key));
                    }
                }
            }
        }
        fresh = next;
    }
    Ok(())
}

/// Whether the type is never a patient's own: another patient's data must not come along a reference.
pub(super) fn is_shared(resource: ResourceType) -> bool {
    resource != ResourceType::PATIENT
        && resource.name() != "Group"
        && compartment::parameters(ResourceType::PATIENT, resource).is_empty()
}
