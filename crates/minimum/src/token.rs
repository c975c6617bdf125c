//! Reading tokens one after the other, and being strict about it.

use crate::fault::Fault;
use crate::scan::Index;

/// Where a reader stands in an indexed window. Cheap to copy, so that it can look ahead and come back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    tokens: &'a [u32],
    escapes: &'a [u32],
    next: usize,
    next_escape: usize,
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
    /// A reader before token number `next`; `last` if nothing follows `bytes`.
    pub(crate) fn new(bytes: &'a [u8], index: &'a Index, next: usize, last: bool) -> Self {
        let from = index.tokens().get(next).copied().unwrap_or(u32::MAX);
        let next_escape = index.escapes().partition_point(|at| *at < from);
        Self { bytes, tokens: index.tokens(), escapes: index.escapes(), next, next_escape, last }
    }

    /// The number of the next token.
    pub(crate) const fn position(&self) -> usize {
        self.next
    }

    /// Where the token that was taken last begins, and one byte further: where a bracket or a quote ends.
    pub(crate) fn taken(&self) -> usize {
        let last = self.next.checked_sub(1).and_then(|last| self.tokens.get(last));
        last.map_or(0, |at| *at as usize + 1)
    }

    /// The window.
    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next token: where it stands and its first byte.
    #[inline(always)]
    pub(crate) fn token(&mut self) -> Result<(usize, u8), Fault> {
        let found = self.peek()?;
        self.next += 1;
        Ok(found)
    }

    /// The next token, not taken.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Result<(usize, u8), Fault> {
        let at = *self.tokens.get(self.next).ok_or(Fault::Incomplete)? as usize;
        let byte = *self.bytes.get(at).ok_or(Fault::Incomplete)?;
        Ok((at, byte))
    }

    /// Takes the next token, which has to be `byte`.
    #[inline(always)]
    pub(crate) fn expect(&mut self, byte: u8, otherwise: &'static str) -> Result<usize, Fault> {
        let (at, found) = self.token()?;
        if found == byte { Ok(at) } else { Err(Fault::Malformed(otherwise)) }
    }

    /// The string whose opening quote was just taken.
    #[inline(always)]
    pub(crate) fn text(&mut self, open: usize) -> Result<Text, Fault> {
        let (end, _) = self.token()?;
        let escaped = self.escapes.get(self.next_escape).is_some_and(|at| (*at as usize) < end);
        if escaped {
            self.check_escapes(end)?;
        }
        Ok(Text { start: open + 1, end, escaped })
    }

    /// The bytes of a text, as they stand.
    #[inline(always)]
    pub(crate) fn slice(&self, text: Text) -> &'a [u8] {
        self.bytes.get(text.start..text.end).unwrap_or_default()
    }

    /// The end of the number or word whose first byte, at `start`, was just taken.
    pub(crate) fn scalar(&self, start: usize) -> Result<usize, Fault> {
        let rest = self.bytes.get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| ends_scalar(*byte)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        if length == rest.len() && !self.last {
            return Err(Fault::Incomplete);
        }
        match word {
            b"true" | b"false" | b"null" => Ok(start + length),
            _ if is_number(word) => Ok(start + length),
            _ => Err(Fault::Malformed("neither a string, a number, true, false nor null")),
        }
    }

    #[cold]
    fn check_escapes(&mut self, end: usize) -> Result<(), Fault> {
        let mut low_half_due = None;
        while let Some(at) = self.escapes.get(self.next_escape).map(|at| *at as usize).filter(|at| *at < end) {
            self.next_escape += 1;
            let escape = self.bytes.get(at + 1..end).unwrap_or_default();
            let unit = unit_of(escape).ok_or(Fault::Malformed("an escape that JSON does not know"))?;
            low_half_due = match (low_half_due, unit) {
                (None, Some(0xd800..=0xdbff)) => Some(at + 6),
                (Some(due), Some(0xdc00..=0xdfff)) if due == at => None,
                (None, Some(0xdc00..=0xdfff)) | (Some(_), _) => return Err(LONE_SURROGATE),
                (None, _) => None,
            };
        }
        if low_half_due.is_some() { Err(LONE_SURROGATE) } else { Ok(()) }
    }
}

const LONE_SURROGATE: Fault = Fault::Malformed("half a surrogate pair");

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
