//! A grant of calls as it was written, and what the denies leave of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bascule_fhir::ResourceType;

use super::{Action, Names, Standing};
use crate::ApiKind;
use crate::label::Label;
use crate::rules::{Denied, Deny, Terms};

/// One grant of calls: `[[role.NAME.rest]]`, `[[role.NAME.dicomweb]]`, `[[role.NAME.hl7v2]]`.
#[derive(Debug, Clone)]
pub struct CallGrant {
    /// `telehealth.rest[0]`
    pub id: Arc<str>,
    /// Its line in the role's file.
    pub line: usize,
    /// The APIs that it is about.
    pub apis: Vec<String>,
    /// What they speak.
    pub kind: ApiKind,
    /// What may be done.
    pub actions: BTreeSet<Action>,
    /// As which type of FHIR it counts where scopes, consents, restrictions and denies are said in FHIR's terms.
    pub counts_as: ResourceType,
    /// What may leave.
    pub shows: Names,
    /// What the partner may say.
    pub writes: Names,
    /// What may be asked by.
    pub search: BTreeSet<String>,
    /// Media types of bodies that pass without being looked into.
    pub opaque: BTreeSet<String>,
    /// Under which terms.
    pub terms: Terms,
    /// Why, for who reads the file.
    pub because: Option<String>,
}

/// What of a grant acts for one action, once the denies have taken theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) shows: Names,
    /// Where minimum necessary does not act: everything, unless something of it is denied by name.
    pub(crate) lifted: Names,
    pub(crate) writes: Names,
    pub(crate) search: BTreeSet<String>,
    pub(crate) opaque: BTreeSet<String>,
    pub(crate) labels: Vec<Label>,
}

impl CallGrant {
    /// As what an action of it counts.
    #[must_use]
    pub fn standing(&self, action: &Action) -> Standing {
        Standing { resource: self.counts_as, kind: action.interaction() }
    }

    /// Whether it lets do that there.
    #[must_use]
    pub fn is_about(&self, api: &str, action: &Action) -> bool {
        self.apis.iter().any(|name| name == api) && self.actions.iter().any(|granted| granted.covers(action))
    }

    /// What the denies leave of it for one action on one API.
    ///
    /// # Errors
    /// The deny that takes the action itself away.
    pub(crate) fn less<'d>(
        &self,
        api: &str,
        action: &Action,
        denies: impl Iterator<Item = &'d Deny>,
    ) -> Result<Left, Arc<str>> {
        let mut left = Left {
            shows: self.shows.clone(),
            lifted: Names::All,
            writes: self.writes.clone(),
            search: self.search.clone(),
            opaque: self.opaque.clone(),
            labels: Vec::new(),
        };
        let standing = self.standing(action);
        for deny in denies.filter(|deny| deny.is_about(api, standing.resource, standing.kind)) {
            match &deny.what {
                Denied::Interaction => return Err(Arc::clone(&deny.id)),
                Denied::Names(names) => left.deny(names),
                Denied::Search(names) => left.search.retain(|name| !names.contains(name)),
                Denied::Labels(labels) => left.labels.extend(labels.iter().cloned()),
                Denied::Elements(_) => {}
            }
        }
        Ok(left)
    }
}

impl Left {
    /// A body that cannot be looked into may hold what is denied, so that it stays.
    fn deny(&mut self, names: &BTreeSet<String>) {
        self.shows = self.shows.without(names);
        self.writes = self.writes.without(names);
        self.lifted = self.shows.clone();
        self.opaque.clear();
        self.search = Names::Only(std::mem::take(&mut self.search)).without(names).named().cloned().unwrap_or_default();
    }
}
