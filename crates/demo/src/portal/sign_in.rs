//! Signing in at the bridge: authorization code with PKCE, and revocation when somebody leaves.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{Request, Response};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AccessToken, AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    RevocationUrl, Scope, StandardRevocableToken, StandardTokenResponse, TokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bridge::Bridge;
use super::session::{May, Session};
use super::settings::PortalSettings;
use super::trouble::Trouble;

/// A sign-in that is not finished after so long is forgotten.
const SIGN_IN_SECONDS_MAX: u64 = 600;
/// A token whose answer names no end is used for so long.
const TOKEN_SECONDS_DEFAULT: u64 = 300;

/// What SMART adds to the answer of a token endpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Context {
    /// Id of the Patient in context.
    patient: Option<String>,
}
impl ExtraTokenFields for Context {}

type Oauth = Client<
    BasicErrorResponse,
    StandardTokenResponse<Context, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// What the bridge says of its endpoints.
#[derive(Debug, Clone)]
struct Endpoints {
    issuer: Option<String>,
    authorization: String,
    token: String,
    revocation: Option<String>,
    /// Whether answers name the issuer.
    names_issuer: bool,
}

struct Begun {
    verifier: PkceCodeVerifier,
    endpoints: Endpoints,
    at: Instant,
}

/// Sign-ins that wait for the browser to come back, by their `state`.
pub(super) struct SignIns {
    begun: Mutex<HashMap<String, Begun>>,
    sign_ins_max: usize,
}

/// What the browser brings back.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Returned {
    code: Option<String>,
    pub(super) state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl SignIns {
    pub(super) fn new(sign_ins_max: usize) -> Self {
        Self { begun: Mutex::default(), sign_ins_max: sign_ins_max.max(1) }
    }

    /// Begins: where to send the browser, and the `state` that it must bring back.
    pub(super) async fn begin(
        &self,
        settings: &PortalSettings,
        bridge: &Bridge,
        launch: Option<&str>,
        now: Instant,
    ) -> Result<(String, String), Trouble> {
        let endpoints = Endpoints::read(&bridge.discover().await?)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client = oauth(settings, &endpoints)?;
        // Whom a chart launches, it tells the patient: nobody is asked for one.
        let scope = |scope: &String| match launch {
            Some(_) if scope == "launch/patient" => Scope::new("launch".to_owned()),
            _ => Scope::new(scope.clone()),
        };
        let mut asked = client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(settings.scopes.iter().map(scope))
            .add_extra_param("aud", bridge.base())
            .set_pkce_challenge(challenge);
        if let Some(launch) = launch {
            asked = asked.add_extra_param("launch", launch);
        }
        let (url, state) = asked.url();
        let state = state.into_secret();
        self.keep(state.clone(), Begun { verifier, endpoints, at: now });
        Ok((url.into(), state))
    }

    fn keep(&self, state: String, new: Begun) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let now = new.at;
        begun.retain(|_, entry| now.duration_since(entry.at) < Duration::from_secs(SIGN_IN_SECONDS_MAX));
        while begun.len() >= self.sign_ins_max {
            let oldest = begun.iter().min_by_key(|(_, entry)| entry.at).map(|(state, _)| state.clone());
            let Some(oldest) = oldest else { break };
            begun.remove(&oldest);
        }
        begun.insert(state, new);
    }

    /// Takes the sign-in of that `state`; it can be finished once.
    fn take(&self, state: &str, now: Instant) -> Option<Begun> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(state)?;
        (now.duration_since(begun.at) < Duration::from_secs(SIGN_IN_SECONDS_MAX)).then_some(begun)
    }

    /// Finishes: checks what came back and fetches the token. `cookie` is the `state` that this browser was given.
    pub(super) async fn finish(
        &self,
        settings: &PortalSettings,
        bridge: &Bridge,
        returned: Returned,
        cookie: Option<&str>,
        now: Instant,
    ) -> Result<Session, Trouble> {
        let state = returned.state.as_deref().filter(|state| Some(*state) == cookie).ok_or(Trouble::SignInStale)?;
        let begun = self.take(state, now).ok_or(Trouble::SignInStale)?;
        begun.endpoints.check_issuer(returned.iss.as_deref())?;
        if let Some(error) = returned.error {
            return Err(Trouble::SignInRefused { words: refusal(&error, returned.error_description.as_deref()) });
        }
        let code = returned.code.ok_or(Trouble::SignInForged { what: "it brought no code" })?;
        let token = oauth(settings, &begun.endpoints)?
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(begun.verifier)
            .request_async(&Over(bridge))
            .await
            .map_err(|error| token_trouble(&error))?;
        session(settings, &token, begun.endpoints.revocation, now)
    }
}

fn session(
    settings: &PortalSettings,
    token: &StandardTokenResponse<Context, BasicTokenType>,
    revocation_url: Option<String>,
    now: Instant,
) -> Result<Session, Trouble> {
    if !matches!(token.token_type(), BasicTokenType::Bearer) {
        return Err(Trouble::SignInForged { what: "its token is of a kind that the portal does not know" });
    }
    let patient = token.extra_fields().patient.clone();
    let patient = match patient.filter(|id| bascule_fhir::Id::parse(id).is_some()) {
        Some(patient) => patient,
        None if !settings.is_about_a_patient() => String::new(),
        None => {
            let words = String::from("your account is not linked to a patient record");
            return Err(Trouble::SignInRefused { words });
        }
    };
    let lasts = token.expires_in().unwrap_or(Duration::from_secs(TOKEN_SECONDS_DEFAULT));
    // An answer without scopes grants what was asked for (RFC 6749, 5.1).
    let may = match token.scopes() {
        Some(granted) => may(granted.iter().map(|scope| scope.as_str())),
        None => may(settings.scopes.iter().map(String::as_str)),
    };
    Ok(Session { token: token.access_token().secret().clone(), patient, may, revocation_url, ends: now + lasts })
}

fn may<'a>(scopes: impl Iterator<Item = &'a str> + Clone) -> May {
    May {
        write_messages: scopes.clone().any(|scope| grants(scope, "Communication", 'c')),
        cancel_appointments: scopes.clone().any(|scope| grants(scope, "Appointment", 'u')),
    }
}

/// Whether a SMART v2 scope grants an interaction (`c`, `r`, `u`, `d`, `s`) on a type.
fn grants(scope: &str, kind: &str, interaction: char) -> bool {
    let Some((of, letters)) = scope.strip_prefix("patient/").and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    let letters = letters.split('?').next().unwrap_or_default();
    (of == kind || of == "*") && letters.contains(interaction)
}

/// Tells the bridge that a token is not needed any more.
pub(super) async fn revoke(settings: &PortalSettings, bridge: &Bridge, session: &Session) -> Result<(), Trouble> {
    let Some(url) = &session.revocation_url else { return Ok(()) };
    let url = RevocationUrl::new(url.clone()).map_err(|_| unreadable())?;
    let client = oauth2::basic::BasicClient::new(ClientId::new(settings.client_id.clone())).set_revocation_url(url);
    let client = match &settings.client_secret {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.clone())),
        None => client.set_auth_type(AuthType::RequestBody),
    };
    let token = StandardRevocableToken::AccessToken(AccessToken::new(session.token.clone()));
    let request = client.revoke_token(token).map_err(|_| unreadable())?;
    request.request_async(&Over(bridge)).await.map_err(|error| Trouble::Unreachable { why: error.to_string() })
}

fn oauth(settings: &PortalSettings, endpoints: &Endpoints) -> Result<Oauth, Trouble> {
    let client = Client::new(ClientId::new(settings.client_id.clone()))
        .set_auth_uri(AuthUrl::new(endpoints.authorization.clone()).map_err(|_| unreadable())?)
        .set_token_uri(TokenUrl::new(endpoints.token.clone()).map_err(|_| unreadable())?)
        .set_redirect_uri(RedirectUrl::new(settings.redirect_url()).map_err(|_| unreadable())?);
    Ok(match &settings.client_secret {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.clone())),
        None => client.set_auth_type(AuthType::RequestBody),
    })
}

impl Endpoints {
    fn read(configuration: &Value) -> Result<Self, Trouble> {
        let text = |key: &str| configuration.get(key).and_then(Value::as_str).map(str::to_owned);
        let https = |url: String| url.starts_with("https://").then_some(url);
        Ok(Self {
            issuer: text("issuer"),
            authorization: text("authorization_endpoint").and_then(https).ok_or_else(unreadable)?,
            token: text("token_endpoint").and_then(https).ok_or_else(unreadable)?,
            revocation: text("revocation_endpoint").and_then(https),
            names_issuer: configuration.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
        })
    }

    /// RFC 9207: an answer that names another issuer, or none though it should, is not the bridge's.
    fn check_issuer(&self, named: Option<&str>) -> Result<(), Trouble> {
        match (named, self.issuer.as_deref()) {
            (None, _) if self.names_issuer => Err(Trouble::SignInForged { what: "it does not say who it is from" }),
            (Some(named), Some(issuer)) if named != issuer => {
                Err(Trouble::SignInForged { what: "it is from somebody else" })
            }
            _ => Ok(()),
        }
    }
}

fn unreadable() -> Trouble {
    Trouble::Unreadable { what: "its sign-in addresses cannot be read", request_id: None }
}

/// An OAuth error code in words.
fn refusal(error: &str, description: Option<&str>) -> String {
    match (error, description) {
        ("access_denied", _) => String::from("access was not granted"),
        (_, Some(description)) => description.trim_end_matches('.').chars().take(200).collect(),
        (error, None) => error.chars().take(60).collect(),
    }
}

fn token_trouble(error: &RequestTokenError<Failed, BasicErrorResponse>) -> Trouble {
    match error {
        RequestTokenError::ServerResponse(answer) => {
            let words = refusal(answer.error().as_ref(), answer.error_description().map(String::as_str));
            Trouble::SignInRefused { words }
        }
        RequestTokenError::Request(failed) => failed.0.clone(),
        _ => Trouble::Unreadable { what: "its answer to the sign-in cannot be read", request_id: None },
    }
}

/// The bridge's client as the OAuth library wants it.
struct Over<'a>(&'a Bridge);

/// A request of the OAuth library that got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
struct Failed(Trouble);

impl<'c> AsyncHttpClient<'c> for Over<'_> {
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, Failed>> + Send + 'c>>;

    fn call(&'c self, request: Request<Vec<u8>>) -> Self::Future {
        Box::pin(async move {
            let answer = self.0.post(request).await.map_err(Failed)?;
            let mut response = Response::new(answer.body);
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn endpoints(names_issuer: bool) -> Endpoints {
        let configuration = json!({
            "issuer": "https://bridge.example",
            "authorization_endpoint": "https://bridge.example/oauth/authorize",
            "token_endpoint": "https://bridge.example/oauth/token",
            "authorization_response_iss_parameter_supported": names_issuer,
        });
        Endpoints::read(&configuration).unwrap()
    }

    fn begun(at: Instant) -> Begun {
        Begun { verifier: PkceCodeChallenge::new_random_sha256().1, endpoints: endpoints(true), at }
    }

    #[test]
    fn an_answer_from_another_issuer_is_refused() {
        assert!(endpoints(true).check_issuer(Some("https://bridge.example")).is_ok());
        assert!(endpoints(true).check_issuer(Some("https://other.example")).is_err());
        assert!(endpoints(true).check_issuer(None).is_err());
        assert!(endpoints(false).check_issuer(None).is_ok());
        assert!(endpoints(false).check_issuer(Some("https://other.example")).is_err());
    }

    #[test]
    fn what_may_be_written_follows_from_the_scopes_that_were_granted() {
        let check = |scopes: &[&str]| may(scopes.iter().copied());
        assert_eq!(check(&["patient/*.rs"]), May::default());
        assert!(check(&["patient/*.cruds"]).write_messages);
        let both = check(&["patient/Communication.c", "patient/Appointment.u?status=booked"]);
        assert_eq!(both, May { write_messages: true, cancel_appointments: true });
        assert_eq!(check(&["user/Communication.c", "patient/Communication.rs"]), May::default());
    }

    #[test]
    fn endpoints_in_the_clear_are_refused() {
        let configuration =
            json!({"authorization_endpoint": "http://b.example/a", "token_endpoint": "https://b.example/t"});
        assert!(Endpoints::read(&configuration).is_err());
    }

    #[test]
    fn a_sign_in_is_finished_once_and_in_time() {
        let (sign_ins, now) = (SignIns::new(2), Instant::now());
        sign_ins.keep("a".into(), begun(now));
        assert!(sign_ins.take("a", now).is_some());
        assert!(sign_ins.take("a", now).is_none());
        sign_ins.keep("b".into(), begun(now));
        assert!(sign_ins.take("b", now + Duration::from_secs(SIGN_IN_SECONDS_MAX)).is_none());
    }

    #[test]
    fn the_oldest_sign_in_gives_way() {
        let (sign_ins, now) = (SignIns::new(2), Instant::now());
        for (state, second) in [("a", 0), ("b", 1), ("c", 2)] {
            sign_ins.keep(state.into(), begun(now + Duration::from_secs(second)));
        }
        let later = now + Duration::from_secs(3);
        assert!(sign_ins.take("a", later).is_none());
        assert!(sign_ins.take("b", later).is_some() && sign_ins.take("c", later).is_some());
    }
}
