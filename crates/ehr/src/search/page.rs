//! A page of a search: the matches in their order, what they include, how many there are, and where the next begins.

use bascule_fhir::ResourceType;
use rusqlite::types::Value as Cell;

use super::clause::Clause;
use super::compile::Compiler;
use super::cursor::Cursor;
use super::fan;
use super::include::included;
use super::parse::{Scope, Search, Summary, Total};
use super::plan::{Lead, Plan};
use super::walk::Walk;
use crate::store::{Version, current_by_key};
use crate::{Issue, Refusal};

/// A page.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) matches: Vec<Match>,
    pub(crate) total: Option<i64>,
    pub(crate) next: Option<Cursor>,
    /// What the answer must say beside the resources.
    pub(crate) remarks: Vec<Issue>,
}

/// A resource of a page.
#[derive(Debug, Clone)]
pub(crate) struct Match {
    pub(crate) version: Version,
    pub(crate) mode: Mode,
}

/// Why it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It satisfies the search.
    Match,
    /// A match leads to it.
    Include,
}

/// Matches that are counted without being asked; with more, the total is left out.
const CHEAP_TOTAL_MAX: i64 = 1_000;

/// Runs a search.
pub(crate) fn run(scope: &Scope<'_>, search: &Search) -> Result<Found, Refusal> {
    let mut remarks = search.warnings.clone();
    let leads = leads(scope, search)?;
    let total = total(scope, search, &leads)?;
    if search.summary == Summary::Count || search.count == 0 {
        return Ok(Found { matches: Vec::new(), total, next: None, remarks });
    }
    let newest = match &search.cursor {
        Some(cursor) => cursor.newest,
        None => scope.connection.query_row("SELECT COALESCE(MAX(pk), 0) FROM resource", [], |row| row.get(0))?,
    };
    let mut rows = match (fanned(scope, search, &leads, newest)?, walked(scope, search, &leads, newest)?) {
        (Some(rows), _) | (None, Some(rows)) => rows,
        (None, None) => rows(scope, search, &leads, newest)?,
    };
    let more = rows.len() > search.count;
    // A page that shows all has counted all.
    let shown = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let total = total.or((!more && search.cursor.is_none() && search.total != Total::None).then_some(shown));
    rows.truncate(search.count);
    let next =
        rows.last().filter(|_| more).map(|(after, keys)| Cursor { keys: keys.clone(), after: *after, newest, total });
    let mut matches = Vec::with_capacity(rows.len());
    for (key, _) in rows {
        if let Some(version) = current_by_key(scope.connection, scope.codes, key)? {
            matches.push(Match { version, mode: Mode::Match });
        }
    }
    if !search.includes.is_empty() {
        let (more, whole) = included(scope, &search.includes, &matches)?;
        matches.extend(more);
        if !whole {
            remarks
                .push(Issue::warning("incomplete", "not all that was to be included fits; ask with a smaller _count"));
        }
    }
    Ok(Found { matches, total, next, remarks })
}

/// The keys of all resources of a type that satisfy the clauses, at most `limit`, in their order.
pub(crate) fn find_all(
    scope: &Scope<'_>,
    resource: ResourceType,
    clauses: &[Clause],
    limit: usize,
) -> Result<Vec<i64>, Refusal> {
    let mut compiler = Compiler::new(scope.connection, scope.codes, scope.now);
    let lead = compiler.lead(clauses)?;
    let plan = compiler.plan(resource, clauses, lead)?;
    let sql = format!("SELECT DISTINCT {} AS pk {} ORDER BY pk LIMIT {limit}", plan.key, plan.from);
    let mut statement = scope.connection.prepare_cached(&sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(&compiler.values), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What leads in each branch.
fn leads(scope: &Scope<'_>, search: &Search) -> Result<Vec<Lead>, Refusal> {
    let lead = |(_, clauses): &(ResourceType, Vec<Clause>)| {
        Compiler::new(scope.connection, scope.codes, scope.now).lead(clauses)
    };
    search.branches.iter().map(lead).collect()
}

fn total(scope: &Scope<'_>, search: &Search, leads: &[Lead]) -> Result<Option<i64>, Refusal> {
    let exact = search.summary == Summary::Count || search.count == 0 || search.total == Total::Accurate;
    if let Some(cursor) = &search.cursor
        && (!exact || cursor.total.is_some())
    {
        return Ok(cursor.total);
    }
    if search.total == Total::None && !exact {
        return Ok(None);
    }
    let mut sum = 0;
    for ((resource, clauses), lead) in search.branches.iter().zip(leads) {
        let bound = (!exact).then_some(CHEAP_TOTAL_MAX + 1);
        match count(scope, *resource, clauses, *lead, bound)? {
            Some(count) if exact || sum + count <= CHEAP_TOTAL_MAX => sum += count,
            _ => return Ok(None),
        }
    }
    Ok(Some(sum))
}

/// How many there are; with a bound, at most that, and `None` where even so many cannot be told quickly.
fn count(
    scope: &Scope<'_>,
    resource: ResourceType,
    clauses: &[Clause],
    lead: Lead,
    bound: Option<i64>,
) -> Result<Option<i64>, Refusal> {
    let mut compiler = Compiler::new(scope.connection, scope.codes, scope.now);
    let plan = compiler.plan(resource, clauses, lead)?;
    if bound.is_some() && !plan.is_narrow && plan.is_sieved {
        return Ok(None);
    }
    let limit = bound.map(|bound| format!(" LIMIT {bound}")).unwrap_or_default();
    let distinct = if plan.repeats { "DISTINCT " } else { "" };
    let sql = format!("SELECT COUNT(*) FROM (SELECT {distinct}{} {}{limit})", plan.key, plan.from);
    let mut statement = scope.connection.prepare_cached(&sql)?;
    Ok(Some(statement.query_row(rusqlite::params_from_iter(&compiler.values), |row| row.get(0))?))
}

/// One type, one sort key and a large answer: its page by the order of the key's index, if there is one.
fn walked(scope: &Scope<'_>, search: &Search, leads: &[Lead], newest: i64) -> Result<Option<Vec<KeyedRow>>, Refusal> {
    let ([(resource, clauses)], [key], [lead]) = (search.branches.as_slice(), search.sort.as_slice(), leads) else {
        return Ok(None);
    };
    if lead.is_narrow() {
        return Ok(None);
    }
    let (cursor, limit) = (search.cursor.as_ref(), search.count + 1);
    Walk { scope, resource: *resource, clauses, key, cursor, newest, limit }.rows()
}

/// One type in no order of its own, and a chain that few resources end: its page from the references to each of them.
fn fanned(scope: &Scope<'_>, search: &Search, leads: &[Lead], newest: i64) -> Result<Option<Vec<KeyedRow>>, Refusal> {
    let ([(resource, clauses)], [], [lead]) = (search.branches.as_slice(), search.sort.as_slice(), leads) else {
        return Ok(None);
    };
    if lead.is_narrow() {
        return Ok(None);
    }
    let after = search.cursor.as_ref().map_or(0, |cursor| cursor.after);
    let keys = fan::page(scope, *resource, clauses, fan::Piece { after, newest, limit: search.count + 1 })?;
    Ok(keys.map(|keys| keys.into_iter().map(|key| (key, Vec::new())).collect()))
}

type KeyedRow = (i64, Vec<Cell>);

/// One row more than the page has, so that it is known whether another follows.
fn rows(scope: &Scope<'_>, search: &Search, leads: &[Lead], newest: i64) -> Result<Vec<KeyedRow>, Refusal> {
    let mut compiler = Compiler::new(scope.connection, scope.codes, scope.now);
    let limit = search.count + 1;
    let order = order(search);
    let mut branches = Vec::with_capacity(search.branches.len());
    for ((resource, clauses), lead) in search.branches.iter().zip(leads) {
        let plan = compiler.plan(*resource, clauses, *lead)?;
        branches.push(branch(&mut compiler, scope, search, *resource, &plan, newest, &order, limit));
    }
    let sql = match branches.as_slice() {
        [] => return Ok(Vec::new()),
        [only] => only.clone(),
        many => {
            let all: Vec<_> = many.iter().map(|branch| format!("SELECT * FROM ({branch})")).collect();
            format!("{} ORDER BY {order} LIMIT {limit}", all.join(" UNION ALL "))
        }
    };
    let mut statement = scope.connection.prepare_cached(&sql)?;
    let keys = search.sort.len();
    let rows = statement.query_map(rusqlite::params_from_iter(&compiler.values), |row| {
        let sorted = (1..=keys).map(|at| row.get::<_, Cell>(at)).collect::<Result<Vec<_>, _>>()?;
        Ok((row.get(0)?, sorted))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[expect(clippy::too_many_arguments, reason = "one statement is put together of all of them, in one place")]
fn branch(
    compiler: &mut Compiler<'_>,
    scope: &Scope<'_>,
    search: &Search,
    resource: ResourceType,
    plan: &Plan,
    newest: i64,
    order: &str,
    limit: usize,
) -> String {
    let newest = compiler.bind(newest);
    let key = plan.key;
    if search.sort.is_empty() {
        let after = compiler.bind(search.cursor.as_ref().map_or(0, |cursor| cursor.after));
        let grouped = if plan.repeats { format!(" GROUP BY {key}") } else { String::new() };
        return format!(
            "SELECT {key} AS pk {} AND {key} > {after} AND {key} <= {newest}{grouped} ORDER BY {key} LIMIT {limit}",
            plan.from
        );
    }
    let columns: Vec<_> = search
        .sort
        .iter()
        .enumerate()
        .map(|(at, sort)| format!("{} AS s{at}", sort.expression(compiler, scope, resource)))
        .collect();
    let distinct = if plan.repeats { "DISTINCT " } else { "" };
    let inner = format!("SELECT {distinct}r.pk AS pk, {} {} AND +r.pk <= {newest}", columns.join(", "), plan.from);
    let beyond = search.cursor.as_ref().map(|cursor| beyond(compiler, search, cursor)).unwrap_or_default();
    format!("SELECT * FROM ({inner}){beyond} ORDER BY {order} LIMIT {limit}")
}

/// The order of a page; equal keys stand in the order of the resources, turned with the last key.
fn order(search: &Search) -> String {
    let word = |descending: bool| if descending { "DESC" } else { "ASC" };
    let mut keys: Vec<_> =
        search.sort.iter().enumerate().map(|(at, sort)| format!("s{at} {}", word(sort.descending))).collect();
    keys.push(format!("pk {}", word(is_last_descending(search))));
    keys.join(", ")
}

fn is_last_descending(search: &Search) -> bool {
    search.sort.last().is_some_and(|sort| sort.descending)
}

/// Behind the cursor in that order.
fn beyond(compiler: &mut Compiler<'_>, search: &Search, cursor: &Cursor) -> String {
    let sign = |descending: bool| if descending { "<" } else { ">" };
    let after = compiler.bind(cursor.after);
    let mut condition = format!("pk {} {after}", sign(is_last_descending(search)));
    for (at, (sort, key)) in search.sort.iter().zip(&cursor.keys).enumerate().rev() {
        let value = compiler.bind(key.clone());
        condition = format!("(s{at} {} {value} OR (s{at} = {value} AND {condition}))", sign(sort.descending));
    }
    format!(" WHERE {condition}")
}
