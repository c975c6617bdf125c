//! Records about patients, so that a newcomer sees each kind at work: filed through the handler of an administrator's
//! command, and, of consents, one that stands in the chart itself.

use std::path::Path;

use bascule_fhir::Id;
use bascule_policy::party::Relation;
use bascule_store::Store;
use serde_json::json;

use super::bank::Bank;
use super::laboratory;
use super::people::done;
use crate::admin::Act;
use crate::admin::filed::{Add, FiledAct, LinkAct, Names};
use crate::admin::records::Records;
use crate::clock;
use crate::day;

/// The representative, the adolescent, and how the one calls the other.
pub(super) const REPRESENTATIVE: (&str, &str, &str) = ("mateo", "p0007", "Mateo, my son");
/// Seconds of a day.
const DAY: i64 = 86_400;

/// What stands in the chart beside what a hospital makes, for as many patients as there are.
pub(super) fn in_chart(patients: u32) -> Vec<serde_json::Value> {
    let mut all = vec![consent_in_chart()];
    all.extend((patients >= 7).then(answer_of_adolescent));
    all
}

/// What the adolescent answered alone: no matter of the father's.
fn answer_of_adolescent() -> serde_json::Value {
    let act_code = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    json!({
        "resourceType": "Observation", "id": "demo-orientation", "status": "final",
        "meta": { "security": [{ "system": act_code, "code": "SEX" }] },
        "category": [{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "social-history" }] }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": "76690-7" }] },
        "subject": { "reference": format!("Patient/{}", REPRESENTATIVE.1) },
        "effectiveDateTime": "2026-10-01",
        "valueCodeableConcept": { "coding": [{ "system": "http://snomed.info/sct", "code": "20430005" }] },
    })
}

/// The Consent in the chart: its patient lets an outside clinic see no laboratory result.
fn consent_in_chart() -> serde_json::Value {
    json!({
        "resourceType": "Consent", "id": "demo-no-results-outside", "status": "active",
        "scope": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
        "category": [{ "coding": [{ "system": "http://loinc.org", "code": "59284-0" }] }],
        "patient": { "reference": "Patient/p0002" },
        "policyRule": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN" }] },
        "provision": {
            "type": "permit",
            "provision": [{
                "type": "deny",
                "actor": [{
                    "role": { "coding": [{
                        "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP" }] },
                    "reference": { "reference": "Organization/eastside" },
                }],
                "class": [{ "system": "http://hl7.org/fhir/resource-types", "code": "Observation" }],
            }],
        },
    })
}

/// Files them, of the patients who are in the hospital.
pub(super) async fn file(records: &Records, bank: &Bank) -> Result<(), String> {
    let soon = |days: i64| day::of(clock::now().plus_seconds(days * DAY));
    if bank.has("Patient/p0003").await {
        // Paid in full at the desk: the health plan is told nothing of it.
        let says =
            Add { health_plans: true, purposes: vec!["HPAYMT".to_owned()], ..of("ehr/p0003", "demo-paid-in-full") };
        filed(records, Names::Restriction, says).await?;
    }
    let results = "Observation?patient=p0005&category=laboratory&_sort=date&_count=1";
    if let Some(item) = bank.first(results).await {
        let says = Add {
            item: Some(format!("Observation/{item}")),
            ground: Some("164.524(a)(3)(i): until the physician has spoken with the patient".to_owned()),
            by: Some("Practitioner/halvorsen".to_owned()),
            review: Some(soon(3)),
            until: Some(soon(7)),
            ..of("ehr/p0005", "demo-hold")
        };
        filed(records, Names::Hold, says).await?;
    }
    if bank.has("Patient/p0001").await {
        let (here, there) = laboratory::SAME;
        let act_on = LinkAct::Add {
            one: format!("ehr/{here}"),
            other: format!("lab/{there}"),
            identifier: Some(format!("urn:oid:2.999.7|{here}")),
            source: "demo master patient index".to_owned(),
        };
        done(records, Act::Link { act_on }).await?;
    }
    let (user, patient, label) = REPRESENTATIVE;
    if let Some(born) = bank.text(&format!("Patient/{patient}"), "birthDate").await {
        let says = Add {
            user: Some(user.to_owned()),
            basis: Some("parent".to_owned()),
            document: Some("birth certificate, seen at the desk".to_owned()),
            verified_by: Some("the demo's registrar".to_owned()),
            label: Some(label.to_owned()),
            born: Some(born),
            ..of(&format!("ehr/{patient}"), "demo-father")
        };
        filed(records, Names::Representation, says).await?;
    }
    Ok(())
}

/// A hard panel is taken only while somebody tells of relations, and the first policy is read before the chart is.
pub(super) fn first_relation(store: &Path) -> Result<(), String> {
    let said = |error: bascule_store::StoreError| error.to_string();
    std::fs::create_dir_all(store).map_err(|error| format!("{}: {error}", store.display()))?;
    let (now, store) = (clock::now(), Store::open(&store.join("bascule.db"), clock::now()).map_err(said)?);
    let (Some(patient), Some(practitioner)) = (Id::parse("p0001"), Id::parse("halvorsen")) else { return Ok(()) };
    let relation = Relation { patient, practitioner, kind: "care-team".to_owned(), from: now, until: None };
    store.put_relation("ehr", &relation, "demo", now).map_err(said)
}

fn of(patient: &str, id: &str) -> Add {
    Add { patient: patient.to_owned(), id: Some(id.to_owned()), source: Some("demo".to_owned()), ..Add::default() }
}

async fn filed(records: &Records, kind: Names, add: Add) -> Result<(), String> {
    let act_on = FiledAct::Add { kind, add: Box::new(add) };
    done(records, Act::Filed { act_on }).await.map(drop)
}
