//! The difference of two policies agrees with asking both about every single thing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::PolicyFile;
use crate::rules::{Denied, Grant, without};

fn load(text: &str) -> Policy {
    let files = [PolicyFile { name: "p.toml".to_owned(), text: text.to_owned() }];
    Policy::load(&files).unwrap_or_else(|faults| panic!("{}\n{text}", crate::fault::render(&faults, "")))
}

const BASE: &str = r#"
[role.desk]
title = "Desk"
purpose = ["HOPERAT"]
api = "ehr"
[[role.desk.grant]]
resource = "Appointment"
interactions = ["read", "search"]
search = ["date"]
elements = ["start", "end"]
"#;

#[test]
fn a_difference_reads_as_what_opens_and_closes() {
    let wider =
        BASE.replace(r#"["start", "end"]"#, r#"["start", "status"]"#).replace(r#"["date"]"#, r#"["date", "status"]"#);
    let shown = diff(&load(BASE), &load(&wider)).to_string();
    expect![[r#"
        opens:
        + desk  ehr Appointment read, search: status [every patient; HOPERAT]
        + desk  ehr Appointment search: search by status [every patient; HOPERAT]
        closes:
        - desk  ehr Appointment read, search: end [every patient; HOPERAT]
    "#]]
    .assert_eq(&shown);
    let narrower = BASE.replace("[[role.desk.grant]]", "[[role.desk.grant]]\npatients = \"related\"");
    expect![[r#"
        nothing opens.
        closes:
        - desk  ehr Appointment read, search: may ask, end, id, start [every patient; HOPERAT; without review]
        - desk  ehr Appointment search: search by date [every patient; HOPERAT; without review]
    "#]]
    .assert_eq(&diff(&load(BASE), &load(&narrower)).to_string());
    expect![[r#"
        nothing opens, nothing closes.
    "#]]
    .assert_eq(&diff(&load(BASE), &load(BASE)).to_string());
}

#[test]
fn settings_are_told_too() {
    let changed = format!("{BASE}[consent.ehr]\ndefault = [\"TREAT\"]\n[relations]\nage-minutes-max = 5\n");
    let difference = diff(&load(BASE), &load(&changed));
    assert!(difference.opens.is_empty() && difference.closes.is_empty());
    assert_eq!(difference.settings.len(), 2);
}

/// The circumstances in which a policy lets do a thing, asked of its rules as they were written and of no table.
fn permitted(policy: &Policy, space: &Space, change: &Change) -> BTreeSet<Circumstance> {
    let Some(role) = policy.role(&change.role) else { return BTreeSet::new() };
    let denies: Vec<_> = policy
        .denies()
        .iter()
        .chain(&role.denies)
        .filter(|deny| deny.is_about(&change.api, change.resource, change.kind))
        .collect();
    let about = |grant: &&Grant| {
        grant.apis.contains(&change.api)
            && grant.interactions.contains(&change.kind)
            && grant.elements.contains_key(&change.resource)
    };
    // What may be said to another organization is said in whatever is granted at all.
    let disclosed = matches!(change.thing, Thing::Disclose(_));
    if denies.iter().any(|deny| deny.what == Denied::Interaction) || !role.grants.iter().any(|grant| about(&grant)) {
        return BTreeSet::new();
    }
    let grants = role.grants.iter().filter(|grant| disclosed || about(grant));
    let letting = grants.filter(|grant| lets(grant, &denies, change));
    let one = |grant: &Grant| {
        let all = space.all().into_iter();
        all.filter(|one| space.covers(&grant.terms, role.no_relation, one)).collect::<Vec<_>>()
    };
    letting.flat_map(one).collect()
}

fn lets(grant: &Grant, denies: &[&crate::rules::Deny], change: &Change) -> bool {
    let resource = change.resource;
    let less = |elements: &Elements| {
        denies.iter().fold(elements.clone(), |left, deny| match &deny.what {
            Denied::Elements(paths) => without(resource, &left, paths),
            _ => left,
        })
    };
    let elements =
        grant.elements.get(&resource).map(|elements| less(elements)).unwrap_or(Elements::Only(BTreeSet::new()));
    let reads = |code: &str, listed: &str| {
        let leaves = schema::reads(resource, code).and_then(|reads| reads.leaves.clone());
        schema::parameter(resource, code).is_some()
            && !matches!(code, "_query" | "_filter")
            && grant.search.as_ref().is_none_or(|names| names.contains(listed))
            && leaves.map_or(elements == Elements::Whole, |leaves| {
                leaves.iter().all(|leaf| elements.reaches(resource, leaf))
            })
            && !denies.iter().any(
                |deny| matches!(&deny.what, Denied::Search(names) if names.contains(code) || names.contains(listed)),
            )
    };
    match &change.thing {
        Thing::Interaction => true,
        Thing::Whole => !grant.terms.only_count && elements == Elements::Whole,
        Thing::Element(path) => !grant.terms.only_count && elements.reaches(resource, path),
        Thing::Search(code) => change.kind == InteractionKind::Search && reads(code, code),
        Thing::Sort(code) => change.kind == InteractionKind::Search && reads(code, &format!("_sort:{code}")),
        Thing::Operation(name) => change.kind == InteractionKind::Operation && grant.operations.contains(name),
        Thing::Labelled(label) => {
            !grant.terms.only_count
                && !denies.iter().any(|deny| matches!(&deny.what, Denied::Labels(labels) if labels.contains(label)))
        }
        Thing::Disclose(path) => {
            grant.discloses.get(&resource).is_some_and(|elements| less(elements).reaches(resource, path))
        }
        Thing::Set(path) => {
            change.kind == InteractionKind::Update
                && grant.writes.elements.get(&resource).is_some_and(|writes| less(writes).reaches(resource, path))
                && !grant.writes.values.contains_key(path)
        }
        Thing::Value(path, value) => {
            change.kind == InteractionKind::Update
                && grant.writes.elements.get(&resource).is_some_and(|writes| less(writes).reaches(resource, path))
                && grant.writes.values.get(path).is_some_and(|values| values.contains(value))
        }
        // Masks and profiles have their own tests below.
        Thing::Masked(..) | Thing::Part(_) => false,
    }
}

/// A small policy: each number chooses one thing.
fn policy_text(grants: &[(u8, u8, u8, u8, u8)], deny: u8) -> String {
    let mut text = String::new();
    let mut roles: BTreeSet<u8> = grants.iter().map(|grant| grant.0 % 2).collect();
    roles.insert(0);
    for role in roles {
        let _ = writeln!(
            text,
            "[role.r{role}]\ntitle = \"R\"\npurpose = [\"TREAT\", \"HOPERAT\"]\napi = \"ehr\"\nno-relation = \"{}\"",
            ["review", "ask", "refuse"][usize::from(deny % 3)]
        );
        let mut seen = BTreeSet::new();
        let own = grants.iter().filter(|grant| grant.0 % 2 == role);
        for &(_, types, kinds, elements, terms) in own.chain([&(0, 0, 0, 0, 0)]) {
            let line = grant_text(types, kinds, elements, terms);
            if seen.insert(line.clone()) {
                let _ = writeln!(text, "[[role.r{role}.grant]]\n{line}");
            }
        }
    }
    let _ = match deny % 5 {
        1 => writeln!(text, "[[deny]]\napi = \"ehr\"\nresource = \"Appointment\"\nelements = [\"participant.status\"]"),
        2 => writeln!(text, "[[role.r0.deny]]\nresource = \"Patient\"\ninteractions = [\"search\"]"),
        3 => writeln!(text, "[[role.r0.deny]]\nresource = \"*\"\nsearch = [\"date\", \"_sort:name\"]"),
        4 => writeln!(text, "[[role.r0.deny]]\nresource = \"Patient\"\nlabels = [\"urn:l|VIP\"]"),
        _ => Ok(()),
    };
    text
}

fn grant_text(types: u8, kinds: u8, elements: u8, terms: u8) -> String {
    let resource = ["Appointment", "Patient"][usize::from(types % 2)];
    let set = if types.is_multiple_of(2) { "start" } else { "gender" };
    let (kinds, more) = match kinds % 6 {
        0 => (r#""read""#, String::new()),
        1 => (r#""search""#, String::new()),
        2 => (r#""read", "search""#, "operations = [\"everything\"]\n".to_owned()),
        3 => (r#""read", "update""#, format!("writes = [\"{set}\", \"identifier\"]\n")),
        4 => (r#""update""#, format!("writes = \"*\"\nvalues = {{ {set} = [\"one\", \"two\"] }}\n")),
        _ => (r#""read""#, format!("discloses = [\"{set}\", \"identifier.value\"]\n")),
    };
    let elements = match (types % 2, elements % 4) {
        (_, 0) => r#""*""#,
        (0, 1) => r#"["start"]"#,
        (0, 2) => r#"["participant", "status"]"#,
        (0, _) => r#"["participant.actor.reference"]"#,
        (_, 1) => r#"["name"]"#,
        (_, 2) => r#"["name.given", "birthDate"]"#,
        (_, _) => r#"["telecom"]"#,
    };
    let terms = [
        "",
        "patients = \"own\"\n",
        "patients = \"related\"\n",
        "patients = \"related\"\nrelations = [\"care-team\"]\n",
        "purpose = [\"TREAT\"]\n",
        "exposure = [\"internal\"]\n",
        "hours = \"07:00-19:00\"\n",
        "organizations = [\"house\"]\n",
    ][usize::from(terms % 8)];
    format!("resource = \"{resource}\"\ninteractions = [{kinds}]\nelements = {elements}\n{more}{terms}")
}

/// Every thing of a type: all elements down to the third step, all parameters, and what the small policies name beside.
fn things(resource: ResourceType) -> Vec<Thing> {
    let mut paths: BTreeSet<String> = ["id", "text"].map(str::to_owned).into();
    let mut level: Vec<String> = schema::top_elements(resource).map(str::to_owned).collect();
    for _ in 0..3 {
        paths.extend(level.iter().cloned());
        level = level
            .iter()
            .flat_map(|path| schema::below(resource, path).into_iter().map(move |name| format!("{path}.{name}")))
            .collect();
    }
    paths.insert("participant.actor.display".to_owned());
    let mut all = vec![Thing::Interaction, Thing::Whole, Thing::Operation("everything".to_owned())];
    all.push(Thing::Labelled(crate::Label::parse("urn:l|VIP").unwrap()));
    for path in &paths {
        all.extend([Thing::Element(path.clone()), Thing::Set(path.clone()), Thing::Disclose(path.clone())]);
    }
    for path in ["start", "gender"] {
        all.extend(["one", "two"].map(|value| Thing::Value(path.to_owned(), value.to_owned())));
    }
    for parameter in schema::parameters(resource) {
        all.extend([Thing::Search(parameter.code.to_owned()), Thing::Sort(parameter.code.to_owned())]);
    }
    all
}

const NAMES: [&str; 2] = ["Appointment", "Patient"];
const ASKED: [InteractionKind; 4] =
    [InteractionKind::Read, InteractionKind::Search, InteractionKind::Update, InteractionKind::Operation];

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    /// Over the whole finite space: what is listed is what asking finds, and nothing is listed that asking does not reach.
    #[test]
    fn the_difference_is_what_asking_about_everything_finds(
        before in prop::collection::vec(any::<(u8, u8, u8, u8, u8)>(), 0..4),
        after in prop::collection::vec(any::<(u8, u8, u8, u8, u8)>(), 0..4),
        denies in any::<(u8, u8)>(),
    ) {
        let (old, new) = (load(&policy_text(&before, denies.0)), load(&policy_text(&after, denies.1)));
        let difference = diff(&old, &new);
        let space = Space::of([&old, &new]);
        let labelled = [&old, &new].iter().any(|policy| !labels([policy, policy]).is_empty());
        let mut reached = [0; 2];
        for (role, name) in [("r0", NAMES[0]), ("r0", NAMES[1]), ("r1", NAMES[0]), ("r1", NAMES[1])] {
            let resource = ResourceType::parse(name).unwrap();
            for (thing, kind) in things(resource).into_iter().flat_map(|thing| ASKED.map(|kind| (thing.clone(), kind))) {
                let place = (role, "ehr", resource, kind);
                let asked = Change { role: role.to_owned(), api: "ehr".to_owned(), resource, kind, thing: thing.clone(), circumstances: BTreeSet::new() };
                let (was, is) = (permitted(&old, &space, &asked), permitted(&new, &space, &asked));
                let pairs = [(&was, &is, &difference.opens), (&is, &was, &difference.closes)];
                for (at, (from, to, found)) in pairs.into_iter().enumerate() {
                    let expected: BTreeSet<Circumstance> = to.difference(from).cloned().collect();
                    let listed = found.iter().find(|change| change.role == role && change.resource == resource && change.kind == kind && change.thing == thing);
                    reached[at] += usize::from(listed.is_some());
                    let told = is_told(&thing, place, [&old, &new]) && (labelled || !matches!(thing, Thing::Labelled(_)));
                    prop_assert!(!told || listed.map(|change| change.circumstances.clone()).unwrap_or_default() == expected, "{role} {resource} {kind:?} {thing:?}");
                }
            }
        }
        let others: Vec<&Change> = difference.opens.iter().chain(&difference.closes).collect();
        prop_assert_eq!(reached[0] + reached[1], others.len(), "something is listed that nobody can ask about");
    }
}

/// The difference tells elements of the type and those that a rule of this place names; finer ones follow from them.
fn is_told(thing: &Thing, place: Place<'_>, policies: [&Policy; 2]) -> bool {
    let (Thing::Element(path) | Thing::Set(path) | Thing::Disclose(path)) = thing else { return true };
    let reached = policies.into_iter().flat_map(|policy| reaches(policy, place));
    let named = named(place.2, reached);
    named.contains(path) || policies.into_iter().any(|policy| disclosed_paths(policy, place).contains(path))
}
