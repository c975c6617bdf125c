//! Appointments: when, with whom, where.

use serde_json::Value;

use super::super::words::When;
use super::read::{concept, display, id, list, text, when};

/// An appointment.
#[derive(Debug, Clone)]
pub(in super::super) struct Appointment {
    pub(in super::super) id: String,
    pub(in super::super) what: String,
    /// What for, if that says more.
    pub(in super::super) about: Option<String>,
    pub(in super::super) start: Option<When>,
    pub(in super::super) minutes: Option<u64>,
    pub(in super::super) with: Option<String>,
    pub(in super::super) place: Option<String>,
    pub(in super::super) comment: Option<String>,
    pub(in super::super) status: Status,
}

/// How it stands with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Status {
    Booked,
    Pending,
    Kept,
    Cancelled,
    Missed,
    Other,
}

impl Appointment {
    /// Whether it will take place, as far as is known.
    pub(in super::super) fn stands(&self) -> bool {
        matches!(self.status, Status::Booked | Status::Pending)
    }
}

impl Status {
    /// In words for the person.
    pub(in super::super) fn words(self) -> &'static str {
        match self {
            Self::Booked => "Confirmed",
            Self::Pending => "Waiting for an answer",
            Self::Kept => "Took place",
            Self::Cancelled => "Cancelled",
            Self::Missed => "Missed",
            Self::Other => "See the clinic",
        }
    }
}

/// Appointments by their beginning, earliest first.
pub(in super::super) fn appointments(bodies: &[Value]) -> Vec<Appointment> {
    let mut all: Vec<Appointment> =
        bodies.iter().filter(|body| text(body, "/status") != Some("entered-in-error")).map(appointment).collect();
    all.sort_by_key(|appointment| appointment.start);
    all
}

/// Reads one Appointment.
pub(in super::super) fn appointment(body: &Value) -> Appointment {
    let actor = |kind: &str| {
        list(body, "/participant")
            .iter()
            .find(|part| text(part, "/actor/reference").is_some_and(|to| is_of(to, kind)))
            .and_then(|part| display(part, "/actor"))
    };
    let what = concept(body, "/serviceType/0")
        .or_else(|| concept(body, "/appointmentType"))
        .unwrap_or_else(|| String::from("Appointment"));
    Appointment {
        id: id(body),
        about: concept(body, "/reasonCode/0").filter(|about| *about != what),
        what,
        start: when(body, "/start"),
        minutes: body.get("minutesDuration").and_then(Value::as_u64),
        with: actor("Practitioner"),
        place: actor("Location"),
        comment: text(body, "/patientInstruction").or_else(|| text(body, "/comment")).map(str::to_owned),
        status: status(text(body, "/status").unwrap_or_default()),
    }
}

/// Whether a reference, relative or absolute, is to this type.
fn is_of(reference: &str, kind: &str) -> bool {
    reference.rsplit('/').nth(1) == Some(kind)
}

fn status(code: &str) -> Status {
    match code {
        "booked" => Status::Booked,
        "proposed" | "pending" | "waitlist" => Status::Pending,
        "fulfilled" | "arrived" | "checked-in" => Status::Kept,
        "cancelled" => Status::Cancelled,
        "noshow" => Status::Missed,
        _ => Status::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_practitioner_is_found_by_an_absolute_reference_too() {
        let body = json!({"status": "booked", "participant": [
            {"actor": {"reference": "Patient/p1", "display": "A"}},
            {"actor": {"reference": "https://b.example/fhir/Practitioner/x", "display": "Dr. B"}},
        ]});
        assert_eq!(appointments(&[body])[0].with.as_deref(), Some("Dr. B"));
    }
}
