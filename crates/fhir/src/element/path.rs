//! Dotted paths as policy files write them, resolved against the table: `participant.actor.reference`,
//! `meta.versionId`, `value[x]`, `valueQuantity`, `birthDate.extension`.

use std::fmt;

use serde_json::Value;

use super::{Element, Type};

/// Steps of a path at most; deeper is a mistake, not a need.
pub const PATH_STEPS_MAX: usize = 32;

/// A path that exists, step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedPath {
    /// The resource or type that it stands on.
    pub root: &'static str,
    /// At least one.
    pub steps: Vec<Step>,
}

/// One step: one element, or every form of a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The elements it may mean, by JSON name. More than one only for `value[x]`.
    pub elements: Vec<&'static Element>,
}

/// A path that leads nowhere: where it breaks, and what may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchElement {
    /// The path as it was written.
    pub path: String,
    /// The type at which it breaks: `Appointment.participant`.
    pub parent: String,
    /// The step that the type does not have.
    pub step: String,
    /// The whole path with the nearest name that the type has.
    pub did_you_mean: Option<String>,
}

impl ResolvedPath {
    /// The elements at the end: one, or every form of a choice.
    #[must_use]
    pub fn last(&self) -> &[&'static Element] {
        self.steps.last().map_or(&[], |step| &step.elements)
    }

    /// The values at the path in a resource, each item of an array by itself.
    #[must_use]
    pub fn values<'a>(&self, resource: &'a Value) -> Vec<&'a Value> {
        self.steps.iter().fold(vec![resource], |at, step| {
            at.into_iter()
                .flat_map(|value| step.elements.iter().map(move |element| (value, element)))
                .flat_map(|(value, element)| match value.get(element.name) {
                    Some(Value::Array(items)) => items.iter().collect(),
                    Some(single) => vec![single],
                    None => Vec::new(),
                })
                .collect()
        })
    }

    /// The path as definitions write it: `value[x]`, `participant.actor`.
    #[must_use]
    pub fn defined(&self) -> String {
        let names: Vec<String> = self.steps.iter().map(Step::name).collect();
        names.join(".")
    }
}

impl Step {
    /// `value[x]` for a choice left open, else the JSON name.
    #[must_use]
    pub fn name(&self) -> String {
        match self.elements.as_slice() {
            [one] => one.name.to_owned(),
            several => several.first().map(|first| first.defined_name()).unwrap_or_default(),
        }
    }
}

impl fmt::Display for NoSuchElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if Type::find(&self.parent).is_none() {
            return write!(f, "`{}`: FHIR R4 has no type `{}`", self.path, self.parent);
        }
        write!(f, "`{}`: {} has no element `{}`", self.path, self.parent, self.step)?;
        match &self.did_you_mean {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NoSuchElement {}

/// Resolves a dotted path on a resource type (or data type). The type's own name may stand first (`Patient.name`).
///
/// # Errors
///
/// The first step that its type does not have, with the nearest name that it has.
pub fn resolve(resource: &str, path: &str) -> Result<ResolvedPath, NoSuchElement> {
    let root = Type::find(resource).ok_or_else(|| missing(path, resource, path, None))?;
    let relative = path.strip_prefix(resource).and_then(|rest| rest.strip_prefix('.')).unwrap_or(path);
    let names: Vec<&str> = relative.split('.').collect();
    let mut kinds = vec![root];
    let mut steps = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        let elements: Vec<&'static Element> = kinds.iter().flat_map(|kind| named(kind, name)).collect();
        if elements.is_empty() || at >= PATH_STEPS_MAX {
            let parent = kinds.first().map_or(resource, |kind| kind.name);
            return Err(missing(path, parent, name, nearest(&kinds, &names, at)));
        }
        kinds = elements.iter().filter_map(|element| element.kind()).collect();
        kinds.dedup_by_key(|kind| kind.name);
        steps.push(Step { elements });
    }
    Ok(ResolvedPath { root: root.name, steps })
}

/// The elements of that name; `value[x]` and, where nothing bears the bare name, `value` are every form of the choice.
fn named(kind: &'static Type, name: &str) -> Vec<&'static Element> {
    let stem = name.strip_suffix("[x]");
    if let (None, Some(element)) = (stem, kind.child(name)) {
        return vec![element];
    }
    let stem = stem.unwrap_or(name);
    kind.forms(stem).iter().collect()
}

fn missing(path: &str, parent: &str, step: &str, did_you_mean: Option<String>) -> NoSuchElement {
    NoSuchElement { path: path.to_owned(), parent: parent.to_owned(), step: step.to_owned(), did_you_mean }
}

/// The path with its broken step put right, if some name is near enough.
fn nearest(kinds: &[&'static Type], names: &[&str], at: usize) -> Option<String> {
    let wrong = names.get(at).filter(|wrong| !wrong.is_empty())?;
    let candidates = kinds.iter().flat_map(|kind| kind.elements()).map(Element::defined_name);
    let (distance, right) = candidates.map(|name| (distance(&name, wrong), name)).min()?;
    if distance > (wrong.len() / 3).max(2) {
        return None;
    }
    let head = names.get(..at)?.iter().map(|name| (*name).to_owned());
    let tail = names.get(at + 1..)?.iter().map(|name| (*name).to_owned());
    Some(head.chain(std::iter::once(right)).chain(tail).collect::<Vec<_>>().join("."))
}

/// How many letters differ, without case; a name of which the wrong one is the beginning is near.
fn distance(name: &str, wrong: &str) -> usize {
    let (name, wrong) = (name.to_ascii_lowercase(), wrong.to_ascii_lowercase());
    if wrong.len() > 2 && (name.starts_with(&wrong) || wrong.starts_with(&name)) && !name.is_empty() {
        return 1;
    }
    strsim::damerau_levenshtein(&name, &wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(resource: &str, path: &str, expected: &str) {
        let outcome = match resolve(resource, path) {
            Ok(found) => {
                let kinds: Vec<&str> = found.last().iter().map(|element| element.type_name).take(3).collect();
                format!("{}: {}", found.defined(), kinds.join(","))
            }
            Err(fault) => fault.to_string(),
        };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn paths_of_policy_files_resolve() {
        check("Appointment", "participant.actor.reference", "participant.actor.reference: string");
        check("Appointment", "Appointment.start", "start: instant");
        check("Patient", "meta.versionId", "meta.versionId: id");
        check("Patient", "extension", "extension: Extension");
        check("Patient", "extension.valueString", "extension.valueString: string");
        check("Patient", "birthDate.extension.url", "birthDate.extension.url: uri");
        check("Observation", "code.coding.display", "code.coding.display: string");
        check("Observation", "valueQuantity", "valueQuantity: Quantity");
        check("Observation", "valueQuantity.unit", "valueQuantity.unit: string");
        check("Questionnaire", "item.item.item.linkId", "item.item.item.linkId: string");
        check("HumanName", "family", "family: string");
    }

    #[test]
    fn an_open_choice_is_every_form_of_it() {
        check("Observation", "value[x]", "value[x]: Quantity,CodeableConcept,string");
        check("Observation", "value", "value[x]: Quantity,CodeableConcept,string");
        check("Observation", "value[x].coding.code", "value[x].coding.code: code");
        assert_eq!(resolve("Observation", "value[x]").unwrap().last().len(), 11);
    }

    #[test]
    fn a_wrong_step_names_its_parent_and_the_nearest_name() {
        check(
            "Appointment",
            "participant.acter.reference",
            "`participant.acter.reference`: Appointment.participant has no element `acter`; \
             did you mean `participant.actor.reference`?",
        );
        check("Observation", "valueX", "`valueX`: Observation has no element `valueX`; did you mean `value[x]`?");
        check("Patient", "Name", "`Name`: Patient has no element `Name`; did you mean `name`?");
        check("Patient", "diagnosis", "`diagnosis`: Patient has no element `diagnosis`");
        check("Patient", "", "``: Patient has no element ``");
        check("Patient", "name..given", "`name..given`: HumanName has no element ``");
        check("Pacient", "name", "`name`: FHIR R4 has no type `Pacient`");
        check("Patient", "name[x]", "`name[x]`: Patient has no element `name[x]`; did you mean `name`?");
    }

    #[test]
    fn values_are_found_through_arrays_and_choices() {
        let observation = serde_json::json!({"component": [{"valueString": "a"}, {"valueInteger": 1}, {}]});
        let values: Vec<String> = resolve("Observation", "component.value[x]")
            .unwrap()
            .values(&observation)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(values, [r#""a""#, "1"]);
    }

    #[test]
    fn a_path_has_a_bound() {
        let deep = vec!["item"; PATH_STEPS_MAX + 1].join(".");
        assert!(resolve("Questionnaire", &deep).is_err());
    }
}
