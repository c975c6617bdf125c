//! From an authorization request to a code: who signs in, whose record, what is allowed. Each step is looked for anew
//! from what is known, so that a reload, a second tab or the back button do no harm.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bascule_crypto::digest::sha256;
use bascule_fhir::{Id, ResourceType, Timestamp};
use bascule_smart::authorize::{self, AuthorizeRefusal, AuthorizeRequest, redirect};
use bascule_smart::token_request::is_public;
use bascule_smart::{Context, Grant, LaunchContext, OauthError, Parameters, Refusal, Scope, Scopes, SmartEvent};
use bascule_store::client::Client;
use bascule_store::code::NewCode;
use bascule_store::consent::OauthConsent;
use bascule_store::pending::{Pending, PendingKind};
use bascule_store::random;
use bascule_store::session::Session;
use bascule_store::user::{User, UserPatient};
use http::request::Parts;
use serde_json::{Value, json};

use super::browser::Browser;
use super::pages::{PageFailure, see_other};
use super::pushed::{of_text, to_text};
use super::state::{Caller, SmartState};
use super::then::Then;
use super::{authorize as endpoint, client, consent, federation, login, patient, second_factor, whose};

/// What is kept of a waiting request.
pub(crate) struct Body {
    pub(crate) parameters: Parameters,
    pub(crate) pushed: bool,
    pub(crate) patient: Option<Id>,
    pub(crate) begun: Timestamp,
}

impl Body {
    pub(crate) fn to_text(&self) -> String {
        json!({
            "parameters": to_text(&self.parameters), "pushed": self.pushed,
            "patient": self.patient.as_ref().map(Id::as_str), "begun": self.begun.micros(),
        })
        .to_string()
    }

    fn of_text(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        Some(Self {
            parameters: of_text(value.get("parameters")?.as_str()?),
            pushed: value.get("pushed")?.as_bool()?,
            patient: value.get("patient").and_then(Value::as_str).and_then(Id::parse),
            begun: Timestamp::from_micros(value.get("begun")?.as_i64()?),
        })
    }
}

/// A waiting request, checked again.
pub(crate) struct Waiting {
    /// Its name in links and forms.
    pub(crate) name: String,
    pub(crate) request: AuthorizeRequest,
    pub(crate) client: Client,
    body: Body,
    pending: Pending,
}

impl Waiting {
    /// The request of that name, if it belongs to this browser. The first browser that comes with it gets it.
    pub(crate) fn load(state: &SmartState, browser: &Browser, name: Option<&str>) -> Result<Self, PageFailure> {
        let name = name.ok_or_else(PageFailure::stale)?;
        let digest = sha256(name.as_bytes());
        let found = state.store().pending(&digest, PendingKind::Page, state.now())?;
        let mut pending = found.ok_or_else(PageFailure::stale)?;
        match pending.browser {
            None => {
                pending.browser = Some(browser.digest());
                state.store().put_pending(&digest, PendingKind::Page, &pending)?;
            }
            Some(known) if known == browser.digest() => {}
            Some(_) => return Err(PageFailure::stale()),
        }
        let body = Body::of_text(&pending.body).ok_or_else(PageFailure::stale)?;
        let client = client::active(state, &pending.client)?.ok_or_else(PageFailure::stale)?;
        let known = Some((client.id.as_str(), &client.metadata));
        let request =
            authorize::check(&body.parameters, known, state.server(), body.pushed).map_err(|_| PageFailure::stale())?;
        Ok(Self { name: name.to_owned(), request, client, body, pending })
    }

    /// Keeps which patient was chosen.
    pub(crate) fn choose(&mut self, state: &SmartState, chosen: Id) -> Result<(), PageFailure> {
        self.body.patient = Some(chosen);
        self.pending.body = self.body.to_text();
        state.store().put_pending(&sha256(self.name.as_bytes()), PendingKind::Page, &self.pending)?;
        Ok(())
    }

    /// Where the pages go on.
    pub(crate) fn link(&self) -> String {
        format!("/oauth/continue?request={}", self.name)
    }

    /// A refusal that the app is told.
    pub(crate) fn refusal(&self, refusal: Refusal) -> AuthorizeRefusal {
        AuthorizeRefusal::Redirect {
            redirect_uri: self.request.redirect_uri.clone(),
            state: self.request.state.clone(),
            refusal,
        }
    }

    /// Tells the app no, and forgets the request.
    pub(crate) async fn refuse(
        &self,
        state: &SmartState,
        user: Option<String>,
        refusal: Refusal,
        caller: &Caller,
    ) -> Result<Response, PageFailure> {
        state.store().take_pending(&sha256(self.name.as_bytes()), PendingKind::Page, state.now())?;
        endpoint::refused(state, self.refusal(refusal), Some(self.client.id.clone()), user, caller).await
    }
}

/// What a request still needs.
pub(crate) enum Step {
    /// Somebody must sign in.
    SignIn,
    /// Who is signed in must prove themselves with a second factor, now.
    ProveAgain(User),
    /// The person must say whose record.
    PickPatient(User, Vec<UserPatient>),
    /// A member of staff must name a patient.
    NamePatient(User),
    /// The person must consent.
    Consent(Box<Ready>),
    /// Nothing: the code can be given.
    Issue(Box<Ready>),
    /// It cannot be.
    Refuse(Option<String>, Refusal),
}

/// A request of which everything but the consent is known.
pub(crate) struct Ready {
    pub(crate) user: User,
    pub(crate) session: Session,
    pub(crate) context: LaunchContext,
}

/// `GET /oauth/continue`
pub(crate) async fn resume(
    State(state): State<SmartState>,
    RawQuery(query): RawQuery,
    parts: Parts,
) -> Result<Response, PageFailure> {
    let caller = Caller::of(&parts);
    let browser = Browser::of(&state, &parts.headers)?;
    let query = query.unwrap_or_default();
    let parameters = Parameters::of(form_urlencoded::parse(query.as_bytes()).into_owned());
    let waiting = Waiting::load(&state, &browser, parameters.value("request"))?;
    let mut response = show(&state, &browser, &waiting, &caller).await?;
    browser.keep(&mut response);
    Ok(response)
}

async fn show(
    state: &SmartState,
    browser: &Browser,
    waiting: &Waiting,
    caller: &Caller,
) -> Result<Response, PageFailure> {
    let quiet = waiting.request.prompt.none;
    let silent = |error, said: &str| Refusal::new(error, said);
    match next(state, browser, waiting)? {
        Step::SignIn if quiet => {
            waiting.refuse(state, None, silent(OauthError::LoginRequired, "nobody is signed in"), caller).await
        }
        Step::SignIn => Ok(login::for_request(state, browser, waiting, None)),
        Step::ProveAgain(user) if quiet => {
            let refusal = silent(OauthError::InteractionRequired, "a second factor must be shown");
            waiting.refuse(state, Some(user.id), refusal, caller).await
        }
        Step::ProveAgain(user) => second_factor::ask(state, browser, &user, &Then::Request(waiting.name.clone()), true),
        Step::PickPatient(user, _) | Step::NamePatient(user) if quiet => {
            let refusal = silent(OauthError::InteractionRequired, "a patient must be chosen");
            waiting.refuse(state, Some(user.id), refusal, caller).await
        }
        Step::PickPatient(user, patients) => Ok(patient::pick(browser, waiting, &user, &patients)),
        Step::NamePatient(user) => Ok(patient::name(browser, waiting, &user, None)),
        Step::Consent(ready) if quiet => {
            let refusal = silent(OauthError::ConsentRequired, "the person must consent");
            waiting.refuse(state, Some(ready.user.id), refusal, caller).await
        }
        Step::Consent(ready) => Ok(consent::page(state, browser, waiting, &ready)),
        Step::Issue(ready) => issue(state, waiting, *ready, waiting.request.scopes.clone(), caller).await,
        Step::Refuse(user, refusal) => waiting.refuse(state, user, refusal, caller).await,
    }
}

/// What comes next.
pub(crate) fn next(state: &SmartState, browser: &Browser, waiting: &Waiting) -> Result<Step, PageFailure> {
    let Some(session) = browser.session() else { return Ok(Step::SignIn) };
    let Some(user) = state.store().user(&session.user)? else { return Ok(Step::SignIn) };
    let session = match proof(state, waiting, session, &user) {
        Proof::Enough => session,
        Proof::Step(step) => return Ok(*step),
    };
    let context = match launched(state, waiting, &user)? {
        Ok(context) => context,
        Err(refusal) => return Ok(Step::Refuse(Some(user.id), refusal)),
    };
    let context = match context.patient {
        Some(_) => context,
        None => {
            let patient = federation::standalone_patient(state, session, &waiting.request.api)?;
            LaunchContext { patient, ..context }
        }
    };
    let mine = whose::patients(state, &user, &waiting.request.api)?;
    let context = match with_patient(waiting, &user, mine, context) {
        Ok(context) => context,
        Err(step) => return Ok(*step),
    };
    let ready = Box::new(Ready { user, session: session.clone(), context });
    Ok(if needs_consent(state, waiting, &ready)? { Step::Consent(ready) } else { Step::Issue(ready) })
}

/// Whether who is signed in has proved it as strongly and as recently as this request and their roles ask.
enum Proof {
    Enough,
    Step(Box<Step>),
}

fn proof(state: &SmartState, waiting: &Waiting, session: &Session, user: &User) -> Proof {
    let fresh = is_fresh(session, waiting, state.now());
    let roles = &state.server().second_factor_roles;
    let strong = waiting.request.strong || user.roles.iter().any(|role| roles.contains(role));
    let step = match (fresh, strong && !session.second_factor) {
        (true, false) => return Proof::Enough,
        (false, _) if !user.second_factor => Step::SignIn,
        // A second factor, and it was shown with this session's password: once more is enough.
        (false, _) if strong && session.second_factor => Step::ProveAgain(user.clone()),
        (false, _) => Step::SignIn,
        (true, true) if user.second_factor => Step::ProveAgain(user.clone()),
        (true, true) => {
            let said = "a second factor is asked for, and this person has none: they set one up under /oauth/account";
            Step::Refuse(Some(user.id.clone()), Refusal::new(OauthError::UnmetAuthentication, said))
        }
    };
    Proof::Step(Box::new(step))
}

/// Whether the last sign-in is recent enough for this request.
fn is_fresh(session: &Session, waiting: &Waiting, now: Timestamp) -> bool {
    let during = session.authenticated >= waiting.body.begun;
    let young = |seconds: i64| session.authenticated.plus_seconds(seconds) >= now;
    during || (!waiting.request.prompt.login && waiting.request.max_age_seconds.is_none_or(young))
}

/// The context that an EHR put ready, if the request names a launch.
fn launched(state: &SmartState, waiting: &Waiting, user: &User) -> Result<Result<LaunchContext, Refusal>, PageFailure> {
    let Some(value) = &waiting.request.launch else { return Ok(Ok(LaunchContext::default())) };
    let launch = state.store().launch(&sha256(value.as_bytes()), state.now())?;
    let right = launch.filter(|launch| {
        launch.client == waiting.client.id
            && launch.api == waiting.request.api
            && launch.user.as_ref().is_none_or(|launcher| *launcher == user.id)
    });
    Ok(right.map(|launch| launch.context).ok_or_else(|| {
        Refusal::request("`launch` is not known, was used, has expired, or is for another app, user or API")
    }))
}

/// Fills in the patient, or tells what must be asked.
fn with_patient(
    waiting: &Waiting,
    user: &User,
    mine: Vec<UserPatient>,
    mut context: LaunchContext,
) -> Result<LaunchContext, Box<Step>> {
    let scopes = &waiting.request.scopes;
    let needed = scopes.has(&Scope::LaunchPatient) || scopes.has_context(Context::Patient);
    if !needed || context.patient.is_some() {
        return Ok(context);
    }
    let staff =
        mine.is_empty() && user.fhir_user.as_ref().is_some_and(|(resource, _)| *resource == ResourceType::PRACTITIONER);
    let chosen = waiting.body.patient.clone().filter(|chosen| staff || mine.iter().any(|own| own.patient == *chosen));
    context.patient = match (chosen, mine.as_slice()) {
        (Some(chosen), _) => Some(chosen),
        (None, [only]) => Some(only.patient.clone()),
        (None, []) if staff => return Err(Box::new(Step::NamePatient(user.clone()))),
        (None, []) => {
            let said = "no patient record is linked to this person";
            return Err(Box::new(Step::Refuse(Some(user.id.clone()), Refusal::new(OauthError::AccessDenied, said))));
        }
        (None, _) => return Err(Box::new(Step::PickPatient(user.clone(), mine))),
    };
    Ok(context)
}

/// Consent is asked, unless the app is the house's own, or a confidential app asks for no more than was allowed before.
fn needs_consent(state: &SmartState, waiting: &Waiting, ready: &Ready) -> Result<bool, PageFailure> {
    if waiting.request.prompt.consent {
        return Ok(true);
    }
    if !waiting.client.metadata.consent {
        return Ok(false);
    }
    if is_public(&waiting.client.metadata) || waiting.request.also.is_some() {
        return Ok(true);
    }
    let patient = ready.context.patient.as_ref();
    let before = state.store().consent(&ready.user.id, &waiting.client.id, &waiting.request.api, patient)?;
    Ok(!before.is_some_and(|before| waiting.request.scopes.is_within(&before.scopes)))
}

/// Gives the code.
pub(crate) async fn issue(
    state: &SmartState,
    waiting: &Waiting,
    ready: Ready,
    scopes: Scopes,
    caller: &Caller,
) -> Result<Response, PageFailure> {
    let (now, request, store) = (state.now(), &waiting.request, state.store());
    store.take_pending(&sha256(waiting.name.as_bytes()), PendingKind::Page, now)?.ok_or_else(PageFailure::stale)?;
    if let Some(launch) = &request.launch {
        store.use_launch(&sha256(launch.as_bytes()), now)?;
    }
    let grant = Grant {
        client: waiting.client.id.clone(),
        user: Some(ready.user.id.clone()),
        apis: std::iter::once(&request.api).chain(&request.also).cloned().collect(),
        scopes: scopes.clone(),
        context: ready.context,
        purpose: waiting.client.metadata.purpose.clone(),
        session: Some(ready.session.id),
        authenticated: Some(ready.session.authenticated),
        nonce: request.nonce.clone(),
        binding: None,
    };
    let patient = grant.context.patient.clone();
    let code = random::token()?;
    let kept = NewCode {
        grant,
        redirect_uri: request.redirect_uri.clone(),
        challenge: request.challenge.clone(),
        dpop_key: request.dpop_key.clone(),
        expires: now.plus_seconds(state.server().lifetimes.code_seconds),
    };
    let grant_id = store.put_code(&sha256(code.expose()), &kept, now)?;
    store.put_consent(&OauthConsent {
        user: ready.user.id.clone(),
        client: waiting.client.id.clone(),
        api: request.api.clone(),
        patient: patient.clone(),
        scopes: scopes.clone(),
        at: now,
    })?;
    let event = SmartEvent::CodeIssued {
        user: ready.user.id,
        client: waiting.client.id.clone(),
        grant: grant_id,
        scope: scopes.to_string(),
        patient: patient.map(|id| id.to_string()),
    };
    state.record(event, caller).await?;
    let code = random::text(&code);
    let mut parameters = vec![("code", code.as_str())];
    parameters.extend(request.state.as_deref().map(|state| ("state", state)));
    parameters.push(("iss", &state.server().issuer));
    redirect(&request.redirect_uri, &parameters).map(|location| see_other(&location)).ok_or_else(PageFailure::stale)
}
