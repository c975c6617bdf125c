//! Coming and going: to the bridge's sign-in, back from it, and out.

use std::time::Instant;

use axum::extract::{Query, State};
use axum::http::header::{HeaderName, LOCATION, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::super::House;
use super::super::pages::{self, Left};
use super::super::sign_in::{Returned, revoke};
use super::super::trouble::Trouble;
use super::{Shared, cookies};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Sends the browser to the bridge.
pub(super) async fn sign_in(State(house): Shared) -> Response {
    begin(&house, None).await
}

/// A launch by a chart.
#[derive(Debug, Deserialize)]
pub(super) struct Launch {
    iss: String,
    launch: String,
}

/// A chart launches the portal: the same, about the patient that the chart has open. Only the own bridge is asked.
pub(super) async fn launched(State(house): Shared, Query(asked): Query<Launch>) -> Response {
    if asked.iss.trim_end_matches('/') != house.bridge.base() {
        return house.trouble(&Trouble::SignInForged { what: "the launch is of another server" });
    }
    begin(&house, Some(&asked.launch)).await
}

async fn begin(house: &House, launch: Option<&str>) -> Response {
    match house.sign_ins.begin(&house.settings, &house.bridge, launch, Instant::now()).await {
        Ok((url, state)) => {
            let mut response = go(house, &url);
            cookies::remember_sign_in(response.headers_mut(), &state);
            response
        }
        Err(trouble) => house.trouble(&trouble),
    }
}

/// The browser comes back from the bridge.
pub(super) async fn signed_in(State(house): Shared, Query(returned): Query<Returned>, headers: HeaderMap) -> Response {
    let state = cookies::sign_in_state(&headers);
    let finished = house.sign_ins.finish(&house.settings, &house.bridge, returned, state, Instant::now()).await;
    let mut response = match finished {
        Ok(session) => {
            leave(&house, &headers).await;
            let mut response = go(&house, "/");
            let key = house.sessions.begin(session, Instant::now());
            cookies::remember_session(response.headers_mut(), &key);
            response
        }
        Err(trouble) => house.trouble(&trouble),
    };
    cookies::forget_sign_in(response.headers_mut());
    response
}

/// Ends the session and tells the bridge that its token is not needed any more.
pub(super) async fn sign_out(State(house): Shared, headers: HeaderMap) -> Response {
    if !is_own_form(&headers, &house.settings.public_url) {
        return house.trouble(&Trouble::ForeignForm);
    }
    let revoked = leave(&house, &headers).await;
    let mut response = go(&house, if revoked { "/signed-out" } else { "/signed-out?revoked=no" });
    cookies::forget_session(response.headers_mut());
    response
}

/// Whether the token was revoked.
#[derive(Debug, Deserialize)]
pub(super) struct Gone {
    revoked: Option<String>,
}

/// The page after.
pub(super) async fn signed_out(State(house): Shared, Query(gone): Query<Gone>) -> Response {
    let left = if gone.revoked.as_deref() == Some("no") { Left::NotRevoked } else { Left::Yes };
    house.show(StatusCode::OK, &pages::welcome(house.frame(), left))
}

/// Ends the session of this browser, if it has one; whether its token is revoked.
async fn leave(house: &House, headers: &HeaderMap) -> bool {
    let Some(session) = cookies::session_key(headers).and_then(|key| house.sessions.end(key)) else { return true };
    match revoke(&house.settings, &house.bridge, &session).await {
        Ok(()) => true,
        Err(trouble) => {
            tracing::warn!(why = trouble.cause(), "a token could not be revoked");
            false
        }
    }
}

/// A form of our own pages says where it comes from.
pub(super) fn is_own_form(headers: &HeaderMap, public_url: &str) -> bool {
    match headers.get(ORIGIN) {
        Some(origin) => origin.as_bytes() == public_url.as_bytes(),
        None => headers.get(FETCH_SITE).is_some_and(|site| site == "same-origin"),
    }
}

pub(super) fn go(house: &House, to: &str) -> Response {
    let Ok(to) = HeaderValue::from_str(to) else {
        return house.trouble(&Trouble::Unreadable { what: "its address cannot be read", request_id: None });
    };
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, to);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: HeaderName, value: &'static str, own: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        assert_eq!(is_own_form(&headers, "https://localhost:8444"), own, "{value}");
    }

    #[test]
    fn only_a_form_of_the_portal_itself_signs_out() {
        check(ORIGIN, "https://localhost:8444", true);
        check(ORIGIN, "https://localhost:8443", false);
        check(ORIGIN, "null", false);
        check(FETCH_SITE, "same-origin", true);
        check(FETCH_SITE, "same-site", false);
        assert!(!is_own_form(&HeaderMap::new(), "https://localhost:8444"));
    }
}
