//! The filter as the doors use it: with a permit that the shipped policy has given.

use bascule_fhir::{Id, Interaction, Query, ResourceType, Timestamp, Within};
use bascule_minimum::{Filter, Limits, Masks, Released, Reply, Rewrite, Shape, Withheld, release};
use bascule_policy::party::Organization;
use bascule_policy::{Api, ApiKind, Asked, Exposure, Fact, Facts, Mode, Permit, shipped};
use bascule_smart::scope::{Context, Rights, Scope};
use bascule_smart::{Credentials, Scopes, TokenRecord, authenticate};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

#[cfg(test)]
/// What the shipped policy lets a scheduling app do with a search for that type.
fn permit(resource: &str) -> Permit {
    let api = Api {
        name: "ehr".to_owned(),
        kind: ApiKind::Fhir,
        service: "ehr".to_owned(),
        exposure: Exposure::ThirdParty,
        mode: Mode::Enforce,
    };
    let house = Organization {
        id: "house".to_owned(),
        name: "Mercy".to_owned(),
        address: None,
        class: Some("workforce".to_owned()),
        verified: None,
    };
    let rights = Rights { create: false, read: true, update: false, delete: false, search: true };
    let token = TokenRecord {
        token_id: "t".to_owned(),
        client: "app".to_owned(),
        organization: Some("house".to_owned()),
        apis: vec!["ehr".to_owned()],
        scopes: Scopes(vec![Scope::Resource {
            context: Context::System,
            resource: None,
            rights,
            narrowing: Vec::new(),
            v1: false,
        }]),
        roles: vec!["scheduler".to_owned()],
        user: None,
        fhir_user: None,
        patient: None,
        encounter: None,
        purpose: None,
        expires: NOW.plus_seconds(60),
        active: true,
        origin: bascule_smart::Origin::default(),
    };
    let credentials =
        Credentials { token: Some(token), presented: true, address: "192.0.2.1".to_owned(), user_agent: String::new() };
    let principal = authenticate(credentials, "ehr", NOW).unwrap();
    let facts = Facts { organization: Fact::Known(Some(house)), ..Facts::nothing_on_file() };
    let within = Within::Type(ResourceType::parse(resource).unwrap());
    let interaction = Interaction::Search { within, query: Query::default() };
    let asked = Asked { api: "ehr".to_owned(), interaction };
    shipped::policy().unwrap().decide(principal, asked, &facts, &api, NOW).unwrap()
}

const APPOINTMENTS: &str = r#"{"resourceType":"Bundle","type":"searchset","entry":[{"fullUrl":"http://ehr/fhir/Appointment/1","resource":{"resourceType":"Appointment","id":"1","status":"booked","reasonCode":[{"text":"SECRET"}],"description":"SECRET","start":"2026-01-01T09:00:00Z","end":"2026-01-01T09:30:00Z","participant":[{"actor":{"reference":"http://ehr/fhir/Patient/p","display":"SECRET"},"status":"accepted"}]}},{"resource":{"resourceType":"Condition","id":"c","code":{"text":"SECRET"}}}]}"#;

#[cfg(test)]
fn released(permit: &Permit, body: &str) -> Result<Released, Withheld> {
    let rewrite = Rewrite::new("http://ehr/fhir", "https://bridge/ehr", &|_, _| None);
    let reply = Reply { body: body.as_bytes(), shape: Shape::Bundle };
    release(&Masks::default(), permit, reply, &rewrite, &Limits::default())
}

#[test]
fn a_scheduler_sees_when_and_who_and_never_why() {
    let released = released(&permit("Appointment"), APPOINTMENTS).unwrap();
    assert_eq!(released.patients(), ["p"]);
    assert_eq!(released.withheld_resources(), 1);
    assert!(released.withheld_elements().iter().any(|path| path == "Appointment.reasonCode"));
    assert!(Id::parse(released.resources()[0].id.as_deref().unwrap()).is_some());
    assert!(!format!("{released:?}").contains("2026"), "nothing of the body is printed");
    let left = String::from_utf8(released.into_body()).unwrap();
    assert!(left.contains("2026-01-01T09:00:00Z") && left.contains("https://bridge/ehr/Patient/p"), "{left}");
    assert!(!left.contains("SECRET") && !left.contains("http://ehr"), "{left}");
}

#[test]
fn a_stream_under_the_same_permit_leaves_the_same() {
    let permit = permit("Appointment");
    let (masks, rewrite) = (Masks::default(), Rewrite::new("http://ehr/fhir", "https://bridge/ehr", &|_, _| None));
    let mut filter = Filter::new(&masks, &permit, Shape::Bundle, &rewrite, &Limits::default());
    let mut left = Vec::new();
    for part in APPOINTMENTS.as_bytes().chunks(100) {
        filter.push(part, &mut left).unwrap();
    }
    let finished = filter.finish(&mut left).unwrap();
    let held = released(&permit, APPOINTMENTS).unwrap();
    assert_eq!(left, held.body());
    assert_eq!(finished.released_digest(), held.released_digest());
    assert_eq!(finished.received_digest(), held.received_digest());
    assert_eq!(finished.patients(), held.patients());
}

#[test]
fn what_is_no_json_does_not_leave() {
    assert!(matches!(released(&permit("Appointment"), "<Bundle/>"), Err(Withheld::Malformed { .. })));
}
