//! `[[role.NAME.rest]]`, `[[role.NAME.dicomweb]]` and `[[role.NAME.hl7v2]]`: what may be done at APIs that do not speak FHIR.

use std::collections::BTreeSet;

use bascule_fhir::ResourceType;

use super::grant::{self, Common};
use super::lists::Lists;
use super::{check, words};
use crate::ApiKind;
use crate::call::{Action, CallGrant, DicomAction, Names, attribute, field};
use crate::read::{Reader, Section, Word};

const KINDS: [ApiKind; 3] = [ApiKind::Rest, ApiKind::Dicomweb, ApiKind::Hl7v2];

type Wrong = (String, String);

pub(super) fn read_all(
    section: &mut Section<'_>,
    common: &Common,
    treating: bool,
    lists: &Lists,
    reader: &mut Reader<'_>,
) -> Vec<CallGrant> {
    let mut grants: Vec<CallGrant> = Vec::new();
    for kind in KINDS {
        for inner in section.sections(kind.name(), reader) {
            let span = inner.span();
            let Some(grant) = read(inner, kind, common, treating, lists, reader) else { continue };
            if let Some(twin) = grants.iter().find(|other| same(other, &grant)) {
                let message = format!("`{}` says the same as `{}`", grant.id, twin.id);
                reader.fault(span, message, format!("remove the one in line {}", grant.line));
            }
            grants.push(grant);
        }
    }
    grants
}

fn same(one: &CallGrant, other: &CallGrant) -> bool {
    one.id.split_once('.').map(|(role, _)| role) == other.id.split_once('.').map(|(role, _)| role)
        && CallGrant { id: other.id.clone(), line: other.line, because: other.because.clone(), ..one.clone() }.parts()
            == other.parts()
}

impl CallGrant {
    /// All that two grants may have in common.
    fn parts(&self) -> impl PartialEq + '_ {
        let what = (&self.apis, &self.actions, self.counts_as, &self.search);
        (what, &self.shows, &self.writes, &self.opaque, &self.terms)
    }
}

fn read(
    mut section: Section<'_>,
    kind: ApiKind,
    common: &Common,
    treating: bool,
    lists: &Lists,
    reader: &mut Reader<'_>,
) -> Option<CallGrant> {
    let id = section.name().trim_start_matches("role.").to_owned();
    let line = reader.line(section.span().start);
    let apis = grant::apis(&mut section, common, lists, Some(kind), reader);
    let emergency = section.flag("emergency", reader).unwrap_or(false);
    if emergency && !treating {
        reader.fault(section.span(), "a role that does not treat has no emergency access", "write treating = true");
    }
    let terms = grant::terms(&mut section, common, emergency, false, reader);
    let actions = actions(&mut section, kind, reader);
    let counts_as = counts_as(&mut section, kind, reader);
    let shows = named(&mut section, "shows", kind, reader);
    let writes = named(&mut section, "writes", kind, reader);
    let search = search(&mut section, kind, reader);
    let opaque = opaque(&mut section, reader);
    let because = section.word("because", reader).map(|word| word.text);
    holds_together(&section, &actions, [shows.is_some(), writes.is_some(), !opaque.is_empty()], reader);
    let (counts_as, word) = counts_as.unwrap_or((ResourceType::PATIENT, None));
    if let Some(word) = word {
        check::compartments(&[(counts_as, word)], &terms, reader);
    }
    section.finish(reader);
    Some(CallGrant {
        id: id.into(),
        line,
        apis,
        kind,
        actions,
        counts_as,
        shows: shows.unwrap_or_default(),
        writes: writes.unwrap_or_default(),
        search,
        opaque,
        terms,
        because,
    })
}

/// The words of the grant's kind, each with what it stands for.
fn actions(section: &mut Section<'_>, kind: ApiKind, reader: &mut Reader<'_>) -> BTreeSet<Action> {
    type Parse = fn(&str) -> Result<Action, Wrong>;
    let keys: &[(&'static str, Parse)] = match kind {
        ApiKind::Rest => &[("operations", |text| Action::rest(text))],
        ApiKind::Dicomweb => &[("interactions", |text| Action::parse(ApiKind::Dicomweb, text))],
        ApiKind::Hl7v2 | ApiKind::Fhir => &[
            ("sends", |text| Action::message(text, Action::Sends)),
            ("receives", |text| Action::message(text, Action::Receives)),
        ],
    };
    let mut found = BTreeSet::new();
    let mut named = false;
    for (key, parse) in keys {
        for word in section.words(key, reader).unwrap_or_default() {
            named = true;
            match parse(&word.text) {
                Ok(action) => once(found.insert(action), &word, reader),
                Err((message, mend)) => reader.fault(word.span.clone(), message, mend),
            }
        }
    }
    if !named {
        let keys: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
        let message = format!("`{}` lets do nothing", section.name());
        reader.fault(section.span(), message, format!("write {} = [\"…\"]", keys.join(" or ")));
    }
    found
}

fn once(is_new: bool, word: &Word, reader: &mut Reader<'_>) {
    if !is_new {
        reader.fault(word.span.clone(), format!("`{}` is named twice", word.text), "name it once");
    }
}

/// As which type of FHIR it counts: a study is an `ImagingStudy`; of others the file says it.
fn counts_as(
    section: &mut Section<'_>,
    kind: ApiKind,
    reader: &mut Reader<'_>,
) -> Option<(ResourceType, Option<Word>)> {
    if kind == ApiKind::Dicomweb {
        return ResourceType::parse("ImagingStudy").map(|study| (study, None));
    }
    let Some(word) = section.word("counts-as", reader) else {
        let message = format!("`{}` does not say as which type of FHIR it counts", section.name());
        let mend = "scopes, consents and labels are said in FHIR's terms: counts-as = \"Appointment\"";
        reader.fault(section.span(), message, mend);
        return None;
    };
    words::resource(&word, reader).map(|resource| (resource, Some(word)))
}

/// The names of a list in the words of the grant's kind; `None` if the file has no such list.
fn named(section: &mut Section<'_>, key: &'static str, kind: ApiKind, reader: &mut Reader<'_>) -> Option<Names> {
    let words = section.words(key, reader)?;
    if let [one] = words.as_slice()
        && one.text == "*"
    {
        return Some(Names::All);
    }
    Some(Names::Only(each(&words, kind, reader)))
}

fn search(section: &mut Section<'_>, kind: ApiKind, reader: &mut Reader<'_>) -> BTreeSet<String> {
    let words = section.words("search", reader).unwrap_or_default();
    if kind == ApiKind::Hl7v2 && !words.is_empty() {
        reader.fault(section.span(), "a message is not searched for", "remove `search`");
    }
    each(&words, kind, reader)
}

fn each(words: &[Word], kind: ApiKind, reader: &mut Reader<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for word in words {
        let name = match kind {
            ApiKind::Dicomweb => attribute(&word.text),
            ApiKind::Hl7v2 => field(&word.text),
            ApiKind::Rest | ApiKind::Fhir => property(&word.text),
        };
        match name {
            Ok(name) => once(found.insert(name), word, reader),
            Err((message, mend)) => reader.fault(word.span.clone(), message, mend),
        }
    }
    found
}

/// `appointments.start`, `extra.*`: whether the description of the API has it is asked where the description is read.
fn property(text: &str) -> Result<String, Wrong> {
    let steps: Vec<&str> = text.split('.').collect();
    let last = steps.len().saturating_sub(1);
    let sound = |(at, step): (usize, &&str)| match *step {
        "*" => at == last && at > 0,
        step => !step.is_empty() && !step.contains(char::is_whitespace) && !step.contains(['*', '[', ']']),
    };
    if steps.iter().enumerate().all(sound) {
        return Ok(text.to_owned());
    }
    let mend = "write the names of properties with dots between them; arrays are gone through without a word";
    Err((format!("`{text}` is no path of a property"), mend.to_owned()))
}

fn opaque(section: &mut Section<'_>, reader: &mut Reader<'_>) -> BTreeSet<String> {
    let words = section.words("opaque", reader).unwrap_or_default();
    for word in &words {
        let part = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&^_.+-".contains(&b))
        };
        if !word.text.split_once('/').is_some_and(|(kind, of)| part(kind) && part(of)) {
            let message = format!("`{}` is no media type", word.text);
            reader.fault(
                word.span.clone(),
                message,
                "write it in small letters without parameters: \"application/pdf\"",
            );
        }
    }
    words.into_iter().map(|word| word.text).collect()
}

/// Whoever is let see or say something is told what; nothing is named that no action uses.
fn holds_together(
    section: &Section<'_>,
    actions: &BTreeSet<Action>,
    [shows, writes, opaque]: [bool; 3],
    reader: &mut Reader<'_>,
) {
    let bodies = |action: &Action| {
        matches!(action, Action::Dicom(DicomAction::Retrieve | DicomAction::Rendered | DicomAction::Store))
    };
    let showing = |action: &Action| action.shows() && action.interaction() != bascule_fhir::InteractionKind::Delete;
    let mut fault = |message: &str, mend: &str| {
        let message = format!("`{}` {message}", section.name());
        reader.fault(section.span(), message, mend);
    };
    if actions.iter().any(bodies) && !opaque {
        fault("lets whole instances pass and does not say so", "write opaque = [\"application/dicom\"]");
    }
    if actions.iter().any(showing) && !shows && !opaque {
        fault("lets see and does not say what", "write shows = [\"…\"], or \"*\" for all");
    }
    if actions.iter().any(|action| action.says() && !bodies(action)) && !writes && !opaque {
        fault("lets write and does not say what", "write writes = [\"…\"], or \"*\" for all");
    }
    if shows && !actions.is_empty() && !actions.iter().any(Action::shows) {
        fault("has `shows` and nothing that shows", "remove `shows`");
    }
    if writes && !actions.is_empty() && !actions.iter().any(|action| action.says() && !bodies(action)) {
        fault("has `writes` and nothing that writes", "remove `writes`");
    }
}
