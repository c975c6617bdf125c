//! The second factor: after a right password, or once more for what asks for a fresh proof (RFC 9470).

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use bascule_crypto::digest::sha256;
use bascule_smart::{SmartEvent, totp};
use bascule_store::pending::{Pending, PendingKind};
use bascule_store::random;
use bascule_store::user::User;
use http::StatusCode;
use http::request::Parts;
use maud::html;
use serde_json::{Value, json};

use super::browser::{Browser, Sent};
use super::guesses::Place;
use super::login::proved;
use super::pages::PageFailure;
use super::state::SmartState;
use super::then::Then;

/// Seconds in which the second factor must follow.
const SECONDS: i64 = 300;

/// A person of whom the second factor is awaited, in this browser.
pub(crate) struct Step {
    name: String,
    /// Who.
    pub(crate) user: User,
    /// Where they go then.
    pub(crate) then: Then,
    /// Whether they are signed in already and prove themselves once more.
    again: bool,
}

impl Step {
    /// The step of that name, if it belongs to this browser.
    pub(crate) fn load(state: &SmartState, browser: &Browser, name: &str) -> Result<Self, PageFailure> {
        let found = state.store().pending(&sha256(name.as_bytes()), PendingKind::SecondFactor, state.now())?;
        let pending =
            found.filter(|pending| pending.browser == Some(browser.digest())).ok_or_else(PageFailure::stale)?;
        let kept: Value = serde_json::from_str(&pending.body).unwrap_or_default();
        let user = kept.get("second_factor_of").and_then(Value::as_str).ok_or_else(PageFailure::stale)?;
        let user = state.store().user(user)?.ok_or_else(PageFailure::stale)?;
        let again = kept.get("again").and_then(Value::as_bool).unwrap_or_default();
        Ok(Self { name: name.to_owned(), user, then: Then::of_value(&kept), again })
    }

    /// Uses it up.
    pub(crate) fn take(&self, state: &SmartState) -> Result<(), PageFailure> {
        let taken =
            state.store().take_pending(&sha256(self.name.as_bytes()), PendingKind::SecondFactor, state.now())?;
        taken.map(drop).ok_or_else(PageFailure::stale)
    }
}

/// Keeps for a moment, in this browser, who it is, and asks for the second factor. `again`: they are signed in already.
pub(crate) fn ask(
    state: &SmartState,
    browser: &Browser,
    user: &User,
    then: &Then,
    again: bool,
) -> Result<Response, PageFailure> {
    let name = random::token()?;
    let mut body = then.to_value();
    if let Some(body) = body.as_object_mut() {
        body.insert("second_factor_of".into(), json!(user.id));
        body.insert("again".into(), json!(again));
    }
    let pending = Pending {
        client: String::new(),
        body: body.to_string(),
        browser: Some(browser.digest()),
        expires: state.now().plus_seconds(SECONDS),
    };
    state.store().put_pending(&sha256(name.expose()), PendingKind::SecondFactor, &pending)?;
    let step = Step { name: random::text(&name), user: user.clone(), then: then.clone(), again };
    page(state, browser, &step, None)
}

fn page(state: &SmartState, browser: &Browser, step: &Step, error: Option<&str>) -> Result<Response, PageFailure> {
    let store = state.store();
    let one_time = store.second_factor(&step.user.id)?.is_some();
    let passkeys =
        state.passkeys().is_some() && store.passkeys_of(&step.user.id)?.iter().any(|passkey| passkey.blocked.is_none());
    let title = if step.again { "Confirm that it is you" } else { "One more step" };
    let body = html! {
        h1 { (title) }
        p.lead {
            @if step.again { "What comes next needs a fresh proof. You are signed in as " span.who { (step.user.name) } ". " }
            @if one_time { "Enter the six digits that your authenticator app shows." }
            @else if passkeys { "Use your passkey to go on." }
            @else { "The second factor of this account cannot be used here. Ask an administrator to reset it." }
        }
        @if let Some(error) = error { p.error role="alert" id="error" { (error) } }
        @if one_time {
            form method="post" action="/oauth/second-factor" {
                input type="hidden" name="form" value=(browser.form_token());
                input type="hidden" name="step" value=(step.name);
                label.field for="otp" { "One-time password" }
                input type="text" id="otp" name="otp" inputmode="numeric" autocomplete="one-time-code" maxlength="6"
                    pattern="[0-9]{6}" required autofocus aria-describedby=[error.map(|_| "error")];
                div.buttons { button type="submit" { "Continue" } }
            }
        }
        @if passkeys {
            form.other method="post" action="/oauth/passkey/ask" {
                input type="hidden" name="form" value=(browser.form_token());
                input type="hidden" name="step" value=(step.name);
                button type="submit" class=[one_time.then_some("quiet")] { "Use your passkey" }
            }
        }
    };
    let status = if error.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let target = step.then.leads_to(state, browser).unwrap_or_default();
    Ok(super::pages::page(status, title, &body, &[&target]))
}

/// `POST /oauth/second-factor`
pub(crate) async fn submit(
    State(state): State<SmartState>,
    parts: Parts,
    body: Bytes,
) -> Result<Response, PageFailure> {
    let Sent { caller, parameters, mut browser } = Sent::open(&state, &parts, &body)?;
    let step = Step::load(&state, &browser, parameters.value("step").unwrap_or_default())?;
    let user = step.user.id.clone();
    // Who comes here knows the password, or holds the session: then strangers may be slowed together.
    let (what, place) = (format!("one-time password of {user}"), Place::Strange(caller.address.clone()));
    let throttles = state.throttles();
    let tried = throttles
        .guesses()
        .may_try(&what, &place, false, state.now())
        .and_then(|()| throttles.sign_in(&user, &caller.address, &caller.address));
    if let Err(after) = tried {
        state.record(SmartEvent::SignInRefused { user: Some(user), because: "throttled" }, &caller).await?;
        return Err(after.into());
    }
    if !right(&state, &step.user, parameters.value("otp").unwrap_or_default())? {
        throttles.guesses().failed(&what, &place, state.now());
        state.record(SmartEvent::SignInRefused { user: Some(user), because: "otp" }, &caller).await?;
        let said = "These digits are not right, or were used already. Please enter the ones that are shown now.";
        return page(&state, &browser, &step, Some(said));
    }
    throttles.guesses().held(&what, &place);
    step.take(&state)?;
    let method = if step.again { "otp once more" } else { "password+otp" };
    proved(&state, &mut browser, &step.user, method, &step.then, &caller).await
}

/// Whether these are the digits of now, for the first time.
pub(crate) fn right(state: &SmartState, user: &User, digits: &str) -> Result<bool, PageFailure> {
    let Some(secret) = state.store().second_factor(&user.id)? else { return Ok(false) };
    let Some(step) = totp::step(&secret, digits, state.now()) else { return Ok(false) };
    Ok(state.store().use_second_factor_step(&user.id, step).is_ok())
}
