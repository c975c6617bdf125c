//! The connection to the system behind an API: sends what a permit allows, and believes of the answer only its shape.

use std::time::Duration;

use bascule_wire::{Body, BodyError, Client, ClientError, ClientSettings, Identity, TlsError, empty, full, inflate};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, IF_MATCH};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;

use crate::headers;
use crate::identity::{Acting, Behalf, IdentityFault, Signer, UpstreamIdentity};
use crate::settings::{Limits, UpstreamCredential, UpstreamSettings};

const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");

/// An upstream with its trust, its credential and its pool.
pub(crate) struct Upstream {
    client: Client,
    base: String,
    identity: UpstreamIdentity,
    acting: Option<Acting>,
    files: Vec<url::Origin>,
    post_search: bool,
    versions: bool,
    timeout: Duration,
    hold_bytes_max: usize,
    stream_bytes_max: usize,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("base", &self.base).finish_non_exhaustive()
    }
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The method.
    pub(crate) method: Method,
    /// Path and query behind the base: `/Patient/1`, `?_getpages=…`.
    pub(crate) address: String,
    /// What the body is.
    pub(crate) content_type: Option<HeaderValue>,
    /// `If-None-Exist`, already narrowed.
    pub(crate) if_none_exist: Option<HeaderValue>,
    /// `If-Match`, where the bridge says which version is meant.
    pub(crate) if_match: Option<HeaderValue>,
    /// The body.
    pub(crate) body: Bytes,
}

impl Call {
    /// Whether it changes something: everything but a read, and a search by `POST`.
    pub(crate) fn changes(&self) -> bool {
        self.method != Method::GET && !self.address.ends_with("/_search")
    }
}

/// What is asked of an upstream beside FHIR's REST: the steps of a bulk export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetch {
    /// The method.
    pub(crate) method: Method,
    /// Path and query behind the base, or a whole URL that was judged before.
    pub(crate) address: String,
    /// What is taken.
    pub(crate) accept: &'static str,
    /// How it is preferred.
    pub(crate) prefer: Option<&'static str>,
    /// Whether the bridge shows its credential.
    pub(crate) identified: bool,
    /// What is posted, as FHIR JSON.
    pub(crate) body: Bytes,
}

impl Fetch {
    /// A `GET` of JSON, with the credential.
    pub(crate) const fn get(address: String) -> Self {
        Self {
            method: Method::GET,
            address,
            accept: "application/fhir+json",
            prefer: None,
            identified: true,
            body: Bytes::new(),
        }
    }
}

/// What came back, as far as it is believed.
pub(crate) struct Reply {
    /// The status: one that the walk knows how to answer.
    pub(crate) status: StatusCode,
    /// The head, as it came; only [`headers::to_client`] reads it.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) content: Content,
}

/// A body from an upstream, decoded, up to its bound.
pub(crate) enum Content {
    /// None.
    Empty,
    /// Whole, at most `hold_bytes_max`.
    Held(Bytes),
    /// Larger: what was read so far, and the rest.
    Streaming(Bytes, Body),
}

/// Why an upstream's answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpstreamFault {
    /// No connection.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// No answer, or not the whole of it, in time.
    #[error("did not answer within {bound_ms} ms")]
    TimedOut {
        /// The bound, in milliseconds.
        bound_ms: u64,
    },
    /// Not HTTP.
    #[error("answered with something that is not HTTP: {0}")]
    NotHttp(String),
    /// It closed midway.
    #[error("broke off its answer: {0}")]
    BrokenOff(String),
    /// XML, HTML, …
    #[error("answered with `{content_type}` where FHIR JSON was asked for")]
    NotJson {
        /// As it said, cut to a bound.
        content_type: String,
    },
    /// A coding that was not asked for and that we cannot undo.
    #[error("answered in a coding that was not asked for, or a damaged one")]
    Undecodable,
    /// It does not accept the bridge's own credential.
    #[error("refuses the bridge's own credential ({status})")]
    RefusesUs {
        /// 401 or 403.
        status: u16,
    },
    /// There is nothing to show it.
    #[error("was not asked: {0}")]
    NoIdentity(#[from] IdentityFault),
    /// It fails.
    #[error("failed ({status})")]
    Failed {
        /// 5xx, or a status that has no place here.
        status: u16,
        /// Its `Retry-After`, in seconds.
        retry_after_seconds: Option<u32>,
    },
}

impl Upstream {
    /// # Errors
    /// [`TlsError`] if trust or identity cannot be read.
    pub(crate) fn new(settings: &UpstreamSettings, limits: &Limits, signer: &Signer) -> Result<Self, TlsError> {
        let client = Client::new(&ClientSettings {
            ca_pem: settings.ca_pem.clone(),
            identity: identity(&settings.credential),
            connect_timeout_ms: limits.upstream_connect_timeout_ms,
            answer_timeout_ms: limits.upstream_timeout_ms,
            idle_timeout_ms: limits.upstream_timeout_ms,
            ..ClientSettings::default()
        })?;
        Ok(Self {
            client,
            base: settings.url.as_str().trim_end_matches('/').to_owned(),
            identity: UpstreamIdentity::new(&settings.credential, signer)?,
            acting: settings.acting_user.as_ref().map(|acting| Acting::new(acting, signer.clone())),
            files: settings.files.iter().map(url::Url::origin).collect(),
            post_search: settings.post_search,
            versions: settings.unversioned.is_none(),
            timeout: Duration::from_millis(limits.upstream_timeout_ms),
            hold_bytes_max: limits.hold_bytes_max,
            stream_bytes_max: limits.stream_bytes_max,
        })
    }

    /// Its base, without a trailing slash.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Whether it answers `POST _search`.
    pub(crate) const fn post_search(&self) -> bool {
        self.post_search
    }

    /// Whether it keeps versions, so that a write names the one that it changes.
    pub(crate) const fn versions(&self) -> bool {
        self.versions
    }

    /// Sends, and reads the answer as far as it is held.
    ///
    /// # Errors
    /// [`UpstreamFault`]: the answer is not there, not whole, or not what it should be.
    pub(crate) async fn send(
        &self,
        call: Call,
        asked: &HeaderMap,
        behalf: &Behalf<'_>,
    ) -> Result<Reply, UpstreamFault> {
        let bound_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let exchange = self.exchange(call, asked, behalf);
        let reply = tokio::time::timeout(self.timeout, exchange).await;
        let reply = reply.map_err(|_| UpstreamFault::TimedOut { bound_ms })?;
        if let Err(UpstreamFault::RefusesUs { status: 401 }) = &reply {
            self.identity.forget(behalf).await;
        }
        reply
    }

    async fn exchange(&self, call: Call, asked: &HeaderMap, behalf: &Behalf<'_>) -> Result<Reply, UpstreamFault> {
        let malformed = |error: http::Error| UpstreamFault::NotHttp(error.to_string());
        let credential = self.identity.authorization(behalf).await?;
        let acting = self.acting.as_ref().map(|acting| acting.header(behalf)).transpose()?.flatten();
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{}{}", self.base, call.address))
            .body(full(call.body))
            .map_err(malformed)?;
        *request.headers_mut() =
            headers::to_upstream(asked, credential.as_ref(), call.content_type, behalf.request_id());
        for (name, value) in [(IF_NONE_EXIST, call.if_none_exist), (IF_MATCH, call.if_match)] {
            if let Some(value) = value {
                request.headers_mut().insert(name, value);
            }
        }
        request.headers_mut().extend(acting);
        let (head, body) = self.client.send(request).await?.into_parts();
        believable(head.status, &head.headers)?;
        let content = self.content(&head.headers, head.status, body).await?;
        Ok(Reply { status: head.status, headers: head.headers, content })
    }

    /// Sends, and hands over the head with any status but a refusal of ourselves, and the body as it comes, decoded.
    ///
    /// # Errors
    /// [`UpstreamFault`].
    pub(crate) async fn fetch(&self, what: Fetch, behalf: &Behalf<'_>) -> Result<(Parts, Body), UpstreamFault> {
        let malformed = |error: http::Error| UpstreamFault::NotHttp(error.to_string());
        let uri = if what.address.contains("://") { what.address } else { format!("{}{}", self.base, what.address) };
        let credential = if what.identified { self.identity.authorization(behalf).await? } else { None };
        let acting = self.acting.as_ref().filter(|_| what.identified);
        let acting = acting.map(|acting| acting.header(behalf)).transpose()?.flatten();
        let posts = !what.body.is_empty();
        let body = if posts { full(what.body) } else { empty() };
        let mut request = Request::builder().method(what.method).uri(uri).body(body).map_err(malformed)?;
        *request.headers_mut() =
            headers::to_upstream(&HeaderMap::new(), credential.as_ref(), None, behalf.request_id());
        request.headers_mut().extend(acting);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(what.accept));
        if posts {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
        }
        if let Some(prefer) = what.prefer {
            request.headers_mut().insert(headers::PREFER, HeaderValue::from_static(prefer));
        }
        let bound_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let sending = tokio::time::timeout(self.timeout, self.client.send(request));
        let answer = sending.await.map_err(|_| UpstreamFault::TimedOut { bound_ms })??;
        let (head, body) = answer.into_parts();
        if matches!(head.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(UpstreamFault::RefusesUs { status: head.status.as_u16() });
        }
        let body = decoded(&head.headers, body, self.stream_bytes_max)?;
        Ok((head, body))
    }

    /// An address that the upstream gave, if it leads to the upstream itself: an answer sends the bridge nowhere else.
    pub(crate) fn on_same_host(&self, url: &str) -> Option<String> {
        let base = url::Url::parse(&self.base).ok()?;
        let led = base.join(url).ok()?;
        (led.origin() == base.origin() && led.username().is_empty()).then(|| led.into())
    }

    /// The address of an export's file, if it leads to the upstream itself or to a host that serves its files.
    pub(crate) fn file(&self, url: &str) -> Option<String> {
        let elsewhere = || {
            let led = url::Url::parse(url).ok()?;
            (self.files.contains(&led.origin()) && led.username().is_empty()).then(|| led.into())
        };
        self.on_same_host(url).or_else(elsewhere)
    }

    async fn content(&self, head: &HeaderMap, status: StatusCode, body: Body) -> Result<Content, UpstreamFault> {
        if !status.is_success() {
            // What an upstream says of a failure may hold anything; nobody reads it.
            return Ok(Content::Empty);
        }
        let body = decoded(head, body, self.stream_bytes_max)?;
        let content = hold(body, self.hold_bytes_max).await?;
        let said = head.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !matches!(content, Content::Empty) && !headers::is_json(said) {
            let content_type = said.chars().filter(|one| !one.is_control()).take(60).collect();
            return Err(UpstreamFault::NotJson { content_type });
        }
        Ok(content)
    }
}

/// Whether the walk knows how to answer such a status.
fn believable(status: StatusCode, head: &HeaderMap) -> Result<(), UpstreamFault> {
    let known = matches!(status.as_u16(), 200 | 201 | 204 | 400 | 404 | 405 | 409 | 410 | 412 | 415 | 422 | 428);
    match status.as_u16() {
        _ if known => Ok(()),
        401 | 403 => Err(UpstreamFault::RefusesUs { status: status.as_u16() }),
        code => {
            let retry = head.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            Err(UpstreamFault::Failed { status: code, retry_after_seconds: retry.and_then(|text| text.parse().ok()) })
        }
    }
}

fn decoded(head: &HeaderMap, body: Body, bytes_max: usize) -> Result<Body, UpstreamFault> {
    match head.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => Ok(body),
        Some(b"gzip" | b"x-gzip") => Ok(inflate(body, bytes_max)),
        Some(_) => Err(UpstreamFault::Undecodable),
    }
}

/// Reads until the end or the bound, whichever comes first.
async fn hold(mut body: Body, bytes_max: usize) -> Result<Content, UpstreamFault> {
    let mut held = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        held.extend_from_slice(&data);
        if held.len() > bytes_max {
            return Ok(Content::Streaming(held.freeze(), body));
        }
    }
    Ok(if held.is_empty() { Content::Empty } else { Content::Held(held.freeze()) })
}

fn identity(credential: &UpstreamCredential) -> Option<Identity> {
    let UpstreamCredential::MutualTls { certificate_pem, key_pem } = credential else { return None };
    let key_pem = String::from_utf8_lossy(key_pem.expose()).into_owned();
    Some(Identity { certificate_pem: certificate_pem.clone(), key_pem })
}

impl From<ClientError> for UpstreamFault {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable(why) => Self::Unreachable(why),
            ClientError::TimedOut { bound_ms } => Self::TimedOut { bound_ms },
            ClientError::NotHttp(why) => Self::NotHttp(why),
            ClientError::BrokenOff(why) => Self::BrokenOff(why),
        }
    }
}

impl From<BodyError> for UpstreamFault {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Idle { idle_ms } => Self::TimedOut { bound_ms: idle_ms },
            BodyError::BrokenOff(why) => Self::BrokenOff(why),
            BodyError::Undecodable(_) | BodyError::TooLarge { .. } => Self::Undecodable,
        }
    }
}
