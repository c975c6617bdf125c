//! Pictures: the order, the study with its series, and what the radiologist reads in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::chart::{Chart, Visit};
use super::super::code::{Code, refer, refer_named, snomed};
use super::super::house::RADIOLOGIST;

/// What is pictured, and how.
pub(super) struct Picture {
    pub(super) what: Code,
    /// DICOM modality and our words for it.
    pub(super) modality: (&'static str, &'static str),
    /// The SOP class of its images.
    pub(super) class: &'static str,
    pub(super) site: Code,
    pub(super) images: u32,
}

pub(super) const DIGITAL_XRAY: &str = "1.2.840.10008.5.1.4.1.1.1.1";
pub(super) const MAMMOGRAM: &str = "1.2.840.10008.5.1.4.1.1.1.2";
pub(super) const ULTRASOUND: &str = "1.2.840.10008.5.1.4.1.1.6.1";
pub(super) const EYE_PHOTOGRAPH: &str = "1.2.840.10008.5.1.4.1.1.77.1.5.1";

/// Orders, makes and reads a picture. The reference of the report is the answer.
pub(super) fn picture(chart: &mut Chart<'_>, visit: &Visit, picture: &Picture, reading: &str) -> String {
    let order = chart.order(visit, picture.what, snomed("363679005", "Imaging"));
    super::care::task(chart, visit, &order, "Bring the patient to imaging", true);
    let study = study(chart, visit, picture, &order);
    report(chart, visit, picture, (&order, &study), reading)
}

fn study(chart: &mut Chart<'_>, visit: &Visit, picture: &Picture, order: &str) -> String {
    let number = chart.dice.number();
    let started = visit.start.later(25).text();
    let modality = json!({"system": "http://dicom.nema.org/resources/ontology/DCM", "code": picture.modality.0, "display": picture.modality.1});
    let instances: Vec<_> = (1..=picture.images)
        .map(|image| {
            json!({
                "uid": format!("2.25.{number}.1.{image}"), "number": image,
                "sopClass": {"system": "urn:ietf:rfc:3986", "code": format!("urn:oid:{}", picture.class)},
            })
        })
        .collect();
    let body = json!({
        "identifier": [
            {"use": "official", "system": "urn:dicom:uid", "value": format!("urn:oid:2.25.{number}")},
            {"type": super::super::code::hl7("v2-0203", "ACSN", "Accession number"), "system": "https://northlight.example/accession", "value": format!("NL{}", number % 100_000_000)},
        ],
        "status": "available",
        "modality": [modality],
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "started": started,
        "basedOn": [refer(order)],
        "referrer": visit.with.refer(),
        "interpreter": [RADIOLOGIST.refer()],
        "numberOfSeries": 1,
        "numberOfInstances": picture.images,
        "procedureCode": [picture.what.concept()],
        "location": refer_named("Location/imaging", "Northlight imaging suite"),
        "description": picture.what.say,
        "series": [{
            "uid": format!("2.25.{number}.1"), "number": 1, "modality": modality,
            "description": picture.what.say, "numberOfInstances": picture.images,
            "bodySite": picture.site.coding(), "started": started, "instance": instances,
        }],
    });
    chart.add("ImagingStudy", body)
}

fn report(
    chart: &mut Chart<'_>,
    visit: &Visit,
    picture: &Picture,
    (order, study): (&str, &str),
    reading: &str,
) -> String {
    let category = super::super::code::loinc("LP29684-5", "Radiology");
    let body = json!({
        "profile": "us-core-diagnosticreport-note",
        "identifier": [chart.identifier("report")],
        "basedOn": [refer(order)],
        "status": "final",
        "category": [category.concept()],
        "code": picture.what.concept(),
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "effectiveDateTime": visit.start.later(25).text(),
        "issued": visit.start.later(95).text(),
        "performer": [refer_named("Organization/northlight", "Northlight Imaging")],
        "resultsInterpreter": [RADIOLOGIST.refer()],
        "imagingStudy": [refer(study)],
        "conclusion": reading,
        "presentedForm": [{"contentType": "text/plain; charset=utf-8", "data": STANDARD.encode(reading), "size": reading.len(), "title": picture.what.say}],
    });
    chart.add("DiagnosticReport", body)
}
