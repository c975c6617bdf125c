//! The filter as the doors use it: with a permit that the shipped policy has given.

mod given;

use bascule_fhir::Id;
use bascule_minimum::{Filter, Limits, Masks, Released, Reply, Rewrite, Shape, Withheld, release};
use bascule_policy::Permit;
use given::permit;

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
