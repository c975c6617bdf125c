//! A TOML document read with spans: every key is asked for by name, every fault is kept with its place, and what
//! nobody asked for is a fault too.

use std::cell::RefCell;
use std::ops::Range;

use bascule_policy::fault::Fault;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where faults gather while a document is read.
pub(crate) struct Faults<'i> {
    file: &'i str,
    text: &'i str,
    found: RefCell<Vec<Fault>>,
}

impl<'i> Faults<'i> {
    pub(crate) fn new(file: &'i str, text: &'i str) -> Self {
        Self { file, text, found: RefCell::default() }
    }

    pub(crate) fn add(&self, span: Range<usize>, message: impl Into<String>, mend: impl Into<String>) {
        self.found.borrow_mut().push(Fault::new(self.file, self.text, span, message, mend));
    }

    pub(crate) fn into_found(self) -> Vec<Fault> {
        self.found.into_inner()
    }
}

/// The document's top, and the faults of its syntax.
pub(crate) fn parse<'i>(faults: &Faults<'i>) -> Spanned<DeTable<'i>> {
    let (table, errors) = DeTable::parse_recoverable(faults.text);
    for error in errors {
        faults.add(error.span().unwrap_or(0..0), error.message().trim(), "this is not TOML; see https://toml.io");
    }
    table
}

/// One table of the document while it is read.
pub(crate) struct Section<'d, 'i> {
    faults: &'d Faults<'i>,
    table: &'d DeTable<'i>,
    span: Range<usize>,
    name: String,
    asked: RefCell<Vec<&'static str>>,
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

impl<'d, 'i> Section<'d, 'i> {
    pub(crate) fn new(faults: &'d Faults<'i>, name: impl Into<String>, table: &'d Spanned<DeTable<'i>>) -> Self {
        Self { faults, table: table.get_ref(), span: table.span(), name: name.into(), asked: RefCell::default() }
    }

    fn find(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'i>>> {
        self.asked.borrow_mut().push(key);
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    /// A fault about the section as a whole.
    pub(crate) fn fault(&self, message: impl Into<String>, mend: impl Into<String>) {
        self.faults.add(self.span.start..self.span.start.saturating_add(1), message, mend);
    }

    fn missing(&self, key: &str, example: &str) {
        self.fault(format!("`{}` has no `{key}`", self.name), format!("write {key} = {example}"));
    }

    fn wrong(&self, value: &Spanned<DeValue<'_>>, key: &str, wanted: &str) {
        let found = value.get_ref().type_str();
        self.faults.add(value.span(), format!("`{key}` is {found}, not {wanted}"), format!("write {wanted}"));
    }

    pub(crate) fn text(&self, key: &'static str) -> Option<Placed<String>> {
        let value = self.find(key)?;
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(value, key, "a text in quotes");
            return None;
        };
        Some(Placed { value: text.to_owned(), span: value.span() })
    }

    pub(crate) fn required_text(&self, key: &'static str, example: &str) -> Option<Placed<String>> {
        if !self.has(key) {
            self.missing(key, example);
        }
        self.text(key)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(name, _)| name.get_ref() == key)
    }

    /// A whole number within bounds, or its default.
    pub(crate) fn number(&self, key: &'static str, default: u64, bounds: std::ops::RangeInclusive<u64>) -> u64 {
        let Some(value) = self.find(key) else { return default };
        let number = value.get_ref().as_integer().and_then(|integer| u64::from_str_radix(integer.as_str(), integer.radix()).ok());
        match number {
            Some(number) if bounds.contains(&number) => number,
            Some(number) => {
                let (low, high) = (bounds.start(), bounds.end());
                self.faults.add(value.span(), format!("`{key}` is {number}"), format!("choose from {low} to {high}"));
                default
            }
            None => {
                self.wrong(value, key, "a whole number");
                default
            }
        }
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let all = || words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" | ");
        if !self.has(key) {
            self.missing(key, &all());
        }
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let mend = closest(&text.value, words.iter().map(|(word, _)| *word))
                .map_or_else(|| format!("choose one of {}", all()), |word| format!("did you mean \"{word}\"?"));
            self.faults.add(text.span, format!("`{key}` cannot be \"{}\"", text.value), mend);
        }
        found
    }

    pub(crate) fn section(&self, key: &'static str) -> Option<Section<'d, 'i>> {
        let value = self.find(key)?;
        self.as_section(key, value)
    }

    pub(crate) fn required_section(&self, key: &'static str) -> Option<Section<'d, 'i>> {
        if !self.has(key) {
            self.fault(format!("there is no [{key}]"), format!("add [{key}]; a missing section does not mean \"none\""));
        }
        self.section(key)
    }

    fn as_section(&self, key: &str, value: &'d Spanned<DeValue<'i>>) -> Option<Section<'d, 'i>> {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(value, key, "a table");
            return None;
        };
        Some(Section { faults: self.faults, table, span: value.span(), name: key.to_owned(), asked: RefCell::default() })
    }

    /// The tables of `[[key]]`.
    pub(crate) fn sections(&self, key: &'static str) -> Vec<Section<'d, 'i>> {
        let Some(value) = self.find(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(value, key, "a list of tables, [[…]]");
            return Vec::new();
        };
        array.iter().filter_map(|item| self.as_section(key, item)).collect()
    }

    /// Texts of a list.
    pub(crate) fn texts(&self, key: &'static str) -> Vec<Placed<String>> {
        let Some(value) = self.find(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(value, key, "a list of texts");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in array {
            match item.get_ref().as_str() {
                Some(text) => texts.push(Placed { value: text.to_owned(), span: item.span() }),
                None => self.wrong(item, key, "a text in quotes"),
            }
        }
        texts
    }

    /// The span of a key's value, for faults that are found later.
    pub(crate) fn span_of(&self, key: &str) -> Range<usize> {
        let place = self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value.span());
        place.unwrap_or_else(|| self.span.clone())
    }

    /// Whether the value of a key is a text (where a table could stand as well).
    pub(crate) fn is_text(&self, key: &str) -> bool {
        self.table.iter().any(|(name, value)| name.get_ref() == key && value.get_ref().is_str())
    }

    /// What nobody asked for is refused: a typo never means a default.
    pub(crate) fn finish(self) {
        let asked = self.asked.borrow();
        for (name, _) in self.table.iter().filter(|(name, _)| !asked.iter().any(|key| name.get_ref() == key)) {
            let mend = closest(name.get_ref(), asked.iter().copied()).map_or_else(
                || format!("remove it; `{}` knows {}", self.name, asked.join(", ")),
                |key| format!("did you mean `{key}`?"),
            );
            self.faults.add(name.span(), format!("`{}` has no setting `{}`", self.name, name.get_ref()), mend);
        }
    }
}

/// The word that was most likely meant.
fn closest<'w>(given: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    words
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .min()
        .filter(|(distance, word)| *distance <= word.len().max(given.len()) / 3 + 1)
        .map(|(_, word)| word)
}
