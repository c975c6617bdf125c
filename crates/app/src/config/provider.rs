//! `[[provider]]`: where people sign in who have no password here, and what its claims mean.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use bascule_gateway::settings::{ApiSettings, UpstreamCredential};
use bascule_gateway::smart::federation::{EhrSettings, ProviderSettings};
use bascule_policy::read::{Reader, Section, Word};
use bascule_smart::federation::{ClaimsMap, PatientClaim, RecordClaim};

use super::ask::{first, number, required_section, required_word};
use super::upstream::base_url;
use super::{credential, issuer};

/// How often a provider is asked whether a user is still there, if nothing else is said.
const RECHECK_SECONDS: u64 = 300;

/// Every `[[provider]]`; what the APIs say of them is checked too.
pub(super) fn read_all(
    top: &mut Section<'_>,
    apis: &[ApiSettings],
    base: &Path,
    reader: &mut Reader<'_>,
) -> Vec<ProviderSettings> {
    let mut providers: Vec<ProviderSettings> = Vec::new();
    for section in top.sections("provider", reader) {
        let place = first(&section);
        let Some(provider) = read(section, apis, base, reader) else { continue };
        let twice = |known: &ProviderSettings| known.name == provider.name || known.issuer == provider.issuer;
        if providers.iter().any(twice) {
            let message = format!("two providers are named \"{}\", or have the same issuer", provider.name);
            reader.fault(place, message, "write each once");
        }
        providers.push(provider);
    }
    check_launches(apis, &providers, reader);
    providers
}

/// An API that shows the EHR's own token needs the provider that gives it.
fn check_launches(apis: &[ApiSettings], providers: &[ProviderSettings], reader: &mut Reader<'_>) {
    for api in apis {
        let UpstreamCredential::Launch { provider } = &api.upstream.credential else { continue };
        let fits = |known: &&ProviderSettings| {
            known.name == *provider && known.ehr.as_ref().is_some_and(|ehr| ehr.api == api.api.name)
        };
        if providers.iter().find(fits).is_none() {
            let message = format!("api `{}`: `launch` names no [[provider]] that launches for it", api.api.name);
            let mend =
                format!("add [[provider]] name = \"{provider}\" with ehr = {{ base = …, api = \"{}\" }}", api.api.name);
            reader.fault(0..0, message, mend);
        }
    }
}

fn read(
    mut section: Section<'_>,
    apis: &[ApiSettings],
    base: &Path,
    reader: &mut Reader<'_>,
) -> Option<ProviderSettings> {
    let place = first(&section);
    let name = required_word(&mut section, "name", "\"mercy\"", reader).and_then(|word| simple(word, reader));
    let title = required_word(&mut section, "title", "\"Mercy Hospital\"", reader).map(|word| word.text);
    let issuer = required_word(&mut section, "issuer", "\"https://login.example\"", reader)
        .and_then(|word| base_url(&word, reader).map(|_| word.text));
    let client = credential::client(&mut section, base, reader);
    let algorithms = issuer::algorithms(&mut section, reader);
    let userinfo = section.flag("userinfo", reader).unwrap_or(false);
    let overage_url = match section.word("groups_overage", reader) {
        None => Some(None),
        Some(word) => base_url(&word, reader).map(Some),
    };
    let acr_values = section.word("acr_values", reader).map(|word| word.text);
    let offline_stands = section.flag("offline_stands", reader).unwrap_or(false);
    let recheck = number(&mut section, "recheck_seconds", RECHECK_SECONDS, 0..=86_400, reader);
    let ehr = match section.value("ehr") {
        None => Some(None),
        Some(_) => section.section("ehr", reader).and_then(|inner| read_ehr(inner, apis, reader)).map(Some),
    };
    let required = section.section("required", reader).map(|table| lists(&table, reader)).unwrap_or_default();
    let roles = required_section(&mut section, "roles", reader).map(|table| lists(&table, reader));
    let claims = required_section(&mut section, "claims", reader).and_then(|inner| read_claims(inner, apis, reader));
    section.finish(reader);
    if roles.as_ref().is_some_and(BTreeMap::is_empty) {
        reader.fault(
            place.clone(),
            "`roles` is empty, so that nobody would come in",
            "map at least one value to a role",
        );
    }
    let client = client?;
    if !client.scope.as_deref().unwrap_or_default().split(' ').any(|scope| scope == "openid") {
        reader.fault(place, "`scope` does not ask for `openid`", "write scope = \"openid profile\"");
        return None;
    }
    let claims = ClaimsMap { required, roles: roles?, ..claims? };
    Some(ProviderSettings {
        name: name?,
        title: title?,
        issuer: issuer?,
        client,
        algorithms: algorithms?,
        claims,
        userinfo,
        overage_url: overage_url?,
        acr_values,
        recheck_seconds: i64::try_from(recheck).ok().filter(|seconds| *seconds > 0),
        offline_stands,
        ehr: ehr?,
    })
}

fn simple(word: Word, reader: &mut Reader<'_>) -> Option<String> {
    let sound = !word.text.is_empty()
        && word.text.len() <= 64
        && word.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !sound {
        reader.fault(word.span, "`name` is part of an address and of the log", "use letters, digits and hyphens");
        return None;
    }
    Some(word.text)
}

fn read_ehr(mut section: Section<'_>, apis: &[ApiSettings], reader: &mut Reader<'_>) -> Option<EhrSettings> {
    let base = required_word(&mut section, "base", "\"https://ehr.example/fhir\"", reader)
        .and_then(|word| base_url(&word, reader).map(|_| word.text.trim_end_matches('/').to_owned()));
    let api = required_word(&mut section, "api", "\"ehr\"", reader).and_then(|word| known_api(word, apis, reader));
    section.finish(reader);
    Some(EhrSettings { base: base?, api: api? })
}

fn known_api(word: Word, apis: &[ApiSettings], reader: &mut Reader<'_>) -> Option<String> {
    let known = apis.iter().any(|one| one.api.name == word.text);
    if !known {
        reader.fault(word.span, format!("there is no api \"{}\"", word.text), "name one of the [[api]]");
    }
    known.then_some(word.text)
}

/// `[provider.claims]`
fn read_claims(mut section: Section<'_>, apis: &[ApiSettings], reader: &mut Reader<'_>) -> Option<ClaimsMap> {
    let role_claim = required_word(&mut section, "role", "\"groups\"", reader).map(|word| word.text);
    let mut named = |key, usual: &str| section.word(key, reader).map_or_else(|| usual.to_owned(), |word| word.text);
    let (subject, login) = (named("subject", "sub"), named("login", "preferred_username"));
    let (name, email) = (named("name", "name"), named("email", "email"));
    let practitioner = match section.value("practitioner") {
        None => Some(None),
        Some(_) => section.section("practitioner", reader).and_then(|mut inner| {
            let rule = record(&mut inner, reader);
            inner.finish(reader);
            rule.map(Some)
        }),
    };
    let patient = match section.value("patient") {
        None => Some(None),
        Some(_) => section.section("patient", reader).and_then(|inner| read_patient(inner, apis, reader)).map(Some),
    };
    section.finish(reader);
    Some(ClaimsMap {
        subject,
        login,
        name,
        email,
        role_claim: role_claim?,
        practitioner: practitioner?,
        patient: patient?,
        ..ClaimsMap::default()
    })
}

fn record(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Option<RecordClaim> {
    let claim = required_word(section, "claim", "\"fhirUser\"", reader).map(|word| word.text);
    let base = match section.word("base", reader) {
        None => Some(None),
        Some(word) => base_url(&word, reader).map(|_| Some(word.text.trim_end_matches('/').to_owned())),
    };
    Some(RecordClaim { claim: claim?, base: base? })
}

fn read_patient(mut section: Section<'_>, apis: &[ApiSettings], reader: &mut Reader<'_>) -> Option<PatientClaim> {
    let place: Range<usize> = first(&section);
    let record = record(&mut section, reader);
    let api = required_word(&mut section, "api", "\"ehr\"", reader).and_then(|word| known_api(word, apis, reader));
    let assured = section.section("assured", reader).map(|table| lists(&table, reader)).unwrap_or_default();
    section.finish(reader);
    if assured.is_empty() {
        let mend =
            "write assured = { acr = [\"…\"] } with the levels at which the provider has checked who somebody is";
        reader.fault(place, "nothing assures that the patient record is the person's own", mend);
        return None;
    }
    Some(PatientClaim { record: record?, api: api?, assured })
}

fn lists(table: &Section<'_>, reader: &mut Reader<'_>) -> BTreeMap<String, Vec<String>> {
    let words = table.named_words(reader);
    words.into_iter().map(|(name, words)| (name.text, words.into_iter().map(|word| word.text).collect())).collect()
}
