//! Whether a resource matches a search, as a granular scope states it: `category=system|code`. Only the forms whose
//! meaning is plain; what is not known here is unknown, and unknown keeps the resource.

use bascule_fhir::fhirpath::{Found, select};
use bascule_fhir::search::{self, SearchKind};
use serde_json::Value;

use crate::condition::{Known, Truth, any, truth};

/// Whether the resource, which is `tree`, matches `name=value`.
pub(crate) fn matches(known: &Known<'_>, tree: &Value, name: &str, value: &str) -> Truth {
    let Some(parameter) = search::parameter(known.resource, name) else { return Truth::Unknown };
    let Some(expression) = parameter.parsed() else { return Truth::Unknown };
    let found = select(tree, expression);
    any(alternatives(value).iter().map(|wanted| match parameter.kind {
        SearchKind::Token => truth(found.iter().any(|one| has_token(one, wanted))),
        SearchKind::Reference => truth(found.iter().any(|one| points_at(known, one, wanted))),
        SearchKind::Uri => truth(found.iter().any(|one| one.value.as_str() == Some(&unescape(wanted)))),
        _ => Truth::Unknown,
    }))
}

/// The values that a comma separates; `\,` is part of a value.
fn alternatives(value: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        let Some(last) = all.last_mut() else { break };
        match letter {
            '\\' => {
                last.push(letter);
                last.extend(letters.next());
            }
            ',' => all.push(String::new()),
            _ => last.push(letter),
        }
    }
    all
}

/// `code`, `system|code`, `|code` or `system|` against whatever of FHIR's types a token may be.
fn has_token(found: &Found<'_>, wanted: &str) -> bool {
    let (system, code) = match split_bar(wanted) {
        Some((system, code)) => (Some(unescape(system)), unescape(code)),
        None => (None, unescape(wanted)),
    };
    tokens(found.value).iter().any(|(their_system, their_code)| {
        let right_system = system.as_deref().is_none_or(|system| system == their_system.unwrap_or_default());
        right_system && (code == *their_code || (code.is_empty() && system.is_some()))
    })
}

/// System and code of everything in the value that a token may mean.
fn tokens(value: &Value) -> Vec<(Option<&str>, String)> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    match value {
        Value::String(code) => vec![(None, code.clone())],
        Value::Bool(flag) => vec![(None, flag.to_string())],
        Value::Object(members) => match members.get("coding").and_then(Value::as_array) {
            Some(codings) => codings.iter().flat_map(tokens).collect(),
            None => {
                let code = text("code").or_else(|| text("value"));
                code.map(|code| (text("system"), code.to_owned())).into_iter().collect()
            }
        },
        _ => Vec::new(),
    }
}

fn points_at(known: &Known<'_>, found: &Found<'_>, wanted: &str) -> bool {
    let wanted = unescape(wanted);
    let Some(reference) = found.value.get("reference").and_then(Value::as_str) else { return false };
    let target = |text: &str| {
        let found = known.rewrite.target(text.as_bytes());
        found.map(|(resource, id)| (resource.to_vec(), id.to_vec()))
    };
    let theirs = target(reference);
    theirs.is_some() && theirs == target(&wanted)
}

/// The parts before and after the first `|` that is not escaped.
fn split_bar(value: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, letter) in value.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '|' => return Some((value.get(..at)?, value.get(at + 1..)?)),
            _ => {}
        }
    }
    None
}

fn unescape(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next()),
            _ => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewrite;
    use bascule_fhir::ResourceType;
    use serde_json::json;

    fn check(name: &str, value: &str) -> Truth {
        let observation = json!({
            "resourceType": "Observation",
            "status": "final",
            "category": [{ "coding": [{ "system": "http://hl7.org/category", "code": "laboratory" }] }],
            "code": { "coding": [{ "code": "a,b" }] },
            "subject": { "reference": "http://ehr/fhir/Patient/1/_history/3" },
            "valueQuantity": { "value": 6.3 },
        });
        let rewrite = Rewrite::new("http://ehr/fhir", "https://bridge/ehr", &|_, _| None);
        let resource = ResourceType::parse("Observation").unwrap();
        let known = Known::new(resource, None, &[], None, &rewrite);
        matches(&known, &observation, name, value)
    }

    #[test]
    fn tokens_match_by_system_and_code() {
        assert_eq!(check("category", "laboratory"), Truth::Holds);
        assert_eq!(check("category", "http://hl7.org/category|laboratory"), Truth::Holds);
        assert_eq!(check("category", "http://hl7.org/category|"), Truth::Holds);
        assert_eq!(check("category", "http://other|laboratory"), Truth::Fails);
        assert_eq!(check("category", "|laboratory"), Truth::Fails);
        assert_eq!(check("category", "vital-signs,laboratory"), Truth::Holds);
        assert_eq!(check("category", "vital-signs"), Truth::Fails);
        assert_eq!(check("status", "final"), Truth::Holds);
        assert_eq!(check("code", r"a\,b"), Truth::Holds);
        assert_eq!(check("code", "a,b"), Truth::Fails);
    }

    #[test]
    fn references_match_in_all_their_forms() {
        assert_eq!(check("subject", "Patient/1"), Truth::Holds);
        assert_eq!(check("patient", "https://bridge/ehr/Patient/1"), Truth::Holds);
        assert_eq!(check("subject", "Patient/2"), Truth::Fails);
    }

    #[test]
    fn what_is_not_plain_is_unknown() {
        for (name, value) in
            [("value-quantity", "gt5"), ("no-such", "x"), ("category:not", "laboratory"), ("date", "2020")]
        {
            assert_eq!(check(name, value), Truth::Unknown, "{name}");
        }
    }
}
