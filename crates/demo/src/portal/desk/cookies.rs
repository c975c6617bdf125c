//! The two cookies: one for a session, one for a sign-in under way. Neither says anything by itself.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};

const SESSION: &str = "__Host-portal";
const SIGN_IN: &str = "__Host-portal-sign-in";
const CHART: &str = "__Host-chart";
const CHART_SIGN_IN: &str = "__Host-chart-sign-in";
/// `__Host-` already means: this host alone, over TLS, every path.
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// The key of the session, if the browser has one.
pub(super) fn session_key(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SESSION)
}

/// The key of a clinician's session.
pub(super) fn chart_key(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, CHART)
}

/// The `state` of a clinician's sign-in.
pub(super) fn chart_state(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, CHART_SIGN_IN)
}

/// Gives a clinician's browser a session, and takes its sign-in back.
pub(super) fn remember_chart(headers: &mut HeaderMap, key: &str) {
    set(headers, &format!("{CHART}={key}; {ATTRIBUTES}"));
    set(headers, &format!("{CHART_SIGN_IN}=; Max-Age=0; {ATTRIBUTES}"));
}

/// Takes the session from a clinician's browser.
pub(super) fn forget_chart(headers: &mut HeaderMap) {
    set(headers, &format!("{CHART}=; Max-Age=0; {ATTRIBUTES}"));
}

/// Gives a clinician's browser the `state` of its sign-in.
pub(super) fn remember_chart_sign_in(headers: &mut HeaderMap, state: &str) {
    set(headers, &format!("{CHART_SIGN_IN}={state}; Max-Age=600; {ATTRIBUTES}"));
}

/// The `state` of the sign-in that this browser began.
pub(super) fn sign_in_state(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SIGN_IN)
}

/// Gives the browser a session.
pub(super) fn remember_session(headers: &mut HeaderMap, key: &str) {
    set(headers, &format!("{SESSION}={key}; {ATTRIBUTES}"));
}

/// Takes the session from the browser.
pub(super) fn forget_session(headers: &mut HeaderMap) {
    set(headers, &format!("{SESSION}=; Max-Age=0; {ATTRIBUTES}"));
}

/// Gives the browser the `state` of its sign-in.
pub(super) fn remember_sign_in(headers: &mut HeaderMap, state: &str) {
    set(headers, &format!("{SIGN_IN}={state}; Max-Age=600; {ATTRIBUTES}"));
}

/// Takes it back.
pub(super) fn forget_sign_in(headers: &mut HeaderMap) {
    set(headers, &format!("{SIGN_IN}=; Max-Age=0; {ATTRIBUTES}"));
}

fn set(headers: &mut HeaderMap, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.append(SET_COOKIE, value);
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("a=1; __Host-portal=key; b=2"));
        assert_eq!(session_key(&headers), Some("key"));
        assert_eq!(sign_in_state(&headers), None);
    }

    #[test]
    fn a_cookie_is_for_this_host_over_tls_and_not_for_script() {
        let mut headers = HeaderMap::new();
        remember_session(&mut headers, "key");
        let text = headers.get(SET_COOKIE).and_then(|value| value.to_str().ok()).unwrap();
        for part in ["__Host-portal=key", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
        assert!(!text.contains("Domain"));
    }
}
