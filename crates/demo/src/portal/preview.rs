//! Every page from resources at hand, without a bridge: for looking at, and for tests.

use axum::http::StatusCode;
use maud::Markup;
use serde_json::Value;

use super::pages::{self, Frame, Health, Left, Overview, Results, STYLE};
use super::record;
use super::trouble::Trouble;
use super::words::Clock;

/// The style sheet that the pages ask for at `/style.css`.
pub const STYLE_SHEET: &str = STYLE;

/// What a bridge might tell of a few days.
fn example_looks() -> Value {
    let look = |at: &str, who: &str, what: &str, why: &str, emergency: bool| serde_json::json!({ "at": at, "who": who, "what": what, "why": why, "emergency": emergency });
    serde_json::json!({ "more": true, "looks": [
        look("2026-11-24T16:20:00.000Z", "you", "saw test results and measurements", "at your request", false),
        look("2026-11-24T15:02:00.000Z", "Physicians, Mercy Hospital", "saw diagnoses, medications", "for your care", false),
        look("2026-11-23T03:41:00.000Z", "Nurses, Mercy Hospital", "saw allergies", "in an emergency", true),
        look("2026-11-20T09:00:00.000Z", "Scheduling staff, Farsight Scheduling Inc.", "saw appointments", "to run the hospital", false),
    ]})
}

/// The pages of one patient's chart, each with its name, as whole HTML documents.
#[must_use]
pub fn pages(organization: &str, chart: &[Value], clock: Clock) -> Vec<(&'static str, String)> {
    let of = |kind: &str| -> Vec<Value> {
        chart.iter().filter(|body| body.get("resourceType").and_then(Value::as_str) == Some(kind)).cloned().collect()
    };
    let patient = of("Patient").first().map(record::patient).unwrap_or_else(|| record::patient(&Value::Null));
    let frame = Frame { organization, patient: Some(&patient), clock, cut: false };
    let nobody = Frame { patient: None, ..frame };
    let laboratory = record::series(&in_category(&of("Observation"), "laboratory"));
    let measured = record::series(&in_category(&of("Observation"), "vital-signs"));
    let medicines = record::medicines(&of("MedicationRequest"), &of("MedicationDispense"));
    let conditions = record::conditions(&of("Condition"));
    let allergies = record::allergies(&of("AllergyIntolerance"));
    let appointments = record::appointments(&of("Appointment"));
    let first = Overview {
        appointments: Ok(appointments.clone()),
        results: Ok(laboratory.clone()),
        medicines: Ok(medicines.clone()),
        conditions: Ok(conditions.clone()),
        allergies: Ok(allergies.clone()),
    };
    let health = Health {
        conditions: Ok(conditions),
        allergies: Ok(allergies),
        vaccines: Ok(record::vaccines(&of("Immunization"))),
    };
    let references = of("DocumentReference");
    let mut all: Vec<(&'static str, Markup)> = vec![
        ("welcome", pages::welcome(nobody, Left::No)),
        ("signed-out", pages::welcome(nobody, Left::Yes)),
        ("overview", pages::overview(frame, &patient, &first)),
        ("results", pages::results(frame, &Results { laboratory: Ok(laboratory), measured: Ok(measured) })),
        ("medicines", pages::medicines(frame, &Ok(medicines))),
        ("appointments", pages::appointments(frame, &Ok(appointments), true, None)),
        ("health", pages::health(frame, &health)),
        ("documents", pages::documents(frame, &Ok(record::documents(&references)))),
        (
            "messages",
            pages::messages(
                frame,
                &Ok(record::messages(&of("Communication"))),
                patient.physician.as_deref(),
                Some("Your message was sent."),
            ),
        ),
        ("looks", pages::looks(frame, &Ok(record::looks(&example_looks())))),
        ("refused", pages::medicines(frame, &Err(refused()))),
        ("trouble", pages::trouble(nobody, &refused(), "5f0c9a52-7f3e-4b0e-9f58-2f4f1f0a7a11")),
    ];
    if let Some(body) = of("Appointment").last() {
        all.push(("cancel", pages::cancel(frame, &record::appointment(body))));
    }
    if let Some(body) = references.last() {
        let text = match record::attachment(body, "") {
            record::Attachment::At(path) => {
                let id = path.trim_start_matches("Binary/").to_owned();
                let found =
                    of("Binary").into_iter().find(|binary| binary.get("id").and_then(Value::as_str) == Some(&id));
                found.map_or(record::Attachment::Nothing, |binary| record::attachment(&binary, ""))
            }
            here => here,
        };
        all.push(("document", pages::document(frame, &record::document(body), &Ok(text))));
    }
    all.into_iter().map(|(name, page)| (name, page.into_string())).collect()
}

fn in_category(observations: &[Value], code: &str) -> Vec<Value> {
    observations
        .iter()
        .filter(|body| body.pointer("/category/0/coding/0/code").and_then(Value::as_str) == Some(code))
        .cloned()
        .collect()
}

fn refused() -> Trouble {
    Trouble::Refused {
        status: StatusCode::FORBIDDEN,
        words: Some(String::from("the role `patient` grants no search of MedicationRequest")),
        request_id: Some(String::from("5f0c9a52-7f3e-4b0e-9f58-2f4f1f0a7a11")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hospital::{Hospital, Seed};
    use time::macros::{date, datetime, offset};

    fn all(patient: u32) -> Vec<(&'static str, String)> {
        let hospital = Hospital::new(Seed::new(1), 12, date!(2026 - 11 - 24));
        pages("Mercy Hospital", &hospital.chart(patient), Clock::new(datetime!(2026-11-24 20:00 UTC), offset!(-7)))
    }

    fn page(patient: u32, name: &str) -> String {
        all(patient).into_iter().find(|(this, _)| *this == name).map(|(_, html)| html).unwrap()
    }

    #[test]
    fn no_page_asks_for_script_or_for_anything_from_elsewhere() {
        for (name, html) in all(0) {
            for word in ["<script", "javascript:", "style=\"", "src=\"http", "href=\"http", "onclick"] {
                assert!(!html.contains(word), "{name} has {word}");
            }
        }
    }

    #[test]
    fn a_person_reads_the_long_term_sugar_with_its_range_and_history() {
        let html = page(0, "results");
        for words in ["Hemoglobin A1c", "usual: 4.0 to 5.6", "above usual", "All 7 values", "<svg class=\"trend\""] {
            assert!(html.contains(words), "no {words}");
        }
    }

    #[test]
    fn a_name_from_right_to_left_is_isolated_and_has_its_language() {
        assert!(page(1, "overview").contains("<bdi lang=\"ar\">يوسف</bdi>"));
    }

    #[test]
    fn the_overview_tells_what_is_next_taken_and_dangerous() {
        let html = page(0, "overview");
        for words in [
            "Next appointment",
            "Dr. Ingrid Halvorsen-Mbeki",
            "Metformin 500 mg tablet",
            "Penicillin",
            "can be dangerous",
        ] {
            assert!(html.contains(words), "no {words}");
        }
    }

    #[test]
    fn an_empty_chart_says_that_nothing_is_here_yet() {
        let clock = Clock::new(datetime!(2026-11-24 20:00 UTC), offset!(-7));
        let empty = pages("Mercy Hospital", &[], clock);
        for name in ["results", "documents", "messages", "health"] {
            let html = empty.iter().find(|(this, _)| *this == name).map(|(_, html)| html.clone()).unwrap();
            assert!(html.contains("Nothing here yet"), "{name}");
        }
    }

    #[test]
    fn markup_in_a_record_is_text_on_a_page() {
        let chart =
            [serde_json::json!({"resourceType": "Condition", "code": {"text": "<img src=x onerror=alert(1)>"}})];
        let clock = Clock::new(datetime!(2026-11-24 20:00 UTC), offset!(-7));
        let html = pages("Mercy Hospital", &chart, clock)
            .into_iter()
            .find(|(name, _)| *name == "health")
            .map(|(_, html)| html)
            .unwrap();
        assert!(html.contains("&lt;img") && !html.contains("<img"));
    }

    #[test]
    fn a_refusal_names_the_reason_and_a_number() {
        let html = page(0, "refused");
        assert!(html.contains("grants no search of MedicationRequest") && html.contains("5f0c9a52"));
    }
}
