//! What an address of an export holds: where it is upstream, and what was asked.

use bascule_fhir::Timestamp;
use bascule_store::random;
use serde::{Deserialize, Serialize};

use crate::pages::{Bearer, PageFault, Pages};

/// Says apart what is sealed here from page links.
const PURPOSE: &str = "bulk";

/// One address: the state of an export, or a file of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    /// The upstream's URL.
    #[serde(rename = "u")]
    pub(super) address: String,
    /// The kick-off, behind the API's own base: what is decided anew.
    #[serde(rename = "a")]
    pub(super) asked: String,
    /// The type that the file says it holds; `None` is the state.
    #[serde(rename = "t", default)]
    pub(super) of: Option<String>,
    /// Whether the bridge shows its credential for the file.
    #[serde(rename = "i", default)]
    pub(super) identified: bool,
    /// Until when, in seconds since the epoch.
    #[serde(rename = "e")]
    pub(super) expires: i64,
}

impl Ticket {
    /// Of the state of an export.
    pub(super) const fn state(address: String, asked: String, expires: Timestamp) -> Self {
        Self { address, asked, of: None, identified: true, expires: expires.seconds() }
    }

    /// Of one of its files; it ends with the export.
    pub(super) fn file(&self, address: String, of: &str, identified: bool) -> Self {
        Self { address, of: Some(of.to_owned()), identified, ..self.clone() }
    }

    /// What the state and the files of one export have in common.
    pub(super) fn export(&self) -> String {
        format!("{} {}", self.asked, self.expires)
    }

    /// The token. `None` if no random bytes are to be had, and then there is no address.
    pub(super) fn seal(&self, pages: &Pages, bearer: &Bearer<'_>) -> Option<String> {
        pages.seal_as(PURPOSE, self, bearer, random::bytes().ok()?)
    }

    /// The ticket of a token.
    ///
    /// # Errors
    /// [`PageFault`].
    pub(super) fn open(pages: &Pages, token: &str, bearer: &Bearer<'_>, now: Timestamp) -> Result<Self, PageFault> {
        let ticket: Self = pages.open_as(PURPOSE, token, bearer)?;
        if ticket.expires <= now.seconds() { Err(PageFault::Expired) } else { Ok(ticket) }
    }
}
