//! Form and query parameters as RFC 6749 section 3 wants them: each at most once, an empty one is as if not sent.

use std::collections::BTreeMap;

/// Bytes of one value. Scopes and assertions are the longest.
pub const VALUE_BYTES_MAX: usize = 20_000;
/// Parameters in one request.
pub const PARAMETERS_MAX: usize = 128;

/// The parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    values: BTreeMap<String, String>,
    doubled: Option<String>,
    too_long: bool,
}

impl Parameters {
    /// Of decoded pairs, in any order.
    pub fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut parameters = Self::default();
        for (index, (name, value)) in pairs.into_iter().enumerate() {
            if index >= PARAMETERS_MAX || value.len() > VALUE_BYTES_MAX || name.len() > 256 {
                parameters.too_long = true;
                break;
            }
            if value.is_empty() {
                continue;
            }
            if parameters.values.insert(name.clone(), value).is_some() {
                parameters.doubled.get_or_insert(name);
            }
        }
        parameters
    }

    /// The value of that name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// What is wrong with them as a whole: one sent twice, or beyond the bounds.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        if self.too_long {
            return Some(format!("a parameter is longer than {VALUE_BYTES_MAX} bytes or there are too many"));
        }
        self.doubled.as_ref().map(|name| format!("the parameter `{}` was sent more than once", cut(name)))
    }

    /// Whether that parameter was sent twice.
    #[must_use]
    pub fn is_doubled(&self, name: &str) -> bool {
        self.doubled.as_deref() == Some(name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The same without one.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.values.remove(name);
        self
    }

    /// The same with one set.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.values.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// A stranger's word, cut and made safe for an `error_description` (RFC 6749: `%x20-21 / %x23-5B / %x5D-7E`).
#[must_use]
pub fn cut(text: &str) -> String {
    text.chars().take(64).map(|c| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Parameters {
        Parameters::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn an_empty_value_is_as_if_not_sent() {
        assert_eq!(of(&[("a", "")]).value("a"), None);
        assert_eq!(of(&[("a", ""), ("a", "1")]).fault(), None);
    }

    #[test]
    fn a_parameter_sent_twice_is_named() {
        let doubled = of(&[("state", "1"), ("state", "1")]);
        assert!(doubled.fault().unwrap().contains("`state`"));
        assert!(doubled.is_doubled("state"));
    }

    #[test]
    fn bounds_hold() {
        assert!(of(&[("a", &"x".repeat(VALUE_BYTES_MAX + 1))]).fault().is_some());
        let many = Parameters::of((0..=PARAMETERS_MAX).map(|n| (n.to_string(), "x".to_owned())));
        assert!(many.fault().is_some());
    }

    #[test]
    fn a_strangers_word_is_safe_in_a_header() {
        assert_eq!(cut("a\r\nb\"c\\d\u{e9}"), "a??b?c?d?");
    }
}
