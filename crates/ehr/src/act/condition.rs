//! What a conditional interaction is aimed at: none, the one, or too many; and whether the version is the expected one.

use bascule_fhir::{Query, ResourceType};

use super::read::bare;
use super::search::strict;
use crate::Refusal;
use crate::ask::query;
use crate::search::{Scope, find_all};
use crate::store::{Version, current_by_key};

/// The one resource that a search finds; `None` if there is none, a refusal if there are more.
pub(crate) fn only_match(scope: &Scope<'_>, resource: ResourceType, asked: &Query) -> Result<Option<Version>, Refusal> {
    let search = strict(scope, resource, asked)?;
    let clauses = search.branches.first().map(|(_, clauses)| clauses.as_slice()).unwrap_or_default();
    if clauses.is_empty() {
        let text = "a conditional interaction needs at least one search parameter that narrows";
        return Err(Refusal::precondition("required", text));
    }
    let keys = find_all(scope, resource, clauses, 2)?;
    match keys.as_slice() {
        [] => Ok(None),
        [only] => current_by_key(scope.connection, scope.codes, *only),
        _ => {
            let text = format!("the condition matches more than one {resource}: add a parameter that tells them apart");
            Err(Refusal::precondition("multiple-matches", text))
        }
    }
}

/// The query of `If-None-Exist`, which may have its type before it.
pub(super) fn none_exist(resource: ResourceType, text: &str) -> Query {
    let text = text.trim_start_matches('/').trim_start_matches(resource.name());
    query(text.trim_start_matches('?'))
}

/// `If-Match`: the change is meant for this version and no other.
pub(super) fn check_version(expected: Option<&str>, found: Option<&Version>) -> Result<(), Refusal> {
    let Some(expected) = expected else { return Ok(()) };
    let Some(found) = found else {
        return Err(Refusal::precondition("conflict", "If-Match names a version, but the resource is not there"));
    };
    if expected.trim() == "*" || bare(expected) == found.version.to_string() {
        return Ok(());
    }
    let text = format!(
        "If-Match names another version than the current one, {}: read it again, then change it",
        found.version
    );
    let mut refusal = Refusal::precondition("conflict", text);
    refusal.etag = Some(crate::bundle::etag(found.version));
    Err(refusal)
}
