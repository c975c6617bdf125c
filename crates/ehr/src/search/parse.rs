//! A query read: which parameters narrow the answer, and which say how it is to be shown.

use std::cell::Cell;

use bascule_fhir::{Parameter, Query, ResourceType, SearchKind, Timestamp};
use rusqlite::Connection;

use super::chain::Trail;
use super::clause::{Clause, Place};
use super::cursor::Cursor;
use super::include::Include;
use super::range;
use super::sort::SortKey;
use super::test;
use super::values::{Prefix, split, unescape};
use crate::index::{Definitions, marked, moment};
use crate::store::Codes;
use crate::{Issue, Refusal};

/// What a search may look at.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) codes: &'a Codes,
    pub(crate) definitions: &'a Definitions,
    pub(crate) now: Timestamp,
}

/// What is done about a parameter that is not known (`Prefer: handling=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// The search is refused: ignoring a narrowing shows more than was asked for.
    Strict,
    /// It is left out, and the answer says so.
    Lenient,
}

/// `_summary`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Summary {
    /// Whole resources.
    Whole,
    /// The elements marked as summary.
    Elements,
    /// Narrative, id, meta and mandatory elements.
    Text,
    /// All but the narrative.
    Data,
    /// No resources, only how many.
    Count,
}

/// `_total`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Total {
    /// Not asked: told if it is cheap.
    Cheap,
    /// Not wanted.
    None,
    /// Counted in full.
    Accurate,
}

/// A query, read.
#[derive(Debug)]
pub(crate) struct Search {
    /// For each type that is looked at: what must hold.
    pub(crate) branches: Vec<(ResourceType, Vec<Clause>)>,
    pub(crate) sort: Vec<SortKey>,
    /// Resources of a page.
    pub(crate) count: usize,
    pub(crate) summary: Summary,
    pub(crate) elements: Vec<String>,
    pub(crate) total: Total,
    pub(crate) includes: Vec<Include>,
    pub(crate) cursor: Option<Cursor>,
    /// What was understood, for the `self` link.
    pub(crate) applied: Vec<Parameter>,
    /// What was left out.
    pub(crate) warnings: Vec<Issue>,
}

/// Resources of a page unless `_count` says otherwise.
const COUNT_DEFAULT: usize = 50;
/// Resources of a page at most.
const COUNT_MAX: usize = 1_000;
/// Parameters of a query.
const PARAMETERS_MAX: usize = 200;

/// Reads a query over these types. `also` must hold for each of them (a compartment).
pub(crate) fn parse(
    scope: &Scope<'_>,
    types: &[ResourceType],
    also: &dyn Fn(ResourceType) -> Vec<Clause>,
    query: &Query,
    handling: Handling,
) -> Result<Search, Refusal> {
    if query.parameters.len() > PARAMETERS_MAX {
        return Err(Refusal::invalid(format!("a search has at most {PARAMETERS_MAX} parameters")));
    }
    let mut search = Search {
        branches: types.iter().map(|resource| (*resource, also(*resource))).collect(),
        sort: Vec::new(),
        count: COUNT_DEFAULT,
        summary: Summary::Whole,
        elements: Vec::new(),
        total: Total::Cheap,
        includes: Vec::new(),
        cursor: None,
        applied: Vec::new(),
        warnings: Vec::new(),
    };
    let mut faults = Vec::new();
    for parameter in &query.parameters {
        match search.read(scope, parameter) {
            Ok(true) => search.applied.push(parameter.clone()),
            Ok(false) => search.unknown(parameter, types, handling, &mut faults),
            Err(refusal) => faults.extend(refusal.issues.into_iter().map(|issue| issue.at(name_of(parameter)))),
        }
    }
    if faults.is_empty() {
        for (resource, clauses) in &mut search.branches {
            *clauses = range::joined(scope.definitions, *resource, std::mem::take(clauses));
        }
        Ok(search)
    } else {
        Err(Refusal { status: http::StatusCode::BAD_REQUEST, issues: faults, etag: None })
    }
}

/// How an issue names a parameter: without its value.
fn name_of(parameter: &Parameter) -> String {
    format!("http.{}", parameter.name.split(':').next().unwrap_or_default())
}

impl Search {
    fn unknown(&mut self, parameter: &Parameter, types: &[ResourceType], handling: Handling, faults: &mut Vec<Issue>) {
        let name = &parameter.name;
        let on = match types {
            [only] => only.name().to_owned(),
            _ => "every type that is searched".to_owned(),
        };
        match handling {
            Handling::Strict => {
                let mend = "leave it out, or send Prefer: handling=lenient to have it ignored";
                let text = format!("`{name}` is no search parameter of {on}; {mend}");
                faults.push(Issue::error("not-supported", text).at(name_of(parameter)));
            }
            Handling::Lenient => {
                let text = format!("`{name}` is no search parameter of {on} and was ignored");
                self.warnings.push(Issue::warning("not-supported", text).at(name_of(parameter)));
            }
        }
    }

    /// Whether the parameter was understood.
    fn read(&mut self, scope: &Scope<'_>, parameter: &Parameter) -> Result<bool, Refusal> {
        let (name, modifier) =
            parameter.name.split_once(':').map_or((parameter.name.as_str(), None), |(name, rest)| (name, Some(rest)));
        let value = parameter.value.as_str();
        match (name, modifier) {
            ("_count", None) => self.count = count(value)?,
            ("_sort", None) => self.sort = SortKey::read(scope, &self.branches, value)?,
            ("_summary", None) => self.summary = summary(value)?,
            ("_elements", None) => self.elements.extend(value.split(',').map(|name| name.trim().to_owned())),
            ("_total", None) => self.total = total(value)?,
            ("_include" | "_revinclude", modifier) => {
                self.includes.push(Include::read(scope, name == "_revinclude", modifier, value)?);
            }
            ("_cursor", None) => {
                let fault =
                    || Refusal::invalid("`_cursor` is not one that this server gave out; begin the search anew");
                self.cursor = Some(Cursor::read(value).ok_or_else(fault)?);
            }
            ("_contained", None) if value == "false" => {}
            ("_contained" | "_containedType", _) => {
                return Err(Refusal::unsupported(
                    "contained resources are not found by themselves: leave `_contained` out",
                ));
            }
            ("_format" | "_pretty" | "_type", None) => {}
            _ => return self.narrow(scope, parameter),
        }
        Ok(true)
    }

    fn narrow(&mut self, scope: &Scope<'_>, parameter: &Parameter) -> Result<bool, Refusal> {
        let mut clauses = Vec::with_capacity(self.branches.len());
        for (resource, _) in &self.branches {
            let looked_at = Cell::new(0);
            match scope.clause(*resource, &parameter.name, &parameter.value, Trail::new(&looked_at))? {
                Some(clause) => clauses.push(clause),
                None => return Ok(false),
            }
        }
        for ((_, all), clause) in self.branches.iter_mut().zip(clauses) {
            all.push(clause);
        }
        Ok(true)
    }
}

impl Scope<'_> {
    /// One narrowing parameter on one type; `None` if the type does not have it.
    pub(super) fn clause(
        &self,
        resource: ResourceType,
        name: &str,
        value: &str,
        trail: Trail<'_>,
    ) -> Result<Option<Clause>, Refusal> {
        trail.look()?;
        if let Some(rest) = name.strip_prefix("_has:") {
            return self.has(resource, rest, value, trail);
        }
        if let Some((head, rest)) = name.split_once('.') {
            return self.chain(resource, head, rest, value, trail);
        }
        let (bare, modifier) = name.split_once(':').map_or((name, None), |(bare, modifier)| (bare, Some(modifier)));
        match (bare, modifier) {
            ("_id", None) => Ok(Some(Clause::Ids(split(value, ',').into_iter().map(unescape).collect()))),
            ("_lastUpdated", None) => updated(value).map(Some),
            ("_text", None) if self.definitions.named(resource, "_text").is_some() => {
                words(resource, "narrative", value).map(Some)
            }
            ("_content", None) => words(resource, "{narrative content}", value).map(Some),
            ("_list", None) => self.listed(value),
            ("_query", _) => Err(Refusal::unsupported("this server has no named queries")),
            _ => self.indexed(resource, bare, modifier, value),
        }
    }

    fn indexed(
        &self,
        resource: ResourceType,
        name: &str,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<Option<Clause>, Refusal> {
        let Some(indexed) = self.definitions.named(resource, name) else { return Ok(None) };
        let kind = indexed.parameter.kind;
        if modifier == Some("missing") {
            return missing(indexed.code, kind, value).map(Some);
        }
        if value.is_empty() {
            return Err(Refusal::invalid(format!("`{name}` has an empty value: give one, or leave the parameter out")));
        }
        match (kind, modifier) {
            (SearchKind::Composite, None) => self.composite(indexed, value).map(Some),
            (SearchKind::Special, None) => near(indexed.code, indexed.beside, value).map(Some),
            (SearchKind::Token, Some("in" | "not-in" | "above" | "below")) => {
                self.terms(indexed, modifier.unwrap_or_default(), value).map(Some)
            }
            _ => {
                let any = test::tests(indexed, modifier, value, &self.definitions.base)?;
                Ok(Some(Clause::Rows { any, negated: modifier == Some("not") }))
            }
        }
    }

    fn composite(&self, indexed: &crate::index::Indexed, value: &str) -> Result<Clause, Refusal> {
        let name = indexed.parameter.code;
        let mut any = Vec::new();
        for one in split(value, ',') {
            let values = split(one, '$');
            if values.len() != indexed.parts.len() {
                let parts = indexed.parts.len();
                return Err(Refusal::invalid(format!("`{name}` has {parts} parts, joined by $")));
            }
            let tests = indexed.parts.iter().zip(values);
            let tests = tests.map(|(part, value)| test::part(part, value, &self.definitions.base));
            any.push(tests.collect::<Result<Vec<_>, Refusal>>()?);
        }
        Ok(Clause::Composite { any })
    }

    fn listed(&self, value: &str) -> Result<Option<Clause>, Refusal> {
        let list = ResourceType::parse("List").and_then(|resource| self.definitions.named(resource, "item"));
        let id = value.strip_prefix("List/").unwrap_or(value);
        let Some(id) = bascule_fhir::Id::parse(id) else {
            return Err(Refusal::unsupported(
                "`_list` asks for the id of a List; functional lists like $current are not kept",
            ));
        };
        Ok(list.map(|indexed| Clause::Listed { list: id.as_str().to_owned(), reference: indexed.code }))
    }
}

fn missing(parameter: i64, kind: SearchKind, value: &str) -> Result<Clause, Refusal> {
    let missing = match value {
        "true" => true,
        "false" => false,
        _ => return Err(Refusal::invalid("`:missing` asks for true or false")),
    };
    let tables = test::tables(kind);
    if tables.is_empty() {
        return Err(Refusal::unsupported("`:missing` is not told of composite and special parameters"));
    }
    Ok(Clause::Missing { parameter, tables, missing })
}

fn updated(value: &str) -> Result<Clause, Refusal> {
    let one = |text: &str| {
        let (prefix, rest) = Prefix::read(text)?;
        let span =
            moment::parse(rest).ok_or_else(|| Refusal::invalid("`_lastUpdated` asks for a date or an instant"))?;
        Ok((prefix, span))
    };
    Ok(Clause::Updated(split(value, ',').into_iter().map(one).collect::<Result<_, Refusal>>()?))
}

/// Words joined by `OR`, `AND` and `NOT` pass to the index; everything else is words that must all be there.
fn words(resource: ResourceType, column: &'static str, value: &str) -> Result<Clause, Refusal> {
    let mut query: Vec<String> = Vec::new();
    for word in value.split_whitespace() {
        match word {
            "OR" | "AND" | "NOT" if query.last().is_some_and(|last| last.ends_with('"')) => query.push(word.to_owned()),
            _ => {
                for part in marked(resource, word) {
                    if query.last().is_some_and(|last| last.ends_with('"')) {
                        query.push("AND".to_owned());
                    }
                    query.push(format!("\"{part}\""));
                }
            }
        }
    }
    while query.last().is_some_and(|last| !last.ends_with('"')) {
        query.pop();
    }
    if query.is_empty() {
        return Err(Refusal::invalid("a text search asks for at least one word"));
    }
    Ok(Clause::Words { column, query: query.join(" ") })
}

/// `latitude|longitude[|distance[|units]]`
fn near(latitude: i64, longitude: i64, value: &str) -> Result<Clause, Refusal> {
    let fault = || Refusal::invalid("`near` is latitude|longitude|distance|units with units km, m or [mi_us]");
    let mut place = Vec::new();
    for one in split(value, ',') {
        let parts: Vec<_> = one.split('|').collect();
        let number = |at: usize| parts.get(at).filter(|text| !text.is_empty()).map(|text| text.parse::<f64>());
        let (Some(Ok(north)), Some(Ok(east))) = (number(0), number(1)) else { return Err(fault()) };
        let distance = number(2).unwrap_or(Ok(NEAR_DEFAULT_KM)).map_err(|_| fault())?;
        let unit = match parts.get(3).copied().unwrap_or("km") {
            "km" | "" => 1_000.0,
            "m" => 1.0,
            "[mi_us]" | "mi" => 1_609.347,
            _ => return Err(fault()),
        };
        place.push(Place { latitude: north, longitude: east, metres: distance * unit });
    }
    Ok(Clause::Near { latitude, longitude, place })
}

/// How far `near` reaches if it does not say.
const NEAR_DEFAULT_KM: f64 = 50.0;

fn count(value: &str) -> Result<usize, Refusal> {
    let count: usize = value.parse().map_err(|_| Refusal::invalid("`_count` asks for a number"))?;
    Ok(count.min(COUNT_MAX))
}

fn summary(value: &str) -> Result<Summary, Refusal> {
    Ok(match value {
        "true" => Summary::Elements,
        "text" => Summary::Text,
        "data" => Summary::Data,
        "count" => Summary::Count,
        "false" => Summary::Whole,
        _ => return Err(Refusal::invalid("`_summary` is true, text, data, count or false")),
    })
}

fn total(value: &str) -> Result<Total, Refusal> {
    Ok(match value {
        "none" => Total::None,
        "estimate" | "accurate" => Total::Accurate,
        _ => return Err(Refusal::invalid("`_total` is none, estimate or accurate")),
    })
}
