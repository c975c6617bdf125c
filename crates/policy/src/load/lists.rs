//! Lists with a name: `[elements]` and `[resources]`. Names are global over all files, a list may name others by
//! `@name`, and no list may lead back to itself.

use std::collections::BTreeMap;
use std::ops::Range;

use bascule_fhir::ResourceType;

use crate::ApiKind;
use crate::fault::suggest;
use crate::read::{Document, Reader, Word};

/// The keys at the top of a file that hold named lists.
pub(super) const KEYS: [&str; 2] = ["elements", "resources"];

/// The named lists of all files.
#[derive(Debug, Default)]
pub(super) struct Lists {
    elements: BTreeMap<String, List>,
    resources: BTreeMap<String, List>,
    /// The APIs of the house; `None` is not told.
    apis: Option<BTreeMap<String, ApiKind>>,
}

#[derive(Debug)]
struct List {
    file: usize,
    file_name: String,
    name: Range<usize>,
    words: Vec<Word>,
    whole: Vec<String>,
}

/// Which kind of list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Elements,
    Resources,
}

impl Lists {
    pub(super) fn gather(documents: &[Document<'_>], readers: &mut [Reader<'_>]) -> Self {
        let mut lists = Self::default();
        for (file, (document, reader)) in documents.iter().zip(readers).enumerate() {
            for (key, kind) in KEYS.into_iter().zip([Kind::Elements, Kind::Resources]) {
                let Some(section) = document.top().section(key, reader) else { continue };
                for (name, words) in section.named_words(reader) {
                    lists.add(kind, file, &name, words, reader);
                }
            }
        }
        lists
    }

    fn add(&mut self, kind: Kind, file: usize, name: &Word, words: Vec<Word>, reader: &mut Reader<'_>) {
        let file_name = reader.file().to_owned();
        if let Some(earlier) = self.of(kind).get(&name.text) {
            let place = earlier.file_name.clone();
            reader.fault(
                name.span.clone(),
                format!("the list `{}` is defined twice", name.text),
                format!("it stands in {place} already"),
            );
            return;
        }
        if words.is_empty() {
            reader.fault(name.span.clone(), format!("the list `{}` is empty", name.text), "");
        }
        let list = List { file, file_name, name: name.span.clone(), words, whole: Vec::new() };
        self.of_mut(kind).insert(name.text.clone(), list);
    }

    /// The names by which a rule may name an API.
    pub(super) fn know_apis(&mut self, apis: Option<&BTreeMap<String, ApiKind>>) {
        self.apis = apis.cloned();
    }

    /// A rule about an API that the house does not have would never act, and whoever reads it would believe it did.
    pub(super) fn api(&self, word: &Word, reader: &mut Reader<'_>) {
        let Some(apis) = self.apis.as_ref().filter(|apis| !apis.contains_key(&word.text)) else { return };
        let mend = suggest(&word.text, apis.keys().map(String::as_str));
        let mend = if mend.is_empty() {
            format!("the house has {}", apis.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
        } else {
            mend
        };
        reader.fault(word.span.clone(), format!("no such api: `{}`", word.text), mend);
    }

    /// Nor would one that is in the words of another kind of API.
    pub(super) fn api_of_kind(&self, word: &Word, kind: ApiKind, reader: &mut Reader<'_>) {
        self.api(word, reader);
        let of = self.apis.as_ref().and_then(|apis| apis.get(&word.text)).filter(|of| **of != kind);
        let Some(of) = of else { return };
        let message = format!(
            "the api `{}` speaks {}, and this grant is about one that speaks {}",
            word.text,
            of.name(),
            kind.name()
        );
        let key = if *of == ApiKind::Fhir { "grant" } else { of.name() };
        reader.fault(word.span.clone(), message, format!("write [[role.NAME.{key}]]"));
    }

    /// Replaces names by what they stand for, and refuses those that are unknown or lead back.
    pub(super) fn resolve(&mut self, readers: &mut [Reader<'_>]) {
        for kind in [Kind::Elements, Kind::Resources] {
            let names: Vec<String> = self.of(kind).keys().cloned().collect();
            for name in names {
                let whole = self.expand(kind, &name, &mut Vec::new(), readers);
                if let Some(list) = self.of_mut(kind).get_mut(&name) {
                    list.whole = whole;
                }
            }
        }
        self.check_types(readers);
    }

    fn expand(&self, kind: Kind, name: &str, open: &mut Vec<String>, readers: &mut [Reader<'_>]) -> Vec<String> {
        let Some(list) = self.of(kind).get(name) else { return Vec::new() };
        let Some(reader) = readers.get_mut(list.file) else { return Vec::new() };
        if open.iter().any(|above| above == name) {
            let message = format!("the list `{name}` leads back to itself");
            reader.fault(list.name.clone(), message, format!("through {}", open.join(", ")));
            return Vec::new();
        }
        open.push(name.to_owned());
        let mut whole = Vec::new();
        for word in &list.words {
            match word.text.strip_prefix('@') {
                None => whole.push(word.text.clone()),
                Some(inner) if self.of(kind).contains_key(inner) => {
                    whole.extend(self.expand(kind, inner, open, readers))
                }
                Some(inner) => {
                    let mend = suggest(inner, self.of(kind).keys().map(String::as_str));
                    if let Some(reader) = readers.get_mut(list.file) {
                        reader.fault(word.span.clone(), format!("no such list: `@{inner}`"), mend);
                    }
                }
            }
        }
        open.pop();
        whole
    }

    fn check_types(&self, readers: &mut [Reader<'_>]) {
        for list in self.resources.values() {
            let Some(reader) = readers.get_mut(list.file) else { continue };
            for word in list.words.iter().filter(|word| !word.text.starts_with('@')) {
                super::words::resource(word, reader);
            }
        }
    }

    /// The words with every `@name` replaced; each with the place of the word that brought it.
    pub(super) fn spell(&self, kind: Kind, words: &[Word], reader: &mut Reader<'_>) -> Vec<Word> {
        let mut spelled: Vec<Word> = Vec::new();
        for word in words {
            let Some(name) = word.text.strip_prefix('@') else {
                if spelled.contains(word) || words.iter().filter(|other| other.text == word.text).count() > 1 {
                    reader.fault(word.span.clone(), format!("`{}` is named twice", word.text), "name it once");
                }
                spelled.push(word.clone());
                continue;
            };
            match self.of(kind).get(name) {
                Some(list) => {
                    spelled.extend(list.whole.iter().map(|text| Word { text: text.clone(), span: word.span.clone() }))
                }
                None => {
                    let mend = suggest(name, self.of(kind).keys().map(String::as_str));
                    reader.fault(word.span.clone(), format!("no such list: `@{name}`"), mend);
                }
            }
        }
        spelled
    }

    /// The types of the words.
    pub(super) fn types(&self, words: &[Word], reader: &mut Reader<'_>) -> Vec<(ResourceType, Word)> {
        let spelled = self.spell(Kind::Resources, words, reader);
        let mut types: Vec<(ResourceType, Word)> = Vec::new();
        for word in spelled {
            let Some(found) = super::words::resource(&word, reader) else { continue };
            if !types.iter().any(|(known, _)| *known == found) {
                types.push((found, word));
            }
        }
        types
    }

    const fn of(&self, kind: Kind) -> &BTreeMap<String, List> {
        match kind {
            Kind::Elements => &self.elements,
            Kind::Resources => &self.resources,
        }
    }

    const fn of_mut(&mut self, kind: Kind) -> &mut BTreeMap<String, List> {
        match kind {
            Kind::Elements => &mut self.elements,
            Kind::Resources => &mut self.resources,
        }
    }
}
