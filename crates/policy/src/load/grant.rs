//! `[[role.NAME.grant]]`, `[[role.NAME.emergency]]` and `[[role.NAME.deny]]`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bascule_fhir::{InteractionKind, ResourceType};

use super::lists::{Kind, Lists};
use super::{check, masks, words};
use crate::read::{Reader, Section, Word};
use crate::rules::{Denied, Deny, Grant, Named, Patients, Terms, Writes};
use crate::{ApiKind, Elements, schema};

/// What the grants of a role have in common unless one says otherwise.
pub(super) struct Common {
    pub(super) role: String,
    pub(super) apis: Vec<Word>,
    pub(super) patients: Patients,
    pub(super) purposes: Vec<Arc<str>>,
}

pub(super) fn read(
    mut section: Section<'_>,
    common: &Common,
    emergency: bool,
    lists: &Lists,
    reader: &mut Reader<'_>,
) -> Option<Grant> {
    let id = section.name().trim_start_matches("role.").to_owned();
    let line = reader.line(section.span().start);
    let apis = apis(&mut section, common, lists, Some(ApiKind::Fhir), reader);
    let types = types(&mut section, lists, reader);
    let only_count = only(&mut section, reader);
    let (interactions, operations) = interactions(&mut section, reader);
    let elements = elements(&mut section, &types, only_count, lists, reader);
    let elements = masks::put_on(&mut section, elements, reader);
    let terms = terms(&mut section, common, emergency, only_count, reader);
    check::compartments(&types, &terms, reader);
    let search = search(&mut section, &types, &elements, only_count, reader);
    let writes = writes(&mut section, &types, &interactions, lists, reader);
    let discloses = discloses(&mut section, &types, lists, reader);
    let because = section.word("because", reader).map(|word| word.text);
    section.finish(reader);
    Some(Grant {
        id: id.into(),
        line,
        apis,
        elements,
        interactions,
        operations,
        search,
        writes,
        discloses,
        terms,
        because,
    })
}

pub(super) fn read_deny(
    id: &str,
    mut section: Section<'_>,
    common: Option<&Common>,
    lists: &Lists,
    reader: &mut Reader<'_>,
) -> Option<Deny> {
    let line = reader.line(section.span().start);
    let nobody = Common { role: String::new(), apis: Vec::new(), patients: Patients::Everyone, purposes: Vec::new() };
    let apis = apis(&mut section, common.unwrap_or(&nobody), lists, None, reader);
    let every = section.words("resource", reader);
    let types = match every.as_deref() {
        Some([one]) if one.text == "*" => None,
        Some(words) => Some(lists.types(words, reader)),
        None => {
            reader.fault(
                section.span(),
                "a deny names the types that it is about",
                "write resource = \"…\", or \"*\" for all",
            );
            return None;
        }
    };
    let interactions = section
        .words("interactions", reader)
        .map(|words| words.iter().filter_map(|word| words::interaction(word, reader)).collect::<BTreeSet<_>>());
    let what = denied(&mut section, types.as_deref(), lists, reader);
    let because = section.word("because", reader).map(|word| word.text);
    section.finish(reader);
    let types = types.map(|types| types.into_iter().map(|(resource, _)| resource).collect());
    Some(Deny { id: id.into(), line, apis, types, interactions, what, because })
}

fn denied(
    section: &mut Section<'_>,
    types: Option<&[(ResourceType, Word)]>,
    lists: &Lists,
    reader: &mut Reader<'_>,
) -> Denied {
    let elements = section.words("elements", reader);
    let search = section.words("search", reader);
    let labels = section.words("labels", reader);
    let names = section.words("names", reader);
    if [elements.is_some(), search.is_some(), labels.is_some(), names.is_some()]
        .into_iter()
        .filter(|some| *some)
        .count()
        > 1
    {
        reader.fault(
            section.span(),
            "a deny takes away one kind of thing",
            "write one deny for elements, one for search, one for labels, one for names",
        );
    }
    if let Some(words) = elements {
        let spelled = lists.spell(Kind::Elements, &words, reader);
        let strict = types.is_some();
        let all: Vec<ResourceType> = types.map_or_else(
            || ResourceType::all().collect(),
            |types| types.iter().map(|(resource, _)| *resource).collect(),
        );
        let mut paths = BTreeSet::new();
        for word in &spelled {
            for resource in &all {
                paths.extend(denied_paths(*resource, word, strict, reader));
            }
        }
        return Denied::Elements(paths);
    }
    if let Some(words) = search {
        return Denied::Search(words.into_iter().map(|word| word.text).collect());
    }
    if let Some(words) = labels {
        return Denied::Labels(words.iter().filter_map(|word| words::label(word, reader)).collect());
    }
    if let Some(words) = names {
        return Denied::Names(words.into_iter().map(|word| word.text).collect());
    }
    Denied::Interaction
}

fn denied_paths(resource: ResourceType, word: &Word, strict: bool, reader: &mut Reader<'_>) -> Vec<String> {
    match schema::element(resource, &word.text) {
        Ok(paths) => paths,
        Err(fault) => {
            if strict {
                check::no_such_element(resource, word, &fault, reader);
            }
            Vec::new()
        }
    }
}

/// The APIs of a rule; of a grant with the kind whose words it uses.
pub(super) fn apis(
    section: &mut Section<'_>,
    common: &Common,
    lists: &Lists,
    kind: Option<ApiKind>,
    reader: &mut Reader<'_>,
) -> Vec<String> {
    let words = section.words("api", reader).unwrap_or_else(|| common.apis.clone());
    if words.is_empty() {
        let place =
            if common.role.is_empty() { "here".to_owned() } else { format!("here or in [role.{}]", common.role) };
        reader.fault(
            section.span(),
            format!("`{}` names no api", section.name()),
            format!("write api = \"…\" {place}"),
        );
    }
    for word in &words {
        match kind {
            Some(kind) => lists.api_of_kind(word, kind, reader),
            None => lists.api(word, reader),
        }
    }
    words.into_iter().map(|word| word.text).collect()
}

fn types(section: &mut Section<'_>, lists: &Lists, reader: &mut Reader<'_>) -> Vec<(ResourceType, Word)> {
    let words = section.words("resource", reader).unwrap_or_default();
    if words.is_empty() {
        reader.fault(section.span(), format!("`{}` names no resource type", section.name()), "write resource = \"…\"");
    }
    if let [one] = words.as_slice()
        && one.text == "*"
    {
        return ResourceType::all().map(|resource| (resource, one.clone())).collect();
    }
    lists.types(&words, reader)
}

/// `only = "count"`.
fn only(section: &mut Section<'_>, reader: &mut Reader<'_>) -> bool {
    let Some(word) = section.word("only", reader) else { return false };
    words::choice(&word, &[("count", ())], "`only` cannot be", reader).is_some()
}

fn interactions(section: &mut Section<'_>, reader: &mut Reader<'_>) -> (BTreeSet<InteractionKind>, BTreeSet<String>) {
    let words = section.words("interactions", reader).unwrap_or_default();
    let mut kinds: BTreeSet<InteractionKind> =
        words.iter().filter_map(|word| words::interaction(word, reader)).collect();
    let named = section.words("operations", reader).unwrap_or_default();
    check::operations(&named, reader);
    let operations: BTreeSet<String> =
        named.into_iter().map(|word| word.text.trim_start_matches('$').to_owned()).collect();
    if !operations.is_empty() {
        kinds.insert(InteractionKind::Operation);
    }
    if kinds.is_empty() && words.is_empty() {
        reader.fault(
            section.span(),
            format!("`{}` names no interaction", section.name()),
            "write interactions = [\"read\", \"search\"]",
        );
    }
    (kinds, operations)
}

fn elements(
    section: &mut Section<'_>,
    types: &[(ResourceType, Word)],
    only_count: bool,
    lists: &Lists,
    reader: &mut Reader<'_>,
) -> BTreeMap<ResourceType, Arc<Elements>> {
    let words = section.words("elements", reader);
    if only_count && words.is_some() {
        reader.fault(section.span(), "a grant of the count only lets no element out", "remove `elements`");
    }
    if words.is_none() && !only_count {
        reader.fault(
            section.span(),
            format!("`{}` names no elements", section.name()),
            "write elements = [\"…\"], or \"*\" for all",
        );
    }
    let words = words.unwrap_or_default();
    types
        .iter()
        .map(|(resource, _)| *resource)
        .map(|resource| (resource, Arc::new(named(resource, &words, lists, reader))))
        .collect()
}

/// What a request may say to the organization behind the API.
fn discloses(
    section: &mut Section<'_>,
    types: &[(ResourceType, Word)],
    lists: &Lists,
    reader: &mut Reader<'_>,
) -> BTreeMap<ResourceType, Arc<Elements>> {
    let Some(words) = section.words("discloses", reader) else { return BTreeMap::new() };
    types.iter().map(|(resource, _)| (*resource, Arc::new(named(*resource, &words, lists, reader)))).collect()
}

/// The elements that the words name on that type.
fn named(resource: ResourceType, words: &[Word], lists: &Lists, reader: &mut Reader<'_>) -> Elements {
    if let [one] = words
        && one.text == "*"
    {
        return Elements::Whole;
    }
    let mut found = BTreeSet::new();
    for word in lists.spell(Kind::Elements, words, reader) {
        match schema::element(resource, &word.text) {
            Ok(paths) => found.extend(paths),
            Err(fault) => check::no_such_element(resource, &word, &fault, reader),
        }
    }
    Elements::Only(found)
}

pub(super) fn terms(
    section: &mut Section<'_>,
    common: &Common,
    emergency: bool,
    only_count: bool,
    reader: &mut Reader<'_>,
) -> Terms {
    let patients = section.word("patients", reader).and_then(|word| words::patients(&word, reader));
    let purposes = section.words("purpose", reader).map(|words| {
        let known = words.iter().filter_map(|word| words::purpose(word, reader).map(|_| word));
        known.map(|word| Arc::from(word.text.as_str())).collect()
    });
    let exposures = section.words("exposure", reader).unwrap_or_default();
    Terms {
        patients: patients.unwrap_or(common.patients),
        relations: texts(section.words("relations", reader)),
        purposes: purposes.unwrap_or_else(|| common.purposes.clone()),
        organizations: texts(section.words("organizations", reader)),
        exposures: exposures.iter().filter_map(|word| words::exposure(word, reader)).collect(),
        hours: section.word("hours", reader).and_then(|word| words::hours(&word, reader)),
        from: words::moment(section, "from", reader),
        until: words::moment(section, "until", reader),
        only_count,
        emergency,
    }
}

fn texts(words: Option<Vec<Word>>) -> Vec<String> {
    words.unwrap_or_default().into_iter().map(|word| word.text).collect()
}

fn search(
    section: &mut Section<'_>,
    types: &[(ResourceType, Word)],
    elements: &BTreeMap<ResourceType, Arc<Elements>>,
    only_count: bool,
    reader: &mut Reader<'_>,
) -> Option<Arc<BTreeSet<String>>> {
    let Some(words) = section.words("search", reader) else {
        return only_count.then(Arc::default);
    };
    for word in &words {
        if words.iter().filter(|other| other.text == word.text).count() > 1 {
            reader.fault(word.span.clone(), format!("`{}` is named twice", word.text), "name it once");
        }
        for (resource, _) in types {
            check::parameter(*resource, word, elements.get(resource).map(AsRef::as_ref), reader);
        }
    }
    Some(Arc::new(words.into_iter().map(|word| word.text).collect()))
}

fn writes(
    section: &mut Section<'_>,
    types: &[(ResourceType, Word)],
    interactions: &BTreeSet<InteractionKind>,
    lists: &Lists,
    reader: &mut Reader<'_>,
) -> Writes {
    let words = section.words("writes", reader);
    let values = section.section("values", reader);
    let references = section.section("references", reader);
    let targets = section.section("targets", reader);
    let sets = [InteractionKind::Create, InteractionKind::Update, InteractionKind::Patch];
    let writing = sets.iter().any(|kind| interactions.contains(kind));
    if writing && words.is_none() {
        reader.fault(
            section.span(),
            format!("`{}` lets write and does not say what", section.name()),
            "write writes = [\"…\"], or \"*\" for all",
        );
    }
    if !writing && words.is_some() {
        reader.fault(
            section.span(),
            format!("`{}` has `writes` and no interaction that writes", section.name()),
            "add \"create\", \"update\" or \"patch\"",
        );
    }
    let words = words.unwrap_or_default();
    let elements = if words.is_empty() {
        BTreeMap::new()
    } else {
        types.iter().map(|(resource, _)| (*resource, Arc::new(named(*resource, &words, lists, reader)))).collect()
    };
    let mut writes = Writes { elements, ..Writes::default() };
    if let Some(section) = values {
        let pairs = section.named_words(reader);
        check::written_paths(types, pairs.iter().map(|(path, _)| path), reader);
        writes.values = Arc::new(pairs.into_iter().map(|(path, words)| (path.text, texts(Some(words)))).collect());
    }
    if let Some(section) = targets {
        if interactions.contains(&InteractionKind::Patch) {
            let mend = "grant the patch by itself, for other elements";
            reader.fault(section.span(), "a patch is not held against `targets`", mend);
        }
        let pairs = section.named_words(reader);
        check::targets(types, pairs.iter().map(|(path, _)| path), reader);
        writes.targets = Arc::new(pairs.into_iter().map(|(path, words)| (path.text, texts(Some(words)))).collect());
    }
    if let Some(section) = references {
        let pairs = section.named_words(reader);
        check::written_paths(types, pairs.iter().map(|(path, _)| path), reader);
        for (path, words) in pairs {
            let named = words.first().and_then(|word| {
                words::choice(
                    word,
                    &[("own-patient", Named::OwnPatient), ("own-care-team", Named::OwnCareTeam)],
                    "`references` cannot name",
                    reader,
                )
            });
            writes.references.extend(named.map(|named| (path.text, named)));
        }
    }
    writes
}
