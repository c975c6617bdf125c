//! Notes: a DocumentReference and the Binary that holds its text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::chart::{Chart, Visit};
use super::super::code::{Code, hl7, loinc, refer, refer_named, with};
use super::super::moment::Moment;

pub(super) const PROGRESS: Code = loinc("11506-3", "Progress note");
pub(super) const DISCHARGE: Code = loinc("18842-5", "Discharge summary");
pub(super) const CONSULTATION: Code = loinc("11488-4", "Consultation note");
pub(super) const PROCEDURE: Code = loinc("28570-0", "Procedure note");

/// A note about a visit, written by the one who was visited.
pub(super) fn note(chart: &mut Chart<'_>, visit: &Visit, kind: Code, text: &str) -> String {
    let written = visit.end.later(35);
    let whole = format!(
        "{}\nPatient: {}\nDate: {}\nAuthor: {}\n\n{text}\n",
        kind.say,
        chart.person.name(),
        super::super::moment::date(visit.start.day),
        visit.with.name(),
    );
    let attachment = attachment(chart, kind, &whole, &written);
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
        "description": visit.about,
        "content": [{
            "attachment": attachment,
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

/// The text: within a progress note, beside other notes as a Binary, so that both roads exist.
fn attachment(chart: &mut Chart<'_>, kind: Code, whole: &str, written: &Moment) -> Value {
    const PLAIN: &str = "text/plain; charset=utf-8";
    let data = STANDARD.encode(whole);
    let body = json!({"contentType": PLAIN, "size": whole.len(), "title": kind.say, "creation": written.text()});
    if kind.code == PROGRESS.code {
        return with(body, "data", Value::String(data));
    }
    let binary = json!({"contentType": PLAIN, "securityContext": refer(&chart.patient()), "data": data});
    let binary = chart.add("Binary", binary);
    with(body, "url", Value::String(binary))
}
