//! Losing or ending any record that lets in, or any link, never opens anything: decided over what is gathered from a real
//! shelf, and compared resource by resource.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use bascule_fhir::Interaction;
use bascule_fhir::interaction::Request;
use bascule_policy::decision::{Asked, Condition, Narrowing};
use bascule_policy::party::Relation;
use bascule_policy::{Api, ApiKind, Elements, Exposure, Label, Mode};
use bascule_smart::{Credentials, Principal, TokenRecord, authenticate};
use proptest::prelude::*;

use super::*;

fn label(code: &str) -> Label {
    Label::parse(&format!("http://terminology.hl7.org/CodeSystem/v3-ActCode|{code}")).unwrap()
}

/// A resource that is only imagined: a patient's observation with a label or without.
struct Imagined {
    patient: Id,
    labels: Vec<Label>,
}

fn imagined() -> Vec<Imagined> {
    let of = |patient: &str| {
        ["", "SUD", "PSYTHPN"].map(|code| Imagined {
            patient: id(patient),
            labels: if code.is_empty() { Vec::new() } else { vec![label(code)] },
        })
    };
    ["a", "b", "z"].into_iter().flat_map(of).collect()
}

fn holds(condition: &Condition, one: &Imagined) -> bool {
    let each = |condition: &Condition| holds(condition, one);
    match condition {
        Condition::InCompartment { ids, .. } => ids.contains(&one.patient),
        Condition::IsOneOf(ids) => ids.contains(&id("o1")),
        Condition::HasLabel(labels) => one.labels.iter().any(|label| labels.contains(label)),
        Condition::Matches { .. } => true,
        Condition::Not(all) => !all.iter().all(each),
        Condition::AnyOf(some) => some.iter().any(|all| all.iter().all(each)),
    }
}

/// Which of the imagined resources leave, and of each which of some elements.
fn shown(narrowing: &Narrowing) -> BTreeSet<(usize, &'static str)> {
    let Some(found) = narrowing.types.get(&kind("Observation")) else { return BTreeSet::new() };
    let mut all = BTreeSet::new();
    for (index, one) in imagined().iter().enumerate() {
        if !found.conditions.iter().all(|condition| holds(condition, one)) {
            continue;
        }
        let lanes = found.lanes.iter().filter(|lane| lane.conditions.iter().all(|condition| holds(condition, one)));
        for elements in std::iter::once(&found.elements).chain(lanes.map(|lane| &lane.elements)) {
            if **elements == Elements::Whole {
                all.insert((index, "whole"));
            }
            let reached = ["code", "valueQuantity", "note", "subject.display"];
            all.extend(
                reached
                    .into_iter()
                    .filter(|path| elements.reaches(kind("Observation"), path))
                    .map(|path| (index, path)),
            );
        }
    }
    all
}

const ROLES: [&str; 4] = ["physician", "personal-representative", "researcher", "outside-provider"];

fn principal(role: &str, patient: Option<&str>) -> Principal {
    let context = if patient.is_some() { "patient" } else { "user" };
    let token = TokenRecord {
        token_id: "t".into(),
        client: "app".into(),
        organization: Some("house".into()),
        apis: vec!["ehr".into(), "lab".into()],
        scopes: format!("{context}/*.rs").parse().unwrap(),
        roles: vec![role.to_owned()],
        user: Some("amal".into()),
        fhir_user: Some((ResourceType::PRACTITIONER, id("d1"))),
        patient: patient.map(id),
        encounter: None,
        purpose: None,
        origin: bascule_smart::Origin::default(),
        expires: NOW.plus_seconds(60),
        active: true,
    };
    let credentials =
        Credentials { token: Some(token), presented: true, address: String::new(), user_agent: String::new() };
    authenticate(credentials, "ehr", NOW).unwrap()
}

/// Records that a case may have on file, each with how to lose it.
const RECORDS: [&str; 9] = [
    "link of a",
    "link of b",
    "consent to SUD",
    "consent to research",
    "authorization",
    "representation",
    "relation",
    "denied but to an actor",
    "restriction of a",
];

fn furnish(house: &House, which: &BTreeSet<usize>) {
    let has = |name: &str| which.iter().any(|index| RECORDS[*index] == name);
    if has("link of a") {
        house.link(("ehr", "a"), ("lab", "z"));
    }
    if has("link of b") {
        house.link(("ehr", "b"), ("lab", "a"));
    }
    if has("consent to SUD") {
        house.file("sud", "ehr", Record::Consent(Consent { labels: vec![label("SUD")], ..consent("a", true) }));
    }
    if has("consent to research") {
        house.file(
            "research",
            "ehr",
            Record::Consent(Consent { purposes: vec!["HRESCH".into()], ..consent("a", true) }),
        );
    }
    if has("authorization") {
        house.file("auth", "ehr", authorization("a"));
    }
    if has("representation") {
        house.file("rep", "ehr", representation("a", None));
    }
    if has("relation") {
        let relation = Relation {
            patient: id("a"),
            practitioner: id("d1"),
            kind: "care-team".into(),
            from: ALWAYS.from,
            until: None,
        };
        house.store.put_relation("ehr", &relation, "feed", NOW).unwrap();
    }
    if has("denied but to an actor") {
        let exception = Consent { actors: vec!["house".into()], ..consent("b", true) };
        house.file("denied", "ehr", Record::Consent(Consent { exceptions: vec![exception], ..consent("b", false) }));
    }
    if has("restriction of a") {
        house.file("restricted", "lab", restriction("z"));
    }
}

/// Ends one record that lets in, or a link; `false` if it is none of those on file.
fn lose(house: &House, what: usize) -> bool {
    match RECORDS[what] {
        "link of a" => house.unlink(("lab", "z"), false, NOW),
        "link of b" => house.unlink(("lab", "a"), false, NOW),
        "consent to SUD" => house.end(Kind::Consent, "sud"),
        "consent to research" => house.end(Kind::Consent, "research"),
        "authorization" => house.end(Kind::Authorization, "auth"),
        "representation" => house.end(Kind::Representation, "rep"),
        "relation" => house.store.end_relation("ehr", &id("a"), &id("d1"), "care-team", NOW).unwrap(),
        _ => return false,
    }
    true
}

const ASKED: [&str; 3] = ["Observation?patient=a", "Observation?patient=z", "Observation"];

/// What leaves, of each of the requests at each API for each principal.
fn decided(house: &House) -> Vec<BTreeSet<(usize, &'static str)>> {
    let mut all = Vec::new();
    for api in ["ehr", "lab"] {
        let record = Api {
            name: api.into(),
            kind: ApiKind::Fhir,
            service: "ehr".into(),
            exposure: Exposure::ThirdParty,
            mode: Mode::Enforce,
        };
        for role in ROLES {
            for patient in [None, Some("a")] {
                for text in ASKED {
                    let principal = principal(role, patient);
                    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
                    let path = format!("/{path}");
                    let request = Request { method: "GET", path: &path, query, ..Request::default() };
                    let asked = Asked { api: api.into(), interaction: Interaction::parse(&request).unwrap() };
                    let needs = house.policy.needs(&principal, &asked);
                    let facts = house.gather(api, "ehr", &needs);
                    let permit = house.policy.decide(principal, asked, &facts, &record, NOW);
                    all.push(permit.map(|permit| shown(permit.narrowing())).unwrap_or_default());
                }
            }
        }
    }
    all
}

/// The shipped policy grants on the EHR alone: here the same roles reach a second API as well.
fn two_apis() -> &'static Policy {
    static TWO: LazyLock<Policy> = LazyLock::new(read_two_apis);
    &TWO
}

fn read_two_apis() -> Policy {
    let mut files = bascule_policy::shipped::files();
    for file in &mut files {
        file.text = file.text.replace("= \"ehr\"", "= [\"ehr\", \"lab\"]");
    }
    Policy::load(&files).unwrap_or_else(|faults| panic!("{}", bascule_policy::fault::render(&faults, "")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn losing_a_record_never_opens_anything(which in proptest::collection::btree_set(0..RECORDS.len(), 0..6), lost in 0..RECORDS.len()) {
        prop_assume!(which.contains(&lost));
        let mut house = house();
        house.policy = two_apis();
        furnish(&house, &which);
        let before = decided(&house);
        prop_assume!(lose(&house, lost));
        let after = decided(&house);
        for (index, (before, after)) in before.iter().zip(&after).enumerate() {
            prop_assert!(after.is_subset(before), "{index}: losing {} opens {:?}", RECORDS[lost], after.difference(before));
        }
    }
}

#[test]
fn the_records_do_open_something_so_that_losing_them_can_be_seen() {
    let mut house = house();
    house.policy = two_apis();
    let without = decided(&house).iter().map(BTreeSet::len).sum::<usize>();
    furnish(&house, &[0, 2, 3, 4, 5].into());
    let with = decided(&house).iter().map(BTreeSet::len).sum::<usize>();
    assert!(with > without, "{with} {without}");
}

#[test]
fn a_broken_shelf_opens_nothing() {
    for table in ["filed", "identity", "relation", "agreement", "organization"] {
        let cold = || {
            let mut house = house();
            house.policy = two_apis();
            furnish(&house, &[0, 2, 4, 5, 6].into());
            house
        };
        let before = decided(&cold());
        let broken = cold();
        broken.break_table(table);
        // A shelf that is opened anew knows nothing from before.
        let store = Store::open(&broken.folder.path().join("bascule.db"), NOW).unwrap();
        let broken = House { store, about_all: AboutAll::default(), ..broken };
        let after = decided(&broken);
        for (before, after) in before.iter().zip(&after) {
            assert!(after.is_subset(before), "without {table}: {:?}", after.difference(before));
        }
    }
}
