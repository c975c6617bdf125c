//! A principal, a question and an answer as short texts.

use std::sync::LazyLock;

use bascule_fhir::{Id, Interaction, Level, Parameter, Query, ResourceType, Target, Timestamp, Within};
use bascule_smart::scope::{Context, Rights, Scope};
use bascule_smart::{Credentials, Principal, Scopes, TokenRecord, authenticate};
use expect_test::Expect;

use crate::decision::{Asked, Condition, Denial, DenialReason, Narrowing, Permit, TotalRule};
use crate::facts::{Fact, Facts};
use crate::label::Label;
use crate::party::{Agreement, Consent, Organization, Relation};
use crate::record::Period;
use crate::{Api, ApiKind, Elements, Exposure, Mode, Policy, PolicyFile};

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// The policy as it is shipped.
pub(super) fn shipped() -> &'static Policy {
    static SHIPPED: LazyLock<Policy> = LazyLock::new(|| crate::shipped::policy().unwrap());
    &SHIPPED
}

/// A policy of one text.
pub(super) fn policy(text: &str) -> Policy {
    let files = [PolicyFile { name: "policy/test.toml".to_owned(), text: text.to_owned() }];
    Policy::load(&files).unwrap_or_else(|faults| panic!("{}", crate::fault::render(&faults, "")))
}

pub(super) fn api() -> Api {
    Api {
        name: "ehr".to_owned(),
        kind: ApiKind::Fhir,
        service: "ehr".to_owned(),
        exposure: Exposure::ThirdParty,
        mode: Mode::Enforce,
    }
}

/// Nothing on file but who treats patient `a`, and a client of the house's own.
pub(super) fn facts() -> Facts {
    Facts {
        organization: Fact::Known(Some(house())),
        relations: Fact::Known(vec![treats()]),
        relations_as_of: Fact::Known(NOW),
        ..Facts::nothing_on_file()
    }
}

fn treats() -> Relation {
    Relation { patient: id("a"), practitioner: id("p1"), kind: "care-team".to_owned(), from: NOW, until: None }
}

pub(super) fn house() -> Organization {
    Organization {
        id: "house".to_owned(),
        name: "Mercy".to_owned(),
        address: None,
        class: Some("workforce".to_owned()),
        verified: None,
    }
}

pub(super) fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

pub(super) fn kind(text: &str) -> ResourceType {
    ResourceType::parse(text).unwrap()
}

/// Who asks, to be changed by a test.
pub(super) fn token(role: &str, scopes: &str) -> TokenRecord {
    let patient = role == "patient";
    TokenRecord {
        token_id: "t1".to_owned(),
        client: "app".to_owned(),
        organization: Some("house".to_owned()),
        apis: vec!["ehr".to_owned()],
        scopes: self::scopes(scopes),
        roles: role.split('+').map(str::to_owned).collect(),
        user: (role != "scheduler").then(|| "amal".to_owned()),
        fhir_user: match role {
            "patient" => Some((ResourceType::PATIENT, id("a"))),
            "scheduler" => None,
            _ => Some((ResourceType::PRACTITIONER, id("p1"))),
        },
        patient: patient.then(|| id("a")),
        encounter: None,
        purpose: None,
        expires: NOW.plus_seconds(60),
        active: true,
        origin: bascule_smart::Origin::default(),
    }
}

pub(super) fn principal(token: TokenRecord) -> Principal {
    let api = token.apis.first().cloned().unwrap();
    let credentials =
        Credentials { token: Some(token), presented: true, address: "192.0.2.1".to_owned(), user_agent: String::new() };
    authenticate(credentials, &api, NOW).unwrap()
}

/// `patient/Observation.rs?category=lab user/*.cruds`
pub(super) fn scopes(text: &str) -> Scopes {
    Scopes(text.split_whitespace().map(scope).collect())
}

fn scope(text: &str) -> Scope {
    let (context, rest) = text.split_once('/').unwrap();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (resource, letters) = rest.split_once('.').unwrap();
    Scope::Resource {
        context: match context {
            "patient" => Context::Patient,
            "user" => Context::User,
            _ => Context::System,
        },
        resource: (resource != "*").then(|| kind(resource)),
        rights: Rights {
            create: letters.contains('c'),
            read: letters.contains('r'),
            update: letters.contains('u'),
            delete: letters.contains('d'),
            search: letters.contains('s'),
        },
        narrowing: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        v1: false,
    }
}

/// `GET Observation?code=x`, `GET Patient/a`, `GET Patient/a/_history/1`, `GET Patient/a/Observation?x=y`,
/// `POST Appointment`, `PUT Appointment/1`, `DELETE …`, `GET Patient/a/$everything`.
pub(super) fn ask(text: &str) -> Asked {
    let (method, target) = text.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = Query {
        parameters: parameters
            .map(|(name, value)| Parameter { name: name.to_owned(), value: value.to_owned() })
            .collect(),
    };
    let parts: Vec<&str> = path.split('/').collect();
    let interaction = match (method, parts.as_slice()) {
        ("GET", [""]) => Interaction::Search { within: Within::System, query },
        ("GET", ["metadata"]) => Interaction::Capabilities,
        ("GET", [one, "_history"]) => Interaction::History { on: Level::Type(kind(one)), query },
        ("GET", [one, this, "_history"]) => Interaction::History { on: Level::Instance(kind(one), id(this)), query },
        ("GET", [one, this, "_history", version]) => {
            Interaction::Vread { resource: kind(one), id: id(this), version: id(version) }
        }
        ("GET", [one, this, operation]) if operation.starts_with('$') => Interaction::Operation {
            on: Level::Instance(kind(one), id(this)),
            name: operation.trim_start_matches('$').to_owned(),
            query,
        },
        ("GET", [of, this, "*"]) => {
            Interaction::Search { within: Within::Compartment { of: kind(of), id: id(this), resource: None }, query }
        }
        ("GET", [of, this, one]) => Interaction::Search {
            within: Within::Compartment { of: kind(of), id: id(this), resource: Some(kind(one)) },
            query,
        },
        ("GET", [one, this]) => Interaction::Read { resource: kind(one), id: id(this), query },
        ("GET", [one]) => Interaction::Search { within: Within::Type(kind(one)), query },
        ("POST", [one]) => {
            Interaction::Create { resource: kind(one), unless: (!query.parameters.is_empty()).then_some(query) }
        }
        ("PUT", [one, this]) => Interaction::Update { resource: kind(one), target: Target::Instance(id(this)) },
        ("PUT", [one]) => Interaction::Update { resource: kind(one), target: Target::Matching(query) },
        ("PATCH", [one, this]) => Interaction::Patch { resource: kind(one), target: Target::Instance(id(this)) },
        ("DELETE", [one, this]) => Interaction::Delete { resource: kind(one), target: Target::Instance(id(this)) },
        other => panic!("{other:?}"),
    };
    Asked { api: "ehr".to_owned(), interaction }
}

pub(super) fn decide(policy: &Policy, token: TokenRecord, text: &str, facts: &Facts) -> Result<Permit, Box<Denial>> {
    policy.decide(principal(token), ask(text), facts, &api(), NOW)
}

/// The decision in a few words.
pub(super) fn said(outcome: &Result<Permit, Box<Denial>>) -> String {
    match outcome {
        Ok(permit) => format!("permit {}: {}", permit.rule(), narrowing(permit.narrowing())),
        Err(denial) => format!("refuse {}: {}", denial.rule, reason(&denial.reason)),
    }
}

pub(super) fn narrowing(narrowing: &Narrowing) -> String {
    let types: Vec<String> = if narrowing.types.len() > 8 {
        vec![format!("{} types", narrowing.types.len())]
    } else {
        narrowing
            .types
            .iter()
            .map(|(kind, one)| {
                let lanes =
                    if one.lanes.is_empty() { String::new() } else { format!(" and {} lanes", one.lanes.len()) };
                format!("{kind} {}{}{lanes}", elements(&one.elements), conditions(&one.conditions))
            })
            .collect()
    };
    let total = match narrowing.total {
        TotalRule::Exact => ", total",
        TotalRule::Absent => "",
        TotalRule::Only => ", only the total",
    };
    format!("{}{total}", types.join("; "))
}

pub(super) fn elements(elements: &Elements) -> String {
    match elements {
        Elements::Whole => "whole".to_owned(),
        Elements::Only(named) if named.is_empty() => "nothing".to_owned(),
        Elements::Only(named) => named.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
        Elements::Profiled { .. } => crate::describe::elements(elements),
    }
}

fn conditions(conditions: &[Condition]) -> String {
    let all: Vec<String> = conditions.iter().map(condition).collect();
    if all.is_empty() { String::new() } else { format!(" if {}", all.join(" and ")) }
}

fn condition(condition: &Condition) -> String {
    let ids = |ids: &[Id]| ids.iter().map(Id::as_str).collect::<Vec<_>>().join(",");
    match condition {
        Condition::InCompartment { of, ids: these } => format!("{of}/{}", ids(these)),
        Condition::Matches { any_of } => format!("matches {any_of:?}"),
        Condition::IsOneOf(these) => format!("is {}", ids(these)),
        Condition::HasLabel(labels) if labels.len() > 2 => "sensitive".to_owned(),
        Condition::HasLabel(labels) => labels.iter().map(|label| label.code.clone()).collect::<Vec<_>>().join("|"),
        Condition::Not(all) => format!("not({})", all.iter().map(self::condition).collect::<Vec<_>>().join(" and ")),
        Condition::AnyOf(some) => {
            let some: Vec<String> =
                some.iter().map(|all| all.iter().map(self::condition).collect::<Vec<_>>().join(" and ")).collect();
            format!("({})", some.join(" or "))
        }
    }
}

pub(super) fn reason(reason: &DenialReason) -> String {
    match reason {
        DenialReason::ScopeMissing { wanted } => format!("scope {wanted}"),
        DenialReason::NotGranted { interaction, resource } => format!("{interaction} {resource} not granted"),
        DenialReason::ParameterNotGranted { parameter } => format!("parameter {parameter}"),
        DenialReason::ElementNotGranted { element } => format!("element {element}"),
        DenialReason::OutsideCompartment => "outside".to_owned(),
        DenialReason::NotSenderConstrained { exposure } => format!("not sender-constrained: {exposure}"),
        DenialReason::Agreement { missing } => format!("agreement: {missing}"),
        DenialReason::Consent => "consent".to_owned(),
        DenialReason::Purpose { asserted } => format!("purpose {asserted}"),
        DenialReason::FactUnknown { fact } => format!("unknown: {fact}"),
        DenialReason::ReasonAsked { patient } => format!("reason asked for {patient}"),
        DenialReason::NotSupported { mend } => mend.clone(),
    }
}

pub(super) fn check(token: TokenRecord, asked: &str, facts: &Facts, expected: &Expect) {
    expected.assert_eq(&said(&decide(shipped(), token, asked, facts)));
}

pub(super) const ALWAYS: Period = Period { from: Timestamp::from_seconds(0), until: None };
pub(super) const PAST: Period = Period { from: Timestamp::from_seconds(0), until: Some(NOW) };

pub(super) fn recipient(class: &str) -> Facts {
    let organization = Organization { class: Some(class.to_owned()), ..house() };
    Facts { organization: Fact::Known(Some(organization)), ..facts() }
}

pub(super) fn agreement(kind: &str, purposes: &[&str]) -> Agreement {
    Agreement {
        id: "agreement-1".to_owned(),
        organization: "house".to_owned(),
        kind: kind.to_owned(),
        from: Timestamp::from_seconds(0),
        until: None,
        purposes: purposes.iter().map(|purpose| (*purpose).to_owned()).collect(),
        citation: None,
    }
}

pub(super) fn sud() -> Label {
    Label::parse("http://terminology.hl7.org/CodeSystem/v3-ActCode|SUD").unwrap()
}

pub(super) fn consent(patient: &str, permit: bool) -> Consent {
    Consent {
        patient: id(patient),
        permit,
        actors: Vec::new(),
        from: Timestamp::from_seconds(0),
        until: None,
        types: Vec::new(),
        items: Vec::new(),
        purposes: Vec::new(),
        labels: Vec::new(),
        exceptions: Vec::new(),
    }
}
