//! Messages between the person and the clinic.

use serde_json::Value;

use super::super::words::When;
use super::read::{coded, concept, list, text, when};

/// What a message can be about: a code of HL7's communication topics, and our word for it.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Topic {
    pub(in super::super) code: &'static str,
    pub(in super::super) say: &'static str,
}

/// The system of the codes below.
pub(in super::super) const TOPIC_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/communication-topic";

/// What can be chosen.
pub(in super::super) const TOPICS: [Topic; 5] = [
    Topic { code: "phone-consult", say: "Question" },
    Topic { code: "report-labs", say: "Result" },
    Topic { code: "prescription-refill-request", say: "Medicine" },
    Topic { code: "appointment-reminder", say: "Appointment" },
    Topic { code: "summary-report", say: "Report" },
];

/// A message.
#[derive(Debug, Clone)]
pub(in super::super) struct Message {
    pub(in super::super) topic: String,
    pub(in super::super) text: String,
    pub(in super::super) sent: Option<When>,
    /// Whether the person wrote it.
    pub(in super::super) own: bool,
    /// The message that began the talk.
    pub(in super::super) thread: String,
}

/// Messages: talks newest first, within a talk in the order of time.
pub(in super::super) fn messages(bodies: &[Value]) -> Vec<Message> {
    let mut all: Vec<Message> =
        bodies.iter().filter(|body| text(body, "/status") != Some("entered-in-error")).map(one).collect();
    all.sort_by_key(|message| message.sent);
    let newest =
        |thread: &str| all.iter().filter(|message| message.thread == thread).filter_map(|message| message.sent).max();
    let mut keyed: Vec<(Option<When>, Message)> =
        all.iter().map(|message| (newest(&message.thread), message.clone())).collect();
    keyed.sort_by(|left, right| {
        right
            .0
            .cmp(&left.0)
            .then_with(|| left.1.thread.cmp(&right.1.thread))
            .then_with(|| left.1.sent.cmp(&right.1.sent))
    });
    keyed.into_iter().map(|(_, message)| message).collect()
}

/// Our word for a code of ours; else what the topic says itself.
fn topic(body: &Value) -> String {
    let ours = TOPICS.iter().find(|topic| coded(body, "/topic", topic.code)).map(|topic| topic.say.to_owned());
    ours.or_else(|| concept(body, "/topic")).unwrap_or_else(|| String::from("Message"))
}

fn one(body: &Value) -> Message {
    let payload =
        list(body, "/payload").iter().filter_map(|part| text(part, "/contentString")).collect::<Vec<_>>().join("\n");
    let last = |reference: &str| reference.rsplit('/').next().unwrap_or_default().to_owned();
    let thread = text(body, "/inResponseTo/0/reference").or_else(|| text(body, "/id")).map(last).unwrap_or_default();
    Message {
        topic: topic(body),
        text: payload,
        sent: when(body, "/sent"),
        own: text(body, "/sender/reference").is_some_and(|to| to.rsplit('/').nth(1) == Some("Patient")),
        thread,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_stands_under_its_question() {
        let bodies = [
            json!({"id": "b", "sent": "2026-03-03", "inResponseTo": [{"reference": "Communication/a"}]}),
            json!({"id": "c", "sent": "2026-05-01"}),
            json!({"id": "a", "sent": "2026-03-02", "sender": {"reference": "Patient/p1"}}),
        ];
        let order: Vec<(String, bool)> =
            messages(&bodies).into_iter().map(|message| (message.thread, message.own)).collect();
        assert_eq!(order, [("c".into(), false), ("a".into(), true), ("a".into(), false)]);
    }
}
