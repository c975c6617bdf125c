//! The five compartments of R4: which resources belong to a patient, an encounter, a practitioner, a related person or
//! a device, and in which elements the reference lies that says so.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::element::{self, ResolvedPath};
use crate::reference::Reference;
use crate::{ResourceType, search};

/// The types that have a compartment.
pub const COMPARTMENTS: [ResourceType; 5] = [
    ResourceType::DEVICE,
    ResourceType::ENCOUNTER,
    ResourceType::PATIENT,
    ResourceType::PRACTITIONER,
    ResourceType::RELATED_PERSON,
];

/// One element whose reference puts a resource into a compartment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompartmentPath {
    /// The search parameter that it stands for: `actor`.
    pub parameter: &'static str,
    /// The element in the resource: `participant.actor`. It is a `Reference`.
    pub path: ResolvedPath,
}

/// Whether that type has a compartment.
#[must_use]
pub fn exists(of: ResourceType) -> bool {
    COMPARTMENTS.contains(&of)
}

/// The search parameters of `resource` that lead to `of`; none if the type is never in that compartment (or is its
/// owner: `Patient` is in its own compartment by its id, and by `link` in that of another).
#[must_use]
pub fn parameters(of: ResourceType, resource: ResourceType) -> &'static [&'static str] {
    row(of, resource).map_or(&[], |row| &row.parameters)
}

/// The elements of `resource` whose references lead to `of`.
///
/// A `Binary` is in no compartment by R4's tables and cannot be searched for; whose it is says its `securityContext` (R4,
/// Binary: it is to be treated as if it were the resource named there).
#[must_use]
pub fn paths(of: ResourceType, resource: ResourceType) -> &'static [CompartmentPath] {
    if resource == ResourceType::BINARY && exists(of) {
        return &SECURITY_CONTEXT;
    }
    row(of, resource).map_or(&[], |row| &row.paths)
}

/// The types that may be in that compartment, its owner's among them, by name.
pub fn members(of: ResourceType) -> impl Iterator<Item = ResourceType> {
    ResourceType::all().filter(move |resource| exists(of) && (*resource == of || row(of, *resource).is_some()))
}

/// The reference of every owner in whose compartment the resource is: its own id if it is of that type, and each
/// reference at the compartment's paths that points at the type or does not say at what (an identifier, a `urn:`).
/// Contained owners and references that cannot be read are left out.
#[must_use]
pub fn owners(of: ResourceType, resource: &Value) -> Vec<Reference> {
    let kind = resource.get("resourceType").and_then(Value::as_str).and_then(ResourceType::parse);
    let Some(kind) = kind else { return Vec::new() };
    let mut all: Vec<Reference> = own(of, kind, resource).into_iter().collect();
    for value in paths(of, kind).iter().flat_map(|one| one.path.values(resource)) {
        if let Some(reference) = pointing(of, value).filter(|reference| !all.contains(reference)) {
            all.push(reference);
        }
    }
    all
}

/// The resource itself as the owner.
fn own(of: ResourceType, kind: ResourceType, resource: &Value) -> Option<Reference> {
    let id = resource.get("id").and_then(Value::as_str).filter(|_| kind == of)?;
    Reference::parse(&format!("{of}/{id}")).ok()
}

fn pointing(of: ResourceType, element: &Value) -> Option<Reference> {
    let reference = Reference::of(element)?;
    let may = match &reference {
        Reference::Literal { resource, .. } | Reference::Matching { resource, .. } => *resource == of,
        Reference::Identifier { resource, .. } => resource.is_none_or(|resource| resource == of),
        Reference::Urn(_) => true,
        Reference::Contained(_) | Reference::Url(_) => false,
    };
    may.then_some(reference)
}

/// What one compartment says of one type.
struct Row {
    parameters: Vec<&'static str>,
    paths: Vec<CompartmentPath>,
}

fn row(of: ResourceType, resource: ResourceType) -> Option<&'static Row> {
    TABLE.get(&(of, resource))
}

static SECURITY_CONTEXT: LazyLock<Vec<CompartmentPath>> = LazyLock::new(|| {
    let path = element::resolve("Binary", "securityContext").ok();
    path.map(|path| CompartmentPath { parameter: "securityContext", path }).into_iter().collect()
});

static TABLE: LazyLock<HashMap<(ResourceType, ResourceType), Row>> = LazyLock::new(|| {
    let mut of = None;
    let mut rows = HashMap::new();
    for line in include_str!("tables/compartments.txt").lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('@') {
            of = ResourceType::parse(name);
        } else if let Some((of, (name, codes))) = of.zip(line.split_once('\t'))
            && let Some(resource) = ResourceType::parse(name)
        {
            let parameters: Vec<&str> = codes.split(',').collect();
            let paths = parameters.iter().flat_map(|code| paths_of(resource, code)).collect();
            rows.insert((of, resource), Row { parameters, paths });
        }
    }
    rows
});

fn paths_of(resource: ResourceType, code: &'static str) -> Vec<CompartmentPath> {
    let expression = search::parameter(resource, code).and_then(|parameter| parameter.parsed());
    let paths = expression.map(crate::fhirpath::Expression::paths).unwrap_or_default();
    paths
        .iter()
        .filter_map(|path| element::resolve(resource.name(), path).ok())
        .map(|path| CompartmentPath { parameter: code, path })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn defined(of: ResourceType, resource: &str) -> Vec<String> {
        paths(of, ResourceType::parse(resource).unwrap()).iter().map(|one| one.path.defined()).collect()
    }

    #[test]
    fn every_parameter_leads_to_references() {
        for of in COMPARTMENTS {
            for resource in ResourceType::all() {
                for code in parameters(of, resource) {
                    let found: Vec<&CompartmentPath> =
                        paths(of, resource).iter().filter(|path| path.parameter == *code).collect();
                    assert!(!found.is_empty(), "{of}: {resource}.{code}");
                    for path in found {
                        let kinds: Vec<&str> = path.path.last().iter().map(|element| element.type_name).collect();
                        assert!(kinds.contains(&"Reference"), "{of}: {resource}.{code}: {kinds:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn paths_are_the_elements_that_hold_the_reference() {
        assert_eq!(defined(ResourceType::PATIENT, "Appointment"), ["participant.actor"]);
        assert_eq!(defined(ResourceType::PATIENT, "Observation"), ["subject", "performer"]);
        assert_eq!(defined(ResourceType::PATIENT, "AllergyIntolerance"), ["patient", "recorder", "asserter"]);
        assert_eq!(defined(ResourceType::PATIENT, "Patient"), ["link.other"]);
        assert_eq!(defined(ResourceType::ENCOUNTER, "Observation"), ["encounter"]);
        assert!(defined(ResourceType::PATIENT, "Practitioner").is_empty());
        assert!(defined(ResourceType::BINARY, "Observation").is_empty());
    }

    #[test]
    fn members_are_the_types_that_may_be_in_it() {
        assert_eq!(members(ResourceType::PATIENT).count(), 66);
        assert!(members(ResourceType::ENCOUNTER).any(|member| member == ResourceType::ENCOUNTER));
        assert_eq!(members(ResourceType::BINARY).count(), 0);
    }

    #[test]
    fn owners_are_found_through_every_actor() {
        let appointment = json!({"resourceType": "Appointment", "participant": [
            {"actor": {"reference": "Practitioner/p"}}, {"actor": {"reference": "Patient/a"}},
            {"actor": {"reference": "https://ehr/Patient/b/_history/1"}}, {"actor": {"display": "somebody"}}]});
        let owners: Vec<String> = owners(ResourceType::PATIENT, &appointment).iter().map(ToString::to_string).collect();
        assert_eq!(owners, ["Patient/a", "https://ehr/Patient/b/_history/1"]);
    }

    #[test]
    fn a_reference_that_does_not_say_its_type_counts() {
        let appointment = json!({"resourceType": "Appointment", "participant": [
            {"actor": {"identifier": {"system": "urn:mrn", "value": "7"}}}, {"actor": {"reference": "urn:uuid:1"}},
            {"actor": {"type": "Location", "identifier": {"value": "8"}}}]});
        let owners: Vec<String> = owners(ResourceType::PATIENT, &appointment).iter().map(ToString::to_string).collect();
        assert_eq!(owners, ["urn:mrn|7", "urn:uuid:1"]);
    }

    #[test]
    fn no_filter_but_the_type_is_lost_by_taking_bare_paths() {
        for of in COMPARTMENTS {
            for resource in ResourceType::all() {
                for code in parameters(of, resource) {
                    let expression = search::parameter(resource, code).unwrap().expression;
                    assert_eq!(expression.matches("where(").count(), expression.matches("where(resolve()").count());
                }
            }
        }
    }

    #[test]
    fn an_owner_is_in_its_own_compartment() {
        let patient = json!({"resourceType": "Patient", "id": "a", "link": [{"other": {"reference": "Patient/b"}}]});
        let owners: Vec<String> = owners(ResourceType::PATIENT, &patient).iter().map(ToString::to_string).collect();
        assert_eq!(owners, ["Patient/a", "Patient/b"]);
    }
}
