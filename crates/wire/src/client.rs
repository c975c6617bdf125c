//! The pooled client: one per upstream, each with its own trust, time-outs and connections.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::body::{Timed, causes};
use crate::connector::Connector;
use crate::tls::{self, TlsError};
use crate::{Body, BodyError};

/// How a client trusts, waits and pools.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// PEM of the only authorities to trust; `None` trusts the operating system's.
    pub ca_pem: Option<String>,
    /// What the client shows of itself (mutual TLS).
    pub identity: Option<Identity>,
    /// Bound on name lookup, TCP and TLS together, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Bound from sending a request until the head of its answer, in milliseconds.
    pub answer_timeout_ms: u64,
    /// Bound on a pause within the body of an answer, in milliseconds.
    pub idle_timeout_ms: u64,
    /// How long an unused connection is kept, in milliseconds.
    pub pool_idle_timeout_ms: u64,
    /// How many unused connections are kept.
    pub pool_idle_connections_max: usize,
    /// Bound on the head of an answer, in bytes.
    pub answer_head_bytes_max: usize,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            ca_pem: None,
            identity: None,
            connect_timeout_ms: 5_000,
            answer_timeout_ms: 30_000,
            idle_timeout_ms: 30_000,
            pool_idle_timeout_ms: 60_000,
            pool_idle_connections_max: 64,
            answer_head_bytes_max: 65_536,
        }
    }
}

/// A client certificate with its key, both PEM.
#[derive(Clone)]
pub struct Identity {
    /// The chain, leaf first.
    pub certificate_pem: String,
    /// The leaf's key.
    pub key_pem: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No connection: refused, unknown name, no trust.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// No connection, or no answer, within its bound.
    #[error("no answer within {bound_ms} ms")]
    TimedOut {
        /// The bound, in milliseconds.
        bound_ms: u64,
    },
    /// What came is not HTTP.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(String),
    /// The connection ended before the answer did.
    #[error("the connection broke off: {0}")]
    BrokenOff(String),
}

/// A pooled HTTP/1.1 and HTTP/2 client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    pool: Pool<Connector, Body>,
    answer: Duration,
    idle: Duration,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("answer", &self.answer).field("idle", &self.idle).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of those settings.
    ///
    /// # Errors
    /// [`TlsError`] if the authorities or the identity cannot be read.
    pub fn new(settings: &ClientSettings) -> Result<Self, TlsError> {
        let tls = tls::client_config(settings.ca_pem.as_deref(), settings.identity.as_ref())?;
        let connector = Connector::new(tls, Duration::from_millis(settings.connect_timeout_ms));
        let pool = Pool::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_millis(settings.pool_idle_timeout_ms))
            .pool_max_idle_per_host(settings.pool_idle_connections_max)
            .http1_max_buf_size(settings.answer_head_bytes_max.max(8_192))
            .http2_max_header_list_size(u32::try_from(settings.answer_head_bytes_max).unwrap_or(u32::MAX))
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        let answer = Duration::from_millis(settings.answer_timeout_ms);
        Ok(Self { pool, answer, idle: Duration::from_millis(settings.idle_timeout_ms) })
    }

    /// Sends a request with an absolute `http` or `https` URI and waits for the head of its answer.
    ///
    /// # Errors
    /// [`ClientError`], by what happened. No request is ever sent twice, save on a pooled connection that had closed
    /// before a byte of it left.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Body>, ClientError> {
        let answered = tokio::time::timeout(self.answer, self.pool.request(request)).await;
        let bound_ms = u64::try_from(self.answer.as_millis()).unwrap_or(u64::MAX);
        let response = answered.map_err(|_| ClientError::TimedOut { bound_ms })?.map_err(|error| sort(&error))?;
        Ok(response.map(|body| Timed::boxed(body, self.idle)))
    }
}

/// Reads an answer's body to its end: [`crate::collect`] under the name that callers look for here.
///
/// # Errors
/// As [`crate::collect`].
pub async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, BodyError> {
    crate::body::collect(body, bytes_max).await
}

fn sort(error: &hyper_util::client::legacy::Error) -> ClientError {
    let words = causes(error);
    if error.is_connect() {
        return ClientError::Unreachable(words);
    }
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return ClientError::NotHttp(words);
        }
        next = cause.source();
    }
    ClientError::BrokenOff(words)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A listener that answers its one connection with `bytes` and closes it, or never answers.
    async fn upstream(bytes: Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            match bytes {
                Some(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap(),
                None => tokio::time::sleep(Duration::from_secs(60)).await,
            }
        });
        format!("http://{address}/")
    }

    async fn ask(url: &str) -> Result<Response<Body>, ClientError> {
        let settings = ClientSettings { answer_timeout_ms: 300, idle_timeout_ms: 300, ..ClientSettings::default() };
        let client = Client::new(&settings).unwrap();
        client.send(Request::get(url).body(crate::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn an_answer_comes_with_its_body() {
        let url = upstream(Some("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")).await;
        let answer = ask(&url).await.unwrap();
        assert_eq!(collect(answer.into_body(), 10).await, Ok(Bytes::from("ok")));
    }

    #[tokio::test]
    async fn a_dead_upstream_is_unreachable() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        assert!(matches!(ask(&url).await, Err(ClientError::Unreachable(_))));
    }

    #[tokio::test]
    async fn a_silent_upstream_times_out() {
        let url = upstream(None).await;
        assert_eq!(ask(&url).await.unwrap_err(), ClientError::TimedOut { bound_ms: 300 });
    }

    #[tokio::test]
    async fn garbage_is_not_http() {
        let url = upstream(Some("\u{1}\u{2}not http at all\r\n\r\n")).await;
        assert!(matches!(ask(&url).await, Err(ClientError::NotHttp(_))));
    }

    #[tokio::test]
    async fn a_head_that_ends_midway_is_broken_off() {
        let url = upstream(Some("HTTP/1.1 200 OK\r\ncontent-le")).await;
        assert!(matches!(ask(&url).await, Err(ClientError::BrokenOff(_))));
    }

    #[tokio::test]
    async fn a_body_shorter_than_it_says_is_broken_off() {
        let url = upstream(Some("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")).await;
        let answer = ask(&url).await.unwrap();
        assert!(matches!(collect(answer.into_body(), 100).await, Err(BodyError::BrokenOff(_))));
    }
}
