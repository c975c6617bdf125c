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

/// Whether a policy lets do a thing, asked of its rules as they were written and of no table.
fn permits(policy: &Policy, space: &Space, change: &Change, one: &Circumstance) -> bool {
    let Some(role) = policy.role(&change.role) else { return false };
    let denies: Vec<_> = policy
        .denies()
        .iter()
        .chain(&role.denies)
        .filter(|deny| deny.is_about(&change.api, change.resource, change.kind))
        .collect();
    if denies.iter().any(|deny| deny.what == Denied::Interaction) {
        return false;
    }
    role.grants.iter().any(|grant| {
        let Some(elements) = grant.elements.get(&change.resource) else { return false };
        let mut elements = elements.as_ref().clone();
        for deny in &denies {
            if let Denied::Elements(paths) = &deny.what {
                elements = without(change.resource, &elements, paths);
            }
        }
        grant.apis.contains(&change.api)
            && grant.interactions.contains(&change.kind)
            && space.covers(&grant.terms, role.no_relation, one)
            && lets(grant, &elements, &denies, change)
    })
}

fn lets(grant: &Grant, elements: &Elements, denies: &[&crate::rules::Deny], change: &Change) -> bool {
    let resource = change.resource;
    match &change.thing {
        Thing::Interaction => true,
        Thing::Whole => !grant.terms.only_count && *elements == Elements::Whole,
        Thing::Element(path) => !grant.terms.only_count && elements.reaches(resource, path),
        Thing::Search(code) => {
            let leaves = schema::reads(resource, code).and_then(|reads| reads.leaves.clone());
            schema::parameter(resource, code).is_some()
                && grant.search.as_ref().is_none_or(|listed| listed.contains(code))
                && leaves.map_or(*elements == Elements::Whole, |leaves| {
                    leaves.iter().all(|leaf| elements.reaches(resource, leaf))
                })
                && !denies.iter().any(|deny| matches!(&deny.what, Denied::Search(names) if names.contains(code)))
        }
        Thing::Set(path) => {
            grant.writes.elements.get(&resource).is_some_and(|writes| writes.reaches(resource, path))
                && !grant.writes.values.contains_key(path)
        }
        Thing::Value(path, value) => grant.writes.values.get(path).is_some_and(|values| values.contains(value)),
        Thing::Sort(_) | Thing::Operation(_) | Thing::Labelled(_) | Thing::Masked(..) | Thing::Part(_) => {
            panic!("not generated")
        }
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
        3 => writeln!(text, "[[role.r0.deny]]\nresource = \"*\"\nsearch = [\"date\"]"),
        _ => Ok(()),
    };
    text
}

fn grant_text(types: u8, kinds: u8, elements: u8, terms: u8) -> String {
    let resource = ["Appointment", "Patient"][usize::from(types % 2)];
    let kinds = [r#""read""#, r#""search""#, r#""read", "search""#][usize::from(kinds % 3)];
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
    format!("resource = \"{resource}\"\ninteractions = [{kinds}]\nelements = {elements}\n{terms}")
}

/// Every thing of the small space.
fn things() -> Vec<(ResourceType, Thing)> {
    let mut all = Vec::new();
    for (name, paths) in [
        (
            "Appointment",
            [
                "start",
                "status",
                "participant",
                "participant.status",
                "participant.actor",
                "participant.actor.reference",
                "participant.actor.display",
                "text",
            ],
        ),
        ("Patient", ["name", "name.given", "name.family", "birthDate", "telecom", "gender", "extension", "text"]),
    ] {
        let resource = ResourceType::parse(name).unwrap();
        all.extend([Thing::Interaction, Thing::Whole].map(|thing| (resource, thing)));
        all.extend(paths.map(|path| (resource, Thing::Element(path.to_owned()))));
        all.extend(
            ["date", "name", "birthdate", "given", "_text"].map(|code| (resource, Thing::Search(code.to_owned()))),
        );
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn the_difference_is_what_asking_about_everything_finds(
        before in prop::collection::vec(any::<(u8, u8, u8, u8, u8)>(), 0..4),
        after in prop::collection::vec(any::<(u8, u8, u8, u8, u8)>(), 0..4),
        denies in any::<(u8, u8)>(),
    ) {
        let (old, new) = (load(&policy_text(&before, denies.0)), load(&policy_text(&after, denies.1)));
        let difference = diff(&old, &new);
        let space = Space::of([&old, &new]);
        let all = space.all();
        for role in ["r0", "r1"] {
            for (resource, thing) in things() {
                for kind in [InteractionKind::Read, InteractionKind::Search] {
                    if matches!(thing, Thing::Search(_)) && kind == InteractionKind::Read {
                        continue;
                    }
                    let asked = Change { role: role.to_owned(), api: "ehr".to_owned(), resource, kind, thing: thing.clone(), circumstances: BTreeSet::new() };
                    for (from, to, found) in [(&old, &new, &difference.opens), (&new, &old, &difference.closes)] {
                        let expected: BTreeSet<Circumstance> =
                            all.iter().filter(|one| permits(to, &space, &asked, one) && !permits(from, &space, &asked, one)).cloned().collect();
                        let listed = found.iter().find(|change| change.role == role && change.resource == resource && change.kind == kind && change.thing == thing);
                        let named = is_told(&thing, (role, "ehr", resource, kind), [&old, &new]);
                        prop_assert!(!named || listed.map(|change| change.circumstances.clone()).unwrap_or_default() == expected, "{role} {resource} {kind:?} {thing:?}");
                    }
                }
            }
        }
    }
}

/// The difference tells elements of the type and those that a rule of this place names; finer ones follow from them.
fn is_told(thing: &Thing, place: Place<'_>, policies: [&Policy; 2]) -> bool {
    let Thing::Element(path) = thing else { return true };
    let mut named = policies.into_iter().flat_map(|policy| reaches(policy, place)).map(|reach| reach.elements.as_ref());
    !path.contains('.') || named.any(|elements| matches!(elements, Elements::Only(named) if named.contains(path)))
}
