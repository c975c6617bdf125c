//! What can go wrong, in two voices: [`EhrError`] for who opens and runs the server, [`Refusal`] for who asks it.

use http::StatusCode;
use serde_json::{Value, json};

/// Why the server could not open, load or serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EhrError {
    /// The database failed.
    #[error("the EHR's database: {0}")]
    Database(#[from] rusqlite::Error),
    /// A file or socket failed.
    #[error("{path}: {cause}")]
    Io {
        /// Which one.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file was written by a newer program.
    #[error(
        "the EHR's file has schema {found}, this program knows {known}: run the newer program, or start with a new file"
    )]
    NewerFile {
        /// The schema in the file.
        found: usize,
        /// The newest one known here.
        known: usize,
    },
    /// The settings contradict themselves.
    #[error("EHR settings: {0}")]
    Settings(String),
    /// Something to load is not FHIR that can be stored.
    #[error("{place}: {reason}")]
    Load {
        /// The file and the entry or line in it.
        place: String,
        /// What is wrong and the mend.
        reason: String,
    },
    /// The writer is gone, because the server is shutting down.
    #[error("the EHR is shutting down")]
    Closed,
}

/// An `OperationOutcome.issue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// `error`, `warning` or `information`.
    pub(crate) severity: &'static str,
    /// A code of the value set `issue-type`.
    pub(crate) code: &'static str,
    /// What is wrong, and the mend; never a value from a resource.
    pub(crate) text: String,
    /// FHIRPath of the element, if one is to blame.
    pub(crate) expression: Option<String>,
}

impl Issue {
    /// An error of that code.
    pub(crate) fn error(code: &'static str, text: impl Into<String>) -> Self {
        Self { severity: "error", code, text: text.into(), expression: None }
    }

    /// A warning of that code.
    pub(crate) fn warning(code: &'static str, text: impl Into<String>) -> Self {
        Self { severity: "warning", code, text: text.into(), expression: None }
    }

    /// The same, at an element.
    pub(crate) fn at(mut self, expression: impl Into<String>) -> Self {
        self.expression = Some(expression.into());
        self
    }

    fn to_json(&self) -> Value {
        let mut issue = json!({
            "severity": self.severity,
            "code": self.code,
            "details": { "text": self.text },
            "diagnostics": self.text,
        });
        if let (Some(expression), Some(fields)) = (&self.expression, issue.as_object_mut()) {
            fields.insert("expression".to_owned(), json!([expression]));
        }
        issue
    }
}

/// The `OperationOutcome` of these issues.
pub(crate) fn outcome(issues: &[Issue]) -> Value {
    json!({ "resourceType": "OperationOutcome", "issue": issues.iter().map(Issue::to_json).collect::<Vec<_>>() })
}

/// A request that is not done: the status and why.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) issues: Vec<Issue>,
    /// `ETag` and `Location` of what stands in the way, where that helps.
    pub(crate) etag: Option<String>,
}

impl Refusal {
    /// One issue under a status.
    pub(crate) fn new(status: StatusCode, issue: Issue) -> Self {
        Self { status, issues: vec![issue], etag: None }
    }

    /// 503: nothing can be searched or changed until the index is whole.
    pub(crate) fn index_pending() -> Self {
        let text = "the search index is being built after a load; reading by id works, ask for all else again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Issue::error("transient", text))
    }

    /// 400: what was asked cannot be understood.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Issue::error("invalid", text))
    }

    /// 400: understood, not supported.
    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Issue::error("not-supported", text))
    }

    /// 404.
    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Issue::error("not-found", text))
    }

    /// 410.
    pub(crate) fn gone(text: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, Issue::error("deleted", text))
    }

    /// 412.
    pub(crate) fn precondition(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, Issue::error(code, text))
    }

    /// 422 with what validation found.
    pub(crate) fn unprocessable(issues: Vec<Issue>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, issues, etag: None }
    }

    /// 500; the cause goes to the log, not to the stranger.
    pub(crate) fn fault(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "the EHR failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Issue::error("exception", "the server failed; its log says why"))
    }

    /// The same, at an element.
    pub(crate) fn at(mut self, expression: impl Into<String>) -> Self {
        let expression = expression.into();
        self.issues.iter_mut().for_each(|issue| issue.expression = Some(expression.clone()));
        self
    }

    /// The same, in an entry of a Bundle.
    pub(crate) fn within(mut self, entry: usize) -> Self {
        for issue in &mut self.issues {
            let inner = issue.expression.take().unwrap_or_default();
            issue.expression = Some(match inner.as_str() {
                named if named.starts_with("Bundle.entry[") => inner,
                "" => format!("Bundle.entry[{entry}]"),
                _ => format!("Bundle.entry[{entry}].resource.{inner}"),
            });
        }
        self
    }

    /// As an `OperationOutcome`.
    pub(crate) fn outcome(&self) -> Value {
        outcome(&self.issues)
    }

    /// Its first sentence.
    pub(crate) fn text(&self) -> String {
        self.issues.first().map(|issue| issue.text.clone()).unwrap_or_default()
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(cause: rusqlite::Error) -> Self {
        if cause.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) {
            let text = "the search took too long; narrow it by another parameter or a smaller _count";
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, Issue::error("too-costly", text));
        }
        Self::fault(&cause)
    }
}

impl From<EhrError> for Refusal {
    fn from(cause: EhrError) -> Self {
        match cause {
            EhrError::Closed => {
                let text = "the server is shutting down; ask again in a moment";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Issue::error("transient", text))
            }
            other => Self::fault(&other),
        }
    }
}
