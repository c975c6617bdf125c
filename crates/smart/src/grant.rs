//! What a person or an administrator gave to a client: everything that its tokens stand for.

use bascule_fhir::{Id, Timestamp};
use serde_json::Value;

use crate::{Binding, Scopes};

/// A grant. All tokens made under it end with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The client.
    pub client: String,
    /// The user who gave it; none for a client's own access.
    pub user: Option<String>,
    /// The APIs it is for.
    pub apis: Vec<String>,
    /// What was granted.
    pub scopes: Scopes,
    /// The launch context.
    pub context: LaunchContext,
    /// Purpose of use, if stated.
    pub purpose: Option<String>,
    /// The session in which it was given; `online_access` ends with it.
    pub session: Option<String>,
    /// When the user last proved who they are.
    pub authenticated: Option<Timestamp>,
    /// OpenID `nonce` of the request.
    pub nonce: Option<String>,
    /// To what its tokens are bound.
    pub binding: Option<Binding>,
}

/// What a launch brings along (SMART App Launch 2.2, "Launch context arrives with your access_token").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaunchContext {
    /// The patient in context.
    pub patient: Option<Id>,
    /// The encounter in context.
    pub encounter: Option<Id>,
    /// `fhirContext`: objects with `reference`, `canonical` or `identifier`.
    pub fhir_context: Vec<Value>,
    /// Whether the app must show who the patient is; `None` if nothing was said.
    pub need_patient_banner: Option<bool>,
    /// `intent`
    pub intent: Option<String>,
    /// `tenant`
    pub tenant: Option<String>,
}
