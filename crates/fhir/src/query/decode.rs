//! Strict decoding: nothing is guessed, replaced or silently dropped.

use std::fmt;

use super::{Parameter, Query};

/// A query string or form at most.
pub const QUERY_BYTES_MAX: usize = 262_144;
/// Parameters in it at most.
pub const PARAMETERS_MAX: usize = 256;
/// A parameter's decoded name at most.
pub const NAME_BYTES_MAX: usize = 256;
/// A parameter's decoded value at most: some thousand ids.
pub const VALUE_BYTES_MAX: usize = 131_072;

/// Why a query cannot be read. Values are never repeated: they may be a patient's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// Longer than [`QUERY_BYTES_MAX`].
    TooLong,
    /// More than [`PARAMETERS_MAX`].
    TooMany,
    /// The name of that parameter (counted from 1) is longer than [`NAME_BYTES_MAX`].
    NameTooLong(usize),
    /// The value of that parameter is longer than [`VALUE_BYTES_MAX`].
    ValueTooLong(usize),
    /// `%` without two hexadecimal digits.
    Encoding(usize),
    /// Not UTF-8 once decoded.
    Utf8(usize),
    /// A control character.
    Control(usize),
    /// `=value`
    NoName(usize),
    /// `name=` or `name`: it would filter nothing where its author meant a filter.
    NoValue(usize),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the query is longer than {QUERY_BYTES_MAX} bytes; ask in parts"),
            Self::TooMany => write!(f, "the query has more than {PARAMETERS_MAX} parameters; ask in parts"),
            Self::NameTooLong(at) => write!(f, "the name of parameter {at} is longer than {NAME_BYTES_MAX} bytes"),
            Self::ValueTooLong(at) => {
                write!(f, "the value of parameter {at} is longer than {VALUE_BYTES_MAX} bytes; ask in parts")
            }
            Self::Encoding(at) => {
                write!(f, "parameter {at}: `%` stands before two hexadecimal digits; write `%25` for a percent sign")
            }
            Self::Utf8(at) => write!(f, "parameter {at} is not UTF-8"),
            Self::Control(at) => write!(f, "parameter {at} contains a control character; leave it out"),
            Self::NoName(at) => write!(f, "parameter {at} has no name; write `name=value`"),
            Self::NoValue(at) => write!(f, "parameter {at} has no value; write `name=value` or leave it out"),
        }
    }
}

impl std::error::Error for QueryError {}

pub(super) fn query(bytes: &[u8]) -> Result<Query, QueryError> {
    if bytes.len() > QUERY_BYTES_MAX {
        return Err(QueryError::TooLong);
    }
    let mut parameters = Vec::new();
    for part in bytes.split(|byte| *byte == b'&').filter(|part| !part.is_empty()) {
        if parameters.len() == PARAMETERS_MAX {
            return Err(QueryError::TooMany);
        }
        parameters.push(parameter(part, parameters.len() + 1)?);
    }
    Ok(Query { parameters })
}

fn parameter(part: &[u8], at: usize) -> Result<Parameter, QueryError> {
    let (name, value) = match memchr::memchr(b'=', part).and_then(|end| part.split_at_checked(end)) {
        Some((name, rest)) => (name, rest.get(1..).unwrap_or_default()),
        None => (part, &[][..]),
    };
    let (name, value) = (decoded(name, at)?, decoded(value, at)?);
    if name.is_empty() {
        return Err(QueryError::NoName(at));
    }
    if value.is_empty() {
        return Err(QueryError::NoValue(at));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(QueryError::NameTooLong(at));
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(QueryError::ValueTooLong(at));
    }
    Ok(Parameter { name, value })
}

fn decoded(text: &[u8], at: usize) -> Result<String, QueryError> {
    let bytes = percent_decoded(text, true).ok_or(QueryError::Encoding(at))?;
    let text = String::from_utf8(bytes).map_err(|_| QueryError::Utf8(at))?;
    if text.chars().any(char::is_control) { Err(QueryError::Control(at)) } else { Ok(text) }
}

/// The bytes behind the `%` signs; nothing if one stands alone. `+` is a space in queries and forms, itself in paths.
pub(crate) fn percent_decoded(text: &[u8], plus_is_space: bool) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => bytes.push(hexadecimal(*rest.next()?)? * 16 + hexadecimal(*rest.next()?)?),
            b'+' if plus_is_space => bytes.push(b' '),
            byte => bytes.push(*byte),
        }
    }
    Some(bytes)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let read = Query::parse(text).unwrap();
        let pairs: Vec<(&str, &str)> =
            read.parameters.iter().map(|one| (one.name.as_str(), one.value.as_str())).collect();
        assert_eq!(pairs, expected);
        assert_eq!(Query::parse(&read.encode()).unwrap(), read);
    }

    #[test]
    fn parameters_are_decoded_once_and_kept_in_order() {
        check("b=2&a=1&b=3", &[("b", "2"), ("a", "1"), ("b", "3")]);
        check("code=http%3A%2F%2Floinc.org%7C1-8", &[("code", "http://loinc.org|1-8")]);
        check("name=a+b%2Bc%20d", &[("name", "a b+c d")]);
        check("x=%2541", &[("x", "%41")]);
        check("x=a=b", &[("x", "a=b")]);
        check("subject%3APatient.name=J%C3%B6rg", &[("subject:Patient.name", "Jörg")]);
        check("&a=1&&b=2&", &[("a", "1"), ("b", "2")]);
        check("", &[]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let fault = |text: &str| Query::parse(text).unwrap_err();
        assert_eq!(fault("a=1&b=%2"), QueryError::Encoding(2));
        assert_eq!(fault("a=%zz"), QueryError::Encoding(1));
        assert_eq!(fault("a=%+1"), QueryError::Encoding(1));
        assert_eq!(fault("a=%ff"), QueryError::Utf8(1));
        assert_eq!(fault("a=1%00"), QueryError::Control(1));
        assert_eq!(fault("a%0d%0a=1"), QueryError::Control(1));
        assert_eq!(fault("=1"), QueryError::NoName(1));
        assert_eq!(fault("a=1&identifier="), QueryError::NoValue(2));
        assert_eq!(fault("a"), QueryError::NoValue(1));
        assert_eq!(fault(&"a=1&".repeat(PARAMETERS_MAX + 1)), QueryError::TooMany);
        assert_eq!(fault(&format!("{}=1", "a".repeat(NAME_BYTES_MAX + 1))), QueryError::NameTooLong(1));
        assert_eq!(fault(&format!("a={}", "1".repeat(VALUE_BYTES_MAX + 1))), QueryError::ValueTooLong(1));
        assert_eq!(fault(&"a".repeat(QUERY_BYTES_MAX + 1)), QueryError::TooLong);
    }
}
