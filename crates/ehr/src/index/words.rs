//! The words of a resource, for `_text` (its narrative) and `_content` (all of it).
//!
//! A word is indexed as a word of its type: who looks for one among Observations never meets those of Conditions.

use bascule_fhir::ResourceType;
use serde_json::Value;

use super::fold::fold;

/// Both texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// What a reader sees of `text.div`.
    pub(crate) narrative: String,
    /// Every other string but those that are addresses of something else.
    pub(crate) content: String,
}

/// Bytes of a resource's words that are indexed; the rest is not found by `_content`.
const WORDS_BYTES_MAX: usize = 1024 * 1024;

/// Fields whose values are names of things elsewhere, not words of this resource.
const NOT_WORDS: [&str; 10] =
    ["resourceType", "id", "meta", "reference", "system", "url", "fullUrl", "profile", "data", "div"];

impl Words {
    /// The words of a resource.
    pub(crate) fn of(kind: ResourceType, resource: &Value) -> Self {
        let mark = mark(kind);
        let mut words = Self::default();
        if let Some(markup) = resource.pointer("/text/div").and_then(Value::as_str) {
            put(&without_tags(markup), &mark, &mut words.narrative);
        }
        gather(resource, &mark, &mut words.content);
        words
    }
}

/// What the words of a type begin with, so that they are its own.
fn mark(kind: ResourceType) -> String {
    format!("{:03}", kind.index())
}

/// A text as the words of a type that the index has.
pub(crate) fn marked(kind: ResourceType, text: &str) -> Vec<String> {
    let mark = mark(kind);
    split(&fold(text)).map(|word| format!("{mark}{word}")).collect()
}

fn split(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn put(text: &str, mark: &str, words: &mut String) {
    for word in split(&fold(text)) {
        words.push_str(mark);
        words.push_str(word);
        words.push(' ');
    }
}

fn gather(value: &Value, mark: &str, words: &mut String) {
    if words.len() > WORDS_BYTES_MAX {
        return;
    }
    match value {
        Value::String(text) => put(text, mark, words),
        Value::Array(items) => items.iter().for_each(|item| gather(item, mark, words)),
        Value::Object(fields) => {
            fields
                .iter()
                .filter(|(name, _)| !NOT_WORDS.contains(&name.as_str()))
                .for_each(|(_, item)| gather(item, mark, words));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// XHTML without its tags; the five entities of XML and the space are read.
fn without_tags(markup: &str) -> String {
    let mut text = String::with_capacity(markup.len() / 2);
    for piece in markup.split('<') {
        let visible = piece.split_once('>').map_or(piece, |(_, after)| after);
        text.push_str(visible);
        text.push(' ');
    }
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&nbsp;", " "), ("&#160;", " "), ("&amp;", "&")]
        .into_iter()
        .fold(text, |text, (entity, character)| if text.contains('&') { text.replace(entity, character) } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_not_words() {
        let resource = serde_json::json!({ "text": { "div": "<div xmlns=\"x\">Mild <b>asthma</b> &amp; cough</div>" }, "note": [{ "text": "since May" }] });
        let words = Words::of(ResourceType::PATIENT, &resource);
        let narrative: Vec<_> = words.narrative.split_whitespace().map(|word| &word[3..]).collect();
        assert_eq!(narrative, ["mild", "asthma", "cough"]);
        assert!(words.content.contains("since") && !words.content.contains("asthma"));
    }

    #[test]
    fn a_word_is_sought_as_it_is_indexed_and_belongs_to_its_type() {
        let resource = serde_json::json!({ "note": [{ "text": "Müller's na\u{ef}ve 2nd-line" }] });
        let words = Words::of(ResourceType::PATIENT, &resource);
        let indexed: Vec<_> = words.content.split_whitespace().collect();
        assert_eq!(indexed, marked(ResourceType::PATIENT, "MU\u{308}LLER S naive 2ND LINE"));
        assert_ne!(marked(ResourceType::PATIENT, "word"), marked(ResourceType::BUNDLE, "word"));
    }
}
