//! Who cares, by which plan, to what end: CareTeam, CarePlan, Goal, Task.

use serde_json::{Value, json};
use time::Date;

use super::super::chart::{Chart, Visit};
use super::super::code::{Code, hl7, loinc, narrative, quantity, refer, refer_named, snomed};
use super::super::moment::{Moment, date, plus_days};

/// The people who care for this patient; everybody has a family physician and a nurse.
pub(super) fn team(chart: &mut Chart<'_>) {
    let physician = chart.physician();
    let member = |role: Code, who: Value| json!({"role": [role.concept()], "member": who});
    let body = json!({
        "profile": "us-core-careteam",
        "status": if chart.person.death.is_some() { "inactive" } else { "active" },
        "category": [{"coding": [loinc("LA27976-2", "Care team for visits").coding()]}],
        "name": "Care team of the family clinic",
        "subject": chart.subject(),
        "period": chart.period(),
        "participant": [
            member(snomed("62247001", "Family physician"), physician.refer()),
            member(snomed("224535009", "Nurse"), super::super::house::NURSE.refer()),
            member(snomed("116154003", "Patient"), chart.subject()),
        ],
        "managingOrganization": [refer_named("Organization/mercy", "Mercy Hospital")],
    });
    let id = format!("{}-careteam", chart.person.id());
    chart.add_as("CareTeam", &id, body);
}

/// A goal that can be measured.
pub(super) struct Aim {
    pub(super) say: &'static str,
    pub(super) measure: Code,
    /// At most: value, digits, unit.
    pub(super) below: (f64, usize, &'static str),
}

/// A plan for a problem, its goal, and what is to be done.
pub(super) fn plan(chart: &mut Chart<'_>, problem: &str, title: &str, since: Date, aim: &Aim, steps: &[&str]) {
    let goal = goal(chart, problem, since, aim);
    let activities: Vec<Value> = steps
        .iter()
        .map(|step| json!({"detail": {"kind": "ServiceRequest", "code": {"text": step}, "status": "in-progress", "description": step}}))
        .collect();
    let body = json!({
        "profile": "us-core-careplan",
        "text": narrative(&format!("{title}. {}. {}.", aim.say, steps.join(". "))),
        "status": if chart.person.death.is_some() { "revoked" } else { "active" }, "intent": "plan",
        "category": [{"coding": [{"system": "http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "code": "assess-plan", "display": "Assessment and plan"}]}],
        "title": title,
        "subject": chart.subject(),
        "period": {"start": date(since)},
        "created": date(since),
        "author": chart.physician().refer(),
        "careTeam": [refer(&format!("CareTeam/{}-careteam", chart.person.id()))],
        "addresses": [refer(problem)],
        "goal": [refer(&goal)],
        "activity": activities,
    });
    chart.add("CarePlan", body);
}

fn goal(chart: &mut Chart<'_>, problem: &str, since: Date, aim: &Aim) -> String {
    let (value, places, unit) = aim.below;
    let body = json!({
        "profile": "us-core-goal",
        "lifecycleStatus": if chart.person.death.is_some() { "cancelled" } else { "active" },
        "achievementStatus": hl7("goal-achievement", "in-progress", "In progress"),
        "description": {"text": aim.say},
        "subject": chart.subject(),
        "startDate": date(since),
        "target": [{
            "measure": aim.measure.concept(),
            "detailQuantity": quantity(value, places, unit),
            "dueDate": date(plus_days(chart.anchor, 180)),
        }],
        "expressedBy": chart.physician().refer(),
        "addresses": [refer(problem)],
    });
    chart.add("Goal", body)
}

/// Something that somebody has to do about an order of a visit.
pub(super) fn task(chart: &mut Chart<'_>, visit: &Visit, focus: &str, say: &str, done: bool) {
    let created = visit.start.later(30);
    let status = if done { "completed" } else { "requested" };
    let changed = if done { Moment::at(plus_days(visit.start.day, 2), 11, 0) } else { created };
    let body = json!({
        "identifier": [chart.identifier("task")],
        "status": status, "intent": "order", "priority": "routine",
        "code": hl7("task-code", "fulfill", "Fulfill"),
        "description": say,
        "focus": refer(focus),
        "for": chart.subject(),
        "encounter": refer(&visit.reference),
        "authoredOn": created.text(),
        "lastModified": changed.text(),
        "requester": visit.with.refer(),
        "owner": super::super::house::NURSE.refer(),
    });
    chart.add("Task", body);
}
