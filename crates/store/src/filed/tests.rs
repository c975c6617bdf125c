//! Every kind of record is found again as it was filed; a change is seen by the next question.

use bascule_fhir::{Id, ResourceType};
use bascule_policy::record::Representation;

use super::*;
use crate::database::tests::{NOW, store};

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

fn observation() -> ResourceType {
    ResourceType::parse("Observation").unwrap()
}

fn period() -> Period {
    Period { from: NOW, until: Some(NOW.plus_seconds(1_000)) }
}

fn filed(name: &str, record: Record) -> Filed {
    Filed {
        id: name.to_owned(),
        api: "ehr".to_owned(),
        record,
        source: "registrar".to_owned(),
        filed_by: "uid 0".to_owned(),
        filed_at: NOW,
        ended: None,
    }
}

fn label() -> Label {
    Label::parse("http://terminology.hl7.org/CodeSystem/v3-ActCode|SUD").unwrap()
}

fn consent(permit: bool) -> Consent {
    Consent {
        patient: id("a"),
        permit,
        actors: vec!["Practitioner/d1".into()],
        from: NOW,
        until: None,
        types: vec![observation()],
        items: vec![(observation(), id("o1"))],
        purposes: vec!["TREAT".into()],
        labels: vec![label()],
        exceptions: Vec::new(),
    }
}

fn all_kinds() -> Vec<Filed> {
    let nested = Consent { until: Some(NOW), ..consent(false) };
    let restriction = Restriction {
        id: "r1".into(),
        patient: id("a"),
        towards: vec!["payer".into()],
        health_plans: true,
        purposes: vec!["HPAYMT".into()],
        types: vec![ResourceType::PATIENT],
        labels: vec![label()],
        period: period(),
    };
    let authorization = Authorization {
        id: "a1".into(),
        patient: id("a"),
        recipient: "lab".into(),
        psychotherapy_notes: true,
        period: period(),
    };
    let hold = Hold {
        id: "h1".into(),
        patient: id("a"),
        item: (observation(), id("o1")),
        ground: "164.524(a)(3)(i)".into(),
        by: "Practitioner/d1".into(),
        from: NOW,
        until: NOW.plus_seconds(9),
        review: NOW.plus_seconds(5),
    };
    vec![
        filed("c1", Record::Consent(Consent { exceptions: vec![nested], ..consent(true) })),
        filed("r1", Record::Restriction(restriction)),
        filed("a1", Record::Authorization(authorization)),
        filed("p1", Record::Representation(represented("mother"))),
        filed("h1", Record::Hold(hold)),
    ]
}

fn represented(user: &str) -> Represented {
    let record = Representation {
        id: "p1".into(),
        user: user.into(),
        patient: id("a"),
        basis: "parent".into(),
        document: "birth certificate".into(),
        scope: vec![ResourceType::PATIENT],
        period: period(),
        verified_by: "registrar".into(),
        suspended: false,
    };
    Represented { record, label: "Ana".into(), born: Born::parse("2012-05-01") }
}

#[test]
fn every_kind_is_found_again_as_it_was_filed() {
    let (_folder, store) = store();
    for filed in all_kinds() {
        store.file(&filed).unwrap();
        assert!(matches!(store.file(&filed), Err(StoreError::Exists { .. })));
        store.filed.forget();
        let kind = filed.record.kind();
        assert_eq!(store.filed_one(kind, &filed.id).unwrap(), filed, "{}", kind.name());
        assert_eq!(store.filed(kind).unwrap(), [filed]);
    }
    assert_eq!(store.filed_memory().unwrap().of_patient("ehr", &id("a")).len(), 5);
    assert!(store.filed_memory().unwrap().of_patient("lab", &id("a")).is_empty());
    assert_eq!(store.filed_memory().unwrap().of_user("mother").len(), 1);
}

#[test]
fn a_change_is_seen_by_the_next_question_and_nothing_else_asks_the_database() {
    let (_folder, store) = store();
    let before = store.filed_memory().unwrap();
    assert!(before.is_empty());
    let hold = all_kinds().pop().unwrap();
    store.file(&hold).unwrap();
    let queries = store.queries();
    let now = store.filed_memory().unwrap();
    assert_eq!(now.of_patient("ehr", &id("a")).len(), 1);
    assert!(now.version() > before.version());
    for _ in 0..100 {
        store.filed_memory().unwrap();
    }
    assert_eq!(store.queries(), queries);
    let ended = Ended { by: "uid 0".into(), at: NOW.plus_seconds(3), because: "reviewed".into() };
    store.end_filed(Kind::Hold, "h1", &ended).unwrap();
    let found = store.filed_one(Kind::Hold, "h1").unwrap();
    assert_eq!(found.record.period().until, Some(NOW.plus_seconds(3)));
    assert_eq!(found.ended, Some(ended.clone()));
    assert!(store.end_filed(Kind::Hold, "h1", &ended).is_err(), "ended twice");
    assert!(matches!(store.end_filed(Kind::Hold, "h2", &ended), Err(StoreError::Missing { .. })));
}

#[test]
fn an_end_never_makes_a_record_act_longer() {
    let (_folder, store) = store();
    let hold = all_kinds().pop().unwrap();
    store.file(&hold).unwrap();
    let late = Ended { by: "uid 0".into(), at: NOW.plus_seconds(3_000), because: "late".into() };
    let ended = store.end_filed(Kind::Hold, "h1", &late).unwrap();
    assert_eq!(ended.record.period().until, Some(NOW.plus_seconds(9)));
}

#[test]
fn a_hold_is_due_for_review_from_its_day_until_it_ends() {
    let (_folder, store) = store();
    let hold = all_kinds().pop().unwrap();
    let Record::Hold(inner) = &hold.record else { panic!("{hold:?}") };
    let (review, until) = (inner.review, inner.until);
    assert!(hold.hold_to_review(review.plus_seconds(-1)).is_none(), "it is not the day yet");
    assert!(hold.hold_to_review(review).is_some());
    assert!(hold.hold_to_review(until).is_none(), "it ended by itself");
    store.file(&hold).unwrap();
    let ended = Ended { by: "uid 0".into(), at: NOW, because: "looked at".into() };
    assert!(store.end_filed(Kind::Hold, "h1", &ended).unwrap().hold_to_review(review).is_none());
    assert!(all_kinds()[0].hold_to_review(review).is_none(), "only holds are");
}

#[test]
fn a_representation_of_another_user_is_found_under_the_new_one_only() {
    let (_folder, store) = store();
    store.file(&filed("p1", Record::Representation(represented("mother")))).unwrap();
    store.amend_filed(&filed("p1", Record::Representation(represented("father")))).unwrap();
    let records = store.filed_memory().unwrap();
    assert_eq!((records.of_user("mother").len(), records.of_user("father").len()), (0, 1));
}

#[test]
fn a_source_brings_its_records_and_what_it_no_longer_has_is_ended() {
    let (_folder, store) = store();
    let one = |name: &str, permit| {
        let consent = Consent { exceptions: Vec::new(), ..consent(permit) };
        Filed { source: "upstream".into(), ..filed(name, Record::Consent(consent)) }
    };
    store.file(&filed("kept", Record::Consent(consent(true)))).unwrap();
    let sync = |told: &[Filed]| {
        store.sync_filed(Kind::Consent, "upstream", told, &Gone::AllOthersOf("ehr"), NOW.plus_seconds(5)).unwrap()
    };
    assert_eq!(sync(&[one("x", true), one("y", true)]), Synced { added: 2, changed: 0, ended: 0 });
    assert_eq!(sync(&[one("x", true), one("y", true)]), Synced::default());
    assert_eq!(sync(&[one("x", false)]), Synced { added: 0, changed: 1, ended: 1 });
    assert_eq!(sync(&[one("x", false)]), Synced::default(), "ended once");
    assert_eq!(sync(&[one("x", false), one("y", true)]), Synced { added: 0, changed: 1, ended: 0 });
    assert!(store.filed_one(Kind::Consent, "kept").unwrap().ended.is_none(), "another source's record");
    let gone = store.sync_filed(Kind::Consent, "upstream", &[], &Gone::OthersBelow("x"), NOW.plus_seconds(6)).unwrap();
    assert_eq!(gone, Synced { added: 0, changed: 0, ended: 1 });
}

#[test]
fn a_damaged_row_makes_the_records_unknown() {
    let (_folder, store) = store();
    store.file(&all_kinds().pop().unwrap()).unwrap();
    store
        .write(|transaction| {
            transaction.execute("UPDATE filed SET body = '{}'", [])?;
            Ok(())
        })
        .unwrap();
    store.filed.forget();
    assert!(matches!(store.filed_memory(), Err(StoreError::Damaged { .. })));
}
