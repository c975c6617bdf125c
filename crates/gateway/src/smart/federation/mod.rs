//! Other providers as the login: people sign in where they have an account, and what that provider says of them is mapped to
//! who they are here. An EHR that launches apps through the bridge is such a provider too.

mod provider;
mod recheck;
mod settings;
mod sign_in;

pub(crate) mod logout;

use std::sync::Arc;

use bascule_wire::TlsError;
use maud::{Markup, html};

use super::state::SmartState;

pub(crate) use provider::Provider;
pub(crate) use sign_in::{back, begin, from_ehr, standalone_patient};

pub use recheck::recheck;
pub use settings::{EhrSettings, ProviderSettings};

/// The providers of a house.
#[derive(Debug, Clone, Default)]
pub(crate) struct Providers(Vec<Arc<Provider>>);

impl Providers {
    /// # Errors
    /// [`TlsError`] if the trust of one cannot be read.
    pub(crate) fn new(settings: &[ProviderSettings]) -> Result<Self, TlsError> {
        settings.iter().map(|one| Provider::new(one).map(Arc::new)).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn named(&self, name: &str) -> Option<Arc<Provider>> {
        self.0.iter().find(|one| one.settings().name == name).cloned()
    }

    /// The EHR that launches with this `iss`; one trailing slash is forgiven.
    pub(crate) fn of_ehr(&self, base: &str) -> Option<Arc<Provider>> {
        let base = base.strip_suffix('/').unwrap_or(base);
        self.0.iter().find(|one| one.settings().ehr.as_ref().is_some_and(|ehr| ehr.base == base)).cloned()
    }

    /// The EHR behind an API.
    pub(crate) fn of_api(&self, api: &str) -> Option<Arc<Provider>> {
        self.0.iter().find(|one| one.settings().ehr.as_ref().is_some_and(|ehr| ehr.api == api)).cloned()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.0.iter()
    }
}

/// The providers on a login page, each a link.
pub(crate) fn offers(state: &SmartState, request: Option<&str>) -> Markup {
    let address = |name: &str| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("provider", name);
        query.extend_pairs(request.map(|request| ("request", request)));
        format!("/oauth/federate?{}", query.finish())
    };
    html! {
        @for provider in state.providers().iter() {
            @let settings = provider.settings();
            p.other { a.button.quiet href=(address(&settings.name)) { "Sign in with " (settings.title) } }
        }
    }
}
