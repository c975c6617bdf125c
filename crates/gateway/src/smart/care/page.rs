//! The two pages: one asks why, the other opens emergency access. Each is one form, and each button of it is an answer.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bascule_smart::Parameters;
use http::StatusCode;
use http::request::Parts;
use maud::{Markup, html};

use super::CareState;
use super::link::Ask;
use super::reasons;
use crate::smart::browser::Browser;
use crate::smart::pages::{self, PageFailure};

/// What a page shows.
pub(super) struct Shown<'a> {
    /// The browser.
    pub(super) browser: &'a Browser,
    /// The token of the link by which the person came.
    pub(super) token: &'a str,
    /// What it asks for.
    pub(super) ask: Option<&'a Ask>,
    /// What was wrong with what was sent before.
    pub(super) error: Option<&'a str>,
}

/// `GET /oauth/access`
pub(super) async fn access(
    State(state): State<CareState>,
    RawQuery(query): RawQuery,
    parts: Parts,
) -> Result<Response, PageFailure> {
    let (browser, token, ask) = opened(&state, query.as_deref(), &parts)?;
    let ask = ask.ok_or_else(PageFailure::stale)?;
    let shown = Shown { browser: &browser, token: &token, ask: Some(&ask), error: None };
    let mut response = access_page(&state, &shown)?;
    browser.keep(&mut response);
    Ok(response)
}

/// `GET /oauth/emergency`: also without a link, for a patient who is new or not identified.
pub(super) async fn emergency(
    State(state): State<CareState>,
    RawQuery(query): RawQuery,
    parts: Parts,
) -> Result<Response, PageFailure> {
    let (browser, token, ask) = opened(&state, query.as_deref(), &parts)?;
    let shown = Shown { browser: &browser, token: &token, ask: ask.as_ref(), error: None };
    let mut response = emergency_page(&state, &shown)?;
    browser.keep(&mut response);
    Ok(response)
}

fn opened(
    state: &CareState,
    query: Option<&str>,
    parts: &Parts,
) -> Result<(Browser, String, Option<Ask>), PageFailure> {
    let browser = Browser::of(&state.smart, &parts.headers)?;
    let parameters = Parameters::of(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned());
    let token = parameters.value("ask").unwrap_or_default().to_owned();
    let ask = state.links.open(&token, state.smart.now());
    if !token.is_empty() && ask.is_none() {
        return Err(PageFailure::stale());
    }
    Ok((browser, token, ask))
}

/// Asks why, and offers emergency access beside.
pub(super) fn access_page(state: &CareState, shown: &Shown<'_>) -> Result<Response, PageFailure> {
    let body = html! {
        h1 { "Why do you open this record?" }
        p.lead { "No relation between you and " (named(shown.ask)) " is known. Choose a reason, and go on with your work; "
            "somebody will look at it afterwards." }
        form method="post" action="/oauth/access" {
            (who(state, shown)?)
            (buttons(&reasons::ACCESS, "/oauth/access"))
            h2 { "Is it an emergency?" }
            (buttons(&reasons::EMERGENCY, "/oauth/emergency"))
        }
    };
    Ok(pages::page(status(shown), "Why do you open this record?", &body, &[]))
}

/// Opens emergency access.
pub(super) fn emergency_page(state: &CareState, shown: &Shown<'_>) -> Result<Response, PageFailure> {
    let several = state.smart.server().apis.iter().filter(|api| api.fhir).count() > 1;
    let body = html! {
        h1 { "Emergency access" }
        p.lead { "It opens at once, ends by itself, and is always looked at afterwards." }
        form method="post" action="/oauth/emergency" {
            (who(state, shown)?)
            @if let Some(ask) = shown.ask {
                p { "For " (named(Some(ask))) "." }
            } @else {
                label.field for="patient" { "The patient's id, if it is known" }
                input type="text" id="patient" name="patient" maxlength="64" autocomplete="off" spellcheck="false";
                @if several {
                    label.field for="api" { "Where" }
                    select id="api" name="api" {
                        @for api in state.smart.server().apis.iter().filter(|api| api.fhir) {
                            option value=(api.name) { (api.title) }
                        }
                    }
                }
            }
            (buttons(&reasons::EMERGENCY, "/oauth/emergency"))
        }
    };
    Ok(pages::page(status(shown), "Emergency access", &body, &[]))
}

const fn status(shown: &Shown<'_>) -> StatusCode {
    if shown.error.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK }
}

fn named(ask: Option<&Ask>) -> String {
    ask.and_then(|ask| ask.patient.as_ref()).map_or_else(|| "this patient".to_owned(), |id| format!("patient {id}"))
}

/// Who acts: the person who is signed in here, or name and password in the same form, so that no tap is lost.
fn who(state: &CareState, shown: &Shown<'_>) -> Result<Markup, PageFailure> {
    let user = match shown.browser.session() {
        Some(session) => state.smart.store().user(&session.user)?,
        None => None,
    };
    let own = user.filter(|user| shown.ask.is_none_or(|ask| ask.user == user.id));
    Ok(html! {
        @if let Some(error) = shown.error { p.error role="alert" id="error" { (error) } }
        input type="hidden" name="form" value=(shown.browser.form_token());
        @if !shown.token.is_empty() { input type="hidden" name="ask" value=(shown.token); }
        @if let Some(user) = &own {
            p { "You are " span.who { (user.name) } "." }
        } @else {
            label.field for="login" { "User name" }
            input type="text" id="login" name="login" autocomplete="username" autocapitalize="none" spellcheck="false"
                maxlength="256" required autofocus;
            label.field for="password" { "Password" }
            input type="password" id="password" name="password" autocomplete="current-password" maxlength="1024" required;
        }
        @if own.is_none_or(|user| user.second_factor) {
            label.field for="otp" { "One-time password, if you have it at hand" }
            input type="text" id="otp" name="otp" inputmode="numeric" autocomplete="one-time-code" maxlength="6"
                pattern="[0-9]{6}";
        }
    })
}

fn buttons(reasons: &[(&str, &str)], action: &str) -> Markup {
    html! {
        @for (code, words) in reasons {
            div.buttons { button type="submit" formaction=(action) name="reason" value=(code) { (words) } }
        }
    }
}

/// Says what was opened, until when, and how to end it.
pub(super) fn done(browser: &Browser, kind: &str, until: &str, emergency: Option<&str>) -> Response {
    let body = html! {
        h1 { "Go on" }
        p.lead { (kind) " is open until " time { (until) } " (UTC). Go back to your app and repeat what you did." }
        @if let Some(id) = emergency {
            form method="post" action="/oauth/emergency/end" {
                input type="hidden" name="form" value=(browser.form_token());
                input type="hidden" name="id" value=(id);
                div.buttons { button.quiet type="submit" { "End it now" } }
            }
        }
    };
    pages::page(StatusCode::OK, "Go on", &body, &[])
}

/// Says that it has ended.
pub(super) fn ended() -> Response {
    let body = html! { h1 { "Emergency access has ended" } p.lead { "You can close this page." } };
    pages::page(StatusCode::OK, "Emergency access has ended", &body, &[])
}
