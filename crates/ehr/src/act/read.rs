//! read and vread.

use bascule_fhir::{Id, ResourceType};
use http::StatusCode;

use super::shape::Shape;
use crate::Refusal;
use crate::ask::{Answer, Ask};
use crate::bundle::etag;
use crate::search::Scope;
use crate::store::{Method, Version, current, version};

/// The newest version.
pub(super) fn read(scope: &Scope<'_>, resource: ResourceType, id: &Id, ask: &Ask) -> Result<Answer, Refusal> {
    let found = current(scope.connection, scope.codes, resource, id.as_str())?;
    answer(found.ok_or_else(|| Refusal::not_found(format!("there is no {resource}/{id}")))?, ask)
}

/// That version.
pub(super) fn vread(
    scope: &Scope<'_>,
    resource: ResourceType,
    id: &Id,
    number: &Id,
    ask: &Ask,
) -> Result<Answer, Refusal> {
    let missing = || Refusal::not_found(format!("there is no version {number} of {resource}/{id}"));
    let number_read: i64 = number.as_str().parse().map_err(|_| missing())?;
    answer(version(scope.connection, scope.codes, resource, id.as_str(), number_read)?.ok_or_else(missing)?, ask)
}

fn answer(found: Version, ask: &Ask) -> Result<Answer, Refusal> {
    let tag = etag(found.version);
    if found.method == Method::Delete {
        let mut refusal = Refusal::gone(format!("{}/{} was deleted", found.resource, found.id));
        refusal.etag = Some(tag);
        return Err(refusal);
    }
    let shape = Shape::of(&ask.query)?;
    let head = Answer { etag: Some(tag.clone()), modified: Some(found.updated), ..Answer::empty(StatusCode::OK) };
    if is_known(&found, &tag, ask) {
        return Ok(Answer { status: StatusCode::NOT_MODIFIED, ..head });
    }
    Ok(Answer { body: Some(shape.apply(found.resource, &found.body)?), ..head })
}

/// Conditional read: the client has this version already. A tag counts more than a date.
fn is_known(found: &Version, tag: &str, ask: &Ask) -> bool {
    if let Some(known) = &ask.conditions.if_none_match {
        return known.split(',').map(str::trim).any(|known| known == "*" || bare(known) == bare(tag));
    }
    let Some(since) = &ask.conditions.if_modified_since else { return false };
    crate::http::read_date(since).is_some_and(|since| found.updated.seconds() <= since)
}

/// An entity tag without weakness and quotes.
pub(super) fn bare(tag: &str) -> &str {
    tag.trim().trim_start_matches("W/").trim_matches('"')
}
