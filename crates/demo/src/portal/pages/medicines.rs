//! Medicines: taken now, and taken before.

use maud::{Markup, html};

use super::super::record::Medicine;
use super::Part;
use super::layout::{Frame, Tab, day, head, missing, nothing};

/// The page of medicines.
pub(in super::super) fn medicines(frame: Frame<'_>, part: &Part<Vec<Medicine>>) -> Markup {
    frame.page(Tab::Medicines, &html! {
        (head("Medicines", "What was ordered for you and how to take it. Never stop or change a medicine without asking."))
        @match part {
            Ok(all) => (lists(frame, all)),
            Err(trouble) => (missing(trouble)),
        }
    })
}

fn lists(frame: Frame<'_>, all: &[Medicine]) -> Markup {
    let (now, before): (Vec<&Medicine>, Vec<&Medicine>) = all.iter().partition(|medicine| medicine.current);
    html! {
        section aria-labelledby="now" {
            h2 #now { "Taken now" }
            @if now.is_empty() { (nothing("No medicine is ordered for you right now.")) }
            div.cards { @for medicine in now { (card(frame, medicine)) } }
        }
        @if !before.is_empty() {
            section aria-labelledby="before" { h2 #before { "Taken before" } div.cards { @for medicine in before { (card(frame, medicine)) } } }
        }
    }
}

fn card(frame: Frame<'_>, medicine: &Medicine) -> Markup {
    html! {
        article.card.medicine {
            h3 { (medicine.name) }
            @if let Some(how) = &medicine.how { p.how { (how) } }
            dl.facts {
                @if medicine.ordered.is_some() { div { dt { "Ordered" } dd { (day(medicine.ordered, frame.clock)) @if let Some(by) = &medicine.by { " by " bdi { (by) } } } } }
                @if medicine.fetched.is_some() { div { dt { "Last fetched" } dd { (day(medicine.fetched, frame.clock)) } } }
                @if let (true, Some(refills)) = (medicine.current, medicine.refills) { div { dt { "Refills" } dd { (refills) } } }
            }
        }
    }
}

/// One line for the first page.
pub(super) fn row(medicine: &Medicine) -> Markup {
    html! {
        div.row { div.what { strong { (medicine.name) } @if let Some(how) = &medicine.how { span.small { (how) } } } }
    }
}
