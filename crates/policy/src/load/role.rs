//! `[role.NAME]`: a title, what its grants have in common, its grants and denies.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::call;
use super::grant::{self, Common};
use super::lists::Lists;
use super::words;
use crate::read::{Reader, Section, Word};
use crate::rules::{Grant, Keeps, Patients, Role};

pub(super) fn read(name: &Word, mut section: Section<'_>, lists: &Lists, reader: &mut Reader<'_>) -> Role {
    check_name(name, reader);
    let title = section.word("title", reader);
    if title.is_none() {
        reader.fault(
            name.span.clone(),
            format!("role `{}` has no title", name.text),
            "say in words who that is: title = \"…\"",
        );
    }
    let purposes = purposes(name, &mut section, reader);
    let no_relation = section.word("no-relation", reader).and_then(|word| words::no_relation(&word, reader));
    let patients = section.word("patients", reader).and_then(|word| words::patients(&word, reader));
    let common = Common {
        role: name.text.clone(),
        apis: section.words("api", reader).unwrap_or_default(),
        patients: patients.unwrap_or(Patients::Everyone),
        purposes: purposes.clone(),
    };
    let keeps = section.words("keeps", reader).unwrap_or_default();
    let keeps: BTreeSet<Keeps> = keeps.iter().filter_map(|word| words::keeps(word, reader)).collect();
    let treating = section.flag("treating", reader).unwrap_or(false);
    let mut grants = Vec::new();
    for (key, emergency) in [("grant", false), ("emergency", true)] {
        for inner in section.sections(key, reader) {
            if emergency && !treating {
                reader.fault(
                    inner.span(),
                    format!("role `{}` does not treat, so it has no emergency access", name.text),
                    "write treating = true",
                );
            }
            grants.extend(grant::read(inner, &common, emergency, lists, reader));
        }
    }
    let calls = call::read_all(&mut section, &common, treating, lists, reader);
    let mut denies = Vec::new();
    for inner in section.sections("deny", reader) {
        let id = inner.name().trim_start_matches("role.").to_owned();
        denies.extend(grant::read_deny(&id, inner, Some(&common), lists, reader));
    }
    if grants.is_empty() && calls.is_empty() && denies.is_empty() && keeps.is_empty() {
        reader.fault(
            name.span.clone(),
            format!("role `{}` grants nothing", name.text),
            format!("write [[role.{}.grant]]", name.text),
        );
    }
    section.finish(reader);
    refuse_twins(&grants, name, reader);
    Role {
        name: name.text.as_str().into(),
        title: title.map(|word| word.text).unwrap_or_default(),
        purposes,
        treating,
        no_relation: no_relation.unwrap_or_default(),
        keeps,
        file: reader.file().to_owned(),
        grants,
        calls,
        denies,
    }
}

fn check_name(name: &Word, reader: &mut Reader<'_>) {
    let sound = !name.text.is_empty()
        && name.text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !sound {
        reader.fault(
            name.span.clone(),
            format!("`{}` is no name of a role", name.text),
            "use small letters, digits and `-`",
        );
    }
}

fn purposes(name: &Word, section: &mut Section<'_>, reader: &mut Reader<'_>) -> Vec<Arc<str>> {
    let words = section.words("purpose", reader);
    if words.as_ref().is_none_or(Vec::is_empty) {
        reader.fault(
            name.span.clone(),
            format!("role `{}` has no purpose of use", name.text),
            "write purpose = [\"TREAT\"] or another",
        );
    }
    let words = words.unwrap_or_default();
    words.iter().filter_map(|word| words::purpose(word, reader)).map(Arc::from).collect()
}

/// Two grants that say the same are one too many: who removes one would believe it gone.
fn refuse_twins(grants: &[Grant], name: &Word, reader: &mut Reader<'_>) {
    for (index, grant) in grants.iter().enumerate() {
        let same = |other: &&Grant| {
            other.apis == grant.apis
                && other.elements == grant.elements
                && other.interactions == grant.interactions
                && other.operations == grant.operations
                && other.search == grant.search
                && other.writes == grant.writes
                && other.terms == grant.terms
        };
        if let Some(twin) = grants.iter().take(index).find(same) {
            let message = format!("`{}` says the same as `{}`", grant.id, twin.id);
            reader.fault(name.span.clone(), message, format!("remove the one in line {}", grant.line));
        }
    }
}
