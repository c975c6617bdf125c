//! What is named of a body that is not FHIR: property paths, attributes, segments and fields. A name brings what is below
//! it.

use std::collections::BTreeSet;

/// Names, or everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Names {
    /// The whole body, as it is.
    All,
    /// These, with what is below each.
    Only(BTreeSet<String>),
}

impl Default for Names {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

/// Between the steps of a name: `patient.id`, `PID-5.1`. A segment of HL7 v2 has three letters, a property may have a `-` in
/// it; so a `-` counts only after three capitals or digits.
fn is_below(name: &str, above: &str) -> bool {
    name.strip_prefix(above).is_some_and(|rest| {
        rest.starts_with('.')
            || (rest.starts_with('-')
                && above.len() == 3
                && above.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()))
    })
}

impl Names {
    /// Whether all of what the name stands for is among them.
    #[must_use]
    pub fn reaches(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|one| {
                let whole = one.strip_suffix(".*").unwrap_or(one);
                name == one || is_below(name, whole)
            }),
        }
    }

    /// Whether nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Only(names) if names.is_empty())
    }

    /// The names in order; `None` is everything.
    #[must_use]
    pub const fn named(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::All => None,
            Self::Only(names) => Some(names),
        }
    }

    /// Those of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(left), Self::Only(right)) => Self::Only(left.union(right).cloned().collect()),
            _ => Self::All,
        }
    }

    /// Without what is denied. Of a name that stands above a denied one nothing is left: what else lies below it is not
    /// known here.
    #[must_use]
    pub fn without(&self, denied: &BTreeSet<String>) -> Self {
        if denied.is_empty() {
            return self.clone();
        }
        let Self::Only(names) = self else { return Self::default() };
        let touches = |name: &str, denied: &str| {
            let (name, denied) = (name.trim_end_matches(".*"), denied.trim_end_matches(".*"));
            name == denied || is_below(name, denied) || is_below(denied, name)
        };
        Self::Only(names.iter().filter(|name| !denied.iter().any(|one| touches(name, one))).cloned().collect())
    }
}

/// `whole`, `nothing`, or the names in order.
impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("whole"),
            Self::Only(names) if names.is_empty() => f.write_str("nothing"),
            Self::Only(names) => f.write_str(&names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Names {
        Names::Only(all.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_name_brings_what_is_below_it_and_nothing_beside() {
        let granted = names(&["patient.name", "start", "PID-3", "OBX", "extra.*"]);
        for inside in ["patient.name", "patient.name.family", "start", "PID-3", "PID-3.1", "OBX-5", "OBX", "extra.a"] {
            assert!(granted.reaches(inside), "{inside}");
        }
        for outside in ["patient", "patient.named", "start-date", "PID-31", "PID", "PID-5", "OBXX", "extra"] {
            assert!(!granted.reaches(outside), "{outside}");
        }
        assert!(Names::All.reaches("anything"));
    }

    #[test]
    fn a_denied_name_takes_what_is_below_and_what_is_above() {
        let granted = names(&["patient", "start", "PID-3", "PID-5.1"]);
        let denied = |one: &str| granted.without(&[one.to_owned()].into());
        assert_eq!(denied("patient.ssn"), names(&["start", "PID-3", "PID-5.1"]));
        assert_eq!(denied("PID"), names(&["patient", "start"]));
        assert_eq!(denied("PID-5"), names(&["patient", "start", "PID-3"]));
        assert_eq!(denied("nothing"), granted);
        assert!(Names::All.without(&["x".to_owned()].into()).is_empty());
    }
}
