//! `credential = …` of an upstream: as whom the bridge comes there.

use std::path::Path;

use bascule_crypto::Secret;
use bascule_gateway::settings::{ClientProof, ExchangeSettings, OauthSettings, UpstreamCredential};
use bascule_policy::read::{Reader, Section, Word};
use url::Url;

use super::ask::{choice, first, required_word};
use super::secret;
use super::upstream::base_url;

const WAYS: &str = "write one of { bearer = … } { basic = … } { mtls = … } { service = … } { exchange = … } { relay = … } { launch = … }";

/// The credential, however it is written.
pub(super) fn read(section: &mut Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<UpstreamCredential> {
    if !section.value("credential").is_some_and(|value| value.get_ref().is_table()) {
        return choice(section, "credential", &[("none", ())], reader).map(|()| UpstreamCredential::None);
    }
    let mut ways = section.section("credential", reader)?;
    let place = first(&ways);
    let names = ["bearer", "basic", "mtls", "service", "exchange", "relay", "launch"];
    let named: Vec<&'static str> = names.into_iter().filter(|name| ways.value(name).is_some()).collect();
    let credential = match named.as_slice() {
        ["bearer"] => ways
            .word("bearer", reader)
            .and_then(|word| secret::text(&word, base, reader))
            .map(|text| UpstreamCredential::Bearer(Secret::new(text))),
        ["basic"] => ways.word("basic", reader).and_then(|word| user_and_password(&word, base, reader)),
        ["mtls"] => ways
            .section("mtls", reader)
            .and_then(|inner| secret::certificate_and_key(inner, base, reader))
            .map(|(certificate_pem, key_pem)| UpstreamCredential::MutualTls { certificate_pem, key_pem }),
        ["service"] => ways.section("service", reader).and_then(|inner| service(inner, base, reader)),
        ["exchange"] => ways.section("exchange", reader).and_then(|inner| exchange(inner, base, reader)),
        ["relay"] => ways.section("relay", reader).and_then(|inner| relay(inner, reader)),
        ["launch"] => ways.word("launch", reader).map(|word| UpstreamCredential::Launch { provider: word.text }),
        _ => {
            reader.fault(place, "`credential` names no way, or two", WAYS);
            None
        }
    };
    ways.finish(reader);
    credential
}

fn user_and_password(word: &Word, base: &Path, reader: &mut Reader<'_>) -> Option<UpstreamCredential> {
    let text = secret::text(word, base, reader)?;
    let Some((user, password)) = text.split_once(':') else {
        reader.fault(word.span.clone(), "the secret is not `user:password`", "write both, with a colon between them");
        return None;
    };
    Some(UpstreamCredential::Basic { user: user.to_owned(), password: Secret::new(password) })
}

fn service(mut section: Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<UpstreamCredential> {
    let token_url = endpoint(&mut section, "token_url", reader);
    let client = client(&mut section, base, reader);
    section.finish(reader);
    Some(UpstreamCredential::Service { token_url: token_url?, client: Box::new(client?) })
}

fn exchange(mut section: Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<UpstreamCredential> {
    let token_url = endpoint(&mut section, "token_url", reader);
    let client = client(&mut section, base, reader);
    let audience = section.word("audience", reader).map(|word| word.text);
    let resource = section.word("resource", reader).map(|word| word.text);
    section.finish(reader);
    let settings = ExchangeSettings { token_url: token_url?, client: client?, audience, resource };
    Some(UpstreamCredential::Exchange(Box::new(settings)))
}

fn relay(mut section: Section<'_>, reader: &mut Reader<'_>) -> Option<UpstreamCredential> {
    let issuer = required_word(&mut section, "issuer", "\"https://ehr.example\"", reader);
    section.finish(reader);
    Some(UpstreamCredential::Relay { issuer: issuer?.text })
}

/// An endpoint of an authorization server: https, or http on this machine.
pub(super) fn endpoint(section: &mut Section<'_>, key: &'static str, reader: &mut Reader<'_>) -> Option<Url> {
    required_word(section, key, "\"https://ehr.example/token\"", reader).and_then(|word| base_url(&word, reader))
}

/// Our registration at another authorization server: `client_id`, one proof, `scope`, `ca`.
pub(super) fn client(section: &mut Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<OauthSettings> {
    let client_id = required_word(section, "client_id", "\"bascule\"", reader).map(|word| word.text);
    let proof = proof(section, base, reader);
    let scope = section.word("scope", reader).map(|word| word.text);
    let assertion_audience = section.word("assertion_audience", reader).map(|word| word.text);
    let ca_pem = match section.word("ca", reader) {
        None => Some(None),
        Some(word) => secret::pem_file(&word, base, reader).map(Some),
    };
    Some(OauthSettings { client_id: client_id?, proof: proof?, scope, assertion_audience, ca_pem: ca_pem? })
}

fn proof(section: &mut Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<ClientProof> {
    let place = first(section);
    let names = ["key", "secret", "mtls"];
    let named: Vec<&'static str> = names.into_iter().filter(|name| section.value(name).is_some()).collect();
    match named.as_slice() {
        ["key"] => {
            section.word("key", reader).and_then(|word| secret::signing_key(&word, base, reader)).map(ClientProof::Key)
        }
        ["secret"] => section
            .word("secret", reader)
            .and_then(|word| secret::text(&word, base, reader))
            .map(|text| ClientProof::Secret(Secret::new(text))),
        ["mtls"] => section
            .section("mtls", reader)
            .and_then(|inner| secret::certificate_and_key(inner, base, reader))
            .map(|(certificate_pem, key_pem)| ClientProof::MutualTls { certificate_pem, key_pem }),
        _ => {
            let mend = "write one of key = \"file:…\" (private_key_jwt), secret = \"file:…\", mtls = { … }";
            reader.fault(place, "the bridge has no proof of itself here, or two", mend);
            None
        }
    }
}
