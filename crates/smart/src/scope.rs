//! SMART scopes, v1 and v2 syntax, parsed strictly (SMART App Launch 2.2, "Scopes and Launch Context").

mod parse;
mod print;
mod set;

use bascule_fhir::ResourceType;

pub use parse::{Requested, SCOPE_TEXT_BYTES_MAX, SCOPES_MAX, ScopeError};

/// Whose data a resource scope is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// `patient/`: the patient in context.
    Patient,
    /// `user/`: what the user may see.
    User,
    /// `system/`: what the client itself may see.
    System,
}

/// The `cruds` letters of a v2 scope; `read` and `write` of v1 become `rs` and `cud`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rights {
    /// `c`
    pub create: bool,
    /// `r`
    pub read: bool,
    /// `u`
    pub update: bool,
    /// `d`
    pub delete: bool,
    /// `s`
    pub search: bool,
}

/// One scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `patient/Observation.rs?category=laboratory`
    Resource {
        /// Whose data.
        context: Context,
        /// The type; `None` is `*`.
        resource: Option<ResourceType>,
        /// What may be done.
        rights: Rights,
        /// The granular part: every pair must hold (`category=…`). Empty: all of the type.
        narrowing: Vec<(String, String)>,
        /// Written in v1 syntax (`.read`), so that it is echoed as it was asked.
        v1: bool,
    },
    /// `openid`
    OpenId,
    /// `fhirUser`
    FhirUser,
    /// `profile`
    Profile,
    /// `launch`
    Launch,
    /// `launch/patient`
    LaunchPatient,
    /// `launch/encounter`
    LaunchEncounter,
    /// `offline_access`
    OfflineAccess,
    /// `online_access`
    OnlineAccess,
    /// `smart/orchestrate_launch`: an EHR may put launch contexts ready. No specification defines it; several servers
    /// call it so.
    OrchestrateLaunch,
    /// `bascule/administer`: a person changes this server's records.
    Administer,
    /// `bascule/provision`: a system feeds the directory of people (SCIM).
    Provision,
}

/// The scopes of a request or a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(pub Vec<Scope>);
