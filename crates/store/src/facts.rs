//! What a decision asks of parties and relations, kept in memory until it changes.

use std::sync::Arc;

use bascule_fhir::{Id, Timestamp};
use bascule_policy::party::{Agreement, Organization};
use bascule_policy::record::{AccessReason, Emergency};

use crate::identity::Identities;
use crate::kept::Kept;
use crate::relation::Seen;
use crate::{Store, StoreError};

/// The caches of one shelf.
#[derive(Debug, Default)]
pub(crate) struct FactsKept {
    pub(crate) parties: Kept<String, Party>,
    pub(crate) relations: Kept<(String, Id), Vec<Seen>>,
    pub(crate) relations_to: Kept<(String, Id), Vec<Seen>>,
    pub(crate) relations_as_of: Kept<String, Option<Timestamp>>,
    pub(crate) identities: Kept<(String, Id), Identities>,
    /// By user and API.
    pub(crate) emergencies: Kept<(String, String), Vec<Emergency>>,
    /// By user and API.
    pub(crate) reasons: Kept<(String, String), Vec<AccessReason>>,
    pub(crate) feeds: Kept<String, Option<Timestamp>>,
}

/// An organization and what was agreed with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The organization, if there is one of that id.
    pub organization: Option<Organization>,
    /// Its agreements, in force or not.
    pub agreements: Vec<Agreement>,
}

impl Store {
    /// An organization with its agreements. Kept in memory.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn party(&self, id: &str) -> Result<Arc<Party>, StoreError> {
        self.facts.parties.or_look_up(&id.to_owned(), || {
            let organization = self.organization(id)?.map(|(organization, _)| organization);
            Ok(Party { organization, agreements: self.agreements_of(id)? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    fn lab(class: Option<&str>) -> Organization {
        Organization {
            id: "lab".into(),
            name: "Lab".into(),
            address: None,
            class: class.map(str::to_owned),
            verified: None,
        }
    }

    #[test]
    fn a_party_is_asked_for_once_until_it_changes() {
        let (_folder, store) = store();
        assert_eq!(store.party("lab").unwrap().organization, None);
        store.add_organization(&lab(None), NOW).unwrap();
        assert_eq!(store.party("lab").unwrap().organization, Some(lab(None)));
        let queries = store.queries();
        for _ in 0..10 {
            store.party("lab").unwrap();
        }
        assert_eq!(store.queries(), queries);
        store.update_organization(&lab(Some("payer"))).unwrap();
        assert_eq!(store.party("lab").unwrap().organization, Some(lab(Some("payer"))));
        let agreement = Agreement {
            id: "baa".into(),
            organization: "lab".into(),
            kind: "baa".into(),
            from: NOW,
            until: None,
            purposes: Vec::new(),
            citation: None,
        };
        store.add_agreement(&agreement).unwrap();
        assert_eq!(store.party("lab").unwrap().agreements.len(), 1);
        store.end_agreement("baa", NOW).unwrap();
        assert_eq!(store.party("lab").unwrap().agreements[0].until, Some(NOW));
    }
}
