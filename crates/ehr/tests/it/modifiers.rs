//! The modifiers that a plain reading needs more than the value for: `:text`, `:of-type`, `:identifier`, `:Type`, `:missing`,
//! `:in`, `:not-in`, `:above` and `:below`, of every parameter that has them, against a reading of the JSON.

use std::collections::{BTreeMap, BTreeSet};

use bascule_fhir::ResourceType;
use bascule_fhir::fhirpath::{Expression, Found, select};
use bascule_fhir::search::{SearchKind, SearchParameter, parameters};
use serde_json::{Value, json};

use crate::naive::{
    Query, Stored, Typed, amount, by_type, check, escape, holding, official, pairs, plain, pointer, quantity, query,
    strings, text, times, typed,
};
use crate::support::Client;

/// Queries of one modifier of one parameter.
const QUERIES_MAX: usize = 3;

/// The words that a token is shown by.
fn shown((value, kind): Typed<'_>) -> Vec<String> {
    let of = |value: &Value, name: &str| Some(plain(text(value, name))).filter(|text| !text.is_empty());
    match kind {
        "CodeableConcept" => {
            let codings = value["coding"].as_array().into_iter().flatten();
            codings.filter_map(|coding| of(coding, "display")).chain(of(value, "text")).collect()
        }
        "Coding" => of(value, "display").into_iter().collect(),
        "Identifier" => of(&value["type"], "text").into_iter().collect(),
        _ => Vec::new(),
    }
}

/// `system|code|value` of an identifier, for each coding of its type.
fn typed_values((value, kind): Typed<'_>) -> Vec<(String, String, String)> {
    if kind != "Identifier" || text(value, "value").is_empty() {
        return Vec::new();
    }
    let codings = value.pointer("/type/coding").and_then(Value::as_array).into_iter().flatten();
    let one = |coding: &Value| {
        (text(coding, "system").to_owned(), text(coding, "code").to_owned(), text(value, "value").to_owned())
    };
    codings.map(one).filter(|(_, code, _)| !code.is_empty()).collect()
}

fn identifier((value, _): Typed<'_>) -> Option<(String, String)> {
    let identifier = value.get("identifier")?;
    Some((text(identifier, "system").to_owned(), text(identifier, "value").to_owned()))
}

/// The queries that one value gives rise to, beside the plain ones.
fn queries(parameter: &SearchParameter, value: Typed<'_>) -> Vec<Query> {
    match parameter.kind {
        SearchKind::Token => tokens(value),
        SearchKind::Reference => references(parameter, value),
        _ => Vec::new(),
    }
}

fn tokens(value: Typed<'_>) -> Vec<Query> {
    let mut all = Vec::new();
    for words in shown(value) {
        let begin: String = words.chars().take(6).collect::<String>().trim_end().to_owned();
        let asked = begin.to_uppercase();
        // What has no capital, or another length in capitals, is asked as it is.
        let asked = if plain(&asked) == begin { asked } else { begin.clone() };
        all.push(query(":text", escape(&asked), move |value| shown(value).iter().any(|text| text.starts_with(&begin))));
    }
    for own in typed_values(value) {
        let (system, code, number) = own.clone();
        let asked = format!("{}|{}|{}", escape(&system), escape(&code), escape(&number));
        all.push(query(":of-type", asked, move |value| {
            typed_values(value)
                .iter()
                .any(|found| found.1 == own.1 && found.2 == own.2 && (own.0.is_empty() || found.0 == own.0))
        }));
    }
    for (system, code) in pairs(value).into_iter().filter(|(system, code)| !system.is_empty() && !code.is_empty()) {
        let asked = format!("{}|{}", escape(&system), escape(&code));
        let not =
            query(":not", asked, move |value| pairs(value).iter().any(|found| found.0 == system && found.1 == code));
        all.push(Query { negated: true, ..not });
    }
    all
}

fn is_name(kind: &str, id: &str) -> bool {
    ResourceType::parse(kind).is_some() && bascule_fhir::Id::parse(id).is_some()
}

fn references(parameter: &SearchParameter, value: Typed<'_>) -> Vec<Query> {
    let mut all = Vec::new();
    let own = pointer(value).unwrap_or_default();
    if let Some((kind, id)) = own.split_once('/').filter(|(kind, id)| is_name(kind, id)) {
        let (whole, name) = (own.clone(), id.to_owned());
        all.push(query(format!(":{kind}"), id, move |value| pointer(value).is_some_and(|found| found == whole)));
        let targets: Vec<String> = parameter.targets.iter().map(|target| format!("{target}/{name}")).collect();
        all.push(query("", id, move |value| pointer(value).is_some_and(|found| targets.contains(&found))));
    }
    if let Some((system, number)) = identifier(value).filter(|(_, number)| !number.is_empty()) {
        let asked = format!("{}|{}", escape(&system), escape(&number));
        let own = (system, number.clone());
        all.push(query(":identifier", asked, move |value| identifier(value).is_some_and(|found| found == own)));
        let own = number.clone();
        all.push(query(":identifier", escape(&number), move |value| {
            identifier(value).is_some_and(|found| found.1 == own)
        }));
    }
    all
}

/// Whether there is a value that the kind of the parameter compares.
fn is_there(kind: SearchKind, value: Typed<'_>) -> bool {
    match kind {
        SearchKind::Token | SearchKind::Reference => true,
        SearchKind::String => !strings(value).is_empty(),
        SearchKind::Uri => value.0.is_string(),
        SearchKind::Date => times(value).is_some(),
        SearchKind::Number => amount(value.0).is_some() || quantity(value).is_some(),
        SearchKind::Quantity => quantity(value).is_some(),
        SearchKind::Composite | SearchKind::Special => false,
    }
}

/// Code systems and value sets over the codes that the resources have, as resources to store beside them.
fn terminology(stored: &Stored) -> Vec<Value> {
    let mut by_system: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut all = Vec::new();
    each_token(stored, |resource, parameter, values| {
        let found: BTreeSet<(String, String)> = values
            .iter()
            .flat_map(|(_, found)| found.iter().flat_map(|one| pairs(typed(one))))
            .filter(|(system, code)| system.contains(':') && !code.is_empty())
            .collect();
        for (system, code) in &found {
            by_system.entry(system.clone()).or_default().insert(code.clone());
        }
        let mut listed: Vec<_> = found.first().into_iter().chain(found.last()).cloned().collect();
        listed.dedup();
        if !listed.is_empty() {
            all.push(value_set(&set_id(resource, parameter), &listed));
        }
    });
    let known: BTreeSet<String> = stored
        .values()
        .flat_map(BTreeMap::values)
        .filter(|value| value["resourceType"] == "CodeSystem")
        .map(|value| text(value, "url").to_owned())
        .collect();
    // Each code beneath the one before it, as far as a tree may be deep.
    let systems = by_system.into_iter().filter(|(system, _)| !known.contains(system));
    all.extend(systems.enumerate().map(|(number, (system, codes))| {
        let nested = codes.iter().take(5).rev().fold(Value::Null, |inner, code| match inner {
            Value::Null => json!([{ "code": code }]),
            inner => json!([{ "code": code, "concept": inner }]),
        });
        json!({ "resourceType": "CodeSystem", "id": format!("tree-{number}"), "url": system, "status": "draft",
                "content": "fragment", "concept": nested })
    }));
    all
}

fn set_id(resource: ResourceType, parameter: &SearchParameter) -> String {
    format!("set-{resource}-{}", parameter.code.replace('_', "."))
}

fn value_set(id: &str, listed: &[(String, String)]) -> Value {
    let include = |(system, code): &(String, String)| json!({ "system": system, "concept": [{ "code": code }] });
    json!({ "resourceType": "ValueSet", "id": id, "url": format!("http://sets.test/{id}"), "status": "draft",
            "compose": { "include": listed.iter().map(include).collect::<Vec<_>>() } })
}

type Values<'a> = Vec<(&'a String, Vec<Found<'a>>)>;

fn each_token(stored: &Stored, mut visit: impl FnMut(ResourceType, &'static SearchParameter, &Values<'_>)) {
    for (resource, all) in stored {
        for parameter in compared(*resource).filter(|one| one.kind == SearchKind::Token) {
            let path = Expression::parse(parameter.expression).unwrap();
            visit(*resource, parameter, &all.iter().map(|(id, value)| (id, select(value, &path))).collect());
        }
    }
}

fn compared(resource: ResourceType) -> impl Iterator<Item = &'static SearchParameter> {
    parameters(resource).filter(|one| {
        !matches!(one.code, "_id" | "_lastUpdated" | "_text" | "_content" | "_query")
            && !matches!(one.kind, SearchKind::Composite | SearchKind::Special)
    })
}

/// The code and all beneath it (or above it) in the one code system of that URL.
fn related(stored: &Stored, system: &str, code: &str, below: bool) -> Option<BTreeSet<String>> {
    let systems = stored.get(&ResourceType::parse("CodeSystem").unwrap())?;
    let mut found = systems.values().filter(|value| text(value, "url") == system);
    let (one, another) = (found.next()?, found.next());
    let mut edges = Vec::new();
    gather_edges(&one["concept"], None, &mut edges);
    if another.is_some() || edges.iter().filter(|(child, _)| child == code).count() > 1 {
        return None;
    }
    let mut all = BTreeSet::from([code.to_owned()]);
    loop {
        let before = all.len();
        for (child, parent) in &edges {
            let Some(parent) = parent else { continue };
            let (from, to) = if below { (parent, child) } else { (child, parent) };
            if all.contains(from) {
                all.insert(to.clone());
            }
        }
        if all.len() == before {
            return Some(all);
        }
    }
}

fn gather_edges(concepts: &Value, parent: Option<&str>, edges: &mut Vec<(String, Option<String>)>) {
    for concept in concepts.as_array().into_iter().flatten() {
        edges.push((text(concept, "code").to_owned(), parent.map(str::to_owned)));
        gather_edges(&concept["concept"], Some(text(concept, "code")), edges);
    }
}

/// The codes that a value set made here lists.
fn listed(stored: &Stored, id: &str) -> BTreeSet<(String, String)> {
    let set = stored.get(&ResourceType::parse("ValueSet").unwrap()).and_then(|sets| sets.get(id));
    let includes = set.and_then(|set| set.pointer("/compose/include")).and_then(Value::as_array);
    let one = |include: &Value| (text(include, "system").to_owned(), text(&include["concept"][0], "code").to_owned());
    includes.into_iter().flatten().map(one).collect()
}

/// `:in`, `:not-in`, `:above` and `:below` of a token parameter.
fn terms(stored: &Stored, resource: ResourceType, parameter: &SearchParameter, values: &Values<'_>) -> Vec<Query> {
    let id = set_id(resource, parameter);
    let set = listed(stored, &id);
    let mut all = Vec::new();
    if !set.is_empty() {
        for (suffix, name) in [(":in", format!("ValueSet/{id}")), (":not-in", format!("http://sets.test/{id}"))] {
            let set = set.clone();
            let one = query(suffix, escape(&name), move |value| pairs(value).iter().any(|pair| set.contains(pair)));
            all.push(Query { negated: suffix == ":not-in", ..one });
        }
    }
    let mut asked = BTreeSet::new();
    for (system, code) in values.iter().flat_map(|(_, found)| found).flat_map(|one| pairs(typed(one))) {
        let is_whole = !system.is_empty() && !code.is_empty();
        if asked.len() >= QUERIES_MAX || !is_whole || !asked.insert((system.clone(), code.clone())) {
            continue;
        }
        for (suffix, below) in [(":below", true), (":above", false)] {
            let Some(codes) = related(stored, &system, &code, below) else { continue };
            let own = system.clone();
            all.push(query(suffix, format!("{}|{}", escape(&system), escape(&code)), move |value| {
                pairs(value).iter().any(|(system, code)| *system == own && codes.contains(code))
            }));
        }
    }
    all
}

/// How many queries of each modifier were compared, and what differed.
async fn compare(client: &Client, stored: &Stored) -> (BTreeMap<String, usize>, Vec<String>) {
    let (mut asked, mut wrong) = (BTreeMap::new(), Vec::new());
    for (resource, all) in stored {
        for parameter in compared(*resource) {
            let path = Expression::parse(parameter.expression).unwrap();
            let values: Values<'_> = all.iter().map(|(id, value)| (id, select(value, &path))).collect();
            let mut own: Vec<Query> =
                values.iter().flat_map(|(_, found)| found).flat_map(|one| queries(parameter, typed(one))).collect();
            if parameter.kind == SearchKind::Token {
                own.extend(terms(stored, *resource, parameter, &values));
            }
            let kind = parameter.kind;
            for (value, negated) in [("false", false), ("true", true)] {
                let there = query(":missing", value, move |value| is_there(kind, value));
                own.push(Query { negated, ..there });
            }
            let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for query in own {
                let queries = seen.entry(query.suffix.clone()).or_default();
                if queries.len() >= QUERIES_MAX || !queries.insert(query.value.clone()) {
                    continue;
                }
                let is_type = query.suffix.strip_prefix(':').is_some_and(|one| ResourceType::parse(one).is_some());
                let counted = if is_type { ":Type" } else { query.suffix.as_str() };
                *asked.entry(counted.to_owned()).or_insert(0) += 1;
                let expect = values.iter().filter(|(_, found)| query.finds(found)).map(|(id, _)| (*id).clone());
                let name = format!("{resource}?{}{}={}", parameter.code, query.suffix, query.encoded());
                check(client, name, expect.collect(), &mut wrong).await;
            }
        }
    }
    (asked, wrong)
}

async fn all_modifiers_agree(mut stored: Stored, least: usize) {
    for (resource, more) in by_type(terminology(&stored)) {
        stored.entry(resource).or_default().extend(more);
    }
    let client = holding(&stored).await;
    let (asked, wrong) = compare(&client, &stored).await;
    println!("{asked:?}");
    for modifier in
        [":text", ":of-type", ":identifier", ":Type", ":missing", ":in", ":not-in", ":above", ":below", ":not"]
    {
        assert!(asked.get(modifier).is_some_and(|count| *count >= least), "{modifier}: {asked:?}");
    }
    assert!(wrong.is_empty(), "{} of {asked:?} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn every_modifier_answers_as_a_plain_reading_would() {
    let mut data = crate::search::data();
    data.push(json!({ "resourceType": "Patient", "id": "typed", "managingOrganization": { "identifier": { "system": "urn:org", "value": "7" } },
        "identifier": [{ "value": "12", "type": { "text": "Chart", "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR" }] } }],
        "contained": [{ "resourceType": "Practitioner", "id": "c" }], "generalPractitioner": [{ "reference": "#c" }] }));
    all_modifiers_agree(by_type(data), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_modifier_answers_so_over_the_official_examples_too() {
    if let Some(stored) = official() {
        all_modifiers_agree(stored, 10).await;
    }
}
