//! A person links their account to their record by a code that they were given on paper, in person.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use bascule_smart::SmartEvent;
use bascule_store::user::{User, UserPatient};
use http::StatusCode;
use http::request::Parts;
use maud::html;

use super::browser::{Browser, Sent};
use super::guesses::Place;
use super::login;
use super::pages::{PageFailure, page as whole_page};
use super::state::SmartState;
use super::then::Then;
use super::whose;

/// `GET /oauth/link`
pub(crate) async fn page(State(state): State<SmartState>, parts: Parts) -> Result<Response, PageFailure> {
    let browser = Browser::of(&state, &parts.headers)?;
    let Some(session) = browser.session() else { return login::page_of(&state, &parts, &Then::Link) };
    let user = state.store().user(&session.user)?.ok_or_else(PageFailure::stale)?;
    shown(&state, &browser, &user, None, false)
}

fn shown(
    state: &SmartState,
    browser: &Browser,
    user: &User,
    error: Option<&str>,
    linked: bool,
) -> Result<Response, PageFailure> {
    let mut records: Vec<UserPatient> = Vec::new();
    for api in state.server().apis.iter().filter(|api| api.fhir) {
        let of_api = whose::patients(state, user, &api.name)?;
        // The same person may have a record in several.
        records.extend(
            of_api.into_iter().filter(|one| !records.iter().any(|own| own.label == one.label)).collect::<Vec<_>>(),
        );
    }
    let body = html! {
        h1 { "Link your record" }
        p.lead { "You are signed in as " span.who { (user.name) } "." }
        @if let Some(error) = error { p.error role="alert" id="error" { (error) } }
        @if linked { p.note role="status" { "Your account is linked. Apps that you let in can now show this record." } }
        @if !records.is_empty() {
            h2 { "Records that you can open" }
            ul.given { @for own in &records { li { (own.label) @if own.kind != "self" { " (" (own.kind) ")" } } } }
        }
        form method="post" action="/oauth/link" {
            input type="hidden" name="form" value=(browser.form_token());
            label.field for="code" { "Code on the paper that you were given at the desk" }
            input type="text" id="code" name="code" maxlength="32" autocapitalize="characters" autocomplete="off"
                spellcheck="false" placeholder="ABCD-EFGH-JKLM-NPQR" required autofocus aria-describedby=[error.map(|_| "error")];
            p.small { "A code works once and for a few days. If yours no longer works, ask for another one at the desk." }
            div.buttons { button type="submit" { "Link" } }
        }
    };
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(whole_page(status, "Link your record", &body, &[]))
}

/// `POST /oauth/link`
pub(crate) async fn submit(
    State(state): State<SmartState>,
    parts: Parts,
    body: Bytes,
) -> Result<Response, PageFailure> {
    let Sent { caller, parameters, browser } = Sent::open(&state, &parts, &body)?;
    let Some(session) = browser.session() else { return login::page_of(&state, &parts, &Then::Link) };
    let (user, now) = (state.store().user(&session.user)?.ok_or_else(PageFailure::stale)?, state.now());
    // Counted by account, wherever it is used from: few tries, and each failure doubles the wait.
    let (what, place) = (format!("link code for {}", user.id), Place::Strange(String::new()));
    let throttles = state.throttles();
    let tried = throttles.guesses().may_try(&what, &place, true, now).and_then(|()| throttles.address(&caller.address));
    if let Err(after) = tried {
        let event = SmartEvent::LinkRefused { user: user.id, because: "throttled" };
        state.record(event, &caller).await?;
        return Err(after.into());
    }
    let typed = parameters.value("code").unwrap_or_default();
    match state.store().use_link_code(typed, &user.id, &user.name, now)? {
        None => {
            throttles.guesses().failed(&what, &place, now);
            state.record(SmartEvent::LinkRefused { user: user.id.clone(), because: "code" }, &caller).await?;
            let said = "This code is not known, was used, or its time is over.";
            shown(&state, &browser, &user, Some(said), false)
        }
        Some(target) => {
            throttles.guesses().held(&what, &place);
            let event = SmartEvent::Linked {
                user: user.id.clone(),
                api: target.api,
                patient: target.patient.to_string(),
                kind: target.kind,
            };
            state.record(event, &caller).await?;
            let user = state.store().user(&user.id)?.unwrap_or(user);
            shown(&state, &browser, &user, None, true)
        }
    }
}
