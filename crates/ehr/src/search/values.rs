//! The value of a search parameter: commas, pipes, dollars and their escapes; prefixes.

use crate::Refusal;

/// Splits at a separator that no `\` precedes; the parts keep their escapes.
pub(crate) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if character == separator && !escaped {
            parts.push(text.get(from..at).unwrap_or_default());
            from = at + separator.len_utf8();
        }
        escaped = character == '\\' && !escaped;
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}

/// Takes the escapes away: `\,` is `,`.
pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some(',' | '|' | '$' | '\\')) => plain.extend(characters.next()),
            _ => plain.push(character),
        }
    }
    plain
}

/// How an ordered value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Equal, as far as the precision of the value goes.
    Equal,
    /// Not that.
    Unequal,
    /// Greater.
    Greater,
    /// Less.
    Less,
    /// Greater or equal.
    GreaterEqual,
    /// Less or equal.
    LessEqual,
    /// Begins after.
    StartsAfter,
    /// Ends before.
    EndsBefore,
    /// About.
    Approximately,
}

impl Prefix {
    /// The prefix and what follows it. A letter pair that is no prefix is a fault, not a value.
    pub(crate) fn read(text: &str) -> Result<(Self, &str), Refusal> {
        let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (word, rest) = text.split_at(letters);
        let prefix = match word {
            "" | "eq" => Self::Equal,
            "ne" => Self::Unequal,
            "gt" => Self::Greater,
            "lt" => Self::Less,
            "ge" => Self::GreaterEqual,
            "le" => Self::LessEqual,
            "sa" => Self::StartsAfter,
            "eb" => Self::EndsBefore,
            "ap" => Self::Approximately,
            _ => {
                let known = "eq, ne, gt, lt, ge, le, sa, eb or ap";
                return Err(Refusal::invalid(format!("a value begins with a prefix that is none of {known}")));
            }
        };
        Ok((prefix, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_separators_split() {
        assert_eq!(split("a,b\\,c,", ','), ["a", "b\\,c", ""]);
        assert_eq!(split("a\\\\,b", ','), ["a\\\\", "b"]);
        assert_eq!(unescape("a\\,b\\|c\\\\d\\e"), "a,b|c\\d\\e");
    }

    #[test]
    fn a_prefix_is_two_known_letters() {
        assert_eq!(Prefix::read("ge2020").unwrap(), (Prefix::GreaterEqual, "2020"));
        assert_eq!(Prefix::read("2020").unwrap(), (Prefix::Equal, "2020"));
        assert!(Prefix::read("xx2020").is_err());
        assert!(Prefix::read("GT2020").is_err());
    }
}
