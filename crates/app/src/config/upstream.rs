//! `upstream = { … }` of an API: where it is, whom to trust, what to show.

use std::path::Path;

use bascule_crypto::Secret;
use bascule_gateway::settings::{UpstreamCredential, UpstreamSettings};
use bascule_policy::read::{Reader, Section, Word};
use url::Url;

use super::ask::{choice, first, required_word};

pub(super) fn read(mut section: Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<UpstreamSettings> {
    let url = required_word(&mut section, "url", "\"https://ehr.example/fhir\"", reader)
        .and_then(|word| base_url(&word, reader));
    let ca_pem = match section.word("ca", reader) {
        None => Some(None),
        Some(word) => read_file(&word, base, reader).map(Some),
    };
    let credential = read_credential(&mut section, base, reader);
    let post_search = section.flag("post_search", reader).unwrap_or(true);
    let organization = section.word("organization", reader).map(|word| word.text);
    let unversioned = section.word("unversioned", reader).and_then(|word| reason(&word, reader));
    section.finish(reader);
    Some(UpstreamSettings {
        url: url?,
        ca_pem: ca_pem?,
        credential: credential?,
        post_search,
        organization,
        unversioned,
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

pub(super) fn read_file(word: &Word, base: &Path, reader: &mut Reader<'_>) -> Option<String> {
    match std::fs::read_to_string(base.join(&word.text)) {
        Ok(text) => Some(text),
        Err(error) => {
            reader.fault(word.span.clone(), format!("cannot read \"{}\": {error}", word.text), "name a PEM file");
            None
        }
    }
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

fn read_credential(section: &mut Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<UpstreamCredential> {
    let is_table = section.value("credential").is_some_and(|value| value.get_ref().is_table());
    if !is_table {
        return choice(section, "credential", &[("none", ())], reader).map(|()| UpstreamCredential::None);
    }
    let mut credential = section.section("credential", reader)?;
    let place = first(&credential);
    let bearer = credential.word("bearer", reader);
    let basic = credential.word("basic", reader);
    credential.finish(reader);
    match (bearer, basic) {
        (Some(word), None) => secret(&word, base, reader).map(|text| UpstreamCredential::Bearer(Secret::new(text))),
        (None, Some(word)) => user_and_password(&word, base, reader),
        _ => {
            reader.fault(
                place,
                "`credential` names no way, or two",
                "write { bearer = \"file:…\" } or { basic = \"file:…\" }",
            );
            None
        }
    }
}

fn user_and_password(word: &Word, base: &Path, reader: &mut Reader<'_>) -> Option<UpstreamCredential> {
    let text = secret(word, base, reader)?;
    let Some((user, password)) = text.split_once(':') else {
        reader.fault(word.span.clone(), "the secret is not `user:password`", "write both, with a colon between them");
        return None;
    };
    Some(UpstreamCredential::Basic { user: user.to_owned(), password: Secret::new(password) })
}

/// A secret is named, never written: `file:` or `env:`.
fn secret(word: &Word, base: &Path, reader: &mut Reader<'_>) -> Option<String> {
    let found = if let Some(path) = word.text.strip_prefix("file:") {
        std::fs::read_to_string(base.join(path)).map_err(|error| format!("cannot read \"{path}\": {error}"))
    } else if let Some(name) = word.text.strip_prefix("env:") {
        super::environment(name).ok_or_else(|| format!("the environment has no {name}"))
    } else {
        Err("a secret is written into the configuration".to_owned())
    };
    let message = match found.map(|text| text.trim().to_owned()) {
        Ok(text) if !text.is_empty() => return Some(text),
        Ok(_) => "the secret is empty".to_owned(),
        Err(message) => message,
    };
    reader.fault_at_secret(word.span.clone(), message, "name it: \"file:keys/ehr-token\" or \"env:EHR_TOKEN\"");
    None
}
