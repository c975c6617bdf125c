//! The first page: what comes next, what is new, what is taken, what must be known.

use maud::{Markup, html};

use super::super::record::{Allergy, Appointment, Condition, Medicine, Patient, Series};
use super::layout::{Frame, Tab, day, missing, nothing};
use super::{Part, results};

/// What the first page shows.
pub(in super::super) struct Overview {
    pub(in super::super) appointments: Part<Vec<Appointment>>,
    pub(in super::super) results: Part<Vec<Series>>,
    pub(in super::super) medicines: Part<Vec<Medicine>>,
    pub(in super::super) conditions: Part<Vec<Condition>>,
    pub(in super::super) allergies: Part<Vec<Allergy>>,
}

const RESULTS_SHOWN: usize = 5;

/// The first page.
pub(in super::super) fn overview(frame: Frame<'_>, patient: &Patient, parts: &Overview) -> Markup {
    frame.page(Tab::Overview, &html! {
        (greeting(frame, patient))
        div.grid {
            section.card.next aria-labelledby="next" { h2 #next { "Next appointment" } (next(frame, &parts.appointments)) }
            section.card aria-labelledby="know" { h2 #know { "Good to know" } (know(parts)) }
            section.card.wide aria-labelledby="new" { h2 #new { "Newest results" } (newest(frame, &parts.results)) }
            section.card.wide aria-labelledby="taken" { h2 #taken { "What you take" } (taken(&parts.medicines)) }
        }
    })
}

fn greeting(frame: Frame<'_>, patient: &Patient) -> Markup {
    html! {
        div.head.greeting {
            h1 { "Hello, " bdi lang=[patient.language.as_deref()] { (patient.given) } }
            dl.facts {
                @if let Some(birth) = patient.birth { div { dt { "Born" } dd { (day(Some(birth), frame.clock)) " (" (birth.age(frame.clock)) " years)" } } }
                @if let Some(latin) = &patient.latin { div { dt { "In Latin letters" } dd { (latin) } } }
                @if let Some(number) = &patient.record_number { div { dt { "Record" } dd { (number) } } }
                @if let Some(physician) = &patient.physician { div { dt { "Your doctor" } dd { bdi { (physician) } } } }
            }
        }
    }
}

fn next(frame: Frame<'_>, part: &Part<Vec<Appointment>>) -> Markup {
    let all = match part {
        Ok(all) => all,
        Err(trouble) => return missing(trouble),
    };
    let ahead = all
        .iter()
        .filter(|appointment| appointment.stands())
        .find(|appointment| appointment.start.is_some_and(|start| start.is_ahead(frame.clock)));
    html! {
        @match ahead {
            Some(appointment) => (super::appointments::ticket(frame, appointment)),
            None => (nothing("No appointment is planned.")),
        }
        p.more { a href="/appointments" { "All appointments" } }
    }
}

fn know(parts: &Overview) -> Markup {
    html! {
        h3 { "Allergies" }
        @match &parts.allergies {
            Ok(all) => (super::health::allergy_list(all)),
            Err(trouble) => (missing(trouble)),
        }
        h3 { "Conditions" }
        @match &parts.conditions {
            Ok(all) if all.iter().any(|condition| condition.active) => {
                ul.plain { @for condition in all.iter().filter(|condition| condition.active) { li { (condition.name) } } }
            }
            Ok(_) => (nothing("None is noted.")),
            Err(trouble) => (missing(trouble)),
        }
        p.more { a href="/health" { "Conditions, allergies, vaccines" } }
    }
}

fn newest(frame: Frame<'_>, part: &Part<Vec<Series>>) -> Markup {
    html! {
        @match part {
            Ok(all) if all.is_empty() => (nothing("Nothing here yet. Results appear as soon as the laboratory sends them.")),
            Ok(all) => ul.rows { @for series in all.iter().take(RESULTS_SHOWN) { li { (results::row(frame, series)) } } },
            Err(trouble) => (missing(trouble)),
        }
        p.more { a href="/results" { "All results and how they moved" } }
    }
}

fn taken(part: &Part<Vec<Medicine>>) -> Markup {
    html! {
        @match part {
            Ok(all) if all.iter().any(|medicine| medicine.current) => {
                ul.rows { @for medicine in all.iter().filter(|medicine| medicine.current) { li { (super::medicines::row(medicine)) } } }
            }
            Ok(_) => (nothing("No medicine is ordered for you right now.")),
            Err(trouble) => (missing(trouble)),
        }
        p.more { a href="/medicines" { "All medicines" } }
    }
}
