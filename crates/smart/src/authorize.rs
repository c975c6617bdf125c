//! An authorization request: read, checked, and either a request that a person can be asked about, or a refusal that
//! goes back to the app or, when the app cannot be trusted with it, onto a page.

use url::Url;

use crate::refusal::{OauthError, Refusal};
use crate::server::Server;
use crate::{ClientMetadata, Context, GrantType, Parameters, Requested, Scope, Scopes, pkce};

/// Bytes of `state`, `nonce`, `launch`, `login_hint`.
const OPAQUE_BYTES_MAX: usize = 2_048;

/// `acr`: one factor, a password.
pub const ACR_ONE_FACTOR: &str = "urn:bascule:acr:1";
/// `acr`: two factors, or a passkey that asked its owner.
pub const ACR_TWO_FACTORS: &str = "urn:bascule:acr:2";
/// What we can vouch for.
pub const ACR_VALUES: [&str; 2] = [ACR_ONE_FACTOR, ACR_TWO_FACTORS];

/// What the request asks of the pages (OpenID Connect Core, `prompt`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Show no page at all.
    pub none: bool,
    /// Ask for the password again.
    pub login: bool,
    /// Ask for consent again.
    pub consent: bool,
}

/// An authorization request that is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizeRequest {
    /// The client.
    pub client: String,
    /// Where the answer goes; one of the registered ones.
    pub redirect_uri: String,
    /// To be echoed.
    pub state: Option<String>,
    /// The API named by `aud`; ids of a patient in context count in it.
    pub api: String,
    /// A second API, named by `resource` (RFC 8707), that the token shall be good for as well.
    pub also: Option<String>,
    /// What is asked and the client may have.
    pub scopes: Scopes,
    /// The PKCE challenge.
    pub challenge: String,
    /// OpenID `nonce`.
    pub nonce: Option<String>,
    /// What pages to show.
    pub prompt: Prompt,
    /// The age of the last sign-in, in seconds, that is still good enough.
    pub max_age_seconds: Option<i64>,
    /// Who is expected to sign in.
    pub login_hint: Option<String>,
    /// The EHR's launch value.
    pub launch: Option<String>,
    /// Whether the app asks for a proof with two factors (`acr_values`, RFC 9470).
    pub strong: bool,
    /// RFC 9449 section 10: the key to which the code is to be bound.
    pub dpop_key: Option<String>,
}

/// Why not, and where that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorizeRefusal {
    /// On a page: client or redirect URI are not known, so nobody may be sent anywhere.
    Page(Refusal),
    /// To the app.
    Redirect {
        /// One of the registered ones.
        redirect_uri: String,
        /// To be echoed.
        state: Option<String>,
        /// What is said.
        refusal: Refusal,
    },
}

/// Checks an authorization request. `client` is the registered client of `client_id`, if it may act; `pushed` tells
/// that the parameters came by RFC 9126.
///
/// # Errors
/// [`AuthorizeRefusal`], by the first thing that is amiss.
pub fn check(
    parameters: &Parameters,
    client: Option<(&str, &ClientMetadata)>,
    server: &Server,
    pushed: bool,
) -> Result<AuthorizeRequest, AuthorizeRefusal> {
    let page = |said: &str| AuthorizeRefusal::Page(Refusal::request(said));
    for name in ["client_id", "redirect_uri"] {
        if parameters.is_doubled(name) {
            return Err(page(&format!("`{name}` was sent more than once")));
        }
    }
    let (id, metadata) =
        client.ok_or_else(|| page("`client_id` is missing or names no app that is registered here"))?;
    let redirect_uri = parameters.value("redirect_uri").ok_or_else(|| page("`redirect_uri` is missing"))?;
    if !metadata.may_redirect_to(redirect_uri) {
        return Err(page("`redirect_uri` is not one that this app registered, character by character"));
    }
    let state = parameters.value("state").filter(|state| state.len() <= OPAQUE_BYTES_MAX).map(str::to_owned);
    checked(parameters, id, metadata, server, pushed).map_err(|refusal| AuthorizeRefusal::Redirect {
        redirect_uri: redirect_uri.to_owned(),
        state,
        refusal,
    })
}

fn checked(
    parameters: &Parameters,
    id: &str,
    metadata: &ClientMetadata,
    server: &Server,
    pushed: bool,
) -> Result<AuthorizeRequest, Refusal> {
    if let Some(fault) = parameters.fault() {
        return Err(Refusal::request(fault));
    }
    for name in ["state", "nonce", "launch", "login_hint"] {
        if parameters.value(name).is_some_and(|value| value.len() > OPAQUE_BYTES_MAX) {
            return Err(Refusal::request(format!("`{name}` is longer than {OPAQUE_BYTES_MAX} bytes")));
        }
    }
    response(parameters)?;
    if !metadata.grant_types.contains(&GrantType::AuthorizationCode) {
        let said = "this client is not registered for `authorization_code`";
        return Err(Refusal::new(OauthError::UnauthorizedClient, said));
    }
    if metadata.pushed_only && !pushed {
        return Err(Refusal::request("this client must push its requests (RFC 9126)"));
    }
    let (challenge, method) = (parameters.value("code_challenge"), parameters.value("code_challenge_method"));
    // No challenge is an empty one, which no verifier fits.
    let without = metadata.pkce_optional && challenge.is_none() && method.is_none();
    let challenge = if without { Ok(String::new()) } else { pkce::challenge(challenge, method) }
        .map_err(|error| Refusal::request(error.to_string()))?;
    let api = audience(parameters, metadata, server)?;
    let also = parameters.value("resource").map(|base| of_base("resource", base, metadata, server)).transpose()?;
    let launch = parameters.value("launch").map(str::to_owned);
    let scopes = scopes(parameters, metadata, launch.is_some())?;
    Ok(AuthorizeRequest {
        client: id.to_owned(),
        redirect_uri: parameters.value("redirect_uri").unwrap_or_default().to_owned(),
        state: parameters.value("state").map(str::to_owned),
        also: also.filter(|also| *also != api),
        api,
        scopes,
        challenge,
        nonce: parameters.value("nonce").map(str::to_owned),
        prompt: prompt(parameters)?,
        max_age_seconds: max_age(parameters)?,
        login_hint: parameters.value("login_hint").map(str::to_owned),
        launch,
        strong: strong(parameters),
        dpop_key: dpop_key(parameters)?,
    })
}

fn response(parameters: &Parameters) -> Result<(), Refusal> {
    match parameters.value("response_type") {
        None => return Err(Refusal::request("`response_type` is missing: it must be `code`")),
        Some("code") => {}
        Some(_) => return Err(Refusal::new(OauthError::UnsupportedResponseType, "`response_type` must be `code`")),
    }
    if parameters.value("response_mode").is_some_and(|mode| mode != "query") {
        return Err(Refusal::request("`response_mode` must be `query` or left out"));
    }
    if parameters.value("request").is_some() {
        return Err(Refusal::new(OauthError::RequestNotSupported, "`request` objects are not read: push the request"));
    }
    Ok(())
}

fn audience(parameters: &Parameters, metadata: &ClientMetadata, server: &Server) -> Result<String, Refusal> {
    let mut fhir = server.apis.iter().filter(|api| api.fhir);
    if let (None, Some(_), Some(only), None) = (parameters.value("aud"), &metadata.udap, fhir.next(), fhir.next()) {
        // UDAP knows no `aud`; with one API there is no doubt which is meant.
        return Ok(only.name.clone());
    }
    let audience = parameters.value("aud").ok_or_else(|| {
        Refusal::request(format!("`aud` is missing: it must be the FHIR base of this server: {}", bases(server)))
    })?;
    of_base("aud", audience, metadata, server)
}

fn bases(server: &Server) -> String {
    server.apis.iter().map(|api| api.base.as_str()).collect::<Vec<_>>().join(", ")
}

/// The API of a base, if the client may have it.
fn of_base(name: &str, base: &str, metadata: &ClientMetadata, server: &Server) -> Result<String, Refusal> {
    let api = server
        .api_of(base)
        .ok_or_else(|| Refusal::request(format!("`{name}` is not a FHIR base of this server: {}", bases(server))))?;
    if !metadata.apis.is_empty() && !metadata.apis.contains(&api.name) {
        let said = format!("this client is not registered for the API in `{name}`");
        return Err(Refusal::new(OauthError::UnauthorizedClient, said));
    }
    Ok(api.name.clone())
}

/// What is asked, known and allowed. `system/` needs no person and is never given by one; `launch` needs a launch.
fn scopes(parameters: &Parameters, metadata: &ClientMetadata, launched: bool) -> Result<Scopes, Refusal> {
    let none = |said: String| Refusal::new(OauthError::InvalidScope, said);
    let text = parameters.value("scope").ok_or_else(|| none("`scope` is missing".into()))?;
    let requested = Requested::parse(text).map_err(|error| none(error.to_string()))?;
    let scopes = requested.scopes.intersect(&metadata.scope).only(|scope| match scope {
        Scope::Resource { context, .. } => *context != Context::System,
        Scope::Launch => launched,
        Scope::Provision => false,
        _ => true,
    });
    if scopes.is_empty() {
        return Err(none(format!(
            "none of the scopes asked for can be given to this app; it may ask for: {}",
            metadata.scope
        )));
    }
    Ok(scopes)
}

fn prompt(parameters: &Parameters) -> Result<Prompt, Refusal> {
    let mut prompt = Prompt::default();
    let words: Vec<&str> = parameters.value("prompt").unwrap_or_default().split_ascii_whitespace().collect();
    for word in &words {
        match *word {
            "none" => prompt.none = true,
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => return Err(Refusal::request("`prompt` holds `none`, `login`, `consent` or `select_account`")),
        }
    }
    if prompt.none && words.len() > 1 {
        return Err(Refusal::request("`prompt=none` stands alone"));
    }
    Ok(prompt)
}

fn max_age(parameters: &Parameters) -> Result<Option<i64>, Refusal> {
    let parse = |text: &str| {
        let age: Option<i64> = text.parse().ok().filter(|age| (0..=i64::from(u32::MAX)).contains(age));
        age.ok_or_else(|| Refusal::request("`max_age` is a number of seconds"))
    };
    parameters.value("max_age").map(parse).transpose()
}

/// Of several values, in the order of preference, the first that we know counts.
fn strong(parameters: &Parameters) -> bool {
    let values = parameters.value("acr_values").unwrap_or_default();
    values.split_ascii_whitespace().find(|value| ACR_VALUES.contains(value)) == Some(ACR_TWO_FACTORS)
}

fn dpop_key(parameters: &Parameters) -> Result<Option<String>, Refusal> {
    match parameters.value("dpop_jkt") {
        Some(key) if key.len() != 43 => Err(Refusal::request("`dpop_jkt` is a SHA-256 thumbprint: 43 characters")),
        key => Ok(key.map(str::to_owned)),
    }
}

/// The address to send the browser to, with `parameters` added to what the app's address already carries.
#[must_use]
pub fn redirect(redirect_uri: &str, parameters: &[(&str, &str)]) -> Option<String> {
    let mut url = Url::parse(redirect_uri).ok()?;
    url.query_pairs_mut().extend_pairs(parameters);
    Some(url.to_string())
}

impl AuthorizeRefusal {
    /// Where the browser goes with it: to the app with `error`, `state` and `iss` (RFC 9207); nowhere for a page.
    #[must_use]
    pub fn location(&self, issuer: &str) -> Option<String> {
        let Self::Redirect { redirect_uri, state, refusal } = self else { return None };
        let mut parameters = vec![("error", refusal.error.code()), ("error_description", refusal.said.as_str())];
        parameters.extend(state.as_deref().map(|state| ("state", state)));
        parameters.push(("iss", issuer));
        redirect(redirect_uri, &parameters)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::server::ApiBase;

    const SOUND: [(&str, &str); 8] = [
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", "https://app.example/back"),
        ("scope", "openid launch/patient patient/*.rs system/*.rs unknown"),
        ("state", "s t&x"),
        ("aud", "https://bridge.example/fhir"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];

    fn server() -> Server {
        let api = |name: &str, base: &str| ApiBase {
            name: name.into(),
            base: base.into(),
            fhir: true,
            title: "Hospital".into(),
        };
        Server::new(
            "https://bridge.example",
            vec![api("ehr", "https://bridge.example/fhir"), api("lab", "https://bridge.example/lab")],
        )
    }

    fn metadata() -> ClientMetadata {
        let value = json!({"redirect_uris": ["https://app.example/back"], "token_endpoint_auth_method": "none",
            "scope": "openid launch launch/patient patient/*.rs system/*.rs", "bascule_apis": ["ehr"]});
        ClientMetadata::parse(&value).unwrap()
    }

    fn with(changes: &[(&str, Option<&str>)]) -> Parameters {
        let mut pairs: Vec<(String, String)> =
            SOUND.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for (name, value) in changes {
            pairs.retain(|(known, _)| known != name);
            pairs.extend(value.map(|value| ((*name).to_owned(), value.to_owned())));
        }
        Parameters::of(pairs)
    }

    fn run(changes: &[(&str, Option<&str>)]) -> Result<AuthorizeRequest, AuthorizeRefusal> {
        check(&with(changes), Some(("app", &metadata())), &server(), false)
    }

    #[track_caller]
    fn refused(changes: &[(&str, Option<&str>)], error: OauthError) {
        match run(changes) {
            Err(AuthorizeRefusal::Redirect { refusal, redirect_uri, state }) => {
                assert_eq!(refusal.error, error, "{refusal}");
                assert_eq!(redirect_uri, "https://app.example/back");
                assert!(state.is_none_or(|state| state == "s t&x"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_sound_request_keeps_what_is_known_and_allowed() {
        let request = run(&[]).unwrap();
        assert_eq!(request.scopes.to_string(), "openid launch/patient patient/*.rs");
        assert_eq!((request.api.as_str(), request.state.as_deref()), ("ehr", Some("s t&x")));
        assert!(run(&[("aud", Some("https://bridge.example/fhir/"))]).is_ok());
    }

    #[test]
    fn nobody_is_sent_to_an_address_that_is_not_registered() {
        for uri in [
            None,
            Some("https://evil.example/back"),
            Some("https://app.example/back/"),
            Some("https://app.example/back?x"),
        ] {
            assert!(matches!(run(&[("redirect_uri", uri)]), Err(AuthorizeRefusal::Page(_))), "{uri:?}");
        }
        let unknown = check(&with(&[]), None, &server(), false);
        assert!(matches!(unknown, Err(AuthorizeRefusal::Page(_))));
        let mut pairs: Vec<_> = SOUND.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        pairs.push(("redirect_uri".into(), "https://app.example/back".into()));
        let doubled = check(&Parameters::of(pairs), Some(("app", &metadata())), &server(), false);
        assert!(matches!(doubled, Err(AuthorizeRefusal::Page(_))));
    }

    #[test]
    fn what_is_amiss_is_told_to_the_app() {
        use OauthError::{
            InvalidRequest, InvalidScope, RequestNotSupported, UnauthorizedClient, UnsupportedResponseType,
        };
        refused(&[("response_type", None)], InvalidRequest);
        refused(&[("response_type", Some("token"))], UnsupportedResponseType);
        refused(&[("response_mode", Some("fragment"))], InvalidRequest);
        refused(&[("request", Some("x.y.z"))], RequestNotSupported);
        refused(&[("code_challenge", None)], InvalidRequest);
        refused(&[("code_challenge_method", Some("plain"))], InvalidRequest);
        refused(&[("code_challenge_method", None)], InvalidRequest);
        refused(&[("aud", None)], InvalidRequest);
        refused(&[("aud", Some("https://inferno.healthit.gov/invalid_aud"))], InvalidRequest);
        refused(&[("aud", Some("https://bridge.example/lab"))], UnauthorizedClient);
        refused(&[("scope", None)], InvalidScope);
        refused(&[("scope", Some("system/*.rs"))], InvalidScope);
        refused(&[("scope", Some("user/*.rs unknown"))], InvalidScope);
        refused(&[("scope", Some("launch"))], InvalidScope);
        refused(&[("prompt", Some("none login"))], InvalidRequest);
        refused(&[("prompt", Some("create"))], InvalidRequest);
        refused(&[("max_age", Some("-1"))], InvalidRequest);
        refused(&[("dpop_jkt", Some("short"))], InvalidRequest);
        refused(&[("state", Some(&"x".repeat(OPAQUE_BYTES_MAX + 1)))], InvalidRequest);
    }

    #[test]
    fn a_pushed_only_client_cannot_use_the_front_door() {
        let metadata = ClientMetadata { pushed_only: true, ..metadata() };
        let run = |pushed| check(&with(&[]), Some(("app", &metadata)), &server(), pushed);
        assert!(matches!(run(false), Err(AuthorizeRefusal::Redirect { .. })));
        assert!(run(true).is_ok());
    }

    #[test]
    fn gp_10_state_comes_back_as_it_was_sent() {
        let refusal = run(&[("aud", None)]).unwrap_err();
        let location = Url::parse(&refusal.location("https://bridge.example").unwrap()).unwrap();
        let value = |name: &str| location.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.into_owned());
        assert_eq!(value("state").as_deref(), Some("s t&x"));
        assert_eq!(value("iss").as_deref(), Some("https://bridge.example"));
        assert_eq!(value("error").as_deref(), Some("invalid_request"));
        assert_eq!(value("code"), None);
    }

    #[test]
    fn an_address_keeps_its_own_query() {
        let location = redirect("https://app.example/back?tenant=a%20b", &[("code", "x+y")]).unwrap();
        assert_eq!(location, "https://app.example/back?tenant=a%20b&code=x%2By");
        assert_eq!(redirect("org.example.app:/back", &[("code", "1")]).unwrap(), "org.example.app:/back?code=1");
    }
}
