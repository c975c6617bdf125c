//! A sign-in at another provider: the browser goes there with a state of its own, comes back with a code, and is somebody
//! here if what the provider signs says so. A launch by an EHR takes the same way.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bascule_crypto::digest::sha256;
use bascule_fhir::Id;
use bascule_smart::authorize::redirect;
use bascule_smart::{LaunchContext, Parameters, SmartEvent};
use bascule_store::StoreError;
use bascule_store::launch::Launch;
use bascule_store::launched::Launched;
use bascule_store::pending::{Pending, PendingKind};
use bascule_store::provider_session::ProviderSession;
use bascule_store::random;
use bascule_store::session::Session;
use bascule_store::user::{Status, User};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};

use super::super::browser::Browser;
use super::super::client;
use super::super::pages::{PageFailure, see_other};
use super::super::state::{Caller, SmartState};
use super::provider::{NotKnown, Provider, Tokens, Vouched};

/// Time to sign in there, in seconds.
const AWAY_SECONDS: i64 = 900;
/// Characters of the longest `launch` that an EHR sends.
const LAUNCH_CHARACTERS_MAX: usize = 4_096;

/// What is kept while the browser is away.
struct Away {
    provider: String,
    nonce: String,
    verifier: String,
    /// The app's request to go on with.
    request: Option<String>,
    /// The app that the EHR launches.
    app: Option<String>,
}

impl Away {
    fn to_text(&self) -> String {
        json!({"provider": self.provider, "nonce": self.nonce, "verifier": self.verifier, "request": self.request,
            "app": self.app})
        .to_string()
    }

    fn of_text(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            provider: text("provider")?,
            nonce: text("nonce")?,
            verifier: text("verifier")?,
            request: text("request"),
            app: text("app"),
        })
    }
}

fn told(status: StatusCode, title: &'static str, said: &str) -> PageFailure {
    PageFailure::Told { status, title, said: said.to_owned() }
}

fn unreachable() -> PageFailure {
    let said = "The sign-in of your organization cannot be reached at the moment. Please try again shortly.";
    told(StatusCode::BAD_GATEWAY, "This does not work at the moment", said)
}

fn not_let_in() -> PageFailure {
    let said = "Your organization's sign-in was right, but it gives you no access here. Whoever keeps the accounts can \
                see the reason in the audit log.";
    told(StatusCode::FORBIDDEN, "You have no access here", said)
}

fn of_query(query: Option<String>) -> Parameters {
    Parameters::of(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned())
}

/// `GET /oauth/federate?provider=…&request=…`: to the provider.
pub(crate) async fn begin(
    State(state): State<SmartState>,
    RawQuery(query): RawQuery,
    parts: Parts,
) -> Result<Response, PageFailure> {
    let parameters = of_query(query);
    let name = parameters.value("provider").unwrap_or_default();
    let provider = state.providers().named(name).ok_or_else(PageFailure::stale)?;
    let request = parameters.value("request").map(str::to_owned);
    send(&state, &parts, &provider, request, None).await
}

/// `GET /oauth/ehr-launch/{app}?iss=…&launch=…`: an EHR launches an app that is registered here.
pub(crate) async fn from_ehr(
    State(state): State<SmartState>,
    Path(app): Path<String>,
    RawQuery(query): RawQuery,
    parts: Parts,
) -> Result<Response, PageFailure> {
    let wrong = |said: &str| told(StatusCode::BAD_REQUEST, "This launch cannot be followed", said);
    let parameters = of_query(query);
    if let Some(fault) = parameters.fault() {
        return Err(wrong(&fault));
    }
    let base = parameters.value("iss").ok_or_else(|| wrong("The launch names no `iss`."))?;
    let provider = state.providers().of_ehr(base);
    let provider = provider.ok_or_else(|| wrong("The `iss` of the launch is not an EHR that is known here."))?;
    let launch = parameters.value("launch").filter(|launch| launch.len() <= LAUNCH_CHARACTERS_MAX);
    let launch = launch.ok_or_else(|| wrong("The launch has no `launch`, or one that is too long."))?.to_owned();
    let known = client::active(&state, &app)?;
    let launchable = known.is_some_and(|client| client.metadata.launch_uri.is_some());
    if !launchable {
        return Err(wrong("The app is not one that is registered here with an `initiate_login_uri`."));
    }
    send(&state, &parts, &provider, None, Some((app, launch))).await
}

/// Sends the browser to the provider, and keeps what must be true when it comes back.
async fn send(
    state: &SmartState,
    parts: &Parts,
    provider: &Provider,
    request: Option<String>,
    launch: Option<(String, String)>,
) -> Result<Response, PageFailure> {
    let (caller, now) = (Caller::of(parts), state.now());
    state.throttles().authorization(&caller.address)?;
    let browser = Browser::of(state, &parts.headers)?;
    let endpoints = provider.endpoints(now).await.map_err(|why| {
        tracing::warn!(provider = provider.settings().name, why, "a provider cannot be used");
        unreachable()
    })?;
    let (name, nonce, verifier) = (random::token()?, random::token()?, random::token()?);
    let (app, launch) = launch.unzip();
    let away = Away {
        provider: provider.settings().name.clone(),
        nonce: random::text(&nonce),
        verifier: random::text(&verifier),
        request,
        app,
    };
    let pending = Pending {
        client: String::new(),
        body: away.to_text(),
        browser: Some(browser.digest()),
        expires: now.plus_seconds(AWAY_SECONDS),
    };
    state.store().put_pending(&sha256(name.expose()), PendingKind::Federated, &pending)?;
    let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.expose()));
    let (state_value, redirect_uri) = (random::text(&name), state.server().endpoint("federated"));
    let settings = provider.settings();
    let scope = settings.client.scope.as_deref().unwrap_or("openid");
    let scope = match (&launch, &settings.ehr) {
        (Some(_), Some(_)) => with_scope(scope, "launch", "launch/patient"),
        _ => scope.to_owned(),
    };
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", provider.client_id()),
        ("redirect_uri", &redirect_uri),
        ("scope", &scope),
        ("state", &state_value),
        ("nonce", &away.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    pairs.extend(settings.ehr.as_ref().map(|ehr| ("aud", ehr.base.as_str())));
    pairs.extend(launch.as_deref().map(|launch| ("launch", launch)));
    pairs.extend(settings.acr_values.as_deref().map(|values| ("acr_values", values)));
    let address = redirect(&endpoints.authorization, &pairs).ok_or_else(unreachable)?;
    let mut response = see_other(&address);
    browser.keep(&mut response);
    Ok(response)
}

/// The scope of an EHR's launch: `launch` instead of asking for a patient.
fn with_scope(scope: &str, add: &str, without: &str) -> String {
    let mut words: Vec<&str> = scope.split(' ').filter(|word| *word != without && !word.is_empty()).collect();
    if !words.contains(&add) {
        words.push(add);
    }
    words.join(" ")
}

/// `GET /oauth/federated`: back from the provider.
pub(crate) async fn back(
    State(state): State<SmartState>,
    RawQuery(query): RawQuery,
    parts: Parts,
) -> Result<Response, PageFailure> {
    let caller = Caller::of(&parts);
    let parameters = of_query(query);
    if parameters.fault().is_some() {
        return Err(PageFailure::stale());
    }
    let mut browser = Browser::of(&state, &parts.headers)?;
    let away = taken(&state, &browser, parameters.value("state"))?;
    let provider = state.providers().named(&away.provider).ok_or_else(PageFailure::stale)?;
    let issuer_fits = parameters.value("iss").is_none_or(|issuer| issuer == provider.settings().issuer);
    let Some(code) = parameters.value("code").filter(|_| issuer_fits) else {
        let because = if issuer_fits { "provider-refused" } else { "provider-mixed-up" };
        refused(&state, None, because, &caller).await?;
        let said = "The sign-in of your organization did not let you in. Please try again.";
        return Err(told(StatusCode::FORBIDDEN, "You were not signed in", said));
    };
    let (tokens, vouched) = match known(&state, &provider, &away, code).await {
        Ok(known) => known,
        Err(fault) => {
            tracing::warn!(provider = away.provider, %fault, "somebody is not let in");
            let because = match &fault {
                NotKnown::Provider(_) => "provider-not-believed",
                NotKnown::Claims(fault) => fault.code(),
            };
            refused(&state, None, because, &caller).await?;
            return Err(match fault {
                NotKnown::Provider(_) => unreachable(),
                NotKnown::Claims(_) => not_let_in(),
            });
        }
    };
    let user = user_of(&state, &provider, &vouched, &caller).await?;
    let session = browser.sign_in(&state, &user.id, vouched.second_factor)?;
    keep(&state, &provider, &session, &vouched, &tokens)?;
    let event = SmartEvent::SignedIn { user: user.id.clone(), session: session.id.clone(), method: "federated" };
    state.record(event, &caller).await?;
    let address = match &away.app {
        Some(app) => launch(&state, &provider, app, &user, &tokens, &caller).await?,
        None => away.request.map_or_else(|| "/oauth/apps".to_owned(), |name| format!("/oauth/continue?request={name}")),
    };
    let mut response = see_other(&address);
    browser.keep_session(&state, &mut response);
    Ok(response)
}

/// What was kept for this browser and state; once.
fn taken(state: &SmartState, browser: &Browser, name: Option<&str>) -> Result<Away, PageFailure> {
    let digest = sha256(name.ok_or_else(PageFailure::stale)?.as_bytes());
    let found = state.store().pending(&digest, PendingKind::Federated, state.now())?;
    found.filter(|pending| pending.browser == Some(browser.digest())).ok_or_else(PageFailure::stale)?;
    let taken = state.store().take_pending(&digest, PendingKind::Federated, state.now())?;
    taken.and_then(|pending| Away::of_text(&pending.body)).ok_or_else(PageFailure::stale)
}

async fn known(
    state: &SmartState,
    provider: &Provider,
    away: &Away,
    code: &str,
) -> Result<(Tokens, Vouched), NotKnown> {
    let redirect_uri = state.server().endpoint("federated");
    let tokens = provider.redeem(code, &redirect_uri, &away.verifier, state.now()).await;
    let tokens = tokens.map_err(|refused| NotKnown::Provider(refused.to_string()))?;
    let vouched = provider.vouched(&tokens, &away.nonce, state.now()).await?;
    Ok((tokens, vouched))
}

async fn user_of(
    state: &SmartState,
    provider: &Provider,
    vouched: &Vouched,
    caller: &Caller,
) -> Result<User, PageFailure> {
    let (issuer, mapped) = (&provider.settings().issuer, &vouched.mapped);
    let user = match state.store().put_external_user(issuer, &mapped.subject, mapped, state.now()) {
        Ok(user) => user,
        Err(StoreError::Exists { .. }) => {
            refused(state, None, "login-taken", caller).await?;
            return Err(not_let_in());
        }
        Err(error) => return Err(error.into()),
    };
    if user.status == Status::Active {
        return Ok(user);
    }
    refused(state, Some(user.id), "disabled", caller).await?;
    Err(not_let_in())
}

async fn refused(
    state: &SmartState,
    user: Option<String>,
    because: &'static str,
    caller: &Caller,
) -> Result<(), PageFailure> {
    Ok(state.record(SmartEvent::SignInRefused { user, because }, caller).await?)
}

/// Keeps what the provider's logout, its next answer and, for an EHR, our requests to it will need.
fn keep(
    state: &SmartState,
    provider: &Provider,
    session: &Session,
    vouched: &Vouched,
    tokens: &Tokens,
) -> Result<(), StoreError> {
    let settings = provider.settings();
    state.store().put_provider_session(&ProviderSession {
        session: session.id.clone(),
        issuer: settings.issuer.clone(),
        subject: vouched.subject.clone(),
        sid: vouched.sid.clone(),
        // An EHR's refresh token is kept with its launch: two users of one rotating token would end each other.
        refresh: tokens.refresh.clone().filter(|_| settings.recheck_seconds.is_some() && settings.ehr.is_none()),
        checked: state.now(),
    })?;
    if settings.ehr.is_none() {
        return Ok(());
    }
    let launched = Launched {
        session: session.id.clone(),
        provider: settings.name.clone(),
        patient: tokens.id("patient"),
        encounter: tokens.id("encounter"),
        access: tokens.access.clone(),
        expires: tokens.expires,
        refresh: tokens.refresh.clone(),
    };
    state.store().put_launched(&launched, state.now())
}

/// Makes our own launch of the EHR's, and says where the app begins.
async fn launch(
    state: &SmartState,
    provider: &Provider,
    app: &str,
    user: &User,
    tokens: &Tokens,
    caller: &Caller,
) -> Result<String, PageFailure> {
    let api = provider.settings().ehr.as_ref().map(|ehr| ehr.api.clone()).unwrap_or_default();
    let client = client::active(state, app)?.ok_or_else(PageFailure::stale)?;
    let base = state.server().api(&api).map(|api| api.base.clone()).ok_or_else(PageFailure::stale)?;
    let text = |name: &str| tokens.body.get(name).and_then(Value::as_str).map(str::to_owned);
    let patient = tokens.id("patient");
    let kept = Launch {
        client: client.id.clone(),
        user: Some(user.id.clone()),
        api,
        context: LaunchContext {
            patient: patient.clone(),
            encounter: tokens.id("encounter"),
            fhir_context: tokens.body.get("fhirContext").and_then(Value::as_array).cloned().unwrap_or_default(),
            need_patient_banner: Some(tokens.body.get("need_patient_banner").and_then(Value::as_bool).unwrap_or(true)),
            intent: text("intent"),
            tenant: text("tenant"),
        },
        expires: state.now().plus_seconds(state.server().lifetimes.launch_seconds),
    };
    let name = random::token()?;
    state.store().put_launch(&sha256(name.expose()), &kept)?;
    let event = SmartEvent::LaunchMade {
        by: format!("provider {}", provider.settings().name),
        client: client.id,
        patient: patient.map(|id| id.to_string()),
    };
    state.record(event, caller).await?;
    let value = random::text(&name);
    let uri = client.metadata.launch_uri.ok_or_else(PageFailure::stale)?;
    redirect(&uri, &[("iss", &base), ("launch", &value)]).ok_or_else(PageFailure::stale)
}

/// The patient whom the EHR behind an API chose when this session signed in there: whom a standalone launch is about.
pub(crate) fn standalone_patient(state: &SmartState, session: &Session, api: &str) -> Result<Option<Id>, StoreError> {
    let Some(provider) = state.providers().of_api(api) else { return Ok(None) };
    let launched = state.store().launched_in(&session.id, &provider.settings().name)?;
    Ok(launched.and_then(|launched| launched.patient))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_asks_for_the_context_and_not_for_a_patient() {
        assert_eq!(
            with_scope("openid launch/patient user/*.rs", "launch", "launch/patient"),
            "openid user/*.rs launch"
        );
        assert_eq!(with_scope("openid launch", "launch", "launch/patient"), "openid launch");
    }
}
