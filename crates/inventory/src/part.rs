//! One part of a path, between two slashes: a word of the API, or a value that somebody put there.

/// The most bytes that a word of an API has; what is longer was put there by a caller.
const WORD_BYTES_MAX: usize = 64;
/// From how many bytes on letters mixed with digits are an opaque identifier and no word (`v2` and `R4` are words).
const OPAQUE_BYTES_MIN: usize = 8;

/// What a part of a path is, judged by its form alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A word of the API, such as `Patient`, `$everything` or `v2`.
    Word,
    /// Digits only.
    Number,
    /// A date, with or without a time.
    Date,
    /// A UUID in its usual form of 36 characters.
    Uuid,
    /// An object identifier of at least three arcs, as DICOM's UIDs are.
    Oid,
    /// Any other identifier: long hexadecimal, letters mixed with digits, what is percent-encoded, or over-long.
    Opaque,
}

impl Part {
    /// What this part is.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if text.is_empty() {
            return Self::Word;
        }
        if text.len() > WORD_BYTES_MAX {
            return if is_oid(text) { Self::Oid } else { Self::Opaque };
        }
        if is_date(text) {
            return Self::Date;
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Number;
        }
        if is_uuid(text) {
            return Self::Uuid;
        }
        if is_oid(text) {
            return Self::Oid;
        }
        if is_opaque(text) { Self::Opaque } else { Self::Word }
    }

    /// The name that a template gives this part, if it is a value: `{number}`. A word stands for itself.
    #[must_use]
    pub fn parameter(self) -> Option<&'static str> {
        match self {
            Self::Word => None,
            Self::Number => Some("{number}"),
            Self::Date => Some("{date}"),
            Self::Uuid => Some("{uuid}"),
            Self::Oid => Some("{oid}"),
            Self::Opaque => Some("{id}"),
        }
    }
}

/// `2026-01-31`, `20260131`, or the first with a time behind a `T`.
fn is_date(text: &str) -> bool {
    let day = text.split_once('T').map_or(text, |(day, _)| day);
    let digits: Vec<u32> = day.chars().filter_map(|letter| letter.to_digit(10)).collect();
    let dashed = day.len() == 10 && day.bytes().enumerate().all(|(at, byte)| (byte == b'-') == (at == 4 || at == 7));
    let plain = day.len() == 8 && day.len() == text.len();
    let [y1, y2, y3, y4, m1, m2, d1, d2] = digits.as_slice() else { return false };
    let (year, month, date) = (y1 * 1000 + y2 * 100 + y3 * 10 + y4, m1 * 10 + m2, d1 * 10 + d2);
    (dashed || plain) && (1850..2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&date)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_oid(text: &str) -> bool {
    let arcs = text.split('.');
    arcs.clone().count() >= 3
        && arcs.clone().all(|arc| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_opaque(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    // An operation's name begins with `$` and is a word, whatever digits it has.
    // Braces belong to templates: who writes them into a path must not be taken for one.
    let encoded = text.contains(['%', '@', '{', '}']) || !text.is_ascii();
    let mixed = digits >= 2 && letters >= 1 && text.len() >= OPAQUE_BYTES_MIN;
    encoded || (mixed && !text.starts_with('$')) || (digits > letters && digits >= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(texts: &[&str], expect: Part) {
        for text in texts {
            assert_eq!(Part::of(text), expect, "{text}");
        }
    }

    #[test]
    fn words_of_an_api_stay_words() {
        check(
            &["Patient", "$everything", "v2", "R4", "fhir", "openapi.json", "well-known", "", "$lookup20"],
            Part::Word,
        );
    }

    #[test]
    fn values_are_told_by_their_form() {
        check(&["1", "20261399", "00017"], Part::Number);
        check(&["2026-01-31", "20260131", "2026-01-31T10:00:00Z"], Part::Date);
        check(&["c9bf9e57-1685-4c89-bafb-ff5af830be8a"], Part::Uuid);
        check(&["1.2.840.10008.1.2", &format!("1.2.{}", "9.".repeat(40) + "1")], Part::Oid);
        check(
            &["a1b2c3d4e5", "MRN-000123", "a%20b", "somebody@example.org", &"x".repeat(65), "é", "{name}"],
            Part::Opaque,
        );
    }

    #[test]
    fn what_is_almost_a_date_or_a_uuid_is_neither() {
        assert_ne!(Part::of("2026-13-01"), Part::Date);
        assert_ne!(Part::of("2026/01/31"), Part::Date);
        assert_ne!(Part::of("c9bf9e57-1685-4c89-bafb-ff5af830be8g"), Part::Uuid);
        assert_ne!(Part::of("1.2"), Part::Oid);
    }
}
