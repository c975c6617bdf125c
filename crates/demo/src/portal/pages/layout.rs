//! What every page has around it, and the small parts that several pages share.

use maud::{DOCTYPE, Markup, html};

use super::super::record::Patient;
use super::super::trouble::Trouble;
use super::super::words::{Clock, When};

/// The style sheet, served under its own address.
pub(in super::super) const STYLE: &str = include_str!("style.css");

/// Where in the record somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Tab {
    Overview,
    Results,
    Medicines,
    Appointments,
    Health,
    Documents,
    Messages,
    Looks,
}

impl Tab {
    const ALL: [Self; 8] = [
        Self::Overview,
        Self::Results,
        Self::Medicines,
        Self::Appointments,
        Self::Health,
        Self::Documents,
        Self::Messages,
        Self::Looks,
    ];

    /// Its address.
    pub(in super::super) fn path(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Results => "/results",
            Self::Medicines => "/medicines",
            Self::Appointments => "/appointments",
            Self::Health => "/health",
            Self::Documents => "/documents",
            Self::Messages => "/messages",
            Self::Looks => "/looks",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Results => "Results",
            Self::Medicines => "Medicines",
            Self::Appointments => "Appointments",
            Self::Health => "Health",
            Self::Documents => "Documents",
            Self::Messages => "Messages",
            Self::Looks => "Who has looked",
        }
    }
}

/// What every page knows.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Frame<'a> {
    pub(in super::super) organization: &'a str,
    /// Whose record it is; `None`: nobody is signed in.
    pub(in super::super) patient: Option<&'a Patient>,
    pub(in super::super) clock: Clock,
    /// Whether the record is longer than what was read.
    pub(in super::super) cut: bool,
}

impl Frame<'_> {
    /// A whole page of the record.
    pub(super) fn page(&self, tab: Tab, main: &Markup) -> Markup {
        self.document(tab.name(), Some(tab), main)
    }

    /// A whole page outside the record.
    pub(super) fn plain(&self, title: &str, main: &Markup) -> Markup {
        self.document(title, None, main)
    }

    fn document(&self, title: &str, tab: Option<Tab>, main: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · " (self.organization) }
                    link rel="stylesheet" href="/style.css";
                    link rel="icon" type="image/svg+xml" href="/icon.svg";
                }
                body {
                    a.skip href="#main" { "Skip to content" }
                    header.top {
                        div.bar {
                            a.brand href="/" { (mark()) span { (self.organization) small { span.portal { "Patient portal" } @if let Some(patient) = self.patient { span.person { (name(patient)) } } } } }
                            @if let Some(patient) = self.patient { (who(patient)) }
                        }
                        @if let (Some(_), Some(tab)) = (self.patient, tab) { (navigation(tab)) }
                    }
                    main #main tabindex="-1" {
                        (main)
                        @if self.cut { p.note role="status" { "Your record is longer than this page. What is older is not shown here." } }
                    }
                    footer {
                        p { "In an emergency, call 911. Messages here are not read at once." }
                        p { "This page is read from your hospital’s record at this moment. The portal keeps no copy." }
                    }
                }
            }
        }
    }
}

fn who(patient: &Patient) -> Markup {
    html! {
        div.who {
            (name(patient))
            a.quiet href="/sign-in" title="Show the record of somebody whom you represent, or your own" { "Switch person" }
            form method="post" action="/sign-out" { button.quiet type="submit" { "Sign out" } }
        }
    }
}

fn navigation(here: Tab) -> Markup {
    html! {
        nav aria-label="Your record" {
            ul {
                @for tab in Tab::ALL {
                    li { a href=(tab.path()) aria-current=[(tab == here).then_some("page")] { (tab.name()) } }
                }
            }
        }
    }
}

/// A name in its own language and direction.
pub(super) fn name(patient: &Patient) -> Markup {
    html! { bdi.name lang=[patient.language.as_deref()] { (patient.name) } }
}

/// The house's sign: a bridge that opens.
pub(super) fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 32 32" width="32" height="32" aria-hidden="true" focusable="false" {
            rect width="32" height="32" rx="9" {}
            path d="M5 22h22M9 22V15l6-6M23 22V15l-6-6" {}
        }
    }
}

/// A date for eyes and machines.
pub(super) fn day(when: Option<When>, clock: Clock) -> Markup {
    match when {
        Some(when) => html! { time datetime=(when.machine()) title=(when.long()) { (when.short(clock)) } },
        None => html! { span { "date unknown" } },
    }
}

/// The head of a page.
pub(super) fn head(title: &str, lead: &str) -> Markup {
    html! { div.head { h1 { (title) } p.lead { (lead) } } }
}

/// Nothing is there, and that is said.
pub(super) fn nothing(words: &str) -> Markup {
    html! { p.nothing { (words) } }
}

/// A part of a page that could not be had.
pub(super) fn missing(trouble: &Trouble) -> Markup {
    html! {
        div.note role="status" {
            strong { (trouble.title()) }
            p { (trouble.words()) }
            @if let Some(id) = trouble.request_id() { p.small { "Number for the hospital: " code { (id) } } }
        }
    }
}
