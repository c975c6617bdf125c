//! Who sent it: how the identifiers, codes and times of one partner are read.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a URI's last part keeps as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A sender as the site has agreed with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// Its name in configuration, policy and log.
    pub name: String,
    /// A URI under which its own numbers and codes live, without a slash at the end.
    pub base: String,
    /// Assigning authorities by their namespace, as in `GHH` → `http://ghh.example/mrn`.
    pub authorities: BTreeMap<String, String>,
    /// The zone of times without an offset, in minutes east of UTC.
    pub offset_minutes: i16,
}

impl Partner {
    /// The system of an identifier or organization whose authority is written as namespace, universal id and its type (HD).
    #[must_use]
    pub fn authority(&self, namespace: Option<&str>, id: Option<&str>, kind: Option<&str>) -> String {
        if let Some(system) = namespace.and_then(|namespace| self.authorities.get(namespace)) {
            return system.clone();
        }
        match (id, kind) {
            (Some(id), Some("ISO")) if is_oid(id) => format!("urn:oid:{id}"),
            (Some(id), Some("URI")) if !id.contains(char::is_whitespace) => id.to_owned(),
            (Some(id), Some("DNS")) => format!("http://{}", part(id)),
            _ => match namespace.or(id) {
                Some(name) => self.own(name),
                None => self.own("id"),
            },
        }
    }

    /// A system of the partner's own.
    #[must_use]
    pub fn own(&self, name: &str) -> String {
        format!("{}/{}", self.base, part(name))
    }
}

fn part(text: &str) -> String {
    utf8_percent_encode(text.trim(), KEPT).to_string()
}

fn is_oid(text: &str) -> bool {
    text.starts_with(['0', '1', '2'])
        && text.contains('.')
        && text.split('.').all(|arc| {
            arc == "0" || (!arc.is_empty() && !arc.starts_with('0') && arc.bytes().all(|byte| byte.is_ascii_digit()))
        })
}

#[cfg(test)]
pub(crate) fn example() -> Partner {
    Partner {
        name: "lab".into(),
        base: "http://lab.example".into(),
        authorities: BTreeMap::from([("GHH".to_owned(), "http://ghh.example/mrn".to_owned())]),
        offset_minutes: 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_uri() {
        let of = |namespace, id, kind| example().authority(namespace, id, kind);
        assert_eq!(of(Some("GHH"), None, None), "http://ghh.example/mrn");
        assert_eq!(of(Some("X"), Some("2.16.840.1"), Some("ISO")), "urn:oid:2.16.840.1");
        assert_eq!(of(None, Some("2.16.040.1"), Some("ISO")), "http://lab.example/2.16.040.1");
        assert_eq!(of(Some("SIMULATOR MRN"), None, None), "http://lab.example/SIMULATOR%20MRN");
        assert_eq!(of(None, None, None), "http://lab.example/id");
    }
}
