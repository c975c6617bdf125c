//! history of a resource, of a type and of everything.

use bascule_fhir::{Level, Query};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use rusqlite::OptionalExtension;

use crate::Refusal;
use crate::ask::{Answer, Ask, encode};
use crate::bundle::Bundle;
use crate::index::moment;
use crate::search::Scope;
use crate::server::Server;
use crate::store::{current, versions_by_sequence};

/// Versions of a page unless `_count` says otherwise, and at most.
const COUNT_DEFAULT: usize = 50;
const COUNT_MAX: usize = 1_000;

/// What the query narrows.
#[derive(Default)]
struct Narrowing {
    count: Option<usize>,
    since: Option<i64>,
    at: Option<moment::Span>,
    before: Option<i64>,
}

/// A page of history, newest first.
pub(super) fn history(server: &Server, scope: &Scope<'_>, level: &Level, ask: &Ask) -> Result<Answer, Refusal> {
    let narrowing = Narrowing::read(&ask.query)?;
    let (path, condition, mut values) = of(scope, level)?;
    let mut conditions = vec![condition];
    narrowing.add(&mut conditions, &mut values);
    let count = narrowing.count.unwrap_or(COUNT_DEFAULT).min(COUNT_MAX);
    let condition = conditions.join(" AND ");
    let mut versions = versions_by_sequence(scope.connection, scope.codes, &condition, &values, count + 1)?;
    let more = versions.len() > count;
    versions.truncate(count);
    let mut bundle = Bundle::new("history");
    bundle.total(total(scope, level)?.filter(|_| narrowing.is_whole()));
    bundle.link("self", url(server, &path, &ask.query, None));
    if let Some(last) = versions.last().filter(|_| more) {
        bundle.link("next", url(server, &path, &ask.query, Some(last.sequence)));
    }
    versions.iter().for_each(|version| bundle.version(server.base(), version));
    Ok(Answer::json(StatusCode::OK, bundle.write(scope.now)))
}

fn of(scope: &Scope<'_>, level: &Level) -> Result<(String, String, Vec<i64>), Refusal> {
    Ok(match level {
        Level::System => ("_history".to_owned(), "1 = 1".to_owned(), Vec::new()),
        Level::Type(resource) => {
            (format!("{resource}/_history"), "v.type = ?1".to_owned(), vec![scope.codes.of(*resource)])
        }
        Level::Instance(resource, id) => {
            let found = current(scope.connection, scope.codes, *resource, id.as_str())?;
            let found = found.ok_or_else(|| Refusal::not_found(format!("there is no {resource}/{id}")))?;
            (format!("{resource}/{id}/_history"), "v.pk = ?1".to_owned(), vec![found.key])
        }
    })
}

/// How many versions a resource has; of types and of everything it is not counted.
fn total(scope: &Scope<'_>, level: &Level) -> Result<Option<i64>, Refusal> {
    let Level::Instance(resource, id) = level else { return Ok(None) };
    let sql = "SELECT COUNT(*) FROM version v JOIN resource r ON r.pk = v.pk WHERE r.type = ?1 AND r.id = ?2";
    let mut statement = scope.connection.prepare_cached(sql)?;
    Ok(statement.query_row((scope.codes.of(*resource), id.as_str()), |row| row.get(0)).optional()?)
}

impl Narrowing {
    fn read(query: &Query) -> Result<Self, Refusal> {
        let mut narrowing = Self::default();
        for parameter in &query.parameters {
            let value = parameter.value.as_str();
            match parameter.name.as_str() {
                "_count" => {
                    narrowing.count = Some(value.parse().map_err(|_| Refusal::invalid("`_count` asks for a number"))?)
                }
                "_since" => narrowing.since = Some(moment_of(value, "_since")?.low),
                "_at" => narrowing.at = Some(moment_of(value, "_at")?),
                "_cursor" => narrowing.before = Some(read_cursor(value)?),
                "_format" | "_pretty" | "_sort" => {}
                other => {
                    return Err(Refusal::unsupported(format!(
                        "`{other}` is not a parameter of history; _count, _since and _at are"
                    )));
                }
            }
        }
        Ok(narrowing)
    }

    const fn is_whole(&self) -> bool {
        self.since.is_none() && self.at.is_none()
    }

    fn add(&self, conditions: &mut Vec<String>, values: &mut Vec<i64>) {
        let mut push = |text: &dyn Fn(usize) -> String, value: i64| {
            values.push(value);
            conditions.push(text(values.len()));
        };
        if let Some(since) = self.since {
            push(&|at| format!("v.updated >= ?{at}"), since);
        }
        if let Some(before) = self.before {
            push(&|at| format!("v.seq < ?{at}"), before);
        }
        if let Some(span) = self.at {
            // Current at some time within: it began before the end, and its successor came after the beginning.
            push(&|at| format!("v.updated < ?{at}"), span.high);
            let next = "SELECT n.updated FROM version n WHERE n.pk = v.pk AND n.version = v.version + 1";
            push(&|at| format!("COALESCE(({next}), 9223372036854775807) > ?{at}"), span.low);
        }
    }
}

fn moment_of(value: &str, name: &str) -> Result<moment::Span, Refusal> {
    moment::parse(value).ok_or_else(|| Refusal::invalid(format!("`{name}` asks for a date or an instant")))
}

fn read_cursor(value: &str) -> Result<i64, Refusal> {
    let read = || String::from_utf8(URL_SAFE_NO_PAD.decode(value).ok()?).ok()?.parse().ok();
    read().ok_or_else(|| Refusal::invalid("`_cursor` is not one that this server gave out; begin anew"))
}

fn url(server: &Server, path: &str, query: &Query, cursor: Option<i64>) -> String {
    let mut parameters = query.parameters.clone();
    if let Some(cursor) = cursor {
        parameters.retain(|parameter| parameter.name != "_cursor");
        let value = URL_SAFE_NO_PAD.encode(cursor.to_string());
        parameters.push(bascule_fhir::Parameter { name: "_cursor".to_owned(), value });
    }
    let query = encode(&parameters);
    if query.is_empty() { format!("{}/{path}", server.base()) } else { format!("{}/{path}?{query}", server.base()) }
}
