//! Passkeys at the pages: signing in with one, showing one as second factor or once more, and the page on which the
//! browser is asked. WebAuthn cannot do without a script; the page that has it has nothing else.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bascule_crypto::digest::sha256;
use bascule_smart::SmartEvent;
use bascule_store::alert::NewAlert;
use bascule_store::passkey::Passkey;
use bascule_store::pending::{Pending, PendingKind};
use bascule_store::random;
use bascule_store::user::{Status, User};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use maud::html;
use serde_json::{Value, json};

use super::browser::{Browser, Sent};
use super::login::{self, Step, Then};
use super::pages::{PageFailure, scripted_page};
use super::passkeys::Passkeys;
use super::state::{Caller, SmartState};

/// Seconds in which the browser must answer.
const ANSWER_SECONDS: i64 = 300;
/// The form's action for showing one.
const SHOW: &str = "/oauth/passkey/answer";

/// A question to a browser.
pub(crate) struct Asked {
    /// What the browser is told, as JSON.
    pub(crate) options: String,
    /// What must be remembered until it answers.
    pub(crate) state: String,
}

/// A credential as it is now.
pub(crate) struct Kept {
    /// Its id, base64url.
    pub(crate) id: String,
    /// Public key and counter.
    pub(crate) credential: String,
}

/// Why an answer does not hold.
#[derive(Debug)]
pub(crate) enum NotValid {
    /// Its counter did not go forward: there may be a copy of the key.
    Copied,
    /// Anything else; for the program's log.
    Wrong(String),
}

/// Where the browser sends its answer, and how the page speaks of it.
pub(crate) struct Ceremony<'a> {
    /// `make` or `show`, for the script.
    pub(crate) kind: &'static str,
    /// The form's action.
    pub(crate) action: &'static str,
    /// The heading.
    pub(crate) title: &'a str,
    /// A sentence.
    pub(crate) lead: &'a str,
    /// What the button says.
    pub(crate) button: &'a str,
    /// Where the form may lead beside home.
    pub(crate) leads_to: Option<&'a str>,
}

/// Remembers a question in this browser, and the page that asks it.
pub(crate) fn page(
    state: &SmartState,
    browser: &Browser,
    asked: &Asked,
    remember: Value,
    ceremony: &Ceremony<'_>,
) -> Result<Response, PageFailure> {
    let name = random::token()?;
    let mut body = remember;
    if let Some(body) = body.as_object_mut() {
        body.insert("state".into(), json!(asked.state));
    }
    let pending = Pending {
        client: String::new(),
        body: body.to_string(),
        browser: Some(browser.digest()),
        expires: state.now().plus_seconds(ANSWER_SECONDS),
    };
    state.store().put_pending(&sha256(name.expose()), PendingKind::Passkey, &pending)?;
    let body = html! {
        h1 { (ceremony.title) }
        p.lead { (ceremony.lead) }
        p.note id="passkey-said" role="status" {
            "Passkeys need JavaScript, which is turned off in this browser. Go back and use another way."
        }
        form method="post" action=(ceremony.action) data-passkey=(ceremony.kind) data-options=(asked.options) {
            input type="hidden" name="form" value=(browser.form_token());
            input type="hidden" name="question" value=(random::text(&name));
            input type="hidden" name="credential" value="";
            div.buttons { button type="button" id="passkey-go" hidden autofocus { (ceremony.button) } }
        }
        script src="/oauth/passkeys.js" defer {}
    };
    let leads_to: Vec<&str> = ceremony.leads_to.into_iter().collect();
    Ok(scripted_page(StatusCode::OK, ceremony.title, &body, &leads_to))
}

/// What was remembered with a question that this browser was asked; each is answered once.
pub(crate) fn remembered(state: &SmartState, sent: &Sent) -> Result<Value, PageFailure> {
    let name = sent.parameters.value("question").unwrap_or_default();
    let taken = state.store().take_pending(&sha256(name.as_bytes()), PendingKind::Passkey, state.now())?;
    let pending =
        taken.filter(|pending| pending.browser == Some(sent.browser.digest())).ok_or_else(PageFailure::stale)?;
    serde_json::from_str(&pending.body).map_err(|_| PageFailure::stale())
}

pub(crate) fn adapter(state: &SmartState) -> Result<&Passkeys, PageFailure> {
    state.passkeys().ok_or_else(PageFailure::stale)
}

/// `POST /oauth/passkey/ask`: to sign in with any, or, with a `step`, to show one of the person that the step is about.
pub(crate) async fn ask(State(state): State<SmartState>, parts: Parts, body: Bytes) -> Result<Response, PageFailure> {
    let sent = Sent::open(&state, &parts, &body)?;
    slowed(&state, &sent.caller).await?;
    let passkeys = adapter(&state)?;
    let (have, remember, leads_to) = match sent.parameters.value("step") {
        Some(name) => {
            let step = Step::load(&state, &sent.browser, name)?;
            let have = usable(&state, &step.user)?;
            let remember = json!({"step": name});
            (have, remember, step.then.leads_to(&state, &sent.browser))
        }
        None => {
            let then = Then::of(&sent.parameters);
            (Vec::new(), json!({"then": then.to_value()}), then.leads_to(&state, &sent.browser))
        }
    };
    let asked = passkeys.ask(&have).map_err(faulty)?;
    let ceremony = Ceremony {
        kind: "show",
        action: SHOW,
        title: "Use your passkey",
        lead: "Your browser or device asks you to confirm with your finger, face or code.",
        button: "Try again",
        leads_to: leads_to.as_deref(),
    };
    page(&state, &sent.browser, &asked, remember, &ceremony)
}

/// Refuses what comes too often, and says so in the log.
async fn slowed(state: &SmartState, caller: &Caller) -> Result<(), PageFailure> {
    match state.throttles().address(&caller.address) {
        Ok(()) => Ok(()),
        Err(after) => {
            state.record(SmartEvent::SignInRefused { user: None, because: "throttled" }, caller).await?;
            Err(after.into())
        }
    }
}

/// The credentials of a person that may be shown.
fn usable(state: &SmartState, user: &User) -> Result<Vec<String>, PageFailure> {
    let all = state.store().passkeys_of(&user.id)?;
    Ok(all.into_iter().filter(|passkey| passkey.blocked.is_none()).map(|passkey| passkey.credential).collect())
}

/// `POST /oauth/passkey/answer`
pub(crate) async fn answer(
    State(state): State<SmartState>,
    parts: Parts,
    body: Bytes,
) -> Result<Response, PageFailure> {
    let mut sent = Sent::open(&state, &parts, &body)?;
    slowed(&state, &sent.caller).await?;
    let remembered = remembered(&state, &sent)?;
    let text = |name: &str| remembered.get(name).and_then(Value::as_str);
    let step = text("step").map(|name| Step::load(&state, &sent.browser, name)).transpose()?;
    let then = match &step {
        Some(step) => step.then.clone(),
        None => remembered.get("then").map(Then::of_value).unwrap_or(Then::Apps),
    };
    let shown = sent.parameters.value("credential").unwrap_or_default();
    let expected = step.as_ref().map(|step| step.user.id.as_str());
    match prove(&state, text("state").unwrap_or_default(), shown, expected, &sent.caller).await? {
        Ok(user) => {
            if let Some(step) = &step {
                step.take(&state)?;
            }
            let method = if step.is_some() { "passkey as second factor" } else { "passkey" };
            login::proved(&state, &mut sent.browser, &user, method, &then, &sent.caller).await
        }
        Err(said) => login::again(&state, &sent.browser, &then, said),
    }
}

/// Whose passkey it is, if it holds; else what the person is told. Every refusal is in the log.
async fn prove(
    state: &SmartState,
    question: &str,
    shown: &str,
    expected: Option<&str>,
    caller: &Caller,
) -> Result<Result<User, &'static str>, PageFailure> {
    let passkeys = adapter(state)?;
    let named = passkeys.named(shown).ok();
    let known = named.map(|id| state.store().passkey(&id)).transpose()?.flatten();
    let user = known.as_ref().map(|known| state.store().user(&known.user)).transpose()?.flatten();
    let (Some(known), Some(user)) = (known, user) else {
        return refused(state, None, "passkey-unknown", caller).await;
    };
    if known.blocked.is_some() || user.status != Status::Active || expected.is_some_and(|id| id != user.id) {
        return refused(state, Some(user.id), "passkey-not-usable", caller).await;
    }
    match passkeys.check(question, shown, &known.credential) {
        Ok(after) => match state.store().use_passkey(&known, &after.credential, state.now()) {
            Ok(()) => Ok(Ok(user)),
            Err(_) => refused(state, Some(user.id), "passkey-used-twice", caller).await,
        },
        Err(NotValid::Copied) => {
            block(state, &known)?;
            refused(state, Some(user.id), "passkey-copied", caller).await
        }
        Err(NotValid::Wrong(why)) => {
            tracing::info!(why, "a passkey was refused");
            refused(state, Some(user.id), "passkey", caller).await
        }
    }
}

async fn refused(
    state: &SmartState,
    user: Option<String>,
    because: &'static str,
    caller: &Caller,
) -> Result<Result<User, &'static str>, PageFailure> {
    state.record(SmartEvent::SignInRefused { user, because }, caller).await?;
    Ok(Err("This passkey is not accepted here. Please use another one, or another way to sign in."))
}

/// A passkey whose counter ran backwards is worth nothing from now on, and somebody looks at it.
fn block(state: &SmartState, passkey: &Passkey) -> Result<(), PageFailure> {
    let now = state.now();
    state.store().block_passkey(&passkey.id, now)?;
    state.store().raise_alert(&NewAlert {
        at: now,
        rule: "passkey-copied".to_owned(),
        severity: "high".to_owned(),
        client: None,
        user: Some(passkey.user.clone()),
        api: None,
        said: "the counter of a passkey ran backwards: there may be a copy of its key; it is blocked".to_owned(),
    })?;
    Ok(())
}

/// The library refuses a question of ours: our fault, and nobody signs in by it.
pub(crate) fn faulty(why: NotValid) -> PageFailure {
    tracing::error!(?why, "a passkey cannot be asked for");
    PageFailure::Told {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        title: "This does not work at the moment",
        said: "Passkeys cannot be used now. Please use another way.".to_owned(),
    }
}

/// `/oauth/passkeys.js`
pub(crate) async fn script() -> Response {
    let mut response = include_str!("passkeys.js").into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
