//! What each need brings, in the ids of the API asked; a change is seen by the next request; a warm cache asks nothing.

use bascule_policy::Fact;
use bascule_policy::party::Relation;

use super::*;

/// Everything that a decision can need, about patient `a` of `api`.
fn everything(home: &str, patient: &str) -> Needs {
    Needs {
        organization: Some("house".into()),
        consents_of: vec![id(patient)],
        relations_of: Some(id("d1")),
        care_team_of: Some(id(patient)),
        representations_of: Some(("amal".into(), id(patient))),
        holds_of: Some(id(patient)),
        links_of: Some((home.into(), id(patient))),
        emergencies_of: Some("amal".into()),
        reasons_of: Some("amal".into()),
        ..Needs::default()
    }
}

fn all_patients() -> Needs {
    Needs { organization: Some("house".into()), consents_of_all: true, ..Needs::default() }
}

fn relation(patient: &str) -> Relation {
    Relation { patient: id(patient), practitioner: id("d1"), kind: "care-team".into(), from: ALWAYS.from, until: None }
}

fn full() -> House {
    let house = house();
    house.file("c", "ehr", Record::Consent(consent("a", false)));
    house.file("r", "ehr", restriction("a"));
    house.file("a", "ehr", authorization("a"));
    house.file("p", "ehr", representation("a", None));
    house.file("h", "ehr", hold("a", "o1"));
    house.link(("ehr", "a"), ("lab", "z"));
    house.store.put_relation("ehr", &relation("a"), "feed", NOW).unwrap();
    house
}

#[test]
fn each_need_brings_its_fact() {
    let facts = full().gather("ehr", "ehr", &everything("ehr", "a"));
    assert_eq!(facts.organization.known().unwrap().as_ref().unwrap().name, "Mercy");
    assert_eq!(facts.consents, vec![consent("a", false)].into());
    assert_eq!(facts.restrictions.known().unwrap().len(), 1);
    assert_eq!(facts.authorizations.known().unwrap().len(), 1);
    assert_eq!(facts.representations.known().unwrap().len(), 1);
    assert_eq!(facts.holds.known().unwrap()[0].item.1.as_str(), "o1");
    assert_eq!(facts.links.known().unwrap().ids_in("lab", NOW).count(), 1);
    assert_eq!(facts.relations, Fact::Known(vec![relation("a")]));
    assert_eq!(facts.care_team, Fact::Known(vec!["Practitioner/d1".to_owned()]));
}

#[test]
fn the_same_id_of_another_api_brings_nothing() {
    let facts = full().gather("lab", "lab", &everything("lab", "a"));
    assert_eq!(facts.consents, vec![].into());
    assert_eq!(facts.restrictions, vec![].into());
    assert_eq!(facts.authorizations, vec![].into());
    assert_eq!(facts.representations, Fact::Known(vec![]));
    assert_eq!(facts.holds, Fact::Known(vec![]));
    assert_eq!(facts.relations, Fact::Known(vec![]));
    assert_eq!(facts.care_team, Fact::Known(vec![]));
}

#[test]
fn what_was_filed_about_a_person_follows_the_links_and_items_do_not() {
    let house = full();
    let needs = Needs { holds_of: Some(id("a")), ..everything("ehr", "z") };
    let facts = house.gather("lab", "ehr", &Needs { care_team_of: None, ..needs });
    assert_eq!(facts.consents, vec![consent("z", false)].into());
    assert_eq!(facts.restrictions.known().unwrap()[0].patient, id("z"));
    assert_eq!(facts.authorizations.known().unwrap()[0].patient, id("z"));
    assert_eq!(facts.holds, Fact::Known(vec![]), "o1 is an item of the other API");
    assert_eq!(facts.relations.known().unwrap()[0].patient, id("z"));
    let at_home = house.gather("lab", "lab", &everything("lab", "z"));
    assert_eq!(at_home.representations.known().unwrap()[0].patient, id("z"));
}

#[test]
fn a_warm_cache_asks_the_database_nothing() {
    let house = full();
    let both = || {
        for (api, home) in [("ehr", "ehr"), ("lab", "ehr")] {
            house.gather(api, home, &everything("ehr", "a"));
            house.gather(api, home, &all_patients());
        }
    };
    both();
    let queries = house.store.queries();
    (0..50).for_each(|_| both());
    assert_eq!(house.store.queries(), queries);
}

#[test]
fn every_change_is_seen_by_the_next_request() {
    let house = full();
    let named = || house.gather("ehr", "ehr", &everything("ehr", "a"));
    let all = || house.gather("ehr", "ehr", &all_patients());
    assert_eq!((named().restrictions.known().unwrap().len(), all().restrictions.known().unwrap().len()), (1, 1));
    house.file("r2", "ehr", restriction("a"));
    assert_eq!((named().restrictions.known().unwrap().len(), all().restrictions.known().unwrap().len()), (2, 2));
    house.end(Kind::Restriction, "r2");
    let ended =
        |facts: &Facts| facts.restrictions.known().unwrap().iter().filter(|one| !one.period.holds_at(NOW)).count();
    assert_eq!((ended(&named()), all().restrictions.known().unwrap().len()), (1, 1));
    house.store.put_relation("ehr", &relation("b"), "feed", NOW).unwrap();
    assert_eq!(named().relations.known().unwrap().len(), 2);
    house.unlink(("lab", "z"), true, NOW);
    assert_eq!(named().links.known().unwrap().ids_in("lab", NOW).count(), 0);
    house.store.set_organization_status("house", bascule_store::user::Status::Disabled).unwrap();
    let party = Organization { class: None, ..named().organization.known().unwrap().clone().unwrap() };
    house.store.update_organization(&party).unwrap();
    assert_eq!(named().organization.known().unwrap().as_ref().unwrap().class, None);
}

#[test]
fn a_merge_is_seen_by_the_next_request_that_spans_patients() {
    let house = full();
    let of_lab = || house.gather("lab", "lab", &all_patients()).consents.known().unwrap().clone();
    assert_eq!(*of_lab(), [consent("z", false)]);
    house.link(("ehr", "a"), ("lab", "y"));
    assert_eq!(of_lab().len(), 2);
    house.unlink(("lab", "y"), true, NOW);
    assert_eq!(*of_lab(), [consent("z", false)]);
}

#[test]
fn a_parents_representation_ends_at_the_age_that_the_policy_sets() {
    let holds = |born: &str| {
        let house = house();
        house.file("p", "ehr", representation("a", Some(born)));
        let facts = house.gather("ehr", "ehr", &everything("ehr", "a"));
        facts.representations.known().unwrap()[0].period.holds_at(NOW)
    };
    // NOW is 2026-09-21.
    assert!(holds("2008-09-22"));
    assert!(!holds("2008-09-21"));
}

#[test]
fn consents_of_a_feed_are_known_while_it_is_fresh() {
    let mut house = full();
    let known = |house: &House, api: &str| {
        let facts = house.gather(api, "ehr", &Needs { consents_of: vec![id("a")], ..Needs::default() });
        facts.consents.known().is_some()
    };
    assert!(known(&house, "ehr"), "an API without a feed");
    house.feeds.insert("ehr".into(), 300);
    assert!(!known(&house, "ehr"), "never read");
    house.store.set_feed("consents of ehr", Some(NOW.plus_seconds(-300))).unwrap();
    assert!(known(&house, "ehr"));
    house.store.set_feed("consents of ehr", Some(NOW.plus_seconds(-301))).unwrap();
    assert!(!known(&house, "ehr"), "too old");
    assert!(known(&house, "lab"), "a stranger of the lab, who is linked to nobody");
    let linked = house.gather("lab", "ehr", &Needs { consents_of: vec![id("z")], ..Needs::default() });
    assert_eq!(linked.consents, Fact::Unknown, "linked to the EHR, whose consents are not known");
    assert_eq!(house.gather("lab", "ehr", &all_patients()).consents, Fact::Unknown);
}

#[test]
fn what_the_shelf_cannot_say_is_unknown() {
    let about = |table: &str| {
        let house = full();
        house.break_table(table);
        house.gather("ehr", "ehr", &everything("ehr", "a"))
    };
    let facts = about("filed");
    // The records were read before the shelf broke, and are still what is on file.
    assert!(facts.restrictions.known().is_some());
    let cold = house();
    cold.break_table("filed");
    let facts = cold.gather("ehr", "ehr", &everything("ehr", "a"));
    assert_eq!(facts.restrictions, Fact::Unknown);
    assert_eq!(facts.consents, Fact::Unknown);
    assert_eq!(facts.authorizations, Fact::Unknown);
    assert_eq!(facts.representations, Fact::Unknown);
    assert_eq!(facts.holds, Fact::Unknown);
    assert_eq!(cold.gather("ehr", "ehr", &all_patients()).restrictions, Fact::Unknown);
    let facts = about("identity");
    assert_eq!(facts.links, Fact::Unknown);
    assert_eq!(facts.consents, Fact::Unknown, "what was filed under other ids is not known");
    let facts = about("relation");
    assert_eq!(facts.relations, Fact::Unknown);
    assert_eq!(facts.relations_as_of, Fact::Unknown);
    assert_eq!(facts.care_team, Fact::Unknown);
    let facts = about("agreement");
    assert_eq!(facts.organization, Fact::Unknown);
    assert_eq!(facts.agreements, Fact::Unknown);
}
