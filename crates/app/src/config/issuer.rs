//! `[[api.issuer]]`: another issuer whose tokens an API takes beside our own.

use std::collections::BTreeMap;
use std::path::Path;

use bascule_gateway::settings::{IssuerSettings, Verification};
use bascule_policy::read::{Reader, Section, Word};
use bascule_smart::Scopes;
use bascule_smart::jose::SigningAlgorithm;

use super::ask::{choice, first, required_section, required_word};
use super::upstream::base_url;
use super::{credential, secret};

/// Every issuer of an API.
pub(super) fn read_all(api: &mut Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<Vec<IssuerSettings>> {
    let mut issuers: Vec<IssuerSettings> = Vec::new();
    let mut sound = true;
    for section in api.sections("issuer", reader) {
        let place = first(&section);
        let Some(issuer) = read(section, base, reader) else {
            sound = false;
            continue;
        };
        if issuers.iter().any(|known| known.issuer == issuer.issuer) {
            reader.fault(place, format!("two issuers are \"{}\"", issuer.issuer), "write each once");
        }
        issuers.push(issuer);
    }
    sound.then_some(issuers)
}

fn read(mut section: Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<IssuerSettings> {
    let place = first(&section);
    let issuer = required_word(&mut section, "issuer", "\"https://login.example\"", reader);
    let issuer = issuer.and_then(|word| base_url(&word, reader).map(|_| word.text));
    let audiences = audiences(&mut section, reader);
    let ca_pem = match section.word("ca", reader) {
        None => Some(None),
        Some(word) => secret::pem_file(&word, base, reader).map(Some),
    };
    let verification = verification(&mut section, base, reader);
    let client_claim = section.word("client_claim", reader).map_or_else(|| "client_id".to_owned(), |word| word.text);
    let clients = required_section(&mut section, "clients", reader).map(|table| names(&table, reader));
    let scopes = required_section(&mut section, "scopes", reader).and_then(|table| scopes(&table, reader));
    let users = choice(&mut section, "users", &[("known", true), ("none", false)], reader);
    let patient_claim = section.word("patient_claim", reader).map(|word| word.text);
    section.finish(reader);
    if clients.as_ref().is_some_and(BTreeMap::is_empty) || scopes.as_ref().is_some_and(BTreeMap::is_empty) {
        let mend = "map at least one of each; what is not mapped is worth nothing";
        reader.fault(place, "`clients` or `scopes` is empty, so that no token of this issuer would pass", mend);
    }
    Some(IssuerSettings {
        issuer: issuer?,
        audiences: audiences?,
        verification: verification?,
        ca_pem: ca_pem?,
        client_claim,
        clients: clients?,
        scopes: scopes?,
        users: users?,
        patient_claim,
    })
}

fn audiences(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let place = first(section);
    let words = section.words("audience", reader).unwrap_or_default();
    if words.is_empty() || words.iter().any(|word| word.text.is_empty()) {
        let mend =
            "write audience = [\"https://gateway.example/fhir\"]: a token for another system must not open this one";
        reader.fault(place, "an issuer has no `audience`", mend);
        return None;
    }
    Some(words.into_iter().map(|word| word.text).collect())
}

/// By `introspection = { … }`, or by keys: `jwks`, or the issuer's own discovery document.
fn verification(section: &mut Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<Verification> {
    if section.value("introspection").is_some() {
        let mut inner = section.section("introspection", reader)?;
        let url = credential::endpoint(&mut inner, "url", reader);
        let client = credential::client(&mut inner, base, reader);
        inner.finish(reader);
        if let Some(value) = section.value("jwks") {
            reader.fault(value.span(), "an issuer is verified by `jwks` or by `introspection`", "leave one out");
        }
        return Some(Verification::Introspection { url: url?, client: Box::new(client?) });
    }
    let jwks_url = match section.word("jwks", reader) {
        None => Some(None),
        Some(word) => base_url(&word, reader).map(Some),
    };
    let algorithms = algorithms(section, reader);
    Some(Verification::Keys { jwks_url: jwks_url?, algorithms: algorithms? })
}

/// `algorithms = ["RS256"]`: signatures only; `none` and HMAC are not among the words.
pub(super) fn algorithms(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<Vec<SigningAlgorithm>> {
    let Some(words) = section.words("algorithms", reader) else { return Some(vec![SigningAlgorithm::Rs256]) };
    let known = |word: &Word, reader: &mut Reader<'_>| {
        let algorithm = SigningAlgorithm::parse(&word.text);
        if algorithm.is_none() {
            let names = SigningAlgorithm::ALL.map(SigningAlgorithm::name).join(", ");
            reader.fault(
                word.span.clone(),
                format!("\"{}\" is not accepted", word.text),
                format!("choose from {names}"),
            );
        }
        algorithm
    };
    let read: Vec<Option<SigningAlgorithm>> = words.iter().map(|word| known(word, reader)).collect();
    read.into_iter().collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
}

/// A table of texts.
pub(super) fn names(table: &Section<'_>, reader: &mut Reader<'_>) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for (name, words) in table.named_words(reader) {
        match words.as_slice() {
            [one] => drop(names.insert(name.text, one.text.clone())),
            _ => reader.fault(name.span, format!("`{}` is not one text", name.text), "write one name in quotes"),
        }
    }
    names
}

fn scopes(table: &Section<'_>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, Scopes>> {
    let mut read = BTreeMap::new();
    let mut sound = true;
    for (name, words) in table.named_words(reader) {
        let mut worth = Scopes::default();
        for word in words {
            match word.text.parse::<Scopes>() {
                Ok(scopes) => scopes.0.into_iter().for_each(|scope| worth.add(scope)),
                Err(error) => {
                    sound = false;
                    reader.fault(word.span, error.to_string(), "write a SMART scope, e.g. \"user/Observation.rs\"");
                }
            }
        }
        read.insert(name.text, worth);
    }
    sound.then_some(read)
}
