//! Whose record: a person picks among those they stand for, a member of staff names a patient.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use bascule_fhir::Id;
use bascule_store::user::{User, UserPatient};
use http::StatusCode;
use http::request::Parts;
use maud::html;

use super::browser::{Browser, Sent};
use super::flow::{Step, Waiting, next};
use super::pages::{PageFailure, app_name, page, see_other};
use super::state::SmartState;

/// The page on which a person picks.
pub(crate) fn pick(browser: &Browser, waiting: &Waiting, user: &User, patients: &[UserPatient]) -> Response {
    let app = app_name(&waiting.client.metadata.client_name, &waiting.client.id);
    let body = html! {
        h1 { "Whose record?" }
        p.lead { "You are signed in as " span.who { (user.name) } ". Whose record may " span.who { (app) } " see?" }
        form method="post" action="/oauth/patient" {
            input type="hidden" name="form" value=(browser.form_token());
            input type="hidden" name="request" value=(waiting.name);
            fieldset {
                legend.small { "Choose one" }
                ul.choices {
                    @for (index, patient) in patients.iter().enumerate() {
                        li { label.tick {
                            input type="radio" name="patient" value=(patient.patient) checked[index == 0] required;
                            span { (patient.label) @if patient.kind != "self" { span.small { " (" (patient.kind) ")" } } }
                        } }
                    }
                }
            }
            div.buttons { button type="submit" { "Continue" } }
        }
    };
    page(StatusCode::OK, "Whose record?", &body, &[&waiting.request.redirect_uri])
}

/// The page on which a member of staff names a patient.
pub(crate) fn name(browser: &Browser, waiting: &Waiting, user: &User, error: Option<&str>) -> Response {
    let app = app_name(&waiting.client.metadata.client_name, &waiting.client.id);
    let body = html! {
        h1 { "Which patient?" }
        p.lead { "You are signed in as " span.who { (user.name) } ". Which patient's record do you want to open in "
            span.who { (app) } "?" }
        @if let Some(error) = error { p.error role="alert" id="error" { (error) } }
        form method="post" action="/oauth/patient" {
            input type="hidden" name="form" value=(browser.form_token());
            input type="hidden" name="request" value=(waiting.name);
            label.field for="patient" { "Patient id" }
            input type="text" id="patient" name="patient" maxlength="64" autocapitalize="none" spellcheck="false"
                autocomplete="off" required autofocus aria-describedby=[error.map(|_| "error")];
            p.small { "The id of the patient's record in this hospital, as the chart shows it. You see only what your role allows." }
            div.buttons { button type="submit" { "Continue" } }
        }
    };
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    page(status, "Which patient?", &body, &[&waiting.request.redirect_uri])
}

/// `POST /oauth/patient`
pub(crate) async fn submit(
    State(state): State<SmartState>,
    parts: Parts,
    body: Bytes,
) -> Result<Response, PageFailure> {
    let Sent { parameters, browser, .. } = Sent::open(&state, &parts, &body)?;
    let mut waiting = Waiting::load(&state, &browser, parameters.value("request"))?;
    let chosen = parameters.value("patient").map(str::trim).and_then(Id::parse);
    match (next(&state, &browser, &waiting)?, chosen) {
        (Step::PickPatient(_, mine), Some(chosen)) if mine.iter().any(|own| own.patient == chosen) => {
            waiting.choose(&state, chosen)?;
        }
        (Step::NamePatient(_), Some(chosen)) => waiting.choose(&state, chosen)?,
        (Step::NamePatient(user), None) => {
            let said = "An id has letters, digits, dots and hyphens only, at most 64.";
            return Ok(name(&browser, &waiting, &user, Some(said)));
        }
        _ => {}
    }
    Ok(see_other(&waiting.link()))
}
