//! Strict JSON: a name twice in one object is refused, because two readers of it may each take another one.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Why a text is not taken as JSON. What it says is not repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonFault {
    /// Not JSON, or nested deeper than 127.
    Syntax {
        /// Line from 1.
        line: usize,
        /// Column from 1.
        column: usize,
    },
    /// An object with one name twice, ending there.
    DuplicateName {
        /// Line from 1.
        line: usize,
        /// Column from 1.
        column: usize,
    },
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column } => write!(f, "not JSON at line {line}, column {column}"),
            Self::DuplicateName { line, column } => {
                write!(f, "an object has a name twice, at line {line}, column {column}; leave one of them out")
            }
        }
    }
}

impl std::error::Error for JsonFault {}

/// Reads JSON in which no object has a name twice.
///
/// # Errors
///
/// [`JsonFault`] with the place.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonFault> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Unique.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|fault| place(&fault))?;
    serde_json::from_slice(bytes).map_err(|fault| place(&fault))
}

const DUPLICATE: &str = "duplicate name";

fn place(fault: &serde_json::Error) -> JsonFault {
    let (line, column) = (fault.line(), fault.column());
    if fault.is_data() { JsonFault::DuplicateName { line, column } } else { JsonFault::Syntax { line, column } }
}

/// Walks a value and keeps nothing but the names of the open objects.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom(DUPLICATE));
            }
            members.next_value_seed(Self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are() {
        let text = r#"{"a":[1.10,{"b":null,"c":"\u0041"}],"d":true,"e":-3,"f":12345678901234567890123}"#;
        assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn a_name_twice_is_refused_at_any_depth_and_however_escaped() {
        for text in [r#"{"a":1,"a":2}"#, r#"[{"x":{"a":1,"\u0061":1}}]"#] {
            assert!(matches!(parse(text.as_bytes()), Err(JsonFault::DuplicateName { line: 1, .. })), "{text}");
        }
        assert!(parse(br#"[{"a":1},{"a":1},{"b":{"a":1},"a":1}]"#).is_ok());
    }

    #[test]
    fn what_is_no_json_says_where() {
        assert_eq!(parse(b"{\n \"a\": }"), Err(JsonFault::Syntax { line: 2, column: 7 }));
        assert!(parse(b"{} {}").is_err());
        assert!(parse(b"").is_err());
        assert!(parse("[".repeat(200).as_bytes()).is_err());
        assert!(parse(b"\"\xff\"").is_err());
    }
}
