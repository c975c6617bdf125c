//! `$everything`: a patient's or an encounter's compartment, and what it refers to.

use std::collections::HashSet;

use bascule_fhir::{Id, Level, Parameter, Query, ResourceType, SearchKind, compartment};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;

use super::members::is_shared;
use super::parameters::Given;
use crate::Refusal;
use crate::act;
use crate::ask::{Answer, Ask, Verb, encode};
use crate::bundle::Bundle;
use crate::search::{Scope, find_all};
use crate::server::Server;
use crate::store::{Version, current_by_key};

/// Resources that one answer may hold.
const PAGE_MAX: usize = 1_000;
/// Members of a compartment that are looked at.
const MEMBERS_MAX: usize = 1_000_000;

/// What narrows the answer.
struct Narrowing {
    start: Option<String>,
    end: Option<String>,
    since: Option<String>,
    types: Vec<ResourceType>,
    count: usize,
    after: (u8, i64),
}

/// The Bundle of everything.
pub(super) async fn everything(server: &Server, mut ask: Ask) -> Result<Answer, Refusal> {
    let given = Given::read(&mut ask)?;
    let narrowing = Narrowing::read(&given)?;
    let Verb::Operation { on, .. } = ask.verb.clone() else { return Err(super::unknown()) };
    let (Level::Type(of) | Level::Instance(of, _)) = &on else { return Err(super::unknown()) };
    if !matches!(of.name(), "Patient" | "Encounter") {
        return Err(Refusal::not_found("$everything is there for Patient and Encounter"));
    }
    let own = server.clone();
    server.store.read(move |connection| page(&own, &own.scope(connection), &on, &narrowing, &ask)).await
}

impl Narrowing {
    fn read(given: &Given) -> Result<Self, Refusal> {
        let mut types = Vec::new();
        for name in given.all("_type").flat_map(|list| list.split(',')) {
            let resource = ResourceType::parse(name)
                .ok_or_else(|| Refusal::invalid("`_type` names something that is no resource type of R4"))?;
            types.push(resource);
        }
        let count = given
            .first("_count")
            .map(str::parse)
            .transpose()
            .map_err(|_| Refusal::invalid("`_count` asks for a number"))?;
        let after = given.first("_cursor").map(read_cursor).transpose()?.unwrap_or((0, 0));
        let text = |name: &str| given.first(name).map(str::to_owned);
        Ok(Self {
            start: text("start"),
            end: text("end"),
            since: text("_since"),
            types,
            count: count.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX),
            after,
        })
    }

    fn wants(&self, resource: ResourceType) -> bool {
        self.types.is_empty() || self.types.contains(&resource)
    }
}

fn read_cursor(text: &str) -> Result<(u8, i64), Refusal> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (stage, key) = text.split_once(' ')?;
        Some((stage.parse().ok()?, key.parse().ok()?))
    };
    read().ok_or_else(|| Refusal::invalid("`_cursor` is not one that this server gave out; begin anew"))
}

fn page(server: &Server, scope: &Scope<'_>, on: &Level, narrowing: &Narrowing, ask: &Ask) -> Result<Answer, Refusal> {
    let members = members(scope, on, narrowing)?;
    let keys: Vec<i64> = members.iter().map(|(_, key)| *key).collect();
    let linked = linked(scope, &keys, narrowing)?;
    let members = members.into_iter().filter(|(resource, _)| narrowing.wants(*resource)).map(|(_, key)| key);
    // Members first, then what they refer to; within each, in the order in which they were stored.
    let all = members.map(|key| (0_u8, key)).chain(linked.into_iter().map(|key| (1_u8, key)));
    let mut rest = all.filter(|place| *place > narrowing.after);
    let shown: Vec<_> = rest.by_ref().take(narrowing.count).collect();
    let more = rest.next().is_some();
    let mut bundle = Bundle::new("searchset");
    let path = path(on);
    bundle.link("self", format!("{}/{path}", server.base()));
    if let Some((stage, key)) = shown.last().filter(|_| more) {
        bundle.link("next", next(server, &path, &ask.query, *stage, *key));
    }
    for (stage, key) in &shown {
        if let Some(version) = current_by_key(scope.connection, scope.codes, *key)? {
            let full_url = format!("{}/{}/{}", server.base(), version.resource, version.id);
            bundle.found(&full_url, &version.body, if *stage == 0 { "match" } else { "include" });
        }
    }
    Ok(Answer::json(StatusCode::OK, bundle.write(scope.now)))
}

fn path(on: &Level) -> String {
    match on {
        Level::Instance(resource, id) => format!("{resource}/{id}/$everything"),
        Level::Type(resource) => format!("{resource}/$everything"),
        Level::System => "$everything".to_owned(),
    }
}

fn next(server: &Server, path: &str, query: &Query, stage: u8, key: i64) -> String {
    let mut parameters: Vec<_> =
        query.parameters.iter().filter(|parameter| parameter.name != "_cursor").cloned().collect();
    let value = URL_SAFE_NO_PAD.encode(format!("{stage} {key}"));
    parameters.push(Parameter { name: "_cursor".to_owned(), value });
    format!("{}/{path}?{}", server.base(), encode(&parameters))
}

/// The compartment, in the order in which it was stored.
fn members(scope: &Scope<'_>, on: &Level, narrowing: &Narrowing) -> Result<Vec<(ResourceType, i64)>, Refusal> {
    let (of, id) = match on {
        Level::Instance(of, id) => (*of, Some(id)),
        Level::Type(of) => (*of, None),
        Level::System => return Ok(Vec::new()),
    };
    if let Some(id) = id {
        crate::store::current(scope.connection, scope.codes, of, id.as_str())?
            .filter(|version| version.method != crate::store::Method::Delete)
            .ok_or_else(|| Refusal::not_found(format!("there is no {of}/{id}")))?;
    }
    let possible: Vec<_> = compartment::members(of).collect();
    let mut keys = Vec::new();
    for resource in act::stored_types(scope, &possible)? {
        keys.extend(of_type(scope, of, id, resource, narrowing)?.into_iter().map(|key| (resource, key)));
    }
    keys.sort_unstable_by_key(|(_, key)| *key);
    keys.dedup();
    Ok(keys)
}

fn of_type(
    scope: &Scope<'_>,
    of: ResourceType,
    id: Option<&Id>,
    resource: ResourceType,
    narrowing: &Narrowing,
) -> Result<Vec<i64>, Refusal> {
    let mut clauses = Vec::new();
    match id {
        Some(id) => clauses.push(act::compartment(scope, of, id.as_str(), resource)),
        None if resource == of => {}
        None => return of_all(scope, of, resource),
    }
    let mut parameters = Vec::new();
    if let Some(date) = clinical_date(scope, resource).filter(|_| resource != of) {
        parameters.extend(narrowing.start.iter().map(|start| (date, format!("ge{start}"))));
        parameters.extend(narrowing.end.iter().map(|end| (date, format!("le{end}"))));
    }
    parameters.extend(narrowing.since.iter().map(|since| ("_lastUpdated", format!("ge{since}"))));
    let parameters: Vec<_> =
        parameters.into_iter().map(|(name, value)| Parameter { name: name.to_owned(), value }).collect();
    let search =
        crate::search::parse(scope, &[resource], &|_| Vec::new(), &Query { parameters }, crate::Handling::Strict)?;
    clauses.extend(search.branches.into_iter().flat_map(|(_, clauses)| clauses));
    find_all(scope, resource, &clauses, MEMBERS_MAX)
}

/// Everything of a type that is in the compartment of anybody.
fn of_all(scope: &Scope<'_>, of: ResourceType, resource: ResourceType) -> Result<Vec<i64>, Refusal> {
    let codes: Vec<_> = compartment::parameters(of, resource)
        .iter()
        .filter_map(|name| scope.definitions.named(resource, name))
        .map(|indexed| indexed.code.to_string())
        .collect();
    let sql = format!(
        "SELECT DISTINCT s.pk FROM reference s JOIN resource t ON t.pk = s.target \
         WHERE s.parameter IN ({}) AND t.type = ?1 LIMIT {MEMBERS_MAX}",
        codes.join(", ")
    );
    let mut statement = scope.connection.prepare_cached(&sql)?;
    let rows = statement.query_map([scope.codes.of(of)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The parameter that says when it happened.
fn clinical_date(scope: &Scope<'_>, resource: ResourceType) -> Option<&'static str> {
    ["date", "period", "recorded-date", "created", "authoredon", "authored-on", "issued", "started"]
        .into_iter()
        .find(|name| scope.definitions.named(resource, name).is_some_and(|one| one.parameter.kind == SearchKind::Date))
}

/// What the members refer to and is in nobody's compartment: practitioners, organizations, medications, places.
fn linked(scope: &Scope<'_>, members: &[i64], narrowing: &Narrowing) -> Result<Vec<i64>, Refusal> {
    let mut seen: HashSet<i64> = members.iter().copied().collect();
    let mut fresh: Vec<i64> = members.to_vec();
    let mut all = Vec::new();
    while !fresh.is_empty() {
        let mut next = Vec::new();
        for key in fresh {
            for version in targets(scope, key)? {
                if !is_shared(version.resource) || !seen.insert(version.key) {
                    continue;
                }
                next.push(version.key);
                if narrowing.wants(version.resource) {
                    all.push(version.key);
                }
            }
        }
        fresh = next;
    }
    all.sort_unstable();
    Ok(all)
}

fn targets(scope: &Scope<'_>, key: i64) -> Result<Vec<Version>, Refusal> {
    let Some(version) = current_by_key(scope.connection, scope.codes, key)? else { return Ok(Vec::new()) };
    let mut keys: Vec<i64> = Vec::new();
    let sql = "SELECT target FROM reference WHERE parameter = ?1 AND pk = ?2";
    let mut statement = scope.connection.prepare_cached(sql)?;
    let references =
        scope.definitions.of(version.resource).iter().filter(|one| one.parameter.kind == SearchKind::Reference);
    for reference in references {
        let rows = statement.query_map((reference.code, key), |row| row.get::<_, i64>(0))?;
        keys.extend(rows.collect::<Result<Vec<_>, _>>()?);
    }
    let mut versions = Vec::with_capacity(keys.len());
    for key in keys {
        versions.extend(current_by_key(scope.connection, scope.codes, key)?);
    }
    Ok(versions)
}
