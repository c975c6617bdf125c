//! `[[api]]`: a name, a kind, a service, an exposure, a mode, a path and what stands behind it.

use std::path::Path;

use bascule_gateway::settings::{ApiSettings, Feeds, IssuerSettings, UpstreamCredential, UpstreamSettings};
use bascule_policy::read::{Reader, Section, Word};
use bascule_policy::{Api, ApiKind, Exposure, Mode};

use crate::clock;
use crate::day::end_of_day;

use super::ask::{choice, first, required_section, required_word};
use super::settings::Named;
use super::{feeds, issuer, upstream};

const SERVICES: [(&str, &str); 8] = [
    ("ehr", "ehr"),
    ("telemedicine", "telemedicine"),
    ("imaging", "imaging"),
    ("laboratory", "laboratory"),
    ("prescriptions", "prescriptions"),
    ("billing", "billing"),
    ("scheduling", "scheduling"),
    ("messaging", "messaging"),
];

/// Paths that the bridge answers by itself.
const OWN_PATHS: [&str; 6] = ["/oauth", "/.well-known", "/healthz", "/audit", "/admin", "/scim"];

/// Every `[[api]]`, with its owner.
pub(super) fn read_all(top: &mut Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Vec<(ApiSettings, Named)> {
    let sections = top.sections("api", reader);
    if sections.is_empty() {
        reader.fault(0..0, "there is no [[api]]", "name at least one API that the bridge stands in front of");
    }
    let mut entries: Vec<(ApiSettings, Named)> = Vec::new();
    for section in sections {
        let place = first(&section);
        let Some(entry) = read(section, base, reader) else { continue };
        if entries.iter().any(|(other, _)| other.api.name == entry.0.api.name) {
            reader.fault(
                place.clone(),
                format!("two APIs are named \"{}\"", entry.0.api.name),
                "give each its own name",
            );
        }
        if entries.iter().any(|(other, _)| overlaps(&other.path, &entry.0.path)) {
            reader.fault(
                place,
                format!("\"{}\" lies in the path of another API", entry.0.path),
                "give each its own path",
            );
        }
        entries.push(entry);
    }
    entries
}

fn overlaps(left: &str, right: &str) -> bool {
    let inside = |outer: &str, inner: &str| inner == outer || inner.starts_with(&format!("{outer}/"));
    inside(left, right) || inside(right, left)
}

fn read(mut section: Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<(ApiSettings, Named)> {
    let name = required_word(&mut section, "name", "\"ehr\"", reader).map(|word| word.text);
    let kind = choice(&mut section, "kind", &[("fhir", ApiKind::Fhir)], reader);
    let service = choice(&mut section, "service", &SERVICES, reader);
    let exposures =
        [("internal", Exposure::Internal), ("external", Exposure::External), ("third-party", Exposure::ThirdParty)];
    let exposure = choice(&mut section, "exposure", &exposures, reader);
    let path = required_word(&mut section, "path", "\"/fhir\"", reader).and_then(|word| own_path(&word, reader));
    let owner = section.word("owner", reader).map(|word| word.text);
    let title = section.word("title", reader).map(|word| word.text);
    let mode = read_mode(&mut section, reader);
    let upstream =
        required_section(&mut section, "upstream", reader).and_then(|inner| upstream::read(inner, base, reader));
    let issuers = issuer::read_all(&mut section, base, reader);
    check_relay(upstream.as_ref(), issuers.as_deref(), first(&section), reader);
    let feeds = feeds::read(&mut section, reader);
    check_feeds(upstream.as_ref(), feeds, first(&section), reader);
    section.finish(reader);
    let api = Api { name: name?, kind: kind?, service: service?.to_owned(), exposure: exposure?, mode: mode? };
    Some((ApiSettings { api, path: path?, upstream: upstream?, issuers: issuers?, feeds }, Named { owner, title }))
}

/// What the bridge reads for itself, it reads as itself: a token of a user's is not there to show.
fn check_feeds(
    upstream: Option<&UpstreamSettings>,
    feeds: Feeds,
    place: std::ops::Range<usize>,
    reader: &mut Reader<'_>,
) {
    let Some(upstream) = upstream else { return };
    let of_users = matches!(
        upstream.credential,
        UpstreamCredential::Exchange(_) | UpstreamCredential::Relay { .. } | UpstreamCredential::Launch { .. }
    );
    if of_users && (feeds.consents.is_some() || feeds.relations.is_some()) {
        reader.fault(
            place,
            "the bridge cannot read consents or relations where only tokens of users are shown",
            "take another `credential`, or leave `consents` and `relations` out",
        );
    }
}

/// A caller's token may be shown to the system behind only if the API takes tokens of that issuer, and each of them is
/// made for that system.
fn check_relay(
    upstream: Option<&UpstreamSettings>,
    issuers: Option<&[IssuerSettings]>,
    place: std::ops::Range<usize>,
    reader: &mut Reader<'_>,
) {
    let (Some(upstream), Some(issuers)) = (upstream, issuers) else { return };
    let UpstreamCredential::Relay { issuer } = &upstream.credential else { return };
    let base = upstream.url.as_str().trim_end_matches('/');
    match issuers.iter().find(|known| known.issuer == *issuer) {
        None => reader.fault(
            place,
            format!("`relay` names \"{issuer}\", whose tokens this API does not take"),
            "add an [[api.issuer]] with that `issuer`",
        ),
        Some(known) if known.audiences.iter().any(|one| one.trim_end_matches('/') != base) => reader.fault(
            place,
            "tokens for another audience than the upstream would be relayed to it",
            format!("write audience = [\"{base}\"] in its [[api.issuer]]"),
        ),
        Some(_) => {}
    }
}

fn own_path(word: &Word, reader: &mut Reader<'_>) -> Option<String> {
    let path = word.text.trim_end_matches('/');
    let sound = path.starts_with('/')
        && path.len() > 1
        && !path.contains("//")
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte))
        && !path.split('/').any(|part| part == "..");
    if !sound {
        reader.fault(word.span.clone(), "`path` is not a path below the public URL", "write \"/fhir\"");
    } else if OWN_PATHS.iter().any(|own| overlaps(own, path)) {
        reader.fault(
            word.span.clone(),
            format!("\"{path}\" belongs to the bridge itself"),
            "choose another, e.g. \"/fhir\"",
        );
    } else {
        return Some(path.to_owned());
    }
    None
}

/// Seconds for which rules may be observed only, before somebody says by name that it goes on.
const OBSERVE_SECONDS_MAX: i64 = 30 * 86_400;

/// `"enforce"`, `{ observe = { until, owner, reason, clients } }`, or `{ canary = { …, enforced, percent } }`.
fn read_mode(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<Mode> {
    if !section.value("mode").is_some_and(|value| value.get_ref().is_table()) {
        return choice(section, "mode", &[("enforce", ())], reader).map(|()| Mode::Enforce);
    }
    let mut mode = section.section("mode", reader)?;
    let canary = mode.section("canary", reader);
    let is_canary = canary.is_some();
    let relaxed = if is_canary { canary } else { required_section(&mut mode, "observe", reader) };
    mode.finish(reader);
    let mut relaxed = relaxed?;
    let until = until(&mut relaxed, reader);
    let owner = required_word(&mut relaxed, "owner", "\"name@hospital.example\"", reader).map(|word| word.text);
    let reason =
        required_word(&mut relaxed, "reason", "\"roll-out of the scheduling app\"", reader).map(|word| word.text);
    let clients = names(&mut relaxed, "clients", reader);
    if clients.is_empty() {
        let mend = "name the existing flows that it relaxes; it relaxes nobody else's";
        reader.fault(first(&relaxed), "`observe` names no `clients`", mend);
    }
    if !is_canary {
        relaxed.finish(reader);
        return Some(Mode::Observe { until: until?, owner: owner?, reason: reason?, clients });
    }
    let enforced = names(&mut relaxed, "enforced", reader);
    let percent = relaxed.number("percent", reader).unwrap_or(0);
    let share = u8::try_from(percent).ok().filter(|share| *share <= 100);
    if share.is_none() {
        reader.fault(first(&relaxed), format!("`percent` is {percent}"), "write 0 to 100");
    }
    relaxed.finish(reader);
    Some(Mode::Canary { until: until?, owner: owner?, reason: reason?, clients, enforced, percent: share? })
}

fn names(section: &mut Section<'_>, key: &'static str, reader: &mut Reader<'_>) -> Vec<String> {
    section.words(key, reader).unwrap_or_default().into_iter().map(|word| word.text).collect()
}

/// The last day; more than thirty days ahead only if somebody answers for that by name.
fn until(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<bascule_fhir::Timestamp> {
    let extended = section.word("extended-by", reader).is_some_and(|word| !word.text.trim().is_empty());
    let word = required_word(section, "until", "\"2026-12-31\"", reader)?;
    let Some(day) = end_of_day(&word.text) else {
        reader.fault(word.span, "`until` is not a date", "write \"2026-12-31\"");
        return None;
    };
    if !extended && day > clock::now().plus_seconds(OBSERVE_SECONDS_MAX + 86_400) {
        let mend = "choose an earlier day, or say who extends it: extended-by = \"name@hospital.example\"";
        reader.fault(word.span, "the rules would only be observed for more than 30 days", mend);
    }
    Some(day)
}
