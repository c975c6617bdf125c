//! The consent page: what an app asks for, each line of which a person can leave out or narrow.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use bascule_fhir::Id;
use bascule_smart::consent::{Choice, choices, chosen};
use bascule_smart::{OauthError, Refusal, Scope};
use bascule_store::user::UserPatient;
use http::StatusCode;
use http::request::Parts;
use maud::{Markup, html};

use super::browser::{Browser, Sent};
use super::flow::{Ready, Step, Waiting, issue, next};
use super::pages::{PageFailure, app_name, page as whole_page, see_other};
use super::state::SmartState;
use super::whose;

/// The page.
pub(crate) fn page(state: &SmartState, browser: &Browser, waiting: &Waiting, ready: &Ready) -> Response {
    let metadata = &waiting.client.metadata;
    let app = app_name(&metadata.client_name, &waiting.client.id);
    let choices = choices(&waiting.request.scopes);
    let lines = || choices.iter().enumerate();
    let asked = std::iter::once(&waiting.request.api).chain(&waiting.request.also);
    let titles: Vec<&str> = asked.filter_map(|api| state.server().api(api)).map(|api| api.title.as_str()).collect();
    let title = titles.join("; ");
    let mine = whose::patients(state, &ready.user, &waiting.request.api).unwrap_or_default();
    let asks = lines().any(|(_, choice)| choice.optional);
    let body = html! {
        h1 { "Let " span.who { (app) } " in?" }
        p.lead {
            "You are signed in as " span.who { (ready.user.name) } "."
            @if let Some(patient) = &ready.context.patient { " The app asks for " (whose_record(&mine, patient)) "." }
        }
        form method="post" action="/oauth/consent" {
            input type="hidden" name="form" value=(browser.form_token());
            input type="hidden" name="request" value=(waiting.name);
            @if asks {
                h2 id="asks" { "It may" }
                ul.choices aria-labelledby="asks" {
                    @for (index, choice) in lines().filter(|(_, choice)| choice.optional) { (line(index, choice)) }
                }
            }
            h2 { "It will also" }
            ul.given { @for (_, choice) in lines().filter(|(_, choice)| !choice.optional) { li { (choice.title) } } }
            @if waiting.request.scopes.has(&Scope::OfflineAccess) {
                p.note { "This app asks to keep its access for months without asking again. Leave that line out if it need not." }
            }
            p.small { "From: " (title) ". You can end this access at any time." }
            @if let Some(uri) = &metadata.policy_uri { p.small { a href=(uri) rel="noreferrer" { "What the app says about privacy" } } }
            div.buttons {
                button type="submit" name="decision" value="allow" { "Allow" }
                button.quiet type="submit" name="decision" value="deny" { "Refuse" }
            }
        }
    };
    whole_page(StatusCode::OK, &format!("Let {app} in?"), &body, &[&waiting.request.redirect_uri])
}

/// A person by the name that they chose for the patient; a member of staff by the id.
fn whose_record(mine: &[UserPatient], patient: &Id) -> Markup {
    match mine.iter().find(|own| own.patient == *patient) {
        Some(own) => html! { "the record of " span.who { (own.label) } },
        None => html! { "the record of patient " span.who { (patient) } },
    }
}

fn line(index: usize, choice: &Choice) -> Markup {
    html! {
        li {
            label.tick {
                input type="checkbox" name=(Choice::keep_name(index)) value="1" checked;
                span { (choice.title) }
            }
            @if choice.may_change {
                div.under { label.tick {
                    input type="checkbox" name=(Choice::change_name(index)) value="1" checked;
                    span.small { "including to add and change entries" }
                } }
            }
            @if !choice.kinds.is_empty() {
                details.under {
                    summary { "Only some of it" }
                    p.small { "Tick what the app may have. If nothing is ticked here, it may have all of it." }
                    ul { @for (kind, option) in choice.kinds.iter().enumerate() {
                        li { label.tick {
                            input type="checkbox" name=(Choice::kind_name(index, kind)) value="1";
                            span { (option.label) }
                        } }
                    } }
                }
            }
        }
    }
}

/// `POST /oauth/consent`
pub(crate) async fn submit(
    State(state): State<SmartState>,
    parts: Parts,
    body: Bytes,
) -> Result<Response, PageFailure> {
    let Sent { caller, parameters, browser } = Sent::open(&state, &parts, &body)?;
    let waiting = Waiting::load(&state, &browser, parameters.value("request"))?;
    let ready = match next(&state, &browser, &waiting)? {
        Step::Consent(ready) => ready,
        _ => return Ok(see_other(&waiting.link())),
    };
    let denied = |said| Refusal::new(OauthError::AccessDenied, said);
    let user = Some(ready.user.id.clone());
    if parameters.value("decision") != Some("allow") {
        return waiting.refuse(&state, user, denied("the person did not allow it"), &caller).await;
    }
    let asked = choices(&waiting.request.scopes);
    let granted = chosen(&asked, |name| parameters.value(name).is_some());
    let something = asked.iter().any(|choice| choice.optional && choice.scope.is_resource());
    if granted.is_empty() || (something && granted.resources().next().is_none()) {
        return waiting.refuse(&state, user, denied("the person allowed nothing of what was asked"), &caller).await;
    }
    issue(&state, &waiting, *ready, granted, &caller).await
}
