//! Who receives: the client's organization, its class, and the agreement that the class requires, if it requires one.

use std::sync::Arc;

use bascule_fhir::Timestamp;
use bascule_smart::Principal;

use super::No;
use crate::decision::{DenialReason, Exemption};
use crate::facts::{Fact, Facts};
use crate::party::{Agreement, Organization, RecipientClass};
use crate::{Api, Exposure};

/// The recipient of what the principal asks for.
#[derive(Debug, Clone)]
pub(super) struct Recipient<'a> {
    pub(super) class: RecipientClass,
    pub(super) organization: &'a Organization,
    /// The agreement's id, or `not-required`.
    pub(super) agreement: Arc<str>,
    /// The purposes that the agreement permits; `None` where none is required.
    pub(super) purposes: Option<&'a [String]>,
    /// Why minimum necessary does not act on this recipient, if it does not.
    pub(super) exemption: Option<Exemption>,
}

impl<'a> Recipient<'a> {
    pub(super) fn of(principal: &Principal, facts: &'a Facts, api: &Api, now: Timestamp) -> Result<Self, No> {
        let organization = match &facts.organization {
            Fact::Unknown => return Err(No::unknown("the client's organization")),
            Fact::Known(None) => return Err(missing("a record of the organization that owns the client")),
            Fact::Known(Some(organization)) => organization,
        };
        if principal.organization() != Some(organization.id.as_str()) {
            return Err(missing("an organization that owns the client"));
        }
        let Some(class) = organization.class.as_deref().and_then(RecipientClass::parse) else {
            return Err(missing("a class for the organization: an unclassified recipient is refused"));
        };
        if api.exposure < least_exposure(class) {
            let what =
                format!("an api that serves the class {}: `{}` is {}", class.name(), api.name, api.exposure.name());
            return Err(missing(&what));
        }
        let agreement = agreement(class, organization, facts, now)?;
        Ok(Self {
            class,
            organization,
            agreement: agreement.map_or_else(|| "not-required".into(), |agreement| agreement.id.as_str().into()),
            purposes: agreement.map(|agreement| agreement.purposes.as_slice()),
            exemption: exemption(class, organization, agreement, now),
        })
    }
}

/// The least exposure of an API that may serve the class.
const fn least_exposure(class: RecipientClass) -> Exposure {
    match class {
        RecipientClass::Workforce => Exposure::Internal,
        RecipientClass::TreatingProvider | RecipientClass::Payer | RecipientClass::PublicAuthority => {
            Exposure::External
        }
        RecipientClass::PatientApp | RecipientClass::BusinessAssociate | RecipientClass::Researcher => {
            Exposure::ThirdParty
        }
    }
}

pub(super) fn agreement<'a>(
    class: RecipientClass,
    organization: &Organization,
    facts: &'a Facts,
    now: Timestamp,
) -> Result<Option<&'a Agreement>, No> {
    let Some(kind) = class.agreement_kind() else { return Ok(None) };
    let Fact::Known(agreements) = &facts.agreements else {
        return Err(No::unknown("the agreements of the organization"));
    };
    let stands = |agreement: &&Agreement| {
        agreement.organization == organization.id && agreement.kind == kind && agreement.in_force_at(now)
    };
    match agreements.iter().find(stands) {
        Some(agreement) if kind == "required-by-law" && agreement.citation.is_none() => {
            Err(missing("the citation of the law that requires it"))
        }
        Some(agreement) => Ok(Some(agreement)),
        None => Err(missing(&format!("an agreement of kind `{kind}` in force with the organization"))),
    }
}

/// A property of the verified recipient. What it asserts of itself plays no part.
fn exemption(
    class: RecipientClass,
    organization: &Organization,
    agreement: Option<&Agreement>,
    now: Timestamp,
) -> Option<Exemption> {
    match class {
        RecipientClass::TreatingProvider => organization
            .verified
            .filter(|verified| *verified <= now)
            .map(|verified| Exemption::TreatingProvider { organization: organization.id.clone(), verified }),
        RecipientClass::PublicAuthority => agreement
            .and_then(|agreement| agreement.citation.clone())
            .map(|citation| Exemption::RequiredByLaw { citation }),
        _ => None,
    }
}

fn missing(what: &str) -> No {
    No::because(DenialReason::Agreement { missing: what.to_owned() }, "recipient")
}
