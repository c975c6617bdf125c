//! Relations, emergency access, observe, and how several roles are joined; each passes once and is turned away once.

use bascule_fhir::{ResourceType, Timestamp};
use bascule_smart::TokenRecord;
use expect_test::expect;

use super::support::*;
use crate::decision::{Duty, Exemption};
use crate::facts::{Fact, Facts};
use crate::party::Relation;
use crate::record::{AccessReason, Emergency};
use crate::{Api, Mode};

fn with_panel(no_relation: &str) -> crate::Policy {
    policy(&format!(
        "[role.doctor]\ntitle = \"D\"\npurpose = [\"TREAT\"]\napi = \"ehr\"\nno-relation = \"{no_relation}\"\ntreating = true\n[[role.doctor.grant]]\nresource = [\"Patient\", \"Observation\"]\npatients = \"related\"\nrelations = [\"care-team\"]\ninteractions = [\"read\", \"search\"]\nelements = \"*\"\n[[role.doctor.emergency]]\nresource = [\"Patient\", \"Observation\"]\ninteractions = [\"read\", \"search\"]\nelements = \"*\"\npurpose = [\"ETREAT\"]\n"
    ))
}

fn related(kind: &str, as_of: Timestamp) -> Facts {
    let relation = Relation {
        patient: id("a"),
        practitioner: id("p1"),
        kind: kind.to_owned(),
        from: Timestamp::from_seconds(0),
        until: None,
    };
    Facts { relations: Fact::Known(vec![relation]), relations_as_of: Fact::Known(as_of), ..facts() }
}

#[test]
fn a_soft_panel_asks_or_reviews_and_never_walls_in() {
    let doctor = || token("doctor", "user/*.rs");
    let fresh = || related("care-team", NOW);
    let asks = with_panel("ask");
    expect!["permit doctor.grant[0]: Patient whole if not(sensitive)"].assert_eq(&said(&decide(
        &asks,
        doctor(),
        "GET Patient/a",
        &fresh(),
    )));
    expect!["refuse doctor.grant[0]: reason asked for b"].assert_eq(&said(&decide(
        &asks,
        doctor(),
        "GET Patient/b",
        &fresh(),
    )));
    let reason =
        AccessReason { user: "amal".to_owned(), patient: id("b"), reason: "consult".to_owned(), period: ALWAYS };
    let given = Facts { reasons: Fact::Known(vec![reason]), ..fresh() };
    let permit = decide(&asks, doctor(), "GET Patient/b", &given).unwrap();
    assert!(matches!(permit.duties(), [Duty::Review { .. }]));
    // What cannot be told beforehand is looked at afterwards.
    let permit = decide(&asks, doctor(), "GET Observation/o1", &fresh()).unwrap();
    assert!(matches!(permit.duties(), [Duty::ReviewUnlessRelated { related }] if related == &[id("a")]));
    let permit = decide(&with_panel("review"), doctor(), "GET Patient/b", &fresh()).unwrap();
    assert!(matches!(permit.duties(), [Duty::Review { .. }]));
    // Another kind of relation does not count.
    expect!["refuse doctor.grant[0]: reason asked for a"].assert_eq(&said(&decide(
        &asks,
        doctor(),
        "GET Patient/a",
        &related("order", NOW),
    )));
    // A stale feed is not known: the reason is asked for, nobody is walled in.
    let stale = related("care-team", NOW.plus_seconds(-30 * 86_400));
    expect!["refuse doctor.grant[0]: reason asked for b"].assert_eq(&said(&decide(
        &asks,
        doctor(),
        "GET Patient/b",
        &stale,
    )));
    let permit = decide(&asks, doctor(), "GET Observation", &stale).unwrap();
    assert!(matches!(permit.duties(), [Duty::Review { .. }]));
}

#[test]
fn a_hard_panel_is_suspended_while_its_feed_is_stale() {
    let doctor = || token("doctor", "user/*.rs");
    let hard = with_panel("refuse");
    expect!["permit doctor.grant[0]: Observation whole if Patient/a and not(sensitive)"].assert_eq(&said(&decide(
        &hard,
        doctor(),
        "GET Observation",
        &related("care-team", NOW),
    )));
    expect!["refuse compartment: outside"].assert_eq(&said(&decide(
        &hard,
        doctor(),
        "GET Patient/b",
        &related("care-team", NOW),
    )));
    let stale = related("care-team", NOW.plus_seconds(-30 * 86_400));
    let permit = decide(&hard, doctor(), "GET Patient/b", &stale).unwrap();
    assert!(matches!(permit.duties(), [Duty::PanelSuspended]));
}

#[test]
fn emergency_access_opens_for_who_treats_and_ends() {
    let emergency = |patient: Option<&str>, until| Emergency {
        id: "emergency-1".to_owned(),
        user: "amal".to_owned(),
        patient: patient.map(id),
        reason: "unconscious".to_owned(),
        stepped_up: false,
        from: Timestamp::from_seconds(0),
        until,
    };
    let hard = with_panel("refuse");
    let doctor = || token("doctor", "user/*.rs");
    let open = |one| Facts {
        emergencies: Fact::Known(vec![one]),
        consents: vec![consent("b", false)].into(),
        ..related("care-team", NOW)
    };
    let permit = decide(&hard, doctor(), "GET Patient/b", &open(emergency(Some("b"), NOW.plus_seconds(60)))).unwrap();
    expect!["Patient whole if Patient/b and not(sensitive and not(Patient/b))"]
        .assert_eq(&narrowing(permit.narrowing()));
    assert_eq!(permit.duties().first(), Some(&Duty::Emergency { id: "emergency-1".to_owned(), stepped_up: false }));
    assert_eq!(permit.purpose(), "ETREAT");
    // For another patient, or over: not.
    expect!["refuse compartment: outside"].assert_eq(&said(&decide(
        &hard,
        doctor(),
        "GET Patient/c",
        &open(emergency(Some("b"), NOW.plus_seconds(60))),
    )));
    expect!["refuse compartment: outside"].assert_eq(&said(&decide(
        &hard,
        doctor(),
        "GET Patient/b",
        &open(emergency(Some("b"), NOW)),
    )));
    // A patient who is not identified yet.
    expect!["permit doctor.grant[0]+doctor.emergency[0]: Patient whole, total"].assert_eq(&said(&decide(
        &hard,
        doctor(),
        "GET Patient?name=x",
        &open(emergency(None, NOW.plus_seconds(60))),
    )));
}

#[test]
fn observing_relaxes_role_element_and_purpose_rules_and_nothing_else() {
    let observing = |clients: &[&str]| Api {
        mode: Mode::Observe {
            until: NOW.plus_seconds(60),
            owner: "o".to_owned(),
            reason: "roll-out".to_owned(),
            clients: clients.iter().map(|client| (*client).to_owned()).collect(),
        },
        ..api()
    };
    let ask_for =
        |api: &Api, token: TokenRecord, text: &str| shipped().decide(principal(token), ask(text), &facts(), api, NOW);
    let named = observing(&["app"]);
    let permit = ask_for(&named, token("scheduler", "system/*.rs"), "GET Observation?code=x").unwrap();
    expect!["Observation whole if not(sensitive)"].assert_eq(&narrowing(permit.narrowing()));
    expect!["search Observation not granted"].assert_eq(&permit.would_refuse().map(reason).unwrap_or_default());
    let permit = ask_for(&named, token("scheduler", "system/*.rs"), "GET Appointment/1").unwrap();
    expect!["Appointment whole if not(sensitive)"].assert_eq(&narrowing(permit.narrowing()));
    assert!(permit.would_refuse().is_none() && permit.would_narrow().is_some());
    // Neither scopes, nor another patient's data, nor a client that was not named.
    expect!["refuse scope: scope system/Observation.s"].assert_eq(&said(&ask_for(
        &named,
        token("scheduler", "system/Appointment.rs"),
        "GET Observation",
    )));
    expect!["refuse compartment: outside"].assert_eq(&said(&ask_for(
        &named,
        token("patient", "patient/*.rs"),
        "GET Patient/b",
    )));
    expect!["refuse default: parameter _has:Observation:patient:code"].assert_eq(&said(&ask_for(
        &named,
        token("patient", "patient/*.rs"),
        "GET Patient?_has:Observation:patient:code=x",
    )));
    expect!["permit observe: Group whole if Patient/a"].assert_eq(&said(&ask_for(
        &named,
        token("patient", "patient/*.rs"),
        "GET Group",
    )));
    expect!["refuse default: search Observation not granted"].assert_eq(&said(&ask_for(
        &observing(&["other"]),
        token("scheduler", "system/*.rs"),
        "GET Observation",
    )));
    let over = Api {
        mode: Mode::Observe {
            until: NOW.plus_seconds(-1),
            owner: String::new(),
            reason: String::new(),
            clients: vec!["app".to_owned()],
        },
        ..api()
    };
    expect!["refuse default: search Observation not granted"].assert_eq(&said(&ask_for(
        &over,
        token("scheduler", "system/*.rs"),
        "GET Observation",
    )));
}

#[test]
fn a_canary_enforces_for_some() {
    let canary = |enforced: &[&str], percent| Api {
        mode: Mode::Canary {
            until: NOW.plus_seconds(60),
            owner: String::new(),
            reason: String::new(),
            clients: vec!["app".to_owned()],
            enforced: enforced.iter().map(|client| (*client).to_owned()).collect(),
            percent,
        },
        ..api()
    };
    let passes = |api: &Api| {
        shipped()
            .decide(principal(token("scheduler", "system/*.rs")), ask("GET Observation"), &facts(), api, NOW)
            .is_ok()
    };
    assert!(passes(&canary(&[], 0)));
    assert!(!passes(&canary(&[], 100)));
    assert!(!passes(&canary(&["app"], 0)));
}

#[test]
fn several_roles_are_joined_and_a_deny_of_one_wins() {
    let both = || TokenRecord {
        roles: vec!["scheduler".to_owned(), "front-desk".to_owned()],
        ..token("scheduler", "system/*.rs")
    };
    check(
        both(),
        "GET Patient/a",
        &facts(),
        &expect![
            "permit scheduler.grant[3]+front-desk.grant[0]: Patient active address birthDate communication contact deceasedBoolean deceasedDateTime gender generalPractitioner.reference id identifier meta.lastUpdated meta.versionId name telecom if not(sensitive)"
        ],
    );
    check(
        both(),
        "GET Patient?birthdate=1980&name=x",
        &facts(),
        &expect![
            "permit front-desk.grant[0]: Patient active address birthDate communication contact deceasedBoolean deceasedDateTime gender generalPractitioner.reference id identifier meta.lastUpdated meta.versionId name telecom if not(sensitive)"
        ],
    );
    let denied = || TokenRecord {
        roles: vec!["physician".to_owned(), "administrator".to_owned()],
        ..token("physician", "user/*.rs")
    };
    check(denied(), "GET Patient/a", &facts(), &expect!["refuse administrator.deny[0]: read Patient not granted"]);
    check(
        denied(),
        "GET Location/l1",
        &facts(),
        &expect!["permit physician.grant[1]+administrator.grant[0]: Location whole"],
    );
}

#[test]
fn lanes_with_different_conditions_are_kept_apart() {
    let policy = policy(
        "[role.a]\ntitle = \"A\"\npurpose = [\"TREAT\"]\napi = \"ehr\"\n[[role.a.grant]]\nresource = \"Patient\"\ninteractions = [\"read\", \"search\"]\nelements = [\"name\"]\n[[role.a.grant]]\nresource = \"Patient\"\npatients = \"in-context\"\ninteractions = [\"read\", \"search\"]\nelements = [\"name\", \"birthDate\"]\n",
    );
    let token = || TokenRecord { patient: Some(id("a")), ..token("a", "user/*.rs") };
    expect!["permit a.grant[0]+a.grant[1]: Patient name if not(sensitive) and 1 lanes"].assert_eq(&said(&decide(
        &policy,
        token(),
        "GET Patient?name=x",
        &facts(),
    )));
    // A search by what one lane only shows is answered from that lane.
    expect!["permit a.grant[1]: Patient birthDate name if Patient/a and not(sensitive)"].assert_eq(&said(&decide(
        &policy,
        token(),
        "GET Patient?birthdate=1980",
        &facts(),
    )));
}

#[test]
fn granular_scopes_of_one_type_are_alternatives() {
    let scopes = "patient/Observation.rs?category=laboratory patient/Observation.rs?category=vital-signs";
    check(
        token("patient", scopes),
        "GET Observation",
        &facts(),
        &expect![[
            r#"permit patient.grant[0]: Observation whole if Patient/a and matches [[("category", "laboratory")], [("category", "vital-signs")]]"#
        ]],
    );
    check(
        token("patient", "patient/Observation.c"),
        "GET Observation",
        &facts(),
        &expect!["refuse scope: scope patient/Observation.s"],
    );
    let mixed = TokenRecord {
        patient: Some(id("a")),
        ..token("physician", "patient/Observation.rs user/Observation.rs?category=laboratory")
    };
    check(
        mixed,
        "GET Observation",
        &facts(),
        &expect![[
            r#"permit physician.grant[0]: Observation whole if not(sensitive) and (matches [[("category", "laboratory")]] or Patient/a)"#
        ]],
    );
    let nobody = TokenRecord { patient: None, ..token("physician", "patient/Observation.rs") };
    check(nobody, "GET Observation", &facts(), &expect!["refuse no patient in context: outside"]);
}

#[test]
fn a_patient_writes_what_is_theirs_to_write() {
    let patient = || token("patient", "patient/*.cruds");
    let team = Facts { care_team: Fact::Known(vec!["Practitioner/p1".to_owned()]), ..facts() };
    let writes = |asked: &str, facts: &Facts| {
        let permit = decide(shipped(), patient(), asked, facts).map_err(|denial| reason(&denial.reason))?;
        let write = permit.writes().first().unwrap().clone();
        Ok::<_, String>(format!(
            "{} | {:?} | {:?} | {:?}",
            elements(&write.elements),
            write.values,
            write.references,
            write.conditions
        ))
    };
    expect![[
        r#"cancelationReason status | {"status": ["cancelled"]} | {} | [InCompartment { of: Patient, ids: [Id("a")] }]"#
    ]]
    .assert_eq(&writes("PATCH Appointment/1", &facts()).unwrap());
    expect![[r#"about category inResponseTo payload recipient sender sent status subject topic | {"status": ["in-progress", "completed"]} | {"recipient": ["Practitioner/p1"], "sender": ["Patient/a"], "subject": ["Patient/a"]} | [InCompartment { of: Patient, ids: [Id("a")] }]"#]].assert_eq(&writes("POST Communication", &team).unwrap());
    let unknown = Facts { care_team: Fact::Unknown, ..facts() };
    expect!["unknown: the patient's care team"].assert_eq(&writes("POST Communication", &unknown).unwrap_err());
    expect!["update Patient not granted"].assert_eq(&writes("PUT Patient/a", &facts()).unwrap_err());
    expect!["delete Appointment not granted"].assert_eq(&writes("DELETE Appointment/1", &facts()).unwrap_err());
    assert!(writes("POST Appointment?identifier=x", &facts()).is_ok(), "the door finds it among what may be seen");
    expect!["parameter colour"].assert_eq(&writes("POST Appointment?colour=x", &facts()).unwrap_err());
}

#[test]
fn an_exemption_is_said_on_the_permit() {
    let permit = decide(shipped(), token("patient", "patient/*.rs"), "GET Patient/a", &facts()).unwrap();
    assert_eq!(permit.exemption(), Some(&Exemption::Individual));
    assert_eq!(permit.agreement(), "not-required");
    assert_eq!(permit.purpose(), "PATRQT");
    let own = decide(shipped(), token("physician", "user/*.rs"), "GET Patient/a", &facts()).unwrap();
    assert_eq!(own.exemption(), None);
    assert_eq!(own.narrowing().types.keys().copied().collect::<Vec<_>>(), [ResourceType::PATIENT]);
}
