//! Notes: a DocumentReference and the Binary that holds its text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::chart::{Chart, Visit};
use super::super::code::{Code, hl7, loinc, refer, refer_named};
use super::super::moment::Moment;

pub(super) const PROGRESS: Code = loinc("11506-3", "Progress note");
pub(super) const DISCHARGE: Code = loinc("18842-5", "Discharge summary");
pub(super) const CONSULTATION: Code = loinc("11488-4", "Consultation note");
pub(super) const PROCEDURE: Code = loinc("28570-0", "Procedure note");

/// A note about a visit, written by the one who was visited.
pub(super) fn note(chart: &mut Chart<'_>, visit: &Visit, kind: Code, text: &str) -> String {
    let whole = format!(
        "{}\nPatient: {}\nDate: {}\nAuthor: {}\n\n{text}\n",
        kind.say,
        chart.person.name(),
        super::super::moment::date(visit.start.day),
        visit.with.name(),
    );
    let binary = chart.add("Binary", json!({"contentType": "text/plain; charset=utf-8", "securityContext": refer(&chart.patient()), "data": STANDARD.encode(&whole)}));
    let written: Moment = visit.end.later(35);
    let body = json!({
        "profile": "us-core-documentreference",
        "identifier": [chart.identifier("document")],
        "status": "current", "docStatus": "final",
        "type": kind.concept(),
        "category": [{"coding": [{"system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "code": "clinical-note", "display": "Clinical note"}]}],
        "subject": chart.subject(),
        "date": written.text(),
        "author": [visit.with.refer()],
        "custodian": refer_named("Organization/mercy", "Mercy Hospital"),
        "description": format!("{} of {}", kind.say, super::super::moment::date(visit.start.day)),
        "content": [{
            "attachment": {
                "contentType": "text/plain; charset=utf-8", "url": binary, "size": whole.len(),
                "title": kind.say, "creation": written.text(),
            },
            "format": {"system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode", "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient", "display": "MIME type says it"},
        }],
        "context": {
            "encounter": [refer(&visit.reference)],
            "period": {"start": visit.start.text(), "end": visit.end.text()},
            "facilityType": hl7("v3-RoleCode", "HOSP", "Hospital"),
        },
    });
    chart.add("DocumentReference", body)
}
