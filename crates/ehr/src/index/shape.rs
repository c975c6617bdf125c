//! What the element table says of a parameter's values: how often they may stand, and which systems their codes have.

use bascule_fhir::codes::{self, CodeList};
use bascule_fhir::element::resolve;
use bascule_fhir::{Element, ResourceType, SearchKind};

use super::extract::Path;

/// Whether a resource has at most one value there: one path, none of whose elements repeats.
pub(super) fn is_single(resource: ResourceType, path: &Path) -> bool {
    let Some(paths) = path.as_ref().map(bascule_fhir::fhirpath::Expression::paths) else { return false };
    let [only] = paths.as_slice() else { return false };
    let Ok(resolved) = resolve(resource.name(), only) else { return false };
    resolved.steps.iter().flat_map(|step| &step.elements).all(|element| !element.is_array())
}

/// The systems of the codes that stand there bare: an element of type `code` names no system, its binding does.
pub(super) fn implied(resource: ResourceType, kind: SearchKind, path: &Path) -> Vec<&'static str> {
    if kind != SearchKind::Token {
        return Vec::new();
    }
    let paths = path.as_ref().map(bascule_fhir::fhirpath::Expression::paths).unwrap_or_default();
    let ends: Vec<&'static Element> = paths
        .iter()
        .filter_map(|path| resolve(resource.name(), path).ok())
        .flat_map(|resolved| resolved.last().to_vec())
        .collect();
    let lists = ends.into_iter().filter(|element| element.type_name == "code").filter_map(Element::required_value_set);
    let mut systems: Vec<&'static str> =
        lists.filter_map(|url| codes::list(&url)).flat_map(CodeList::systems).map(|(system, _)| system).collect();
    systems.sort_unstable();
    systems.dedup();
    systems
}

#[cfg(test)]
mod tests {
    use super::super::extract::read_path;
    use super::*;

    fn single(resource: &str, path: &str) -> bool {
        is_single(ResourceType::parse(resource).unwrap(), &read_path(path).unwrap())
    }

    #[test]
    fn only_what_never_repeats_is_single() {
        assert!(single("Patient", "birthDate"));
        assert!(single("Observation", "effective"));
        assert!(single("Encounter", "period"));
        assert!(single("DocumentReference", "context.period"));
        assert!(!single("Goal", "target.due.ofType(date)"));
        assert!(!single("Patient", "name"));
        assert!(!single("Observation", "code | component.code"));
        assert!(!single("Observation", "nothing"));
    }

    #[test]
    fn a_bare_code_has_the_system_of_its_binding() {
        let of = |resource: &str, path: &str| {
            implied(ResourceType::parse(resource).unwrap(), SearchKind::Token, &read_path(path).unwrap())
        };
        assert_eq!(of("Patient", "gender"), ["http://hl7.org/fhir/administrative-gender"]);
        assert_eq!(of("Observation", "status"), ["http://hl7.org/fhir/observation-status"]);
        assert!(of("Observation", "code").is_empty());
        assert!(of("Patient", "active").is_empty());
    }
}
