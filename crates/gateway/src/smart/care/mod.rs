//! Care comes first: a clinician says why a record without a known relation is opened, or opens emergency access, in two
//! taps at most: the link that the refusal carries, and one button. Both act at once, end by themselves, and are looked
//! at afterwards.
//!
//! Whoever cannot prove themselves a second time gets in all the same; it is flagged.

mod act;
mod link;
mod page;
mod reasons;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::routing::{get, post};
use bascule_crypto::Secret;
use bascule_policy::Policy;

pub(crate) use link::{Ask, Links};

use super::cors;
use super::state::SmartState;

/// What the pages of care share. Cheap to clone.
#[derive(Clone)]
pub struct CareState {
    pub(super) smart: SmartState,
    pub(super) policy: Arc<ArcSwap<Policy>>,
    pub(super) links: Arc<Links>,
}

impl CareState {
    /// `key` seals the links of refusals; the gateway must have the same.
    #[must_use]
    pub fn new(smart: SmartState, policy: Arc<ArcSwap<Policy>>, key: Secret) -> Self {
        Self { smart, policy, links: Arc::new(Links::new(key)) }
    }
}

/// The pages and endpoints of care.
pub fn care_router(state: CareState) -> Router {
    Router::new()
        .route("/oauth/access", get(page::access).post(act::access).options(preflight))
        .route("/oauth/emergency", get(page::emergency).post(act::emergency).options(preflight))
        .route("/oauth/emergency/end", post(act::end))
        .layer(axum::extract::DefaultBodyLimit::max(super::FORM_BYTES_MAX))
        .with_state(state)
}

async fn preflight(
    axum::extract::State(state): axum::extract::State<CareState>,
    headers: http::HeaderMap,
) -> axum::response::Response {
    cors::preflight_registered(axum::extract::State(state.smart), headers).await
}
