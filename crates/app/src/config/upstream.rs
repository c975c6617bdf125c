//! `upstream = { … }` of an API: where it is, whom to trust, what to show.

use std::path::Path;

use bascule_gateway::settings::{ActingUserSettings, UpstreamSettings};
use bascule_policy::read::{Reader, Section, Word};
use http::HeaderName;
use url::Url;

use super::ask::{first, required_word};
use super::{credential, secret};

/// Headers that say something else already.
const TAKEN_HEADERS: [&str; 12] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "if-match",
    "if-none-exist",
    "prefer",
    "x-request-id",
];

pub(super) fn read(mut section: Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<UpstreamSettings> {
    let url = required_word(&mut section, "url", "\"https://ehr.example/fhir\"", reader)
        .and_then(|word| base_url(&word, reader));
    let ca_pem = match section.word("ca", reader) {
        None => Some(None),
        Some(word) => secret::pem_file(&word, base, reader).map(Some),
    };
    let credential = credential::read(&mut section, base, reader);
    let acting_user = match section.value("acting_user") {
        None => Some(None),
        Some(_) => {
            let inner = section.section("acting_user", reader);
            inner.and_then(|inner| read_acting_user(inner, url.as_ref(), reader)).map(Some)
        }
    };
    let post_search = section.flag("post_search", reader).unwrap_or(true);
    let organization = section.word("organization", reader).map(|word| word.text);
    let unversioned = section.word("unversioned", reader).and_then(|word| reason(&word, reader));
    let files = section.words("files", reader).unwrap_or_default();
    let files = files.iter().filter_map(|word| base_url(word, reader)).collect();
    section.finish(reader);
    Some(UpstreamSettings {
        url: url?,
        ca_pem: ca_pem?,
        credential: credential?,
        post_search,
        organization,
        unversioned,
        files,
        acting_user: acting_user?,
    })
}

/// Why something that is asked for everywhere is not asked for here.
fn reason(word: &Word, reader: &mut Reader<'_>) -> Option<String> {
    let text = word.text.trim();
    if text.is_empty() {
        let mend = "write why, e.g. \"the scheduling system keeps one version only\"";
        reader.fault(word.span.clone(), "`unversioned` gives no reason", mend);
    }
    (!text.is_empty()).then(|| text.to_owned())
}

/// `acting_user = { header = "X-Acting-User" }`
fn read_acting_user(
    mut section: Section<'_>,
    url: Option<&Url>,
    reader: &mut Reader<'_>,
) -> Option<ActingUserSettings> {
    let header = required_word(&mut section, "header", "\"X-Acting-User\"", reader).and_then(|word| {
        let name = HeaderName::try_from(word.text.to_ascii_lowercase()).ok();
        let free = name.filter(|name| !TAKEN_HEADERS.contains(&name.as_str()));
        if free.is_none() {
            reader.fault(
                word.span,
                format!("`header` cannot be \"{}\"", word.text),
                "name a header of its own, e.g. \"X-Acting-User\"",
            );
        }
        free
    });
    let audience = section.word("audience", reader).map(|word| word.text);
    let place = first(&section);
    section.finish(reader);
    let audience = audience.or_else(|| url.map(|url| url.as_str().trim_end_matches('/').to_owned()));
    if audience.as_ref().is_some_and(String::is_empty) {
        reader.fault(place, "`audience` is empty", "name the system that verifies the header");
        return None;
    }
    Some(ActingUserSettings { header: header?, audience: audience? })
}

/// https, or http on this machine only.
pub(super) fn base_url(word: &Word, reader: &mut Reader<'_>) -> Option<Url> {
    let url = Url::parse(&word.text).ok();
    let (message, mend) = match url {
        Some(url) if url.query().is_some() || url.fragment().is_some() => {
            drop(url);
            ("`url` carries a query or fragment", "write the base only")
        }
        Some(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => return Some(url),
        Some(url) if url.scheme() == "http" => {
            drop(url);
            ("health data would cross the network in the clear", "use https; http is for this machine only")
        }
        _ => ("`url` is not a URL", "write \"https://ehr.example/fhir\""),
    };
    reader.fault(word.span.clone(), message, mend);
    None
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
