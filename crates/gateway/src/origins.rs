//! Apps that run in a browser read an API only from an origin that an active client registered.

use std::time::Duration;

use bascule_store::Store;
use bascule_store::user::Status;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue};
use moka::sync::Cache;

/// Origins whose answer is remembered.
const ORIGINS_MAX: u64 = 1_000;
/// For how long: a registration or its end takes as long to show.
const REMEMBERED: Duration = Duration::from_secs(10);

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, OPTIONS");
const ASKED: HeaderValue =
    HeaderValue::from_static("authorization, content-type, accept, dpop, if-match, if-none-exist, prefer");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, etag, location, content-location, last-modified, www-authenticate, retry-after, audit-receipt",
);

/// The origins that are known.
pub(crate) struct Origins(Cache<String, bool>);

impl Origins {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(ORIGINS_MAX).time_to_live(REMEMBERED).build())
    }

    /// The origin of the request, if its pages may read the answer.
    pub(crate) fn allowed(&self, store: &Store, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let name = origin.to_str().ok()?.to_owned();
        let registered = self.0.get_with(name.clone(), || {
            let clients = store.clients().unwrap_or_default();
            clients.iter().any(|client| client.status == Status::Active && client.metadata.has_origin(&name))
        });
        registered.then(|| origin.clone())
    }
}

/// Lets pages of `origin` read an answer. Cookies play no part at an API, so credentials are not allowed.
pub(crate) fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

/// Answers a browser's question before the request itself.
pub(crate) fn preflight(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ASKED);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
}
