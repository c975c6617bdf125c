//! Security labels (`meta.security`), as policy and conditions name them.

use std::fmt;

/// A security label: a code of a system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The code system's URI.
    pub system: String,
    /// The code.
    pub code: String,
}

impl Label {
    /// `system|code`, as a FHIR token is written; both parts must be there.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (system, code) = text.split_once('|')?;
        let sound = !system.is_empty() && !code.is_empty() && !code.contains('|');
        sound.then(|| Self { system: system.to_owned(), code: code.to_owned() })
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.system, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_needs_system_and_code() {
        let label = Label::parse("http://terminology.hl7.org/CodeSystem/v3-ActCode|SUD").unwrap();
        assert_eq!(label.code, "SUD");
        assert_eq!(Label::parse(&label.to_string()), Some(label));
        assert_eq!(Label::parse("SUD"), None);
        assert_eq!(Label::parse("|SUD"), None);
        assert_eq!(Label::parse("a|b|c"), None);
    }
}
