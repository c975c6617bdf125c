//! Asking a section for what must be there, within its bounds.

use std::ops::RangeInclusive;

use bascule_policy::fault::suggest;
use bascule_policy::read::{Reader, Section, Word};

/// A text that must be there.
pub(crate) fn required_word(
    section: &mut Section<'_>,
    key: &'static str,
    example: &str,
    reader: &mut Reader<'_>,
) -> Option<Word> {
    if section.value(key).is_none() {
        missing(section, key, example, reader);
        return None;
    }
    section.word(key, reader)
}

/// A table that must be there: a missing section does not mean "none".
pub(crate) fn required_section<'t>(
    section: &mut Section<'t>,
    key: &'static str,
    reader: &mut Reader<'_>,
) -> Option<Section<'t>> {
    if section.value(key).is_none() {
        missing(section, key, "{ … }", reader);
        return None;
    }
    section.section(key, reader)
}

fn missing(section: &Section<'_>, key: &str, example: &str, reader: &mut Reader<'_>) {
    let name = section.name();
    let (message, mend) = if name.is_empty() {
        (format!("there is no [{key}]"), format!("add [{key}]; a missing section does not mean \"none\""))
    } else {
        (format!("`{name}` has no `{key}`"), format!("write {key} = {example}"))
    };
    reader.fault(first(section), message, mend);
}

/// Where a fault about a whole section is marked.
pub(super) fn first(section: &Section<'_>) -> std::ops::Range<usize> {
    let span = section.span();
    span.start..span.end.min(span.start.saturating_add(1))
}

/// A whole number within bounds, or its default.
pub(super) fn number(
    section: &mut Section<'_>,
    key: &'static str,
    default: u64,
    bounds: RangeInclusive<u64>,
    reader: &mut Reader<'_>,
) -> u64 {
    let Some(span) = section.value(key).map(toml::Spanned::span) else { return default };
    match section.number(key, reader) {
        Some(number) if !bounds.contains(&number) => {
            let (low, high) = (bounds.start(), bounds.end());
            reader.fault(span, format!("`{key}` is {number}"), format!("choose from {low} to {high}"));
            default
        }
        Some(number) => number,
        None => default,
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    section: &mut Section<'_>,
    key: &'static str,
    words: &[(&'static str, T)],
    reader: &mut Reader<'_>,
) -> Option<T> {
    let all = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" | ");
    let word = required_word(section, key, &all, reader)?;
    let found = words.iter().find(|(name, _)| *name == word.text).map(|(_, value)| *value);
    if found.is_none() {
        let near = suggest(&word.text, words.iter().map(|(name, _)| *name));
        let mend = if near.is_empty() { format!("choose {all}") } else { near };
        reader.fault(word.span, format!("`{key}` cannot be \"{}\"", word.text), mend);
    }
    found
}
