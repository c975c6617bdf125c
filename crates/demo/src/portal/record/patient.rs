//! Whose record it is.

use serde_json::Value;

use super::super::words::When;
use super::read::{display, list, text, when};

/// The person in front of the page.
#[derive(Debug, Clone)]
pub(in super::super) struct Patient {
    /// As the person writes it.
    pub(in super::super) name: String,
    /// What to call the person in a greeting.
    pub(in super::super) given: String,
    /// The name in Latin letters, if it is written in others too.
    pub(in super::super) latin: Option<String>,
    /// BCP 47, for the name's script and direction.
    pub(in super::super) language: Option<String>,
    pub(in super::super) birth: Option<When>,
    pub(in super::super) record_number: Option<String>,
    pub(in super::super) physician: Option<String>,
    /// `Practitioner/…`, for messages.
    pub(in super::super) physician_reference: Option<String>,
}

/// Reads a Patient.
pub(in super::super) fn patient(body: &Value) -> Patient {
    let names = list(body, "/name");
    let official = names.iter().find(|name| text(name, "/use") == Some("official")).or_else(|| names.first());
    let usual = names.iter().find(|name| text(name, "/use") == Some("usual"));
    let whole = official.map(whole_name).unwrap_or_default();
    Patient {
        given: official.and_then(|name| text(name, "/given/0")).unwrap_or(&whole).to_owned(),
        latin: usual.map(whole_name).filter(|latin| *latin != whole),
        language: text(body, "/communication/0/language/coding/0/code").map(str::to_owned),
        birth: when(body, "/birthDate"),
        record_number: list(body, "/identifier")
            .iter()
            .find(|identifier| text(identifier, "/type/coding/0/code") == Some("MR"))
            .and_then(|identifier| text(identifier, "/value"))
            .map(str::to_owned),
        physician: display(body, "/generalPractitioner/0"),
        physician_reference: text(body, "/generalPractitioner/0/reference").map(str::to_owned),
        name: whole,
    }
}

/// A HumanName as one text.
fn whole_name(name: &Value) -> String {
    if let Some(text) = text(name, "/text") {
        return text.to_owned();
    }
    let given = list(name, "/given").iter().filter_map(Value::as_str);
    given.chain(text(name, "/family")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_in_another_script_keeps_its_latin_form_beside_it() {
        let body = json!({"name": [
            {"use": "official", "text": "يوسف الزهيري", "given": ["يوسف"]},
            {"use": "usual", "given": ["Yusuf"], "family": "Al-Zuhairi"},
        ]});
        let patient = patient(&body);
        assert_eq!((patient.name.as_str(), patient.given.as_str()), ("يوسف الزهيري", "يوسف"));
        assert_eq!(patient.latin.as_deref(), Some("Yusuf Al-Zuhairi"));
    }

    #[test]
    fn a_patient_without_anything_is_still_read() {
        assert_eq!(patient(&json!({"resourceType": "Patient"})).name, "");
    }
}
