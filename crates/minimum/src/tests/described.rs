//! Bodies by a description: what is named leaves, what is not described stays, and a naive twin agrees.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::described::{Described, DescribedFault};
use crate::limits::Limits;
use crate::withheld::Withheld;

fn description() -> Value {
    json!({
        "openapi": "3.1.0",
        "paths": { "/patients": { "get": { "responses": {
            "200": { "$ref": "#/components/responses/Patients" },
            "204": { "description": "nothing" },
        } } } },
        "components": {
            "responses": { "Patients": { "content": { "application/json; charset=utf-8": {
                "schema": { "type": "array", "items": { "$ref": "#/components/schemas/Patient" } } } } } },
            "schemas": {
                "Patient": {
                    "allOf": [{ "$ref": "#/components/schemas/Known" }],
                    "type": "object",
                    "properties": {
                        "name": { "type": "string" },
                        "born": { "type": ["string", "null"] },
                        "visits": { "type": "array", "items": { "$ref": "#/components/schemas/Visit" } },
                        "labels": { "type": "object", "additionalProperties": { "type": "string" } },
                        "grid": { "type": "array", "items": { "type": "array", "items": { "type": "integer" } } },
                        "kin": { "type": "array", "items": { "$ref": "#/components/schemas/Patient" } },
                        "open": {},
                    },
                },
                "Known": { "properties": { "id": { "type": "integer" }, "tags": { "type": "array", "items": { "type": "string" } } } },
                "Visit": { "type": "object", "properties": { "start": { "type": "string" }, "why": { "type": "string" } } },
            },
        },
    })
}

fn described(paths: &[&str]) -> Result<Described, DescribedFault> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Described::answer(&description(), "/patients", "get", "200", &paths)
}

fn left(paths: &[&str], body: &str) -> Result<String, Withheld> {
    let released = described(paths).unwrap().release(body.as_bytes(), &Limits::default())?;
    Ok(String::from_utf8(released.into_body()).unwrap())
}

const BODY: &str = r#"[{"id":1.0e2,"name":"SECRET \u00e9","born":null,"visits":[{"start":"9:00","why":"SECRET"},{"why":"SECRET"}],"labels":{"a":"SECRET"},"grid":[[1]],"kin":[{"id":2,"name":"SECRET"}],"open":"SECRET","other":"SECRET","tags":["x"]}]"#;

#[test]
fn what_is_named_leaves_and_nothing_else() {
    for (paths, expected) in [
        (&["id", "visits.start"][..], r#"[{"id":1.0e2,"visits":[{"start":"9:00"}]}]"#),
        (&["kin.id", "tags"], r#"[{"kin":[{"id":2}],"tags":["x"]}]"#),
        (&["visits"], r#"[{"visits":[{"start":"9:00","why":"SECRET"},{"why":"SECRET"}]}]"#),
        (&["labels.*", "grid.*"], r#"[{"labels":{"a":"SECRET"},"grid":[[1]]}]"#),
        (&["*"], BODY),
    ] {
        assert_eq!(left(paths, BODY).as_deref(), Ok(expected), "{paths:?}");
    }
}

#[test]
fn what_a_description_leaves_open_stays_unless_it_is_named_with_a_star() {
    for path in ["labels", "grid", "open"] {
        assert_eq!(left(&[path], BODY), Err(Withheld::NotGranted), "{path}");
    }
}

#[test]
fn what_is_not_what_its_schema_says_stays() {
    assert_eq!(left(&["id"], r#"[{"id":{"x":1}},{"id":7}]"#).as_deref(), Ok(r#"[{"id":7}]"#));
    assert_eq!(left(&["visits.start"], r#"[{"visits":"SECRET"}]"#), Err(Withheld::NotGranted));
}

#[test]
fn a_body_that_cannot_be_read_stays_whole() {
    assert_eq!(left(&["id"], r#"[{"id":1,"id":2}]"#), Err(Withheld::DuplicateKey));
    assert!(left(&["id"], r#"[{"id":1}"#).is_err() && left(&["id"], r#"[{"id":1}] x"#).is_err());
    let few = Limits { resource_bytes_max: 10, ..Limits::default() };
    assert_eq!(described(&["id"]).unwrap().release(BODY.as_bytes(), &few).map(drop), Err(Withheld::TooLarge));
}

#[test]
fn a_description_is_told_what_is_wrong_with_it() {
    let fault = |paths: &[&str]| described(paths).unwrap_err().to_string();
    assert_eq!(fault(&["visits.strat"]), "no such property: `visits.strat`");
    let answer = |path: &str, status: &str| Described::answer(&description(), path, "get", status, &BTreeSet::new());
    assert!(matches!(answer("/patients", "404"), Err(DescribedFault::NoAnswer { .. })));
    assert!(matches!(answer("/patients", "204"), Err(DescribedFault::NoAnswer { .. })));
    assert!(matches!(answer("/other", "200"), Err(DescribedFault::NoAnswer { .. })));
    for reference in ["#/nowhere", "https://elsewhere.example/x.json", "#"] {
        let schema = json!({ "$ref": reference });
        let found = Described::schema(&schema, &schema, &["a".to_owned()].into());
        assert!(matches!(found, Err(DescribedFault::NoSuchReference { .. })), "{reference}");
    }
}

const PATHS: [&str; 11] = [
    "id",
    "name",
    "born",
    "tags",
    "visits",
    "visits.start",
    "visits.why",
    "kin.name",
    "kin.visits.start",
    "labels.*",
    "grid.*",
];

fn bodies(depth: u32) -> BoxedStrategy<Value> {
    let member = |name: &'static str, value: BoxedStrategy<Value>| value.prop_map(move |value| (name, value)).boxed();
    let text = || "[a-z\\\\\"é]{0,6}".prop_map(Value::from).boxed();
    let visit = prop_oneof![
        Just(json!({})),
        text().prop_map(|text| json!({ "start": text, "why": text, "x": text })),
        text().prop_map(|text| json!({ "why": text })),
    ];
    let kin = if depth == 0 { Just(json!([])).boxed() } else { bodies(depth - 1) };
    let members = prop_oneof![
        member("id", any::<i32>().prop_map(Value::from).boxed()),
        member("name", text()),
        member("born", Just(Value::Null).boxed()),
        member("tags", Just(json!(["a", "b"])).boxed()),
        member("visits", proptest::collection::vec(visit, 0..3).prop_map(Value::from).boxed()),
        member("labels", text().prop_map(|text| json!({ "any": [text] })).boxed()),
        member("grid", Just(json!([[1], [2, 3]])).boxed()),
        member("kin", kin),
        member("unknown", text()),
    ];
    let one = proptest::collection::vec(members, 0..8).prop_map(|members| {
        Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    });
    proptest::collection::vec(one, 0..3).prop_map(Value::from).boxed()
}

/// The same on the tree, for this one description.
fn naive(value: &Value, paths: &[Vec<&str>], whole: bool, top: bool) -> Option<Value> {
    match value {
        Value::Array(items) => {
            let kept: Vec<Value> = items.iter().filter_map(|item| naive(item, paths, whole, top)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Object(members) => {
            let known: &[&str] = if members.contains_key("start") || members.contains_key("why") || !top {
                &["start", "why"]
            } else {
                &["id", "name", "born", "tags", "visits", "labels", "grid", "kin"]
            };
            let mut left = Map::new();
            for (key, value) in members.iter().filter(|(key, _)| known.contains(&key.as_str())) {
                let rests: Vec<Vec<&str>> =
                    paths.iter().filter(|path| path[0] == key).map(|path| path[1..].to_vec()).collect();
                let star = rests.iter().any(|rest| rest == &["*"]);
                let whole = whole || rests.iter().any(Vec::is_empty);
                let deeper: Vec<Vec<&str>> = rests.into_iter().filter(|rest| !rest.is_empty()).collect();
                let kept = match (key.as_str(), value) {
                    ("labels" | "grid", value) => star.then(|| value.clone()),
                    ("visits", value) => naive(value, &deeper, whole, false),
                    ("kin", value) => naive(value, &deeper, whole, true),
                    (_, Value::Null) => None,
                    (_, value) => whole.then(|| value.clone()),
                };
                left.extend(kept.map(|kept| (key.clone(), kept)));
            }
            (!left.is_empty()).then_some(Value::Object(left))
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 3_000 }))]

    #[test]
    fn what_leaves_is_what_a_naive_twin_lets_out(body in bodies(2), chosen in proptest::sample::subsequence(&PATHS[..], 0..PATHS.len())) {
        let found = left(&chosen, &body.to_string()).ok().map(|left| serde_json::from_str::<Value>(&left).unwrap());
        let paths: Vec<Vec<&str>> = chosen.iter().map(|path| path.split('.').collect()).collect();
        prop_assert_eq!(found, naive(&body, &paths, false, true), "under {:?}", chosen);
    }
}
