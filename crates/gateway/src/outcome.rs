//! OperationOutcome as JSON: what the house says of itself, never what an upstream said.

use serde_json::json;

/// An issue's code (FHIR R4, IssueType), of those that the bridge uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IssueCode {
    /// The shape of what was sent.
    Structure,
    /// A value in it.
    Invalid,
    /// No, or no valid, token.
    Login,
    /// A token, link or page past its time.
    Expired,
    /// Not allowed.
    Forbidden,
    /// Not offered.
    NotSupported,
    /// Not there, or not to be seen.
    NotFound,
    /// Larger than a bound.
    TooLong,
    /// More than a bound.
    TooCostly,
    /// Another change came first.
    Conflict,
    /// Too many at once.
    Throttled,
    /// The other side does not answer in time.
    Timeout,
    /// The other side does not answer well.
    Transient,
    /// A rule of the other side.
    Processing,
    /// Our own fault.
    Exception,
}

impl IssueCode {
    const fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Invalid => "invalid",
            Self::Login => "login",
            Self::Expired => "expired",
            Self::Forbidden => "forbidden",
            Self::NotSupported => "not-supported",
            Self::NotFound => "not-found",
            Self::TooLong => "too-long",
            Self::TooCostly => "too-costly",
            Self::Conflict => "conflict",
            Self::Throttled => "throttled",
            Self::Timeout => "timeout",
            Self::Transient => "transient",
            Self::Processing => "processing",
            Self::Exception => "exception",
        }
    }
}

/// An OperationOutcome with one issue. `request_id` lets the caller name the request to us.
pub(crate) fn outcome(code: IssueCode, text: &str, request_id: &str) -> serde_json::Value {
    json!({
        "resourceType": "OperationOutcome",
        "id": request_id,
        "issue": [{
            "severity": "error",
            "code": code.name(),
            "details": { "text": text },
            "diagnostics": format!("request {request_id}"),
        }],
    })
}
