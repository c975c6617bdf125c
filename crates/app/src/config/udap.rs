//! `[udap]`: a community whose members register and prove themselves by certificates.

use std::path::Path;

use bascule_crypto::certificate::{Anchors, Certificate, CertificateError, chain_from_pem};
use bascule_gateway::settings::ApiSettings;
use bascule_gateway::smart::UdapSettings;
use bascule_policy::ApiKind;
use bascule_policy::read::{Reader, Section, Word};
use bascule_smart::Scopes;
use bascule_smart::tls_auth::jwk;
use bascule_smart::udap::Community;
use url::Url;

use super::ask::{choice, first, required_word};
use super::secret;

/// Reads the section, if there is one.
pub(super) fn read(
    top: &mut Section<'_>,
    apis: &[ApiSettings],
    public_url: Option<&Url>,
    base: &Path,
    reader: &mut Reader<'_>,
) -> Option<UdapSettings> {
    let mut section = top.section("udap", reader)?;
    let place = first(&section);
    let certificate = required_word(&mut section, "certificate", "\"tls/udap.pem\"", reader);
    let chain = certificate.as_ref().and_then(|word| chain(word, base, reader));
    let key = required_word(&mut section, "key", "\"file:tls/udap.key\"", reader)
        .and_then(|word| secret::udap_key(&word, base, reader));
    let anchors = required_word(&mut section, "anchors", "\"tls/community.pem\"", reader)
        .and_then(|word| anchors(&word, section.word("revoked", reader), base, reader));
    let uri = section.word("community", reader).map(|word| word.text);
    let names = section.words("apis", reader);
    let scope = required_word(&mut section, "scope", "\"patient/*.rs system/*.rs\"", reader)
        .and_then(|word| scope(&word, reader));
    let approve = section.flag("approve", reader).unwrap_or(true);
    let pkce_optional = match section.value("pkce") {
        None => Some(false),
        Some(_) => choice(&mut section, "pkce", &[("required", false), ("optional", true)], reader),
    };
    let texts = |words: Option<Vec<Word>>| words.unwrap_or_default().into_iter().map(|word| word.text).collect();
    let roles: Vec<String> = texts(section.words("roles", reader));
    let organization = section.word("organization", reader).map(|word| word.text);
    let certifications: Vec<String> = texts(section.words("certifications", reader));
    section.finish(reader);
    let fhir = apis.iter().filter(|one| one.api.kind == ApiKind::Fhir);
    let offered: Vec<&ApiSettings> = match &names {
        None => fhir.collect(),
        Some(words) => fhir.filter(|one| words.iter().any(|word| word.text == one.api.name)).collect(),
    };
    let (chain, key, public_url) = (chain?, key?, public_url?);
    let read = chain.first().and_then(|leaf| Certificate::read(leaf).ok())?;
    check(&read, &offered, public_url, place.clone(), reader);
    let own = jwk(&read.key);
    if ["kty", "crv", "x", "y", "n", "e"].iter().any(|name| own.get(name) != key.public_jwk().get(name)) {
        reader.fault(place, "`key` is not the key of `certificate`", "name the key that the certificate was made for");
    }
    let community = Community {
        uri,
        anchors: anchors?,
        scope: scope?,
        approve,
        pkce_optional: pkce_optional?,
        roles,
        organization,
        certifications,
    };
    let apis = offered.iter().map(|one| one.api.name.clone()).collect();
    Some(UdapSettings { community, key, chain, apis })
}

/// The metadata of an API is signed in the name of its base: the certificate must bear it.
fn check(
    certificate: &Certificate,
    offered: &[&ApiSettings],
    public_url: &Url,
    place: std::ops::Range<usize>,
    reader: &mut Reader<'_>,
) {
    for one in offered {
        let base = format!("{}{}", public_url.as_str().trim_end_matches('/'), one.path);
        if !certificate.uris.contains(&base) {
            let message = format!("the UDAP certificate does not bear the URI \"{base}\" of api `{}`", one.api.name);
            let mend = "have it issued with that subject alternative name, or leave the API out of `apis`";
            reader.fault(place.clone(), message, mend);
        }
    }
}

fn chain(word: &Word, base: &Path, reader: &mut Reader<'_>) -> Option<Vec<Vec<u8>>> {
    let pem = secret::pem_file(word, base, reader)?;
    told(chain_from_pem(&pem), word, reader)
}

fn anchors(word: &Word, revoked: Option<Word>, base: &Path, reader: &mut Reader<'_>) -> Option<Anchors> {
    let pem = secret::pem_file(word, base, reader)?;
    let anchors = told(Anchors::from_pem(&pem), word, reader)?;
    let Some(list) = revoked else { return Some(anchors) };
    let pem = secret::pem_file(&list, base, reader)?;
    told(anchors.with_revoked(&pem), &list, reader)
}

fn told<T>(read: Result<T, CertificateError>, word: &Word, reader: &mut Reader<'_>) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(error) => {
            reader.fault(word.span.clone(), format!("\"{}\": {error}", word.text), "name a PEM file that holds it");
            None
        }
    }
}

fn scope(word: &Word, reader: &mut Reader<'_>) -> Option<Scopes> {
    match word.text.parse::<Scopes>() {
        Ok(scopes) if !scopes.is_empty() => Some(scopes),
        Ok(_) => {
            reader.fault(word.span.clone(), "`scope` is empty", "write the most that the community may be granted");
            None
        }
        Err(error) => {
            reader.fault(word.span.clone(), error.to_string(), "write SMART scopes with blanks between");
            None
        }
    }
}
