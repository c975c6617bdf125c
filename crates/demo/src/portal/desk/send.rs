//! What a person writes: a message to the care team, and that an appointment is not needed any more.

use axum::extract::{Form, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::House;
use super::super::pages::TEXT_MAX;
use super::super::record::{TOPIC_SYSTEM, TOPICS};
use super::super::trouble::Trouble;
use super::Shared;
use super::door::{go, is_own_form};
use super::gather::Visit;

/// The form of a message.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    topic: String,
    text: String,
}

/// Sends a message to the family physician.
pub(super) async fn message(State(house): Shared, headers: HeaderMap, Form(written): Form<Written>) -> Response {
    match send(&house, &headers, &written).await {
        Ok(()) => go(&house, "/messages?sent=yes"),
        Err(trouble) => house.trouble(&trouble),
    }
}

async fn send(house: &House, headers: &HeaderMap, written: &Written) -> Result<(), Trouble> {
    let visit = own_visit(house, headers)?;
    let to = visit.patient().await?.physician_reference.ok_or(Trouble::NoSuchPage)?;
    let sent = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let sent = sent.format(&Rfc3339).unwrap_or_default();
    let body = communication(&visit.session.patient, &to, &sent, written)?;
    house.bridge.create(&visit.session.token, "Communication", &body).await
}

fn communication(patient: &str, to: &str, sent: &str, written: &Written) -> Result<Value, Trouble> {
    let text = written.text.trim();
    let topic = TOPICS.iter().find(|topic| topic.code == written.topic).ok_or(Trouble::EmptyMessage)?;
    if text.is_empty() || text.chars().count() > TEXT_MAX {
        return Err(Trouble::EmptyMessage);
    }
    let patient = format!("Patient/{patient}");
    Ok(json!({
        "resourceType": "Communication",
        "status": "completed",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/communication-category", "code": "notification",
        }]}],
        "topic": {"coding": [{"system": TOPIC_SYSTEM, "code": topic.code}]},
        "subject": {"reference": patient},
        "sent": sent,
        "recipient": [{"reference": to}],
        "sender": {"reference": patient},
        "payload": [{"contentString": text}],
    }))
}

/// Cancels an appointment.
pub(super) async fn cancel(State(house): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match withdraw(&house, &headers, &id).await {
        Ok(()) => go(&house, "/appointments?cancelled=yes"),
        Err(trouble) => house.trouble(&trouble),
    }
}

async fn withdraw(house: &House, headers: &HeaderMap, id: &str) -> Result<(), Trouble> {
    let visit = own_visit(house, headers)?;
    let path = format!("Appointment/{}", bascule_fhir::Id::parse(id).ok_or(Trouble::NoSuchPage)?);
    let reason = json!({"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason", "code": "pat",
    }]});
    let operations = json!([
        {"op": "replace", "path": "/status", "value": "cancelled"},
        {"op": "add", "path": "/cancelationReason", "value": reason},
    ]);
    house.bridge.patch(&visit.session.token, &path, &operations).await
}

/// Somebody who is signed in and sent a form of this portal.
fn own_visit<'a>(house: &'a House, headers: &HeaderMap) -> Result<Visit<'a>, Trouble> {
    if is_own_form(headers, &house.settings.public_url) {
        Visit::begin(house, headers)
    } else {
        Err(Trouble::ForeignForm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(topic: &str, text: &str) -> Result<Value, Trouble> {
        let written = Written { topic: topic.into(), text: text.into() };
        communication("p1", "Practitioner/x", "2026-11-24T20:00:00Z", &written)
    }

    #[test]
    fn a_message_is_from_and_about_the_person_who_is_signed_in() {
        let body = check("report-labs", " What does it mean? ").unwrap();
        assert_eq!(body["sender"], json!({"reference": "Patient/p1"}));
        assert_eq!(body["subject"], body["sender"]);
        assert_eq!(body["payload"][0]["contentString"], "What does it mean?");
    }

    #[test]
    fn an_empty_or_endless_message_is_not_sent() {
        assert_eq!(check("report-labs", "  \n"), Err(Trouble::EmptyMessage));
        assert_eq!(check("report-labs", &"x".repeat(TEXT_MAX + 1)), Err(Trouble::EmptyMessage));
        assert_eq!(check("Something else", "text"), Err(Trouble::EmptyMessage));
    }
}
