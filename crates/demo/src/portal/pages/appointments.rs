//! Appointments: what comes, and what was.

use maud::{Markup, html};

use super::super::record::{Appointment, Status};
use super::super::words::When;
use super::Part;
use super::layout::{Frame, Tab, day, head, missing, nothing};

/// Past appointments that are shown.
const PAST_SHOWN: usize = 40;

/// The page of appointments.
pub(in super::super) fn appointments(
    frame: Frame<'_>,
    part: &Part<Vec<Appointment>>,
    may_cancel: bool,
    notice: Option<&str>,
) -> Markup {
    frame.page(
        Tab::Appointments,
        &html! {
            @if let Some(notice) = notice { p.note.done role="status" { (notice) } }
            (head("Appointments", "What comes and what was. To move one, call 555-0100."))
            @match part {
                Ok(all) => (lists(frame, all, may_cancel)),
                Err(trouble) => (missing(trouble)),
            }
        },
    )
}

fn lists(frame: Frame<'_>, all: &[Appointment], may_cancel: bool) -> Markup {
    let ahead = |appointment: &&Appointment| appointment.start.is_some_and(|start| start.is_ahead(frame.clock));
    let (coming, past): (Vec<&Appointment>, Vec<&Appointment>) = all.iter().partition(ahead);
    html! {
        section aria-labelledby="coming" {
            h2 #coming { "Coming up" }
            @if coming.is_empty() { (nothing("No appointment is planned.")) }
            div.cards { @for appointment in coming { article.card {
                    (ticket(frame, appointment))
                    @if may_cancel && appointment.stands() {
                        p.more { a href={ "/appointments/" (appointment.id) "/cancel" } { "Cancel this appointment" } }
                    }
                } } }
        }
        section aria-labelledby="past" {
            h2 #past { "Before" }
            @if past.is_empty() { (nothing("Nothing here yet.")) } @else { (table(frame, &past)) }
        }
    }
}

/// Asks once more before an appointment is cancelled.
pub(in super::super) fn cancel(frame: Frame<'_>, appointment: &Appointment) -> Markup {
    frame.page(
        Tab::Appointments,
        &html! {
            p.back { a href="/appointments" { "← All appointments" } }
            (head("Cancel this appointment?", "Somebody else can then have the time. You can always make another appointment."))
            article.card { (ticket(frame, appointment)) }
            form.buttons method="post" action={ "/appointments/" (appointment.id) "/cancel" } {
                button type="submit" { "Yes, cancel it" }
                a.button.quiet href="/appointments" { "No, keep it" }
            }
        },
    )
}

fn table(frame: Frame<'_>, past: &[&Appointment]) -> Markup {
    html! {
        div.card.scroll {
            table.stack.wordy {
                thead { tr { th scope="col" { "Date" } th scope="col" { "What" } th scope="col" { "With" } th scope="col" { "" span.hidden { "How it went" } } } }
                tbody {
                    @for appointment in past.iter().rev().take(PAST_SHOWN) {
                        tr {
                            td { (day(appointment.start, frame.clock)) }
                            td { (appointment.what) @if let Some(about) = &appointment.about { span.small { " · " (about) } } }
                            td { @if let Some(with) = &appointment.with { bdi { (with) } } }
                            td { span.small { (appointment.status.words()) } }
                        }
                    }
                }
            }
        }
    }
}

/// An appointment with its leaf of the calendar.
pub(super) fn ticket(frame: Frame<'_>, appointment: &Appointment) -> Markup {
    html! {
        div.ticket {
            @if let Some(start) = appointment.start { (leaf(start)) }
            div {
                h3 { (appointment.what) }
                @if let Some(about) = &appointment.about { p.small { (about) } }
                @if let Some(start) = appointment.start {
                    p.when { time datetime=(start.machine()) { (start.weekday(frame.clock)) } @if let Some(hour) = start.hour() { " at " (hour) } }
                    p.small { (start.distance(frame.clock)) @if let Some(minutes) = appointment.minutes { ", " (minutes) " minutes" } }
                }
                @if let Some(with) = &appointment.with { p { "with " bdi { (with) } } }
                @if let Some(place) = &appointment.place { p.small { (place) } }
                @if let Some(comment) = &appointment.comment { p.small { (comment) } }
                p { (chip(appointment.status)) }
            }
        }
    }
}

fn chip(status: Status) -> Markup {
    let class = if matches!(status, Status::Booked | Status::Kept) { "chip good" } else { "chip watch" };
    html! { span class=(class) { (status.words()) } }
}

fn leaf(start: When) -> Markup {
    let (month, day) = start.leaf();
    html! { div.leaf aria-hidden="true" { span { (month) } strong { (day) } } }
}
