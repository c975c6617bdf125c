//! Secure messages between patients and the clinic.

use serde_json::json;

use super::super::chart::Chart;
use super::super::code::{hl7, refer};
use super::super::moment::{Moment, plus_days};

/// Question and answer.
static THREADS: [(&str, &str, &str); 5] = [
    (
        "Refill",
        "I have tablets for six days left. Could you renew the prescription?",
        "Done. The pharmacy has it; you can fetch it from tomorrow on.",
    ),
    (
        "Result",
        "I saw my laboratory results. Do I need to do something?",
        "No. They are what we hoped for. We look again at the next visit.",
    ),
    (
        "Appointment",
        "Can I come in the afternoon instead of the morning?",
        "Yes, please choose another time in the portal. The afternoons still have room.",
    ),
    ("Form", "My employer asks for a form about my vaccines.", "It is among your documents now. Print it from there."),
    (
        "Cough",
        "The cough is still there after two weeks. Should I worry?",
        "Please come by this week so that we can listen. The front desk will call you.",
    ),
];

pub(super) fn tell(chart: &mut Chart<'_>) {
    if chart.person.age_on(chart.anchor) < 18 {
        return;
    }
    for _ in 0..chart.dice.between(1, 2) {
        let day = plus_days(chart.person.last_day(chart.anchor), -chart.dice.between(20, 300));
        if chart.open_on(day) {
            thread(chart, Moment::at(day, 19, 12));
        }
    }
}

fn thread(chart: &mut Chart<'_>, asked: Moment) {
    let (topic, question, answer) = chart.dice.pick(&THREADS);
    let patient = refer(&chart.patient());
    let physician = refer(&chart.physician().reference());
    let first = message(chart, topic, question, (&patient, &physician), asked, None);
    message(chart, topic, answer, (&physician, &patient), asked.later(830), Some(&first));
}

fn message(
    chart: &mut Chart<'_>,
    topic: &str,
    text: &str,
    (from, to): (&serde_json::Value, &serde_json::Value),
    sent: Moment,
    reply_to: Option<&str>,
) -> String {
    let body = json!({
        "identifier": [chart.identifier("message")],
        "inResponseTo": reply_to.map(|message| vec![refer(message)]),
        "status": "completed",
        "category": [hl7("communication-category", "notification", "Notification")],
        "medium": [hl7("v3-ParticipationMode", "WRITTEN", "written")],
        "subject": chart.subject(),
        "topic": {"text": topic},
        "sent": sent.text(),
        "received": sent.later(5).text(),
        "recipient": [to],
        "sender": from,
        "payload": [{"contentString": text}],
    });
    chart.add("Communication", body)
}
