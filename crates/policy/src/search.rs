//! What a parameter of a query does, told by its name: search, chain, `_has`, include, sort, or shape the answer.

use bascule_fhir::{Parameter, ResourceType};

/// Parameters that shape the answer and search nothing. They need no grant.
pub(crate) const CONTROLS: [&str; 6] = ["_count", "_format", "_pretty", "_summary", "_elements", "_total"];

/// Parameters that are not listed in a grant: what they name must be granted.
pub(crate) const SEPARATE: [&str; 5] = ["_sort", "_include", "_revinclude", "_has", "_type"];

/// Parameters of a history beside the controls.
pub(crate) const HISTORY: [&str; 3] = ["_since", "_at", "_list"];

/// Steps of a chain or of nested `_has` at most.
pub(crate) const CHAIN_STEPS_MAX: usize = 4;

/// What a parameter does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Use<'a> {
    /// Shapes the answer.
    Control,
    /// Sorts by these parameters.
    Sort(Vec<&'a str>),
    /// Searches by a parameter of the type.
    Plain { code: &'a str, modifier: Option<&'a str> },
    /// Follows a reference and searches there.
    Chain { code: &'a str, target: Option<ResourceType>, rest: &'a str },
    /// Searches by what points here.
    Has { source: ResourceType, reference: &'a str, rest: &'a str },
    /// Brings more resources.
    Include {
        /// Whether those that point here.
        reverse: bool,
        /// The type whose reference is followed.
        source: ResourceType,
        /// The parameter that is followed.
        reference: &'a str,
        /// The type that is brought (or, in reverse, pointed at).
        target: Option<ResourceType>,
    },
    /// Brings whatever is referred to.
    IncludeAll,
    /// The types of a search of the whole system.
    Types(Vec<ResourceType>),
    /// Not understood.
    Unknown,
}

/// Tells what a parameter does.
pub(crate) fn usage(parameter: &Parameter) -> Use<'_> {
    let name = parameter.name.as_str();
    if CONTROLS.contains(&name) {
        return Use::Control;
    }
    match name.split(':').next().unwrap_or_default() {
        "_sort" if name == "_sort" => Use::Sort(sort_keys(&parameter.value)),
        "_type" if name == "_type" => types(&parameter.value),
        "_include" => include(name, &parameter.value, false),
        "_revinclude" => include(name, &parameter.value, true),
        "_has" => has(name),
        _ => searching(name),
    }
}

/// The part after a chain or `_has`, which searches too.
pub(crate) fn searching(name: &str) -> Use<'_> {
    if name.starts_with("_has:") {
        return has(name);
    }
    let (head, rest) = match name.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (name, None),
    };
    let (code, modifier) = match head.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (head, None),
    };
    match (rest, modifier) {
        (None, modifier) => Use::Plain { code, modifier },
        (Some(rest), None) => Use::Chain { code, target: None, rest },
        (Some(rest), Some(target)) => match ResourceType::parse(target) {
            Some(target) => Use::Chain { code, target: Some(target), rest },
            None => Use::Unknown,
        },
    }
}

fn sort_keys(value: &str) -> Vec<&str> {
    value.split(',').map(|key| key.strip_prefix('-').unwrap_or(key)).collect()
}

fn types(value: &str) -> Use<'static> {
    value.split(',').map(ResourceType::parse).collect::<Option<Vec<_>>>().map_or(Use::Unknown, Use::Types)
}

/// `_has:Observation:patient:code`
fn has(name: &str) -> Use<'_> {
    let mut parts = name.splitn(4, ':').skip(1);
    let (Some(source), Some(reference), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Use::Unknown;
    };
    match ResourceType::parse(source) {
        Some(source) => Use::Has { source, reference, rest },
        None => Use::Unknown,
    }
}

/// `_include=Observation:subject:Patient`, `_include:iterate=…`
fn include<'a>(name: &str, value: &'a str, reverse: bool) -> Use<'a> {
    if !matches!(name.split_once(':'), None | Some((_, "iterate" | "recurse"))) {
        return Use::Unknown;
    }
    if value == "*" {
        return Use::IncludeAll;
    }
    let mut parts = value.split(':');
    let (Some(source), Some(reference), target, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Use::Unknown;
    };
    if reference == "*" {
        return Use::IncludeAll;
    }
    let target = match target.filter(|target| !target.is_empty()) {
        None => None,
        Some(target) => match ResourceType::parse(target) {
            Some(target) => Some(target),
            None => return Use::Unknown,
        },
    };
    ResourceType::parse(source).map_or(Use::Unknown, |source| Use::Include { reverse, source, reference, target })
}

/// The patient ids that a reference value names: `Patient/1`, `https://x/fhir/Patient/1/_history/2`, or a bare `1` where
/// the parameter can only mean patients. Something else (an identifier, another type) names none.
pub(crate) fn patient_ids(value: &str, only_patients: bool) -> impl Iterator<Item = &str> {
    value.split(',').filter_map(move |one| {
        let one = one.split("/_history/").next().unwrap_or_default();
        match one.rsplit_once('/') {
            Some((before, id)) => (before == "Patient" || before.ends_with("/Patient")).then_some(id),
            None => only_patients.then_some(one),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: &str) -> String {
        format!("{:?}", usage(&Parameter { name: name.to_owned(), value: value.to_owned() }))
    }

    #[test]
    fn every_shape_is_told_apart() {
        assert_eq!(of("_count", "10"), "Control");
        assert_eq!(of("_sort", "-date,status"), r#"Sort(["date", "status"])"#);
        assert_eq!(of("code", "x"), r#"Plain { code: "code", modifier: None }"#);
        assert_eq!(of("code:text", "x"), r#"Plain { code: "code", modifier: Some("text") }"#);
        assert_eq!(
            of("subject:Patient.name", "x"),
            r#"Chain { code: "subject", target: Some(Patient), rest: "name" }"#
        );
        assert_eq!(of("subject.name:exact", "x"), r#"Chain { code: "subject", target: None, rest: "name:exact" }"#);
        assert_eq!(
            of("_has:Observation:patient:code", "x"),
            r#"Has { source: Observation, reference: "patient", rest: "code" }"#
        );
        assert_eq!(
            of("_has:Observation:patient:_has:AuditEvent:entity:user", "x"),
            r#"Has { source: Observation, reference: "patient", rest: "_has:AuditEvent:entity:user" }"#
        );
        assert_eq!(
            of("_include:iterate", "Observation:subject:Patient"),
            r#"Include { reverse: false, source: Observation, reference: "subject", target: Some(Patient) }"#
        );
        assert_eq!(of("_revinclude", "*"), "IncludeAll");
        assert_eq!(of("_include", "Observation:*"), "IncludeAll");
        assert_eq!(of("_type", "Patient,Observation"), "Types([Patient, Observation])");
    }

    #[test]
    fn what_is_not_understood_is_unknown() {
        for (name, value) in [
            ("_has", "x"),
            ("_has:Observation:patient", "x"),
            ("_has:Nothing:patient:code", "x"),
            ("_include", "Observation"),
            ("_include", "Nothing:subject"),
            ("_include:all", "Observation:subject"),
            ("_include", "Observation:subject:Patient:x"),
            ("subject:Pacient.name", "x"),
            ("_type", "Patient,Nothing"),
        ] {
            assert_eq!(of(name, value), "Unknown", "{name}={value}");
        }
    }

    #[test]
    fn references_in_every_form_name_the_same_patient() {
        for value in ["Patient/1", "https://ehr.example/fhir/Patient/1", "Patient/1/_history/3", "1"] {
            assert_eq!(patient_ids(value, true).collect::<Vec<_>>(), ["1"], "{value}");
        }
        assert_eq!(patient_ids("Patient/1,Patient/2", false).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(patient_ids("Practitioner/1,7", false).count(), 0);
    }
}
