//! What a conditional write is about: found by the bridge, among what the writer may see. A resource that is hidden plays no
//! part, so that no condition tells of it.

use bascule_fhir::{Query, ResourceType, json};
use bascule_policy::Permit;
use http::HeaderMap;
use serde_json::Value;

use crate::apis::Served;
use crate::gateway::Gateway;
use crate::members::Members;
use crate::narrow;
use crate::record::Visit;
use crate::refill::shows;
use crate::refuse::{Refusal, Unwritable};
use crate::upstream::{Content, Reply};

/// What matches the criteria of a conditional write.
pub(crate) enum Match {
    /// Nothing at all.
    Nothing,
    /// Nothing that the writer may see.
    Hidden,
    /// One resource.
    One(Value),
}

/// Searches for it.
///
/// # Errors
/// [`Refusal::Unwritable`] if several match that the writer may see, or more than can be looked through; or what the
/// search met.
pub(crate) async fn find(
    gateway: &Gateway,
    served: &Served,
    visit: &Visit,
    permit: &Permit,
    resource: ResourceType,
    query: &Query,
) -> Result<Match, Refusal> {
    let call = narrow::matching(permit, resource, query, &gateway.frame(served)).map_err(Refusal::Narrow)?;
    let reply = served.upstream.send(call, &HeaderMap::new(), &visit.behalf()?).await;
    let Reply { status, content: Content::Held(body), .. } = reply.map_err(Refusal::Upstream)? else {
        return Err(Refusal::unfilterable("what a conditional write is about cannot be found"));
    };
    if !status.is_success() {
        return Err(Refusal::Rejected { status });
    }
    let bundle = Members::read(&body).ok_or_else(|| Refusal::unfilterable("the matches of a conditional write"))?;
    if bundle.link("next").is_some() {
        return Err(Refusal::Unwritable(Unwritable::Several));
    }
    let mut hidden = false;
    let mut found = None;
    for entry in bundle.entries() {
        let Some(one) = of_type(entry.get(), resource)? else { continue };
        if !shows(gateway, served, permit, entry.get()) {
            hidden = true;
        } else if found.replace(one).is_some() {
            return Err(Refusal::Unwritable(Unwritable::Several));
        }
    }
    Ok(found.map_or(if hidden { Match::Hidden } else { Match::Nothing }, Match::One))
}

/// The resource of an entry, if it is of the type.
fn of_type(entry: &str, resource: ResourceType) -> Result<Option<Value>, Refusal> {
    let entry = json::parse(entry.as_bytes()).map_err(|fault| Refusal::unfilterable(&fault.to_string()))?;
    let found = entry.get("resource").cloned();
    Ok(found.filter(|found| found.get("resourceType").and_then(Value::as_str) == Some(resource.name())))
}
