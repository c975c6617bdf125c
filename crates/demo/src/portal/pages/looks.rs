//! Who has looked at the record: the bridge's own word, in the order of time.

use maud::{Markup, html};

use super::super::record::{Look, Looks};
use super::Part;
use super::layout::{Frame, Tab, day, head, missing, nothing};

/// The page of looks.
pub(in super::super) fn looks(frame: Frame<'_>, part: &Part<Looks>) -> Markup {
    frame.page(Tab::Looks, &html! {
        (head("Who has looked", "Everyone who has seen or changed your record, the newest first. Nobody can remove a line from this list unnoticed."))
        @match part {
            Ok(all) if all.looks.is_empty() => (nothing("Nobody has looked at your record through this portal’s bridge yet.")),
            Ok(all) => {
                @for day_of in all.looks.chunk_by(|left, right| left.day() == right.day()) { (one_day(frame, day_of)) }
                @if all.more { p.note { "There are older lines. Ask the privacy office for the whole list." } }
                (help())
            }
            Err(trouble) => (missing(trouble)),
        }
    })
}

fn one_day(frame: Frame<'_>, looks: &[Look]) -> Markup {
    html! {
        section.card.looks {
            @if let Some(first) = looks.first() { h2 { (day(first.at, frame.clock)) } }
            ul.plain {
                @for look in looks {
                    li {
                        p {
                            strong { bdi { (look.who) } } " " (look.what)
                            @if look.emergency { " " span.flag { "Emergency" } }
                        }
                        p.small { @if let Some(hour) = look.at.and_then(|at| at.hour()) { (hour) ", " } (look.why) }
                    }
                }
            }
        }
    }
}

fn help() -> Markup {
    html! {
        details.card {
            summary { "Is something wrong?" }
            p { "Staff are shown by what they do, not by name. If you do not know why somebody looked, ask the privacy office: they can see who it was, and must answer you." }
        }
    }
}
