//! Searches that follow references (chains, `_has`, `_include` and `_revinclude` with `:iterate`) and those that every type has
//! (`_id`, `_lastUpdated`, `_text`, `_content`, `_list`), against a plain reading of the JSON.

use std::collections::{BTreeMap, BTreeSet};

use bascule_fhir::fhirpath::{Expression, select};
use bascule_fhir::search::{SearchKind, SearchParameter, parameters};
use bascule_fhir::{ResourceType, search};
use serde_json::Value;

use crate::naive::{Query, Stored, answer, by_type, check, holding, official, plain, pointer, queries, text, typed};
use crate::support::Client;

/// Ends of one reference that are asked for.
const ENDS_MAX: usize = 4;

type Name = (ResourceType, String);

/// Every reference between two stored resources, by the parameter that finds it.
struct Links {
    /// From, parameter, to.
    all: Vec<(Name, &'static str, Name)>,
}

impl Links {
    fn of(stored: &Stored) -> Self {
        let mut all = Vec::new();
        for (resource, values) in stored {
            for parameter in parameters(*resource).filter(|one| one.kind == SearchKind::Reference) {
                let path = Expression::parse(parameter.expression).unwrap();
                for (id, value) in values {
                    let ends = select(value, &path).iter().filter_map(|one| named(&pointer(typed(one))?)).collect();
                    let ends: BTreeSet<Name> = ends;
                    let is_stored = |(kind, id): &Name| stored.get(kind).is_some_and(|all| all.contains_key(id));
                    all.extend(
                        ends.into_iter().filter(is_stored).map(|end| ((*resource, id.clone()), parameter.code, end)),
                    );
                }
            }
        }
        Self { all }
    }

    /// The pairs of types that each parameter links, with one end of each.
    fn kinds(&self) -> BTreeMap<(ResourceType, &'static str, ResourceType), (Name, Name)> {
        let pair = |(from, code, to): &(Name, &'static str, Name)| ((from.0, *code, to.0), (from.clone(), to.clone()));
        self.all.iter().rev().map(pair).collect()
    }

    fn from(&self, kind: ResourceType, code: &str, ends: &BTreeSet<String>, to: ResourceType) -> BTreeSet<String> {
        let leads = |(from, own, end): &&(Name, &'static str, Name)| {
            from.0 == kind && *own == code && end.0 == to && ends.contains(&end.1)
        };
        self.all.iter().filter(leads).map(|(from, ..)| from.1.clone()).collect()
    }

    fn to(&self, kind: ResourceType, code: &str, starts: &BTreeSet<String>, to: ResourceType) -> BTreeSet<String> {
        let led = |(from, own, end): &&(Name, &'static str, Name)| {
            from.0 == kind && *own == code && end.0 == to && starts.contains(&from.1)
        };
        self.all.iter().filter(led).map(|(.., end)| end.1.clone()).collect()
    }
}

fn named(reference: &str) -> Option<Name> {
    let (kind, id) = reference.split_once('/')?;
    (!id.contains('/')).then_some((ResourceType::parse(kind)?, id.to_owned()))
}

/// Some conditions that one resource satisfies, each with the resources of its type that satisfy it.
fn conditions(stored: &Stored, (kind, id): &Name, turn: usize) -> Vec<(&'static str, Query, BTreeSet<String>)> {
    let Some(all) = stored.get(kind) else { return Vec::new() };
    let of = |parameter: &'static SearchParameter| {
        let path = Expression::parse(parameter.expression).ok()?;
        let own = select(&all[id], &path);
        let asked = own.iter().flat_map(|one| queries(parameter.kind, typed(one)));
        let query = asked.filter(|query| query.suffix.is_empty() && !query.negated).nth(turn % 3)?;
        let found = all.iter().filter(|(_, value)| query.finds(&select(value, &path))).map(|(id, _)| id.clone());
        let found: BTreeSet<String> = found.collect();
        Some((parameter.code, query, found))
    };
    let plain = |one: &&SearchParameter| {
        !matches!(one.code, "_id" | "_lastUpdated") && !matches!(one.kind, SearchKind::Composite | SearchKind::Special)
    };
    let mut found: Vec<_> = parameters(*kind).filter(plain).filter_map(of).collect();
    let most = found.len().max(1);
    found.rotate_left(turn % most);
    found.truncate(2);
    found
}

async fn chains(client: &Client, stored: &Stored, links: &Links) -> ([usize; 3], Vec<String>) {
    let ([mut chained, mut reversed, mut further], mut wrong) = ([0; 3], Vec::new());
    let kinds = links.kinds();
    let mut per_reference: BTreeMap<(ResourceType, &str), usize> = BTreeMap::new();
    // An invalid example may point at what its parameter does not; a chain does not lead there.
    let leads = |kind: &ResourceType, code: &str, target: &ResourceType| {
        search::parameter(*kind, code).is_some_and(|parameter| parameter.targets.contains(target))
    };
    let led: Vec<_> = kinds.iter().filter(|((kind, code, target), _)| leads(kind, code, target)).collect();
    for (turn, ((kind, code, target), (from, to))) in led.iter().copied().enumerate() {
        let asked = per_reference.entry((*kind, code)).or_default();
        *asked += 1;
        if *asked > ENDS_MAX {
            continue;
        }
        for (name, query, ends) in conditions(stored, to, turn) {
            let value = query.encoded();
            let expect = links.from(*kind, code, &ends, *target);
            check(client, format!("{kind}?{code}:{target}.{name}={value}"), expect.clone(), &mut wrong).await;
            chained += 1;
            // One reference more: what leads to this one.
            let before = led.iter().find(|((_, _, end), _)| end == kind);
            if let Some(((owner, reference, _), _)) = before {
                let path = format!("{owner}?{reference}:{kind}.{code}:{target}.{name}={value}");
                check(client, path, links.from(*owner, reference, &expect, *kind), &mut wrong).await;
                further += 1;
            }
        }
        for (name, query, starts) in conditions(stored, from, turn) {
            let value = query.encoded();
            let expect = links.to(*kind, code, &starts, *target);
            check(client, format!("{target}?_has:{kind}:{code}:{name}={value}"), expect.clone(), &mut wrong).await;
            reversed += 1;
            let after = led.iter().find(|((owner, ..), _)| owner == target);
            if let Some(((_, reference, end), _)) = after {
                let path = format!("{end}?_has:{target}:{reference}:_has:{kind}:{code}:{name}={value}");
                check(client, path, links.to(*target, reference, &expect, *end), &mut wrong).await;
                further += 1;
            }
        }
    }
    ([chained, reversed, further], wrong)
}

/// An `_include` or `_revinclude`.
struct Include {
    reverse: bool,
    iterate: bool,
    source: ResourceType,
    code: Option<&'static str>,
    target: Option<ResourceType>,
}

impl Include {
    fn written(&self) -> String {
        let word = if self.reverse { "_revinclude" } else { "_include" };
        let iterate = if self.iterate { ":iterate" } else { "" };
        let target = self.target.map(|target| format!(":{target}")).unwrap_or_default();
        format!("{word}{iterate}={}:{}{target}", self.source, self.code.unwrap_or("*"))
    }

    fn follow(&self, links: &Links, from: &BTreeSet<Name>) -> BTreeSet<Name> {
        let fits = |(start, code, end): &&(Name, &'static str, Name)| {
            start.0 == self.source
                && self.code.is_none_or(|own| own == *code)
                && self.target.is_none_or(|target| target == end.0)
                && from.contains(if self.reverse { end } else { start })
        };
        let led = links.all.iter().filter(fits);
        led.map(|(start, _, end)| if self.reverse { start.clone() } else { end.clone() }).collect()
    }
}

/// Matches and what a page must bring with them.
fn included(links: &Links, includes: &[Include], matched: &BTreeSet<Name>) -> BTreeSet<Name> {
    let mut all = matched.clone();
    let mut fresh = matched.clone();
    let mut first = true;
    while !fresh.is_empty() {
        let followed = includes.iter().filter(|one| first || one.iterate).flat_map(|one| one.follow(links, &fresh));
        fresh = followed.filter(|name| !all.contains(name)).collect();
        all.extend(fresh.iter().cloned());
        first = false;
    }
    all.difference(matched).cloned().collect()
}

async fn inclusions(client: &Client, links: &Links) -> (usize, Vec<String>) {
    let (mut asked, mut wrong) = (0, Vec::new());
    let kinds = links.kinds();
    for ((kind, code, target), (from, to)) in &kinds {
        let forward = |iterate, target| Include { reverse: false, iterate, source: *kind, code: Some(code), target };
        let onward = kinds.keys().filter(|(owner, ..)| owner == target).map(|(owner, reference, _)| Include {
            reverse: false,
            iterate: true,
            source: *owner,
            code: Some(reference),
            target: None,
        });
        let onward: Vec<Include> = onward.take(2).collect();
        let backward = |iterate| Include { reverse: true, iterate, source: *kind, code: Some(code), target: None };
        let all = Include { reverse: false, iterate: true, source: *kind, code: None, target: None };
        let mut iterated = vec![forward(false, None)];
        iterated.extend(onward);
        for (start, includes) in [
            (from, vec![forward(false, None)]),
            (from, vec![forward(false, Some(*target))]),
            (from, iterated),
            (from, vec![all]),
            (to, vec![backward(false)]),
            (to, vec![backward(true), forward(true, None)]),
        ] {
            let written: Vec<_> = includes.iter().map(Include::written).collect();
            let path = format!("{}?_id={}&{}", start.0, start.1, written.join("&"));
            let page = client.get(&path).await;
            assert_eq!(page.status, 200, "{path}: {}", page.text);
            let bundle = page.json();
            let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
            if entries.iter().any(|entry| entry["search"]["mode"] == "outcome") {
                continue;
            }
            let of = |mode: &str| -> BTreeSet<Name> {
                let those = entries.iter().filter(|entry| entry["search"]["mode"] == mode);
                let name = |entry: &Value| {
                    (
                        ResourceType::parse(text(&entry["resource"], "resourceType")).unwrap(),
                        text(&entry["resource"], "id").to_owned(),
                    )
                };
                those.map(name).collect()
            };
            let matched = BTreeSet::from([start.clone()]);
            let expect = included(links, &includes, &matched);
            asked += 1;
            if of("match") != matched || of("include") != expect {
                let found = of("include");
                let more: Vec<_> = found.difference(&expect).take(3).collect();
                let less: Vec<_> = expect.difference(&found).take(3).collect();
                wrong.push(format!("{path}: also {more:?}, lacks {less:?}"));
            }
        }
    }
    (asked, wrong)
}

/// Words that a reader sees, as they are compared.
fn words(markup: &str) -> BTreeSet<String> {
    let mut visible = String::new();
    let mut inside = false;
    for letter in markup.chars() {
        match letter {
            '<' => inside = true,
            '>' => {
                inside = false;
                visible.push(' ');
            }
            _ if !inside => visible.push(letter),
            _ => {}
        }
    }
    split(&visible)
}

fn split(text: &str) -> BTreeSet<String> {
    plain(text)
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn strings(value: &Value, all: &mut BTreeSet<String>) {
    const ADDRESSES: [&str; 10] =
        ["resourceType", "id", "meta", "reference", "system", "url", "fullUrl", "profile", "data", "div"];
    match value {
        Value::String(text) => all.extend(split(text)),
        Value::Array(items) => items.iter().for_each(|item| strings(item, all)),
        Value::Object(fields) => {
            fields
                .iter()
                .filter(|(name, _)| !ADDRESSES.contains(&name.as_str()))
                .for_each(|(_, item)| strings(item, all));
        }
        _ => {}
    }
}

/// `_id`, `_lastUpdated`, `_text` and `_content` of every type.
async fn common(client: &Client, stored: &Stored) -> (usize, Vec<String>) {
    let (mut asked, mut wrong) = (0, Vec::new());
    for (kind, all) in stored {
        let ids: BTreeSet<String> = all.keys().take(2).cloned().collect();
        let joined: Vec<_> = ids.iter().cloned().collect();
        check(client, format!("{kind}?_id={},nobody", joined.join(",")), ids, &mut wrong).await;
        let everything: BTreeSet<String> = all.keys().cloned().collect();
        for (prefix, expect) in [("ge2000-01-01", &everything), ("lt2000-01-01", &BTreeSet::new())] {
            check(client, format!("{kind}?_lastUpdated={prefix}"), expect.clone(), &mut wrong).await;
        }
        let narratives: BTreeMap<&String, BTreeSet<String>> = all
            .iter()
            .map(|(id, value)| (id, words(value.pointer("/text/div").and_then(Value::as_str).unwrap_or_default())))
            .collect();
        let contents = all.iter().map(|(id, value)| {
            let mut own = narratives[id].clone();
            strings(value, &mut own);
            (id, own)
        });
        let contents: BTreeMap<&String, BTreeSet<String>> = contents.collect();
        for (name, texts) in [("_text", &narratives), ("_content", &contents)] {
            if name == "_text" && !kind.is_domain_resource() {
                continue;
            }
            let is_plain = |word: &&String| word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
            let chosen: BTreeSet<&String> =
                texts.values().filter_map(|own| own.iter().find(is_plain)).take(3).collect();
            for word in chosen {
                let expect = texts.iter().filter(|(_, own)| own.contains(word)).map(|(id, _)| (*id).clone());
                check(client, format!("{kind}?{name}={word}"), expect.collect(), &mut wrong).await;
                asked += 1;
            }
        }
        asked += 3;
    }
    (asked, wrong)
}

/// What the Lists among the resources name, by `_list`.
async fn lists(client: &Client, stored: &Stored, links: &Links) -> (usize, Vec<String>) {
    let (mut asked, mut wrong) = (0, Vec::new());
    let list = ResourceType::parse("List").unwrap();
    for id in stored.get(&list).into_iter().flat_map(BTreeMap::keys) {
        let own = BTreeSet::from([id.clone()]);
        for kind in stored.keys() {
            let expect = links.to(list, "item", &own, *kind);
            if expect.is_empty() && asked % 7 != 0 {
                asked += 1;
                continue;
            }
            check(client, format!("{kind}?_list={id}"), expect, &mut wrong).await;
            asked += 1;
        }
    }
    (asked, wrong)
}

async fn all_agree(stored: Stored, least: usize) {
    let client = holding(&stored).await;
    let links = Links::of(&stored);
    let (chained, mut wrong) = chains(&client, &stored, &links).await;
    let (brought, more) = inclusions(&client, &links).await;
    wrong.extend(more);
    let (common, more) = common(&client, &stored).await;
    wrong.extend(more);
    let (listed, more) = lists(&client, &stored, &links).await;
    wrong.extend(more);
    println!(
        "{chained:?} chains, `_has` and longer ones; {brought} inclusions; {common} of every type; {listed} lists"
    );
    assert!(chained.iter().all(|count| *count >= least) && brought >= least && common >= least && listed > 0);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn references_lead_where_a_plain_reading_would() {
    all_agree(by_type(crate::search::data()), 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn references_lead_so_over_the_official_examples_too() {
    if let Some(stored) = official() {
        all_agree(stored, 100).await;
    }
}

/// The paging of an answer does not change it.
#[tokio::test]
async fn a_chain_over_many_pages_is_the_same_as_on_one() {
    let client = holding(&by_type(crate::search::data())).await;
    let whole = answer(&client, "Observation?subject:Patient.active=true").await.unwrap();
    let mut paged = BTreeSet::new();
    let mut next = Some("Observation?subject:Patient.active=true&_count=1".to_owned());
    while let Some(url) = next {
        let page = client.get(&url).await;
        paged.extend(page.names().into_iter().map(|name| name.split_once('/').unwrap().1.to_owned()));
        next = page.link("next");
    }
    assert_eq!(paged, whole);
}
