//! What a reference points at.

use bascule_fhir::{Id, ResourceType};

/// The end of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A resource on this server.
    Here(ResourceType, String),
    /// Anything else that can be compared as a URI.
    Elsewhere(String),
    /// A contained resource: nothing that a search can find.
    Contained,
}

/// Reads `Reference.reference` or a canonical. `base` is how this server names itself.
pub(crate) fn target(reference: &str, base: &str) -> Target {
    if reference.starts_with('#') {
        return Target::Contained;
    }
    let relative = reference.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(reference);
    match local(relative) {
        Some((resource, id)) => Target::Here(resource, id),
        None => Target::Elsewhere(reference.to_owned()),
    }
}

/// `Type/id` and `Type/id/_history/version`.
pub(crate) fn local(relative: &str) -> Option<(ResourceType, String)> {
    let mut parts = relative.split('/');
    let resource = ResourceType::parse(parts.next()?)?;
    let id = Id::parse(parts.next()?)?;
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) | (Some("_history"), Some(_), None) => Some((resource, id.as_str().to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_resources_are_here_however_they_are_named() {
        let here = Target::Here(ResourceType::PATIENT, "1".to_owned());
        for reference in ["Patient/1", "Patient/1/_history/2", "http://ehr/fhir/Patient/1"] {
            assert_eq!(target(reference, "http://ehr/fhir"), here, "{reference}");
        }
        assert_eq!(target("#p", "x"), Target::Contained);
        for reference in ["http://other/fhir/Patient/1", "urn:uuid:1", "Patient", "Nobody/1", "Patient/1/name"] {
            assert_eq!(target(reference, "http://ehr/fhir"), Target::Elsewhere(reference.to_owned()));
        }
    }
}
