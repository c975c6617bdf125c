//! `masks` and `profile` of a grant: what leaves of an element in the place of its value, and under which profile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bascule_fhir::ResourceType;
use bascule_fhir::element;

use super::{check, words};
use crate::mask::{self, Mask};
use crate::read::{Reader, Section, Word};
use crate::rules::take;
use crate::{Elements, Profile, schema};

type ByType = BTreeMap<ResourceType, Arc<Elements>>;

/// The elements of a grant under its masks and its profile.
pub(super) fn put_on(section: &mut Section<'_>, elements: ByType, reader: &mut Reader<'_>) -> ByType {
    let profile = section.word("profile", reader).and_then(|word| self::profile(&word, reader));
    let masks: Vec<(Word, Word, Mask)> = section
        .section("masks", reader)
        .map(|section| section.named_words(reader))
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(path, words)| {
            let word = words.into_iter().next()?;
            mask_of(&word, reader).map(|mask| (path, word, mask))
        })
        .collect();
    if profile.is_none() && masks.is_empty() {
        definitions_whole(section, &elements, reader);
        return elements;
    }
    let one = |(resource, elements): (ResourceType, Arc<Elements>)| {
        let elements = masked(resource, &elements, &masks, profile, reader);
        (resource, Arc::new(elements))
    };
    elements.into_iter().map(one).collect()
}

fn profile(word: &Word, reader: &mut Reader<'_>) -> Option<Profile> {
    let known = Profile::ALL.map(|profile| (profile.name(), profile));
    words::choice(word, &known, "`profile` cannot be", reader)
}

fn mask_of(word: &Word, reader: &mut Reader<'_>) -> Option<Mask> {
    let known = Mask::ALL.map(|mask| (mask.name(), mask));
    words::choice(word, &known, "a mask cannot be", reader)
}

/// A masked element is taken out of what is named, and named again with its mask.
fn masked(
    resource: ResourceType,
    elements: &Elements,
    masks: &[(Word, Word, Mask)],
    profile: Option<Profile>,
    reader: &mut Reader<'_>,
) -> Elements {
    let mut named: Option<BTreeSet<String>> = elements.named().cloned();
    for (path, word, mask) in masks {
        let paths = match schema::element(resource, &path.text) {
            Ok(paths) => paths,
            Err(fault) => {
                check::no_such_element(resource, path, &fault, reader);
                continue;
            }
        };
        for path in paths.iter().filter(|path| may_mask(resource, path, *mask, profile, word, reader)) {
            let left = named.get_or_insert_with(|| schema::top_elements(resource).map(str::to_owned).collect());
            take(resource, left, path);
            left.insert(mask::join(path, *mask));
        }
    }
    match (profile, named) {
        (Some(profile), named) => Elements::Profiled { profile, named },
        (None, Some(named)) => Elements::Only(named),
        (None, None) => Elements::Whole,
    }
}

/// Whether the mask fits the element, and the profile lets it out so.
fn may_mask(
    resource: ResourceType,
    path: &str,
    mask: Mask,
    profile: Option<Profile>,
    word: &Word,
    reader: &mut Reader<'_>,
) -> bool {
    let Ok(resolved) = element::resolve(resource.name(), path) else { return false };
    let before = resolved.steps.len().checked_sub(2).and_then(|before| resolved.steps.get(before));
    let parent = before.and_then(|step| step.elements.first()).map_or(resolved.root, |element| element.type_name);
    let Some(element) = resolved.last().first() else { return false };
    if !mask.fits(parent, element) {
        let message = format!("`{}` cannot be put on `{resource}.{path}`", mask.name());
        reader.fault(word.span.clone(), message, mask.fitting());
        return false;
    }
    match profile {
        Some(profile) if !profile.allows(mask, profile.treatment(parent, element)) => {
            let message = format!("`{}` does not let `{resource}.{path}` out as `{}`", profile.name(), mask.name());
            reader.fault(word.span.clone(), message, "remove the mask: the profile has its own rule for this element");
            false
        }
        _ => true,
    }
}

/// What defines things leaves whole or not at all.
fn definitions_whole(section: &Section<'_>, elements: &ByType, reader: &mut Reader<'_>) {
    for (resource, elements) in elements {
        if schema::is_definition(*resource) && elements.named().is_some_and(|named| !named.is_empty()) {
            let message = format!("`{resource}` cannot leave in part: its parts hold one another up");
            reader.fault(
                section.span(),
                message,
                "grant it by itself with elements = \"*\"; it holds nothing about anybody",
            );
        }
    }
}
