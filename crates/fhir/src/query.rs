//! What a FHIR query string says, kept in its order, decoded once.

use std::fmt;

/// A logical id (`[A-Za-z0-9\-.]{1,64}`, R4 `id`). Nothing else reaches a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// The id, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let sound = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
            && text != "."
            && text != "..";
        sound.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One `name=value` of a query, decoded. `name` is whole: `code:text`, `subject:Patient.name`,
/// `_has:Observation:patient:code`, `_include:iterate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name with modifiers and chain, decoded.
    pub name: String,
    /// The value, decoded; commas, pipes and `\` escapes are still FHIR's.
    pub value: String,
}

/// A query in the order in which it was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// The parameters, in order, repeated ones repeated.
    pub parameters: Vec<Parameter>,
}

impl Query {
    /// The parameters of that whole name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Parameter> {
        self.parameters.iter().filter(move |parameter| parameter.name == name)
    }
}
