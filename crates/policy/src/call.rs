//! What is asked of an API that does not speak FHIR: an operation of a REST service, a DICOMweb transaction, an HL7 v2
//! message. The same policy decides it, by the same terms; what may leave is named in the words of the API's own kind.

mod action;
mod dicom;
mod grant;
mod names;
mod permit;
mod segments;

pub use action::{Action, DicomAction};
pub(crate) use dicom::attribute;
pub use dicom::tag;
pub use grant::CallGrant;
pub(crate) use grant::Left;
pub use names::Names;
pub use permit::{CallDenial, CallPermit, Item, Lane};
pub(crate) use segments::field;

use std::collections::BTreeSet;

use bascule_fhir::{Id, InteractionKind, ResourceType};

/// One call, as the road of its kind has read it. The road tells whom it is about, for only the road knows where its
/// requests name a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The API's name.
    pub api: String,
    /// What is to be done.
    pub action: Action,
    /// The patients that the request itself names, by their ids in this API; `None` if it names none.
    pub patients: Option<Vec<Id>>,
    /// What it asks by: query parameters, DICOM attributes.
    pub searches: BTreeSet<String>,
    /// What its body says: property paths, attributes, fields.
    pub says: BTreeSet<String>,
    /// The media types of bodies, either way, that cannot be looked into.
    pub opaque: BTreeSet<String>,
}

impl Call {
    /// What a person writes: `GET /visits?from=x`, `query?StudyDate=x`, `receives ADT^A08`.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn asked(kind: crate::ApiKind, api: &str, text: &str) -> Result<Self, (String, String)> {
        let (action, query) = text.trim().split_once('?').unwrap_or((text.trim(), ""));
        let mut call = Self::new(api.to_owned(), Action::parse(kind, action)?);
        let names = query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty());
        call.searches = names.map(str::to_owned).collect();
        Ok(call)
    }

    /// A call that names nobody, searches by nothing and says nothing.
    #[must_use]
    pub const fn new(api: String, action: Action) -> Self {
        Self { api, action, patients: None, searches: BTreeSet::new(), says: BTreeSet::new(), opaque: BTreeSet::new() }
    }
}

/// As what the calls of a grant count: scopes, consents, restrictions and denies are said in FHIR's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Standing {
    /// The resource type.
    pub resource: ResourceType,
    /// The interaction.
    pub kind: InteractionKind,
}
