//! `bascule.toml` to [`Settings`]: all faults at once, each with its place and its mend.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bascule_crypto::Secret;
use bascule_fhir::Timestamp;
use bascule_policy::fault::Fault;
use bascule_policy::{Api, ApiKind, Exposure, Mode};

use super::document::{Faults, Placed, Section, parse};
use super::settings::{ApiEntry, Audit, Credential, Limits, Listen, Settings, Upstream};

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

/// Reads the text of `file`; paths in it are relative to `base`.
///
/// # Errors
/// Every fault of the text.
pub(crate) fn read(file: &str, text: &str, base: &Path) -> Result<Settings, Vec<Fault>> {
    let faults = Faults::new(file, text);
    let table = parse(&faults);
    let top = Section::new(&faults, file, &table);
    let settings = read_top(&top, &faults, base);
    top.finish();
    match (settings, faults.into_found()) {
        (Some(settings), found) if found.is_empty() => Ok(settings),
        (_, found) => Err(found),
    }
}

fn read_top(top: &Section<'_, '_>, faults: &Faults<'_>, base: &Path) -> Option<Settings> {
    let listen = top.required_section("listen").and_then(|section| read_listen(section, faults, base));
    let store = top.required_section("store").and_then(|section| read_folder(section, base));
    let audit = top.required_section("audit").and_then(|section| read_audit(section, base));
    let policy = top.required_section("policy").and_then(|section| read_folder(section, base));
    let apis = read_apis(top, faults, base);
    let limits = read_limits(top.section("limits"));
    if let (Some(store), Some(audit)) = (&store, &audit)
        && audit.lock.starts_with(store)
    {
        let span = top.section("audit").map_or(0..0, |section| section.span_of("lock"));
        faults.add(span, "the lock stands in the data folder", "put it beside: a backup of the folder must not bring it back");
    }
    Some(Settings { listen: listen?, store: store?, audit: audit?, policy: policy?, apis, limits })
}

fn read_listen(section: Section<'_, '_>, faults: &Faults<'_>, base: &Path) -> Option<Listen> {
    let https = section.required_text("https", "\"0.0.0.0:8443\"").and_then(|text| {
        let address = text.value.parse::<SocketAddr>();
        if address.is_err() {
            faults.add(text.span, "`https` is not an address and port", "write \"0.0.0.0:8443\"");
        }
        address.ok()
    });
    let public_url =
        section.required_text("public_url", "\"https://gateway.example\"").and_then(|text| https_url(&text, "public_url", faults));
    let tls = section.required_section("tls").map(|tls| {
        let certificate = tls.required_text("certificate", "\"tls/gateway.pem\"").map(|text| base.join(text.value));
        let key = tls.required_text("key", "\"tls/gateway.key\"").map(|text| base.join(text.value));
        let client_ca = tls.text("client_ca").map(|text| base.join(text.value));
        tls.finish();
        (certificate, key, client_ca)
    });
    section.finish();
    let (certificate, key, client_ca) = tls?;
    Some(Listen { https: https?, public_url: public_url?, certificate: certificate?, key: key?, client_ca })
}

/// An https URL without a slash at the end, query or fragment.
fn https_url(text: &Placed<String>, key: &str, faults: &Faults<'_>) -> Option<String> {
    let sound = url::Url::parse(&text.value)
        .ok()
        .filter(|url| url.scheme() == "https" && url.query().is_none() && url.fragment().is_none());
    if sound.is_none() {
        faults.add(text.span.clone(), format!("`{key}` is not an https URL"), "write \"https://host.example\"");
    }
    sound.map(|_| text.value.trim_end_matches('/').to_owned())
}

fn read_folder(section: Section<'_, '_>, base: &Path) -> Option<PathBuf> {
    let folder = section.required_text("folder", "\"data\"").map(|text| base.join(text.value));
    section.finish();
    folder
}

fn read_audit(section: Section<'_, '_>, base: &Path) -> Option<Audit> {
    let folder = section.required_text("folder", "\"data/audit\"").map(|text| base.join(text.value));
    let node = section.text("node").map_or_else(|| "gateway-1".to_owned(), |text| text.value);
    let origin = section.required_text("origin", "\"gateway.example/audit\"").map(|text| text.value);
    let lock = section.required_text("lock", "\"lock/bascule-lock.db\"").map(|text| base.join(text.value));
    if !node.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') || node.is_empty() {
        section.fault("`node` is part of a path and of the log's name", "use letters, digits and hyphens");
    }
    section.finish();
    Some(Audit { folder: folder?, node, origin: origin?, lock: lock? })
}

fn read_apis(top: &Section<'_, '_>, faults: &Faults<'_>, base: &Path) -> Vec<ApiEntry> {
    let sections = top.sections("api");
    if sections.is_empty() {
        top.fault("there is no [[api]]", "name at least one API that the bridge stands in front of");
    }
    let mut entries: Vec<ApiEntry> = Vec::new();
    for section in sections {
        let (name_span, path_span) = (section.span_of("name"), section.span_of("path"));
        let Some(entry) = read_api(section, faults, base) else { continue };
        if entries.iter().any(|other| other.api.name == entry.api.name) {
            faults.add(name_span, format!("two APIs are named \"{}\"", entry.api.name), "give each its own name");
        }
        if entries.iter().any(|other| overlaps(&other.path, &entry.path)) {
            faults.add(path_span, format!("\"{}\" lies in the path of another API", entry.path), "give each its own path");
        }
        entries.push(entry);
    }
    entries
}

fn overlaps(left: &str, right: &str) -> bool {
    let inside = |outer: &str, inner: &str| inner == outer || inner.starts_with(&format!("{outer}/"));
    inside(left, right) || inside(right, left)
}

fn read_api(section: Section<'_, '_>, faults: &Faults<'_>, base: &Path) -> Option<ApiEntry> {
    let name = section.required_text("name", "\"ehr\"").map(|text| text.value);
    let kind = section.choice("kind", &[("fhir", ApiKind::Fhir)]);
    let service = section.choice("service", &SERVICES);
    let exposure = section.choice(
        "exposure",
        &[("internal", Exposure::Internal), ("external", Exposure::External), ("third-party", Exposure::ThirdParty)],
    );
    let path = section.required_text("path", "\"/fhir\"").and_then(|text| api_path(&text, faults));
    let owner = section.text("owner").map(|text| text.value);
    let mode = read_mode(&section, faults);
    let upstream = section.required_section("upstream").and_then(|upstream| read_upstream(upstream, faults, base));
    section.finish();
    let api = Api { name: name?, kind: kind?, service: service?.to_owned(), exposure: exposure?, mode: mode? };
    Some(ApiEntry { api, path: path?, owner, upstream: upstream? })
}

fn api_path(text: &Placed<String>, faults: &Faults<'_>) -> Option<String> {
    let path = text.value.trim_end_matches('/');
    let reserved = ["/oauth", "/.well-known", "/healthz", "/audit", "/admin"];
    let sound = path.starts_with('/')
        && path.len() > 1
        && !path.contains("//")
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte))
        && !path.split('/').any(|part| part == "..");
    if !sound {
        faults.add(text.span.clone(), "`path` is not a path below the public URL", "write \"/fhir\"");
    } else if reserved.iter().any(|own| overlaps(own, path)) {
        faults.add(text.span.clone(), format!("\"{path}\" belongs to the bridge itself"), "choose another, e.g. \"/fhir\"");
    } else {
        return Some(path.to_owned());
    }
    None
}

/// `"enforce"`, or `{ observe = { until, owner, reason, clients } }`.
fn read_mode(section: &Section<'_, '_>, faults: &Faults<'_>) -> Option<Mode> {
    if section.is_text("mode") || !section.has("mode") {
        return section.choice("mode", &[("enforce", ())]).map(|()| Mode::Enforce);
    }
    let mode = section.section("mode")?;
    let observe = mode.required_section("observe");
    mode.finish();
    let observe = observe?;
    let until = observe.required_text("until", "\"2026-12-31\"").and_then(|text| {
        let day = end_of_day(&text.value);
        if day.is_none() {
            faults.add(text.span, "`until` is not a date", "write \"2026-12-31\"");
        }
        day
    });
    let owner = observe.required_text("owner", "\"name@hospital.example\"").map(|text| text.value);
    let reason = observe.required_text("reason", "\"roll-out of the scheduling app\"").map(|text| text.value);
    let clients = observe.texts("clients").into_iter().map(|text| text.value).collect::<Vec<_>>();
    if clients.is_empty() {
        observe.fault("`observe` names no `clients`", "name the existing flows that it relaxes; it relaxes nobody else's");
    }
    observe.finish();
    Some(Mode::Observe { until: until?, owner: owner?, reason: reason?, clients })
}

/// The first instant after a day, `YYYY-MM-DD`, in UTC.
pub(crate) fn end_of_day(day: &str) -> Option<Timestamp> {
    start_of_day(day).map(|start| start.plus_seconds(86_400))
}

/// The first instant of a day, `YYYY-MM-DD`, in UTC.
pub(crate) fn start_of_day(day: &str) -> Option<Timestamp> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    let date = time::Date::parse(day, format).ok()?;
    Some(Timestamp::from_seconds(date.midnight().assume_utc().unix_timestamp()))
}

fn read_upstream(section: Section<'_, '_>, faults: &Faults<'_>, base: &Path) -> Option<Upstream> {
    let url = section.required_text("url", "\"https://ehr.example/fhir\"").and_then(|text| upstream_url(&text, faults));
    let ca = section.text("ca").map(|text| base.join(text.value));
    let credential = read_credential(&section, faults, base);
    section.finish();
    Some(Upstream { url: url?, ca, credential: credential? })
}

/// https, or http on this machine only.
fn upstream_url(text: &Placed<String>, faults: &Faults<'_>) -> Option<String> {
    let url = url::Url::parse(&text.value).ok();
    let loopback = |url: &url::Url| match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url {
        Some(url) if url.query().is_some() || url.fragment().is_some() => {
            faults.add(text.span.clone(), "`url` carries a query or fragment", "write the base only");
            None
        }
        Some(url) if url.scheme() == "https" || (url.scheme() == "http" && loopback(&url)) => {
            Some(text.value.trim_end_matches('/').to_owned())
        }
        Some(url) if url.scheme() == "http" => {
            faults.add(text.span.clone(), "health data would cross the network in the clear", "use https; http is for this machine only");
            None
        }
        _ => {
            faults.add(text.span.clone(), "`url` is not a URL", "write \"https://ehr.example/fhir\"");
            None
        }
    }
}

fn read_credential(section: &Section<'_, '_>, faults: &Faults<'_>, base: &Path) -> Option<Credential> {
    if section.is_text("credential") || !section.has("credential") {
        return section.choice("credential", &[("none", Credential::Open)].map(|(word, _)| (word, ()))).map(|()| Credential::Open);
    }
    let credential = section.section("credential")?;
    let bearer = credential.text("bearer");
    let basic = credential.text("basic");
    credential.finish();
    match (bearer, basic) {
        (Some(text), None) => secret(&text, faults, base).map(Credential::Bearer),
        (None, Some(text)) => secret(&text, faults, base).map(Credential::Basic),
        _ => {
            let span = section.span_of("credential");
            faults.add(span, "`credential` names no way, or two", "write { bearer = \"file:…\" } or { basic = \"file:…\" }");
            None
        }
    }
}

/// A secret is named, never written: `file:` or `env:`.
fn secret(text: &Placed<String>, faults: &Faults<'_>, base: &Path) -> Option<Secret> {
    let found = if let Some(path) = text.value.strip_prefix("file:") {
        std::fs::read_to_string(base.join(path)).map_err(|error| format!("cannot read the file: {error}"))
    } else if let Some(name) = text.value.strip_prefix("env:") {
        super::environment(name).ok_or_else(|| format!("the environment has no {name}"))
    } else {
        Err("a secret is written into the configuration".to_owned())
    };
    match found.map(|secret| secret.trim().to_owned()) {
        Ok(secret) if !secret.is_empty() => Some(Secret::new(secret)),
        Ok(_) => {
            faults.add(text.span.clone(), "the secret is empty", "put it into the file or the environment");
            None
        }
        Err(message) => {
            faults.add(text.span.clone(), message, "name it: \"file:keys/ehr-token\" or \"env:EHR_TOKEN\"");
            None
        }
    }
}

fn read_limits(section: Option<Section<'_, '_>>) -> Limits {
    const MEBI: u64 = 1 << 20;
    let number = |key, default, bounds| section.as_ref().map_or(default, |section| section.number(key, default, bounds));
    let limits = Limits {
        head_bytes_max: number("head_bytes_max", 16_384, 8_192..=MEBI),
        request_bytes_max: number("request_bytes_max", 10 * MEBI, 1_024..=1_024 * MEBI),
        hold_bytes_max: number("hold_bytes_max", MEBI, 1_024..=256 * MEBI),
        resource_bytes_max: number("resource_bytes_max", MEBI, 1_024..=256 * MEBI),
        stream_bytes_max: number("stream_bytes_max", 10_240 * MEBI, MEBI..=1_048_576 * MEBI),
        requests_in_flight_max: number("requests_in_flight_max", 2_000, 1..=100_000),
        connections_max: number("connections_max", 10_000, 1..=1_000_000),
        head_timeout_ms: number("head_timeout_ms", 10_000, 100..=600_000),
        upstream_timeout_ms: number("upstream_timeout_ms", 30_000, 100..=600_000),
    };
    if let Some(section) = section {
        section.finish();
    }
    limits
}
