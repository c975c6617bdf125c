//! Messages between the person and the clinic.

use maud::{Markup, html};

use super::super::record::{Message, TOPICS};
use super::Part;
use super::layout::{Frame, Tab, day, head, missing, nothing};

/// The page of messages.
pub(in super::super) fn messages(
    frame: Frame<'_>,
    part: &Part<Vec<Message>>,
    to: Option<&str>,
    notice: Option<&str>,
) -> Markup {
    frame.page(Tab::Messages, &html! {
        @if let Some(notice) = notice { p.note.done role="status" { (notice) } }
        (head("Messages", "What you and your care team wrote to each other."))
        @if let Some(to) = to { (form(to)) }
        @match part {
            Ok(all) if all.is_empty() => (nothing("Nothing here yet.")),
            Ok(all) => @for talk in all.chunk_by(|left, right| left.thread == right.thread) { (thread(frame, talk)) },
            Err(trouble) => (missing(trouble)),
        }
    })
}

/// The longest message, in characters.
pub(in super::super) const TEXT_MAX: usize = 2_000;

fn form(to: &str) -> Markup {
    html! {
        details.card.write {
            summary { "Write to " bdi { (to) } }
            form method="post" action="/messages" {
                label for="topic" { "About" }
                select #topic name="topic" { @for topic in TOPICS { option value=(topic.code) { (topic.say) } } }
                label for="text" { "Your message" }
                textarea #text name="text" rows="5" maxlength=(TEXT_MAX) required dir="auto" {}
                p.small { "Answers take up to two working days. In an emergency, call 911." }
                button type="submit" { "Send" }
            }
        }
    }
}

fn thread(frame: Frame<'_>, talk: &[Message]) -> Markup {
    html! {
        section.card.talk {
            @if let Some(first) = talk.first() { h2 { (first.topic) } }
            @for message in talk {
                div class=(if message.own { "bubble own" } else { "bubble" }) {
                    p.small { (if message.own { "You" } else { "Care team" }) ", " (day(message.sent, frame.clock)) @if let Some(hour) = message.sent.and_then(|sent| sent.hour()) { " at " (hour) } }
                    p dir="auto" { (message.text) }
                }
            }
        }
    }
}
