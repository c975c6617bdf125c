//! Answers to programs: JSON that nobody may keep, and the one place where a refusal becomes a status.

use axum::response::{IntoResponse, Response};
use bascule_smart::{OauthError, Refusal};
use bascule_store::StoreError;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use super::throttle::TryAfter;

/// Why an endpoint does not do as asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The caller's fault, in the words of the specification.
    Refused(Refusal),
    /// The same, and the log has it already.
    Recorded(Refusal),
    /// Too often.
    Throttled(TryAfter),
    /// The log cannot be written.
    Unavailable,
    /// The shelf failed.
    Store(StoreError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<TryAfter> for Failure {
    fn from(after: TryAfter) -> Self {
        Self::Throttled(after)
    }
}

impl Failure {
    /// The sentence and code for the stranger.
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::Refused(refusal) | Self::Recorded(refusal) => refusal.clone(),
            Self::Throttled(TryAfter(seconds)) => {
                Refusal::new(OauthError::SlowDown, format!("too many requests: try again in {seconds} seconds"))
            }
            Self::Unavailable => {
                Refusal::new(OauthError::TemporarilyUnavailable, "nothing can be recorded now, so nothing is granted")
            }
            Self::Store(_) => Refusal::new(OauthError::ServerError, "this is our fault; it was noted"),
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) | Self::Recorded(refusal) => status(refusal.error),
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The headers that go with it.
    pub(crate) fn decorate(&self, response: &mut Response, basic: bool) {
        let headers = response.headers_mut();
        match self {
            Self::Throttled(TryAfter(seconds)) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            }
            Self::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            Self::Refused(refusal) | Self::Recorded(refusal) if basic && refusal.error == OauthError::InvalidClient => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"bascule\""));
            }
            Self::Refused(refusal) | Self::Recorded(refusal)
                if matches!(refusal.error, OauthError::InvalidToken | OauthError::InsufficientScope) =>
            {
                let text = format!("Bearer error=\"{}\", error_description=\"{}\"", refusal.error.code(), refusal.said);
                if let Ok(value) = HeaderValue::from_str(&text) {
                    headers.insert(header::WWW_AUTHENTICATE, value);
                }
            }
            _ => {}
        }
    }

    /// Writes to the program's log what the stranger is not told.
    pub(crate) fn trace(&self) {
        if let Self::Store(error) = self {
            tracing::error!(%error, "the shelf failed");
        }
    }
}

const fn status(error: OauthError) -> StatusCode {
    match error {
        OauthError::InvalidClient | OauthError::InvalidToken | OauthError::InsufficientAuthentication => {
            StatusCode::UNAUTHORIZED
        }
        OauthError::InsufficientScope => StatusCode::FORBIDDEN,
        OauthError::SlowDown => StatusCode::TOO_MANY_REQUESTS,
        OauthError::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        OauthError::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        OauthError::InvalidRequest
        | OauthError::InvalidGrant
        | OauthError::UnauthorizedClient
        | OauthError::UnsupportedGrantType
        | OauthError::UnsupportedResponseType
        | OauthError::InvalidScope
        | OauthError::AccessDenied
        | OauthError::LoginRequired
        | OauthError::ConsentRequired
        | OauthError::InteractionRequired
        | OauthError::UnmetAuthentication
        | OauthError::RequestNotSupported
        | OauthError::InvalidRequestUri
        | OauthError::UnsupportedTokenType
        | OauthError::InvalidSoftwareStatement
        | OauthError::UnapprovedSoftwareStatement
        | OauthError::InvalidClientMetadata
        | OauthError::InvalidDpopProof => StatusCode::BAD_REQUEST,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.trace();
        let mut response = private_json(self.status(), &self.refusal().to_json());
        self.decorate(&mut response, true);
        response
    }
}

/// JSON that holds a token or tells of one: no cache keeps it.
pub(crate) fn private_json(status: StatusCode, body: &Value) -> Response {
    let mut response = json(status, body);
    no_store(&mut response);
    response
}

/// JSON that anybody may keep for a while.
pub(crate) fn public_json(body: &Value, max_age: &'static str) -> Response {
    let mut response = json(StatusCode::OK, body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(max_age));
    response
}

fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Both headers, since suites still look for the older one.
pub(crate) fn no_store(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}

/// An empty 200 that nobody keeps.
pub(crate) fn done() -> Response {
    let mut response = StatusCode::OK.into_response();
    no_store(&mut response);
    response
}
