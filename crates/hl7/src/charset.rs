//! The character set of a message: MSH-18, table 0211 (2.15.9.18).

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

use crate::Fault;

/// How the bytes of a message are characters. Only sets in which every delimiter is one ASCII byte that is never part of
/// another character are read: a message can be taken apart before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// `ASCII`, or nothing declared and nothing but ASCII inside.
    Ascii,
    /// `UNICODE UTF-8`, or nothing declared and valid UTF-8 inside.
    Utf8,
    /// `8859/1`, or nothing declared and not UTF-8.
    Latin1,
    /// `8859/2` to `8859/9` and `8859/15`.
    Part(&'static Encoding),
}

impl Charset {
    /// The set that MSH-18 declares, or, if it declares none, the one that the bytes are in.
    ///
    /// # Errors
    /// `Charset` if the set is not read here.
    pub fn of(declared: &[u8], message: &[u8]) -> Result<Self, Fault> {
        let name = String::from_utf8_lossy(declared).trim().to_ascii_uppercase();
        match name.as_str() {
            "" if message.is_ascii() => Ok(Self::Ascii),
            "" if std::str::from_utf8(message).is_ok() => Ok(Self::Utf8),
            "" => Ok(Self::Latin1),
            "ASCII" => Ok(Self::Ascii),
            "UNICODE UTF-8" | "UTF-8" | "UTF8" => Ok(Self::Utf8),
            "8859/1" | "ISO-8859-1" | "8859-1" => Ok(Self::Latin1),
            _ => part(&name).map(Self::Part).ok_or(Fault::Charset { name }),
        }
    }

    /// The name that MSH-18 uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ASCII",
            Self::Utf8 => "UNICODE UTF-8",
            Self::Latin1 => "8859/1",
            Self::Part(encoding) => part_name(encoding),
        }
    }

    /// The characters of `bytes`, or `None` if they are not of this set.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Ascii => bytes.is_ascii().then(|| String::from_utf8_lossy(bytes)),
            Self::Utf8 => UTF_8.decode_without_bom_handling_and_without_replacement(bytes),
            Self::Latin1 => Some(encoding_rs::mem::decode_latin1(bytes)),
            Self::Part(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes),
        }
    }

    /// The bytes of `text`; a character that the set lacks is written as `?`.
    #[must_use]
    pub fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Ascii => narrow(text, 0x7f),
            Self::Latin1 => narrow(text, 0xff),
            Self::Part(encoding) => text.chars().flat_map(|letter| encode_letter(encoding, letter)).collect(),
        }
    }
}

fn narrow(text: &str, last: u32) -> Vec<u8> {
    text.chars()
        .map(|letter| if u32::from(letter) <= last { u8::try_from(letter).unwrap_or(b'?') } else { b'?' })
        .collect()
}

fn encode_letter(encoding: &'static Encoding, letter: char) -> Vec<u8> {
    let mut buffer = [0; 4];
    let (bytes, _, unmappable) = encoding.encode(letter.encode_utf8(&mut buffer));
    if unmappable { vec![b'?'] } else { bytes.into_owned() }
}

const PARTS: [(&str, &Encoding); 9] = [
    ("8859/2", encoding_rs::ISO_8859_2),
    ("8859/3", encoding_rs::ISO_8859_3),
    ("8859/4", encoding_rs::ISO_8859_4),
    ("8859/5", encoding_rs::ISO_8859_5),
    ("8859/6", encoding_rs::ISO_8859_6),
    ("8859/7", encoding_rs::ISO_8859_7),
    ("8859/8", encoding_rs::ISO_8859_8),
    ("8859/9", encoding_rs::WINDOWS_1254),
    ("8859/15", encoding_rs::ISO_8859_15),
];

fn part(name: &str) -> Option<&'static Encoding> {
    PARTS.iter().find(|(written, _)| *written == name).map(|(_, encoding)| *encoding)
}

fn part_name(encoding: &'static Encoding) -> &'static str {
    PARTS.iter().find(|(_, known)| *known == encoding).map_or("8859", |(written, _)| written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_set_is_taken_at_its_word() {
        assert_eq!(Charset::of(b"8859/1", b"caf\xe9").unwrap().decode(b"caf\xe9").as_deref(), Some("café"));
        assert_eq!(Charset::of(b"UNICODE UTF-8", b"caf\xe9").unwrap().decode(b"caf\xe9"), None);
        assert_eq!(Charset::of(b"8859/15", b"").unwrap().decode(b"\xa4").as_deref(), Some("€"));
        assert_eq!(Charset::of(b"8859/5", b"").unwrap().name(), "8859/5");
    }

    #[test]
    fn an_undeclared_set_is_read_off_the_bytes() {
        assert_eq!(Charset::of(b"", b"cafe"), Ok(Charset::Ascii));
        assert_eq!(Charset::of(b"", "café".as_bytes()), Ok(Charset::Utf8));
        assert_eq!(Charset::of(b"", b"caf\xe9"), Ok(Charset::Latin1));
    }

    #[test]
    fn a_set_whose_characters_may_hold_a_delimiter_is_refused() {
        for name in [&b"UNICODE UTF-16"[..], b"GB 18030-2000", b"BIG-5", b"ISO IR87"] {
            assert!(matches!(Charset::of(name, b""), Err(Fault::Charset { .. })));
        }
    }

    #[test]
    fn what_the_set_lacks_is_written_as_a_question_mark() {
        assert_eq!(Charset::Latin1.encode("é€"), b"\xe9?");
        assert_eq!(Charset::Ascii.encode("é"), b"?");
        assert_eq!(Charset::of(b"8859/15", b"").unwrap().encode("€Ж"), b"\xa4?");
    }
}
