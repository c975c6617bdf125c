//! Addresses in answers: the upstream's become the bridge's, and pages become sealed tokens.

use bascule_fhir::{Interaction, Timestamp};
use bascule_minimum::{Rewrite, Shape};
use bascule_policy::{Elements, Permit};
use bascule_store::random;

use crate::apis::Served;
use crate::ask;
use crate::gateway::Gateway;
use crate::pages::{Bearer, Page};
use crate::rewrite::moved_url;

/// Stands in a Bundle for the first page of the next part of the allowed patients, until the links are made.
pub(crate) const NEXT_PART: &str = "urn:bascule:part:";

/// What kind of body the interaction is answered with.
pub(crate) fn shape(permit: &Permit) -> Shape {
    match &permit.asked().interaction {
        Interaction::Search { .. } | Interaction::History { .. } => Shape::Bundle,
        Interaction::Operation { name, .. } if name == "everything" => Shape::Bundle,
        _ => Shape::Resource,
    }
}

/// What becomes of a Bundle's links: `self` is what was asked, pages are sealed for this caller under this policy, and
/// whatever leads elsewhere is dropped. `used` matches of the next page have been shown already.
pub(crate) fn linker(
    gateway: &Gateway,
    served: &Served,
    permit: &Permit,
    (used, part): (usize, usize),
    now: Timestamp,
) -> impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static {
    let pages = gateway.pages();
    let public_base = served.public_base.clone();
    let upstream_base = served.upstream.base().to_owned();
    let principal = permit.principal().clone();
    let (api, policy_hash) = (permit.asked().api.clone(), permit.policy_hash().to_owned());
    let asked = ask::said(&permit.asked().interaction);
    let expires = now.plus_seconds(gateway.limits().page_seconds).seconds();
    move |relation, url| {
        let asked = asked.as_ref()?;
        if relation == "self" {
            return Some(format!("{public_base}{asked}"));
        }
        let page = match url.strip_prefix(NEXT_PART).and_then(|part| part.parse().ok()) {
            Some(part) => Page { address: String::new(), asked: asked.clone(), expires, used: 0, part },
            None => {
                let address = moved_url(url, &upstream_base, "").or_else(|| relative(url))?;
                let used = if relation == "next" { used } else { 0 };
                Page { address, asked: asked.clone(), expires, used, part }
            }
        };
        let bearer = Bearer { principal: &principal, api: &api, policy_hash: &policy_hash };
        let token = pages.seal(&page, &bearer, random::bytes().ok()?)?;
        Some(format!("{public_base}?page={token}"))
    }
}

/// Path and query behind the upstream's base of an address that it wrote, if it lies there.
pub(crate) fn upstream_address(served: &Served, url: &str) -> Option<String> {
    moved_url(url, served.upstream.base(), "").or_else(|| relative(url))
}

/// A link that the upstream wrote relative to its base.
fn relative(url: &str) -> Option<String> {
    let plain = url.starts_with('?') || url.starts_with(|first: char| first.is_ascii_uppercase());
    let sound = plain && !url.contains("://") && !url.contains("..");
    sound.then(|| if url.starts_with('?') { url.to_owned() } else { format!("/{url}") })
}

/// How addresses in a body are turned into ours.
pub(crate) fn rewrite<'r>(
    served: &'r Served,
    link: &'r (dyn Fn(&str, &str) -> Option<String> + Send + Sync),
) -> Rewrite<'r> {
    Rewrite::new(served.upstream.base(), &served.public_base, link)
}

/// The bridge's address for one of the upstream's, in a header: absolute, or relative to its base or its host.
pub(crate) fn public_url(served: &Served, url: &str) -> Option<String> {
    let base = served.upstream.base();
    let path = url::Url::parse(base).ok().map(|base| base.path().trim_end_matches('/').to_owned());
    moved_url(url, base, &served.public_base)
        .or_else(|| path.filter(|path| !path.is_empty()).and_then(|path| moved_url(url, &path, &served.public_base)))
        .or_else(|| relative(url).map(|rest| format!("{}{rest}", served.public_base)))
}

/// Whether these elements tell a resource's version anyway.
pub(crate) fn shows_version(elements: &Elements) -> bool {
    match elements {
        Elements::Whole => true,
        Elements::Only(paths) => ["meta", "meta.versionId"].iter().any(|path| paths.contains(*path)),
        // A version and a time of change are of the resource that is not to be recognised.
        Elements::Profiled { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_link_stays_below_the_base() {
        assert_eq!(relative("?page=2").as_deref(), Some("?page=2"));
        assert_eq!(relative("Patient?page=2").as_deref(), Some("/Patient?page=2"));
        for elsewhere in ["../admin", "http://elsewhere/", "/admin", "Patient/../../admin", ""] {
            assert_eq!(relative(elsewhere), None, "{elsewhere}");
        }
    }
}
