//! Requests and what they mean.

use expect_test::{Expect, expect};

use super::*;

fn shown(request: &Request<'_>) -> String {
    match Interaction::parse(request) {
        Ok(interaction) => format!("{interaction:?}"),
        Err(fault) => format!("refused: {fault}"),
    }
}

/// `METHOD path?query`
fn check(line: &str, expected: Expect) {
    let (method, url) = line.split_once(' ').unwrap();
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    expected.assert_eq(&shown(&Request { method, path, query, ..Request::default() }));
}

#[test]
fn reads_and_histories_are_known_by_their_path() {
    check(
        "GET /Patient/1?_summary=true",
        expect![[
            r#"Read { resource: Patient, id: Id("1"), query: Query { parameters: [Parameter { name: "_summary", value: "true" }] } }"#
        ]],
    );
    check("HEAD Patient/1", expect![[r#"Read { resource: Patient, id: Id("1"), query: Query { parameters: [] } }"#]]);
    check(
        "GET /Patient/1/_history/2?_format=json",
        expect![[r#"Vread { resource: Patient, id: Id("1"), version: Id("2") }"#]],
    );
    check(
        "GET /Patient/1/_history",
        expect![[r#"History { on: Instance(Patient, Id("1")), query: Query { parameters: [] } }"#]],
    );
    check(
        "GET /Patient/_history?_since=2020",
        expect![[
            r#"History { on: Type(Patient), query: Query { parameters: [Parameter { name: "_since", value: "2020" }] } }"#
        ]],
    );
    check("GET /_history", expect![[r#"History { on: System, query: Query { parameters: [] } }"#]]);
    check("GET /metadata?mode=full", expect!["Capabilities"]);
}

#[test]
fn searches_are_known_at_every_level() {
    check(
        "GET /Observation?code=http%3A%2F%2Floinc.org%7C4548-4",
        expect![[
            r#"Search { within: Type(Observation), query: Query { parameters: [Parameter { name: "code", value: "http://loinc.org|4548-4" }] } }"#
        ]],
    );
    check(
        "GET /Patient/1/Observation?code=x",
        expect![[
            r#"Search { within: Compartment { of: Patient, id: Id("1"), resource: Some(Observation) }, query: Query { parameters: [Parameter { name: "code", value: "x" }] } }"#
        ]],
    );
    check(
        "GET /Patient/1/*",
        expect![[
            r#"Search { within: Compartment { of: Patient, id: Id("1"), resource: None }, query: Query { parameters: [] } }"#
        ]],
    );
    check(
        "GET /?_type=Patient",
        expect![[
            r#"Search { within: System, query: Query { parameters: [Parameter { name: "_type", value: "Patient" }] } }"#
        ]],
    );
    check(
        "GET ?_type=Patient",
        expect![[
            r#"Search { within: System, query: Query { parameters: [Parameter { name: "_type", value: "Patient" }] } }"#
        ]],
    );
    check("GET ?page=abc-_9.x", expect![[r#"Page { token: "abc-_9.x" }"#]]);
}

#[test]
fn what_means_nothing_on_a_read_or_history_is_refused() {
    let nothing = || expect!["refused: parameter 1 means nothing for this interaction; leave it out"];
    check("GET /Patient/1?_include=Patient:organization", nothing());
    check("GET /Patient/1?name=x", nothing());
    check("GET /Patient/1/_history?name=x", nothing());
}

#[test]
fn a_search_by_get_may_name_search() {
    check(
        "GET /Patient/_search?name=x",
        expect![[
            r#"Search { within: Type(Patient), query: Query { parameters: [Parameter { name: "name", value: "x" }] } }"#
        ]],
    );
    check(
        "PUT /Patient/_search?name=x",
        expect!["refused: the method does not go with this path; POST a form to `_search`"],
    );
}

#[test]
fn query_and_form_are_one_search() {
    let form = |path, query, form: &'static str| {
        shown(&Request { method: "POST", path, query, form: Some(form.as_bytes()), ..Request::default() })
    };
    expect![[r#"Search { within: Type(Patient), query: Query { parameters: [Parameter { name: "_count", value: "5" }, Parameter { name: "name", value: "a b" }] } }"#]]
        .assert_eq(&form("/Patient/_search", Some("_count=5"), "name=a+b"));
    expect![[r#"Search { within: Compartment { of: Patient, id: Id("1"), resource: Some(Condition) }, query: Query { parameters: [Parameter { name: "code", value: "x" }] } }"#]]
        .assert_eq(&form("/Patient/1/Condition/_search", None, "code=x"));
    expect![[r#"Search { within: System, query: Query { parameters: [Parameter { name: "_id", value: "1" }] } }"#]]
        .assert_eq(&form("/_search", None, "_id=1"));
    expect!["refused: a form belongs to `POST …/_search` only; send JSON"].assert_eq(&form("/Patient", None, "name=x"));
    expect!["refused: a form belongs to `POST …/_search` only; send JSON"].assert_eq(&form(
        "/Patient/$match",
        None,
        "name=x",
    ));
    expect!["refused: parameter 1: `%` stands before two hexadecimal digits; write `%25` for a percent sign"]
        .assert_eq(&form("/Patient/_search", None, "name=%"));
}

#[test]
fn writes_are_by_id_or_by_criteria() {
    check("POST /Patient", expect!["Create { resource: Patient, unless: None }"]);
    check("PUT /Patient/1", expect![[r#"Update { resource: Patient, target: Instance(Id("1")) }"#]]);
    check(
        "PUT /Patient?identifier=a&_format=json",
        expect![[
            r#"Update { resource: Patient, target: Matching(Query { parameters: [Parameter { name: "identifier", value: "a" }] }) }"#
        ]],
    );
    check("PATCH /Patient/1", expect![[r#"Patch { resource: Patient, target: Instance(Id("1")) }"#]]);
    check(
        "DELETE /Patient?identifier=a",
        expect![[
            r#"Delete { resource: Patient, target: Matching(Query { parameters: [Parameter { name: "identifier", value: "a" }] }) }"#
        ]],
    );
    check(
        "DELETE /Patient",
        expect!["refused: name the resource by id, or give the search criteria that it must match"],
    );
    check(
        "DELETE /Patient?_format=json",
        expect!["refused: name the resource by id, or give the search criteria that it must match"],
    );
    check("DELETE /Patient?_count=1", expect!["refused: parameter 1 means nothing for this interaction; leave it out"]);
    check(
        "DELETE /Patient/1?_cascade=delete",
        expect!["refused: parameter 1 means nothing for this interaction; leave it out"],
    );
    check(
        "POST /Patient/1",
        expect![
            "refused: the method does not go with this path; POST to the type creates; PUT or PATCH changes this resource"
        ],
    );
}

#[test]
fn a_conditional_create_has_criteria() {
    let create =
        |path, header| shown(&Request { method: "POST", path, if_none_exist: Some(header), ..Request::default() });
    expect![[r#"Create { resource: Patient, unless: Some(Query { parameters: [Parameter { name: "identifier", value: "urn:mrn|7" }] }) }"#]]
        .assert_eq(&create("/Patient", "?identifier=urn:mrn|7"));
    expect!["refused: If-None-Exist holds the criteria of a conditional create, `POST Type`; leave it out"]
        .assert_eq(&create("/Patient", ""));
    expect!["refused: If-None-Exist holds the criteria of a conditional create, `POST Type`; leave it out"]
        .assert_eq(&create("/Patient/$match", "identifier=7"));
    expect!["refused: the name of parameter 1 is not the name of a search parameter: letters, digits, `-`, `_`"]
        .assert_eq(&create("/Patient", "Patient?identifier=7"));
    expect!["refused: If-None-Exist: parameter 1 has no value; write `name=value` or leave it out"]
        .assert_eq(&create("/Patient", "identifier="));
}

#[test]
fn operations_are_known_at_every_level() {
    check(
        "POST /$export?_type=Patient",
        expect![[
            r#"Operation { on: System, name: "export", query: Query { parameters: [Parameter { name: "_type", value: "Patient" }] } }"#
        ]],
    );
    check(
        "POST /Patient/$match",
        expect![[r#"Operation { on: Type(Patient), name: "match", query: Query { parameters: [] } }"#]],
    );
    check(
        "GET /Patient/1/%24everything",
        expect![[
            r#"Operation { on: Instance(Patient, Id("1")), name: "everything", query: Query { parameters: [] } }"#
        ]],
    );
    check(
        "GET /Patient/1/_history/2/$meta",
        expect![
            "refused: the path is none of FHIR's: `Type`, `Type/id`, `Type/id/_history/version`, `Type/_search`, `Type/id/Type`, `…/$operation`, `…/_history`, `metadata`"
        ],
    );
    check("GET /$a%20b", expect!["refused: an operation's name is a letter, then letters, digits, `-`, `_`"]);
    check(
        "DELETE /Patient/$match",
        expect!["refused: the method does not go with this path; an operation is called with GET or POST"],
    );
}

#[test]
fn strange_paths_are_refused() {
    check("GET /Pateint/1", expect!["refused: the path names an unknown resource type; did you mean `Patient`?"]);
    check("GET /patient/1", expect!["refused: the path names an unknown resource type; did you mean `Patient`?"]);
    check("GET /DomainResource", expect!["refused: the path names a resource type that FHIR R4 does not have"]);
    check("GET //Patient/1", expect!["refused: the path has an empty segment; leave out the slash too many"]);
    check("GET /Patient//1", expect!["refused: the path has an empty segment; leave out the slash too many"]);
    check("GET /Patient/", expect!["refused: the path has an empty segment; leave out the slash too many"]);
    check("GET /Patient/1/../2", expect!["refused: the path has a segment of dots; name the resource itself"]);
    check("GET /Patient/%2e%2E/2", expect!["refused: the path has a segment of dots; name the resource itself"]);
    check("GET /Patient%2F1", expect!["refused: the path has an encoded slash or a backslash; write `/`"]);
    check("GET /Patient/1%5c2", expect!["refused: the path has an encoded slash or a backslash; write `/`"]);
    check(
        "GET /Patient/%zz",
        expect!["refused: the path has a `%` that is no encoding of UTF-8; write `%25` for a percent sign"],
    );
    check(
        "GET /Patient/%ff",
        expect!["refused: the path has a `%` that is no encoding of UTF-8; write `%25` for a percent sign"],
    );
    check("GET /Patient/1%00", expect!["refused: the path contains a control character; leave it out"]);
    check(
        "GET /Patient/1;x",
        expect!["refused: the path has no id where one belongs: 1 to 64 letters, digits, `-` and `.`"],
    );
    check(
        "GET /Patient/1+2",
        expect!["refused: the path has no id where one belongs: 1 to 64 letters, digits, `-` and `.`"],
    );
    check(
        "GET /Observation/1/Patient",
        expect![
            "refused: only Patient, Encounter, Practitioner, RelatedPerson and Device have a compartment; search by type"
        ],
    );
    check(
        "GET /Patient/1/_foo",
        expect![
            "refused: the path is none of FHIR's: `Type`, `Type/id`, `Type/id/_history/version`, `Type/_search`, `Type/id/Type`, `…/$operation`, `…/_history`, `metadata`"
        ],
    );
    check("GET /", expect!["refused: a search of the whole system needs a parameter; give `_type` at least"]);
    check("TRACE /Patient/1", expect!["refused: FHIR uses GET, HEAD, POST, PUT, PATCH and DELETE; use one of them"]);
    check("get /Patient/1", expect!["refused: FHIR uses GET, HEAD, POST, PUT, PATCH and DELETE; use one of them"]);
    assert_eq!(
        shown(&Request { method: "GET", path: &"/a".repeat(2_000), ..Request::default() }),
        "refused: the path is longer than 2048 bytes"
    );
}

#[test]
fn names_and_inclusions_of_a_search_have_a_form() {
    check(
        "GET /Patient?_has:Observation:patient=x",
        expect!["refused: the name of parameter 1 is not `_has:Type:reference:parameter`"],
    );
    check(
        "GET /Patient?_include=Patient",
        expect!["refused: the value of an inclusion is not `Type:parameter` or `Type:parameter:Target`"],
    );
    check(
        "GET /Patient?a=1&name:fuzzy=x",
        expect![
            "refused: the name of parameter 2 has an unknown modifier; R4 has missing, exact, contains, text, not, in, not-in, below, above, of-type, identifier and the name of a type"
        ],
    );
    check(
        "GET /Patient/1/_history/2?_elements=name",
        expect!["refused: parameter 1 means nothing for this interaction; leave it out"],
    );
}

fn batch(body: &str, expected: Expect) {
    expected.assert_eq(&shown(&Request { method: "POST", body: Some(body.as_bytes()), ..Request::default() }));
}

#[test]
fn every_entry_of_a_batch_is_a_request() {
    batch(
        r#"{"resourceType":"Bundle","type":"transaction","entry":[
            {"request":{"method":"GET","url":"/Patient?name=x"}},
            {"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=7"},"resource":{"resourceType":"Patient"}},
            {"request":{"method":"PUT","url":"Patient/1"},"resource":{"resourceType":"Patient","id":"1"}},
            {"request":{"method":"DELETE","url":"Patient/2"}}]}"#,
        expect![[
            r#"Batch { kind: Transaction, entries: [BatchEntry { index: 0, interaction: Search { within: Type(Patient), query: Query { parameters: [Parameter { name: "name", value: "x" }] } } }, BatchEntry { index: 1, interaction: Create { resource: Patient, unless: Some(Query { parameters: [Parameter { name: "identifier", value: "7" }] }) } }, BatchEntry { index: 2, interaction: Update { resource: Patient, target: Instance(Id("1")) } }, BatchEntry { index: 3, interaction: Delete { resource: Patient, target: Instance(Id("2")) } }] }"#
        ]],
    );
    batch(r#"{"resourceType":"Bundle","type":"batch"}"#, expect!["Batch { kind: Batch, entries: [] }"]);
}

#[test]
fn a_batch_that_is_none_is_refused() {
    let entry = |request: &str, expected| {
        batch(&format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{request}]}}"#), expected);
    };
    entry("{}", expect!["refused: Bundle.entry[0]: `request` needs `method` and `url`"]);
    entry(
        r#"{"request":{"method":"POST","url":""}}"#,
        expect!["refused: Bundle.entry[0]: a batch or page stands inside a batch; send it by itself"],
    );
    entry(
        r#"{"request":{"method":"POST","url":"/"}}"#,
        expect!["refused: Bundle.entry[0]: a batch or page stands inside a batch; send it by itself"],
    );
    entry(
        r#"{"request":{"method":"GET","url":"?page=x"}}"#,
        expect!["refused: Bundle.entry[0]: a batch or page stands inside a batch; send it by itself"],
    );
    entry(
        r#"{"request":{"method":"GET","url":"http://other/Patient/1"}}"#,
        expect!["refused: Bundle.entry[0]: `request.url` is absolute; write it relative to the base: `Type/id`"],
    );
    entry(
        r#"{"request":{"method":"GET","url":"Patient/../x"}}"#,
        expect!["refused: Bundle.entry[0]: the path has a segment of dots; name the resource itself"],
    );
    let mismatch = || {
        expect![
            "refused: Bundle.entry[0]: `resource` is missing, or its type or id is not that of `request.url`; make them agree"
        ]
    };
    entry(r#"{"request":{"method":"POST","url":"Patient"},"resource":{"resourceType":"Observation"}}"#, mismatch());
    entry(
        r#"{"request":{"method":"PUT","url":"Patient/1"},"resource":{"resourceType":"Patient","id":"2"}}"#,
        mismatch(),
    );
    entry(r#"{"request":{"method":"POST","url":"Patient"}}"#, mismatch());
    entry(
        r#"{"request":{"method":"GET","url":"Patient/1"},"request":{"method":"DELETE","url":"Patient/1"}}"#,
        expect![
            "refused: the Bundle cannot be read: an object has a name twice, at line 1, column 104; leave one of them out"
        ],
    );
    batch(
        r#"{"resourceType":"Bundle","type":"searchset"}"#,
        expect!["refused: Bundle.type must be `batch` or `transaction`"],
    );
    batch(
        r#"{"resourceType":"Patient"}"#,
        expect!["refused: POST to the base takes a Bundle; POST another resource to its type"],
    );
    batch("<Bundle/>", expect!["refused: the Bundle cannot be read: not JSON at line 1, column 1"]);
    check("POST /", expect!["refused: POST to the base needs a Bundle of type batch or transaction"]);
}
