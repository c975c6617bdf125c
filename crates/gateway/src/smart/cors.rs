//! Which pages of other origins may read our answers: public documents everybody's, the rest only those of origins that
//! a client registered.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::state::{SmartState, header as one};

/// A preflight for a public document.
pub(crate) async fn preflight_any() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    any(&mut response);
    allow(&mut response, "GET, OPTIONS");
    response
}

/// A preflight for an endpoint that deals in tokens.
pub(crate) async fn preflight_registered(State(state): State<SmartState>, headers: HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    registered(&state, &headers, &mut response);
    if response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        allow(&mut response, "GET, POST, OPTIONS");
    }
    response
}

fn allow(response: &mut Response, methods: &'static str) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    let names = HeaderValue::from_static("authorization, content-type, accept, dpop");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
}

/// Every origin may read this answer.
pub(crate) fn any(response: &mut Response) {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// The request's origin may read this answer if it is registered. Cookies are never asked for by these endpoints, so
/// credentials are not allowed.
pub(crate) fn registered(state: &SmartState, request: &HeaderMap, response: &mut Response) {
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = one(request, "origin")
        && state.allows_origin(origin)
        && let Ok(value) = HeaderValue::from_str(origin)
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
        headers
            .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate, Retry-After"));
    }
}
