//! The attributes of DICOM by keyword (PS3.6), as a policy names them: `PatientName`, `RequestAttributesSequence.StudyDate`,
//! or by tag, `(0010,0010)`.
//!
//! `attributes.txt` beside this file has those of patient, study, series, equipment, image and procedure that are not
//! retired (groups 0008 to 0088); any other is written by its tag.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::fault::suggest;

/// Keyword to tag, eight hex digits in capitals, as DICOM JSON writes it.
static TAGS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let rows = include_str!("attributes.txt").lines();
    rows.filter_map(|row| row.split_once(' ').map(|(tag, keyword)| (keyword, tag))).collect()
});

/// Tag to keyword.
static KEYWORDS: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| TAGS.iter().map(|(keyword, tag)| (*tag, *keyword)).collect());

/// An attribute, or one of a sequence, step by step: by keyword where there is one.
///
/// # Errors
/// What is wrong, and what to write.
pub(crate) fn attribute(text: &str) -> Result<String, (String, String)> {
    text.split('.').map(one).collect::<Result<Vec<_>, _>>().map(|steps| steps.join("."))
}

/// The tag of one attribute, as a keyword or `(gggg,eeee)` is written in a policy; `None` if it is neither.
#[must_use]
pub fn tag(name: &str) -> Option<String> {
    TAGS.get(name).map(|tag| (*tag).to_owned()).or_else(|| hex(name))
}

fn one(text: &str) -> Result<String, (String, String)> {
    if TAGS.contains_key(text) {
        return Ok(text.to_owned());
    }
    if let Some(tag) = hex(text) {
        let named = KEYWORDS.get(tag.as_str()).map(|keyword| (*keyword).to_owned());
        return Ok(named.unwrap_or_else(|| text.to_ascii_uppercase()));
    }
    let near = suggest(text, TAGS.keys().copied());
    let mend = if near.is_empty() { "write its keyword, or its tag as \"(0010,0010)\"".to_owned() } else { near };
    Err((format!("no such attribute: `{text}`"), mend))
}

/// `(0010,0010)` as `00100010`.
fn hex(text: &str) -> Option<String> {
    let (group, element) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    let digits = |part: &str| part.len() == 4 && part.bytes().all(|b| b.is_ascii_hexdigit());
    (digits(group) && digits(element)).then(|| format!("{group}{element}").to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_a_keyword_or_a_tag() {
        assert_eq!(attribute("PatientName").as_deref(), Ok("PatientName"));
        assert_eq!(attribute("(0010,0010)").as_deref(), Ok("PatientName"));
        assert_eq!(attribute("(0009,10aB)").as_deref(), Ok("(0009,10AB)"));
        assert_eq!(
            attribute("RequestAttributesSequence.ScheduledProcedureStepID").as_deref(),
            Ok("RequestAttributesSequence.ScheduledProcedureStepID")
        );
        assert_eq!(attribute("PatientNam").unwrap_err().1, "did you mean `PatientName`?");
        for wrong in ["", "patientname", "00100010", "(10,10)", "(0010,001g)", "PatientName."] {
            assert!(attribute(wrong).is_err(), "{wrong}");
        }
        assert_eq!(tag("StudyInstanceUID").as_deref(), Some("0020000D"));
        assert_eq!(tag("(0009,10ab)").as_deref(), Some("000910AB"));
        assert_eq!(tag("StudyUID"), None);
    }
}
