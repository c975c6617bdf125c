//! The portal's desk: addresses, cookies, and what a browser is told about every page.

mod cookies;
mod door;
mod gather;
mod send;
mod ward;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::Markup;
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::House;
use super::pages::{self, Frame, STYLE, Tab};
use super::settings::PortalSettings;
use super::trouble::Trouble;
use super::words::Clock;

/// No script, no frame, nothing from elsewhere.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

const ICON: &str = concat!(
    r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="9" fill="#0b5a62"/>"##,
    r##"<path d="M5 22h22M9 22V15l6-6M23 22V15l-6-6" fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round"/></svg>"##,
);

type Shared = State<Arc<House>>;

/// What was just done, as the page after it is told.
#[derive(Debug, Deserialize)]
struct Done {
    sent: Option<String>,
    cancelled: Option<String>,
}

/// All addresses of the portal.
pub(super) fn router(house: Arc<House>) -> Router {
    Router::new()
        .route("/", get(home))
        .route(Tab::Results.path(), get(results))
        .route(Tab::Medicines.path(), get(medicines))
        .route(Tab::Appointments.path(), get(appointments))
        .route("/appointments/{id}/cancel", get(cancel).post(send::cancel))
        .route(Tab::Health.path(), get(health))
        .route(Tab::Documents.path(), get(documents))
        .route("/documents/{id}", get(document))
        .route(Tab::Messages.path(), get(messages).post(send::message))
        .route(Tab::Looks.path(), get(looks))
        .route("/sign-in", get(door::sign_in))
        .route(PortalSettings::REDIRECT_PATH, get(door::signed_in))
        .route("/sign-out", post(door::sign_out))
        .route(PortalSettings::LAUNCH_PATH, get(door::launched))
        .route("/chart", get(ward::patients))
        .route("/chart/sign-in", get(ward::sign_in))
        .route(PortalSettings::CHART_REDIRECT_PATH, get(ward::signed_in))
        .route("/chart/launch", post(ward::launch))
        .route("/chart/sign-out", post(ward::sign_out))
        .route("/signed-out", get(door::signed_out))
        .route("/style.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/icon.svg", get(|| async { asset("image/svg+xml", ICON) }))
        .fallback(nowhere)
        .layer(map_response(guard))
        .with_state(house)
}

/// What a browser must know about every answer.
async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(CONTENT_POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // `same-origin`, not `no-referrer`: under the latter a browser sends `Origin: null` with our own forms.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static("camera=(), microphone=(), geolocation=()"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Lets the answer to a form of this page lead on to the bridge.
fn let_forms_lead_to(response: &mut Response, base: &str) {
    let origin = url::Url::parse(base).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let usual = CONTENT_POLICY;
    let usual = usual.to_str().unwrap_or_default();
    let widened = usual.replace("form-action 'self'", &format!("form-action 'self' {origin}"));
    if let Ok(value) = HeaderValue::from_str(&widened) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, value);
    }
}

fn asset(kind: &'static str, body: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], body).into_response()
}

async fn home(State(house): Shared, headers: HeaderMap) -> Response {
    if cookies::session_key(&headers).is_none() {
        return house.show(StatusCode::OK, &pages::welcome(house.frame(), pages::Left::No));
    }
    house.answer(gather::overview(&house, &headers).await)
}

async fn results(State(house): Shared, headers: HeaderMap) -> Response {
    house.answer(gather::results(&house, &headers).await)
}

async fn medicines(State(house): Shared, headers: HeaderMap) -> Response {
    house.answer(gather::medicines(&house, &headers).await)
}

async fn appointments(State(house): Shared, Query(done): Query<Done>, headers: HeaderMap) -> Response {
    let notice = done.cancelled.map(|_| "The appointment is cancelled.");
    house.answer(gather::appointments(&house, &headers, notice).await)
}

async fn cancel(State(house): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    house.answer(gather::cancel(&house, &headers, &id).await)
}

async fn health(State(house): Shared, headers: HeaderMap) -> Response {
    house.answer(gather::health(&house, &headers).await)
}

async fn documents(State(house): Shared, headers: HeaderMap) -> Response {
    house.answer(gather::documents(&house, &headers).await)
}

async fn document(State(house): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    house.answer(gather::document(&house, &headers, &id).await)
}

async fn messages(State(house): Shared, Query(done): Query<Done>, headers: HeaderMap) -> Response {
    let notice = done.sent.map(|_| "Your message was sent.");
    house.answer(gather::messages(&house, &headers, notice).await)
}

async fn looks(State(house): Shared, headers: HeaderMap) -> Response {
    house.answer(gather::looks(&house, &headers).await)
}

async fn nowhere(State(house): Shared) -> Response {
    house.answer(Err(Trouble::NoSuchPage))
}

impl House {
    /// What time it is. The only place of the portal that reads the clock of the wall.
    fn clock(&self) -> Clock {
        Clock::new(OffsetDateTime::now_utc(), self.settings.utc_offset)
    }

    /// The frame of a page for nobody in particular.
    fn frame(&self) -> Frame<'_> {
        Frame { organization: &self.settings.organization, patient: None, clock: self.clock(), cut: false }
    }

    /// A page, or what kept it from being made.
    fn answer(&self, page: Result<Markup, Trouble>) -> Response {
        match page {
            Ok(page) => self.show(StatusCode::OK, &page),
            Err(trouble) => self.trouble(&trouble),
        }
    }

    fn show(&self, status: StatusCode, page: &Markup) -> Response {
        let kind = [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
        (status, kind, page.0.clone()).into_response()
    }

    fn trouble(&self, trouble: &Trouble) -> Response {
        let number = trouble.request_id().map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
        tracing::warn!(number, trouble = trouble.title(), why = trouble.cause(), "a page of the portal was not shown");
        let mut response = self.show(trouble.status(), &pages::trouble(self.frame(), trouble, &number));
        if *trouble == Trouble::SessionOver {
            cookies::forget_session(response.headers_mut());
        }
        response
    }
}
