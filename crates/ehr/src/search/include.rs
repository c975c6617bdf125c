//! `_include` and `_revinclude`: what the matches refer to, what refers to them, and so on with `:iterate`.

use std::collections::HashSet;

use bascule_fhir::{ResourceType, SearchKind};

use super::page::{Match, Mode};
use super::parse::Scope;
use crate::Refusal;
use crate::index::Indexed;
use crate::store::current_by_key;

/// One inclusion.
#[derive(Debug, Clone)]
pub(crate) struct Include {
    /// The type that holds the reference.
    source: ResourceType,
    /// The numbers of the references to follow.
    references: Vec<i64>,
    /// Only to (or, reversed, only for) this type.
    target: Option<ResourceType>,
    reverse: bool,
    /// Also from what was included.
    iterate: bool,
}

/// Resources that a page may include.
const INCLUDED_MAX: usize = 2_000;

impl Include {
    /// Reads `Observation:subject:Patient`.
    pub(super) fn read(scope: &Scope<'_>, reverse: bool, modifier: Option<&str>, value: &str) -> Result<Self, Refusal> {
        let word = if reverse { "_revinclude" } else { "_include" };
        let iterate = match modifier {
            None => false,
            Some("iterate" | "recurse") => true,
            Some(_) => return Err(Refusal::unsupported(format!("`{word}` has no modifier but `:iterate`"))),
        };
        let mut parts = value.split(':');
        let shape = || Refusal::invalid(format!("`{word}` reads Type:reference[:Type] or Type:*"));
        let source = parts.next().and_then(ResourceType::parse).ok_or_else(shape)?;
        let name = parts.next().ok_or_else(shape)?;
        let target = parts.next().map(|target| ResourceType::parse(target).ok_or_else(shape)).transpose()?;
        if parts.next().is_some() {
            return Err(shape());
        }
        let references = references(scope, source, name);
        if references.is_empty() {
            return Err(Refusal::invalid(format!("`{word}`: {source} has no reference `{name}`")));
        }
        Ok(Self { source, references, target, reverse, iterate })
    }
}

fn references(scope: &Scope<'_>, source: ResourceType, name: &str) -> Vec<i64> {
    let wanted = |indexed: &&Indexed| {
        indexed.parameter.kind == SearchKind::Reference && (name == "*" || indexed.parameter.code == name)
    };
    scope.definitions.of(source).iter().filter(wanted).map(|indexed| indexed.code).collect()
}

/// What the inclusions add to the matches of a page; and whether all of it is there.
pub(super) fn included(
    scope: &Scope<'_>,
    includes: &[Include],
    matches: &[Match],
) -> Result<(Vec<Match>, bool), Refusal> {
    let mut seen: HashSet<i64> = matches.iter().map(|found| found.version.key).collect();
    let mut fresh: Vec<(ResourceType, i64)> =
        matches.iter().map(|found| (found.version.resource, found.version.key)).collect();
    let mut all = Vec::new();
    let mut first = true;
    while !fresh.is_empty() {
        let mut next = Vec::new();
        for include in includes.iter().filter(|include| first || include.iterate) {
            for key in include.follow(scope, &fresh)? {
                if !seen.insert(key) {
                    continue;
                }
                if all.len() >= INCLUDED_MAX {
                    return Ok((all, false));
                }
                if let Some(version) = current_by_key(scope.connection, scope.codes, key)? {
                    next.push((version.resource, key));
                    all.push(Match { version, mode: Mode::Include });
                }
            }
        }
        fresh = next;
        first = false;
    }
    Ok((all, true))
}

impl Include {
    fn follow(&self, scope: &Scope<'_>, from: &[(ResourceType, i64)]) -> Result<Vec<i64>, Refusal> {
        let starts = |resource: ResourceType| {
            if self.reverse { self.target.is_none_or(|target| target == resource) } else { resource == self.source }
        };
        let (wanted, given) = if self.reverse { ("pk", "target") } else { ("target", "pk") };
        let kind = match (self.reverse, self.target) {
            (false, Some(target)) => format!("AND r.type = {}", scope.codes.of(target)),
            _ => String::new(),
        };
        let sql = format!(
            "SELECT DISTINCT s.{wanted} FROM reference s JOIN resource r ON r.pk = s.{wanted} \
             WHERE s.parameter = ?1 AND s.{given} = ?2 AND r.live = 1 {kind} ORDER BY 1 LIMIT {INCLUDED_MAX}"
        );
        let mut statement = scope.connection.prepare_cached(&sql)?;
        let mut keys = Vec::new();
        for (_, key) in from.iter().filter(|(resource, _)| starts(*resource)) {
            for reference in &self.references {
                let rows = statement.query_map((reference, key), |row| row.get::<_, i64>(0))?;
                keys.extend(rows.collect::<Result<Vec<_>, _>>()?);
            }
        }
        Ok(keys)
    }
}
