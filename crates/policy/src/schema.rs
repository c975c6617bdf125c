//! What FHIR's tables say of elements and search parameters, in the form in which rules are checked: which element
//! paths a parameter reads, which elements are display copies, who lies in a patient's compartment.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use bascule_fhir::element::{self, Element};
use bascule_fhir::search::{self, SearchKind, SearchParameter};
use bascule_fhir::{ResourceType, compartment};

use crate::elements::Shown;
use crate::profile::{Profile, Treatment};

mod expression;

/// What a search parameter of a type reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reads {
    /// The elements whose values decide which resources match, by dotted JSON names; `None` is the whole resource.
    pub(crate) leaves: Option<Vec<String>>,
    /// The elements themselves, without the leaves below them.
    pub(crate) paths: Vec<String>,
}

/// Whether `path` names an element of the type, given back by its JSON names (`value[x]` is several).
///
/// # Errors
/// The step that the type does not have, and the nearest path that it has.
pub(crate) fn element(resource: ResourceType, path: &str) -> Result<Vec<String>, element::NoSuchElement> {
    let resolved = element::resolve(resource.name(), path)?;
    let mut found = vec![String::new()];
    for step in &resolved.steps {
        found = found.iter().flat_map(|above| step.elements.iter().map(move |one| join(above, one.name))).collect();
    }
    // Of a choice, a longer path exists only under some forms.
    found.retain(|path| element::resolve(resource.name(), path).is_ok());
    Ok(found)
}

/// How the element at a path leaves under a profile; `None` if nothing of it does.
pub(crate) fn treatment(profile: Profile, resource: ResourceType, path: &str) -> Option<Shown> {
    let resolved = element::resolve(resource.name(), path).ok()?;
    let mut parents: Vec<&'static str> = vec![resolved.root];
    let mut found = Some(Shown::Plain);
    for step in &resolved.steps {
        let forms = parents.iter().flat_map(|parent| step.elements.iter().map(move |form| (*parent, *form)));
        found = forms.map(|(parent, form)| of_form(profile, parent, form, WALK_DEPTH_MAX)).min().flatten();
        found?;
        parents = step.elements.iter().map(|element| element.type_name).collect();
    }
    found
}

/// Objects in one another that are looked into to tell whether all of an element leaves.
const WALK_DEPTH_MAX: usize = 6;

fn of_form(profile: Profile, parent: &str, form: &Element, depth: usize) -> Option<Shown> {
    match profile.treatment(parent, form) {
        Treatment::Withhold => None,
        Treatment::Mask(mask) => Some(Shown::Masked(mask)),
        Treatment::Keep if form.is_primitive() => Some(Shown::Plain),
        Treatment::Keep if depth == 0 => Some(Shown::Part),
        Treatment::Keep => {
            let children = element::children(form.type_name).unwrap_or_default();
            let own = children.iter().filter(|child| child.name != "id" && !is_shield(&[form.type_name], child.name));
            let whole = own.map(|child| of_form(profile, form.type_name, child, depth - 1));
            Some(if whole.into_iter().all(|one| one == Some(Shown::Plain)) { Shown::Plain } else { Shown::Part })
        }
    }
}

/// Whether the type defines something and holds nothing about anybody: its parts hold one another up, so it leaves whole
/// or not at all.
#[must_use]
pub fn is_definition(resource: ResourceType) -> bool {
    DEFINITIONS.contains(&resource.name())
}

const DEFINITIONS: [&str; 14] = [
    "CapabilityStatement",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "GraphDefinition",
    "ImplementationGuide",
    "MessageDefinition",
    "OperationDefinition",
    "SearchParameter",
    "StructureDefinition",
    "StructureMap",
    "TerminologyCapabilities",
    "TestScript",
    "ValueSet",
];

/// The names of a type's own elements, without `id` and what every resource has in common.
pub(crate) fn top_elements(resource: ResourceType) -> impl Iterator<Item = &'static str> {
    element::children(resource.name()).unwrap_or_default().iter().map(|element| element.name)
}

/// The elements directly below a path that leave with it, by name; empty for a primitive.
pub(crate) fn below(resource: ResourceType, path: &str) -> Vec<&'static str> {
    let Ok(resolved) = element::resolve(resource.name(), path) else { return Vec::new() };
    let kinds = resolved.last().iter().filter_map(|element| element.kind()).filter(|kind| !kind.primitive);
    kinds
        .flat_map(|kind| {
            kind.elements().iter().map(|element| element.name).filter(|name| !is_shield(&[kind.name], name))
        })
        .collect()
}

/// Whether between `path` and the named element above it stands something that leaves only if named itself: a display
/// copy, narrative, an extension, a contained resource.
pub(crate) fn is_shielded(resource: ResourceType, named: &BTreeSet<String>, path: &str) -> bool {
    let Ok(resolved) = element::resolve(resource.name(), path) else { return true };
    let mut above = String::new();
    let mut parent: Vec<&'static str> = vec![resolved.root];
    let mut open = false;
    for step in &resolved.steps {
        let name = step.name();
        above = join(&above, &name);
        if named.contains(&above) {
            open = true;
        } else if is_shield(&parent, &name) {
            open = false;
        }
        parent = step.elements.iter().map(|element| element.type_name).collect();
    }
    !open
}

fn is_shield(parents: &[&'static str], name: &str) -> bool {
    matches!(name, "extension" | "modifierExtension" | "contained")
        || parents.iter().any(|parent| element::is_display_copy(parent, name))
}

/// The parameter of that name on that type.
pub(crate) fn parameter(resource: ResourceType, code: &str) -> Option<&'static SearchParameter> {
    known(resource, code).map(|known| known.parameter)
}

/// Every parameter of a type by name.
pub(crate) fn parameters(resource: ResourceType) -> impl Iterator<Item = &'static SearchParameter> {
    search::parameters(resource)
}

/// What the parameter reads; `None` if there is no such parameter.
pub(crate) fn reads(resource: ResourceType, code: &str) -> Option<&'static Reads> {
    known(resource, code).map(|known| &known.reads)
}

fn known(resource: ResourceType, code: &str) -> Option<&'static Known> {
    KNOWN.get(resource.index()).and_then(|of_type| of_type.get(code))
}

/// A parameter and what it reads, worked out once.
struct Known {
    parameter: &'static SearchParameter,
    reads: Reads,
}

static KNOWN: LazyLock<Vec<HashMap<&'static str, Known>>> = LazyLock::new(|| {
    let of_type = |resource| {
        // A type's own parameter stands before one of that name that every type has.
        let mut all = HashMap::new();
        for parameter in parameters(resource) {
            all.entry(parameter.code).or_insert_with(|| Known { parameter, reads: reads_of(resource, parameter) });
        }
        all
    };
    ResourceType::all().map(of_type).collect()
});

fn reads_of(resource: ResourceType, parameter: &SearchParameter) -> Reads {
    let paths = if parameter.components.is_empty() {
        expression::paths(parameter.expression)
    } else {
        composite_paths(parameter)
    };
    let resolved = paths.and_then(|paths| json_paths(resource, &paths));
    let leaves = resolved.as_ref().map(|paths| paths.iter().flat_map(|path| leaves(resource, path)).collect());
    Reads { leaves, paths: resolved.unwrap_or_default() }
}

/// Every part of a composite, below its own expression.
fn composite_paths(parameter: &SearchParameter) -> Option<Vec<String>> {
    let bases =
        if parameter.expression == "$this" { vec![String::new()] } else { expression::paths(parameter.expression)? };
    let mut all = Vec::new();
    for component in &parameter.components {
        let whole = component.expression.strip_prefix("%resource.");
        for part in expression::paths(whole.unwrap_or(component.expression))? {
            let above: &[String] = if whole.is_some() { &[] } else { &bases };
            if above.is_empty() {
                all.push(part);
            } else {
                all.extend(above.iter().map(|base| join(base, &part)));
            }
        }
    }
    Some(all)
}

/// The paths with choices spelled out; `None` if one of them is not known.
fn json_paths(resource: ResourceType, paths: &[String]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(element(resource, path).ok()?);
    }
    Some(all)
}

/// What of an element a plain search compares, by its data type: of a reference the reference, of a coding its code.
fn leaves(resource: ResourceType, path: &str) -> Vec<String> {
    let Ok(resolved) = element::resolve(resource.name(), path) else { return vec![path.to_owned()] };
    let parts: &[&str] = match resolved.last().first().map(|element: &&Element| element.type_name) {
        Some("Reference") => &["reference"],
        Some("CodeableConcept") => &["coding.system", "coding.code"],
        Some("Coding") => &["system", "code"],
        Some("Identifier") => &["system", "value"],
        Some("Period") => &["start", "end"],
        _ => &[],
    };
    if parts.is_empty() {
        return vec![path.to_owned()];
    }
    parts.iter().map(|part| join(path, part)).collect()
}

/// What `:text` compares on this parameter: the display copies; `None` if it is not known.
pub(crate) fn text_leaves(resource: ResourceType, code: &str) -> Option<Vec<String>> {
    let reads = reads(resource, code)?;
    let mut all = Vec::new();
    for path in &reads.paths {
        let resolved = element::resolve(resource.name(), path).ok()?;
        let parts: &[&str] = match resolved.last().first()?.type_name {
            "CodeableConcept" => &["text", "coding.display"],
            "Coding" | "Reference" => &["display"],
            _ => return None,
        };
        all.extend(parts.iter().map(|part| join(path, part)));
    }
    Some(all)
}

/// Whether the parameter is a reference that may point at a patient.
pub(crate) fn points_at_patient(parameter: &SearchParameter) -> bool {
    parameter.kind == SearchKind::Reference && parameter.targets.contains(&ResourceType::PATIENT)
}

/// Whether resources of the type may lie in a patient's compartment.
pub(crate) fn in_patient_compartment(resource: ResourceType) -> bool {
    // A `Binary` says whose it is by its `securityContext`.
    matches!(resource, ResourceType::PATIENT | ResourceType::BINARY) || !patient_parameters(resource).is_empty()
}

/// The parameters by which a type belongs to a patient's compartment.
pub(crate) fn patient_parameters(resource: ResourceType) -> &'static [&'static str] {
    compartment::parameters(ResourceType::PATIENT, resource)
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}
