//! search of a type, of everything, and of a compartment.

use bascule_fhir::compartment;
use bascule_fhir::{Parameter, Query, ResourceType, Within};
use http::StatusCode;

use super::shape::Shape;
use crate::ask::{Answer, Ask, encode};
use crate::bundle::Bundle;
use crate::error::outcome;
use crate::search::{Clause, Found, Mode, Scope, Search, parse, run};
use crate::server::Server;
use crate::{Handling, Issue, Refusal};

/// A page of matches.
pub(super) fn search(server: &Server, scope: &Scope<'_>, within: &Within, ask: &Ask) -> Result<Answer, Refusal> {
    let handling = ask.conditions.prefer.handling.unwrap_or(server.settings.handling);
    let types = types(scope, within, &ask.query)?;
    let also = |resource: ResourceType| match within {
        Within::Compartment { of, id, .. } => vec![self::compartment(scope, *of, id.as_str(), resource)],
        Within::System | Within::Type(_) => Vec::new(),
    };
    let (query, foreign) = match ask.conditions.prefer.handling {
        Some(_) => (ask.query.clone(), Vec::new()),
        None => without_foreign_controls(&ask.query),
    };
    let mut search = parse(scope, &types, &also, &query, handling)?;
    search.warnings.extend(foreign);
    refuse_unindexed(server, &search)?;
    let found = run(scope, &search)?;
    Ok(Answer::json(StatusCode::OK, page(server, scope, within, &search, found)?))
}

/// Everything that R4 lets begin with `_`, and our own cursor.
const UNDERSCORED: [&str; 25] = [
    "_contained",
    "_containedType",
    "_content",
    "_count",
    "_cursor",
    "_elements",
    "_filter",
    "_format",
    "_has",
    "_id",
    "_include",
    "_lastUpdated",
    "_list",
    "_pretty",
    "_profile",
    "_query",
    "_revinclude",
    "_security",
    "_sort",
    "_source",
    "_summary",
    "_tag",
    "_text",
    "_total",
    "_type",
];

/// The query without controls of other servers' dialects (fhirpy counts with `_totalMethod`), and a remark on each. R4
/// names every filter that begins with `_`, so ignoring another one finds no more than was asked for.
fn without_foreign_controls(query: &Query) -> (Query, Vec<Issue>) {
    let foreign = |name: &str| {
        let base = name.split([':', '.']).next().unwrap_or_default();
        base.starts_with('_') && !UNDERSCORED.contains(&base)
    };
    let (ignored, kept): (Vec<_>, Vec<_>) =
        query.parameters.iter().cloned().partition(|parameter| foreign(&parameter.name));
    let remark = |parameter: Parameter| {
        Issue::warning("not-supported", format!("`{}` is no control of R4 and was ignored", parameter.name))
    };
    (Query { parameters: kept }, ignored.into_iter().map(remark).collect())
}

fn refuse_unindexed(server: &Server, search: &Search) -> Result<(), Refusal> {
    let words =
        search.branches.iter().flat_map(|(_, clauses)| clauses).any(|clause| matches!(clause, Clause::Words { .. }));
    if words && !server.settings.full_text {
        return Err(Refusal::unsupported("`_text` and `_content` are not indexed on this server (setting full_text)"));
    }
    Ok(())
}

/// The types that are looked at.
fn types(scope: &Scope<'_>, within: &Within, query: &Query) -> Result<Vec<ResourceType>, Refusal> {
    let named = named_types(query)?;
    let all: Vec<_> = match within {
        Within::Type(resource) => return Ok(vec![*resource]),
        Within::Compartment { resource: Some(resource), of, .. } => {
            if *resource != *of && compartment::parameters(*of, *resource).is_empty() {
                return Err(Refusal::unsupported(format!("{resource} is never in the compartment of a {of}")));
            }
            return Ok(vec![*resource]);
        }
        Within::Compartment { of, resource: None, .. } => compartment::members(*of).collect(),
        Within::System => match &named {
            Some(named) => return Ok(named.clone()),
            None => ResourceType::all().collect(),
        },
    };
    let stored = stored_types(scope, &all)?;
    Ok(stored.into_iter().filter(|resource| named.as_ref().is_none_or(|named| named.contains(resource))).collect())
}

/// Those of the types that have a living resource.
pub(crate) fn stored_types(scope: &Scope<'_>, types: &[ResourceType]) -> Result<Vec<ResourceType>, Refusal> {
    let sql = "SELECT EXISTS (SELECT 1 FROM resource WHERE type = ?1 AND live = 1)";
    let mut statement = scope.connection.prepare_cached(sql)?;
    let mut stored = Vec::new();
    for resource in types {
        if statement.query_row([scope.codes.of(*resource)], |row| row.get::<_, bool>(0))? {
            stored.push(*resource);
        }
    }
    Ok(stored)
}

fn named_types(query: &Query) -> Result<Option<Vec<ResourceType>>, Refusal> {
    let mut named: Option<Vec<ResourceType>> = None;
    for name in query.named("_type").flat_map(|parameter| parameter.value.split(',')) {
        let resource = ResourceType::parse(name)
            .ok_or_else(|| Refusal::invalid("`_type` names something that is no resource type of R4"))?;
        named.get_or_insert_default().push(resource);
    }
    Ok(named)
}

/// What puts a resource into a compartment.
pub(crate) fn compartment(scope: &Scope<'_>, of: ResourceType, id: &str, resource: ResourceType) -> Clause {
    let references = compartment::parameters(of, resource)
        .iter()
        .filter_map(|name| scope.definitions.named(resource, name))
        .map(|indexed| indexed.code)
        .collect();
    Clause::Compartment { references, of, id: id.to_owned(), itself: of == resource }
}

fn page(server: &Server, scope: &Scope<'_>, within: &Within, search: &Search, found: Found) -> Result<String, Refusal> {
    let mut bundle = Bundle::new("searchset");
    bundle.total(found.total);
    let path = path(within);
    bundle.link("self", url(server, &path, &search.applied));
    if search.cursor.is_some() {
        bundle.link("first", url(server, &path, &without_cursor(&search.applied)));
    }
    if let Some(next) = &found.next {
        let mut parameters = without_cursor(&search.applied);
        parameters.push(Parameter { name: "_cursor".to_owned(), value: next.write() });
        bundle.link("next", url(server, &path, &parameters));
    }
    let shape = Shape { summary: search.summary, elements: search.elements.clone() };
    for one in &found.matches {
        let full_url = format!("{}/{}/{}", server.base(), one.version.resource, one.version.id);
        let mode = if one.mode == Mode::Match { "match" } else { "include" };
        // What is included is shown whole unless a summary is asked for everything.
        if shape.is_whole() || (one.mode == Mode::Include && !search.elements.is_empty()) {
            bundle.found(&full_url, &one.version.body, mode);
        } else {
            bundle.found(&full_url, &shape.apply(one.version.resource, &one.version.body)?, mode);
        }
    }
    if !found.remarks.is_empty() {
        bundle.outcome(&outcome(&found.remarks));
    }
    Ok(bundle.write(scope.now))
}

fn path(within: &Within) -> String {
    match within {
        Within::System => String::new(),
        Within::Type(resource) => resource.name().to_owned(),
        Within::Compartment { of, id, resource } => {
            format!("{of}/{id}/{}", resource.map_or("*", ResourceType::name))
        }
    }
}

fn without_cursor(parameters: &[Parameter]) -> Vec<Parameter> {
    parameters.iter().filter(|parameter| parameter.name != "_cursor").cloned().collect()
}

fn url(server: &Server, path: &str, parameters: &[Parameter]) -> String {
    let query = encode(parameters);
    let slash = if path.is_empty() { "" } else { "/" };
    if query.is_empty() {
        format!("{}{slash}{path}", server.base())
    } else {
        format!("{}{slash}{path}?{query}", server.base())
    }
}

/// For searches that the server makes for itself.
pub(super) fn strict(scope: &Scope<'_>, resource: ResourceType, query: &Query) -> Result<Search, Refusal> {
    parse(scope, &[resource], &|_| Vec::new(), query, Handling::Strict)
}
