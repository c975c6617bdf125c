//! Signing in: login and password, then a one-time password if the user has set one up.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bascule_crypto::Secret;
use bascule_crypto::digest::sha256;
use bascule_smart::{Parameters, SmartEvent, totp};
use bascule_store::pending::{Pending, PendingKind};
use bascule_store::random;
use bascule_store::user::{SignIn, User};
use http::StatusCode;
use http::request::Parts;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::browser::{Browser, Sent};
use super::federation;
use super::flow::Waiting;
use super::pages::{PageFailure, app_name, see_other};
use super::state::{Caller, SmartState};

/// Seconds in which the one-time password must follow the password.
const SECOND_FACTOR_SECONDS: i64 = 300;

/// Where a person goes after signing in.
enum Then<'a> {
    /// On with an app's request.
    Request(&'a str),
    /// To the list of apps.
    Apps,
}

impl<'a> Then<'a> {
    fn of(parameters: &'a Parameters) -> Self {
        parameters.value("request").map_or(Self::Apps, Self::Request)
    }

    fn address(&self) -> String {
        match self {
            Self::Request(name) => format!("/oauth/continue?request={name}"),
            Self::Apps => "/oauth/apps".to_owned(),
        }
    }
}

/// `GET /oauth/login`: for the list of apps; an app's request comes by `/oauth/continue`.
pub(crate) async fn page_of(state: &SmartState, parts: &Parts) -> Result<Response, PageFailure> {
    let browser = Browser::of(state, &parts.headers)?;
    let mut response = plain(state, &browser, "", None);
    browser.keep(&mut response);
    Ok(response)
}

pub(crate) async fn page(
    State(state): State<SmartState>,
    RawQuery(_): RawQuery,
    parts: Parts,
) -> Result<Response, PageFailure> {
    page_of(&state, &parts).await
}

/// The form for an app's request.
pub(crate) fn for_request(
    state: &SmartState,
    browser: &Browser,
    waiting: &Waiting,
    error: Option<(&str, &str)>,
) -> Response {
    let app = app_name(&waiting.client.metadata.client_name, &waiting.client.id);
    let hint = waiting.request.login_hint.clone().unwrap_or_default();
    let (login, error) = error.map_or((hint.as_str(), None), |(login, error)| (login, Some(error)));
    let lead = html! { "to go on to " span.who { (app) } "." };
    let body = sign_in_form(state, browser, Some(&waiting.name), login, &lead, error);
    let status = if error.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    super::pages::page(status, "Sign in", &body, &[&waiting.request.redirect_uri])
}

fn plain(state: &SmartState, browser: &Browser, login: &str, error: Option<&str>) -> Response {
    let lead = html! { "to see which apps you let in." };
    let body = sign_in_form(state, browser, None, login, &lead, error);
    let status = if error.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    super::pages::page(status, "Sign in", &body, &[])
}

fn sign_in_form(
    state: &SmartState,
    browser: &Browser,
    request: Option<&str>,
    login: &str,
    lead: &Markup,
    error: Option<&str>,
) -> Markup {
    html! {
        h1 { "Sign in" }
        p.lead { (lead) }
        @if let Some(error) = error { p.error role="alert" id="error" { (error) } }
        form method="post" action="/oauth/login" {
            input type="hidden" name="form" value=(browser.form_token());
            @if let Some(request) = request { input type="hidden" name="request" value=(request); }
            label.field for="login" { "User name" }
            input type="text" id="login" name="login" value=(login) autocomplete="username" autocapitalize="none"
                spellcheck="false" maxlength="256" required autofocus[login.is_empty()]
                aria-describedby=[error.map(|_| "error")];
            label.field for="password" { "Password" }
            input type="password" id="password" name="password" autocomplete="current-password" maxlength="1024"
                required autofocus[!login.is_empty()] aria-describedby=[error.map(|_| "error")];
            div.buttons { button type="submit" { "Sign in" } }
        }
        (federation::offers(state, request))
    }
}

/// `POST /oauth/login`
pub(crate) async fn submit(
    State(state): State<SmartState>,
    parts: Parts,
    body: Bytes,
) -> Result<Response, PageFailure> {
    let Sent { caller, parameters, mut browser } = Sent::open(&state, &parts, &body)?;
    let login = parameters.value("login").unwrap_or_default().to_owned();
    if let Err(after) = state.throttles().sign_in(&login, &caller.address) {
        let event = SmartEvent::SignInRefused { user: None, because: "throttled" };
        state.record(event, &caller).await?;
        return Err(after.into());
    }
    let password = Secret::new(parameters.value("password").unwrap_or_default().to_owned());
    match check(&state, &login, password).await? {
        SignIn::Refused { user, because } => {
            state.record(SmartEvent::SignInRefused { user, because }, &caller).await?;
            let said = "User name or password is not right. Please try again.";
            match parameters.value("request") {
                None => Ok(plain(&state, &browser, &login, Some(said))),
                Some(name) => {
                    let waiting = Waiting::load(&state, &browser, Some(name))?;
                    Ok(for_request(&state, &browser, &waiting, Some((&login, said))))
                }
            }
        }
        SignIn::Accepted(user) if user.second_factor => ask_second_factor(&state, &browser, &user, &parameters),
        SignIn::Accepted(user) => signed_in(&state, &mut browser, &user, false, &Then::of(&parameters), &caller).await,
    }
}

/// Argon2id is slow on purpose: not on a thread that others wait for.
async fn check(state: &SmartState, login: &str, password: Secret) -> Result<SignIn, PageFailure> {
    let (store, login) = (state.shared_store(), login.to_owned());
    let checked = tokio::task::spawn_blocking(move || store.sign_in(&login, &password)).await;
    checked.map_err(|_| PageFailure::stale())?.map_err(PageFailure::from)
}

async fn signed_in(
    state: &SmartState,
    browser: &mut Browser,
    user: &User,
    second_factor: bool,
    then: &Then<'_>,
    caller: &Caller,
) -> Result<Response, PageFailure> {
    let session = browser.sign_in(state, &user.id, second_factor)?;
    let method = if second_factor { "password+otp" } else { "password" };
    state.record(SmartEvent::SignedIn { user: user.id.clone(), session: session.id, method }, caller).await?;
    let mut response = see_other(&then.address());
    browser.keep_session(state, &mut response);
    Ok(response)
}

/// The password was right: keeps that for a moment, in this browser, and asks for the second factor.
fn ask_second_factor(
    state: &SmartState,
    browser: &Browser,
    user: &User,
    parameters: &Parameters,
) -> Result<Response, PageFailure> {
    let name = random::token()?;
    let pending = Pending {
        client: String::new(),
        body: json!({"second_factor_of": user.id, "request": parameters.value("request")}).to_string(),
        browser: Some(browser.digest()),
        expires: state.now().plus_seconds(SECOND_FACTOR_SECONDS),
    };
    state.store().put_pending(&sha256(name.expose()), PendingKind::SecondFactor, &pending)?;
    second_factor_page(state, browser, &random::text(&name), parameters.value("request"), None)
}

fn second_factor_page(
    state: &SmartState,
    browser: &Browser,
    name: &str,
    request: Option<&str>,
    error: Option<&str>,
) -> Result<Response, PageFailure> {
    let body = html! {
        h1 { "One more step" }
        p.lead { "Enter the six digits that your authenticator app shows." }
        @if let Some(error) = error { p.error role="alert" id="error" { (error) } }
        form method="post" action="/oauth/second-factor" {
            input type="hidden" name="form" value=(browser.form_token());
            input type="hidden" name="step" value=(name);
            label.field for="otp" { "One-time password" }
            input type="text" id="otp" name="otp" inputmode="numeric" autocomplete="one-time-code" maxlength="6"
                pattern="[0-9]{6}" required autofocus aria-describedby=[error.map(|_| "error")];
            div.buttons { button type="submit" { "Continue" } }
        }
    };
    let status = if error.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let target = match request {
        Some(request) => Waiting::load(state, browser, Some(request))?.request.redirect_uri,
        None => String::new(),
    };
    Ok(super::pages::page(status, "One more step", &body, &[&target]))
}

/// `POST /oauth/second-factor`
pub(crate) async fn second_factor(
    State(state): State<SmartState>,
    parts: Parts,
    body: Bytes,
) -> Result<Response, PageFailure> {
    let Sent { caller, parameters, mut browser } = Sent::open(&state, &parts, &body)?;
    let name = parameters.value("step").unwrap_or_default().to_owned();
    let digest = sha256(name.as_bytes());
    let found = state.store().pending(&digest, PendingKind::SecondFactor, state.now())?;
    let pending = found.filter(|pending| pending.browser == Some(browser.digest())).ok_or_else(PageFailure::stale)?;
    let kept: Value = serde_json::from_str(&pending.body).unwrap_or_default();
    let text = |name: &str| kept.get(name).and_then(Value::as_str).map(str::to_owned);
    let user = text("second_factor_of").ok_or_else(PageFailure::stale)?;
    let user = state.store().user(&user)?.ok_or_else(PageFailure::stale)?;
    if let Err(after) = state.throttles().sign_in(&user.id, &caller.address) {
        state.record(SmartEvent::SignInRefused { user: Some(user.id), because: "throttled" }, &caller).await?;
        return Err(after.into());
    }
    let request = text("request");
    if !right(&state, &user, parameters.value("otp").unwrap_or_default())? {
        state.record(SmartEvent::SignInRefused { user: Some(user.id), because: "otp" }, &caller).await?;
        let said = "These digits are not right, or were used already. Please enter the ones that are shown now.";
        return second_factor_page(&state, &browser, &name, request.as_deref(), Some(said));
    }
    state.store().take_pending(&digest, PendingKind::SecondFactor, state.now())?.ok_or_else(PageFailure::stale)?;
    let then = request.as_deref().map_or(Then::Apps, Then::Request);
    signed_in(&state, &mut browser, &user, true, &then, &caller).await
}

fn right(state: &SmartState, user: &User, digits: &str) -> Result<bool, PageFailure> {
    let Some(secret) = state.store().second_factor(&user.id)? else { return Ok(false) };
    let Some(step) = totp::step(&secret, digits, state.now()) else { return Ok(false) };
    Ok(state.store().use_second_factor_step(&user.id, step).is_ok())
}
