//! Fields taken apart where they are looked at: repetitions, components, subcomponents.

use crate::{Charset, Delimiters, unescape};

/// How the bytes of one message are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) delimiters: Delimiters,
    pub(crate) charset: Charset,
}

/// A field as it is written, with all its repetitions.
#[derive(Debug, Clone, Copy)]
pub struct Field<'m> {
    raw: &'m [u8],
    reading: Reading,
}

/// One repetition of a field.
#[derive(Debug, Clone, Copy)]
pub struct Repetition<'m> {
    raw: &'m [u8],
    reading: Reading,
}

/// A component or a subcomponent.
#[derive(Debug, Clone, Copy)]
pub struct Part<'m> {
    raw: &'m [u8],
    reading: Reading,
}

impl<'m> Field<'m> {
    pub(crate) const fn new(raw: &'m [u8], reading: Reading) -> Self {
        Self { raw, reading }
    }

    /// The bytes as they are written.
    #[must_use]
    pub const fn raw(self) -> &'m [u8] {
        self.raw
    }

    /// Is nothing said?
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.raw.is_empty()
    }

    /// Is it `""`: known to be nothing, to be deleted at the receiver (2.5.3)?
    #[must_use]
    pub fn is_null(self) -> bool {
        self.raw == b"\"\""
    }

    /// Its repetitions, none if it is empty.
    pub fn repetitions(self) -> impl Iterator<Item = Repetition<'m>> {
        let reading = self.reading;
        self.raw
            .split(move |byte| *byte == reading.delimiters.repetition)
            .take(if self.raw.is_empty() { 0 } else { usize::MAX })
            .map(move |raw| Repetition { raw, reading })
    }

    /// The first repetition, empty if there is none.
    #[must_use]
    pub fn first(self) -> Repetition<'m> {
        self.repetitions().next().unwrap_or(Repetition { raw: &[], reading: self.reading })
    }

    /// The text of a component of the first repetition, `None` if it is empty or null.
    #[must_use]
    pub fn text(self, component: usize) -> Option<String> {
        self.first().text(component)
    }

    /// The whole field as one text, delimiters of components kept as they are: for fields that hold free text.
    #[must_use]
    pub fn whole(self) -> Option<String> {
        Part { raw: self.raw, reading: self.reading }.text()
    }
}

impl<'m> Repetition<'m> {
    /// The bytes as they are written.
    #[must_use]
    pub const fn raw(self) -> &'m [u8] {
        self.raw
    }

    /// Component `number`, counted from 1; empty if there is none.
    #[must_use]
    pub fn component(self, number: usize) -> Part<'m> {
        Part { raw: nth(self.raw, self.reading.delimiters.component, number), reading: self.reading }
    }

    /// How many components are written.
    #[must_use]
    pub fn components(self) -> usize {
        self.raw.split(|byte| *byte == self.reading.delimiters.component).count()
    }

    /// The text of component `number` (of its first subcomponent), `None` if it is empty or null.
    #[must_use]
    pub fn text(self, number: usize) -> Option<String> {
        self.component(number).subcomponent(1).text()
    }

    /// The text of a subcomponent, `None` if it is empty or null.
    #[must_use]
    pub fn sub(self, component: usize, subcomponent: usize) -> Option<String> {
        self.component(component).subcomponent(subcomponent).text()
    }
}

impl<'m> Part<'m> {
    /// The bytes as they are written.
    #[must_use]
    pub const fn raw(self) -> &'m [u8] {
        self.raw
    }

    /// Subcomponent `number`, counted from 1; empty if there is none.
    #[must_use]
    pub fn subcomponent(self, number: usize) -> Part<'m> {
        let raw = match self.reading.delimiters.subcomponent {
            Some(delimiter) => nth(self.raw, delimiter, number),
            None if number == 1 => self.raw,
            None => &[],
        };
        Part { raw, reading: self.reading }
    }

    /// The characters, escapes resolved; `None` if it is empty or null. A message is only read if its bytes are of its set.
    #[must_use]
    pub fn text(self) -> Option<String> {
        if self.raw.is_empty() || self.raw == b"\"\"" {
            return None;
        }
        let decoded = self.reading.charset.decode(self.raw)?;
        Some(unescape(&decoded, self.reading.delimiters, self.reading.charset))
    }
}

fn nth(raw: &[u8], delimiter: u8, number: usize) -> &[u8] {
    number.checked_sub(1).and_then(|skip| raw.split(|byte| *byte == delimiter).nth(skip)).unwrap_or_default()
}
