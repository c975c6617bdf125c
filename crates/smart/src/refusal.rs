//! An OAuth refusal: the code of the specification, and a sentence that says what to do instead.

use serde_json::{Value, json};

/// The error codes of RFC 6749, 6750, 7009, 9126, 9449 and OpenID Connect Core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OauthError {
    /// A parameter is missing, doubled, malformed or contradicts another.
    InvalidRequest,
    /// Client authentication failed.
    InvalidClient,
    /// The code or refresh token is unknown, expired, used, or somebody else's.
    InvalidGrant,
    /// The client may not use this grant type.
    UnauthorizedClient,
    /// A grant type that is not offered.
    UnsupportedGrantType,
    /// A response type that is not offered.
    UnsupportedResponseType,
    /// Nothing of the scope can be granted.
    InvalidScope,
    /// The person or the server said no.
    AccessDenied,
    /// `prompt=none`, and somebody must sign in.
    LoginRequired,
    /// `prompt=none`, and somebody must consent.
    ConsentRequired,
    /// `prompt=none`, and somebody must choose a patient.
    InteractionRequired,
    /// `request` is not offered.
    RequestNotSupported,
    /// `request_uri` is not one of ours.
    InvalidRequestUri,
    /// The token type is not one that can be revoked.
    UnsupportedTokenType,
    /// A DPoP proof is missing or wrong.
    InvalidDpopProof,
    /// The access token is missing what it takes.
    InvalidToken,
    /// The token lacks a scope.
    InsufficientScope,
    /// The person cannot prove themselves as strongly as was asked (OpenID Connect, `unmet_authentication_requirements`).
    UnmetAuthentication,
    /// The proof behind the access token is too weak or too old (RFC 9470).
    InsufficientAuthentication,
    /// Too many requests.
    SlowDown,
    /// Our own fault.
    ServerError,
    /// For a moment.
    TemporarilyUnavailable,
    /// RFC 7591: a software statement is not sound.
    InvalidSoftwareStatement,
    /// RFC 7591: a software statement is sound, and its maker is nobody here.
    UnapprovedSoftwareStatement,
    /// RFC 7591: what is to be registered is not sound.
    InvalidClientMetadata,
}

impl OauthError {
    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::UnmetAuthentication => "unmet_authentication_requirements",
            Self::InsufficientAuthentication => "insufficient_user_authentication",
            Self::SlowDown => "slow_down",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::UnapprovedSoftwareStatement => "unapproved_software_statement",
            Self::InvalidClientMetadata => "invalid_client_metadata",
        }
    }
}

/// A refusal with its sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {said}", error.code())]
pub struct Refusal {
    /// The code.
    pub error: OauthError,
    /// What was wrong, where, and the mend. ASCII without quotes and backslashes, as RFC 6749 asks.
    pub said: String,
}

impl Refusal {
    /// A refusal; what may not stand in an `error_description` is replaced.
    #[must_use]
    pub fn new(error: OauthError, said: impl AsRef<str>) -> Self {
        let plain = |c: char| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '?' };
        Self { error, said: said.as_ref().chars().map(plain).collect() }
    }

    /// `invalid_request`
    #[must_use]
    pub fn request(said: impl AsRef<str>) -> Self {
        Self::new(OauthError::InvalidRequest, said)
    }

    /// `invalid_client`
    #[must_use]
    pub fn client(said: impl AsRef<str>) -> Self {
        Self::new(OauthError::InvalidClient, said)
    }

    /// `invalid_grant`
    #[must_use]
    pub fn grant(said: impl AsRef<str>) -> Self {
        Self::new(OauthError::InvalidGrant, said)
    }

    /// The JSON body of RFC 6749 section 5.2.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"error": self.error.code(), "error_description": self.said})
    }
}
