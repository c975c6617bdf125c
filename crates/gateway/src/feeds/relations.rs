//! Who cares for whom, as the chart tells it: care teams, open encounters, appointments, orders.

use bascule_fhir::{Id, Reference, ResourceType, Timestamp};
use bascule_policy::party::Relation;
use serde_json::Value;

use super::{FeedFault, log_reading, pages};
use crate::apis::Served;
use crate::consents::{first_of, last_of};
use crate::gateway::Gateway;

/// Where these relations come from.
const SOURCE: &str = "upstream";
/// An appointment makes a relation so many days before it begins, and after it has ended.
const APPOINTMENT_DAYS: i64 = 14;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// What is asked, and how a resource of it is read.
const SEARCHES: [&str; 4] = [
    "/CareTeam?status=active&_count=100",
    "/Encounter?status=planned,arrived,triaged,in-progress,onleave&_count=100",
    "/Appointment?status=booked,arrived,checked-in&_count=100",
    "/ServiceRequest?status=active&_count=100",
];

/// Reads them all; what the chart no longer tells is no relation.
pub(super) async fn sync(gateway: &Gateway, served: &Served, now: Timestamp) -> Result<(), FeedFault> {
    let turn = gateway.feeds().turn(&format!("relations of {}", served.api.name));
    let _mine = turn.lock().await;
    let mut relations = Vec::new();
    let mut shown = 0;
    for search in SEARCHES {
        let resources = pages::read_all(served, search, now).await?;
        shown += resources.len();
        relations.extend(resources.iter().flat_map(|resource| told(resource, served.upstream.base())));
    }
    log_reading(gateway, served, "relations", shown, now).await?;
    gateway.store().sync_relations(&served.api.name, &relations, SOURCE, now)?;
    Ok(())
}

/// The relations that a resource tells of: none, if it does not say enough.
fn told(resource: &Value, base: &str) -> Vec<Relation> {
    let local = |element: Option<&Value>, kind: ResourceType| {
        let reference = Reference::of(element?)?;
        reference.local(base).filter(|(found, _)| *found == kind).map(|(_, id)| id.clone())
    };
    let members = |list: &str, who: &str, kind: ResourceType| -> Vec<Id> {
        let all = resource.get(list).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|one| local(one.get(who), kind)).collect()
    };
    let subject: Vec<Id> = local(resource.get("subject"), ResourceType::PATIENT).into_iter().collect();
    let (period_from, period_until) = period(resource.get("period"));
    let (kind, patients, practitioners, from, until) = match resource.get("resourceType").and_then(Value::as_str) {
        Some("CareTeam") => {
            let team = members("participant", "member", ResourceType::PRACTITIONER);
            ("care-team", subject, team, period_from, period_until)
        }
        Some("Encounter") => {
            let staff = members("participant", "individual", ResourceType::PRACTITIONER);
            ("encounter", subject, staff, period_from, period_until)
        }
        Some("Appointment") => {
            let moment = |name: &str, read: fn(&str) -> Option<Timestamp>| {
                resource.get(name).and_then(Value::as_str).and_then(read)
            };
            let Some(start) = moment("start", first_of) else { return Vec::new() };
            let end = moment("end", last_of).unwrap_or(start);
            let from = start.plus_seconds(-APPOINTMENT_DAYS * DAY);
            let until = end.plus_seconds(APPOINTMENT_DAYS * DAY);
            let of = |kind| members("participant", "actor", kind);
            ("appointment", of(ResourceType::PATIENT), of(ResourceType::PRACTITIONER), from, Some(until))
        }
        Some("ServiceRequest") => {
            let requester = local(resource.get("requester"), ResourceType::PRACTITIONER).into_iter().collect();
            let authored = resource.get("authoredOn").and_then(Value::as_str).and_then(first_of);
            ("order", subject, requester, authored.unwrap_or(BEGINNING), None)
        }
        _ => return Vec::new(),
    };
    let pairs = patients.iter().flat_map(|patient| practitioners.iter().map(move |one| (patient, one)));
    pairs
        .map(|(patient, practitioner)| Relation {
            patient: patient.clone(),
            practitioner: practitioner.clone(),
            kind: kind.to_owned(),
            from,
            until,
        })
        .collect()
}

const BEGINNING: Timestamp = Timestamp::from_seconds(0);

/// A period; one whose end cannot be read has ended.
fn period(period: Option<&Value>) -> (Timestamp, Option<Timestamp>) {
    let text = |name: &str| period.and_then(|period| period.get(name)).and_then(Value::as_str);
    let from = text("start").and_then(first_of).unwrap_or(BEGINNING);
    (from, text("end").map(|end| last_of(end).unwrap_or(BEGINNING)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BASE: &str = "https://ehr.internal/fhir";

    /// `patient/practitioner kind from..until`, by day.
    fn check(resource: &Value, expect: &[&str]) {
        let day = |at: Timestamp| at.to_instant()[..10].to_owned();
        let shown: Vec<String> = told(resource, BASE)
            .iter()
            .map(|one| {
                let until = one.until.map(day).unwrap_or_default();
                format!("{}/{} {} {}..{until}", one.patient, one.practitioner, one.kind, day(one.from))
            })
            .collect();
        assert_eq!(shown, expect);
    }

    fn practitioner(id: &str) -> Value {
        json!({ "reference": format!("Practitioner/{id}") })
    }

    #[test]
    fn a_care_team_relates_its_practitioners_to_its_patient() {
        let team = json!({
            "resourceType": "CareTeam", "subject": { "reference": "Patient/p1" },
            "period": { "start": "2026-01-01" },
            "participant": [
                { "member": practitioner("d1") },
                { "member": { "reference": format!("{BASE}/Practitioner/d2") } },
                { "member": { "reference": "Patient/p1" } },
                { "member": { "reference": "https://elsewhere.example/Practitioner/d3" } },
            ],
        });
        check(&team, &["p1/d1 care-team 2026-01-01..", "p1/d2 care-team 2026-01-01.."]);
    }

    #[test]
    fn an_encounter_and_an_order_do_too() {
        let encounter = json!({
            "resourceType": "Encounter", "subject": { "reference": "Patient/p1" },
            "period": { "start": "2026-11-20T08:00:00Z", "end": "2026-11-22" },
            "participant": [{ "individual": practitioner("d1") }],
        });
        check(&encounter, &["p1/d1 encounter 2026-11-20..2026-11-23"]);
        let order = json!({
            "resourceType": "ServiceRequest", "subject": { "reference": "Patient/p1" }, "authoredOn": "2026-11-01",
            "requester": practitioner("d1"),
        });
        check(&order, &["p1/d1 order 2026-11-01.."]);
    }

    #[test]
    fn an_appointment_relates_for_a_while_around_it() {
        let appointment = json!({
            "resourceType": "Appointment", "start": "2026-11-20T08:00:00Z", "end": "2026-11-20T08:30:00Z",
            "participant": [{ "actor": { "reference": "Patient/p1" } }, { "actor": practitioner("d1") }],
        });
        check(&appointment, &["p1/d1 appointment 2026-11-06..2026-12-04"]);
    }

    #[test]
    fn what_does_not_say_enough_relates_nobody() {
        check(&json!({ "resourceType": "CareTeam", "participant": [{ "member": practitioner("d1") }] }), &[]);
        check(&json!({ "resourceType": "Appointment", "participant": [{ "actor": practitioner("d1") }] }), &[]);
        check(&json!({ "resourceType": "Observation", "subject": { "reference": "Patient/p1" } }), &[]);
        let broken = json!({
            "resourceType": "Encounter", "subject": { "reference": "Patient/p1" }, "period": { "end": "someday" },
            "participant": [{ "individual": practitioner("d1") }],
        });
        check(&broken, &["p1/d1 encounter 1970-01-01..1970-01-01"]);
    }
}
