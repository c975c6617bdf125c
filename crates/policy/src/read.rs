//! Reading TOML so that every fault is found at once: a section knows which keys were asked for, and the rest are
//! unknown. Policy files and the configuration are read with the same words.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use crate::fault::{Fault, suggest};

/// A file's name and text, and the faults found so far in any file.
#[derive(Debug)]
pub struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    faults: Vec<Fault>,
}

/// A string of a file, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The string.
    pub text: String,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

/// A table of a file. Each key is asked for once; [`Section::finish`] refuses those that nobody asked for.
#[derive(Debug)]
pub struct Section<'t> {
    table: &'t DeTable<'t>,
    span: Range<usize>,
    name: String,
    asked: Vec<&'static str>,
}

/// The document of a text, as far as it can be read.
#[derive(Debug)]
pub struct Document<'a>(Spanned<DeTable<'a>>);

/// Reads a whole file with `read`; what it did not ask for is a fault too.
///
/// # Errors
/// Every fault of the text.
pub fn whole<T>(
    file: &str,
    text: &str,
    read: impl FnOnce(&mut Section<'_>, &mut Reader<'_>) -> Option<T>,
) -> Result<T, Vec<Fault>> {
    let (mut reader, document) = Reader::open(file, text);
    let mut top = document.top();
    let found = read(&mut top, &mut reader);
    top.finish(&mut reader);
    match (found, reader.into_faults()) {
        (Some(found), faults) if faults.is_empty() => Ok(found),
        (_, faults) => Err(faults),
    }
}

impl<'a> Reader<'a> {
    /// Reads `text`, keeping every fault of syntax.
    #[must_use]
    pub fn open(file: &'a str, text: &'a str) -> (Self, Document<'a>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reader = Self { file, text, faults: Vec::new() };
        for error in errors {
            reader.fault(error.span().unwrap_or(0..0), error.message(), "");
        }
        (reader, Document(table))
    }

    /// Keeps a fault at `span`.
    pub fn fault(&mut self, span: Range<usize>, message: impl Into<String>, mend: impl Into<String>) {
        self.faults.push(Fault::at(self.file, self.text, span, message, mend));
    }

    /// Keeps a fault at `span` without showing the text there again.
    pub fn fault_at_secret(&mut self, span: Range<usize>, message: impl Into<String>, mend: impl Into<String>) {
        self.faults.push(Fault::at(self.file, self.text, span, message, mend).hiding_the_text());
    }

    /// The file's name.
    #[must_use]
    pub const fn file(&self) -> &'a str {
        self.file
    }

    /// The line of a place, from 1.
    #[must_use]
    pub fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().matches('\n').count() + 1
    }

    /// What was found.
    #[must_use]
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    fn expected(&mut self, value: &Spanned<DeValue<'_>>, key: &str, what: &str) {
        let found = value.get_ref().type_str();
        self.fault(value.span(), format!("`{key}` should be {what}, found {found}"), "");
    }
}

impl<'a> Document<'a> {
    /// The top of the file as a section.
    #[must_use]
    pub fn top<'t>(&'t self) -> Section<'t>
    where
        'a: 't,
    {
        Section::new(self.0.get_ref(), 0..0, String::new())
    }
}

impl<'t> Section<'t> {
    fn new<'i>(table: &'t DeTable<'i>, span: Range<usize>, name: String) -> Self
    where
        'i: 't,
    {
        // A table of texts that live longer serves where texts of `'t` are asked for (`DeTable` is covariant).
        let table: &'t DeTable<'t> = table;
        Self { table, span, name, asked: Vec::new() }
    }

    /// Where the section stands.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Its dotted name: `role.scheduler`; empty for the top.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of a key.
    pub fn value(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.push(key);
        self.table.get(key)
    }

    /// A string.
    pub fn word(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Option<Word> {
        let value = self.value(key)?;
        let word = as_word(value);
        if word.is_none() {
            reader.expected(value, key, "a string");
        }
        word
    }

    /// A string, or several.
    pub fn words(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Option<Vec<Word>> {
        let value = self.value(key)?;
        Some(words_of(value, key, reader))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            reader.expected(value, key, "`true` or `false`");
        }
        flag
    }

    /// A whole number that is not negative.
    pub fn number(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Option<u64> {
        let value = self.value(key)?;
        let digits = value.get_ref().as_integer();
        let number = digits.and_then(|digits| u64::from_str_radix(digits.as_str(), digits.radix()).ok());
        if number.is_none() {
            reader.expected(value, key, "a whole number that is not negative");
        }
        number
    }

    /// A date with time and offset.
    pub fn moment(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Option<(Datetime, Range<usize>)> {
        let value = self.value(key)?;
        let moment = value.get_ref().as_datetime().copied();
        if moment.is_none() {
            reader.expected(value, key, "a date with time and offset, as 2027-01-31T00:00:00Z");
        }
        moment.map(|moment| (moment, value.span()))
    }

    /// A table inside.
    pub fn section(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Option<Self> {
        let value = self.value(key)?;
        let inner = self.inner(value, key);
        if inner.is_none() {
            reader.expected(value, key, "a table");
        }
        inner
    }

    /// The tables of `[[key]]`.
    pub fn sections(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Vec<Self> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            reader.expected(value, key, &format!("an array of tables, `[[{}]]`", self.dotted(key)));
            return Vec::new();
        };
        let mut found = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match self.inner(item, &format!("{key}[{index}]")) {
                Some(section) => found.push(section),
                None => reader.expected(item, key, "a table"),
            }
        }
        found
    }

    /// Every key with its table, for a table whose keys are names that the writer chose.
    pub fn named_sections(&self, reader: &mut Reader<'_>) -> Vec<(Word, Self)> {
        let mut found = Vec::new();
        for (key, value) in self.table {
            match self.inner(value, key.get_ref()) {
                Some(section) => found.push((key_word(key), section)),
                None => reader.expected(value, key.get_ref(), "a table"),
            }
        }
        found
    }

    /// Every key with its list of strings, for a table whose keys are names that the writer chose.
    pub fn named_words(&self, reader: &mut Reader<'_>) -> Vec<(Word, Vec<Word>)> {
        self.table.iter().map(|(key, value)| (key_word(key), words_of(value, key.get_ref(), reader))).collect()
    }

    /// Refuses every key that was not asked for.
    pub fn finish(self, reader: &mut Reader<'_>) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !self.asked.contains(&name) {
                let place = if self.name.is_empty() { "here".to_owned() } else { format!("in `{}`", self.name) };
                let near = suggest(name, self.asked.iter().copied());
                let mend = if near.is_empty() { format!("known: {}", self.asked.join(", ")) } else { near };
                reader.fault(key.span(), format!("unknown key `{name}` {place}"), mend);
            }
        }
    }

    fn inner(&self, value: &'t Spanned<DeValue<'t>>, key: &str) -> Option<Self> {
        value.get_ref().as_table().map(|table| Self::new(table, value.span(), self.dotted(key)))
    }

    fn dotted(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

fn key_word(key: &Spanned<std::borrow::Cow<'_, str>>) -> Word {
    Word { text: key.get_ref().clone().into_owned(), span: key.span() }
}

fn as_word(value: &Spanned<DeValue<'_>>) -> Option<Word> {
    value.get_ref().as_str().map(|text| Word { text: text.to_owned(), span: value.span() })
}

fn words_of(value: &Spanned<DeValue<'_>>, key: &str, reader: &mut Reader<'_>) -> Vec<Word> {
    if let Some(word) = as_word(value) {
        return vec![word];
    }
    let Some(items) = value.get_ref().as_array() else {
        reader.expected(value, key, "a string or a list of strings");
        return Vec::new();
    };
    let mut words = Vec::new();
    for item in items {
        match as_word(item) {
            Some(word) => words.push(word),
            None => reader.expected(item, key, "a list of strings"),
        }
    }
    words
}
