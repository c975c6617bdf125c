//! What the authorization server says of itself: its address, its APIs, how long things last, what it offers.

use crate::jose::SigningAlgorithm;

/// An API that tokens can be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiBase {
    /// Its name in the inventory.
    pub name: String,
    /// Its base as clients write it (`aud`), without a trailing slash.
    pub base: String,
    /// Whether it is a FHIR API; only these are launched into.
    pub fhir: bool,
    /// What a person should call it: `Mercy Hospital, medical record`.
    pub title: String,
}

impl ApiBase {
    /// Whether an `aud` names this API; one trailing slash is forgiven.
    #[must_use]
    pub fn is(&self, audience: &str) -> bool {
        audience == self.base || audience.strip_suffix('/') == Some(&self.base)
    }
}

/// How long things last, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// A code, from the redirect to the token request.
    pub code_seconds: i64,
    /// An access token of a person's app.
    pub access_seconds: i64,
    /// An access token of a backend (SMART recommends at most 300).
    pub backend_access_seconds: i64,
    /// A refresh token with `offline_access`, each time anew; at least three months are asked of certified systems.
    pub offline_refresh_seconds: i64,
    /// A refresh token with `online_access`; it also ends with the session.
    pub online_refresh_seconds: i64,
    /// An id_token.
    pub id_token_seconds: i64,
    /// A waiting authorization request: time to sign in and read.
    pub pending_seconds: i64,
    /// A pushed request, from the push to the browser.
    pub pushed_seconds: i64,
    /// A launch value.
    pub launch_seconds: i64,
    /// A client assertion: from now to its `exp`.
    pub assertion_seconds_max: i64,
    /// Forgiven between two clocks.
    pub leeway_seconds: i64,
    /// A refresh token used twice within this is refused but ends nothing: an answer may have been lost on the way.
    pub reuse_grace_seconds: i64,
    /// A session without use.
    pub session_idle_seconds: i64,
    /// A session in all.
    pub session_seconds: i64,
    /// A second factor, for what asks for a fresh one.
    pub step_up_seconds: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            code_seconds: 60,
            access_seconds: 3_600,
            backend_access_seconds: 300,
            offline_refresh_seconds: 100 * 86_400,
            online_refresh_seconds: 12 * 3_600,
            id_token_seconds: 3_600,
            pending_seconds: 1_800,
            pushed_seconds: 90,
            launch_seconds: 300,
            assertion_seconds_max: 300,
            leeway_seconds: 30,
            reuse_grace_seconds: 10,
            session_idle_seconds: 1_800,
            session_seconds: 12 * 3_600,
            step_up_seconds: 600,
        }
    }
}

/// The authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The issuer: `public_url` without a trailing slash.
    pub issuer: String,
    /// The APIs.
    pub apis: Vec<ApiBase>,
    /// How long things last.
    pub lifetimes: Lifetimes,
    /// Algorithms accepted for client assertions.
    pub assertion_algorithms: Vec<SigningAlgorithm>,
    /// Whether the issuer is accepted as `aud` of a client assertion beside the token URL.
    pub issuer_as_audience: bool,
    /// Whether strangers may ask to be registered (RFC 7591), to wait for an approval.
    pub registration: bool,
    /// Whether and where clients may show certificates.
    pub mutual_tls: MutualTls,
    /// Roles whose holders get no token without a second factor.
    pub second_factor_roles: Vec<String>,
}

/// Whether and where clients may show certificates (RFC 8705).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MutualTls {
    /// Whether a listener takes certificates of authorities.
    pub by_authority: bool,
    /// Whether a listener takes self-signed ones.
    pub self_signed: bool,
    /// The address of the listener that asks for them, if it is another than the issuer's; without a trailing slash.
    pub url: Option<String>,
}

impl Server {
    /// A server with the defaults.
    #[must_use]
    pub fn new(issuer: &str, apis: Vec<ApiBase>) -> Self {
        Self {
            issuer: issuer.trim_end_matches('/').to_owned(),
            apis,
            lifetimes: Lifetimes::default(),
            assertion_algorithms: SigningAlgorithm::SMART.to_vec(),
            issuer_as_audience: false,
            registration: false,
            mutual_tls: MutualTls::default(),
            second_factor_roles: vec!["administrator".to_owned()],
        }
    }

    /// An endpoint's address: `{issuer}/oauth/{name}`.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> String {
        format!("{}/oauth/{name}", self.issuer)
    }

    /// The API of that `aud`.
    #[must_use]
    pub fn api_of(&self, audience: &str) -> Option<&ApiBase> {
        self.apis.iter().find(|api| api.is(audience))
    }

    /// The API of that name.
    #[must_use]
    pub fn api(&self, name: &str) -> Option<&ApiBase> {
        self.apis.iter().find(|api| api.name == name)
    }

    /// What a client assertion may name as its audience.
    #[must_use]
    pub fn assertion_audiences(&self) -> Vec<String> {
        let mut audiences = vec![self.endpoint("token")];
        if self.issuer_as_audience {
            audiences.push(self.issuer.clone());
        }
        audiences
    }
}
