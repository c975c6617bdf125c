//! What `_include` and `_revinclude` ask for beyond the matches.

use std::fmt;

use super::{NameError, name::is_code};
use crate::ResourceType;

/// One inclusion, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// `_revinclude`: what points at the matches, instead of what they point at.
    pub reverse: bool,
    /// Also from what was included.
    pub iterate: bool,
    /// The type that holds the reference; nothing is every type (`*`).
    pub source: Option<ResourceType>,
    /// The search parameter of the reference; nothing is every one (`*`).
    pub parameter: Option<String>,
    /// The type that it must point at.
    pub target: Option<ResourceType>,
}

impl Include {
    /// Reads a value: `*`, `Type:*`, `Type:parameter`, `Type:parameter:Target`.
    ///
    /// # Errors
    ///
    /// Any other shape, and types that R4 does not have.
    pub fn parse(value: &str, reverse: bool, iterate: bool) -> Result<Self, NameError> {
        let parts: Vec<&str> = value.split(':').collect();
        let (source, parameter, target) = match parts.as_slice() {
            ["*"] => (None, None, None),
            [source, parameter] => (Some(*source), Some(*parameter), None),
            [source, parameter, target] => (Some(*source), Some(*parameter), Some(*target)),
            _ => return Err(NameError::IncludeShape),
        };
        let parameter = match parameter {
            None | Some("*") => None,
            Some(code) if is_code(code) => Some(code.to_owned()),
            Some(_) => return Err(NameError::IncludeShape),
        };
        Ok(Self { reverse, iterate, source: kind(source)?, parameter, target: kind(target)? })
    }

    /// The parameter's name in a query.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match (self.reverse, self.iterate) {
            (false, false) => "_include",
            (false, true) => "_include:iterate",
            (true, false) => "_revinclude",
            (true, true) => "_revinclude:iterate",
        }
    }
}

fn kind(name: Option<&str>) -> Result<Option<ResourceType>, NameError> {
    let Some(name) = name else { return Ok(None) };
    ResourceType::parse(name).map(Some).ok_or_else(|| NameError::unknown_type(name))
}

/// The value as it stands in a query.
impl fmt::Display for Include {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(source) = self.source else { return f.write_str("*") };
        write!(f, "{source}:{}", self.parameter.as_deref().unwrap_or("*"))?;
        self.target.map_or(Ok(()), |target| write!(f, ":{target}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_read_and_written_back() {
        for value in ["*", "Observation:subject", "Observation:subject:Patient", "MedicationRequest:*"] {
            assert_eq!(Include::parse(value, false, false).unwrap().to_string(), value);
        }
        let include = Include::parse("Provenance:target", true, true).unwrap();
        assert_eq!((include.name(), include.parameter.as_deref()), ("_revinclude:iterate", Some("target")));
    }

    #[test]
    fn other_shapes_are_refused() {
        for value in [
            "",
            "Observation",
            "subject",
            "Foo:subject",
            "Observation:subject:Foo",
            "Observation:",
            "a:b:c:d",
            "Observation:sub ject",
            "*:subject",
        ] {
            assert!(Include::parse(value, false, false).is_err(), "{value}");
        }
    }
}
