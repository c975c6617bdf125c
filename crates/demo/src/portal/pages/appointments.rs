//! Appointments: what comes, and what was.

use maud::{Markup, html};

use super::super::record::{Appointment, Status};
use super::super::words::When;
use super::Part;
use super::layout::{Frame, Tab, day, head, missing, nothing};

/// Past appointments that are shown.
const PAST_SHOWN: usize = 40;

/// The page of appointments.
pub(in super::super) fn appointments(frame: Frame<'_>, part: &Part<Vec<Appointment>>) -> Markup {
    frame.page(
        Tab::Appointments,
        &html! {
            (head("Appointments", "To move or cancel one, call 555-0100."))
            @match part {
                Ok(all) => (lists(frame, all)),
                Err(trouble) => (missing(trouble)),
            }
        },
    )
}

fn lists(frame: Frame<'_>, all: &[Appointment]) -> Markup {
    let ahead = |appointment: &&Appointment| appointment.start.is_some_and(|start| start.is_ahead(frame.clock));
    let (coming, past): (Vec<&Appointment>, Vec<&Appointment>) = all.iter().partition(ahead);
    html! {
        section aria-labelledby="coming" {
            h2 #coming { "Coming up" }
            @if coming.is_empty() { (nothing("No appointment is planned.")) }
            div.cards { @for appointment in coming { article.card { (ticket(frame, appointment)) } } }
        }
        section aria-labelledby="past" {
            h2 #past { "Before" }
            @if past.is_empty() { (nothing("Nothing here yet.")) } @else { (table(frame, &past)) }
        }
    }
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
