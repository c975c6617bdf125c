//! What a FHIR query string says, kept in its order, decoded once.

mod control;
mod decode;
mod include;
mod name;
mod value;

pub use control::{Control, SortKey, Special, sort_keys};
pub(crate) use decode::percent_decoded;
pub use decode::{NAME_BYTES_MAX, PARAMETERS_MAX, QUERY_BYTES_MAX, QueryError, VALUE_BYTES_MAX};
pub use include::Include;
pub use name::{CHAIN_LINKS_MAX, Hop, Link, Modifier, NameError, ParameterName};
pub use value::{alternatives, components, token, unescape};

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// One `name=value` of a query, decoded. `name` is whole: `code:text`, `subject:Patient.name`,
/// `_has:Observation:patient:code`, `_include:iterate`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// The name with modifiers and chain, decoded.
    pub name: String,
    /// The value, decoded; commas, pipes and `\` escapes are still FHIR's.
    pub value: String,
}

/// A query in the order in which it was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Query {
    /// The parameters, in order, repeated ones repeated.
    pub parameters: Vec<Parameter>,
}

/// What stays as it is in a query: the unreserved letters of a URL, and what FHIR's names and values are full of.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'/')
    .remove(b',')
    .remove(b'*');

impl Query {
    /// Reads a query string (without `?`) or a form. Empty parts (`a=1&&b=2`) mean nothing and are left out.
    ///
    /// # Errors
    ///
    /// Bad percent-encoding or UTF-8, control characters, a parameter without a name or value, and each bound.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        decode::query(text.as_bytes())
    }

    /// Reads the bytes of a form, under the same rules.
    ///
    /// # Errors
    ///
    /// As [`Query::parse`].
    pub fn parse_form(bytes: &[u8]) -> Result<Self, QueryError> {
        decode::query(bytes)
    }

    /// The query as it stands in a URL or a form: what [`Query::parse`] reads back the same.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        for parameter in &self.parameters {
            let separator = if text.is_empty() { "" } else { "&" };
            let name = utf8_percent_encode(&parameter.name, KEPT);
            let _ = write!(text, "{separator}{name}={}", utf8_percent_encode(&parameter.value, KEPT));
        }
        text
    }

    /// Whether nothing is asked.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// The parameters of that whole name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Parameter> {
        self.parameters.iter().filter(move |parameter| parameter.name == name)
    }

    /// The first value of that whole name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.value.as_str())
    }

    /// Whether every `_format` is a JSON, or there is none. A `+` that a client forgot to encode (and that so became a
    /// space) is still understood.
    #[must_use]
    pub fn takes_json(&self) -> bool {
        self.named("_format").all(|format| is_json(&format.value))
    }

    /// Each parameter with its name taken apart.
    ///
    /// # Errors
    ///
    /// The first name that has none of FHIR's forms.
    pub fn analysed(&self) -> Result<Vec<(ParameterName, &str)>, NameError> {
        self.parameters
            .iter()
            .map(|parameter| ParameterName::parse(&parameter.name).map(|name| (name, parameter.value.as_str())))
            .collect()
    }

    /// Everything that is to be included, `_include` and `_revinclude` alike.
    ///
    /// # Errors
    ///
    /// A value that is not `Type:parameter` or `Type:parameter:Target`.
    pub fn includes(&self) -> Result<Vec<Include>, NameError> {
        let mut all = Vec::new();
        for parameter in &self.parameters {
            if let Ok(ParameterName::Include { reverse, iterate }) = ParameterName::parse(&parameter.name) {
                all.push(Include::parse(&parameter.value, reverse, iterate)?);
            }
        }
        Ok(all)
    }
}

/// `json`, and the media types of FHIR JSON with or without parameters.
fn is_json(format: &str) -> bool {
    let media = format.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().replace(' ', "+");
    ["json", "text/json", "application/json", "application/fhir+json", "application/json+fhir"]
        .contains(&media.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_all_its_names() {
        let takes = |query: &str| Query::parse(query).unwrap().takes_json();
        assert!(takes("") && takes("name=x") && takes("_format=json") && takes("_format=application/fhir%2Bjson"));
        assert!(takes("_format=application/fhir+json") && takes("_format=application/fhir%2Bjson;fhirVersion=4.0"));
        assert!(
            !takes("_format=xml") && !takes("_format=json&_format=application/fhir%2Bxml") && !takes("_format=html")
        );
    }

    #[test]
    fn includes_are_found_under_each_name() {
        let query = Query::parse("_include=Patient:organization&name=x&_revinclude:iterate=Provenance:target").unwrap();
        let includes = query.includes().unwrap();
        assert_eq!(includes.iter().map(Include::name).collect::<Vec<_>>(), ["_include", "_revinclude:iterate"]);
        assert!(Query::parse("_include=Patient").unwrap().includes().is_err());
        assert_eq!(query.value("name"), Some("x"));
        assert_eq!(query.analysed().unwrap().len(), 3);
        assert!(Query::parse("name:odd=x").unwrap().analysed().is_err());
    }
}
