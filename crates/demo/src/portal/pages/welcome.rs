//! The page before somebody is signed in.

use maud::{Markup, html};

use super::layout::{Frame, mark};

/// Whether somebody has just left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Left {
    /// Nobody has.
    No,
    /// Signed out, and the access was revoked.
    Yes,
    /// Signed out here; the access ends by itself soon.
    NotRevoked,
}

/// The page before somebody is signed in.
pub(in super::super) fn welcome(frame: Frame<'_>, left: Left) -> Markup {
    frame.plain("Welcome", &html! {
        div.welcome {
            (mark())
            @if left != Left::No { p.note role="status" { (left.words()) } }
            h1 { "Your record, when you need it" }
            p.lead { "Results with what they mean, medicines and how to take them, appointments, letters: read from your hospital at this moment." }
            p { a.button href="/sign-in" { "Sign in" } }
            p.small { "You sign in at " (frame.organization) " itself. This portal never sees your password, and keeps no copy of your record." }
        }
    })
}

impl Left {
    fn words(self) -> &'static str {
        match self {
            Self::No => "",
            Self::Yes => "You are signed out. The portal’s access to your record has ended.",
            Self::NotRevoked => {
                "You are signed out here. The hospital could not be told at once; the access ends by itself within the hour."
            }
        }
    }
}
