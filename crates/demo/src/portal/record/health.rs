//! Conditions, allergies and vaccines.

use serde_json::Value;

use super::super::words::When;
use super::read::{coded, concept, first_when, list, text, when};

/// Something that the problem list names.
#[derive(Debug, Clone)]
pub(in super::super) struct Condition {
    pub(in super::super) name: String,
    pub(in super::super) since: Option<When>,
    pub(in super::super) until: Option<When>,
    pub(in super::super) active: bool,
}

/// Conditions of the problem list, what is now first.
pub(in super::super) fn conditions(bodies: &[Value]) -> Vec<Condition> {
    let mut all: Vec<Condition> = bodies.iter().filter(|body| is_problem(body)).map(one_condition).collect();
    all.sort_by_key(|condition| (!condition.active, std::cmp::Reverse(condition.since)));
    all
}

/// Not the diagnosis of a single visit, and not withdrawn.
fn is_problem(body: &Value) -> bool {
    let visit = list(body, "/category").iter().any(|category| coded(category, "", "encounter-diagnosis"));
    !visit && !coded(body, "/verificationStatus", "entered-in-error") && !coded(body, "/verificationStatus", "refuted")
}

fn one_condition(body: &Value) -> Condition {
    let over = ["resolved", "inactive", "remission"].iter().any(|code| coded(body, "/clinicalStatus", code));
    Condition {
        name: concept(body, "/code").unwrap_or_else(|| String::from("Condition")),
        since: first_when(body, &["/onsetDateTime", "/onsetPeriod/start", "/recordedDate"]),
        until: first_when(body, &["/abatementDateTime", "/abatementPeriod/end"]),
        active: !over,
    }
}

/// What somebody must not meet.
#[derive(Debug, Clone)]
pub(in super::super) struct Allergy {
    pub(in super::super) name: String,
    pub(in super::super) reaction: Option<String>,
    /// Whether it can be dangerous.
    pub(in super::super) severe: bool,
    /// Whether it says that there is none.
    pub(in super::super) none_known: bool,
}

/// Allergies, the dangerous ones first.
pub(in super::super) fn allergies(bodies: &[Value]) -> Vec<Allergy> {
    let valid = |body: &&Value| {
        !coded(body, "/verificationStatus", "entered-in-error") && !coded(body, "/verificationStatus", "refuted")
    };
    let mut all: Vec<Allergy> = bodies.iter().filter(valid).map(one_allergy).collect();
    all.sort_by_key(|allergy| !allergy.severe);
    all
}

fn one_allergy(body: &Value) -> Allergy {
    let severe = text(body, "/criticality") == Some("high")
        || list(body, "/reaction").iter().any(|reaction| text(reaction, "/severity") == Some("severe"));
    Allergy {
        name: concept(body, "/code").unwrap_or_else(|| String::from("Allergy")),
        reaction: concept(body, "/reaction/0/manifestation/0"),
        severe,
        none_known: ["716186003", "409137002", "1631000175102"].iter().any(|code| coded(body, "/code", code)),
    }
}

/// A vaccine that was given, or refused.
#[derive(Debug, Clone)]
pub(in super::super) struct Vaccine {
    pub(in super::super) name: String,
    pub(in super::super) when: Option<When>,
    pub(in super::super) given: bool,
}

/// Vaccines, newest first.
pub(in super::super) fn vaccines(bodies: &[Value]) -> Vec<Vaccine> {
    let mut all: Vec<Vaccine> = bodies
        .iter()
        .filter(|body| text(body, "/status") != Some("entered-in-error"))
        .map(|body| Vaccine {
            name: concept(body, "/vaccineCode").unwrap_or_else(|| String::from("Vaccine")),
            when: when(body, "/occurrenceDateTime"),
            given: text(body, "/status") == Some("completed"),
        })
        .collect();
    all.sort_by_key(|vaccine| std::cmp::Reverse(vaccine.when));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_diagnosis_of_a_visit_is_no_problem() {
        let of = |code: &str| json!({"category": [{"coding": [{"code": code}]}], "code": {"text": "x"}});
        assert_eq!(conditions(&[of("encounter-diagnosis"), of("problem-list-item")]).len(), 1);
    }

    #[test]
    fn what_is_over_comes_last() {
        let of = |name: &str, status: &str| json!({"clinicalStatus": {"coding": [{"code": status}]}, "code": {"text": name}});
        let names: Vec<String> = conditions(&[of("old", "resolved"), of("new", "active")])
            .into_iter()
            .map(|condition| condition.name)
            .collect();
        assert_eq!(names, ["new", "old"]);
    }

    #[test]
    fn no_known_allergy_is_not_an_allergy() {
        let body = json!({"code": {"coding": [{"code": "716186003"}], "text": "No known allergy"}});
        assert!(allergies(&[body])[0].none_known);
    }
}
