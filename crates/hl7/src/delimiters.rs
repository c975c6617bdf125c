//! The five or six characters by which a message is taken apart (2.5.4).

use crate::Fault;

/// The delimiters that MSH-1 and MSH-2 of a message declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiters {
    /// Between fields, usually `|`.
    pub field: u8,
    /// Between components, usually `^`.
    pub component: u8,
    /// Between repetitions, usually `~`.
    pub repetition: u8,
    /// Around escape sequences, usually `\`; `None` if the sender declared none.
    pub escape: Option<u8>,
    /// Between subcomponents, usually `&`; `None` if the sender declared none.
    pub subcomponent: Option<u8>,
    /// At the end of truncated text, usually `#` (v2.7 and later).
    pub truncation: Option<u8>,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self {
            field: b'|',
            component: b'^',
            repetition: b'~',
            escape: Some(b'\\'),
            subcomponent: Some(b'&'),
            truncation: None,
        }
    }
}

impl Delimiters {
    /// Reads them from a header segment: three letters, MSH-1, MSH-2 up to the next MSH-1.
    ///
    /// # Errors
    /// `Delimiters` if they are missing, doubled, letters, digits or control characters.
    pub fn read(header: &[u8]) -> Result<Self, Fault> {
        let Some((&field, rest)) = header.get(3..).and_then(<[u8]>::split_first) else {
            return Err(wrong("they are missing"));
        };
        let encoding = rest.split(|byte| *byte == field).next().unwrap_or_default();
        let &[component, repetition, ref optional @ ..] = encoding else {
            return Err(wrong("MSH-2 has fewer than two characters"));
        };
        let mut optional = optional.iter().copied();
        let read = Self {
            field,
            component,
            repetition,
            escape: optional.next(),
            subcomponent: optional.next(),
            truncation: optional.next(),
        };
        if optional.next().is_some() {
            return Err(wrong("MSH-2 has more than five characters"));
        }
        read.check()
    }

    fn check(self) -> Result<Self, Fault> {
        let used: Vec<u8> = [Some(self.field), Some(self.component), Some(self.repetition)]
            .into_iter()
            .chain([self.escape, self.subcomponent, self.truncation])
            .flatten()
            .collect();
        if used.iter().any(|byte| !byte.is_ascii_punctuation()) {
            return Err(wrong("a delimiter is not a punctuation mark of ASCII"));
        }
        let mut sorted = used.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() == used.len() { Ok(self) } else { Err(wrong("a character is declared twice")) }
    }

    /// MSH-2 as it is written.
    #[must_use]
    pub fn encoding_characters(self) -> Vec<u8> {
        let mut written = vec![self.component, self.repetition];
        written.extend([self.escape, self.subcomponent, self.truncation].into_iter().map_while(|byte| byte));
        written
    }
}

const fn wrong(why: &'static str) -> Fault {
    Fault::Delimiters { why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ones_are_read() {
        assert_eq!(Delimiters::read(b"MSH|^~\\&|A"), Ok(Delimiters::default()));
    }

    #[test]
    fn other_ones_and_a_truncation_mark_are_read() {
        let read = Delimiters::read(b"MSH$%*!@#$A").unwrap();
        assert_eq!((read.field, read.component, read.truncation), (b'$', b'%', Some(b'#')));
        assert_eq!(read.encoding_characters(), b"%*!@#");
    }

    #[test]
    fn a_doubled_one_is_refused() {
        assert_eq!(Delimiters::read(b"MSH|^^\\&|"), Err(wrong("a character is declared twice")));
    }

    #[test]
    fn a_letter_a_control_character_and_nothing_are_refused() {
        for header in [&b"MSH"[..], b"MSH|", b"MSH|^|", b"MSHa^~\\&a", b"MSH|^~\\\x07|", b"MSH|^~\\&#!|"] {
            assert!(Delimiters::read(header).is_err(), "{header:?}");
        }
    }
}
