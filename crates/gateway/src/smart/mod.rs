//! SMART on FHIR and OAuth over HTTP: the forms and pages around the pure `smart` room.
//!
//! `smart` decides, `store` keeps, the log is told; here is only what speaks HTTP. No page needs JavaScript.

pub mod federation;
pub mod state;
pub mod throttle;

mod account;
mod administrator;
mod apps;
mod authorize;
mod browser;
mod care;
mod client;
mod consent;
mod cors;
mod discovery;
mod flow;
mod guesses;
mod introspect;
mod keys;
mod launch;
mod link;
mod login;
mod pages;
mod passkey;
#[cfg_attr(not(feature = "passkeys"), path = "passkeys_off.rs")]
mod passkeys;
mod patient;
mod pushed;
mod register;
mod respond;
mod revoke;
mod sealed;
mod second_factor;
mod then;
mod token;
mod udap;
mod userinfo;
mod whose;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

pub use administrator::permitted;
pub(crate) use care::{Ask, Links};
pub use care::{CareState, care_router};
pub use keys::ensure_signing_keys;
pub use state::{Caller, FetchKeys, FetchedKeys, Record, SmartLimits, SmartState};
pub use throttle::Throttles;
pub use udap::UdapSettings;

/// Bytes of a form; assertions and scopes are the longest.
const FORM_BYTES_MAX: usize = 65_536;

/// The OAuth, OpenID and SMART endpoints, and the pages for people.
pub fn router(state: SmartState) -> Router {
    let mut router = Router::new()
        .route("/oauth/authorize", get(authorize::by_get).post(authorize::by_post))
        .route("/oauth/continue", get(flow::resume))
        .route("/oauth/login", get(login::page).post(login::submit))
        .route("/oauth/second-factor", post(second_factor::submit))
        .route("/oauth/passkey/ask", post(passkey::ask))
        .route("/oauth/passkey/answer", post(passkey::answer))
        .route("/oauth/passkeys.js", get(passkey::script))
        .route("/oauth/account", get(account::page))
        .route("/oauth/account/passkey/new", post(account::new_passkey))
        .route("/oauth/account/passkey/keep", post(account::keep_passkey))
        .route("/oauth/account/passkey/remove", post(account::remove_passkey))
        .route("/oauth/account/otp/new", post(account::new_one_time))
        .route("/oauth/account/otp/keep", post(account::keep_one_time))
        .route("/oauth/account/otp/remove", post(account::remove_one_time))
        .route("/oauth/link", get(link::page).post(link::submit))
        .route("/oauth/federate", get(federation::begin))
        .route("/oauth/federated", get(federation::back))
        .route("/oauth/ehr-launch/{app}", get(federation::from_ehr))
        .route("/oauth/udap/register", post(udap::register))
        .route("/oauth/backchannel-logout", post(federation::logout::logout))
        .route("/oauth/patient", post(patient::submit))
        .route("/oauth/consent", post(consent::submit))
        .route("/oauth/apps", get(apps::page))
        .route("/oauth/apps/end", post(apps::end))
        .route("/oauth/logout", get(apps::logout_page).post(apps::logout))
        .route("/oauth/token", post(token::token).options(cors::preflight_registered))
        .route("/oauth/introspect", post(introspect::introspect).options(cors::preflight_registered))
        .route("/oauth/revoke", post(revoke::revoke).options(cors::preflight_registered))
        .route("/oauth/par", post(pushed::push).options(cors::preflight_registered))
        .route("/oauth/userinfo", get(userinfo::userinfo).post(userinfo::userinfo).options(cors::preflight_registered))
        .route("/oauth/launch", post(launch::make).options(cors::preflight_registered))
        .route("/oauth/jwks", get(discovery::key_set).options(cors::preflight_any))
        .route("/oauth/style.json", get(discovery::style).options(cors::preflight_any))
        .route("/oauth/pages.css", get(pages::style_sheet))
        .route("/.well-known/openid-configuration", get(discovery::openid).options(cors::preflight_any))
        .route("/.well-known/oauth-authorization-server", get(discovery::openid).options(cors::preflight_any));
    if state.server().registration {
        router = router.route("/oauth/register", post(register::register));
    }
    for path in state.api_paths() {
        let route = format!("{path}/.well-known/smart-configuration");
        router = router.route(&route, get(discovery::smart).options(cors::preflight_any));
        let route = format!("{path}/.well-known/udap");
        router = router.route(&route, get(udap::metadata).options(cors::preflight_any));
    }
    router.layer(DefaultBodyLimit::max(FORM_BYTES_MAX)).with_state(state)
}
