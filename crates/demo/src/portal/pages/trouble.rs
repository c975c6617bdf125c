//! The page that is shown when there is none: what happened, what to do, and a number to name.

use maud::{Markup, html};

use super::super::trouble::Trouble;
use super::layout::Frame;

/// Tells of a trouble. `number` names it for whoever is called about it.
pub(in super::super) fn trouble(frame: Frame<'_>, trouble: &Trouble, number: &str) -> Markup {
    frame.plain(
        trouble.title(),
        &html! {
            div.welcome {
                h1 { (trouble.title()) }
                p.lead { (trouble.words()) }
                p {
                    @if trouble.asks_to_sign_in() { a.button href="/sign-in" { "Sign in" } }
                    @else { a.button href="/" { "To the overview" } }
                }
                p.small { "If you call us about this, name the number " code { (number) } "." }
            }
        },
    )
}
