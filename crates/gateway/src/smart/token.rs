//! The token endpoint.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bascule_crypto::Secret;
use bascule_crypto::digest::sha256;
use bascule_fhir::Timestamp;
use bascule_smart::jose::SigningAlgorithm;
use bascule_smart::token_request::{
    CodeFacts, NotRedeemed, RefreshFacts, TokenRequest, backend_scopes, check_code, check_refresh, may_use, narrowed,
};
use bascule_smart::token_response::{Subject, TokenResponse, id_token};
use bascule_smart::{Binding, Grant, LaunchContext, OauthError, Parameters, Refusal, Scope, Scopes, SmartEvent};
use bascule_store::client::Client;
use bascule_store::code::Redeemed;
use bascule_store::grant::GrantRecord;
use bascule_store::random;
use bascule_store::token::NewTokens;
use bascule_store::user::{Status, User};
use http::StatusCode;
use http::request::Parts;

use super::respond::{Failure, private_json};
use super::state::{Caller, SmartState, header};
use super::{client, cors};

/// `POST /oauth/token`
pub(crate) async fn token(State(state): State<SmartState>, parts: Parts, body: Bytes) -> Response {
    let caller = Caller::of(&parts);
    let mut response = match answer(&state, &parts, &body, &caller).await {
        Ok(response) => response,
        Err(failure) => state.told(failure, &caller).await.into_response(),
    };
    cors::registered(&state, &parts.headers, &mut response);
    response
}

/// The parameters of a form; anything that is not a form is refused.
pub(crate) fn form(parts: &Parts, body: &[u8]) -> Result<Parameters, Refusal> {
    let kind = header(&parts.headers, "content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Refusal::request("the body must be `application/x-www-form-urlencoded`"));
    }
    if std::str::from_utf8(body).is_err() {
        return Err(Refusal::request("the form is not UTF-8"));
    }
    Ok(Parameters::of(form_urlencoded::parse(body).into_owned()))
}

async fn answer(state: &SmartState, parts: &Parts, body: &[u8], caller: &Caller) -> Result<Response, Failure> {
    let read = form(parts, body).and_then(|parameters| {
        let request = TokenRequest::read(&parameters)?;
        Ok((parameters, request))
    });
    let (parameters, request) = match read {
        Ok(read) => read,
        Err(refusal) => return Err(state.refuse(None, refusal, caller).await),
    };
    let otherwise = by_refresh_token(state, &request)?;
    let client = client::authenticate(state, &parts.headers, &parameters, caller, otherwise).await?;
    match given(state, parts, &client, &request, caller).await {
        Err(Failure::Refused(refusal)) => Err(state.refuse(Some(client.id), refusal, caller).await),
        other => other,
    }
}

/// A public client that refreshes need not name itself: its refresh token does (SMART JS fhirclient sends no id).
fn by_refresh_token(state: &SmartState, request: &TokenRequest) -> Result<Option<String>, Failure> {
    let TokenRequest::Refresh { token, .. } = request else { return Ok(None) };
    let known = state.store().refresh_token(&sha256(token.as_bytes()))?;
    Ok(known.map(|known| known.grant.grant.client))
}

async fn given(
    state: &SmartState,
    parts: &Parts,
    client: &Client,
    request: &TokenRequest,
    caller: &Caller,
) -> Result<Response, Failure> {
    let now = state.now();
    may_use(&client.metadata, request.grant_type())?;
    let binding = client::binding(state, client, &parts.headers, "token", caller, now)?;
    match request {
        TokenRequest::Code { code, redirect_uri, verifier } => {
            let shown = (code.as_str(), redirect_uri.as_deref(), verifier.as_deref());
            for_code(state, client, shown, binding, caller, now).await
        }
        TokenRequest::Refresh { token, scope } => {
            for_refresh(state, client, token, scope.as_deref(), binding, caller, now).await
        }
        TokenRequest::ClientCredentials { scope } => {
            for_client(state, client, scope.as_deref(), binding, caller, now).await
        }
    }
}

async fn for_code(
    state: &SmartState,
    client: &Client,
    (code, redirect_uri, verifier): (&str, Option<&str>, Option<&str>),
    binding: Option<Binding>,
    caller: &Caller,
    now: Timestamp,
) -> Result<Response, Failure> {
    let digest = sha256(code.as_bytes());
    let known = state.store().code(&digest)?.ok_or_else(|| Refusal::grant("the code is not known, or has expired"))?;
    let facts = CodeFacts {
        client: &known.grant.grant.client,
        redirect_uri: &known.redirect_uri,
        challenge: &known.challenge,
        dpop_key: known.dpop_key.as_deref(),
        expires: known.expires,
        used: known.used,
        ended: known.grant.ended.is_some(),
    };
    let dpop_key = match &binding {
        Some(Binding::DpopKey(key)) => Some(key.as_str()),
        _ => None,
    };
    if let Err(refused) = check_code(&facts, &client.id, redirect_uri, verifier, dpop_key, now) {
        return Err(not_redeemed(state, refused, &known.grant, "code", caller, now).await?);
    }
    let user = user_of(state, &known.grant)?;
    if let Some(user) = &user {
        state.throttles().user(&user.id)?;
    }
    let mut grant = known.grant.grant.clone();
    grant.binding.clone_from(&binding);
    let made = Made::new(state, client, &known.grant.id, &grant, grant.scopes.clone(), now)?;
    match state.store().redeem_code(&digest, &made.tokens, binding.as_ref(), now)? {
        Redeemed::Done => finish(state, made, &grant, user.as_ref(), "authorization_code", caller, now).await,
        Redeemed::AlreadyUsed => {
            let replayed = NotRedeemed::Replayed(Refusal::grant("the code was used before"));
            Err(not_redeemed(state, replayed, &known.grant, "code", caller, now).await?)
        }
    }
}

async fn for_refresh(
    state: &SmartState,
    client: &Client,
    token: &str,
    scope: Option<&str>,
    binding: Option<Binding>,
    caller: &Caller,
    now: Timestamp,
) -> Result<Response, Failure> {
    let digest = sha256(token.as_bytes());
    let unknown = || Refusal::grant("the refresh token is not known, or is no longer valid");
    let known = state.store().refresh_token(&digest)?.ok_or_else(unknown)?;
    let facts = RefreshFacts {
        client: &known.grant.grant.client,
        expires: known.expires,
        used: known.used,
        ended: known.grant.ended.is_some(),
    };
    if let Err(refused) = check_refresh(&facts, &client.id, state.server(), now) {
        return Err(not_redeemed(state, refused, &known.grant, "refresh_token", caller, now).await?);
    }
    let grant = known.grant.grant.clone();
    if grant.binding != binding {
        return Err(Refusal::grant("the refresh token is bound to another key or certificate").into());
    }
    let user = user_of(state, &known.grant)?;
    if let Some(user) = &user {
        state.throttles().user(&user.id)?;
    }
    let scopes = narrowed(&grant.scopes, scope)?;
    let made = Made::new(state, client, &known.grant.id, &grant, scopes, now)?;
    match state.store().rotate(&digest, &made.tokens, now)? {
        Redeemed::Done => finish(state, made, &grant, user.as_ref(), "refresh_token", caller, now).await,
        Redeemed::AlreadyUsed => Err(Refusal::grant("the refresh token was just used").into()),
    }
}

async fn for_client(
    state: &SmartState,
    client: &Client,
    scope: Option<&str>,
    binding: Option<Binding>,
    caller: &Caller,
    now: Timestamp,
) -> Result<Response, Failure> {
    let scopes = backend_scopes(&client.metadata, scope)?;
    let all = || state.server().apis.iter().map(|api| api.name.clone()).collect();
    let apis: Vec<String> = if client.metadata.apis.is_empty() { all() } else { client.metadata.apis.clone() };
    let grant = Grant {
        client: client.id.clone(),
        user: None,
        apis,
        scopes: scopes.clone(),
        context: LaunchContext::default(),
        purpose: client.metadata.purpose.clone(),
        session: None,
        authenticated: None,
        nonce: None,
        binding,
    };
    let mut made = Made::new(state, client, "", &grant, scopes, now)?;
    made.tokens.grant = state.store().issue(&grant, made.tokens.clone(), now)?;
    finish(state, made, &grant, None, "client_credentials", caller, now).await
}

/// Ends what was given, if the token was replayed, and words the refusal.
async fn not_redeemed(
    state: &SmartState,
    refused: NotRedeemed,
    grant: &GrantRecord,
    what: &'static str,
    caller: &Caller,
    now: Timestamp,
) -> Result<Failure, Failure> {
    let refusal = match refused {
        NotRedeemed::Refused(refusal) => refusal,
        NotRedeemed::Replayed(refusal) => {
            state.store().end_grant(&grant.id, "replayed", now)?;
            let (client, user) = (grant.grant.client.clone(), grant.grant.user.clone());
            state.record(SmartEvent::Replayed { client, user, grant: grant.id.clone(), what }, caller).await?;
            refusal
        }
    };
    Ok(refusal.into())
}

/// The user of a grant, who must still be one that may act.
fn user_of(state: &SmartState, grant: &GrantRecord) -> Result<Option<User>, Failure> {
    let Some(id) = &grant.grant.user else { return Ok(None) };
    match state.store().user(id)? {
        Some(user) if user.status == Status::Active => Ok(Some(user)),
        _ => Err(Refusal::grant("the user who gave this grant may no longer act").into()),
    }
}

/// Fresh tokens, not yet given.
struct Made {
    access: Secret,
    refresh: Option<Secret>,
    tokens: NewTokens,
    seconds: i64,
    /// What an id_token is signed with.
    algorithm: SigningAlgorithm,
}

impl Made {
    fn new(
        state: &SmartState,
        client: &Client,
        grant_id: &str,
        grant: &Grant,
        scopes: Scopes,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let lifetimes = &state.server().lifetimes;
        let by_person = grant.user.is_some();
        let seconds = if by_person { lifetimes.access_seconds } else { lifetimes.backend_access_seconds };
        let refresh =
            if by_person && client.metadata.may_refresh(&grant.scopes) { Some(random::token()?) } else { None };
        let refresh_seconds = if grant.scopes.has(&Scope::OfflineAccess) {
            lifetimes.offline_refresh_seconds
        } else {
            lifetimes.online_refresh_seconds
        };
        let access = random::token()?;
        let tokens = NewTokens {
            grant: grant_id.to_owned(),
            access: sha256(access.expose()),
            id: random::id()?,
            scopes,
            expires: now.plus_seconds(seconds),
            refresh: refresh.as_ref().map(|token| (sha256(token.expose()), now.plus_seconds(refresh_seconds))),
        };
        Ok(Self { access, refresh, tokens, seconds, algorithm: client.metadata.id_token_algorithm })
    }
}

/// The subject that tokens and introspection name.
pub(crate) fn subject(user: &User) -> Subject {
    Subject { id: user.id.clone(), name: user.name.clone(), fhir_user: user.fhir_user.clone() }
}

async fn finish(
    state: &SmartState,
    made: Made,
    grant: &Grant,
    user: Option<&User>,
    grant_type: &'static str,
    caller: &Caller,
    now: Timestamp,
) -> Result<Response, Failure> {
    let id_token = match user {
        Some(user) if grant.scopes.has(&Scope::OpenId) => {
            let key = state.store().signing_key(made.algorithm, now)?;
            let proof = state.store().proof_of_grant(&made.tokens.grant)?;
            let strong = proof.is_some_and(|proof| proof.second_factor);
            let signed = id_token(&key, state.server(), grant, &subject(user), &made.access, strong, now);
            signed.map_err(|error| Refusal::new(OauthError::ServerError, error.to_string()))?
        }
        _ => None,
    };
    let event = SmartEvent::TokenIssued {
        client: grant.client.clone(),
        user: grant.user.clone(),
        grant: made.tokens.grant.clone(),
        token_id: made.tokens.id.clone(),
        grant_type,
        scope: made.tokens.scopes.to_string(),
        bound: grant.binding.is_some(),
    };
    state.record(event, caller).await?;
    let style_url = state.server().endpoint("style.json");
    let response = TokenResponse {
        access_token: &made.access,
        expires_in: made.seconds,
        scopes: &made.tokens.scopes,
        binding: grant.binding.as_ref(),
        refresh_token: made.refresh.as_ref(),
        id_token: id_token.as_deref(),
        context: &grant.context,
        by_person: grant.user.is_some(),
        style_url: &style_url,
    };
    Ok(private_json(StatusCode::OK, &response.to_json()))
}
