//! Signing in: login and password, then a second factor if the person has one; or a passkey alone.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bascule_crypto::Secret;
use bascule_smart::SmartEvent;
use bascule_store::alert::NewAlert;
use bascule_store::user::{SignIn, User};
use http::StatusCode;
use http::request::Parts;
use maud::{Markup, html};

use super::browser::{Browser, Sent};
use super::federation;
use super::flow::Waiting;
use super::guesses::Place;
use super::pages::{PageFailure, app_name, see_other};
pub(crate) use super::second_factor::Step;
use super::state::{Caller, SmartState};
pub(crate) use super::then::Then;
use super::{sealed, second_factor};

/// The page for `then`, without an app's request; that comes by `/oauth/continue`.
pub(crate) fn page_of(state: &SmartState, parts: &Parts, then: &Then) -> Result<Response, PageFailure> {
    let browser = Browser::of(state, &parts.headers)?;
    let mut response = plain(state, &browser, then, "", None);
    browser.keep(&mut response);
    Ok(response)
}

/// `GET /oauth/login`
pub(crate) async fn page(
    State(state): State<SmartState>,
    RawQuery(_): RawQuery,
    parts: Parts,
) -> Result<Response, PageFailure> {
    page_of(&state, &parts, &Then::Apps)
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
    let then = Then::Request(waiting.name.clone());
    let body = sign_in_form(state, browser, &then, login, &lead, error);
    super::pages::page(status(error), "Sign in", &body, &[&waiting.request.redirect_uri])
}

fn plain(state: &SmartState, browser: &Browser, then: &Then, login: &str, error: Option<&str>) -> Response {
    let lead = match then {
        Then::Account => html! { "to see and change how you sign in." },
        Then::Link => html! { "to link your account to your record." },
        Then::Apps | Then::Request(_) => html! { "to see which apps you let in." },
    };
    let body = sign_in_form(state, browser, then, login, &lead, error);
    super::pages::page(status(error), "Sign in", &body, &[])
}

const fn status(error: Option<&str>) -> StatusCode {
    if error.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK }
}

/// The sign-in page again, with what was wrong.
pub(crate) fn again(state: &SmartState, browser: &Browser, then: &Then, said: &str) -> Result<Response, PageFailure> {
    once_more(state, browser, then, "", said)
}

fn once_more(
    state: &SmartState,
    browser: &Browser,
    then: &Then,
    login: &str,
    said: &str,
) -> Result<Response, PageFailure> {
    match then.request() {
        None => Ok(plain(state, browser, then, login, Some(said))),
        Some(name) => {
            let waiting = Waiting::load(state, browser, Some(name))?;
            Ok(for_request(state, browser, &waiting, Some((login, said))))
        }
    }
}

fn hidden(browser: &Browser, then: &Then) -> Markup {
    html! {
        input type="hidden" name="form" value=(browser.form_token());
        @if let Some(request) = then.request() { input type="hidden" name="request" value=(request); }
        @if let Some(word) = then.word() { input type="hidden" name="then" value=(word); }
    }
}

fn sign_in_form(
    state: &SmartState,
    browser: &Browser,
    then: &Then,
    login: &str,
    lead: &Markup,
    error: Option<&str>,
) -> Markup {
    html! {
        h1 { "Sign in" }
        p.lead { (lead) }
        @if let Some(error) = error { p.error role="alert" id="error" { (error) } }
        form method="post" action="/oauth/login" {
            (hidden(browser, then))
            label.field for="login" { "User name" }
            input type="text" id="login" name="login" value=(login) autocomplete="username" autocapitalize="none"
                spellcheck="false" maxlength="256" required autofocus[login.is_empty()]
                aria-describedby=[error.map(|_| "error")];
            label.field for="password" { "Password" }
            input type="password" id="password" name="password" autocomplete="current-password" maxlength="1024"
                required autofocus[!login.is_empty()] aria-describedby=[error.map(|_| "error")];
            div.buttons { button type="submit" { "Sign in" } }
        }
        @if state.passkeys().is_some() {
            form.other method="post" action="/oauth/passkey/ask" {
                (hidden(browser, then))
                button.quiet type="submit" { "Use a passkey instead" }
            }
        }
        (federation::offers(state, then.request()))
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
    let then = Then::of(&parameters);
    let place = place(&state, &browser, &login, &caller)?;
    slow_down(&state, &login, &place, &caller).await?;
    let password = Secret::new(parameters.value("password").unwrap_or_default().to_owned());
    match check(&state, &login, password).await? {
        SignIn::Refused { user, because } => {
            failed(&state, &login, user.as_deref(), &place)?;
            state.record(SmartEvent::SignInRefused { user, because }, &caller).await?;
            let said = "User name or password is not right. Please try again.";
            once_more(&state, &browser, &then, &login, said)
        }
        SignIn::Accepted(user) => {
            state.throttles().guesses().held(&login, &place);
            if user.second_factor {
                return second_factor::ask(&state, &browser, &user, &then, false);
            }
            let sealed = sealed::opened(&state, &user, &caller).await?;
            let method = if sealed { "sealed secret" } else { "password" };
            signed_in(&state, &mut browser, &user, sealed, method, &then, &caller).await
        }
    }
}

/// Where somebody tries: a browser that the person has used before, or an address.
fn place(state: &SmartState, browser: &Browser, login: &str, caller: &Caller) -> Result<Place, PageFailure> {
    let digest = browser.digest();
    Ok(if state.store().knows_browser(login, &digest, state.now())? {
        Place::Known(bascule_crypto::hex::encode(&digest))
    } else {
        Place::Strange(caller.address.clone())
    })
}

/// Refuses a try that comes too soon, and says so in the log.
async fn slow_down(state: &SmartState, login: &str, place: &Place, caller: &Caller) -> Result<(), PageFailure> {
    let guarded = state.store().user_by_login(login)?.is_some_and(|user| user.second_factor);
    let throttles = state.throttles();
    let known = match place {
        Place::Known(browser) => browser,
        Place::Strange(address) => address,
    };
    let tried = throttles
        .guesses()
        .may_try(login, place, guarded, state.now())
        .and_then(|()| throttles.sign_in(login, &caller.address, known));
    match tried {
        Ok(()) => Ok(()),
        Err(after) => {
            state.record(SmartEvent::SignInRefused { user: None, because: "throttled" }, caller).await?;
            Err(after.into())
        }
    }
}

/// Counts a failure, and raises an alert when a person's password is being guessed from many places.
fn failed(state: &SmartState, login: &str, user: Option<&str>, place: &Place) -> Result<(), PageFailure> {
    let now = state.now();
    if state.throttles().guesses().failed(login, place, now)
        && let Some(user) = user
    {
        state.store().raise_alert(&NewAlert {
            at: now,
            rule: "password-guessing".to_owned(),
            severity: "high".to_owned(),
            client: None,
            user: Some(user.to_owned()),
            api: None,
            said: "the password of this user is being guessed from many places".to_owned(),
        })?;
    }
    Ok(())
}

/// Argon2id is slow on purpose: not on a thread that others wait for.
pub(crate) async fn check(state: &SmartState, login: &str, password: Secret) -> Result<SignIn, PageFailure> {
    let (store, login) = (state.shared_store(), login.to_owned());
    let checked = tokio::task::spawn_blocking(move || store.sign_in(&login, &password)).await;
    checked.map_err(|_| PageFailure::stale())?.map_err(PageFailure::from)
}

/// The person proved themselves with two factors: a new session, or the one that is there steps up.
pub(crate) async fn proved(
    state: &SmartState,
    browser: &mut Browser,
    user: &User,
    method: &'static str,
    then: &Then,
    caller: &Caller,
) -> Result<Response, PageFailure> {
    let Some(session) = browser.session().filter(|session| session.user == user.id).map(|session| session.id.clone())
    else {
        return signed_in(state, browser, user, true, method, then, caller).await;
    };
    state.store().step_up_session(&session, state.now())?;
    state.record(SmartEvent::SignedIn { user: user.id.clone(), session, method }, caller).await?;
    Ok(see_other(&then.address()))
}

async fn signed_in(
    state: &SmartState,
    browser: &mut Browser,
    user: &User,
    second_factor: bool,
    method: &'static str,
    then: &Then,
    caller: &Caller,
) -> Result<Response, PageFailure> {
    let session = browser.sign_in(state, &user.id, second_factor)?;
    state.store().remember_browser(&user.id, &browser.digest(), state.now())?;
    state.record(SmartEvent::SignedIn { user: user.id.clone(), session: session.id, method }, caller).await?;
    let mut response = see_other(&then.address());
    browser.keep_session(state, &mut response);
    Ok(response)
}
