//! Checks of one word against FHIR's tables: the element exists, the parameter exists and reads only what is granted,
//! the compartment can be told.

use bascule_fhir::ResourceType;
use bascule_fhir::element::NoSuchElement;

use crate::decide::is_unfiltered;
use crate::fault::suggest;
use crate::read::{Reader, Word};
use crate::rules::Terms;
use crate::search::{CONTROLS, SEPARATE};
use crate::{Elements, schema};

pub(super) fn no_such_element(resource: ResourceType, word: &Word, fault: &NoSuchElement, reader: &mut Reader<'_>) {
    let through = if fault.path.is_empty() { "" } else { fault.path.as_str() };
    let mend = fault.did_you_mean.as_ref().map_or_else(String::new, |near| format!("did you mean `{near}`?"));
    reader.fault(word.span.clone(), format!("no such element: `{resource}.{through}`"), mend);
}

/// A parameter of `search`: it exists on the type, and every element that it reads is granted.
pub(super) fn parameter(resource: ResourceType, word: &Word, elements: Option<&Elements>, reader: &mut Reader<'_>) {
    let name = word.text.as_str();
    let code = name.strip_prefix("_sort:").unwrap_or(name);
    if CONTROLS.contains(&code) {
        return;
    }
    if SEPARATE.contains(&code) {
        let message = format!("`{name}` cannot be listed");
        reader.fault(word.span.clone(), message, "it is permitted by the types and parameters that it names");
        return;
    }
    if code.contains(':') {
        let message = format!("`{name}` has a modifier");
        reader.fault(
            word.span.clone(),
            message,
            "write the plain name; a modifier is permitted by the elements that it reads",
        );
        return;
    }
    let Some(reads) = schema::reads(resource, code) else {
        let mend = suggest(code, schema::parameters(resource).map(|parameter| parameter.code));
        reader.fault(word.span.clone(), format!("{resource} has no search parameter `{code}`"), mend);
        return;
    };
    let Some(elements) = elements else { return };
    let missing = match &reads.leaves {
        None if *elements == Elements::Whole => None,
        None => Some("*"),
        Some(leaves) => leaves.iter().map(String::as_str).find(|path| !elements.reaches(resource, path)),
    };
    if let Some(path) = missing {
        let message = format!("`{name}` searches `{resource}.{path}`, which is not granted here");
        reader.fault(word.span.clone(), message, "grant the element or remove the parameter");
    }
}

/// No grant names an operation whose answer cannot be filtered.
pub(super) fn operations(words: &[Word], reader: &mut Reader<'_>) {
    for word in words.iter().filter(|word| is_unfiltered(word.text.trim_start_matches('$'))) {
        let message =
            format!("`{}` cannot be granted: its answer has no shape that elements could be held against", word.text);
        reader.fault(word.span.clone(), message, "grant read and search of the types instead");
    }
}

/// A grant of a patient's own data is about types that lie in a patient's compartment.
pub(super) fn compartments(types: &[(ResourceType, Word)], terms: &Terms, reader: &mut Reader<'_>) {
    if !(terms.patients.needs_context() || terms.patients == crate::rules::Patients::Related) {
        return;
    }
    for (resource, word) in types.iter().filter(|(resource, _)| !schema::in_patient_compartment(*resource)) {
        let message = format!(
            "`{resource}` lies in no patient's compartment, so it cannot be granted for `{}`",
            terms.patients.name()
        );
        reader.fault(word.span.clone(), message, "grant it by itself, with patients = \"everyone\"");
    }
}

/// The paths of `targets`: a reference of the type, and an element of a type that it may name.
pub(super) fn targets<'a>(
    types: &[(ResourceType, Word)],
    paths: impl Iterator<Item = &'a Word>,
    reader: &mut Reader<'_>,
) {
    for word in paths {
        let split = word.text.rsplit_once('.');
        let Some((path, element)) = split else {
            let message = format!("`{}` names no element of what is referred to", word.text);
            reader.fault(word.span.clone(), message, "write the reference and the element, as \"slot.status\"");
            continue;
        };
        for (resource, _) in types {
            if let Err(fault) = schema::element(*resource, path) {
                no_such_element(*resource, word, &fault, reader);
            }
        }
        if !ResourceType::all().any(|named| schema::element(named, element).is_ok()) {
            reader.fault(word.span.clone(), format!("no type has an element `{element}`"), "");
        }
    }
}

/// The paths of `values` and `references` exist.
pub(super) fn written_paths<'a>(
    types: &[(ResourceType, Word)],
    paths: impl Iterator<Item = &'a Word>,
    reader: &mut Reader<'_>,
) {
    for word in paths {
        for (resource, _) in types {
            if let Err(fault) = schema::element(*resource, &word.text) {
                no_such_element(*resource, word, &fault, reader);
            }
        }
    }
}
