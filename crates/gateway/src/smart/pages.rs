//! How our pages look: one calm card, readable on a phone, in the dark and by a screen reader; no script at all.

use axum::response::{IntoResponse as _, Response};
use bascule_smart::Refusal;
use bascule_store::StoreError;
use http::{HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};
use url::Url;

use super::respond::{Failure, no_store};
use super::throttle::TryAfter;

/// Why a person does not get the page that was asked for.
#[derive(Debug)]
pub(crate) enum PageFailure {
    /// Something to be told, with the status of the answer.
    Told {
        /// The status.
        status: StatusCode,
        /// The heading.
        title: &'static str,
        /// A sentence.
        said: String,
    },
    /// As an endpoint for programs would fail.
    Other(Failure),
}

impl PageFailure {
    /// A form or link that is too old, or was not ours.
    pub(crate) fn stale() -> Self {
        Self::Told {
            status: StatusCode::BAD_REQUEST,
            title: "This page is no longer valid",
            said:
                "It may have been open for too long, or in another browser. Please go back to the app and start again."
                    .to_owned(),
        }
    }
}

impl From<Failure> for PageFailure {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl From<StoreError> for PageFailure {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

impl From<TryAfter> for PageFailure {
    fn from(after: TryAfter) -> Self {
        Self::Other(after.into())
    }
}

impl From<Refusal> for PageFailure {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal.into())
    }
}

impl axum::response::IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        match self {
            Self::Told { status, title, said } => failure_page(status, title, &said, None),
            Self::Other(failure) => {
                failure.trace();
                let (status, title) = (failure.status(), title(&failure));
                let refusal = failure.refusal();
                let code = matches!(failure, Failure::Refused(_) | Failure::Recorded(_)).then(|| refusal.error.code());
                let mut response = failure_page(status, title, &refusal.said, code);
                failure.decorate(&mut response, false);
                response
            }
        }
    }
}

const fn title(failure: &Failure) -> &'static str {
    match failure {
        Failure::Refused(_) | Failure::Recorded(_) => "The app sent a request that we cannot follow",
        Failure::Throttled(_) => "Too many tries",
        Failure::Unavailable | Failure::Store(_) => "This does not work at the moment",
    }
}

fn failure_page(status: StatusCode, title: &str, said: &str, code: Option<&str>) -> Response {
    let body = html! {
        h1 { (title) }
        p { (said) }
        @if let Some(code) = code {
            p.small { "For the app's developer: " code { (code) } }
        }
        p.small { "Nothing was shared." }
    };
    page(status, title, &body, &[])
}

/// A whole page with our one script; only the pages on which a browser is asked for a passkey have it.
pub(crate) fn scripted_page(status: StatusCode, title: &str, body: &Markup, leads_to: &[&str]) -> Response {
    let mut response = page(status, title, body, leads_to);
    let policy = response.headers().get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    if let Some(Ok(policy)) = policy.map(|policy| HeaderValue::from_str(&format!("{policy}; script-src 'self'"))) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A whole page. `leads_to` are addresses to which a form on it may end in a redirect.
pub(crate) fn page(status: StatusCode, title: &str, body: &Markup, leads_to: &[&str]) -> Response {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) }
                link rel="stylesheet" href="/oauth/pages.css";
            }
            body {
                main { (body) }
                footer { p { "Access through this page is recorded, and you can end it at any time under "
                    a href="/oauth/apps" { "your apps" } ". How you sign in is under "
                    a href="/oauth/account" { "your account" } "." } }
            }
        }
    };
    let mut response = (status, whole.into_string()).into_response();
    secure(&mut response, leads_to);
    response
}

fn secure(response: &mut Response, leads_to: &[&str]) {
    let mut targets = vec!["'self'".to_owned()];
    targets.extend(leads_to.iter().filter_map(|address| source(address)));
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action {}",
        targets.join(" ")
    );
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    no_store(response);
}

/// An address as a source of a content security policy: its origin, or its scheme for a native app.
fn source(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    Some(if url.origin().is_tuple() { url.origin().ascii_serialization() } else { format!("{}:", url.scheme()) })
}

/// The picture of who asks: an app's name, and where it lives.
pub(crate) fn app_name(name: &str, id: &str) -> String {
    if name.trim().is_empty() { id.to_owned() } else { name.to_owned() }
}

/// `/oauth/pages.css`
pub(crate) async fn style_sheet() -> Response {
    let mut response = STYLE.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

const STYLE: &str = include_str!("pages.css");

/// Sends the browser on, after a form.
pub(crate) fn see_other(address: &str) -> Response {
    let Ok(value) = HeaderValue::from_str(address) else {
        return PageFailure::stale().into_response();
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, value);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    no_store(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_may_lead_only_home_and_to_the_app() {
        let of = |address: &str| source(address).unwrap();
        assert_eq!(of("https://app.example/back?x=1"), "https://app.example");
        assert_eq!(of("http://127.0.0.1:8080/back"), "http://127.0.0.1:8080");
        assert_eq!(of("org.example.app:/back"), "org.example.app:");
        let response = page(StatusCode::OK, "t", &html! {}, &["https://app.example/back"]);
        let policy = response.headers().get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
        assert!(policy.ends_with("form-action 'self' https://app.example"), "{policy}");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn a_strangers_words_are_not_markup() {
        let said = "<script>alert(1)</script>".to_owned();
        let response = PageFailure::Told { status: StatusCode::BAD_REQUEST, title: "t", said }.into_response();
        let body = futures_util::future::FutureExt::now_or_never(axum::body::to_bytes(response.into_body(), 65_536));
        let body = String::from_utf8(body.unwrap().unwrap().to_vec()).unwrap();
        assert!(!body.contains("<script>") && body.contains("&lt;script&gt;"));
    }
}
