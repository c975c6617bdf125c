//! Addresses: those of the upstream become ours, references are read in all their forms.

use crate::masking::Masking;

/// How addresses in a body are turned into ours, and what masks need.
#[derive(Clone, Copy)]
pub struct Rewrite<'r> {
    upstream_base: &'r str,
    public_base: &'r str,
    link: &'r (dyn Fn(&str, &str) -> Option<String> + Send + Sync),
    masking: Option<Masking<'r>>,
}

impl<'r> Rewrite<'r> {
    /// Rewrites what lies below `upstream_base` to lie below `public_base` (both without or with a `/` at the end).
    /// `link` is asked for each link of a Bundle, by relation (`self`, `next`) and address as the upstream wrote it;
    /// `None` drops the link.
    #[must_use]
    pub fn new(
        upstream_base: &'r str,
        public_base: &'r str,
        link: &'r (dyn Fn(&str, &str) -> Option<String> + Send + Sync),
    ) -> Self {
        Self {
            upstream_base: upstream_base.trim_end_matches('/'),
            public_base: public_base.trim_end_matches('/'),
            link,
            masking: None,
        }
    }

    /// As it is, with what masks need.
    #[must_use]
    pub const fn with_masking(self, masking: Masking<'r>) -> Self {
        Self { masking: Some(masking), ..self }
    }

    /// What masks need, if the door gave it.
    pub(crate) const fn given_masking(&self) -> Option<Masking<'r>> {
        self.masking
    }

    /// The base that clients see, without a `/` at the end.
    pub(crate) const fn public_base(&self) -> &'r str {
        self.public_base
    }

    /// What a link of a Bundle becomes.
    pub(crate) fn link(&self, relation: &str, url: &str) -> Option<String> {
        (self.link)(relation, url)
    }

    /// What follows the upstream's base, if the address lies below it.
    pub(crate) fn below_upstream<'a>(&self, address: &'a [u8]) -> Option<&'a [u8]> {
        below(self.upstream_base, address)
    }

    /// Type and id that a reference names, if it is a literal one to a resource of the upstream: relative
    /// (`Patient/1`), absolute below the upstream's base or ours, and either of a version (`…/_history/2`).
    pub(crate) fn target<'a>(&self, reference: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let absolute = self.below_upstream(reference).or_else(|| below(self.public_base, reference));
        let relative = absolute.map_or(Some(reference), |rest| rest.strip_prefix(b"/"))?;
        let mut steps = relative.split(|byte| *byte == b'/');
        let (resource, id) = (steps.next()?, steps.next()?);
        let version = match (steps.next(), steps.next(), steps.next()) {
            (None, ..) => true,
            (Some(b"_history"), Some(version), None) => is_id(version),
            _ => false,
        };
        (version && is_id(id) && is_type(resource)).then_some((resource, id))
    }
}

impl std::fmt::Debug for Rewrite<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rewrite")
            .field("upstream_base", &self.upstream_base)
            .field("public_base", &self.public_base)
            .finish_non_exhaustive()
    }
}

fn below<'a>(base: &str, address: &'a [u8]) -> Option<&'a [u8]> {
    let rest = address.strip_prefix(base.as_bytes())?;
    (!base.is_empty() && matches!(rest.first(), None | Some(b'/' | b'?' | b'#'))).then_some(rest)
}

fn is_id(word: &[u8]) -> bool {
    (1..=64).contains(&word.len())
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

fn is_type(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_uppercase) && word.iter().all(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(reference: &str) -> Option<String> {
        let rewrite = Rewrite::new("http://ehr.internal/fhir/", "https://bridge.example/ehr", &|_, _| None);
        let (resource, id) = rewrite.target(reference.as_bytes())?;
        Some(format!("{} {}", String::from_utf8_lossy(resource), String::from_utf8_lossy(id)))
    }

    #[test]
    fn lesson_05_references_compare_equal_in_all_their_forms() {
        for reference in [
            "Patient/1",
            "Patient/1/_history/7",
            "http://ehr.internal/fhir/Patient/1",
            "http://ehr.internal/fhir/Patient/1/_history/7",
            "https://bridge.example/ehr/Patient/1",
        ] {
            assert_eq!(target(reference).as_deref(), Some("Patient 1"), "{reference}");
        }
    }

    #[test]
    fn what_is_no_reference_to_the_upstream_names_nothing() {
        for reference in [
            "",
            "#p1",
            "Patient",
            "Patient/",
            "Patient/1/",
            "Patient/1/_history",
            "Patient/1/_history/",
            "Patient/1/_history/2/3",
            "Patient/1/name",
            "Patient/1?x=y",
            "Patient/1#x",
            "/Patient/1",
            "patient/1",
            "http://ehr.internal/fhirx/Patient/1",
            "http://ehr.internal/fhirPatient/1",
            "http://ehr.internal/fhir//Patient/1",
            "http://elsewhere.example/fhir/Patient/1",
            "urn:uuid:0f2e1c1e-0000-4000-8000-000000000000",
        ] {
            assert_eq!(target(reference), None, "{reference}");
        }
    }
}
