//! Which resources this caller may see now: a look at one that they may not see would tell them that it exists. It is found out as
//! for any request, by policy, upstream and filter; nothing of what comes back leaves.

use std::collections::HashSet;

use bascule_fhir::{Id, Interaction, Query, ResourceType, Timestamp};
use bascule_minimum::{Reply as Answer, release};
use bascule_smart::Principal;
use futures_util::StreamExt as _;

use crate::apis::Served;
use crate::facts::{Question, gather};
use crate::gateway::Gateway;
use crate::identity::Behalf;
use crate::narrow::{self, Sent};
use crate::record::Visit;
use crate::upstream::Content;
use crate::{links, mode, walk};

/// Resources that are asked about at once.
const AT_ONCE: usize = 8;
/// Resources that are asked about for one page; those beyond are taken as not to be seen.
const ASKED_MAX: usize = 300;

/// Those of `references` (`Type/id`) that the caller may see.
pub(super) async fn visible(
    gateway: &Gateway,
    served: &Served,
    principal: &Principal,
    visit: &Visit,
    references: HashSet<String>,
    now: Timestamp,
) -> HashSet<String> {
    let looks = references.into_iter().take(ASKED_MAX).map(|reference| async move {
        let seen = is_visible(gateway, served, principal, visit, &reference, now).await.is_some();
        seen.then_some(reference)
    });
    futures_util::stream::iter(looks).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
}

async fn is_visible(
    gateway: &Gateway,
    served: &Served,
    principal: &Principal,
    visit: &Visit,
    reference: &str,
    now: Timestamp,
) -> Option<()> {
    let (resource, id) = reference.split_once('/')?;
    let interaction =
        Interaction::Read { resource: ResourceType::parse(resource)?, id: Id::parse(id)?, query: Query::default() };
    let asked = walk::asked(served, interaction);
    let policy = gateway.policy();
    let question = Question::new(&served.api.name, principal, policy.settings(), now);
    let facts = gather(&gateway.shelf(), &policy.needs(principal, &asked), &question);
    let api = mode::in_force(gateway.store(), &served.api);
    let permit = policy.decide(principal.clone(), asked, &facts, &api, now).ok()?;
    let call = narrow::call(&permit, Sent::default(), &gateway.frame(served)).ok()?;
    let reply = served.upstream.send(call, &visit.head.headers, &Behalf::Caller(principal, &visit.head)).await.ok()?;
    let Content::Held(body) = reply.content else { return None };
    if !reply.status.is_success() {
        return None;
    }
    let link = links::linker(gateway, served, &permit, (0, 0), now);
    let rewrite = links::rewrite(served, &link);
    let answer = Answer { body: &body, shape: links::shape(&permit) };
    release(gateway.masks(), &permit, answer, &rewrite, gateway.filter_limits()).ok().map(drop)
}
