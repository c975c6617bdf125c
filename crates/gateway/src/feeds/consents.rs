//! Consents that the chart keeps.

use std::collections::BTreeSet;

use bascule_fhir::{Id, Interaction, ResourceType, Target, Timestamp};
use bascule_policy::Permit;
use bascule_store::filed::{Filed, Gone, Kind, Record};
use http::HeaderMap;
use http::header::LOCATION;
use serde_json::Value;

use super::{BRIDGE, FeedFault, log_reading, pages};
use crate::apis::Served;
use crate::consents::{self, Groups, Origin, Read};
use crate::gateway::Gateway;

/// Care teams and groups that the Consents of one reading may name.
const GROUPS_MAX: usize = 10_000;
/// Where these records come from.
const SOURCE: &str = "upstream";

/// Reads every Consent that is active. One that is no longer among them has ended.
pub(super) async fn sync(gateway: &Gateway, served: &Served, now: Timestamp) -> Result<(), FeedFault> {
    let turn = gateway.feeds().turn(&consents::feed(&served.api.name));
    let _mine = turn.lock().await;
    sync_in_turn(gateway, served, now).await
}

async fn sync_in_turn(gateway: &Gateway, served: &Served, now: Timestamp) -> Result<(), FeedFault> {
    let resources = pages::read_all(served, "/Consent?status=active&_count=100", now).await?;
    log_reading(gateway, served, "consents", resources.len(), now).await?;
    let told = filed(gateway, served, &resources, now).await?;
    let api = served.api.name.as_str();
    gateway.store().sync_filed(Kind::Consent, SOURCE, &told, &Gone::AllOthersOf(api), now)?;
    gateway.store().set_feed(&consents::feed(api), Some(now))?;
    Ok(())
}

/// After a write: what was written is read back before the writer is answered. If that fails, the consents of the API are
/// not known until the next poll.
pub(crate) async fn written(
    gateway: &Gateway,
    served: &Served,
    permit: &Permit,
    answered: Option<&HeaderMap>,
    now: Timestamp,
) {
    let interaction = &permit.asked().interaction;
    if served.feeds.consents.is_none() || !is_write_of_consent(interaction) {
        return;
    }
    let feed = consents::feed(&served.api.name);
    let turn = gateway.feeds().turn(&feed);
    let _mine = turn.lock().await;
    let read = match written_id(interaction, answered) {
        Some(id) => read_back(gateway, served, &id, now).await,
        None => sync_in_turn(gateway, served, now).await,
    };
    if let Err(error) = read {
        tracing::error!(feed, %error, "a Consent that was written could not be read back: consents are not known");
        if let Err(error) = gateway.store().set_feed(&feed, None) {
            tracing::error!(feed, %error, "that they are not known could not be kept");
        }
    }
}

fn is_write_of_consent(interaction: &Interaction) -> bool {
    let writes = matches!(
        interaction,
        Interaction::Create { .. }
            | Interaction::Update { .. }
            | Interaction::Patch { .. }
            | Interaction::Delete { .. }
    );
    writes && interaction.resource().map(ResourceType::name) == Some("Consent")
}

/// The id of what was written, if the request or the answer's `Location` tells it.
fn written_id(interaction: &Interaction, answered: Option<&HeaderMap>) -> Option<Id> {
    match interaction {
        Interaction::Update { target: Target::Instance(id), .. }
        | Interaction::Patch { target: Target::Instance(id), .. }
        | Interaction::Delete { target: Target::Instance(id), .. } => Some(id.clone()),
        Interaction::Create { .. } => {
            let location = answered?.get(LOCATION)?.to_str().ok()?;
            let (_, rest) = location.rsplit_once("Consent/")?;
            Id::parse(rest.split('/').next()?)
        }
        _ => None,
    }
}

async fn read_back(gateway: &Gateway, served: &Served, id: &Id, now: Timestamp) -> Result<(), FeedFault> {
    let found = pages::get(served, format!("/Consent/{id}"), now).await?;
    log_reading(gateway, served, "a consent", usize::from(found.is_some()), now).await?;
    let told = filed(gateway, served, found.as_slice(), now).await?;
    let earlier = format!("{}#", name(served, id));
    gateway.store().sync_filed(Kind::Consent, SOURCE, &told, &Gone::OthersBelow(&earlier), now)?;
    Ok(())
}

fn name(served: &Served, id: &Id) -> String {
    format!("{}:Consent/{id}", served.api.name)
}

/// Who is meant by the care teams, groups and positions that the Consents name. One that is not there, or that says something
/// that we cannot understand, is left out, and so closes.
async fn groups(served: &Served, named: BTreeSet<String>, now: Timestamp) -> Result<Groups, FeedFault> {
    if named.len() > GROUPS_MAX {
        return Err(FeedFault::Unreadable("names more care teams and groups than a feed may name"));
    }
    let mut groups = Groups::new();
    for reference in named {
        let found = pages::get(served, format!("/{reference}"), now).await?;
        if let Some(members) = found.and_then(|resource| consents::members(&resource, now)) {
            groups.insert(reference, members);
        }
    }
    Ok(groups)
}

/// The resources as records. One that cannot be laid to a patient of this API is said in the process's log.
async fn filed(
    gateway: &Gateway,
    served: &Served,
    resources: &[Value],
    now: Timestamp,
) -> Result<Vec<Filed>, FeedFault> {
    let organizations = gateway.store().organization_references()?;
    let bases = [served.upstream.base(), served.public_base.as_str()];
    let nobody = Groups::new();
    let origin = Origin { api: &served.api.name, bases: &bases, organizations: &organizations, groups: &nobody };
    let groups = groups(served, consents::named(resources, &origin), now).await?;
    let origin = Origin { groups: &groups, ..origin };
    let mut all = Vec::new();
    let mut unread = 0_usize;
    for resource in resources {
        let Some(Read { id, says }) = consents::read(resource, &origin) else {
            unread += 1;
            continue;
        };
        all.extend(says.into_iter().enumerate().map(|(part, says)| Filed {
            id: format!("{}#{part}", name(served, &id)),
            api: served.api.name.clone(),
            record: Record::Consent(says),
            source: SOURCE.to_owned(),
            filed_by: BRIDGE.to_owned(),
            filed_at: now,
            ended: None,
        }));
    }
    if unread > 0 {
        tracing::warn!(api = served.api.name, unread, "Consents without an id or a patient of this API do not act");
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use bascule_fhir::interaction::Request;
    use http::HeaderValue;

    use super::*;

    fn parse(method: &str, path: &str) -> Interaction {
        Interaction::parse(&Request { method, path, body: Some(b"{}"), ..Request::default() }).unwrap()
    }

    #[test]
    fn only_a_write_of_a_consent_is_one() {
        for (method, path, expect) in [
            ("PUT", "/Consent/c1", true),
            ("POST", "/Consent", true),
            ("DELETE", "/Consent/c1", true),
            ("GET", "/Consent/c1", false),
            ("PUT", "/Patient/p1", false),
        ] {
            assert_eq!(is_write_of_consent(&parse(method, path)), expect, "{method} {path}");
        }
    }

    #[test]
    fn the_id_stands_in_the_request_or_in_the_answer() {
        let of = |interaction: &Interaction, location: Option<&'static str>| {
            let mut head = HeaderMap::new();
            if let Some(location) = location {
                head.insert(LOCATION, HeaderValue::from_static(location));
            }
            written_id(interaction, Some(&head)).map(|id| id.to_string())
        };
        assert_eq!(of(&parse("PUT", "/Consent/c1"), None).as_deref(), Some("c1"));
        let create = parse("POST", "/Consent");
        assert_eq!(of(&create, Some("http://ehr/fhir/Consent/c7/_history/1")).as_deref(), Some("c7"));
        assert_eq!(of(&create, Some("http://ehr/fhir/Patient/c7")), None);
        assert_eq!(of(&create, None), None);
    }
}
