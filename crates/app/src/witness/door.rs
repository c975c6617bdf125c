//! The witness's HTTP: `POST …/add-checkpoint` and the monitoring endpoint `GET …/<sha256 of the origin>/checkpoint`.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bascule_crypto::digest::sha256;
use bascule_ledger::witness::Refusal;
use bascule_ledger::{NoteSigner, VerifierKey};
use bascule_store::log::witness::WitnessMemory;
use bascule_wire::{Body, collect, full};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower::Service;

use crate::clock;

/// Bytes of a request: 63 hashes and a note with its signatures.
const REQUEST_BYTES_MAX: usize = 65_536;

/// A witness at work.
pub(super) struct Witness {
    pub(super) memory: WitnessMemory,
    pub(super) signer: NoteSigner,
    /// The logs that it watches.
    pub(super) watched: ArcSwap<Vec<VerifierKey>>,
}

impl Witness {
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        match head.method {
            Method::POST if path.ends_with("/add-checkpoint") => {}
            Method::GET if path.ends_with("/checkpoint") => return self.latest(path),
            Method::GET if path == "/healthz" => return plain(StatusCode::OK, "up\n".to_owned()),
            _ => return plain(StatusCode::NOT_FOUND, "POST …/add-checkpoint\n".to_owned()),
        }
        let body = match collect(body, REQUEST_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => return plain(StatusCode::BAD_REQUEST, format!("{error}\n")),
        };
        let Ok(text) = String::from_utf8(body.to_vec()) else {
            return plain(StatusCode::BAD_REQUEST, "not text\n".to_owned());
        };
        let now = u64::try_from(clock::now().seconds()).unwrap_or(0);
        // The memory waits for its disk.
        let considered = tokio::task::spawn_blocking(move || {
            self.memory.add_checkpoint(&text, &self.watched.load(), &self.signer, now)
        });
        match considered.await {
            Ok(Ok(Ok(cosigned))) => plain(StatusCode::OK, format!("{cosigned}\n")),
            Ok(Ok(Err(refusal))) => refused(&refusal),
            Ok(Err(error)) => {
                tracing::error!(%error, "the witness's memory fails");
                plain(StatusCode::SERVICE_UNAVAILABLE, "the memory fails\n".to_owned())
            }
            Err(error) => {
                tracing::error!(%error, "a fault of the witness");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the witness\n".to_owned())
            }
        }
    }

    /// The checkpoint that it cosigned last of the log whose origin has that digest.
    fn latest(&self, path: &str) -> Response<Body> {
        let digest = path.trim_end_matches("/checkpoint").rsplit('/').next().unwrap_or_default();
        let watched = self.watched.load();
        let log = watched.iter().find(|key| hex::encode(sha256(key.name().as_bytes())) == digest);
        match log.map(|key| self.memory.latest(key.name())) {
            Some(Ok(Some(note))) => plain(StatusCode::OK, note),
            Some(Err(error)) => {
                tracing::error!(%error, "the witness's memory fails");
                plain(StatusCode::SERVICE_UNAVAILABLE, "the memory fails\n".to_owned())
            }
            Some(Ok(None)) | None => plain(StatusCode::NOT_FOUND, "nothing was cosigned\n".to_owned()),
        }
    }
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    match refusal {
        Refusal::OtherSize(size) => {
            let mut response = plain(status, format!("{size}\n"));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/x.tlog.size"));
            response
        }
        refusal => {
            if refusal.is_evidence() {
                tracing::error!(%refusal, "a log contradicts itself; the request is kept as evidence");
            }
            plain(status, format!("{refusal}\n"))
        }
    }
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The witness as a service.
#[derive(Clone)]
pub(super) struct Watch(pub(super) Arc<Witness>);

impl Service<Request<Body>> for Watch {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let witness = Arc::clone(&self.0);
        Box::pin(async move { Ok(witness.answer(request).await) })
    }
}
