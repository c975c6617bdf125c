//! Adding a deny, removing a grant, narrowing a scope, ending a record that permits, losing a fact: none of it ever
//! opens anything. What a permit lets out is worked out here on imagined resources, element by element.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use bascule_fhir::{Id, ResourceType, Timestamp};
use bascule_smart::TokenRecord;
use proptest::prelude::*;

use super::support::*;
use crate::decision::{Condition, Narrowing, Permit};
use crate::facts::{Fact, Facts};
use crate::label::Label;
use crate::party::{Consent, Relation};
use crate::record::{AccessReason, Authorization, Emergency, Period, Representation};
use crate::{Elements, Policy};

/// A resource that is only imagined.
struct Imagined {
    kind: ResourceType,
    id: Id,
    patients: Vec<Id>,
    labels: Vec<Label>,
    category: &'static str,
}

const PATHS: [&str; 8] =
    ["name", "name.given", "birthDate", "gender", "code", "code.coding.display", "valueQuantity", "status"];

fn imagined() -> Vec<Imagined> {
    let label = |code: &str| Label {
        system: "http://terminology.hl7.org/CodeSystem/v3-ActCode".to_owned(),
        code: code.to_owned(),
    };
    let mut all = Vec::new();
    for patient in ["a", "b", "c"] {
        for (labels, category) in [
            (vec![], "x"),
            (vec![], "y"),
            (vec![label("SUD")], "x"),
            (vec![label("PSYTHPN")], "y"),
            (vec![label("VIP")], "x"),
        ] {
            all.push(Imagined {
                kind: ResourceType::PATIENT,
                id: id(patient),
                patients: vec![id(patient)],
                labels: labels.clone(),
                category,
            });
            all.push(Imagined {
                kind: kind("Observation"),
                id: id("o1"),
                patients: vec![id(patient)],
                labels,
                category,
            });
        }
    }
    all
}

fn holds(condition: &Condition, one: &Imagined) -> bool {
    match condition {
        Condition::InCompartment { ids, .. } => one.patients.iter().any(|id| ids.contains(id)),
        Condition::Matches { any_of } => {
            any_of.iter().any(|pairs| pairs.iter().all(|(_, value)| value == one.category))
        }
        Condition::IsOneOf(ids) => ids.contains(&one.id),
        Condition::HasLabel(labels) => one.labels.iter().any(|label| labels.contains(label)),
        Condition::Not(all) => !all.iter().all(|condition| holds(condition, one)),
        Condition::AnyOf(some) => some.iter().any(|all| all.iter().all(|condition| holds(condition, one))),
    }
}

/// What leaves of a resource.
fn shown(narrowing: &Narrowing, one: &Imagined) -> BTreeSet<&'static str> {
    let Some(found) = narrowing.types.get(&one.kind) else { return BTreeSet::new() };
    let mut paths = BTreeSet::new();
    if !found.conditions.iter().all(|condition| holds(condition, one)) {
        return paths;
    }
    let lanes = found.lanes.iter().filter(|lane| lane.conditions.iter().all(|condition| holds(condition, one)));
    for elements in std::iter::once(&found.elements).chain(lanes.map(|lane| &lane.elements)) {
        if **elements == Elements::Whole {
            paths.insert("whole");
        }
        paths.extend(PATHS.into_iter().filter(|path| elements.reaches(one.kind, path)));
    }
    paths
}

/// Everything that a case is made of; each part can be narrowed by itself.
#[derive(Debug, Clone)]
struct Case {
    grants: Vec<(u8, u8, u8, u8)>,
    denies: Vec<u8>,
    no_relation: u8,
    scopes: Vec<u8>,
    roles: u8,
    records: Vec<u8>,
    unknown: Vec<u8>,
}

const TYPES: [&str; 2] = ["Patient", "Observation"];
const PATIENTS: [&str; 5] = ["everyone", "in-context", "related", "own", "represented"];

fn policy_of(case: &Case) -> Policy {
    let mut text = String::new();
    for (index, role) in ["a", "b"].into_iter().enumerate() {
        let no_relation = ["review", "ask"][usize::from(case.no_relation % 2)];
        let _ = writeln!(
            text,
            "[role.{role}]\ntitle = \"R\"\npurpose = [\"TREAT\", \"HOPERAT\"]\napi = \"ehr\"\ntreating = true\nno-relation = \"{no_relation}\""
        );
        let _ = writeln!(
            text,
            "[[role.{role}.grant]]\nresource = \"Location\"\ninteractions = [\"read\"]\nelements = \"*\""
        );
        let mut seen = BTreeSet::new();
        for &(of, kind, elements, terms) in case.grants.iter().filter(|grant| usize::from(grant.0 % 2) == index) {
            let _ = of;
            let line = grant_text(role, kind, elements, terms);
            if seen.insert(line.clone()) {
                text.push_str(&line);
            }
        }
    }
    for (index, deny) in case.denies.iter().enumerate() {
        let role = ["", "role.a.", "role.b."][index % 3];
        let what = [
            "resource = \"Patient\"\ninteractions = [\"search\"]",
            "resource = \"Patient\"\nelements = [\"name.given\"]",
            "resource = \"Observation\"\nelements = [\"code\"]",
            "resource = \"*\"\nsearch = [\"code\"]",
            "resource = \"*\"\nlabels = [\"http://terminology.hl7.org/CodeSystem/v3-ActCode|VIP\"]",
            "resource = \"Observation\"",
        ][usize::from(*deny % 6)];
        let _ = writeln!(text, "[[{role}deny]]\napi = \"ehr\"\n{what}");
    }
    policy(&text)
}

fn grant_text(role: &str, kind: u8, elements: u8, terms: u8) -> String {
    let resource = TYPES[usize::from(kind % 2)];
    let elements = match (kind % 2, elements % 4) {
        (_, 0) => "\"*\"",
        (0, 1) => "[\"name\"]",
        (0, 2) => "[\"name.given\", \"birthDate\"]",
        (0, _) => "[\"gender\"]",
        (_, 1) => "[\"code\", \"subject\"]",
        (_, 2) => "[\"valueQuantity\", \"code.coding.code\", \"code.coding.system\"]",
        (_, _) => "[\"status\", \"subject.reference\"]",
    };
    let patients = PATIENTS[usize::from(terms) % PATIENTS.len()];
    let purpose = if terms.is_multiple_of(7) { "purpose = [\"HOPERAT\"]\n" } else { "" };
    let key = if terms % 6 == 5 { "emergency" } else { "grant" };
    format!(
        "[[role.{role}.{key}]]\nresource = \"{resource}\"\ninteractions = [\"read\", \"search\"]\nelements = {elements}\npatients = \"{patients}\"\n{purpose}"
    )
}

const SCOPES: [&str; 6] = [
    "user/*.rs",
    "patient/*.rs",
    "user/Observation.rs?category=x",
    "patient/Observation.rs?category=y",
    "user/Patient.r",
    "patient/Patient.rs",
];

fn token_of(case: &Case) -> TokenRecord {
    let scopes: Vec<&str> = case.scopes.iter().map(|scope| SCOPES[usize::from(*scope) % SCOPES.len()]).collect();
    TokenRecord {
        roles: [vec!["a"], vec!["b"], vec!["a", "b"]][usize::from(case.roles % 3)]
            .iter()
            .map(|role| (*role).to_owned())
            .collect(),
        patient: Some(id("a")),
        ..token("doctor", &scopes.join(" "))
    }
}

fn facts_of(case: &Case) -> Facts {
    let always = Period { from: Timestamp::from_seconds(0), until: None };
    let sud = Label { system: "http://terminology.hl7.org/CodeSystem/v3-ActCode".to_owned(), code: "SUD".to_owned() };
    let consent = |patient: &str, labels: Vec<Label>| Consent {
        patient: id(patient),
        permit: true,
        actors: Vec::new(),
        from: Timestamp::from_seconds(0),
        until: None,
        types: Vec::new(),
        items: Vec::new(),
        purposes: Vec::new(),
        labels,
        exceptions: Vec::new(),
    };
    let has = |number: u8| case.records.iter().any(|record| record % 8 == number);
    let mut consents = vec![Consent { permit: false, ..consent("c", Vec::new()) }];
    consents.extend(has(0).then(|| consent("b", vec![sud.clone()])));
    consents.extend(has(1).then(|| consent("c", vec![sud])));
    let notes = |patient: &str, psychotherapy_notes| Authorization {
        id: "x".to_owned(),
        patient: id(patient),
        recipient: "house".to_owned(),
        psychotherapy_notes,
        period: always,
    };
    let authorizations: Vec<Authorization> =
        [has(2).then(|| notes("b", true)), has(3).then(|| notes("a", false))].into_iter().flatten().collect();
    let relations = has(4).then(|| Relation {
        patient: id("b"),
        practitioner: id("p1"),
        kind: "care-team".to_owned(),
        from: Timestamp::from_seconds(0),
        until: None,
    });
    let emergency = has(5).then(|| Emergency {
        id: "e".to_owned(),
        user: "amal".to_owned(),
        patient: Some(id("c")),
        reason: String::new(),
        stepped_up: true,
        from: Timestamp::from_seconds(0),
        until: NOW.plus_seconds(1),
    });
    let reasons = has(6).then(|| AccessReason {
        user: "amal".to_owned(),
        patient: id("b"),
        reason: String::new(),
        period: always,
    });
    let representation = has(7).then(|| Representation {
        id: "r".to_owned(),
        user: "amal".to_owned(),
        patient: id("a"),
        basis: String::new(),
        document: String::new(),
        scope: Vec::new(),
        period: always,
        verified_by: String::new(),
        suspended: false,
    });
    let mut facts = Facts {
        consents: consents.into(),
        authorizations: authorizations.into(),
        relations: Fact::Known(relations.into_iter().collect()),
        relations_as_of: Fact::Known(NOW),
        emergencies: Fact::Known(emergency.into_iter().collect()),
        reasons: Fact::Known(reasons.into_iter().collect()),
        representations: Fact::Known(representation.into_iter().collect()),
        ..facts()
    };
    for lost in &case.unknown {
        match lost % 11 {
            0 => facts.consents = Fact::Unknown,
            1 => facts.authorizations = Fact::Unknown,
            2 => facts.relations = Fact::Unknown,
            3 => facts.relations_as_of = Fact::Unknown,
            4 => facts.emergencies = Fact::Unknown,
            5 => facts.reasons = Fact::Unknown,
            6 => facts.representations = Fact::Unknown,
            7 => facts.links = Fact::Unknown,
            8 => facts.holds = Fact::Unknown,
            9 => facts.restrictions = Fact::Unknown,
            _ => facts.organization = Fact::Unknown,
        }
    }
    facts
}

const REQUESTS: [&str; 14] = [
    "GET Patient/a",
    "GET Patient/b",
    "GET Patient/c",
    "GET Observation/o1",
    "GET Observation",
    "GET Observation?patient=a",
    "GET Observation?code=x",
    "GET Observation?patient=b&code=x",
    "GET Patient?name=x",
    "GET Patient?birthdate=1980&given=y",
    "GET Observation?_include=Observation:patient",
    "GET Patient?_revinclude=Observation:patient",
    "GET Observation?patient.name=x",
    "GET Patient?_has:Observation:patient:code=x",
];

/// The case, made narrower in one way; `None` if it cannot be in that way.
fn narrower(case: &Case, way: u8, which: u8) -> Option<Case> {
    let mut after = case.clone();
    let remove = |list: &mut Vec<u8>| (!list.is_empty()).then(|| list.remove(usize::from(which) % list.len()));
    match way % 5 {
        0 if !after.grants.is_empty() => {
            after.grants.remove(usize::from(which) % case.grants.len());
        }
        1 => after.denies.push(which),
        2 => {
            remove(&mut after.scopes)?;
        }
        3 => {
            remove(&mut after.records)?;
        }
        4 => after.unknown.push(which),
        _ => return None,
    }
    Some(after)
}

fn outcome(case: &Case, request: &str) -> Option<Permit> {
    decide(&policy_of(case), token_of(case), request, &facts_of(case)).ok()
}

fn case() -> impl Strategy<Value = Case> {
    let few = || prop::collection::vec(any::<u8>(), 0..4);
    (prop::collection::vec(any::<(u8, u8, u8, u8)>(), 0..6), few(), any::<u8>(), few(), any::<u8>(), few(), few())
        .prop_map(|(grants, denies, no_relation, scopes, roles, records, unknown)| Case {
            grants,
            denies: denies.into_iter().take(1).collect(),
            no_relation,
            scopes,
            roles,
            records,
            unknown: unknown.into_iter().take(1).collect(),
        })
}

/// What the narrower case shows and the wider one does not.
fn opened(before: &Case, after: &Case) -> Option<String> {
    for request in REQUESTS {
        let Some(now) = outcome(after, request) else { continue };
        let Some(then) = outcome(before, request) else { return Some(format!("{request} is permitted now")) };
        for one in imagined() {
            let more: Vec<&str> =
                shown(now.narrowing(), &one).difference(&shown(then.narrowing(), &one)).copied().collect();
            if !more.is_empty() {
                let (now, then) = (narrowing(now.narrowing()), narrowing(then.narrowing()));
                return Some(format!(
                    "{request} shows {more:?} of {} of {:?} {:?}\nbefore {then}\nafter  {now}",
                    one.kind, one.patients, one.labels
                ));
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_narrower_never_opens_anything(before in case(), way in any::<u8>(), which in any::<u8>()) {
        if let Some(after) = narrower(&before, way, which) {
            let found = opened(&before, &after);
            prop_assert!(found.is_none(), "{}", found.unwrap_or_default());
        }
    }
}

/// The property can fail: what is made wider opens.
#[test]
fn what_is_made_wider_opens() {
    let narrow = Case {
        grants: vec![(0, 0, 1, 0)],
        denies: vec![],
        no_relation: 0,
        scopes: vec![0],
        roles: 0,
        records: vec![],
        unknown: vec![],
    };
    let wide = Case { grants: vec![(0, 0, 1, 0), (0, 0, 3, 0)], ..narrow.clone() };
    assert!(opened(&narrow, &wide).is_some());
    assert!(opened(&wide, &narrow).is_none());
    assert!(opened(&Case { scopes: vec![], ..narrow.clone() }, &narrow).is_some());
}
