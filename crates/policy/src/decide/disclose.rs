//! Asking another organization is a disclosure to it: what a request says in its path, query and body must be granted
//! (`discloses`), and the organization classed, verified and under agreement, before anybody connects.

use std::collections::BTreeMap;
use std::sync::Arc;

use bascule_fhir::{Interaction, InteractionKind, Level, Query, ResourceType, Target, Timestamp, Within};

use super::No;
use super::recipient::agreement;
use crate::decision::{Denial, DenialReason, Permit};
use crate::facts::{Fact, Facts};
use crate::party::RecipientClass;
use crate::policy::Policy;
use crate::rules::{Denied, Deny, Grant, without};
use crate::search::{CONTROLS, Use, usage};
use crate::{Elements, schema};

/// What may be said to the organization behind an API. Only [`Policy::disclose`] makes one.
#[derive(Debug, Clone)]
pub struct Disclosure {
    /// Its name, as the accounting of disclosures tells it.
    pub recipient: String,
    /// Its postal address, if known.
    pub address: Option<String>,
    /// The agreement, or `not-required`.
    pub agreement: String,
    elements: BTreeMap<ResourceType, Arc<Elements>>,
}

impl Policy {
    /// Whether a permitted request may be put to the organization that owns the system behind the API. `facts` are of that
    /// organization.
    ///
    /// # Errors
    /// A [`Denial`] that says what is missing: its class, its verification, an agreement, or a grant of what is said.
    pub fn disclose(&self, permit: &Permit, facts: &Facts, now: Timestamp) -> Result<Disclosure, Box<Denial>> {
        let denied = |no: No| {
            Box::new(Denial {
                principal: permit.principal().clone(),
                asked: permit.asked().clone(),
                reason: no.reason,
                rule: no.rule.to_string(),
                policy_hash: self.hash().to_owned(),
            })
        };
        let disclosure = self.vetted(permit, facts, now).map_err(&denied)?;
        disclosure.says(&permit.asked().interaction).map_err(&denied)?;
        Ok(disclosure)
    }

    fn vetted(&self, permit: &Permit, facts: &Facts, now: Timestamp) -> Result<Disclosure, No> {
        let organization = match &facts.organization {
            Fact::Unknown => return Err(No::unknown("the organization behind the api")),
            Fact::Known(None) => return Err(missing("a record of the organization behind the api")),
            Fact::Known(Some(organization)) => organization,
        };
        let class = organization.class.as_deref().and_then(RecipientClass::parse);
        let class = class.ok_or_else(|| missing("a class for the organization behind the api"))?;
        if organization.verified.is_none_or(|verified| verified > now) {
            return Err(missing("a verification of the organization behind the api"));
        }
        let agreement = agreement(class, organization, facts, now)?;
        if let Some(agreement) = agreement
            && !agreement.purposes.iter().any(|purpose| purpose == permit.purpose())
        {
            let reason = DenialReason::Purpose { asserted: permit.purpose().to_owned() };
            return Err(No::because(reason, &format!("agreement {}", agreement.id)));
        }
        Ok(Disclosure {
            recipient: organization.name.clone(),
            address: organization.address.clone(),
            agreement: agreement.map_or_else(|| "not-required".to_owned(), |agreement| agreement.id.clone()),
            elements: self.disclosed(permit, now),
        })
    }

    /// What the grants of the principal's roles let be said to that API, by type: those that stand now, for this purpose,
    /// less what any of the roles denies.
    fn disclosed(&self, permit: &Permit, now: Timestamp) -> BTreeMap<ResourceType, Arc<Elements>> {
        let (api, kind) = (permit.asked().api.as_str(), permit.asked().interaction.kind());
        let roles = || permit.principal().roles().iter().filter_map(|name| self.role(name));
        let denies = || self.denies().iter().chain(roles().flat_map(|role| &role.denies));
        let organization = permit.principal().organization().unwrap_or_default();
        let stands = |grant: &&Grant| {
            grant.terms.purposes.iter().any(|purpose| purpose.as_ref() == permit.purpose())
                && grant.terms.stand(organization, permit.exposure, now)
        };
        let mut all: BTreeMap<ResourceType, Arc<Elements>> = BTreeMap::new();
        for grant in roles().flat_map(|role| &role.grants).filter(stands) {
            for resource in grant.discloses.keys() {
                let Some(elements) = grant.disclosed(api, *resource, kind, denies()) else { continue };
                let together = all.get(resource).map_or_else(|| elements.clone(), |known| known.union(&elements));
                all.insert(*resource, Arc::new(together));
            }
        }
        all
    }
}

impl Grant {
    /// What it lets be said of the type to the organization behind the API, less what is denied.
    pub(crate) fn disclosed<'d>(
        &self,
        api: &str,
        resource: ResourceType,
        kind: InteractionKind,
        denies: impl Iterator<Item = &'d Deny>,
    ) -> Option<Elements> {
        let granted = self.discloses.get(&resource).filter(|_| self.apis.iter().any(|name| name == api))?;
        let mut left = Elements::clone(granted);
        for deny in denies.filter(|deny| deny.is_about(api, resource, kind)) {
            match &deny.what {
                Denied::Interaction => return None,
                Denied::Elements(paths) => left = without(resource, &left, paths),
                Denied::Search(_) | Denied::Labels(_) | Denied::Names(_) => {}
            }
        }
        Some(left)
    }
}

impl Disclosure {
    /// Whether the element may be said.
    #[must_use]
    pub fn reaches(&self, resource: ResourceType, path: &str) -> bool {
        self.elements.get(&resource).is_some_and(|elements| elements.reaches(resource, path))
    }

    /// Path and query of a request.
    fn says(&self, interaction: &Interaction) -> Result<(), No> {
        match interaction {
            Interaction::Capabilities | Interaction::Batch { .. } => Ok(()),
            Interaction::Page { .. } | Interaction::Bulk { .. } => {
                Err(No::not_supported("it is decided as what it continues"))
            }
            Interaction::Read { resource, .. } | Interaction::Vread { resource, .. } => self.names(*resource),
            Interaction::History { on, query } | Interaction::Operation { on, query, .. } => {
                self.names_at(on)?;
                self.asks(on.resource(), query)
            }
            Interaction::Search { within: Within::System, query } => self.asks(None, query),
            Interaction::Search { within: Within::Type(resource), query } => self.asks(Some(*resource), query),
            Interaction::Search { within: Within::Compartment { of, resource, .. }, query } => {
                self.names(*of)?;
                self.asks(*resource, query)
            }
            Interaction::Create { resource, unless } => match unless {
                Some(query) => self.asks(Some(*resource), query),
                None => self.names(*resource),
            },
            Interaction::Update { resource, target }
            | Interaction::Patch { resource, target }
            | Interaction::Delete { resource, target } => match target {
                Target::Instance(_) => self.names(*resource),
                Target::Matching(query) => self.asks(Some(*resource), query),
            },
        }
    }

    fn names_at(&self, on: &Level) -> Result<(), No> {
        on.resource().map_or(Ok(()), |resource| self.names(resource))
    }

    /// That such a resource is asked for says its id: something of the type must be granted.
    fn names(&self, resource: ResourceType) -> Result<(), No> {
        if self.reaches(resource, "id") { Ok(()) } else { Err(not_disclosed(resource, "id")) }
    }

    /// Each parameter says the values that it compares with: every element that it reads must be granted.
    fn asks(&self, resource: Option<ResourceType>, query: &Query) -> Result<(), No> {
        if let Some(resource) = resource {
            self.names(resource)?;
        }
        for parameter in &query.parameters {
            let name = parameter.name.as_str();
            if CONTROLS.contains(&name) || matches!(name, "_since" | "_at" | "_type") {
                continue;
            }
            let refused = || No::because(DenialReason::ParameterNotGranted { parameter: name.to_owned() }, "discloses");
            match (usage(parameter), resource) {
                // No value of anybody is in these.
                (Use::Sort(_) | Use::Include { .. } | Use::Types(_), _) => {}
                (Use::Plain { code, .. }, Some(resource)) => {
                    let reads = schema::reads(resource, code).and_then(|reads| reads.leaves.as_ref());
                    let said = reads.is_some_and(|leaves| leaves.iter().all(|path| self.reaches(resource, path)));
                    if !said {
                        return Err(refused());
                    }
                }
                _ => return Err(refused()),
            }
        }
        Ok(())
    }
}

fn not_disclosed(resource: ResourceType, path: &str) -> No {
    No::because(DenialReason::ElementNotGranted { element: format!("{resource}.{path}") }, "discloses")
}

fn missing(what: &str) -> No {
    No::because(DenialReason::Agreement { missing: what.to_owned() }, "recipient")
}
