//! Explanations and simulations, as they are shown.

use expect_test::expect;

use super::support::*;
use crate::RecipientClass;
use crate::explain::Simulation;

fn explained(role: &str, scopes: &str, asked: &str) -> String {
    let shown = shipped().explain(principal(token(role, scopes)), ask(asked), &facts(), &api(), NOW).to_string();
    shown.replace(shipped().hash(), "HASH")
}

#[test]
fn a_permit_is_explained() {
    expect![[r#"
        permitted to scheduler for HOPERAT (agreement: not-required)
          rule       scheduler.grant[0] (policy/scheduler.toml:8): 164.514(d)(2): appointments are made, moved and cancelled
          asked      search of Appointment by date
          api        ehr, third-party, enforce
          recipient  Mercy (workforce; no agreement needed)
          roles      scheduler
          role       scheduler: scheduler.grant[0] grants it for every patient
          shows      Appointment: end, id, meta.lastUpdated, meta.versionId, minutesDuration, participant.actor.reference, participant.status, slot, start, status, if not (it is labelled 42CFRPart2 or SUD or ETH or ETHUD or OPIOIDUD or ALCUD or SUDPT or PSYTHPN)
          total      not told: it would speak of what is withheld
          policy     HASH
    "#]].assert_eq(&explained("scheduler", "system/*.rs", "GET Appointment?date=ge2026-01-01"));
}

#[test]
fn a_refusal_says_what_to_do_and_nothing_of_the_query() {
    let shown = explained("scheduler", "system/*.rs", "GET Observation?code=secret-value");
    assert!(!shown.contains("secret-value"));
    expect![[r#"
        refused: no role grants search of Observation
          rule       default
          asked      search of Observation by code
          api        ehr, third-party, enforce
          recipient  Mercy (workforce; no agreement needed)
          roles      scheduler
          role       scheduler: grants no search of Observation on ehr
          instead    ask the security officer for a role that grants it, or ask for something else
          policy     HASH
    "#]]
    .assert_eq(&shown);
}

#[test]
fn a_vendor_is_imagined() {
    let telehealth = Simulation {
        roles: vec!["telehealth".to_owned()],
        scopes: scopes("patient/*.rs"),
        patient: Some(id("minor")),
        fhir_user: None,
        purpose: None,
        class: RecipientClass::BusinessAssociate,
        verified: false,
        agreement: true,
    };
    let said =
        |simulation: &Simulation, asked: &str| simulation.explain(shipped(), ask(asked), &api(), NOW).unwrap().outcome;
    expect!["refused: no role grants read of DocumentReference"]
        .assert_eq(&said(&telehealth, "GET DocumentReference/d1"));
    expect!["permitted to telehealth for TREAT (agreement: simulated)"]
        .assert_eq(&said(&telehealth, "GET Patient/minor"));
    expect!["refused: what is missing: an agreement of kind `baa` in force with the organization"]
        .assert_eq(&said(&Simulation { agreement: false, ..telehealth }, "GET Patient/minor"));
}

#[test]
fn a_question_is_read_as_it_is_written() {
    use crate::explain::asked;
    assert_eq!(asked("ehr", "GET Observation?code=x").unwrap(), ask("GET Observation?code=x"));
    assert_eq!(asked("ehr", "/Patient/a").unwrap(), ask("GET Patient/a"));
    assert!(asked("ehr", "FETCH Patient/a").is_err());
    assert!(asked("ehr", "GET Pacient/a").is_err());
    assert_eq!(shipped().label("SUD").unwrap().code, "SUD");
    assert!(shipped().label("unheard").is_none());
}
