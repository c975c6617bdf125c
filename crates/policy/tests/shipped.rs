//! The policy as it is shipped, as tables that are committed: a changed line is a decision.
//!
//! After a change that is meant: `UPDATE_EXPECT=1 cargo test -p bascule-policy --test shipped`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bascule_fhir::{Id, Interaction, InteractionKind, Level, Query, ResourceType, Target, Timestamp, Within};
use bascule_policy::describe::reason;
use bascule_policy::explain::Simulation;
use bascule_policy::record::{Period, Representation};
use bascule_policy::who_may::Question;
use bascule_policy::{Api, ApiKind, Asked, Exposure, Fact, Facts, Label, Mode, Policy, RecipientClass};
use bascule_smart::Scopes;
use bascule_smart::scope::{Context, Rights, Scope};
use expect_test::expect_file;

#[cfg(test)]
fn shipped() -> Policy {
    bascule_policy::shipped::policy().unwrap()
}

#[test]
fn the_whole_table_is_committed() {
    expect_file!["./who_may.txt"].assert_eq(&shipped().table());
}

/// Elements that a compliance officer asks about first.
const ASKED: [&str; 14] = [
    "Patient.birthDate",
    "Patient.name",
    "Patient.address",
    "Observation.valueQuantity",
    "Condition.code",
    "Condition.code.text",
    "Appointment.start",
    "Appointment.reasonCode",
    "Appointment.participant.actor.display",
    "MedicationRequest.medicationCodeableConcept",
    "DocumentReference.content",
    "Claim.diagnosis",
    "ImagingStudy.series.uid",
    "AuditEvent.agent",
];

#[test]
fn who_may_see_what_is_committed() {
    let policy = shipped();
    let mut all = String::new();
    for path in ASKED {
        all.push_str(&policy.who_may(path, &Question::default()).unwrap().to_string());
        all.push('\n');
    }
    let label = Label::parse("http://terminology.hl7.org/CodeSystem/v3-ActCode|SUD");
    let question = Question { label, ..Question::default() };
    all.push_str("labelled SUD: ");
    all.push_str(&policy.who_may("DocumentReference.content", &question).unwrap().to_string());
    expect_file!["./who_may_elements.txt"].assert_eq(&all);
}

#[test]
fn a_wrong_path_says_what_was_meant() {
    let policy = shipped();
    let wrong = |path: &str| policy.who_may(path, &Question::default()).unwrap_err();
    assert!(wrong("Obsrvation.value").contains("`Observation`"));
    assert!(wrong("Patient.birthdate").contains("birthDate"));
}

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// Whoever holds the role, with every scope, in the class that the role is for.
#[cfg(test)]
fn holder(role: &str) -> Simulation {
    let rights = Rights { create: true, read: true, update: true, delete: true, search: true };
    let scope = Scope::Resource { context: Context::User, resource: None, rights, narrowing: Vec::new(), v1: false };
    let patient = Id::parse("a");
    let (kind, class) = match role {
        "patient" => (ResourceType::PATIENT, RecipientClass::Workforce),
        "mobile-app" => (ResourceType::PATIENT, RecipientClass::PatientApp),
        "payer" => (ResourceType::PRACTITIONER, RecipientClass::Payer),
        "telehealth" | "diagnostic-tool" | "exchange" => {
            (ResourceType::PRACTITIONER, RecipientClass::BusinessAssociate)
        }
        "researcher" => (ResourceType::PRACTITIONER, RecipientClass::Researcher),
        "public-health" => (ResourceType::PRACTITIONER, RecipientClass::PublicAuthority),
        "outside-provider" => (ResourceType::PRACTITIONER, RecipientClass::TreatingProvider),
        _ => (ResourceType::PRACTITIONER, RecipientClass::Workforce),
    };
    Simulation {
        roles: vec![role.to_owned()],
        scopes: Scopes(vec![scope]),
        fhir_user: patient.clone().map(|id| (kind, id)),
        patient,
        purpose: None,
        class,
        verified: false,
        agreement: true,
    }
}

#[cfg(test)]
fn interaction(kind: InteractionKind, resource: ResourceType, operation: &str) -> Option<Interaction> {
    let id = Id::parse("a").unwrap();
    let target = Target::Instance(id.clone());
    Some(match kind {
        InteractionKind::Read => Interaction::Read { resource, id, query: Query::default() },
        InteractionKind::Vread => Interaction::Vread { resource, version: id.clone(), id },
        InteractionKind::History => Interaction::History { on: Level::Instance(resource, id), query: Query::default() },
        InteractionKind::Search => Interaction::Search { within: Within::Type(resource), query: Query::default() },
        InteractionKind::Create => Interaction::Create { resource, unless: None },
        InteractionKind::Update => Interaction::Update { resource, target },
        InteractionKind::Patch => Interaction::Patch { resource, target },
        InteractionKind::Delete => Interaction::Delete { resource, target },
        InteractionKind::Operation => Interaction::Operation {
            on: Level::Instance(resource, id),
            name: operation.to_owned(),
            query: Query::default(),
        },
        InteractionKind::Capabilities | InteractionKind::Batch | InteractionKind::Transaction => return None,
    })
}

/// Every interaction; of operations each that any role is granted.
#[cfg(test)]
fn asked_for(policy: &Policy) -> Vec<(InteractionKind, String)> {
    let mut all: Vec<(InteractionKind, String)> = Vec::new();
    for kind in InteractionKind::ALL {
        if kind == InteractionKind::Operation {
            let granted = policy.roles().flat_map(|role| &role.grants).flat_map(|grant| &grant.operations);
            let names: std::collections::BTreeSet<&String> = granted.collect();
            all.extend(names.into_iter().map(|name| (kind, name.clone())));
        } else {
            all.push((kind, String::new()));
        }
    }
    all
}

/// Every role, interaction and type is decided once, with nothing on file but what the role itself presupposes.
#[test]
fn every_role_interaction_and_type_is_decided_as_committed() {
    let policy = shipped();
    let api = Api {
        name: "ehr".to_owned(),
        kind: ApiKind::Fhir,
        service: "ehr".to_owned(),
        exposure: Exposure::ThirdParty,
        mode: Mode::Enforce,
    };
    let mut all = String::new();
    for role in policy.roles() {
        let holder = holder(&role.name);
        let facts = facts_of(&holder);
        for (kind, operation) in asked_for(&policy) {
            let mut outcomes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for resource in ResourceType::all() {
                let Some(interaction) = interaction(kind, resource, &operation) else { continue };
                let asked = Asked { api: "ehr".to_owned(), interaction };
                let principal = holder.principal("ehr", NOW).unwrap();
                let outcome = match policy.decide(principal, asked, &facts, &api, NOW) {
                    Ok(permit) => format!("permit by {}", permit.rule()),
                    Err(denial) => {
                        format!("refuse by {}: {}", denial.rule, reason(&denial.reason).replace(resource.name(), "it"))
                    }
                };
                outcomes.entry(outcome).or_default().push(resource.name());
            }
            for (outcome, types) in outcomes {
                // Whoever is not named under a permit is refused: that is told by number.
                let types = if types.len() > 60 && outcome.starts_with("refuse") {
                    format!("{} types", types.len())
                } else {
                    types.join(" ")
                };
                let name = if operation.is_empty() { kind.name().to_owned() } else { format!("${operation}") };
                let _ = writeln!(all, "{} {name}: {outcome}: {types}", role.name);
            }
        }
    }
    expect_file!["./decisions.txt"].assert_eq(&all);
}

#[cfg(test)]
fn facts_of(holder: &Simulation) -> Facts {
    let representation = Representation {
        id: "r".to_owned(),
        user: "simulated".to_owned(),
        patient: holder.patient.clone().unwrap(),
        basis: "guardian".to_owned(),
        document: "d".to_owned(),
        scope: Vec::new(),
        period: Period { from: NOW, until: None },
        verified_by: "v".to_owned(),
        suspended: false,
    };
    Facts { representations: Fact::Known(vec![representation]), ..holder.facts(NOW) }
}
