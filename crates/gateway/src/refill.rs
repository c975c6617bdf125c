//! A page of which something stayed behind is filled from the pages that follow, within a bound of upstream calls; what is
//! still missing then is a short page with a link to the next.
//!
//! The pages are put together as they came and filtered as one. A match is shown on one page only: a page that is used in
//! part is asked for again by the link, which remembers how many of its matches were used.

use std::collections::HashSet;

use bascule_crypto::digest::{Sha256, Sha256Stream, sha256};
use bascule_crypto::hex;
use bascule_fhir::{Interaction, Query};
use bascule_minimum::{Reply as Answer, Rewrite, Shape, release};
use bascule_policy::Permit;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::value::RawValue;

use crate::apis::Served;
use crate::gateway::Gateway;
use crate::identity::Behalf;
use crate::links;
use crate::members::{Members, is_match};
use crate::narrow;
use crate::record::Visit;
use crate::upstream::{Content, Reply};

/// A page put together.
pub(crate) struct Refilled {
    /// The Bundle, unfiltered: it goes through the filter like any other.
    pub(crate) body: Vec<u8>,
    /// Matches of the page behind `next` that are on this one already.
    pub(crate) used: usize,
    /// Hex SHA-256 over the upstream's bodies, one after the other.
    pub(crate) received: String,
}

/// A page without the matches that an earlier one has shown. `None` if it cannot be taken apart, or there were none.
pub(crate) fn rest_of(body: &[u8], used: usize) -> Option<Vec<u8>> {
    let members = (used > 0).then(|| Members::read(body))??;
    let mut passed = 0;
    let mut rest = members.entries().to_vec();
    rest.retain(|entry| {
        let shown = passed < used && is_match(entry);
        passed += usize::from(shown);
        !shown
    });
    Some(members.with(&rest, members.link("next")))
}

/// The last page of a part, with a link to the next part. `None` if it is not the last, or cannot be taken apart.
pub(crate) fn goes_on(body: &[u8], part: usize) -> Option<Vec<u8>> {
    let members = Members::read(body)?;
    members
        .link("next")
        .is_none()
        .then(|| members.with(members.entries(), Some(&format!("{}{part}", links::NEXT_PART))))
}

/// Fills a page up, which `came` and of which `first` is left to show. `None` if there is nothing to fill it with.
pub(crate) async fn refilled(
    gateway: &Gateway,
    served: &Served,
    permit: &Permit,
    (came, first): (&Bytes, &Bytes),
    visit: &Visit,
) -> Option<Refilled> {
    let filling = Filling { gateway, served, permit, visit };
    let pages = filling.pages(first).await?;
    let members: Vec<Members<'_>> = pages.iter().map(|page| Members::read(&page.body)).collect::<Option<_>>()?;
    let head = members.first()?;
    let mut entries: Vec<&RawValue> = Vec::new();
    let mut seen = HashSet::new();
    for (page, members) in pages.iter().zip(&members) {
        let mut matches = 0;
        entries.extend(members.entries().iter().filter(|entry| {
            let counts = is_match(entry);
            matches += usize::from(counts);
            (!counts || matches <= page.used) && seen.insert(name(entry))
        }));
    }
    let last = pages.last()?;
    let next = last.resume.as_deref().or_else(|| members.last().and_then(|members| members.link("next")));
    let mut received = Sha256Stream::default();
    received.update(came);
    pages.iter().skip(1).for_each(|page| received.update(&page.body));
    Some(Refilled {
        body: head.with(&entries, next),
        used: if last.resume.is_some() { last.used } else { 0 },
        received: hex::encode(&received.finish()),
    })
}

/// One page of the upstream.
struct Page {
    body: Bytes,
    /// Matches of it that are used.
    used: usize,
    /// Its own address, if some of its matches are left.
    resume: Option<String>,
}

struct Filling<'f> {
    gateway: &'f Gateway,
    served: &'f Served,
    permit: &'f Permit,
    visit: &'f Visit,
}

impl Filling<'_> {
    /// The pages that make one, at least two.
    async fn pages(&self, first: &Bytes) -> Option<Vec<Page>> {
        let limits = self.gateway.limits();
        let members = Members::read(first)?;
        let matches = members.entries().iter().filter(|entry| is_match(entry)).count();
        let wanted = self.asked_count().unwrap_or(matches);
        let mut shown = members.entries().iter().filter(|entry| is_match(entry) && self.shows(entry)).count();
        let mut left = limits.hold_bytes_max.saturating_sub(first.len());
        let mut next = members.link("next").map(ToOwned::to_owned);
        let mut pages = vec![Page { body: first.clone(), used: matches, resume: None }];
        let mut names: HashSet<Sha256> = members.entries().iter().map(|entry| name(entry)).collect();
        let mut seen = vec![self.visit.address.clone()];
        for _ in 0..limits.refill_requests_max {
            let Some(url) = next.take().filter(|_| shown < wanted) else { break };
            // A link in a circle would bring the same matches again.
            let address = links::upstream_address(self.served, &url).filter(|address| !seen.contains(address));
            let Some(address) = address else { break };
            let Some(body) = self.fetched(&address).await.filter(|body| body.len() <= left) else { break };
            let Some(members) = Members::read(&body) else { break };
            seen.push(address);
            left -= body.len();
            let (used, more) = self.fill(&members, &mut shown, wanted, &mut names);
            next = members.link("next").map(ToOwned::to_owned);
            pages.push(Page { used, resume: more.then_some(url), body });
            if more {
                break;
            }
        }
        (pages.len() > 1).then_some(pages)
    }

    /// Uses matches until the page is full; whether some are left. What an upstream repeats is used up and not shown again.
    fn fill(
        &self,
        members: &Members<'_>,
        shown: &mut usize,
        wanted: usize,
        names: &mut HashSet<Sha256>,
    ) -> (usize, bool) {
        let mut used = 0;
        for entry in members.entries().iter().filter(|entry| is_match(entry)) {
            if *shown >= wanted {
                return (used, true);
            }
            used += 1;
            *shown += usize::from(names.insert(name(entry)) && self.shows(entry));
        }
        (used, false)
    }

    /// A page as the upstream has it, if it can be had. What cannot is left to who follows the link.
    async fn fetched(&self, address: &str) -> Option<Bytes> {
        let call = narrow::page(address);
        let behalf = Behalf::Caller(self.permit.principal(), &self.visit.head);
        let reply = self.served.upstream.send(call, &HeaderMap::new(), &behalf).await;
        match reply {
            Ok(Reply { status, content: Content::Held(body), .. }) if status.is_success() => Some(body),
            _ => None,
        }
    }

    fn shows(&self, entry: &RawValue) -> bool {
        shows(self.gateway, self.served, self.permit, entry.get())
    }

    fn asked_count(&self) -> Option<usize> {
        let query = asked_query(self.permit)?;
        query.named("_count").last().and_then(|count| count.value.parse().ok())
    }
}

/// Whether an entry leaves. The filter itself says it, on a Bundle of that entry alone.
pub(crate) fn shows(gateway: &Gateway, served: &Served, permit: &Permit, entry: &str) -> bool {
    let body = format!("{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"entry\":[{entry}]}}");
    let answer = Answer { body: body.as_bytes(), shape: Shape::Bundle };
    let rewrite = Rewrite::new(served.upstream.base(), &served.public_base, &|_, _| None);
    let released = release(gateway.masks(), permit, answer, &rewrite, gateway.filter_limits());
    released.is_ok_and(|released| released.withheld_resources() == 0 && !released.resources().is_empty())
}

/// An entry that comes twice, to the byte, is one.
fn name(entry: &RawValue) -> Sha256 {
    sha256(entry.get().as_bytes())
}

/// Whether such an answer has pages that can be filled.
pub(crate) fn fills(permit: &Permit) -> bool {
    asked_query(permit).is_some()
}

fn asked_query(permit: &Permit) -> Option<&Query> {
    match &permit.asked().interaction {
        Interaction::Search { query, .. } | Interaction::History { query, .. } => Some(query),
        _ => None,
    }
}
