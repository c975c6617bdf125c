//! The browser at our own pages: a cookie that tells browsers apart, one that is the session, and the token that shows
//! that a form was ours.

use axum::body::Bytes;
use axum::response::Response;
use bascule_crypto::digest::{Sha256, sha256, sha256_parts};
use bascule_crypto::{Secret, hex};
use bascule_smart::Parameters;
use bascule_store::random;
use bascule_store::session::{Session, SessionLimits};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use super::pages::PageFailure;
use super::state::{Caller, SmartState};
use super::token::form;

/// Both begin with `__Host-`: set by us only, for us only, over TLS only.
const BROWSER: &str = "__Host-bascule-browser";
const SESSION: &str = "__Host-bascule-session";
/// `Lax`: an app's link may lead here with the session; a foreign form may not.
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// A browser.
pub(crate) struct Browser {
    id: Secret,
    fresh: bool,
    /// It says that a page of another site sent this.
    foreign: bool,
    session: Option<(Secret, Session)>,
}

impl Browser {
    /// Of a request; a browser that we do not know gets a new cookie.
    pub(crate) fn of(state: &SmartState, headers: &HeaderMap) -> Result<Self, PageFailure> {
        let known = cookie(headers, BROWSER).map(Secret::new);
        let fresh = known.is_none();
        let id = known.map_or_else(random::token, Ok)?;
        let lifetimes = &state.server().lifetimes;
        let limits =
            SessionLimits { idle_seconds: lifetimes.session_idle_seconds, absolute_seconds: lifetimes.session_seconds };
        let session = match cookie(headers, SESSION).map(Secret::new) {
            None => None,
            Some(secret) => {
                let found = state.store().session(&sha256(secret.expose()), limits, state.now())?;
                found.map(|session| (secret, session))
            }
        };
        Ok(Self { id, fresh, foreign: is_foreign(headers), session })
    }

    /// The session, if somebody is signed in.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.session.as_ref().map(|(_, session)| session)
    }

    /// What a waiting request is bound to.
    pub(crate) fn digest(&self) -> Sha256 {
        sha256(self.id.expose())
    }

    /// The value that each of our forms carries: nobody who does not hold the cookies can make it.
    pub(crate) fn form_token(&self) -> String {
        let session = self.session.as_ref().map(|(secret, _)| secret.expose()).unwrap_or_default();
        hex::encode(&sha256_parts(&[b"form", self.id.expose(), b"|", session]))
    }

    /// Refuses a form that is not ours.
    fn check_form(&self, parameters: &Parameters) -> Result<(), PageFailure> {
        let sent = parameters.value("form").unwrap_or_default();
        if !self.fresh && !self.foreign && Secret::new(self.form_token()).matches(sent.as_bytes()) {
            return Ok(());
        }
        Err(PageFailure::stale())
    }

    /// Begins a session in this browser.
    pub(crate) fn sign_in(
        &mut self,
        state: &SmartState,
        user: &str,
        second_factor: bool,
    ) -> Result<Session, PageFailure> {
        let (secret, now) = (random::token()?, state.now());
        let session = Session {
            id: random::id()?,
            user: user.to_owned(),
            created: now,
            seen: now,
            authenticated: now,
            second_factor,
        };
        if let Some((_, before)) = self.session.take() {
            state.store().end_session(&before.id, now)?;
        }
        state.store().begin_session(&sha256(secret.expose()), &session)?;
        self.session = Some((secret, session.clone()));
        Ok(session)
    }

    /// Sets the cookies that the browser must keep.
    pub(crate) fn keep(&self, response: &mut Response) {
        if self.fresh {
            set(response, BROWSER, &random::text(&self.id), None);
        }
    }

    /// Sets both cookies after a sign-in.
    pub(crate) fn keep_session(&self, state: &SmartState, response: &mut Response) {
        self.keep(response);
        if let Some((secret, _)) = &self.session {
            set(response, SESSION, &random::text(secret), Some(state.server().lifetimes.session_seconds));
        }
    }
}

/// A form of ours that a browser sent back: what a page's handler begins with, so that none forgets to ask whose form it is.
pub(crate) struct Sent {
    /// Who is at the other end.
    pub(crate) caller: Caller,
    /// The form.
    pub(crate) parameters: Parameters,
    /// The browser.
    pub(crate) browser: Browser,
}

impl Sent {
    /// Reads the form and refuses one that is not ours.
    pub(crate) fn open(state: &SmartState, parts: &Parts, body: &Bytes) -> Result<Self, PageFailure> {
        let caller = Caller::of(parts);
        let parameters = form(parts, body)?;
        let browser = Browser::of(state, &parts.headers)?;
        browser.check_form(&parameters)?;
        Ok(Self { caller, parameters, browser })
    }
}

/// Whether the browser itself says that another site sent this. Browsers that say nothing are judged by cookie and token.
fn is_foreign(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

/// Takes the session's cookie away.
pub(crate) fn forget_session(response: &mut Response) {
    set(response, SESSION, "", Some(0));
}

fn set(response: &mut Response, name: &str, value: &str, seconds: Option<i64>) {
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    if let Ok(value) = HeaderValue::from_str(&format!("{name}={value}; {ATTRIBUTES}{age}")) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut found = values.flat_map(|value| value.split(';')).filter_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.to_owned())
    });
    let value = found.next()?;
    let sound =
        value.len() == 43 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    (sound && found.next().is_none()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_that_names_another_site_is_believed() {
        let of = |site: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            is_foreign(&headers)
        };
        assert!(of("cross-site"));
        assert!(!of("same-origin") && !of("none") && !is_foreign(&HeaderMap::new()));
    }

    #[test]
    fn a_cookie_counts_only_once_and_in_our_form() {
        let value = "A".repeat(43);
        let of = |text: String| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(&text).unwrap());
            cookie(&headers, BROWSER)
        };
        assert_eq!(of(format!("a=b; {BROWSER}={value}")), Some(value.clone()));
        assert_eq!(of(format!("{BROWSER}={value}; {BROWSER}={value}")), None);
        assert_eq!(of(format!("{BROWSER}=short")), None);
        assert_eq!(of(format!("x{BROWSER}={value}")), None);
        assert_eq!(of("nonsense".into()), None);
    }
}
