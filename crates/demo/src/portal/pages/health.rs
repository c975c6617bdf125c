//! Conditions, allergies and vaccines.

use maud::{Markup, html};

use super::super::record::{Allergy, Condition, Vaccine};
use super::Part;
use super::layout::{Frame, Tab, day, head, missing, nothing};

/// What the page shows.
pub(in super::super) struct Health {
    pub(in super::super) conditions: Part<Vec<Condition>>,
    pub(in super::super) allergies: Part<Vec<Allergy>>,
    pub(in super::super) vaccines: Part<Vec<Vaccine>>,
}

/// The page of health.
pub(in super::super) fn health(frame: Frame<'_>, parts: &Health) -> Markup {
    frame.page(Tab::Health, &html! {
        (head("Health", "What your care team has noted. Tell us if something is wrong or missing."))
        div.grid {
            section.card aria-labelledby="conditions" { h2 #conditions { "Conditions" } (part(&parts.conditions, |all| conditions(frame, all))) }
            section.card aria-labelledby="allergies" { h2 #allergies { "Allergies" } (part(&parts.allergies, allergy_list)) }
            section.card.wide aria-labelledby="vaccines" { h2 #vaccines { "Vaccines" } (part(&parts.vaccines, |all| vaccines(frame, all))) }
        }
    })
}

fn part<T>(part: &Part<Vec<T>>, shown: impl Fn(&[T]) -> Markup) -> Markup {
    match part {
        Ok(all) if all.is_empty() => nothing("Nothing here yet."),
        Ok(all) => shown(all),
        Err(trouble) => missing(trouble),
    }
}

fn conditions(frame: Frame<'_>, all: &[Condition]) -> Markup {
    html! {
        ul.rows {
            @for condition in all {
                li { div.row { div.what {
                    strong { (condition.name) }
                    span.small {
                        @if condition.active { "since " (day(condition.since, frame.clock)) }
                        @else { "over" @if condition.until.is_some() { " since " (day(condition.until, frame.clock)) } }
                    }
                } } }
            }
        }
    }
}

/// Allergies, of which the dangerous ones stand out.
pub(super) fn allergy_list(all: &[Allergy]) -> Markup {
    if all.is_empty() {
        return nothing("None is noted. Ask your doctor whether that is right.");
    }
    html! {
        ul.plain {
            @for allergy in all {
                li {
                    @if allergy.none_known { (allergy.name) } @else {
                        strong { (allergy.name) }
                        @if let Some(reaction) = &allergy.reaction { span.small { " · " (reaction) } }
                        @if allergy.severe { " " span.chip.alarm { "can be dangerous" } }
                    }
                }
            }
        }
    }
}

fn vaccines(frame: Frame<'_>, all: &[Vaccine]) -> Markup {
    html! {
        table.stack {
            thead { tr { th scope="col" { "Vaccine" } th scope="col" { "Date" } th scope="col" { span.hidden { "Given" } } } }
            tbody {
                @for vaccine in all {
                    tr {
                        td { (vaccine.name) }
                        td { (day(vaccine.when, frame.clock)) }
                        td { span.small { @if vaccine.given { "given" } @else { "not given" } } }
                    }
                }
            }
        }
    }
}
