//! What the buttons do: by the form of our page, or by an app with the user's own token. Logged, kept, queued for review,
//! and only then answered; the next request of the user is decided by it.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bascule_crypto::Secret;
use bascule_fhir::{Id, Timestamp};
use bascule_policy::record::{AccessReason, Emergency, Period};
use bascule_smart::{OauthError, Parameters, Refusal, SmartEvent, totp};
use bascule_store::alert::NewAlert;
use bascule_store::care::{NewReview, ReviewKind};
use bascule_store::user::{SignIn, User};
use http::StatusCode;
use http::request::Parts;
use serde_json::json;

use super::CareState;
use super::link::Ask;
use super::page::{self, Shown};
use super::reasons;
use crate::smart::browser::{Browser, Sent};
use crate::smart::pages::PageFailure;
use crate::smart::respond::{Failure, private_json};
use crate::smart::state::Caller;
use crate::smart::token::form;
use crate::smart::{cors, login, userinfo};

/// Seconds after a sign-in with a second proof within which the person counts as having just proved themselves.
const STEP_UP_SECONDS: i64 = 900;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reason,
    Emergency,
}

/// Who acts, and how surely.
struct Actor {
    user: User,
    client: Option<String>,
    stepped_up: bool,
}

/// What was opened.
struct Opened {
    id: Option<String>,
    until: Timestamp,
    stepped_up: bool,
}

/// `POST /oauth/access`
pub(super) async fn access(state: State<CareState>, parts: Parts, body: Bytes) -> Response {
    answer(&state.0, Kind::Reason, &parts, &body).await
}

/// `POST /oauth/emergency`
pub(super) async fn emergency(state: State<CareState>, parts: Parts, body: Bytes) -> Response {
    answer(&state.0, Kind::Emergency, &parts, &body).await
}

async fn answer(state: &CareState, kind: Kind, parts: &Parts, body: &Bytes) -> Response {
    if parts.headers.contains_key(http::header::AUTHORIZATION) {
        let caller = Caller::of(parts);
        let answered = by_token(state, kind, parts, body, &caller).await;
        let mut response = answered.unwrap_or_else(Failure::into_response);
        cors::registered(&state.smart, &parts.headers, &mut response);
        return response;
    }
    by_form(state, kind, parts, body).await.unwrap_or_else(PageFailure::into_response)
}

/// An app, for the user whose token it holds.
async fn by_token(
    state: &CareState,
    kind: Kind,
    parts: &Parts,
    body: &Bytes,
    caller: &Caller,
) -> Result<Response, Failure> {
    let record = userinfo::bearer(&state.smart, parts, caller)?;
    let parameters = form(parts, body)?;
    let named = record.user.ok_or_else(|| Refusal::request("only a user of flesh and blood may ask for this"))?;
    let user = state.smart.store().user(&named)?.ok_or_else(|| Refusal::request("there is no such user any more"))?;
    let ask = match parameters.value("ask") {
        Some(token) => {
            state.links.open(token, state.smart.now()).ok_or_else(|| Refusal::request("`ask` is too old"))?
        }
        None => asked(state, &parameters, &user).map_err(Refusal::request)?,
    };
    if ask.user != user.id || !record.apis.contains(&ask.api) {
        return Err(Refusal::request("`ask` or `api` is not for the user of this token").into());
    }
    let proof = userinfo::proof(&state.smart, parts)?;
    let stepped_up = proof.is_some_and(|proof| proof.is_fresh(STEP_UP_SECONDS, state.smart.now()));
    let actor = Actor { user, client: Some(record.client), stepped_up };
    let reason = parameters.value("reason").unwrap_or_default();
    let opened = open(state, kind, &actor, &ask, reason, caller).await?;
    let said = json!({ "id": opened.id, "until": opened.until.to_instant(), "stepped_up": opened.stepped_up });
    Ok(private_json(StatusCode::CREATED, &said))
}

/// The form of our page. Who is not signed in here says name and password in the same form.
async fn by_form(state: &CareState, kind: Kind, parts: &Parts, body: &Bytes) -> Result<Response, PageFailure> {
    let Sent { caller, parameters, mut browser } = Sent::open(&state.smart, parts, body)?;
    let token = parameters.value("ask").unwrap_or_default();
    let ask = state.links.open(token, state.smart.now());
    if !token.is_empty() && ask.is_none() {
        return Err(PageFailure::stale());
    }
    let again = |browser: &Browser, said: &str| {
        let shown = Shown { browser, token, ask: ask.as_ref(), error: Some(said) };
        if kind == Kind::Reason { page::access_page(state, &shown) } else { page::emergency_page(state, &shown) }
    };
    let (actor, began) = match actor(state, &mut browser, &parameters, &caller).await? {
        Some(found) => found,
        None => return again(&browser, "User name or password is not right. Please try again."),
    };
    let ask = match &ask {
        Some(ask) if ask.user == actor.user.id => ask.clone(),
        Some(_) => return again(&browser, "This link was made for another person. Please sign in as that person."),
        None => match asked(state, &parameters, &actor.user) {
            Ok(ask) => ask,
            Err(said) => return again(&browser, &said),
        },
    };
    let reason = parameters.value("reason").unwrap_or_default();
    let opened = open(state, kind, &actor, &ask, reason, &caller).await?;
    let until = opened.until.to_instant().chars().take(16).collect::<String>().replace('T', " ");
    let what = if kind == Kind::Reason { "The record" } else { "Emergency access" };
    let mut response = page::done(&browser, what, &until, opened.id.as_deref());
    if began {
        browser.keep_session(&state.smart, &mut response)
    } else {
        browser.keep(&mut response)
    }
    Ok(response)
}

/// Who is signed in here, or signs in with this form; and whether a session began. `None` is: the proof is not right.
async fn actor(
    state: &CareState,
    browser: &mut Browser,
    parameters: &Parameters,
    caller: &Caller,
) -> Result<Option<(Actor, bool)>, PageFailure> {
    let smart = &state.smart;
    let otp = parameters.value("otp").filter(|otp| !otp.is_empty());
    if let Some(login) = parameters.value("login").filter(|login| !login.is_empty()) {
        if let Err(after) = smart.throttles().sign_in(login, &caller.address, &caller.address) {
            smart.record(SmartEvent::SignInRefused { user: None, because: "throttled" }, caller).await?;
            return Err(after.into());
        }
        let password = Secret::new(parameters.value("password").unwrap_or_default().to_owned());
        return match login::check(smart, login, password).await? {
            SignIn::Refused { user, because } => {
                smart.record(SmartEvent::SignInRefused { user, because }, caller).await?;
                Ok(None)
            }
            SignIn::Accepted(user) => {
                let stepped_up = otp.is_some_and(|otp| proves(state, &user, otp));
                // Without the second proof that this person set up, nothing but this one act is let in.
                let began = stepped_up || !user.second_factor;
                if began {
                    let session = browser.sign_in(smart, &user.id, stepped_up)?;
                    let method = if stepped_up { "password+otp" } else { "password" };
                    let event = SmartEvent::SignedIn { user: user.id.clone(), session: session.id, method };
                    smart.record(event, caller).await?;
                }
                Ok(Some((Actor { user, client: None, stepped_up }, began)))
            }
        };
    }
    let Some(session) = browser.session() else { return Ok(None) };
    let user = smart.store().user(&session.user)?.ok_or_else(PageFailure::stale)?;
    let fresh = session.second_factor && smart.now() < session.authenticated.plus_seconds(STEP_UP_SECONDS);
    let stepped_up = fresh || otp.is_some_and(|otp| proves(state, &user, otp));
    Ok(Some((Actor { user, client: None, stepped_up }, false)))
}

fn proves(state: &CareState, user: &User, otp: &str) -> bool {
    let store = state.smart.store();
    let secret = store.second_factor(&user.id).ok().flatten();
    let step = secret.and_then(|secret| totp::step(&secret, otp, state.smart.now()));
    step.is_some_and(|step| store.use_second_factor_step(&user.id, step).is_ok())
}

/// What is asked for without a link.
fn asked(state: &CareState, parameters: &Parameters, user: &User) -> Result<Ask, String> {
    let apis = || state.smart.server().apis.iter().filter(|api| api.fhir);
    let api = match parameters.value("api") {
        Some(name) => apis().find(|api| api.name == name),
        None => apis().next(),
    };
    let api = api.ok_or("`api` names no API of this bridge")?.name.clone();
    let patient = match parameters.value("patient").map(str::trim).filter(|id| !id.is_empty()) {
        Some(id) => Some(Id::parse(id).ok_or("this is no id of a patient: letters, digits, `-` and `.` only")?),
        None => None,
    };
    Ok(Ask { user: user.id.clone(), api, patient })
}

/// Logs it, keeps it, queues it.
async fn open(
    state: &CareState,
    kind: Kind,
    actor: &Actor,
    ask: &Ask,
    code: &str,
    caller: &Caller,
) -> Result<Opened, Failure> {
    let smart = &state.smart;
    let policy = state.policy.load_full();
    if !actor.user.roles.iter().any(|role| policy.role(role).is_some_and(|role| role.treating)) {
        let said = "this is for people who treat; ask the house for a role that does";
        return Err(smart.refuse(actor.client.clone(), Refusal::new(OauthError::AccessDenied, said), caller).await);
    }
    let words = match kind {
        Kind::Reason => reasons::of(&reasons::ACCESS, code),
        Kind::Emergency => reasons::of(&reasons::EMERGENCY, code),
    };
    if words.is_none() {
        let known = if kind == Kind::Reason { &reasons::ACCESS[..] } else { &reasons::EMERGENCY[..] };
        let known = known.iter().map(|(code, _)| *code).collect::<Vec<_>>().join(", ");
        return Err(Refusal::request(format!("`reason` is one of {known}")).into());
    }
    let now = smart.now();
    let settings = policy.settings();
    let minutes = if kind == Kind::Reason { settings.reason_minutes_max } else { settings.emergency_minutes_max };
    let until = now.plus_seconds(i64::try_from(minutes).unwrap_or(0).saturating_mul(60));
    let event = SmartEvent::AccessOpened {
        user: actor.user.id.clone(),
        client: actor.client.clone(),
        kind: if kind == Kind::Reason { "access-reason" } else { "emergency-access" },
        api: ask.api.clone(),
        patient: ask.patient.as_ref().map(ToString::to_string),
        reason: code.to_owned(),
        stepped_up: actor.stepped_up,
        until: until.to_instant(),
    };
    smart.record(event, caller).await?;
    let id = match kind {
        Kind::Reason => {
            let patient = ask.patient.clone().ok_or_else(|| Refusal::request("`patient` is missing"))?;
            let period = Period { from: now, until: Some(until) };
            let user = actor.user.id.clone();
            smart.store().give_reason(&ask.api, &AccessReason { user, patient, reason: code.to_owned(), period })?;
            None
        }
        Kind::Emergency => {
            let emergency = Emergency {
                id: String::new(),
                user: actor.user.id.clone(),
                patient: ask.patient.clone(),
                reason: code.to_owned(),
                stepped_up: actor.stepped_up,
                from: now,
                until,
            };
            Some(smart.store().open_emergency(&ask.api, &emergency)?)
        }
    };
    queue(state, kind, actor, ask, code, now);
    Ok(Opened { id, until, stepped_up: actor.stepped_up })
}

/// Care comes first: a queue that cannot be written is told to the operator and stops nothing, since the log has it.
fn queue(state: &CareState, kind: Kind, actor: &Actor, ask: &Ask, code: &str, now: Timestamp) {
    let emergency = kind == Kind::Emergency;
    let review = NewReview {
        kind: if emergency { ReviewKind::Emergency } else { ReviewKind::NoRelation },
        user: actor.user.id.clone(),
        client: actor.client.clone().unwrap_or_default(),
        api: ask.api.clone(),
        patient: ask.patient.as_ref().map(ToString::to_string),
        why: code.to_owned(),
        request: String::new(),
        flagged: emergency && !actor.stepped_up,
    };
    if let Err(error) = state.smart.store().raise_review(&review, now) {
        tracing::error!(%error, "an access could not be queued for review");
    }
    if !emergency {
        return;
    }
    let unproved = if actor.stepped_up { "" } else { " without a second proof of identity" };
    let alert = NewAlert {
        at: now,
        rule: "emergency-access".to_owned(),
        severity: if actor.stepped_up { "medium" } else { "high" }.to_owned(),
        client: actor.client.clone(),
        user: Some(actor.user.id.clone()),
        api: Some(ask.api.clone()),
        said: format!("emergency access was opened{unproved}: {code}"),
    };
    if let Err(error) = state.smart.store().raise_alert(&alert) {
        tracing::error!(%error, "an alert cannot be raised");
    }
}

/// `POST /oauth/emergency/end`
pub(super) async fn end(State(state): State<CareState>, parts: Parts, body: Bytes) -> Result<Response, PageFailure> {
    let Sent { caller, parameters, browser } = Sent::open(&state.smart, &parts, &body)?;
    let session = browser.session().ok_or_else(PageFailure::stale)?;
    let id = parameters.value("id").unwrap_or_default();
    state.smart.store().end_emergency(id, &session.user, state.smart.now()).map_err(|_| PageFailure::stale())?;
    let what = "emergency access ended";
    let event = SmartEvent::RecordChanged { by: session.user.clone(), what, id: id.to_owned() };
    state.smart.record(event, &caller).await?;
    Ok(page::ended())
}
