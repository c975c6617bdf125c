//! Requests to an API whose system another organization owns: each is a disclosure by us (45 CFR 164.502(b), 164.514(d)).
//! Who it is, whether it was vetted and what may be said to it are decided before anybody connects.

use bascule_audit::Recipient;
use bascule_fhir::{Interaction, ResourceType, Timestamp, json};
use bascule_policy::{Disclosure, Facts, Permit};
use bytes::Bytes;
use serde_json::Value;

use crate::apis::Served;
use crate::gateway::Gateway;
use crate::patch::Touched;
use crate::record::Visit;
use crate::refuse::{Refusal, Unwritable};
use crate::write::gather;

/// Decides whether the request may be put to the organization behind the API, if another's is behind it.
///
/// # Errors
/// [`Refusal::Denied`], with what is missing.
pub(crate) fn decide(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Some(organization) = &served.organization else { return Ok(()) };
    let facts: Facts = crate::facts::of_organization(gateway.store(), organization);
    let disclosure = gateway.policy().disclose(permit, &facts, now).map_err(Refusal::Denied)?;
    visit.recipient = Some(Recipient { name: disclosure.recipient.clone(), address: disclosure.address.clone() });
    visit.disclosure = Some(disclosure);
    Ok(())
}

/// Whether the body of a write may be said, element by element.
///
/// # Errors
/// [`Refusal::Unwritable`], naming the element; or a body that cannot be read.
pub(crate) fn says(visit: &Visit, permit: &Permit, body: &Bytes) -> Result<(), Refusal> {
    let Some(disclosure) = &visit.disclosure else { return Ok(()) };
    let unreadable = || Refusal::NotJson { what: "the body cannot be read" };
    match &permit.asked().interaction {
        Interaction::Create { resource, .. } | Interaction::Update { resource, .. } => {
            let value = json::parse(body).map_err(|_| unreadable())?;
            whole(disclosure, *resource, &value)
        }
        Interaction::Operation { .. } if !body.is_empty() => {
            Err(Refusal::NotJson { what: "an operation of another organization takes plain values only" })
        }
        _ => Ok(()),
    }
}

/// Whether a patch may be said.
///
/// # Errors
/// [`Refusal::Unwritable`], naming the element.
pub(crate) fn patches(visit: &Visit, resource: ResourceType, touched: &Touched) -> Result<(), Refusal> {
    let Some(disclosure) = &visit.disclosure else { return Ok(()) };
    touched.elements().try_for_each(|path| reaches(disclosure, resource, path))
}

fn whole(disclosure: &Disclosure, resource: ResourceType, value: &Value) -> Result<(), Refusal> {
    let mut leaves = Vec::new();
    gather(value, String::new(), &mut leaves);
    leaves
        .iter()
        .filter(|leaf| leaf.path != "resourceType")
        .try_for_each(|leaf| reaches(disclosure, resource, &leaf.path))
}

fn reaches(disclosure: &Disclosure, resource: ResourceType, path: &str) -> Result<(), Refusal> {
    if disclosure.reaches(resource, path) {
        Ok(())
    } else {
        Err(Refusal::Unwritable(Unwritable::Undisclosed(path.to_owned())))
    }
}
