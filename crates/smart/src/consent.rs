//! What a person is asked, in a person's words, and what they chose: every scope can be left out, narrowed to kinds,
//! and kept from changing anything.

use bascule_fhir::ResourceType;

use crate::{Context, Rights, Scope, Scopes};

/// A narrower form of a scope that a person can pick instead of all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// What a person reads.
    pub label: &'static str,
    /// The scope that it becomes.
    pub scope: Scope,
}

/// One line of the consent page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The scope as it was asked.
    pub scope: Scope,
    /// What a person reads.
    pub title: String,
    /// Whether it can be left out; who somebody is and which patient is meant cannot.
    pub optional: bool,
    /// Whether the app asks to read and to change, so that changing can be left out.
    pub may_change: bool,
    /// The kinds to which it can be narrowed.
    pub kinds: Vec<Kind>,
}

impl Choice {
    /// The name of its tick.
    #[must_use]
    pub fn keep_name(index: usize) -> String {
        format!("keep.{index}")
    }

    /// The name of the tick that lets the app change things.
    #[must_use]
    pub fn change_name(index: usize) -> String {
        format!("change.{index}")
    }

    /// The name of the tick of one of its kinds.
    #[must_use]
    pub fn kind_name(index: usize, kind: usize) -> String {
        format!("kind.{index}.{kind}")
    }
}

/// The lines for these scopes, in their order.
#[must_use]
pub fn choices(scopes: &Scopes) -> Vec<Choice> {
    scopes.0.iter().map(choice).collect()
}

fn choice(scope: &Scope) -> Choice {
    let (title, optional) = match scope {
        Scope::Resource { .. } => (resource_title(scope), true),
        Scope::OpenId => ("Know that it is you who signed in".to_owned(), false),
        Scope::FhirUser => ("Read your own entry (name and contact)".to_owned(), false),
        Scope::Profile => ("See your name".to_owned(), true),
        Scope::Launch => ("See what is open in the record".to_owned(), false),
        Scope::LaunchPatient => ("Know whose record is meant".to_owned(), false),
        Scope::LaunchEncounter => ("Know which visit is meant".to_owned(), true),
        Scope::OfflineAccess => ("Keep this access when you are not using the app, until you end it".to_owned(), true),
        Scope::Administer => ("Change users, clients and organizations of this server".to_owned(), true),
        Scope::Provision => ("Feed the directory of people".to_owned(), true),
        Scope::OrchestrateLaunch => ("Open other apps with what you have open".to_owned(), true),
        Scope::OnlineAccess => ("Keep this access while you are signed in here".to_owned(), true),
    };
    let may_change =
        matches!(scope, Scope::Resource { rights, .. } if rights.writes() && (rights.read || rights.search));
    Choice { scope: scope.clone(), title, optional, may_change, kinds: kinds(scope) }
}

fn resource_title(scope: &Scope) -> String {
    let Scope::Resource { context, resource, rights, narrowing, .. } = scope else { return String::new() };
    let reads = rights.read || rights.search;
    let verb = match (reads, rights.writes()) {
        (true, false) => "Read",
        (true, true) => "Read and change",
        _ => "Add or change",
    };
    let what = match resource {
        None => "everything in the record".to_owned(),
        Some(resource) => words(*resource),
    };
    let whose = if *context == Context::User { " (of all patients whom you may see)" } else { "" };
    let only = match narrowing.as_slice() {
        [] => String::new(),
        pairs => format!(": only {}", pairs.iter().map(|(_, value)| kind_words(value)).collect::<Vec<_>>().join(", ")),
    };
    format!("{verb} {what}{only}{whose}")
}

/// The last part of a code: `…/observation-category|vital-signs` is `vital signs`; a known one has its own words.
fn kind_words(value: &str) -> String {
    CATEGORIES
        .iter()
        .find(|(.., code)| *code == value)
        .map(|(_, label, _)| label.to_lowercase())
        .unwrap_or_else(|| value.rsplit('|').next().unwrap_or(value).replace('-', " "))
}

/// A type in a person's words.
#[must_use]
pub fn words(resource: ResourceType) -> String {
    WORDS
        .iter()
        .find(|(name, _)| *name == resource.name())
        .map(|(_, words)| (*words).to_owned())
        .unwrap_or_else(|| format!("entries of the type {resource}"))
}

fn kinds(scope: &Scope) -> Vec<Kind> {
    let Scope::Resource { context, resource, rights, narrowing, .. } = scope else { return Vec::new() };
    if !narrowing.is_empty() {
        return Vec::new();
    }
    let Some(resource) = resource else {
        let typed = |(name, label): &(&'static str, &'static str)| {
            let resource = ResourceType::parse(name)?;
            Some(Kind { label, scope: narrowed_to(scope, resource)? })
        };
        return WORDS.iter().filter_map(typed).collect();
    };
    CATEGORIES
        .iter()
        .filter(|(name, ..)| *name == resource.name())
        .map(|(_, label, code)| Kind {
            label,
            scope: Scope::Resource {
                context: *context,
                resource: Some(*resource),
                rights: *rights,
                narrowing: vec![("category".to_owned(), (*code).to_owned())],
                v1: false,
            },
        })
        .collect()
}

fn narrowed_to(scope: &Scope, to: ResourceType) -> Option<Scope> {
    let Scope::Resource { context, rights, v1, .. } = scope else { return None };
    Some(Scope::Resource { context: *context, resource: Some(to), rights: *rights, narrowing: Vec::new(), v1: *v1 })
}

/// What was chosen; `ticked` tells whether the tick of that name was sent. Nothing can come out that was not asked.
#[must_use]
pub fn chosen(choices: &[Choice], ticked: impl Fn(&str) -> bool) -> Scopes {
    let mut out = Scopes::default();
    for (index, choice) in choices.iter().enumerate() {
        if choice.optional && !ticked(&Choice::keep_name(index)) {
            continue;
        }
        let change = !choice.may_change || ticked(&Choice::change_name(index));
        let mut kinds: Vec<Scope> = choice
            .kinds
            .iter()
            .enumerate()
            .filter(|(kind, _)| ticked(&Choice::kind_name(index, *kind)))
            .map(|(_, kind)| kind.scope.clone())
            .collect();
        if kinds.is_empty() {
            kinds.push(choice.scope.clone());
        }
        kinds
            .into_iter()
            .filter_map(|scope| if change { Some(scope) } else { reading(scope) })
            .for_each(|s| out.add(s));
    }
    out
}

/// The same scope without the rights to change anything.
fn reading(scope: Scope) -> Option<Scope> {
    match scope {
        Scope::Resource { context, resource, rights, narrowing, v1 } => {
            let rights = rights.and(Rights::READ);
            (!rights.is_none()).then_some(Scope::Resource { context, resource, rights, narrowing, v1 })
        }
        other => Some(other),
    }
}

/// The types that people ask for, in the order of a consent page.
const WORDS: [(&str, &str); 34] = [
    ("Patient", "name, address and contact"),
    ("Observation", "lab results, vital signs and other measurements"),
    ("DiagnosticReport", "lab and imaging reports"),
    ("Condition", "diagnoses and health problems"),
    ("AllergyIntolerance", "allergies"),
    ("MedicationRequest", "prescriptions"),
    ("MedicationStatement", "medicines taken"),
    ("MedicationDispense", "medicines handed out"),
    ("MedicationAdministration", "medicines given"),
    ("Medication", "descriptions of medicines"),
    ("Immunization", "vaccinations"),
    ("Procedure", "operations and procedures"),
    ("Encounter", "visits and hospital stays"),
    ("Appointment", "appointments"),
    ("DocumentReference", "letters, notes and documents"),
    ("Binary", "contents of documents"),
    ("ImagingStudy", "X-ray, CT and other images"),
    ("CarePlan", "care plans"),
    ("CareTeam", "the care team"),
    ("Goal", "health goals"),
    ("ServiceRequest", "orders and referrals"),
    ("Device", "implants and devices"),
    ("Specimen", "samples taken"),
    ("FamilyMemberHistory", "illnesses in the family"),
    ("QuestionnaireResponse", "answered questionnaires"),
    ("Communication", "messages"),
    ("Coverage", "insurance"),
    ("Claim", "claims to the insurance"),
    ("ExplanationOfBenefit", "statements of the insurance"),
    ("Practitioner", "names of doctors and staff"),
    ("PractitionerRole", "where doctors and staff work"),
    ("Organization", "names of hospitals and practices"),
    ("Location", "places of care"),
    ("Provenance", "who entered what"),
];

/// The categories of US Core by which scopes are narrowed.
const CATEGORIES: [(&str, &str, &str); 18] = [
    ("Condition", "Problem list", "http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item"),
    (
        "Condition",
        "Diagnoses of visits",
        "http://terminology.hl7.org/CodeSystem/condition-category|encounter-diagnosis",
    ),
    ("Condition", "Health concerns", "http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern"),
    ("Observation", "Lab results", "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"),
    ("Observation", "Vital signs", "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"),
    ("Observation", "Social history", "http://terminology.hl7.org/CodeSystem/observation-category|social-history"),
    ("Observation", "Surveys", "http://terminology.hl7.org/CodeSystem/observation-category|survey"),
    ("Observation", "Social needs", "http://hl7.org/fhir/us/core/CodeSystem/us-core-category|sdoh"),
    ("Observation", "Imaging results", "http://terminology.hl7.org/CodeSystem/observation-category|imaging"),
    ("Observation", "Examinations", "http://terminology.hl7.org/CodeSystem/observation-category|exam"),
    ("Observation", "Procedures", "http://terminology.hl7.org/CodeSystem/observation-category|procedure"),
    ("Observation", "Other clinical tests", "http://hl7.org/fhir/us/core/CodeSystem/us-core-category|clinical-test"),
    ("Observation", "Therapy", "http://terminology.hl7.org/CodeSystem/observation-category|therapy"),
    ("Observation", "Activity", "http://terminology.hl7.org/CodeSystem/observation-category|activity"),
    (
        "DocumentReference",
        "Clinical notes",
        "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category|clinical-note",
    ),
    ("DiagnosticReport", "Laboratory", "http://terminology.hl7.org/CodeSystem/v2-0074|LAB"),
    ("DiagnosticReport", "Radiology", "http://loinc.org|LP29684-5"),
    ("DiagnosticReport", "Pathology", "http://loinc.org|LP7839-6"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(asked: &str, ticks: &[&str], granted: &str) {
        let choices = choices(&asked.parse().unwrap());
        assert_eq!(chosen(&choices, |name| ticks.contains(&name)).to_string(), granted);
    }

    #[test]
    fn what_is_not_ticked_is_not_granted() {
        let asked = "openid launch/patient patient/Patient.rs patient/Observation.rs offline_access";
        check(asked, &["keep.2"], "openid launch/patient patient/Patient.rs");
        check(asked, &["keep.2", "keep.4"], "openid launch/patient patient/Patient.rs offline_access");
        check(asked, &[], "openid launch/patient");
    }

    #[test]
    fn sc_8_to_sc_12_a_whole_type_can_be_narrowed_to_kinds() {
        check(
            "patient/Condition.rs patient/Observation.rs",
            &["keep.0", "kind.0.1", "kind.0.2", "keep.1", "kind.1.0", "kind.1.2"],
            "patient/Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|encounter-diagnosis \
             patient/Condition.rs?category=http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern \
             patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory \
             patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|social-history",
        );
    }

    #[test]
    fn everything_can_be_narrowed_to_types() {
        check(
            "patient/*.read",
            &["keep.0", "kind.0.0", "kind.0.4"],
            "patient/Patient.read patient/AllergyIntolerance.read",
        );
    }

    #[test]
    fn changing_can_be_left_out() {
        check("patient/Observation.cruds", &["keep.0"], "patient/Observation.rs");
        check("patient/Observation.cruds", &["keep.0", "change.0"], "patient/Observation.cruds");
        check("patient/Observation.*", &["keep.0"], "patient/Observation.read");
        check("patient/Observation.cud", &["keep.0"], "patient/Observation.cud");
    }

    #[test]
    fn lines_read_as_a_person_would_say() {
        let title = |scope: &str| choices(&scope.parse().unwrap()).remove(0).title;
        assert_eq!(title("patient/AllergyIntolerance.rs"), "Read allergies");
        assert_eq!(title("patient/*.rs"), "Read everything in the record");
        assert_eq!(
            title("user/Condition.cruds"),
            "Read and change diagnoses and health problems (of all patients whom you may see)"
        );
        assert_eq!(
            title(
                "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"
            ),
            "Read lab results, vital signs and other measurements: only vital signs"
        );
    }

    proptest! {
        #[test]
        fn nothing_comes_out_that_was_not_asked(ticks in proptest::collection::vec(any::<bool>(), 200)) {
            let asked: Scopes = "openid patient/*.cruds patient/Condition.rs user/Observation.read offline_access".parse().unwrap();
            let choices = choices(&asked);
            let ticked = |name: &str| {
                let at = name.bytes().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
                ticks[at % ticks.len()]
            };
            prop_assert!(chosen(&choices, ticked).is_within(&asked));
        }
    }
}
