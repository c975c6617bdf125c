//! Whether a permit's condition holds for a resource that is about to be written. What cannot be judged does not hold.

use bascule_fhir::{Id, Reference, ResourceType, compartment};
use bascule_policy::Condition;
use serde_json::Value;

/// The two bases below which a reference may stand for a resource of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bases<'a> {
    /// As clients write it.
    pub(crate) public: &'a str,
    /// As the upstream writes it.
    pub(crate) upstream: &'a str,
}

impl Bases<'_> {
    /// Type and id of a reference to a resource of the API.
    pub(crate) fn local<'r>(&self, reference: &'r Reference) -> Option<(ResourceType, &'r Id)> {
        reference.local(self.public).or_else(|| reference.local(self.upstream))
    }
}

/// Whether it certainly holds.
pub(crate) fn holds(condition: &Condition, value: &Value, bases: &Bases<'_>) -> bool {
    judge(condition, value, bases) == Some(true)
}

/// `None` is: cannot be judged.
fn judge(condition: &Condition, value: &Value, bases: &Bases<'_>) -> Option<bool> {
    let each = |one: &Condition| judge(one, value, bases);
    match condition {
        Condition::InCompartment { of, ids } => {
            let owners = compartment::owners(*of, value);
            let inside =
                |owner: &Reference| bases.local(owner).is_some_and(|(kind, id)| kind == *of && ids.contains(id));
            Some(owners.iter().any(inside))
        }
        Condition::IsOneOf(ids) => {
            let id = value.get("id").and_then(Value::as_str);
            Some(id.is_some_and(|id| ids.iter().any(|one| one.as_str() == id)))
        }
        Condition::HasLabel(labels) => {
            let codings = value.pointer("/meta/security").and_then(Value::as_array).into_iter().flatten();
            let text = |coding: &Value, name: &str| coding.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
            let mut held = codings.map(|coding| (text(coding, "system"), text(coding, "code")));
            let named = |(system, code): (Option<String>, Option<String>)| {
                labels.iter().any(|label| Some(&label.system) == system.as_ref() && Some(&label.code) == code.as_ref())
            };
            Some(held.any(named))
        }
        Condition::Matches { .. } => None,
        Condition::Not(all) => {
            let judged: Vec<_> = all.iter().map(each).collect();
            if judged.contains(&Some(false)) { Some(true) } else { judged.iter().all(Option::is_some).then_some(false) }
        }
        Condition::AnyOf(alternatives) => {
            let judged: Vec<_> = alternatives
                .iter()
                .map(|all| {
                    let all: Vec<_> = all.iter().map(each).collect();
                    if all.contains(&Some(false)) {
                        Some(false)
                    } else {
                        all.iter().all(Option::is_some).then_some(true)
                    }
                })
                .collect();
            if judged.contains(&Some(true)) { Some(true) } else { judged.iter().all(Option::is_some).then_some(false) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BASES: Bases<'_> = Bases { public: "https://bridge.example/fhir", upstream: "http://ehr.internal/fhir" };

    fn own() -> Condition {
        Condition::InCompartment { of: ResourceType::PATIENT, ids: [Id::parse("a").unwrap()].into() }
    }

    fn observation(subject: &str) -> Value {
        json!({ "resourceType": "Observation", "subject": { "reference": subject } })
    }

    fn check(condition: &Condition, value: &Value, expect: bool) {
        assert_eq!(holds(condition, value, &BASES), expect, "{condition:?} on {value}");
    }

    #[test]
    fn a_reference_is_the_same_in_all_its_forms() {
        for subject in [
            "Patient/a",
            "https://bridge.example/fhir/Patient/a",
            "http://ehr.internal/fhir/Patient/a",
            "Patient/a/_history/3",
        ] {
            check(&own(), &observation(subject), true);
        }
        for subject in ["Patient/b", "https://elsewhere.example/Patient/a", "urn:uuid:0", "#a", "Practitioner/a"] {
            check(&own(), &observation(subject), false);
        }
    }

    #[test]
    fn what_cannot_be_judged_does_not_hold_either_way() {
        let unknown = Condition::Matches { any_of: vec![] };
        check(&unknown, &observation("Patient/a"), false);
        check(&Condition::Not([unknown.clone()].into()), &observation("Patient/a"), false);
        check(&Condition::Not([unknown.clone(), own()].into()), &observation("Patient/b"), true);
        check(&Condition::AnyOf(vec![vec![unknown], vec![own()]]), &observation("Patient/a"), true);
    }
}
