//! Errors as RFC 7644 section 3.12 words them.

use axum::response::{IntoResponse, Response};
use bascule_store::StoreError;
use http::StatusCode;
use serde_json::{Value, json};

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScimError {
    status: StatusCode,
    kind: Option<&'static str>,
    detail: String,
}

impl ScimError {
    pub(super) fn value(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: Some("invalidValue"), detail: detail.into() }
    }

    pub(super) fn syntax(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: Some("invalidSyntax"), detail: detail.into() }
    }

    pub(super) fn filter(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: Some("invalidFilter"), detail: detail.into() }
    }

    pub(super) fn path(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: Some("invalidPath"), detail: detail.into() }
    }

    pub(super) fn mutability(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: Some("mutability"), detail: detail.into() }
    }

    pub(super) fn missing(what: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, kind: None, detail: format!("there is no such {what}") }
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, kind: None, detail: detail.into() }
    }

    fn to_json(&self) -> Value {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.as_u16().to_string(),
            "detail": self.detail,
        });
        if let (Some(kind), Some(body)) = (self.kind, body.as_object_mut()) {
            body.insert("scimType".into(), json!(kind));
        }
        body
    }
}

impl From<StoreError> for ScimError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists { .. } => {
                Self { status: StatusCode::CONFLICT, kind: Some("uniqueness"), detail: error.to_string() }
            }
            StoreError::Missing { what, .. } => Self::missing(what),
            StoreError::Invalid(said) => Self::value(said),
            other => {
                tracing::error!(error = %other, "the shelf failed");
                Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: None, detail: "this is our fault".to_owned() }
            }
        }
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        super::http::answer(self.status, &self.to_json())
    }
}
