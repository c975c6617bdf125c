//! `bascule.toml` to [`Settings`]: all faults at once, each with its place and its mend.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bascule_gateway::settings::Limits;
use bascule_policy::fault::Fault;
use bascule_policy::read::{Reader, Section, whole};
use url::Url;

use super::ask::{first, number, required_section, required_word};
use super::settings::{Listen, MutualTlsListen, Settings};
use super::{api, audit, dangerous, partner, provider, udap};

const MEBI: u64 = 1 << 20;

/// Reads the text of `file`; paths in it are relative to `base`.
///
/// # Errors
/// Every fault of the text.
pub(crate) fn read(file: &str, text: &str, base: &Path) -> Result<Settings, Vec<Fault>> {
    whole(file, text, |top, reader| read_top(top, base, reader))
}

fn read_top(top: &mut Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<Settings> {
    let listen = required_section(top, "listen", reader).and_then(|section| read_listen(section, base, reader));
    let store = required_section(top, "store", reader).and_then(|section| read_folder(section, base, reader));
    let audit =
        required_section(top, "audit", reader).and_then(|section| audit::read(section, base, store.as_deref(), reader));
    let policy = required_section(top, "policy", reader).and_then(|section| read_folder(section, base, reader));
    let (apis, named): (Vec<_>, Vec<_>) = api::read_all(top, base, reader).into_iter().unzip();
    let providers = provider::read_all(top, &apis, base, reader);
    let public_url = listen.as_ref().map(|(_, public_url)| public_url);
    let udap = udap::read(top, &apis, public_url, base, reader);
    let names: Vec<String> =
        apis.iter().map(|entry: &bascule_gateway::settings::ApiSettings| entry.api.name.clone()).collect();
    let partners = partner::read_all(top, &names, base, reader);
    let bounds = read_limits(top, reader);
    let sign_in = super::sign_in::read(top, reader);
    let dangerous = dangerous::read(top, reader);
    let audit = audit.map(|audit| dangerous::weaken(audit, &dangerous));
    audit::decided(audit.as_ref(), &apis, top, reader);
    let (listen, public_url) = listen?;
    let gateway = bascule_gateway::Settings { public_url, apis, limits: bounds.gateway };
    Some(Settings {
        listen,
        store: store?,
        audit: audit?,
        policy: policy?,
        gateway,
        named,
        providers,
        udap,
        partners,
        sign_in,
        dangerous: dangerous.named,
        head_bytes_max: bounds.head_bytes_max,
        head_timeout_ms: bounds.head_timeout_ms,
        connections_max: bounds.connections_max,
    })
}

fn read_listen(mut section: Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<(Listen, Url)> {
    let https = address(&mut section, reader);
    let public_url = public_url(&mut section, reader);
    let tls = required_section(&mut section, "tls", reader).map(|mut tls| {
        let mut path = |key, example| required_word(&mut tls, key, example, reader).map(|word| base.join(word.text));
        let certificate = path("certificate", "\"tls/gateway.pem\"");
        let key = path("key", "\"tls/gateway.key\"");
        let client_ca = tls.word("client_ca", reader).map(|word| base.join(word.text));
        let self_signed = tls.flag("self_signed_clients", reader).unwrap_or(false);
        tls.finish(reader);
        (certificate, key, client_ca, self_signed)
    });
    let mtls = match section.value("mtls") {
        None => Some(None),
        Some(_) => section.section("mtls", reader).and_then(|inner| read_mtls(inner, base, reader)).map(Some),
    };
    section.finish(reader);
    let (certificate, key, client_ca, self_signed_clients) = tls?;
    let listen =
        Listen { https: https?, certificate: certificate?, key: key?, client_ca, self_signed_clients, mtls: mtls? };
    Some((listen, public_url?))
}

fn address(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<SocketAddr> {
    let word = required_word(section, "https", "\"0.0.0.0:8443\"", reader)?;
    let address = word.text.parse::<SocketAddr>();
    if address.is_err() {
        reader.fault(word.span, "`https` is not an address and port", "write \"0.0.0.0:8443\"");
    }
    address.ok()
}

fn public_url(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<Url> {
    let word = required_word(section, "public_url", "\"https://gateway.example\"", reader)?;
    let url = Url::parse(word.text.trim_end_matches('/')).ok();
    let sound = url.filter(|url| {
        url.scheme() == "https" && url.query().is_none() && url.fragment().is_none() && url.path() == "/"
    });
    if sound.is_none() {
        reader.fault(word.span, "`public_url` is not the https address of a host", "write \"https://gateway.example\"");
    }
    sound
}

/// `[listen.mtls]`: a second listener that asks programs for their certificates.
fn read_mtls(mut section: Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<MutualTlsListen> {
    let place = first(&section);
    let https = address(&mut section, reader);
    let public_url = public_url(&mut section, reader);
    let client_ca = section.word("client_ca", reader).map(|word| base.join(word.text));
    let self_signed = section.flag("self_signed", reader).unwrap_or(false);
    section.finish(reader);
    if client_ca.is_none() && !self_signed {
        let mend = "write client_ca = \"tls/partners.pem\", or self_signed = true";
        reader.fault(place, "`mtls` takes no certificate at all", mend);
        return None;
    }
    Some(MutualTlsListen { https: https?, public_url: public_url?, client_ca, self_signed })
}

fn read_folder(mut section: Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<PathBuf> {
    let folder = required_word(&mut section, "folder", "\"data\"", reader).map(|word| base.join(word.text));
    section.finish(reader);
    folder
}

struct Bounds {
    gateway: Limits,
    head_bytes_max: u64,
    head_timeout_ms: u64,
    connections_max: u64,
}

fn read_limits(top: &mut Section<'_>, reader: &mut Reader<'_>) -> Bounds {
    let mut gateway = Limits::default();
    let mut bounds = (16_384, 10_000, 10_000);
    if let Some(mut section) = top.section("limits", reader) {
        let mut size = |key, field: &mut usize, low: u64, high: u64| {
            let read = number(&mut section, key, *field as u64, low..=high, reader);
            *field = usize::try_from(read).unwrap_or(*field);
        };
        size("request_bytes_max", &mut gateway.request_bytes_max, 1_024, 1_024 * MEBI);
        size("hold_bytes_max", &mut gateway.hold_bytes_max, 1_024, 256 * MEBI);
        size("resource_bytes_max", &mut gateway.resource_bytes_max, 1_024, 256 * MEBI);
        size("stream_bytes_max", &mut gateway.stream_bytes_max, MEBI, 1_048_576 * MEBI);
        size("requests_in_flight_max", &mut gateway.requests_in_flight_max, 1, 100_000);
        size("query_bytes_max", &mut gateway.query_bytes_max, 256, 65_536);
        size("patients_per_query_max", &mut gateway.patients_per_query_max, 1, 100_000);
        size("patients_posted_max", &mut gateway.patients_posted_max, 1, 1_000_000);
        size("refill_requests_max", &mut gateway.refill_requests_max, 0, 100);
        size("batch_entries_max", &mut gateway.batch_entries_max, 1, 10_000);
        gateway.absent_floor_ms = number(&mut section, "absent_floor_ms", gateway.absent_floor_ms, 0..=10_000, reader);
        let hours = |seconds: i64| u64::try_from(seconds).unwrap_or_default() / 3_600;
        let export = number(&mut section, "export_hours", hours(gateway.export_seconds), 1..=168, reader);
        gateway.export_seconds = i64::try_from(export * 3_600).unwrap_or(gateway.export_seconds);
        gateway.upstream_timeout_ms =
            number(&mut section, "upstream_timeout_ms", gateway.upstream_timeout_ms, 100..=600_000, reader);
        gateway.upstream_connect_timeout_ms = number(
            &mut section,
            "upstream_connect_timeout_ms",
            gateway.upstream_connect_timeout_ms,
            100..=60_000,
            reader,
        );
        bounds.0 = number(&mut section, "head_bytes_max", bounds.0, 8_192..=MEBI, reader);
        bounds.1 = number(&mut section, "head_timeout_ms", bounds.1, 100..=600_000, reader);
        bounds.2 = number(&mut section, "connections_max", bounds.2, 1..=1_000_000, reader);
        section.finish(reader);
    }
    Bounds { gateway, head_bytes_max: bounds.0, head_timeout_ms: bounds.1, connections_max: bounds.2 }
}
