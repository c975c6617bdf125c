//! The words of a resource, for `_text` (its narrative) and `_content` (all of it).

use serde_json::Value;

/// Both texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// What a reader sees of `text.div`.
    pub(crate) narrative: String,
    /// Every other string but those that are addresses of something else.
    pub(crate) content: String,
}

/// Bytes of a resource's words that are indexed; the rest is not found by `_content`.
const WORDS_BYTES_MAX: usize = 256 * 1024;

/// Fields whose values are names of things elsewhere, not words of this resource.
const NOT_WORDS: [&str; 10] =
    ["resourceType", "id", "meta", "reference", "system", "url", "fullUrl", "profile", "data", "div"];

impl Words {
    /// The words of a resource.
    pub(crate) fn of(resource: &Value) -> Self {
        let narrative = resource.pointer("/text/div").and_then(Value::as_str).map(without_tags).unwrap_or_default();
        let mut content = String::new();
        gather(resource, &mut content);
        Self { narrative, content }
    }
}

fn gather(value: &Value, words: &mut String) {
    if words.len() > WORDS_BYTES_MAX {
        return;
    }
    match value {
        Value::String(text) => {
            words.push(' ');
            words.push_str(text);
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, words)),
        Value::Object(fields) => {
            fields
                .iter()
                .filter(|(name, _)| !NOT_WORDS.contains(&name.as_str()))
                .for_each(|(_, item)| gather(item, words));
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
        let words = Words::of(&resource);
        assert_eq!(words.narrative.split_whitespace().collect::<Vec<_>>(), ["Mild", "asthma", "&", "cough"]);
        assert!(words.content.contains("since May") && !words.content.contains("asthma"));
    }
}
