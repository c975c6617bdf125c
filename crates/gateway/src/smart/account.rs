//! How a person signs in: their passkeys and one-time passwords. Each change asks for a fresh proof.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use bascule_crypto::digest::sha256;
use bascule_crypto::{Secret, hex};
use bascule_fhir::Timestamp;
use bascule_smart::{SmartEvent, totp};
use bascule_store::passkey::{NAME_CHARACTERS_MAX, Passkey};
use bascule_store::pending::{Pending, PendingKind};
use bascule_store::random;
use bascule_store::session::Session;
use bascule_store::user::User;
use http::StatusCode;
use http::request::Parts;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::browser::{Browser, Sent};
use super::pages::{PageFailure, page as whole_page, see_other};
use super::passkey::{self, Ceremony, adapter, faulty, remembered};
use super::state::SmartState;
use super::then::Then;
use super::{login, second_factor};

/// Seconds in which a new one-time password must be shown.
const NEW_SECONDS: i64 = 900;

/// `GET /oauth/account`
pub(crate) async fn page(State(state): State<SmartState>, parts: Parts) -> Result<Response, PageFailure> {
    let browser = Browser::of(&state, &parts.headers)?;
    let Some(session) = browser.session() else { return login::page_of(&state, &parts, &Then::Account) };
    let user = state.store().user(&session.user)?.ok_or_else(PageFailure::stale)?;
    shown(&state, &browser, &user, None)
}

fn shown(state: &SmartState, browser: &Browser, user: &User, error: Option<&str>) -> Result<Response, PageFailure> {
    let one_time = state.store().second_factor(&user.id)?.is_some();
    let passkeys = state.store().passkeys_of(&user.id)?;
    let body = html! {
        h1 { "How you sign in" }
        p.lead { "You are signed in as " span.who { (user.name) } "." }
        @if let Some(error) = error { p.error role="alert" { (error) } }
        @if !user.second_factor {
            p.note { "Only your password protects this account. A passkey or one-time passwords protect it even if the password becomes known." }
        }
        @if state.passkeys().is_some() {
            h2 { "Passkeys" }
            @for passkey in &passkeys { (entry(browser, passkey)) }
            form method="post" action="/oauth/account/passkey/new" {
                input type="hidden" name="form" value=(browser.form_token());
                label.field for="name" { "Name for a new passkey" }
                input type="text" id="name" name="name" maxlength=(NAME_CHARACTERS_MAX) required autocomplete="off"
                    placeholder="My telephone";
                div.buttons { button type="submit" { "Add a passkey" } }
            }
        }
        h2 { "One-time passwords" }
        @if one_time { p { "Set up in your authenticator app." } } @else { p { "Not set up." } }
        form method="post" action=(if one_time { "/oauth/account/otp/remove" } else { "/oauth/account/otp/new" }) {
            input type="hidden" name="form" value=(browser.form_token());
            div.buttons { button.quiet type="submit" { (if one_time { "Remove one-time passwords" } else { "Set up one-time passwords" }) } }
        }
        p { a href="/oauth/apps" { "Apps with access" } " · " a href="/oauth/link" { "Link your record with a code on paper" } }
    };
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(whole_page(status, "How you sign in", &body, &[]))
}

fn entry(browser: &Browser, passkey: &Passkey) -> Markup {
    let day = |at: Timestamp| at.to_instant().split('T').next().unwrap_or_default().to_owned();
    html! {
        dl.app {
            dt { (passkey.name) }
            dd.small {
                "Since " time { (day(passkey.created)) }
                @if let Some(used) = passkey.used { ", last used " time { (day(used)) } }
            }
            @if passkey.blocked.is_some() {
                dd { p.error { "Blocked: there may be a copy of it. Remove it and set up a new one." } }
            }
            dd {
                form method="post" action="/oauth/account/passkey/remove" {
                    input type="hidden" name="form" value=(browser.form_token());
                    input type="hidden" name="passkey" value=(passkey.id);
                    div.buttons { button.quiet type="submit" { "Remove " (passkey.name) } }
                }
            }
        }
    }
}

/// Somebody who may change how they sign in: the form is ours, and the proof is fresh, and strong if they have a second
/// factor. A handler that takes one cannot forget to ask.
pub(crate) struct Owner {
    sent: Sent,
    user: User,
}

impl FromRequest<SmartState> for Owner {
    type Rejection = Response;

    async fn from_request(request: Request, state: &SmartState) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let body = Bytes::from_request(Request::from_parts(parts.clone(), body), state)
            .await
            .map_err(IntoResponse::into_response)?;
        match open(state, &parts, &body) {
            Ok(Opened::Owner(owner)) => Ok(*owner),
            Ok(Opened::Prove(page)) => Err(page),
            Err(failure) => Err(failure.into_response()),
        }
    }
}

enum Opened {
    Owner(Box<Owner>),
    /// A page that asks for the proof first.
    Prove(Response),
}

/// Reads the form, and asks for a fresh proof if there is none.
fn open(state: &SmartState, parts: &Parts, body: &Bytes) -> Result<Opened, PageFailure> {
    let sent = Sent::open(state, parts, body)?;
    let Some(session) = sent.browser.session() else {
        return Ok(Opened::Prove(login::page_of(state, parts, &Then::Account)?));
    };
    let user = state.store().user(&session.user)?.ok_or_else(PageFailure::stale)?;
    if is_fresh(state, session, &user) {
        return Ok(Opened::Owner(Box::new(Owner { sent, user })));
    }
    Ok(Opened::Prove(if user.second_factor {
        second_factor::ask(state, &sent.browser, &user, &Then::Account, true)?
    } else {
        login::page_of(state, parts, &Then::Account)?
    }))
}

fn is_fresh(state: &SmartState, session: &Session, user: &User) -> bool {
    let young = session.authenticated.plus_seconds(state.server().lifetimes.step_up_seconds) >= state.now();
    young && (session.second_factor || !user.second_factor)
}

impl Owner {
    async fn changed(&self, state: &SmartState, what: &'static str, id: String) -> Result<(), PageFailure> {
        let event = SmartEvent::RecordChanged { by: self.user.id.clone(), what, id };
        state.record(event, &self.sent.caller).await?;
        Ok(())
    }
}

/// `POST /oauth/account/passkey/new`
pub(crate) async fn new_passkey(State(state): State<SmartState>, owner: Owner) -> Result<Response, PageFailure> {
    let name = owner.sent.parameters.value("name").unwrap_or_default().trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_CHARACTERS_MAX {
        return shown(&state, &owner.sent.browser, &owner.user, Some("Please give the passkey a name."));
    }
    let have: Vec<String> =
        state.store().passkeys_of(&owner.user.id)?.into_iter().map(|passkey| passkey.credential).collect();
    let asked = adapter(&state)?.ask_new(&owner.user, &have).map_err(faulty)?;
    let ceremony = Ceremony {
        kind: "make",
        action: "/oauth/account/passkey/keep",
        title: "Add a passkey",
        lead: "Your browser or device makes a key that only you can use. It never leaves your device in clear.",
        button: "Make the passkey",
        leads_to: None,
    };
    passkey::page(&state, &owner.sent.browser, &asked, json!({"user": owner.user.id, "name": name}), &ceremony)
}

/// `POST /oauth/account/passkey/keep`
pub(crate) async fn keep_passkey(State(state): State<SmartState>, owner: Owner) -> Result<Response, PageFailure> {
    let remembered = remembered(&state, &owner.sent)?;
    let text = |name: &str| remembered.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("user") != owner.user.id {
        return Err(PageFailure::stale());
    }
    let made = adapter(&state)?.keep_new(text("state"), owner.sent.parameters.value("credential").unwrap_or_default());
    let kept = match made {
        Ok(kept) => kept,
        Err(why) => {
            tracing::info!(?why, "a new passkey was refused");
            let said = "The passkey could not be set up. Please try again.";
            return shown(&state, &owner.sent.browser, &owner.user, Some(said));
        }
    };
    let passkey = Passkey {
        id: kept.id.clone(),
        user: owner.user.id.clone(),
        name: text("name").to_owned(),
        credential: kept.credential,
        created: state.now(),
        used: None,
        blocked: None,
    };
    if let Err(error) = state.store().add_passkey(&passkey) {
        return shown(&state, &owner.sent.browser, &owner.user, Some(&error.to_string()));
    }
    owner.changed(&state, "passkey added", kept.id).await?;
    Ok(see_other("/oauth/account"))
}

/// `POST /oauth/account/passkey/remove`
pub(crate) async fn remove_passkey(State(state): State<SmartState>, owner: Owner) -> Result<Response, PageFailure> {
    let id = owner.sent.parameters.value("passkey").unwrap_or_default().to_owned();
    state.store().remove_passkey(&owner.user.id, &id).map_err(|_| PageFailure::stale())?;
    owner.changed(&state, "passkey removed", id).await?;
    Ok(see_other("/oauth/account"))
}

/// `POST /oauth/account/otp/new`: shows a new secret; it counts only once the app has shown its digits.
pub(crate) async fn new_one_time(State(state): State<SmartState>, owner: Owner) -> Result<Response, PageFailure> {
    let (name, bytes) = (random::token()?, random::bytes::<{ totp::SECRET_BYTES }>()?);
    let secret = Secret::new(bytes.to_vec());
    let pending = Pending {
        client: String::new(),
        body: json!({"user": owner.user.id, "sealed": sealed(&state, &name, &secret)?}).to_string(),
        browser: Some(owner.sent.browser.digest()),
        expires: state.now().plus_seconds(NEW_SECONDS),
    };
    state.store().put_pending(&sha256(name.expose()), PendingKind::NewSecondFactor, &pending)?;
    Ok(one_time_page(&state, &owner, &random::text(&name), &secret, None))
}

/// Encrypted on the shelf like the one that counts.
fn sealed(state: &SmartState, name: &Secret, secret: &Secret) -> Result<String, PageFailure> {
    let bytes = state.store().seal_for(&random::text(name), secret.expose())?;
    Ok(hex::encode(&bytes))
}

fn unsealed(state: &SmartState, name: &str, text: &str) -> Option<Secret> {
    state.store().unseal_for(name, &hex::decode(text)?).ok()
}

fn one_time_page(state: &SmartState, owner: &Owner, name: &str, secret: &Secret, error: Option<&str>) -> Response {
    let house = state.server().apis.first().map_or("Bascule", |api| api.title.as_str());
    let (address, letters) = (totp::address(secret, house, &owner.user.login), totp::base32(secret.expose()));
    let spaced: Vec<&str> =
        (0..letters.len()).step_by(4).filter_map(|at| letters.get(at..(at + 4).min(letters.len()))).collect();
    let body = html! {
        h1 { "Set up one-time passwords" }
        p.lead { "Enter this key in your authenticator app, by time, six digits; or open the link on the telephone that has the app." }
        @if let Some(error) = error { p.error role="alert" id="error" { (error) } }
        p.note { code { (spaced.join(" ")) } }
        p { a href=(address) { "Open in the authenticator app" } }
        form method="post" action="/oauth/account/otp/keep" {
            input type="hidden" name="form" value=(owner.sent.browser.form_token());
            input type="hidden" name="step" value=(name);
            label.field for="otp" { "The six digits that the app shows now" }
            input type="text" id="otp" name="otp" inputmode="numeric" autocomplete="one-time-code" maxlength="6"
                pattern="[0-9]{6}" required autofocus aria-describedby=[error.map(|_| "error")];
            div.buttons { button type="submit" { "Confirm" } }
        }
    };
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    whole_page(status, "Set up one-time passwords", &body, &[])
}

/// `POST /oauth/account/otp/keep`
pub(crate) async fn keep_one_time(State(state): State<SmartState>, owner: Owner) -> Result<Response, PageFailure> {
    state.throttles().address(&owner.sent.caller.address)?;
    let name = owner.sent.parameters.value("step").unwrap_or_default().to_owned();
    let digest = sha256(name.as_bytes());
    let found = state.store().pending(&digest, PendingKind::NewSecondFactor, state.now())?;
    let pending =
        found.filter(|pending| pending.browser == Some(owner.sent.browser.digest())).ok_or_else(PageFailure::stale)?;
    let kept: Value = serde_json::from_str(&pending.body).unwrap_or_default();
    let text = |name: &str| kept.get(name).and_then(Value::as_str).unwrap_or_default();
    let secret = unsealed(&state, &name, text("sealed")).filter(|_| text("user") == owner.user.id);
    let secret = secret.ok_or_else(PageFailure::stale)?;
    let Some(step) = totp::step(&secret, owner.sent.parameters.value("otp").unwrap_or_default(), state.now()) else {
        let said = "These digits do not belong to this key. Check the key and the clock of the device.";
        return Ok(one_time_page(&state, &owner, &name, &secret, Some(said)));
    };
    state.store().take_pending(&digest, PendingKind::NewSecondFactor, state.now())?.ok_or_else(PageFailure::stale)?;
    state.store().set_second_factor(&owner.user.id, Some(&secret))?;
    state.store().use_second_factor_step(&owner.user.id, step)?;
    owner.changed(&state, "one-time passwords set up", owner.user.id.clone()).await?;
    Ok(see_other("/oauth/account"))
}

/// `POST /oauth/account/otp/remove`
pub(crate) async fn remove_one_time(State(state): State<SmartState>, owner: Owner) -> Result<Response, PageFailure> {
    state.store().set_second_factor(&owner.user.id, None)?;
    owner.changed(&state, "one-time passwords removed", owner.user.id.clone()).await?;
    Ok(see_other("/oauth/account"))
}
