//! The clinicians' chart: its patients, each with a button that opens their record in the app.

use maud::{Markup, html};

use super::super::record::Patient;
use super::layout::{Frame, mark, name};

/// The page before a clinician is signed in.
pub(in super::super) fn ward_welcome(frame: Frame<'_>) -> Markup {
    frame.plain(
        "Chart",
        &html! {
            div.welcome {
                (mark())
                h1 { "The chart" }
                p.lead { "For clinicians: your patients, and their record in the app, opened from here." }
                p { a.button href="/chart/sign-in" { "Sign in" } }
            }
        },
    )
}

/// The list of patients, by id.
pub(in super::super) fn ward(frame: Frame<'_>, patients: &[(String, Patient)]) -> Markup {
    frame.plain(
        "Chart",
        &html! {
            h1 { "Patients" }
            @if patients.is_empty() { p { "No patient is shown to you." } }
            ul.ward {
                @for (id, patient) in patients {
                    li {
                        span { (name(patient)) " " small { (id) } }
                        form method="post" action="/chart/launch" {
                            input type="hidden" name="patient" value=(id);
                            button.quiet type="submit" { "Open the record of " (patient.name) }
                        }
                    }
                }
            }
            form method="post" action="/chart/sign-out" { button.quiet type="submit" { "Sign out" } }
        },
    )
}
