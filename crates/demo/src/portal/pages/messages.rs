//! Messages between the person and the clinic.

use maud::{Markup, html};

use super::super::record::Message;
use super::Part;
use super::layout::{Frame, Tab, day, head, missing, nothing};

/// The page of messages.
pub(in super::super) fn messages(frame: Frame<'_>, part: &Part<Vec<Message>>) -> Markup {
    frame.page(Tab::Messages, &html! {
        (head("Messages", "What you and your care team wrote to each other."))
        @match part {
            Ok(all) if all.is_empty() => (nothing("Nothing here yet.")),
            Ok(all) => @for talk in all.chunk_by(|left, right| left.thread == right.thread) { (thread(frame, talk)) },
            Err(trouble) => (missing(trouble)),
        }
    })
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
