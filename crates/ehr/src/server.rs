//! The server behind the HTTP: one request in, one answer out.

use std::path::PathBuf;
use std::sync::Arc;

use http::StatusCode;
use rusqlite::Connection;

use crate::act;
use crate::ask::{Answer, Ask, Verb};
use crate::search::Scope;
use crate::store::{Store, now};
use crate::{EhrError, Handling, Refusal};

/// How an EHR is opened.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The SQLite file; made if it is not there.
    pub file: PathBuf,
    /// How the server names itself in links and recognises references to itself: `http://127.0.0.1:8090/fhir`.
    pub base_url: String,
    /// Who may ask.
    pub access: Access,
    /// What is written without complaint.
    pub validation: Validation,
    /// What happens to unknown search parameters if the client does not say.
    pub handling: Handling,
    /// Whether `_text` and `_content` are indexed; without it, writing is faster and both are refused.
    pub full_text: bool,
    /// Connections that read at the same time.
    pub readers: usize,
    /// The largest request body, in bytes.
    pub body_bytes_max: usize,
    /// How long the files of an export are kept, in seconds.
    pub export_seconds_max: i64,
}

impl Settings {
    /// Settings for a file and a name, everything else as is good for most.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>, base_url: impl Into<String>, access: Access) -> Self {
        Self {
            file: file.into(),
            base_url: base_url.into().trim_end_matches('/').to_owned(),
            access,
            validation: Validation::Strict,
            handling: Handling::Strict,
            full_text: true,
            readers: 4,
            body_bytes_max: 64 * 1024 * 1024,
            export_seconds_max: 24 * 60 * 60,
        }
    }
}

/// Who may ask.
#[derive(Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody who reaches the socket; only a loopback address is then served.
    Open,
    /// Who knows this word.
    Bearer(String),
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Bearer(_) => "Bearer(…)",
        })
    }
}

/// What is written without complaint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// Only what is valid R4: anything else is refused with the element and the mend.
    Strict,
    /// Whatever can be stored and indexed: a resource of a known type in which the rest is as it is in the world.
    Lenient,
}

/// An open server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) settings: Arc<Settings>,
    pub(crate) jobs: Arc<crate::operation::Jobs>,
}

impl Server {
    /// Opens the file.
    pub(crate) fn open(settings: Settings) -> Result<Self, EhrError> {
        if settings.base_url.ends_with('/') || !settings.base_url.contains("://") {
            let text = format!("base_url `{}` must be an absolute URL without a slash at its end", settings.base_url);
            return Err(EhrError::Settings(text));
        }
        let store = Store::open(&settings.file, &settings.base_url, settings.readers, settings.full_text)?;
        Ok(Self { store, settings: Arc::new(settings), jobs: Arc::default() })
    }

    /// How the server names itself.
    pub(crate) fn base(&self) -> &str {
        &self.settings.base_url
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, ask: Ask) -> Result<Answer, Refusal> {
        let needs_no_index = matches!(ask.verb, Verb::Capabilities | Verb::Read(..) | Verb::Vread(..));
        if self.store.is_pending() && !needs_no_index {
            return Err(Refusal::index_pending());
        }
        match &ask.verb {
            Verb::Capabilities => {
                Ok(Answer::json(StatusCode::OK, crate::capability::statement(self, now()).to_string()))
            }
            Verb::Read(..) | Verb::Vread(..) | Verb::History(_) | Verb::Search(_) => self.look(ask).await,
            Verb::Create(_) | Verb::Update(..) | Verb::Patch(..) | Verb::Delete(..) => self.change(ask).await,
            Verb::Bundle => act::bundle(self, ask).await,
            Verb::Operation { .. } => crate::operation::run(self, ask).await,
            Verb::Job { .. } | Verb::JobFile { .. } => crate::operation::job(self, ask).await,
        }
    }

    async fn look(&self, ask: Ask) -> Result<Answer, Refusal> {
        let server = self.clone();
        self.store.read(move |connection| act::look(&server, &server.scope(connection), &ask)).await
    }

    async fn change(&self, ask: Ask) -> Result<Answer, Refusal> {
        let server = self.clone();
        let change = act::Change::prepare(self, ask)?;
        self.store.write(move |session| change.make(&server, session)).await
    }

    /// What a reader's searches may look at.
    pub(crate) fn scope<'a>(&'a self, connection: &'a Connection) -> Scope<'a> {
        Scope { connection, codes: &self.store.codes, definitions: &self.store.definitions, now: now() }
    }
}
