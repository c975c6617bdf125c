//! Coverage, Claim and ExplanationOfBenefit: each visit and each dispense is billed once.

use serde_json::{Value, json};

use super::super::chart::{Chart, Visit};
use super::super::code::{Code, dollars, hl7, refer, refer_named, with};
use super::super::moment::{Moment, date, plus_days};
use super::super::person::{Bond, Person};

/// What the insurer pays of a hundred.
const COVERED_PERCENT: i64 = 80;

/// The patient's insurance; told once, before the first bill.
pub(in super::super) fn coverage(chart: &mut Chart<'_>) -> String {
    let member = format!("EHP{:09}", chart.dice.number() % 1_000_000_000);
    let payor = refer_named("Organization/evergreen", "Evergreen Health Plan");
    let class = |kind: &str, say: &str, value: &str, name: &str| json!({"type": hl7("coverage-class", kind, say), "value": value, "name": name});
    let (subscriber, relation) = subscriber(chart);
    let body = json!({
        "profile": "us-core-coverage",
        "identifier": [{
            "type": hl7("v2-0203", "MB", "Member number"),
            "system": "https://evergreen.example/member", "value": member,
        }],
        "status": if chart.person.death.is_some() { "cancelled" } else { "active" },
        "type": hl7("v3-ActCode", "EHCPOL", "Extended health insurance"),
        "subscriber": subscriber,
        "subscriberId": member,
        "beneficiary": chart.subject(),
        "relationship": hl7("subscriber-relationship", relation.0, relation.1),
        "period": chart.period(),
        "payor": [payor],
        "class": [class("group", "Group", "HF-100", "Harbor Falls employers"), class("plan", "Plan", "SILVER", "Silver")],
    });
    let id = format!("{}-coverage", chart.person.id());
    chart.add_as("Coverage", &id, body)
}

/// Who pays the premium: a child is insured with a parent, whose own record thereby names the child's coverage.
fn subscriber(chart: &Chart<'_>) -> (Value, (&'static str, &'static str)) {
    let young = chart.person.age_on(chart.anchor) < 18;
    let parent = chart.person.kin.iter().find(|(_, bond)| matches!(bond, Bond::Mother | Bond::Father));
    match parent.filter(|_| young) {
        Some((number, _)) => (refer(&format!("Patient/{}", Person::id_of(*number))), ("child", "Child")),
        None => (chart.subject(), ("self", "Self")),
    }
}

/// The Claim of a visit and what the insurer said of it.
pub(in super::super) fn bill(chart: &mut Chart<'_>, visit: &Visit, what: Code, cents: i64, institutional: bool) {
    let kind = if institutional { ("institutional", "Institutional") } else { ("professional", "Professional") };
    let item = json!({
        "sequence": 1, "diagnosisSequence": [1],
        "productOrService": what.concept(),
        "servicedPeriod": {"start": visit.start.text(), "end": visit.end.text()},
        "unitPrice": dollars(cents), "net": dollars(cents),
        "encounter": [refer(&visit.reference)],
    });
    let diagnosis = json!([{"sequence": 1, "diagnosisReference": refer(&visit.diagnosis)}]);
    let provider = refer_named("Organization/mercy", "Mercy Hospital");
    claim(chart, Bill { kind, item, diagnosis: Some(diagnosis), provider, day: visit.end, cents });
}

/// The Claim of a dispense at the pharmacy.
pub(in super::super) fn bill_dispense(chart: &mut Chart<'_>, what: Code, day: Moment, cents: i64) {
    let item = json!({
        "sequence": 1, "productOrService": what.concept(), "servicedDate": date(day.day),
        "unitPrice": dollars(cents), "net": dollars(cents),
    });
    let provider = refer_named("Organization/corner-pharmacy", "Corner Pharmacy");
    claim(chart, Bill { kind: ("pharmacy", "Pharmacy"), item, diagnosis: None, provider, day, cents });
}

struct Bill {
    kind: (&'static str, &'static str),
    item: Value,
    diagnosis: Option<Value>,
    provider: Value,
    day: Moment,
    cents: i64,
}

fn claim(chart: &mut Chart<'_>, bill: Bill) {
    let coverage = refer(&format!("Coverage/{}-coverage", chart.person.id()));
    let created = plus_days(bill.day.day, 1);
    let body = json!({
        "identifier": [chart.identifier("claim")],
        "status": "active",
        "type": hl7("claim-type", bill.kind.0, bill.kind.1),
        "use": "claim",
        "patient": chart.subject(),
        "billablePeriod": {"start": date(bill.day.day), "end": date(bill.day.day)},
        "created": date(created),
        "insurer": refer("Organization/evergreen"),
        "provider": bill.provider,
        "priority": hl7("processpriority", "normal", "Normal"),
        "diagnosis": bill.diagnosis,
        "insurance": [{"sequence": 1, "focal": true, "coverage": coverage}],
        "item": [bill.item],
        "total": dollars(bill.cents),
    });
    let claim = chart.add("Claim", body);
    explain(chart, &claim, bill, plus_days(created, 9));
}

fn explain(chart: &mut Chart<'_>, claim: &str, bill: Bill, day: time::Date) {
    let benefit = bill.cents * COVERED_PERCENT / 100;
    let said = |code: &str, say: &str, cents: i64| json!({"category": hl7("adjudication", code, say), "amount": dollars(cents)});
    let adjudication = json!([
        said("submitted", "Submitted", bill.cents),
        said("eligible", "Eligible", bill.cents),
        said("benefit", "Paid by the plan", benefit),
        said("copay", "Paid by the patient", bill.cents - benefit),
    ]);
    let item = with(bill.item, "adjudication", adjudication);
    let body = json!({
        "identifier": [chart.identifier("explanation")],
        "status": "active",
        "type": hl7("claim-type", bill.kind.0, bill.kind.1),
        "use": "claim",
        "patient": chart.subject(),
        "billablePeriod": {"start": date(bill.day.day), "end": date(bill.day.day)},
        "created": date(day),
        "insurer": refer_named("Organization/evergreen", "Evergreen Health Plan"),
        "provider": bill.provider,
        "claim": refer(claim),
        "outcome": "complete",
        "diagnosis": bill.diagnosis,
        "insurance": [{"focal": true, "coverage": refer(&format!("Coverage/{}-coverage", chart.person.id()))}],
        "item": [item],
        "total": [said("submitted", "Submitted", bill.cents), said("benefit", "Paid by the plan", benefit)],
        "payment": {"date": date(day), "amount": dollars(benefit)},
    });
    chart.add("ExplanationOfBenefit", body);
}
