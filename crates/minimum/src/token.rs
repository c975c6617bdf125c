//! Reading tokens one after the other, and being strict about it: no byte is passed by but those in strings, which the
//! index has looked at, and whitespace.

use crate::fault::{Fault, Flaw};
use crate::scan::Index;
use crate::spelled::{SPELLED_BYTES, Spelled};

/// Where a reader stands in an indexed window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The next byte.
    pub(crate) at: usize,
    /// The number of the next jump.
    pub(crate) jump: usize,
}

/// A reader of an indexed window. Cheap to copy, so that it can look ahead and come back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    /// What of the window is indexed.
    bytes: &'a [u8],
    jumps: &'a [u32],
    escapes: &'a [u32],
    place: Place,
    next_escape: usize,
    /// Where that escape stands.
    next_escape_at: usize,
    last: bool,
}

/// A string: the bytes between its quotes, as they stand in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text {
    /// First byte after the opening quote.
    pub(crate) start: usize,
    /// The closing quote.
    pub(crate) end: usize,
    /// Whether it holds escapes.
    pub(crate) escaped: bool,
}

impl<'a> Cursor<'a> {
    /// A reader at `place` of `window`; `last` if nothing follows it.
    pub(crate) fn new(window: &'a [u8], index: &'a Index, place: Place, last: bool) -> Self {
        let bytes = window.get(..index.scanned()).unwrap_or(window);
        let next_escape = index.escapes().partition_point(|at| (*at as usize) < place.at);
        let escapes = index.escapes();
        let next_escape_at = escapes.get(next_escape).map_or(usize::MAX, |at| *at as usize);
        Self { bytes, jumps: index.jumps(), escapes, place, next_escape, next_escape_at, last }
    }

    /// Where it stands.
    pub(crate) const fn place(&self) -> Place {
        self.place
    }

    /// The window, as far as it is indexed.
    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next token: where it stands and its first byte. Who takes a quote has to take the [`Cursor::text`], who takes
    /// the first byte of a number or word the [`Cursor::scalar`].
    #[inline(always)]
    pub(crate) fn token(&mut self) -> Result<(usize, u8), Fault> {
        let byte = *self.bytes.get(self.place.at).ok_or(Fault::Incomplete)?;
        if byte <= b' ' {
            return self.token_after_blank();
        }
        let at = self.place.at;
        self.place.at += 1;
        Ok((at, byte))
    }

    #[inline(always)]
    fn token_after_blank(&mut self) -> Result<(usize, u8), Fault> {
        let at = self.jump()?;
        let byte = *self.bytes.get(at).ok_or(Fault::Incomplete)?;
        self.place.at = at + 1;
        Ok((at, byte))
    }

    /// The next token, not taken.
    #[inline(always)]
    pub(crate) fn peek(mut self) -> Result<(usize, u8), Fault> {
        self.token()
    }

    /// Takes the next token, which has to be `byte`.
    #[inline(always)]
    pub(crate) fn expect(&mut self, byte: u8, otherwise: Flaw) -> Result<usize, Fault> {
        let (at, found) = self.token()?;
        if found == byte { Ok(at) } else { Err(Fault::Malformed(otherwise)) }
    }

    /// The string whose opening quote was just taken.
    #[inline(always)]
    pub(crate) fn text(&mut self, open: usize) -> Result<Text, Fault> {
        let end = self.jump()?;
        debug_assert!(end > open && self.bytes.get(end) == Some(&b'"'));
        self.place.at = end + 1;
        let escaped = self.next_escape_at < end;
        if escaped {
            self.check_escapes(end)?;
        }
        Ok(Text { start: open + 1, end, escaped })
    }

    /// Takes the key whose opening quote, at `open`, was just taken, and the colon, if they are spelled like that.
    #[inline(always)]
    pub(crate) fn spelled(&mut self, open: usize, key: &Spelled) -> Option<Text> {
        let bytes = self.bytes.get(open..)?.first_chunk::<SPELLED_BYTES>()?;
        let end = open + 1 + key.begins(bytes)?;
        self.place = Place { at: end + 2, jump: self.place.jump + 1 };
        Some(Text { start: open + 1, end, escaped: false })
    }

    /// Takes a comma and the quote after it if they stand next to one another; where the quote stands.
    #[inline(always)]
    pub(crate) fn comma_and_quote(&mut self) -> Option<usize> {
        let two = self.bytes.get(self.place.at..)?.first_chunk::<2>()?;
        if two != b",\"" {
            return None;
        }
        self.place.at += 2;
        Some(self.place.at - 1)
    }

    #[inline(always)]
    fn jump(&mut self) -> Result<usize, Fault> {
        let to = *self.jumps.get(self.place.jump).ok_or(Fault::Incomplete)? as usize;
        self.place.jump += 1;
        Ok(to)
    }

    /// The bytes of a text, as they stand.
    #[inline(always)]
    pub(crate) fn slice(&self, text: Text) -> &'a [u8] {
        self.bytes.get(text.start..text.end).unwrap_or_default()
    }

    /// The end of the number or word whose first byte, at `start`, was just taken.
    #[inline]
    pub(crate) fn scalar(&mut self, start: usize) -> Result<usize, Fault> {
        let rest = self.bytes.get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| ends_scalar(*byte)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        if length == rest.len() && !self.last {
            return Err(Fault::Incomplete);
        }
        self.place.at = start + length;
        match word {
            b"true" | b"false" | b"null" => Ok(start + length),
            _ if is_number(word) => Ok(start + length),
            _ => Err(Fault::Malformed(Flaw::Word)),
        }
    }

    /// Passes by the number or word whose first byte was just taken, whatever it is.
    pub(crate) fn pass_scalar(&mut self) {
        let rest = self.bytes.get(self.place.at..).unwrap_or_default();
        self.place.at += rest.iter().position(|byte| ends_scalar(*byte)).unwrap_or(rest.len());
    }

    #[cold]
    fn check_escapes(&mut self, end: usize) -> Result<(), Fault> {
        let mut low_half_due = None;
        while let Some(at) = self.escapes.get(self.next_escape).map(|at| *at as usize).filter(|at| *at < end) {
            self.next_escape += 1;
            let escape = self.bytes.get(at + 1..end).unwrap_or_default();
            let unit = unit_of(escape).ok_or(Fault::Malformed(Flaw::Escape))?;
            low_half_due = match (low_half_due, unit) {
                (None, Some(0xd800..=0xdbff)) => Some(at + 6),
                (Some(due), Some(0xdc00..=0xdfff)) if due == at => None,
                (None, Some(0xdc00..=0xdfff)) | (Some(_), _) => return Err(LONE_SURROGATE),
                (None, _) => None,
            };
        }
        self.next_escape_at = self.escapes.get(self.next_escape).map_or(usize::MAX, |at| *at as usize);
        if low_half_due.is_some() { Err(LONE_SURROGATE) } else { Ok(()) }
    }
}

const LONE_SURROGATE: Fault = Fault::Malformed(Flaw::Surrogate);

/// What follows a backslash: `None` if it is no escape, else the code unit of a `\u` escape.
fn unit_of(escape: &[u8]) -> Option<Option<u16>> {
    match escape {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(None),
        [b'u', digits @ ..] => hex(digits.get(..4)?).map(Some),
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0_u16, |unit, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(value).ok()?)
    })
}

const fn ends_scalar(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b'}' | b']' | b':' | b'{' | b'[' | b'"')
}

/// RFC 8259, section 6.
fn is_number(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"-").unwrap_or(word);
    let (whole, rest) = digits(word);
    if whole == 0 || (whole > 1 && word.first() == Some(&b'0')) {
        return false;
    }
    let rest = match rest {
        [b'.', fraction @ ..] => match digits(fraction) {
            (0, _) => return false,
            (_, rest) => rest,
        },
        _ => rest,
    };
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            matches!(digits(exponent), (1.., []))
        }
        _ => false,
    }
}

/// How many digits stand first, and what follows them.
fn digits(word: &[u8]) -> (usize, &[u8]) {
    let count = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, word.get(count..).unwrap_or_default())
}

/// The bytes that an already checked text stands for.
pub(crate) fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        plain.extend_from_slice(rest.get(..at).unwrap_or_default());
        let escape = rest.get(at + 1..).unwrap_or_default();
        let taken = unescape_one(escape, &mut plain);
        rest = escape.get(taken..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    plain
}

/// Appends what the escape after a backslash stands for; says how many bytes after the backslash it took.
fn unescape_one(escape: &[u8], plain: &mut Vec<u8>) -> usize {
    let simple = match escape.first() {
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'u') => return unescape_unicode(escape, plain),
        Some(byte) => *byte,
        None => return 0,
    };
    plain.push(simple);
    1
}

fn unescape_unicode(escape: &[u8], plain: &mut Vec<u8>) -> usize {
    let first = escape.get(1..5).and_then(hex);
    let second =
        escape.get(5..).and_then(|rest| rest.strip_prefix(b"\\u")).and_then(|rest| rest.get(..4)).and_then(hex);
    let units: Vec<u16> = first.into_iter().chain(second).collect();
    let Some(Ok(character)) = char::decode_utf16(units).next() else { return 5 };
    plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    if character.len_utf16() == 2 { 11 } else { 5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_standard() {
        for good in ["0", "-0", "10", "1.5", "1e5", "1E+05", "-1.0e-2", "123456789012345678901234567890"] {
            assert!(is_number(good.as_bytes()), "{good}");
        }
        for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "0x1", "NaN", "1.5.2", "1_000", "--1"] {
            assert!(!is_number(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn escapes_become_the_characters_they_stand_for() {
        assert_eq!(unescape(br#"n\u0061me\n\"\\\/"#), b"name\n\"\\/");
        assert_eq!(unescape(br"\ud83d\ude00!"), "😀!".as_bytes());
        assert_eq!(unescape(br"\u00e9\u0061"), "éa".as_bytes());
    }
}
