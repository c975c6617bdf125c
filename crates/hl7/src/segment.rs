//! A segment: its name and its fields, as they are written.

use std::borrow::Cow;

use crate::field::Reading;
use crate::{Field, Path};

/// One segment of a message.
#[derive(Debug, Clone)]
pub struct Segment<'m> {
    /// The name first, then the fields; for MSH, FHS and BHS the field after the name is the second, since the first is the
    /// delimiter itself.
    fields: Vec<Cow<'m, [u8]>>,
    terminator: Cow<'m, [u8]>,
    reading: Reading,
}

impl<'m> Segment<'m> {
    pub(crate) fn read(line: &'m [u8], terminator: &'m [u8], reading: Reading) -> Self {
        let fields = line.split(|byte| *byte == reading.delimiters.field).map(Cow::Borrowed).collect();
        Self { fields, terminator: Cow::Borrowed(terminator), reading }
    }

    /// The name, as in `PID`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.fields.first().and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Field `number`, counted as in the standard; empty if there is none.
    #[must_use]
    pub fn field(&self, number: usize) -> Field<'_> {
        if self.is_header() && number == 1 {
            return Field::new(std::slice::from_ref(&self.reading.delimiters.field), self.reading);
        }
        let raw = self.place(number).and_then(|place| self.fields.get(place)).map_or(&[][..], |raw| &**raw);
        Field::new(raw, self.reading)
    }

    /// The text of a component of a field's first repetition, `None` if it is empty or null.
    #[must_use]
    pub fn text(&self, field: usize, component: usize) -> Option<String> {
        self.field(field).text(component)
    }

    /// The number of the last field that is written.
    #[must_use]
    pub fn last_field(&self) -> usize {
        if self.is_header() { self.fields.len() } else { self.fields.len().saturating_sub(1) }
    }

    /// The text at a path of this segment, `None` if it is empty.
    #[must_use]
    pub fn at(&self, path: &Path) -> Option<String> {
        if path.segment != self.name() {
            return None;
        }
        let field = self.field(path.field);
        let repetition = match path.repetition {
            None => field.first(),
            Some(number) => field.repetitions().nth(number.saturating_sub(1))?,
        };
        match path.component {
            None => field.whole(),
            Some(component) => repetition.sub(component, path.subcomponent.unwrap_or(1)),
        }
    }

    /// Empties field `number`; the delimiters before and after it stay.
    pub fn blank(&mut self, number: usize) {
        if let Some(field) = self.place(number).and_then(|place| self.fields.get_mut(place)) {
            *field = Cow::Borrowed(&[]);
        }
    }

    /// Writes `raw`, already escaped, as field `number`.
    pub fn write(&mut self, number: usize, raw: Vec<u8>) {
        let Some(place) = self.place(number) else { return };
        if self.fields.len() <= place {
            self.fields.resize(place.saturating_add(1), Cow::Borrowed(&[]));
        }
        if let Some(field) = self.fields.get_mut(place) {
            *field = Cow::Owned(raw);
        }
    }

    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        for (place, field) in self.fields.iter().enumerate() {
            if place > 0 {
                into.push(self.reading.delimiters.field);
            }
            into.extend_from_slice(field);
        }
        into.extend_from_slice(&self.terminator);
    }

    pub(crate) fn is_header(&self) -> bool {
        matches!(self.name(), "MSH" | "FHS" | "BHS")
    }

    fn place(&self, number: usize) -> Option<usize> {
        if self.is_header() {
            number.checked_sub(1).filter(|place| *place > 0)
        } else {
            Some(number).filter(|n| *n > 0)
        }
    }
}
