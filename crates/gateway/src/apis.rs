//! Which API a path belongs to. It is found first, and once.

use std::sync::Arc;

use bascule_policy::{Api, ApiKind};
use bascule_wire::TlsError;

use crate::identity::Signer;
use crate::issuers::Issuers;
use crate::settings::{Feeds, Settings};
use crate::upstream::Upstream;

/// An API as the gateway serves it.
#[derive(Debug)]
pub(crate) struct Served {
    /// Its record.
    pub(crate) api: Api,
    /// Its base as clients write it: `https://gateway.example/fhir`.
    pub(crate) public_base: String,
    /// The system behind it.
    pub(crate) upstream: Upstream,
    /// Others whose tokens it takes.
    pub(crate) issuers: Issuers,
    /// What the bridge itself reads from it.
    pub(crate) feeds: Feeds,
    /// Whose system it is, if another organization's.
    pub(crate) organization: Option<String>,
    path: String,
}

/// Every API, the longest path first.
#[derive(Debug)]
pub(crate) struct Apis(Vec<Arc<Served>>);

impl Apis {
    /// The APIs that are served over HTTP as FHIR. The others have doors of their own.
    ///
    /// # Errors
    /// [`TlsError`] if an upstream's trust or identity cannot be read.
    pub(crate) fn new(settings: &Settings, signer: &Signer) -> Result<Self, TlsError> {
        let public_url = settings.public_url.as_str().trim_end_matches('/');
        let fhir = settings.apis.iter().filter(|one| one.api.kind == ApiKind::Fhir);
        let served: Result<Vec<Arc<Served>>, TlsError> = fhir
            .map(|one| {
                let path = one.path.trim_end_matches('/').to_owned();
                Ok(Arc::new(Served {
                    api: one.api.clone(),
                    public_base: format!("{public_url}{path}"),
                    upstream: Upstream::new(&one.upstream, &settings.limits, signer)?,
                    issuers: Issuers::new(&one.issuers)?,
                    feeds: one.feeds,
                    organization: one.upstream.organization.clone(),
                    path,
                }))
            })
            .collect();
        let mut served = served?;
        served.sort_by_key(|one: &Arc<Served>| std::cmp::Reverse(one.path.len()));
        Ok(Self(served))
    }

    /// The API of a path, and what of the path lies behind its base.
    pub(crate) fn find<'p>(&self, path: &'p str) -> Option<(Arc<Served>, &'p str)> {
        self.0.iter().find_map(|served| {
            let rest = path.strip_prefix(served.path.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (Arc::clone(served), rest))
        })
    }

    /// Every API.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.0.iter()
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|served| served.api.name.clone()).collect()
    }

    /// The API of that name.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Served>> {
        self.0.iter().find(|served| served.api.name == name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use bascule_policy::{Exposure, Mode};
    use url::Url;

    use super::*;
    use crate::settings::{ApiSettings, Limits, UpstreamCredential, UpstreamSettings};

    const NOW: bascule_fhir::Timestamp = bascule_fhir::Timestamp::from_seconds(1_800_000_000);

    fn apis(paths: &[&str]) -> Apis {
        let one = |path: &&str| ApiSettings {
            api: Api {
                name: format!("at {path}"),
                kind: ApiKind::Fhir,
                service: "ehr".into(),
                exposure: Exposure::Internal,
                mode: Mode::Enforce,
            },
            path: (*path).to_owned(),
            upstream: UpstreamSettings {
                url: Url::parse("http://localhost/fhir").unwrap(),
                ca_pem: None,
                credential: UpstreamCredential::None,
                post_search: false,
                acting_user: None,
                organization: None,
                unversioned: None,
                files: Vec::new(),
            },
            issuers: Vec::new(),
            feeds: Feeds::default(),
        };
        let folder = tempfile::tempdir().unwrap();
        let store = bascule_store::Store::open(&folder.path().join("bascule.db"), NOW).unwrap();
        let settings = Settings {
            public_url: Url::parse("https://bridge.example").unwrap(),
            apis: paths.iter().map(one).collect(),
            limits: Limits::default(),
        };
        Apis::new(&settings, &Signer::new(Arc::new(store), "https://bridge.example")).unwrap()
    }

    #[test]
    fn a_path_belongs_to_the_longest_base_at_a_boundary() {
        let apis = apis(&["/fhir", "/fhir/lab"]);
        let found =
            |path: &'static str| apis.find(path).map(|(served, rest)| (served.api.name.clone(), rest.to_owned()));
        assert_eq!(found("/fhir/Patient/1"), Some(("at /fhir".into(), "/Patient/1".into())));
        assert_eq!(found("/fhir"), Some(("at /fhir".into(), String::new())));
        assert_eq!(found("/fhir/lab/Patient"), Some(("at /fhir/lab".into(), "/Patient".into())));
        assert_eq!(found("/fhirstone/Patient"), None);
        assert_eq!(found("/other"), None);
    }
}
