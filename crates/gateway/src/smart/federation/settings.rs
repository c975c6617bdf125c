//! What the bridge must be told of another provider.

use bascule_smart::federation::ClaimsMap;
use bascule_smart::jose::SigningAlgorithm;
use url::Url;

use crate::settings::OauthSettings;

/// A provider as the login.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Its name in addresses and in the log: letters, digits and hyphens.
    pub name: String,
    /// What people read on the login page.
    pub title: String,
    /// `iss`, exactly.
    pub issuer: String,
    /// As whom we come there; `scope` is what a sign-in asks for.
    pub client: OauthSettings,
    /// Algorithms that it may sign with.
    pub algorithms: Vec<SigningAlgorithm>,
    /// What its claims mean here.
    pub claims: ClaimsMap,
    /// Whether its userinfo endpoint is asked too, for claims that the id_token leaves out.
    pub userinfo: bool,
    /// Where groups are asked for that the id_token leaves out because there are too many (Microsoft Graph).
    pub overage_url: Option<Url>,
    /// `acr_values` of a sign-in.
    pub acr_values: Option<String>,
    /// How often it is asked whether the user is still there, in seconds; `None` never asks.
    pub recheck_seconds: Option<i64>,
    /// Whether what was granted to last beyond a session stands after a logout there.
    pub offline_stands: bool,
    /// The EHR that it signs in for, if it is a SMART server that the bridge is an app of.
    pub ehr: Option<EhrSettings>,
}

/// A SMART server that launches apps through the bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EhrSettings {
    /// Its FHIR base: `iss` of its launches and `aud` of our requests. Without a trailing slash.
    pub base: String,
    /// The API of ours that stands in front of it.
    pub api: String,
}
