//! Page links that tell nothing: an upstream's own link, sealed for one caller under one policy for a while.
//!
//! Whoever holds the key can make links to any page of an upstream, but not pass: each use is decided anew, and the
//! answer filtered, as the search that began it.

use bascule_crypto::{Secret, aead};
use bascule_fhir::Timestamp;
use bascule_smart::Principal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What page links are sealed for.
const PURPOSE: &str = "page";

/// For whom a link is: everything that may differ between two callers, or between two policies.
pub(crate) struct Bearer<'a> {
    /// Who was given it.
    pub(crate) principal: &'a Principal,
    /// The API.
    pub(crate) api: &'a str,
    /// The policy bundle that decided.
    pub(crate) policy_hash: &'a str,
}

/// What a link holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page {
    /// The path and query behind the upstream's base.
    #[serde(rename = "u")]
    pub(crate) address: String,
    /// The path of the request that began it, behind the API's own base, and its query: what is decided anew.
    #[serde(rename = "a")]
    pub(crate) asked: String,
    /// Until when, in seconds since the epoch.
    #[serde(rename = "e")]
    pub(crate) expires: i64,
    /// Matches of the upstream's page that an earlier page has shown.
    #[serde(rename = "n", default)]
    pub(crate) used: usize,
    /// Which part of the allowed patients it is a page of; where `address` is empty, the first page of it.
    #[serde(rename = "p", default)]
    pub(crate) part: usize,
}

/// Why a link is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PageFault {
    /// Not made here, made for another caller or under another policy; which of them is not told.
    #[error("the page link is not valid for this caller now")]
    Foreign,
    /// Too old.
    #[error("the page link has expired")]
    Expired,
}

/// Makes and opens page links.
pub(crate) struct Pages {
    key: Secret,
}

impl Pages {
    pub(crate) const fn new(key: Secret) -> Self {
        Self { key }
    }

    /// The token of a page. `None` if the key is unusable, and then there is no link.
    pub(crate) fn seal(&self, page: &Page, bearer: &Bearer<'_>, nonce: [u8; aead::NONCE_BYTES]) -> Option<String> {
        self.seal_as(PURPOSE, page, bearer, nonce)
    }

    /// The token of something else that only its bearer shall show; `purpose` says it apart from pages.
    pub(crate) fn seal_as(
        &self,
        purpose: &str,
        what: &impl Serialize,
        bearer: &Bearer<'_>,
        nonce: [u8; aead::NONCE_BYTES],
    ) -> Option<String> {
        let plain = serde_json::to_vec(what).ok()?;
        let sealed = aead::seal(&self.key, nonce, &bound_to(purpose, bearer), &plain).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What a token of that purpose holds.
    ///
    /// # Errors
    /// [`PageFault::Foreign`].
    pub(crate) fn open_as<T: DeserializeOwned>(
        &self,
        purpose: &str,
        token: &str,
        bearer: &Bearer<'_>,
    ) -> Result<T, PageFault> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| PageFault::Foreign)?;
        let (nonce, sealed) = bytes.split_first_chunk::<{ aead::NONCE_BYTES }>().ok_or(PageFault::Foreign)?;
        let plain =
            aead::open(&self.key, *nonce, &bound_to(purpose, bearer), sealed).map_err(|_| PageFault::Foreign)?;
        serde_json::from_slice(&plain).map_err(|_| PageFault::Foreign)
    }

    /// The page of a token.
    ///
    /// # Errors
    /// [`PageFault`].
    pub(crate) fn open(&self, token: &str, bearer: &Bearer<'_>, now: Timestamp) -> Result<Page, PageFault> {
        let page: Page = self.open_as(PURPOSE, token, bearer)?;
        if page.expires <= now.seconds() { Err(PageFault::Expired) } else { Ok(page) }
    }
}

/// The parts with their lengths, so that no two bearers read alike.
fn bound_to(purpose: &str, bearer: &Bearer<'_>) -> Vec<u8> {
    let principal = bearer.principal;
    let patient = principal.patient().map_or("", |id| id.as_str());
    let user = principal.user().unwrap_or_default();
    let parts = [purpose, bearer.api, bearer.policy_hash, principal.client(), user, patient];
    let mut bound = Vec::new();
    for part in parts {
        bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bound.extend_from_slice(part.as_bytes());
    }
    bound
}

#[cfg(test)]
mod tests {
    use bascule_fhir::Id;
    use bascule_smart::{Credentials, Scopes, TokenRecord, authenticate};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn principal(client: &str, patient: Option<&str>) -> Principal {
        let token = TokenRecord {
            token_id: "t".into(),
            client: client.into(),
            organization: None,
            apis: vec!["ehr".into()],
            scopes: Scopes::default(),
            roles: vec![],
            user: None,
            fhir_user: None,
            patient: patient.and_then(Id::parse),
            encounter: None,
            purpose: None,
            expires: Timestamp::from_seconds(9_999),
            active: true,
            origin: bascule_smart::Origin::default(),
        };
        let credentials =
            Credentials { token: Some(token), presented: true, address: String::new(), user_agent: String::new() };
        authenticate(credentials, "ehr", NOW).unwrap()
    }

    fn page() -> Page {
        Page { address: "?page=2".into(), asked: "/Observation?code=x".into(), expires: 2_000, used: 0, part: 0 }
    }

    fn open(token: &str, client: &str, patient: Option<&str>, policy_hash: &str, now: i64) -> Result<Page, PageFault> {
        let principal = principal(client, patient);
        let bearer = Bearer { principal: &principal, api: "ehr", policy_hash };
        Pages::new(Secret::new([7; 32])).open(token, &bearer, Timestamp::from_seconds(now))
    }

    #[test]
    fn a_link_opens_for_its_caller_under_its_policy_in_its_time_only() {
        let (alice, policy_hash) = (principal("portal", Some("a")), "p1");
        let bearer = Bearer { principal: &alice, api: "ehr", policy_hash };
        let token = Pages::new(Secret::new([7; 32])).seal(&page(), &bearer, [1; 12]).unwrap();
        assert_eq!(open(&token, "portal", Some("a"), "p1", 1_000), Ok(page()));
        assert_eq!(open(&token, "portal", Some("b"), "p1", 1_000), Err(PageFault::Foreign));
        assert_eq!(open(&token, "portal", None, "p1", 1_000), Err(PageFault::Foreign));
        assert_eq!(open(&token, "other", Some("a"), "p1", 1_000), Err(PageFault::Foreign));
        assert_eq!(open(&token, "portal", Some("a"), "p2", 1_000), Err(PageFault::Foreign));
        assert_eq!(open(&token, "portal", Some("a"), "p1", 2_000), Err(PageFault::Expired));
        assert_eq!(open("no token", "portal", Some("a"), "p1", 1_000), Err(PageFault::Foreign));
    }

    #[test]
    fn a_link_tells_nothing() {
        let alice = principal("portal", Some("a"));
        let bearer = Bearer { principal: &alice, api: "ehr", policy_hash: "p1" };
        let token = Pages::new(Secret::new([7; 32])).seal(&page(), &bearer, [1; 12]).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
        assert!(memchr::memmem::find(&bytes, b"page=2").is_none());
    }
}
