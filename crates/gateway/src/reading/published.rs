//! What tells no person apart and needs no token: proofs for whoever holds a receipt, and, if the house shows them, checkpoints and
//! tiles under the paths of C2SP tlog-tiles, so that any static server may stand in front.

use bascule_store::log::published::published;
use bascule_store::log::read::prove_receipt;
use bascule_wire::{Body, full};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use crate::gateway::Gateway;

/// Bytes of a receipt.
const RECEIPT_BYTES_MAX: usize = 1_024;

/// The answer, if the path is one of these.
pub(super) async fn answer(gateway: &Gateway, rest: &str, query: &str) -> Option<Response<Body>> {
    if rest == "/receipt" {
        return Some(receipt(gateway, query).await);
    }
    let path = rest.strip_prefix("/log/").filter(|_| gateway.reading().publish)?;
    Some(tile(gateway, path).await)
}

/// `GET /audit/receipt?receipt=ORIGIN INDEX LEAF`: the proof (C2SP tlog-proof) of what an `Audit-Receipt` header says. It holds hashes
/// only, and is given to whoever knows the entry's.
async fn receipt(gateway: &Gateway, query: &str) -> Response<Body> {
    let mut named = url::form_urlencoded::parse(query.as_bytes());
    let receipt = named.find(|(name, _)| name == "receipt").map(|(_, value)| value.into_owned());
    let Some(receipt) = receipt.filter(|receipt| receipt.len() <= RECEIPT_BYTES_MAX) else {
        return plain(StatusCode::BAD_REQUEST, "say receipt=ORIGIN INDEX LEAF-HASH, as the Audit-Receipt header did\n");
    };
    if gateway.log().flush().await.is_err() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the log publishes nothing at the moment\n");
    }
    let folder = gateway.log().settings().folder.clone();
    match tokio::task::spawn_blocking(move || prove_receipt(&folder, &receipt)).await {
        Ok(Ok(proof)) => plain(StatusCode::OK, &proof.to_string()),
        _ => plain(StatusCode::NOT_FOUND, "the log does not hold what the receipt says\n"),
    }
}

/// `NODE/SHARD/checkpoint`, `…/tile/0/000`, `…/vkey`: nothing but what a log serves.
async fn tile(gateway: &Gateway, path: &str) -> Response<Body> {
    let (settings, path) = (gateway.log().settings().clone(), path.to_owned());
    let Ok(Some(file)) = tokio::task::spawn_blocking(move || published(&settings, &path)).await else {
        return not_there();
    };
    let kind = if file.text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    let cached = if file.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = Response::new(full(file.bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cached));
    response
}

fn not_there() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "not there\n")
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(full(text.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
