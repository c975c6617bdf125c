//! The door itself: takes a request in, finds whose it is, and lets it walk.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use axum::Router;
use bascule_crypto::Secret;
use bascule_fhir::Timestamp;
use bascule_minimum::{Limits as FilterLimits, Masks};
use bascule_policy::Policy;
use bascule_smart::{Credentials, Principal};
use bascule_store::Store;
use bascule_store::log::Log;
use bascule_wire::{Body, TlsError, empty, full};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::apis::{Apis, Served};
use crate::codes::Coder;
use crate::duties::Raised;
use crate::facts::{AboutAll, ConsentFeeds, Shelf};
use crate::feeds::Feeds;
use crate::floods::Floods;
use crate::head::Head;
use crate::headers;
use crate::identity::Signer;
use crate::narrow::Frame;
use crate::origins::{self, Origins};
use crate::pages::{Bearer, Page, Pages};
use crate::reading::{self, AUDIT_API, ReadingSettings};
use crate::record::Visit;
use crate::refuse::Refusal;
use crate::settings::{Limits, Settings};
use crate::smart::Links;
use crate::{capability, walk};

/// Compiled masks that are kept; one is some ten kilobytes.
const MASKS_MAX: usize = 4_096;
/// A page of the authorization server, in bytes.
const SMART_BYTES_MAX: usize = 1_048_576;

/// The client's door. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    public_url: String,
    /// Scheme, host and port of it.
    origin: String,
    limits: Limits,
    filter_limits: FilterLimits,
    apis: Apis,
    policy: Arc<ArcSwap<Policy>>,
    store: Arc<Store>,
    log: Log,
    smart: Router,
    pages: Arc<Pages>,
    coder: Coder,
    masks: Masks,
    in_flight: Arc<Semaphore>,
    origins: Origins,
    raised: Raised,
    about_all: AboutAll,
    consent_feeds: ConsentFeeds,
    feeds: Feeds,
    care_links: Links,
    floods: Floods,
    reading: OnceLock<ReadingSettings>,
}

/// What a door needs beside its settings.
pub struct Rooms {
    /// The policy in force; swapped by whoever loads a new one.
    pub policy: Arc<ArcSwap<Policy>>,
    /// The shelf.
    pub store: Arc<Store>,
    /// The audit log.
    pub log: Log,
    /// The SMART and OAuth endpoints; they answer below `/oauth/` and every `.well-known/`.
    pub smart: Router,
    /// Seals page links; the same on every start and node, or links end with the process.
    pub page_key: Secret,
    /// Makes the codes of what an expert has determined; the same on every start and node.
    pub code_key: Secret,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("public_url", &self.0.public_url).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Opens the door.
    ///
    /// # Errors
    /// [`TlsError`] if an upstream's trust or identity cannot be read.
    pub fn new(settings: &Settings, rooms: Rooms) -> Result<Self, TlsError> {
        let limits = settings.limits.clone();
        let Rooms { policy, store, log, smart, page_key, code_key } = rooms;
        let signer = Signer::new(Arc::clone(&store), settings.public_url.as_str().trim_end_matches('/'));
        Ok(Self(Arc::new(Inner {
            public_url: settings.public_url.as_str().trim_end_matches('/').to_owned(),
            origin: settings.public_url.origin().ascii_serialization(),
            filter_limits: FilterLimits { resource_bytes_max: limits.resource_bytes_max, ..FilterLimits::default() },
            apis: Apis::new(settings, &signer)?,
            policy,
            store,
            log,
            smart,
            care_links: Links::new(page_key.clone()),
            pages: Arc::new(Pages::new(page_key)),
            coder: Coder::new(code_key),
            masks: Masks::new(MASKS_MAX),
            in_flight: Arc::new(Semaphore::new(limits.requests_in_flight_max)),
            origins: Origins::new(),
            raised: Raised::new(),
            about_all: AboutAll::default(),
            consent_feeds: consent_feeds(settings),
            feeds: Feeds::default(),
            floods: Floods::default(),
            reading: OnceLock::new(),
            limits,
        })))
    }

    /// The door as a service for [`bascule_wire::serve()`].
    #[must_use]
    pub fn service(&self) -> GatewayService {
        GatewayService(self.clone())
    }

    /// Resolves once no request is under way, not even one whose client has hung up. For a stop, after the listener has
    /// drained and before the log closes.
    pub async fn idle(&self) {
        let all = u32::try_from(self.0.limits.requests_in_flight_max).unwrap_or(u32::MAX);
        let _ = self.0.in_flight.acquire_many(all).await;
        crate::floods::tell_all(self).await;
    }

    /// What a monitor reads: whether care goes on in the emergency reserve, or nothing passes.
    fn health(&self) -> String {
        match (self.0.log.failure(), self.0.log.emergency()) {
            (None, Some(state)) if state.bytes_used > 0 => "degraded: the emergency reserve holds entries\n".to_owned(),
            (None, _) => "up\n".to_owned(),
            (Some(_), Some(_)) => {
                "degraded: the audit log is down; clinical care is recorded in the emergency reserve\n".to_owned()
            }
            (Some(_), None) => "down: the audit log is down, and nothing passes\n".to_owned(),
        }
    }

    /// Whether a request is under way.
    #[must_use]
    pub fn is_walking(&self) -> bool {
        self.0.in_flight.available_permits() < self.0.limits.requests_in_flight_max
    }

    /// Answers one request. What reaches an upstream walks in a task of its own, so that a client that hangs up does
    /// not stop it.
    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let now = now();
        let path = request.uri().path();
        if path == "/healthz" {
            return plain(full(format!("{}policy {}\n", self.health(), self.policy().hash())), "text/plain");
        }
        if path == "/favicon.ico" {
            // Browsers ask by themselves; an error in their console would only worry people.
            let mut nothing = plain(bascule_wire::empty(), "image/x-icon");
            *nothing.status_mut() = http::StatusCode::NO_CONTENT;
            return nothing;
        }
        if path.starts_with("/audit/") {
            return self.at_log(request, now).await;
        }
        if OURS.iter().any(|ours| path.starts_with(ours)) || path.contains("/.well-known/") {
            return self.smart(request).await;
        }
        let (parts, body) = request.into_parts();
        let origin = self.0.origins.allowed(&self.0.store, &parts.headers);
        let mut response = self.at_api(parts, body, now).await;
        if let Some(origin) = origin {
            origins::allow(response.headers_mut(), origin);
        }
        response
    }

    /// Answers a request about the log itself, within the bound on requests at once.
    async fn at_log(self, request: Request<Body>, now: Timestamp) -> Response<Body> {
        let (parts, _) = request.into_parts();
        let Ok(place) = Arc::clone(&self.0.in_flight).try_acquire_owned() else {
            let request_id = uuid::Uuid::new_v4().to_string();
            let head = Head::new(parts, request_id.clone(), now, self.0.limits.user_agent_bytes_max);
            let mut visit = Visit::new(head, AUDIT_API.to_owned(), "GET".to_owned());
            let refusal = walk::refused(&self, &mut visit, Refusal::Overloaded, now).await;
            return refusal.answer(&request_id, self.public_url());
        };
        let walking = tokio::spawn(async move {
            let response = reading::answer(&self, parts, now).await;
            drop(place);
            response
        });
        walking.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a reading of the log ended in a fault of ours");
            Refusal::Fault { at: "reading" }.answer("", "")
        })
    }

    /// Answers a request at the path of an API.
    async fn at_api(self, parts: Parts, body: Body, now: Timestamp) -> Response<Body> {
        let request_id = uuid::Uuid::new_v4().to_string();
        let head = Head::new(parts, request_id.clone(), now, self.0.limits.user_agent_bytes_max);
        let Some((served, rest)) = self.0.apis.find(&head.path) else {
            let said = format!("{} {}", head.method, head.path);
            let mut visit = Visit::new(head, "none".to_owned(), said);
            let refusal = walk::refused(&self, &mut visit, Refusal::NoSuchApi, now).await;
            return refusal.answer(&request_id, self.public_url());
        };
        if head.method == Method::OPTIONS {
            let mut response = Response::new(empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            origins::preflight(response.headers_mut());
            return response;
        }
        if rest == "/metadata" && matches!(head.method, Method::GET | Method::HEAD) {
            return self.capabilities(&served, &head, now);
        }
        let rest = rest.to_owned();
        let (gateway, api, kept) = (self.clone(), served.api.name.clone(), head.clone());
        let walking = tokio::spawn(async move { self.enter(&served, &rest, head, body, now).await });
        match walking.await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(request = request_id, %error, "a walk ended in a fault of ours");
                let mut visit = Visit::new(kept, api, String::new());
                let refusal = walk::refused(&gateway, &mut visit, Refusal::Fault { at: "walk" }, now).await;
                refusal.answer(&request_id, gateway.public_url())
            }
        }
    }

    async fn enter(self, served: &Served, rest: &str, head: Head, body: Body, now: Timestamp) -> Response<Body> {
        let said = if head.query.is_empty() { rest.to_owned() } else { format!("{rest}?{}", head.query) };
        let said = format!("{} {said}", head.method);
        let mut visit = Visit::new(head, served.api.name.clone(), said);
        let Ok(place) = Arc::clone(&self.0.in_flight).try_acquire_owned() else {
            let refusal = walk::refused(&self, &mut visit, Refusal::Overloaded, now).await;
            return refusal.answer(&visit.head.request_id, self.public_url());
        };
        visit.place = Some(place);
        walk::walk(&self, served, rest, visit, body, now).await
    }

    async fn smart(&self, request: Request<Body>) -> Response<Body> {
        let answered = self.0.smart.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let (head, body) = answered.into_parts();
        let body = http_body_util::Limited::new(body, SMART_BYTES_MAX).collect().await;
        let bytes = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Response::from_parts(head, full(bytes))
    }

    /// The statement of an API: public, made here, never asked of the upstream.
    fn capabilities(&self, served: &Served, head: &Head, now: Timestamp) -> Response<Body> {
        if !headers::takes_json(&head.headers) {
            return Refusal::NotAcceptable.answer(&head.request_id, self.public_url());
        }
        let offers = capability::offers(&self.policy(), &served.api.name);
        let said = capability::statement(&served.api.name, &served.public_base, self.public_url(), &offers, now);
        let mut response = plain(full(said.to_string()), "application/fhir+json; charset=utf-8");
        // It is public: pages of any origin may read it.
        response.headers_mut().insert(http::header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if let Ok(id) = HeaderValue::from_str(&head.request_id) {
            response.headers_mut().insert(headers::REQUEST_ID, id);
        }
        response
    }

    /// What the shelf, or an issuer of that API, knows of the presented token.
    pub(crate) async fn credentials(
        &self,
        served: Option<&Served>,
        head: &Head,
        now: Timestamp,
    ) -> Result<Credentials, Refusal> {
        let address = format!("{}{}", self.0.origin, head.path);
        let issuers = served.map(|served| (&served.issuers, served.api.name.as_str()));
        let found = crate::credentials::credentials(&self.0.store, issuers, head, &address, now);
        found.await.map_err(|error| {
            tracing::error!(request = head.request_id, %error, "a token cannot be looked up");
            Refusal::StoreUnavailable
        })
    }

    /// Who gives out codes.
    pub(crate) fn coder(&self) -> &Coder {
        &self.0.coder
    }

    /// The page of a link, if it is this caller's, under this policy, in its time.
    pub(crate) fn page(
        &self,
        token: &str,
        served: &Served,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Page, Refusal> {
        let policy = self.policy();
        let bearer = Bearer { principal, api: &served.api.name, policy_hash: policy.hash() };
        self.0.pages.open(token, &bearer, now).map_err(Refusal::Page)
    }

    pub(crate) fn served(&self, api: &str) -> Option<Arc<Served>> {
        self.0.apis.named(api)
    }

    pub(crate) fn frame<'a>(&'a self, served: &'a Served) -> Frame<'a> {
        Frame {
            public_base: &served.public_base,
            upstream_base: served.upstream.base(),
            post_search: served.upstream.post_search(),
            declares: served.organization.is_some(),
            part: None,
            limits: &self.0.limits,
        }
    }

    pub(crate) fn public_url(&self) -> &str {
        &self.0.public_url
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn filter_limits(&self) -> &FilterLimits {
        &self.0.filter_limits
    }

    pub(crate) fn masks(&self) -> &Masks {
        &self.0.masks
    }

    pub(crate) fn care_links(&self) -> &Links {
        &self.0.care_links
    }

    pub(crate) fn raised(&self) -> &Raised {
        &self.0.raised
    }

    /// Every API that is served as FHIR.
    pub(crate) fn apis(&self) -> Vec<Arc<Served>> {
        self.0.apis.all().map(Arc::clone).collect()
    }

    /// What the bridge itself reads.
    pub(crate) fn feeds(&self) -> &Feeds {
        &self.0.feeds
    }

    /// Where the facts of a decision come from.
    pub(crate) fn shelf(&self) -> Shelf<'_> {
        Shelf { store: &self.0.store, about_all: &self.0.about_all, feeds: &self.0.consent_feeds }
    }

    pub(crate) fn shared_store(&self) -> &Arc<Store> {
        &self.0.store
    }

    /// Lets the log be read in that way; the first word counts.
    #[must_use]
    pub fn reading_as(self, settings: ReadingSettings) -> Self {
        let _first = self.0.reading.set(settings);
        self
    }

    /// How the log may be read.
    pub(crate) fn reading(&self) -> ReadingSettings {
        self.0.reading.get().copied().unwrap_or_default()
    }

    /// The names under which patients stand in the log: the APIs, and the log itself.
    pub(crate) fn api_names(&self) -> Vec<String> {
        let mut names = self.0.apis.names();
        names.push(AUDIT_API.to_owned());
        names
    }

    pub(crate) fn floods(&self) -> &Floods {
        &self.0.floods
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn log(&self) -> &Log {
        &self.0.log
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.0.policy.load_full()
    }

    pub(crate) fn pages(&self) -> Arc<Pages> {
        Arc::clone(&self.0.pages)
    }
}

/// For how long the consents of each API are relied on that has a feed of them.
fn consent_feeds(settings: &Settings) -> ConsentFeeds {
    let fed = |one: &crate::settings::ApiSettings| Some((one.api.name.clone(), one.feeds.consents?.age_seconds_max));
    settings.apis.iter().filter_map(fed).collect()
}

/// Paths that are not an API's: the authorization server, administration, the feed of people.
const OURS: [&str; 3] = ["/oauth/", "/admin/", "/scim/"];

/// The door as a tower service.
#[derive(Debug, Clone)]
pub struct GatewayService(Gateway);

impl tower::Service<Request<Body>> for GatewayService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let gateway = self.0.clone();
        Box::pin(async move { Ok(gateway.answer(request).await) })
    }
}

fn plain(body: Body, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The clock, read once a request: from here on, time is an argument.
#[expect(clippy::disallowed_methods, reason = "the gateway is a door, and reads the clock once a request")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
