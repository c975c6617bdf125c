//! Nothing that a stranger writes makes this room panic, and what is read is written back the same.

use bascule_fhir::fhirpath::{self, Expression};
use bascule_fhir::{Interaction, Parameter, ParameterName, Query, Reference, Request, element, json, query};
use proptest::prelude::*;

/// Words that paths and names are made of, sound and unsound.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "Patient",
        "Observation",
        "1",
        "a-b.c",
        "_history",
        "_search",
        "$everything",
        "%24match",
        "*",
        "..",
        "%2e",
        "%2F",
        "",
        "metadata",
        "_has",
        "name",
        "subject",
        "code",
        "exact",
        "Type",
        "iterate",
        "_include",
        "%",
        "%ff",
        "\u{0}",
        "é",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => ".{0,8}"]
}

fn joined(separator: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(word(), 0..6).prop_map(move |words| words.join(separator))
}

fn parameter() -> impl Strategy<Value = Parameter> {
    ("\\PC{1,20}", "\\PC{1,40}").prop_map(|(name, value)| Parameter { name, value })
}

/// Words that expressions are made of.
fn expression() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "name",
        "given",
        ".",
        ".",
        "where",
        "(",
        ")",
        "(",
        ")",
        "[",
        "]",
        "0",
        "1",
        "'x'",
        "=",
        "!=",
        "and",
        "or",
        "|",
        "is",
        "as",
        "ofType",
        "Patient",
        "HumanName",
        "resolve",
        "exists",
        "first",
        "extension",
        "$this",
        "%resource",
        "not",
        "telecom",
        "deceased",
        "{",
        "}",
        "contained",
        "link",
        "other",
    ]);
    prop::collection::vec(words, 0..14).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_request_makes_it_panic(
        method in "GET|POST|PUT|PATCH|DELETE|HEAD|\\PC{0,6}",
        path in prop_oneof![joined("/"), "\\PC{0,40}"],
        query in prop::option::of(prop_oneof![joined("&"), joined("="), ".{0,40}"]),
        form in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        body in prop::option::of(".{0,60}"),
        if_none_exist in prop::option::of(joined("=")),
    ) {
        let request = Request {
            method: &method,
            path: &path,
            query: query.as_deref(),
            form: form.as_deref(),
            body: body.as_deref().map(str::as_bytes),
            if_none_exist: if_none_exist.as_deref(),
        };
        if let Err(fault) = Interaction::parse(&request) {
            prop_assert!(!fault.to_string().is_empty());
        }
    }

    #[test]
    fn a_path_that_is_read_hides_no_other_path(path in joined("/")) {
        let read = Interaction::parse(&Request { method: "GET", path: &path, ..Request::default() });
        if read.is_ok() {
            let relative = path.strip_prefix('/').unwrap_or(&path).to_ascii_lowercase();
            for segment in relative.split('/') {
                prop_assert!(!segment.is_empty() && !["..", ".", "%2e", "%2f"].contains(&segment), "{path}");
            }
        }
    }

    #[test]
    fn no_batch_makes_it_panic(urls in prop::collection::vec(joined("/"), 0..4), method in "GET|POST|PUT|DELETE|x") {
        let entries: Vec<serde_json::Value> =
            urls.iter().map(|url| serde_json::json!({"request": {"method": method, "url": url}})).collect();
        let bundle = serde_json::json!({"resourceType": "Bundle", "type": "batch", "entry": entries}).to_string();
        let read = Interaction::parse(&Request { method: "POST", body: Some(bundle.as_bytes()), ..Request::default() });
        if let Ok(Interaction::Batch { entries, .. }) = read {
            for entry in entries {
                let nested = matches!(entry.interaction, Interaction::Batch { .. } | Interaction::Page { .. });
                prop_assert!(!nested);
            }
        }
    }

    #[test]
    fn a_query_is_read_back_as_it_was_written(parameters in prop::collection::vec(parameter(), 0..8)) {
        let written = Query { parameters };
        prop_assert_eq!(Query::parse(&written.encode()), Ok(written));
    }

    #[test]
    fn encoding_is_stable(text in prop_oneof![joined("&"), ".{0,60}", "[a-z=&%+0-9A-F,|:]{0,40}"]) {
        if let Ok(read) = Query::parse(&text) {
            let encoded = read.encode();
            prop_assert_eq!(Query::parse(&encoded).map(|again| again.encode()), Ok(encoded));
        }
    }

    #[test]
    fn a_name_is_read_back_as_it_was_written(name in prop_oneof![joined(":"), joined("."), "[a-z_:.A-Z]{0,30}"]) {
        if let Ok(read) = ParameterName::parse(&name) {
            prop_assert_eq!(ParameterName::parse(&read.to_string()), Ok(read));
        }
    }

    #[test]
    fn values_split_and_join(value in "[a-z,$|\\\\]{0,20}") {
        prop_assert_eq!(query::alternatives(&value).join(","), value.clone());
        prop_assert_eq!(query::components(&value).join("$"), value.clone());
        let _ = (query::token(&value), query::unescape(&value), query::sort_keys(&value));
    }

    #[test]
    fn a_reference_is_read_back_as_it_was_written(text in prop_oneof![joined("/"), ".{0,40}", "https?://[a-z/:.]{0,20}/Patient/1"]) {
        if let Ok(read) = Reference::parse(&text) {
            let written = read.to_string();
            prop_assert_eq!(Reference::parse(&written), Ok(read.clone()));
            if !matches!(read, Reference::Matching { .. }) {
                prop_assert_eq!(&written, &text);
            }
            prop_assert!(read.same_target(&read, "https://ehr.example/fhir"));
        }
    }

    #[test]
    fn no_expression_makes_it_panic(text in prop_oneof![4 => expression(), 1 => ".{0,40}".boxed()]) {
        let patient = serde_json::json!({
            "resourceType": "Patient", "id": "1", "name": [{"given": ["x", null], "_given": [null, {"id": "e"}]}],
            "telecom": [{"value": "x"}], "deceasedBoolean": false, "contained": [{"resourceType": "Patient", "id": "c"}],
            "link": [{"other": {"reference": "#c"}}, {"other": {"reference": "Patient/2"}}]
        });
        if let Ok(expression) = Expression::parse(&text) {
            let found = fhirpath::select(&patient, &expression);
            prop_assert!(found.iter().all(fhirpath::Found::has_value));
            let _ = expression.paths();
        }
    }

    #[test]
    fn no_element_path_makes_it_panic(path in joined(".")) {
        let _ = element::resolve("Patient", &path).map_err(|fault| fault.to_string());
    }

    #[test]
    fn strict_json_reads_what_any_reader_reads(text in "[\\[\\]{}\",:a0-9. ]{0,30}") {
        if let Ok(value) = json::parse(text.as_bytes()) {
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok(), Some(value));
        }
    }
}
